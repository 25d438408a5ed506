//! What the verbs take that are about a new file for a stack that runs, and about what would happen.

use std::path::PathBuf;

use clap::ValueEnum;

use super::target::codes;
use super::{ChoiceArgs, CommandArgs, TargetArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// The stack file; `-`: standard input.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) choices: ChoiceArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

pub(super) const PLAN_HELP: &str = concat!(
    "The run that the file is for works it out, with what also carries it out, so it is exact until something else
changes the run. Without --socket the run of the stack that the file names is asked.

  +  is added and started
  -  is stopped and removed
  >  has another name and is the same otherwise: stopped, then started under the new one
  !  runs something else: stopped and started, not charged to any budget
  ~  is decided otherwise from now on; its run goes on

",
    codes!(),
    "
Examples:
  supervisor plan stack.yaml
  supervisor plan stack.yaml --output json | jq .plan.restarted"
);

#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    /// The stack file; `-`: standard input.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) choices: ChoiceArgs,
    #[command(flatten)]
    pub(crate) rollback: RollbackArgs,
    #[command(flatten)]
    pub(crate) command: CommandArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// What happens when a new file does not work.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Command")]
pub(crate) struct RollbackArgs {
    /// Stay with the new file also when a child that it concerns does not come up, or does not end. Without it the run
    /// goes back to what it was before.
    #[arg(long)]
    pub(crate) no_rollback: bool,
}

pub(super) const APPLY_HELP: &str = concat!(
    "The plan is shown and asked for first. All of the file holds or nothing: one with a mistake changes nothing. What
the file does not touch goes on running. The command is over when every child that it concerns is started, or gone;
if one fails to start, or is not ready within its `ready_within_secs`, the file from before is applied again.

The text is taken once: the run does not look at FILE again, and `reload` goes back to the file that the run was
started with.

",
    codes!(),
    "
Examples:
  supervisor apply stack.yaml --reason \"more workers\"
  generate | supervisor apply - --reason \"release 12\" --yes"
);

#[derive(Debug, clap::Args)]
pub(crate) struct ReloadArgs {
    #[command(flatten)]
    pub(crate) rollback: RollbackArgs,
    #[command(flatten)]
    pub(crate) command: CommandArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

pub(super) const RELOAD_HELP: &str = concat!(
    "As `apply`, with the file that the run was started with. SIGHUP to `supervisor run` does the same without asking.

",
    codes!(),
    "
Example:
  supervisor reload --reason \"more workers\""
);

#[derive(Debug, clap::Args)]
pub(crate) struct WhatIfArgs {
    /// What would happen.
    #[arg(value_enum)]
    pub(crate) happens: Happens,
    /// To whom: the child, as a path or as an id that only one child has; for `apply` the stack file, `-`: standard
    /// input; for `shutdown` nothing.
    #[arg(value_name = "PATH|FILE")]
    pub(crate) of: Option<String>,
    #[command(flatten)]
    pub(crate) choices: ChoiceArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// What would happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Happens {
    /// The run of a child fails.
    Crash,
    /// A child is stopped and held, as `pause` does it.
    Stop,
    /// A child is restarted by hand.
    Restart,
    /// A child is stopped and taken out of the tree.
    Remove,
    /// A stack file is applied.
    Apply,
    /// The whole tree is stopped.
    Shutdown,
}

pub(super) const WHAT_IF_HELP: &str = concat!(
    "It is played on a copy of the tree's decisions, in a world where everybody does at once what is asked of them: runs
end when they are stopped, are ready when they are started, and no time passes. So it shows who goes down or up with
whom, and not what a child would lead to that does not stop, or fails again.

",
    codes!(),
    "
Examples:
  supervisor what-if crash /db
  supervisor what-if stop /db
  supervisor what-if apply stack.yaml"
);
