//! The command line: what can be asked, and the help that teaches it.

mod choices;
mod relay;
mod respec;
mod target;
mod top;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use supervisor_stack::DashboardAt;

pub(crate) use choices::ChoiceArgs;
pub(crate) use relay::*;
pub(crate) use respec::*;
pub(crate) use target::*;
pub(crate) use top::*;

/// Runs programs that must stay up: starts them in order, restarts what fails, stops them in order.
#[derive(Debug, Parser)]
#[command(name = "supervisor", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
A stack file:
  version: 1
  name: demo
  children:
    - name: db
      kind: process
      command: [python3, -m, http.server, \"9000\"]
      readiness: {tcp: \"127.0.0.1:9000\"}
    - name: web
      kind: process
      command: [sh, -c, \"while sleep 1; do echo tick; done\"]
      dependencies: [db]

Examples:
  supervisor run stack.yaml        run it until Ctrl-C
  supervisor check stack.yaml      say everything that is wrong with the file
  supervisor schema > stack.json   the keys of a file, for an editor
  supervisor tree                  what runs, and how it is
  supervisor why /web              why it is as it is
  supervisor top                   all of it on this terminal, as it is now
  supervisor restart /web --reason \"new certificate\"
  supervisor plan stack.yaml       what an edited file would change
  supervisor apply stack.yaml --reason \"more workers\"
  supervisor dashboard             a link to see it all in a browser
  supervisor relay relay.yaml      every target of this machine, for browsers";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a stack until it is asked to stop or has nothing left to do.
    Run(RunArgs),
    /// Check a stack file and start nothing.
    Check(CheckArgs),
    /// Make a stack file out of a file of supervisord, process-compose, foreman or systemd.
    Import(ImportArgs),
    /// Print the JSON Schema of a stack file.
    #[command(after_help = SCHEMA_HELP)]
    Schema,
    /// Show a running tree: who is in it and how each is.
    #[command(after_help = TREE_HELP)]
    Tree(TreeArgs),
    /// Say how a running tree is, or everything about one child.
    #[command(after_help = STATUS_HELP)]
    Status(StatusArgs),
    /// Show what happened in a running tree.
    #[command(after_help = EVENTS_HELP)]
    Events(EventsArgs),
    /// Show what a child logged.
    #[command(after_help = LOGS_HELP)]
    Logs(LogsArgs),
    /// Say why a child is as it is: what happened, what led to it, what happens next.
    #[command(after_help = WHY_HELP)]
    Why(WhyArgs),
    /// Stop a child if it runs, then start it; also one that is paused or quarantined.
    #[command(after_help = RESTART_HELP)]
    Restart(ChildArgs),
    /// Stop a child and hold it until it is resumed or restarted.
    #[command(after_help = PAUSE_HELP)]
    Pause(ChildArgs),
    /// Let a paused or quarantined child go on.
    #[command(after_help = RESUME_HELP)]
    Resume(ChildArgs),
    /// Stop a child and park it as broken until it is resumed or restarted.
    #[command(after_help = QUARANTINE_HELP)]
    Quarantine(ChildArgs),
    /// Stop a child and take it out of the tree.
    #[command(after_help = REMOVE_HELP)]
    Remove(ChildArgs),
    /// Add a child to a running tree.
    #[command(after_help = ADD_HELP)]
    Add(AddArgs),
    /// Say what a stack file would change in a running stack, and change nothing.
    #[command(after_help = PLAN_HELP)]
    Plan(PlanArgs),
    /// Make a running stack be as a file says; go back if somebody does not come up.
    #[command(after_help = APPLY_HELP)]
    Apply(ApplyArgs),
    /// Make a running stack be as the file it was started with says now.
    #[command(after_help = RELOAD_HELP)]
    Reload(ReloadArgs),
    /// Say who would be affected by a failure, a command or a new file, and change nothing.
    #[command(after_help = WHAT_IF_HELP)]
    WhatIf(WhatIfArgs),
    /// Send a signal to a program of a running tree.
    #[command(after_help = SIGNAL_HELP)]
    Signal(SignalArgs),
    /// Stop a running tree.
    #[command(after_help = SHUTDOWN_HELP)]
    Shutdown(ShutdownArgs),
    /// Watch a running tree on this terminal, and steer it by keys.
    #[command(after_help = TOP_HELP)]
    Top(TopArgs),
    /// Say whether a running tree is healthy, for probes.
    #[command(after_help = HEALTH_HELP)]
    Health(HealthArgs),
    /// Print a link by which you sign in to the dashboard of a running stack.
    #[command(after_help = DASHBOARD_HELP)]
    Dashboard(DashboardArgs),
    /// Read or check the audit of a tree.
    #[command(after_help = AUDIT_HELP)]
    Audit(AuditArgs),
    /// Run a relay: many targets on one side, many browsers on the other.
    Relay(RelayArgs),
    /// Make certificates for trying out a relay with TLS.
    Cert(CertArgs),
    /// Print completions for a shell.
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
    /// Write manual pages, one for each command.
    #[command(after_help = MAN_HELP)]
    Man(ManArgs),
}

impl Command {
    /// Whether the text on standard output is all that is wanted of it. Of the others the effect is, or the exit code.
    pub(crate) fn only_tells(&self) -> bool {
        use Command::*;
        matches!(
            self,
            Schema
                | Import(_)
                | Relay(RelayArgs { verb: Some(_), .. } | RelayArgs { check: true, .. })
                | Tree(_)
                | Status(_)
                | Events(_)
                | Logs(_)
                | Why(_)
                | Plan(_)
                | WhatIf(_)
                | Dashboard(_)
                | Audit(_)
                | Completions(_)
        )
    }
}

/// What `run` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = RUN_HELP)]
pub(crate) struct RunArgs {
    /// The stack file.
    pub(crate) file: PathBuf,
    /// How to print events and the programs' output.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: OutputForm,
    /// Whether to colour text. `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) color: ColorWhen,
    /// Where the control socket is. Default: `control.path` of the file, or NAME.sock in the user's runtime directory
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Run without a control socket
    #[arg(long, conflicts_with = "socket")]
    pub(crate) no_socket: bool,
    /// Apply the file whenever it has changed, as SIGHUP does it
    #[arg(long)]
    pub(crate) watch: bool,
    /// Where the dashboard listens, such as 127.0.0.1:9900, or `off`. Default: `dashboard` of the file, or
    /// 127.0.0.1:9900, or the next port that is free
    #[arg(long, value_name = "ADDR", value_parser = DashboardAt::read)]
    pub(crate) dashboard: Option<DashboardAt>,
    #[command(flatten)]
    pub(crate) choices: ChoiceArgs,
}

/// What a line of output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// When text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    Auto,
    Always,
    Never,
}

const RUN_HELP: &str = "\
The first SIGINT (Ctrl-C) or SIGTERM stops every program in reverse order, each within its grace.
A second one kills what is left at once.

SIGHUP applies the file again, as it is now, like `supervisor reload`: what it does not touch goes on running, a file
with a mistake changes nothing, and when somebody does not come up the run goes back to what it was. With --watch that
is done whenever the file has changed. When the terminal of a run is closed, which is a hangup, too, the run stops; under
nohup it goes on.

The control socket is for you and for root, and for whom the file names (control). It is NAME.sock in $XDG_RUNTIME_DIR/tokio-supervisor; for root
without that in /run/tokio-supervisor; else in tokio-supervisor/run below $XDG_STATE_HOME or ~/.local/state. Whatever
is asked of it is recorded in tokio-supervisor/NAME/audit below $XDG_STATE_HOME; for root without that below /var/lib;
else below ~/.local/state. The file can name other places.

The dashboard is for browsers of this machine. On a terminal a link is printed by which you sign in, once and within 10
minutes; `supervisor dashboard` prints another at any time. Who follows it may do everything, as you may on the
socket. A dashboard that was not asked for by its address is no condition: if it cannot be had, that is said, and the
stack runs.

With health: {listen: \"127.0.0.1:PORT\"} in the file, probes and scrapers are answered there: /livez, /readyz, /metrics.

Exit codes:
  0   asked to stop, or everything is done
  1   a program failed and nothing is left to do, the stack gave up, or a program could not be stopped
  2   the command line is wrong
  66  the file cannot be read
  73  a stack of this name runs already, or its lock, control socket, audit, health port or the dashboard's address is
      not to be had; nothing was started
  78  the file is invalid

Examples:
  supervisor run stack.yaml
  supervisor run --output json stack.yaml > stack.log
  supervisor run --watch stack.yaml
  supervisor run --socket ./demo.sock stack.yaml
  supervisor run --dashboard off stack.yaml";

/// What `check` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = CHECK_HELP)]
pub(crate) struct CheckArgs {
    /// The stack file.
    pub(crate) file: PathBuf,
    /// Take warnings for errors.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) choices: ChoiceArgs,
}

/// What `import` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = IMPORT_HELP)]
pub(crate) struct ImportArgs {
    /// The other file. Of supervisord and systemd several can be named, which become one stack.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// What it is a file of. Default: what its name says.
    #[arg(long, value_enum)]
    pub(crate) format: Option<ImportFormat>,
    /// The name of the stack. Default: what the file says, else its directory is called so, and of one unit its own.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Write the stack file here; one that is there is not replaced. Default: to standard output.
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
}

/// Whose files can be imported.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ImportFormat {
    /// supervisord.conf, or another .conf or .ini file.
    Supervisord,
    /// process-compose.yaml, or another .yaml file.
    ProcessCompose,
    /// A Procfile, as foreman and Heroku have it.
    Procfile,
    /// A .service unit.
    Systemd,
}

const IMPORT_HELP: &str = "\
The stack file goes to standard output, or with --output to a new file. Every key
that could not be carried over goes to standard error, with its file and line,
why, and what there is instead. What the other tool does by default, and this
one does not, is written into the stack file; where that is not quite the same,
a comment there says so. Read both, then `supervisor check` the file and run it.

Exit codes:
  0   the stack file is made; what is not in it is on standard error
  1   it could not be written
  2   the command line is wrong
  66  a file cannot be read
  78  a file cannot be understood, has no program in it, or says what no stack
      file can: then what was made is shown all the same, with its mistakes

Examples:
  supervisor import Procfile > stack.yaml
  supervisor import supervisord.conf conf.d/*.conf --name shop --output shop.yaml
  supervisor import db.service web.service    # web waits for db if it said so
  supervisor import --format supervisord workers.txt 2> left-out.txt";

const CHECK_HELP: &str = "\
Every mistake is shown with its line and column, not only the first.

Exit codes:
  0   the file is good
  2   the command line is wrong
  66  the file cannot be read
  78  the file is invalid (with --strict: or doubtful)

Examples:
  supervisor check stack.yaml
  supervisor check --strict stack.yaml";

const SCHEMA_HELP: &str = "\
Many editors complete and check YAML with it. With the YAML language server, save it beside the
stack file and write as the file's first line:
  # yaml-language-server: $schema=stack.schema.json

Example:
  supervisor schema > stack.schema.json";
