//! What the verbs on a running target take, and the help that teaches them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{OsStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Subcommand, ValueEnum};
use supervisor_api::manifest::{SignalWord, StopSignal};
use supervisor_api::{Severity, Vocabulary as _};

use super::ColorWhen;

/// Where the target is, and how to answer.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Target and output")]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    at: SocketArgs,
    /// What the answer looks like.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: AnswerForm,
    /// Whether to colour text. `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) color: ColorWhen,
    /// How long the whole may take; who follows: the first connection. Default: 30, and 300 for a command that
    /// is waited for.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

/// Where the target is.
#[derive(Debug, clap::Args)]
pub(crate) struct SocketArgs {
    /// The target's socket. Without it the only target that runs in the default places is meant.
    #[arg(long, value_name = "PATH", env = SOCKET, value_parser = OsStringValueParser::new().try_map(socket))]
    socket: Option<PathBuf>,
}

impl SocketArgs {
    /// The target's socket, if one is named.
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.socket.as_deref().filter(|path| !path.as_os_str().is_empty())
    }
}

/// The variable that names a target. Empty is as if it were not set.
const SOCKET: &str = "SUPERVISOR_SOCKET";

impl TargetArgs {
    /// The target's socket, if one is named.
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.at.socket()
    }
}

fn socket(path: OsString) -> Result<PathBuf, &'static str> {
    let is_of_the_variable = || std::env::var_os(SOCKET).is_some_and(|path| path.is_empty());
    if path.is_empty() && !is_of_the_variable() {
        return Err("give the path of a socket, or leave `--socket` out");
    }
    Ok(path.into())
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerForm {
    /// Text for people.
    Table,
    /// JSON for programs: one value on one line, or one for each line that follows.
    Json,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "give a number of seconds, such as 10 or 0.5".to_owned())?;
    let span =
        Duration::try_from_secs_f64(seconds).map_err(|_| "give a number that is not negative".to_owned())?;
    if span.is_zero() { Err("give more than 0".to_owned()) } else { Ok(span) }
}

fn sequence(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "give the number of an event, such as 120".to_owned())
}

macro_rules! codes {
    () => {
        "\
Exit codes:
  0   done
  1   refused or failed; the code and the reason are printed
  2   the command line is wrong, several targets run and none was named, or --yes is missing
  3   no target
  4   not permitted
  5   timed out
"
    };
}
pub(super) use codes;

/// The arguments of a verb that needs none of its own.
#[derive(Debug, clap::Args)]
pub(crate) struct TreeArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

pub(super) const TREE_HELP: &str = concat!(
    codes!(),
    "
Examples:
  supervisor tree
  supervisor tree --socket /run/user/1000/tokio-supervisor/shop.sock
  supervisor tree --output json | jq '.state.runtime_state[] | select(.lifecycle_state != \"running\")'"
);

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// The child, as a path or as an id that only one child has. Without it: the tree as a whole.
    pub(crate) path: Option<String>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

pub(super) const STATUS_HELP: &str = concat!(
    codes!(),
    "
Examples:
  supervisor status           what needs attention
  supervisor status /web/api  everything about one child
  supervisor status api       the same, if only one child has this id"
);

#[derive(Debug, clap::Args)]
pub(crate) struct EventsArgs {
    /// Go on with what happens from now on, until Ctrl-C; also when the target is started again.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// The first event that is wanted. Without it: the newest 128.
    #[arg(long, value_name = "SEQUENCE", value_parser = sequence)]
    pub(crate) since: Option<u64>,
    /// Only events that fit: path=PATH, under=PATH, type=ChildFailed, state=backoff, severity=error, command=ID.
    /// Repeated: values of one key are alternatives, different keys must all fit.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) filter: Vec<String>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

pub(super) const EVENTS_HELP: &str = concat!(
    codes!(),
    "
Events that the target no longer keeps are told as a gap.

Examples:
  supervisor events
  supervisor events --follow --filter under=/web --filter severity=warning --filter severity=error
  supervisor events --since 120 --output json"
);

#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// The child, as a path or id; of a supervisor, everything below it.
    pub(crate) path: String,
    /// Go on with what is logged from now on, until Ctrl-C; also when the target is started again.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Show what the run before the newest one logged, and nothing else.
    #[arg(long, conflicts_with = "follow")]
    pub(crate) previous: bool,
    /// Show only lines that matter at least so much: trace, debug, info, warning or error.
    #[arg(long, value_name = "LEVEL", value_parser = severity)]
    pub(crate) severity: Option<Severity>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::find(text).ok_or_else(|| {
        let all: Vec<&str> = Severity::ALL.iter().map(|severity| severity.text()).collect();
        format!("there is {}", all.join(", "))
    })
}

pub(super) const LOGS_HELP: &str = concat!(
    codes!(),
    "
Examples:
  supervisor logs /web
  supervisor logs /web --previous
  supervisor logs / --follow --severity warning"
);

#[derive(Debug, clap::Args)]
pub(crate) struct WhyArgs {
    /// The child, as a path or id.
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

pub(super) const WHY_HELP: &str = concat!(
    codes!(),
    "
The answer is a sentence, and the events that led to it, the first cause first.

Example:
  supervisor why /web/api"
);

/// What every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Command")]
pub(crate) struct CommandArgs {
    /// Why. It stands in the events and in the audit.
    #[arg(long, short)]
    pub(crate) reason: String,
    /// Who asks, as they say. Without it: the user's name. Rights do not come from it.
    #[arg(long, value_name = "WHO")]
    pub(crate) by: Option<String>,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Return when the target has taken the command, not when its effect can be seen.
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// The id of the command. The same command sent again under the same id is not carried out twice.
    #[arg(long, value_name = "ID")]
    pub(crate) command_id: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ChildArgs {
    /// The child, as a path or as an id that only one child has.
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) command: CommandArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

pub(super) const RESTART_HELP: &str = concat!(
    "Of a supervisor everything below it is stopped and started anew; that is shown and asked for first.

",
    codes!(),
    "
Examples:
  supervisor restart /web/api --reason \"new certificate\"
  supervisor restart /web --reason \"stuck\" --yes"
);

pub(super) const PAUSE_HELP: &str = concat!(
    codes!(),
    "
Example:
  supervisor pause /jobs/mail --reason \"provider is down\""
);

pub(super) const RESUME_HELP: &str = concat!(
    codes!(),
    "
Example:
  supervisor resume /jobs/mail --reason \"provider is back\""
);

pub(super) const QUARANTINE_HELP: &str = concat!(
    codes!(),
    "
Example:
  supervisor quarantine /web/api --reason \"leaks memory, see ticket 812\""
);

pub(super) const REMOVE_HELP: &str = concat!(
    "What is removed is shown and asked for first.

",
    codes!(),
    "
Example:
  supervisor remove /jobs/nightly --reason \"replaced by /jobs/hourly\""
);

#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// A file with the child, written as under `children:` of a stack file; `-`: standard input.
    pub(crate) manifest: PathBuf,
    /// The supervisor to add it under.
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub(crate) under: String,
    #[command(flatten)]
    pub(crate) command: CommandArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

pub(super) const ADD_HELP: &str = concat!(
    "The child is shown and asked for first.

",
    codes!(),
    "
A manifest:
  name: cache
  kind: process
  command: [redis-server, /etc/cache.conf]

Examples:
  supervisor add --under /data cache.yaml --reason \"faster reads\"
  generate | supervisor add - --reason \"one more worker\" --yes"
);

#[derive(Debug, clap::Args)]
pub(crate) struct SignalArgs {
    /// The child, as a path or as an id that only one child has.
    pub(crate) path: String,
    /// The signal, with or without SIG; or RELOAD, for the child's `reload_signal`.
    #[arg(ignore_case = true, value_parser = signals())]
    pub(crate) signal: SignalWord,
    #[command(flatten)]
    pub(crate) command: CommandArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// Only the words of manifests: a program is not made to dump its memory or to stand still.
fn signals() -> impl TypedValueParser<Value = SignalWord> {
    let words = StopSignal::ALL.iter().map(|signal| {
        let word = signal.as_str();
        PossibleValue::new(word).alias(word.trim_start_matches("SIG"))
    });
    PossibleValuesParser::new(words.chain([PossibleValue::new(SignalWord::RELOAD)]))
        .try_map(|word| SignalWord::parse(&word).ok_or_else(|| format!("there is no signal {word}")))
}

pub(super) const SIGNAL_HELP: &str = concat!(
    "All processes of the program get it. A program that ends by it has ended by itself, and is restarted
if it would be. A task or a supervisor takes no signals. What is not among the `allowed_signals` in the
child's `command_permissions` is refused.

RELOAD is the signal that the child's manifest gives as its `reload_signal`. It goes to the program alone, and not to
what that has started.

",
    codes!(),
    "
Examples:
  supervisor signal /web RELOAD --reason \"new certificates\"
  supervisor signal /web HUP --reason \"new configuration\"
  supervisor signal worker SIGUSR1 --reason \"dump statistics\""
);

#[derive(Debug, clap::Args)]
pub(crate) struct ShutdownArgs {
    #[command(flatten)]
    pub(crate) command: CommandArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

pub(super) const SHUTDOWN_HELP: &str = concat!(
    "Everything is stopped in order, each child within its grace, and the target ends. That is asked for first.

",
    codes!(),
    "
Example:
  supervisor shutdown --reason \"kernel update\""
);

#[derive(Debug, clap::Args)]
pub(crate) struct HealthArgs {
    /// Take `degraded` for a failure.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

pub(super) const HEALTH_HELP: &str = "\
unhealthy: a critical child is not ready, parked or stale, or the tree is not up.
degraded:  the same of a standard child, or any child is quarantined or unresponsive.
healthy:   neither.

Exit codes:
  0   healthy, or degraded
  1   unhealthy; with --strict also degraded
  2   the command line is wrong, or several targets run and none was named
  3   no target
  4   not permitted
  5   timed out

Example, as a probe:
  supervisor health --socket /run/tokio-supervisor/shop.sock --timeout 2";

#[derive(Debug, clap::Args)]
pub(crate) struct DashboardArgs {
    /// The name of the stack. Without it the only one that runs with a dashboard is meant.
    pub(crate) stack: Option<String>,
    /// What the answer looks like.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: AnswerForm,
}

pub(super) const DASHBOARD_HELP: &str = "\
The link is a secret: who follows it first may do everything with the stack. It is good once, and for at least 5
minutes. The stack must run as the same user, with the same XDG_STATE_HOME; it keeps a link in the file `dashboard` in
the directory of its state, which nobody else may read.

Exit codes:
  0   the link is printed
  1   the links cannot be read
  2   the command line is wrong, or several stacks run and none was named
  3   no such stack runs with a dashboard

Examples:
  supervisor dashboard
  supervisor dashboard shop
  xdg-open \"$(supervisor dashboard shop)\"";

#[derive(Debug, clap::Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) verb: AuditVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Print every record, the oldest first.
    Show(LedgerArgs),
    /// Check every record and the whole chain; name the first bad one.
    Verify(LedgerArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct LedgerArgs {
    /// The directory of the audit, such as ~/.local/state/tokio-supervisor/NAME/audit.
    pub(crate) dir: PathBuf,
    /// What the answer looks like.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: AnswerForm,
}

pub(super) const AUDIT_HELP: &str = "\
The files are read; no target is needed.

Exit codes:
  0   every record is as it was written
  1   a record is damaged or missing, or there is no audit
  2   the command line is wrong
  4   not permitted

Examples:
  supervisor audit verify ~/.local/state/tokio-supervisor/shop/audit
  supervisor audit show --output json ~/.local/state/tokio-supervisor/shop/audit | jq .body";

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

pub(super) const COMPLETIONS_HELP: &str = "\
Examples:
  supervisor completions bash > ~/.local/share/bash-completion/completions/supervisor
  supervisor completions zsh > ~/.zfunc/_supervisor
  supervisor completions fish > ~/.config/fish/completions/supervisor.fish";

#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The directory to write them to; it is created if it is not there.
    pub(crate) dir: PathBuf,
}

pub(super) const MAN_HELP: &str = "\
Example:
  supervisor man ~/.local/share/man/man1 && man supervisor-tree";
