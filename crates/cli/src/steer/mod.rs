//! The verbs on a running target.
//!
//! | file | subject |
//! |---|---|
//! | `place` | which target is meant |
//! | `fault` | what went wrong, and the exit code: one table |
//! | `screen`, `table`, `lines` | what an answer looks like |
//! | `resolve` | from what somebody typed to a path |
//! | `tree`, `status`, `health`, `events`, `logs`, `why` | what is read |
//! | `dashboard` | a link to the page |
//! | `plan`, `what_if` | what would be done |
//! | `command`, `affected`, `ask`, `wait` | what is done |
//! | `order` | the same for `supervisor top`, which asks and shows by itself |

mod affected;
mod ask;
mod command;
mod dashboard;
mod events;
mod fault;
mod filter;
mod health;
pub(crate) mod history;
pub(crate) mod lasts;
mod lines;
mod logs;
pub(crate) mod next;
pub(crate) mod order;
mod place;
mod plan;
mod resolve;
mod screen;
mod stack_text;
pub(crate) mod status;
mod table;
pub(crate) mod tree;
mod verdict;
mod wait;
mod what_if;
mod why;

use std::path::PathBuf;
use std::time::Duration;

use supervisor_client::{Session, Settings};

use crate::args::{Command, TargetArgs};
use crate::exit::Exit;
use crate::print;
pub(crate) use dashboard::dashboard;
pub(crate) use fault::Fault;
pub(crate) use plan::done;
pub(crate) use screen::{Screen, clock, safe};

/// How long a read may take, and a command that is waited for.
const READ: Duration = Duration::from_secs(30);
const COMMAND: Duration = Duration::from_secs(300);

/// What every verb has.
struct Context<'a> {
    args: &'a TargetArgs,
    screen: Screen,
    settings: Settings,
}

impl<'a> Context<'a> {
    fn new(args: &'a TargetArgs) -> Self {
        let mut settings = Settings::default();
        if let Some(most) = args.timeout {
            settings.connect = settings.connect.min(most);
            settings.read = settings.read.min(most);
        }
        Self { args, screen: Screen::new(args.output, args.color), settings }
    }

    /// The socket of the target that is meant.
    async fn place(&self) -> Result<PathBuf, Fault> {
        place::find(self.args.socket()).await
    }

    async fn session(&self) -> Result<Session, Fault> {
        Ok(Session::connect(self.place().await?, &self.settings).await?)
    }

    /// With the run that a stack text is for.
    async fn session_of(&self, text: &str) -> Result<Session, Fault> {
        let place = place::find_run(self.args.socket(), text).await?;
        Ok(Session::connect(place, &self.settings).await?)
    }

    /// Bounds the whole of a verb.
    async fn within<T>(
        &self,
        usual: Duration,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let most = self.args.timeout.unwrap_or(usual);
        tokio::time::timeout(most, work).await.unwrap_or_else(|_| Err(Fault::late(most)))
    }
}

/// Does what the verb says.
pub(crate) fn steer(verb: &Command) -> Exit {
    let Some(args) = target_args(verb) else { return Exit::Usage };
    let context = Context::new(args);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Fault::failed(format!("cannot start: {error}")).tell(&context.screen),
    };
    runtime.block_on(run(&context, verb)).unwrap_or_else(|fault| fault.tell(&context.screen))
}

async fn run(context: &Context<'_>, verb: &Command) -> Result<Exit, Fault> {
    match verb {
        Command::Tree(_) => context.within(READ, tree::tree(context)).await,
        Command::Status(args) => context.within(READ, status::status(context, args)).await,
        Command::Health(args) => context.within(READ, health::health(context, args)).await,
        Command::Why(args) => context.within(READ, why::why(context, args)).await,
        Command::Plan(args) => context.within(READ, plan::plan(context, args)).await,
        Command::WhatIf(args) => context.within(READ, what_if::what_if(context, args)).await,
        Command::Events(args) if args.follow => while_read(events::follow(context, args)).await,
        Command::Events(args) => context.within(READ, events::events(context, args)).await,
        Command::Logs(args) if args.follow => while_read(logs::follow(context, args)).await,
        Command::Logs(args) => context.within(READ, logs::logs(context, args)).await,
        command => command::command(context, command).await,
    }
}

/// Follows until nobody reads it any more, whether something happens or not.
async fn while_read(follow: impl Future<Output = Result<Exit, Fault>>) -> Result<Exit, Fault> {
    tokio::select! {
        end = follow => end,
        () = print::unread() => Ok(Exit::Good),
    }
}

fn target_args(verb: &Command) -> Option<&TargetArgs> {
    match verb {
        Command::Tree(args) => Some(&args.target),
        Command::Status(args) => Some(&args.target),
        Command::Events(args) => Some(&args.target),
        Command::Logs(args) => Some(&args.target),
        Command::Why(args) => Some(&args.target),
        Command::Health(args) => Some(&args.target),
        Command::Restart(args)
        | Command::Pause(args)
        | Command::Resume(args)
        | Command::Quarantine(args)
        | Command::Remove(args) => Some(&args.target),
        Command::Add(args) => Some(&args.target),
        Command::Signal(args) => Some(&args.target),
        Command::Plan(args) => Some(&args.target),
        Command::Apply(args) => Some(&args.target),
        Command::Reload(args) => Some(&args.target),
        Command::WhatIf(args) => Some(&args.target),
        Command::Shutdown(args) => Some(&args.target),
        _ => None,
    }
}
