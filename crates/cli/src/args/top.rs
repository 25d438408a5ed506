//! What `supervisor top` takes.

use super::{ChoiceArgs, ColorWhen, SocketArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) at: SocketArgs,
    /// Whether to colour text. `auto`: unless NO_COLOR is set. Every state also has a shape and a word.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) color: ColorWhen,
    #[command(flatten)]
    pub(crate) choices: ChoiceArgs,
}

pub(super) const TOP_HELP: &str = "\
The tree with each child's state, age, restarts, CPU and memory, what needs you first, and below it the details or the
log of the child that is chosen. When the connection is lost that is said, what is shown is dimmed, and it comes back by
itself.

Keys: ? shows all of them. j k move, h l close and open a branch, Enter shows details and o the log, / searches, p shows
problems only, w goes to what needs you, a lists the commands, q quits.

R restart, P pause, U resume, Q quarantine, S signal, D remove, A add, L reload, F apply a file, X shut down. Each asks
for what the command line asks for: the reason, and where it is dangerous a confirmation below what it will affect. The
values of --set and --profile are those of a file that is applied with F.

Exit codes:
  0   quit
  1   the terminal cannot be used
  2   the command line is wrong, several targets run and none was named, or this is no terminal
  3   no target
  4   not permitted
  5   timed out

Examples:
  supervisor top
  supervisor top --socket /run/user/1000/tokio-supervisor/shop.sock";
