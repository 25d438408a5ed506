//! What `supervisor top` asks of a target: by the same way, with the same warnings and in the same words as the verbs.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use supervisor_api::SupervisorPath;
use supervisor_api::manifest::SignalWord;
use supervisor_api::wire::{Command, EventRecord, KeptLogs, Method, StateParams, WhyAnswer};
use supervisor_client::{Hello, Session, Settings};
use tokio::time::timeout;

pub(crate) use super::command::Texts;
use super::command::{Wish, check_offered, explained, summary};
use super::fault::Fault;
use super::history::Item;
use super::screen::Screen;
use super::wait::{End, Progress};
use super::{COMMAND, READ, logs, place, why};
use crate::args::{AnswerForm, ChoiceArgs, CommandArgs};

/// A command that somebody has put together.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) command: Command,
    /// The child, or for `add_child` the supervisor.
    pub(crate) path: SupervisorPath,
    pub(crate) signal: Option<SignalWord>,
    /// What was read from a file.
    pub(crate) texts: Rc<Texts>,
    pub(crate) reason: String,
}

/// Where the target is that was named, or the only one that runs; it answers, and this is what it says of itself.
pub(crate) async fn find(named: Option<&Path>, settings: &Settings) -> Result<(PathBuf, Hello), Fault> {
    within(READ, async {
        let path = place::find(named).await?;
        let session = Session::connect(&path, settings).await?;
        Ok((path, session.hello().clone()))
    })
    .await
}

/// Every line that the target keeps of a child and of what is below it.
pub(crate) async fn kept_logs(
    at: &Path,
    settings: &Settings,
    child: &SupervisorPath,
) -> Result<Vec<Item>, Fault> {
    within(READ, async {
        let mut session = Session::connect(at, settings).await?;
        let newest = logs::newest(&session.state(StateParams::default()).await?);
        logs::kept(settings, KeptLogs::All, &mut session, child, newest).await
    })
    .await
}

/// Why a child is as it is, and what is still known to have happened to it, the oldest first.
pub(crate) async fn about(
    at: &Path,
    settings: &Settings,
    child: &SupervisorPath,
) -> Result<(WhyAnswer, Vec<EventRecord>), Fault> {
    within(READ, async {
        let mut session = Session::connect(at, settings).await?;
        let state = session.state(StateParams::default()).await?;
        why::with_events(&mut session, &state, child).await
    })
    .await
}

/// Reads what a command takes from a file.
pub(crate) fn read(command: Command, file: &Path, choices: &ChoiceArgs) -> Result<Texts, Fault> {
    match command {
        Command::Apply => Texts::stack(file, choices),
        _ => Texts::manifest(file),
    }
}

/// What is shown before a dangerous command; `None` for one that is not. What would be refused is refused.
pub(crate) async fn foresee(at: &Path, settings: &Settings, order: &Order) -> Result<Option<String>, Fault> {
    let args = order.args();
    let wish = order.wish(&args);
    within(READ, async {
        let mut session = Session::connect(at, settings).await?;
        check_offered(&session, Method::Command(order.command))?;
        let state = session.state(StateParams::default()).await?;
        wish.warning(&Screen::plain(AnswerForm::Table), &mut session, &state, &order.path).await
    })
    .await
}

/// Sends a command and waits for its effect; `note` is told what happens meanwhile. One line says how it went.
pub(crate) async fn give(
    at: &Path,
    settings: &Settings,
    order: &Order,
    note: &dyn Fn(&str),
) -> Result<String, Fault> {
    let args = order.args();
    let wish = order.wish(&args);
    let mut session = within(READ, async { Ok(Session::connect(at, settings).await?) }).await?;
    let request = wish.request(&session, &order.path);
    let id = request.command_id.to_string();
    let work = async {
        let progress = Progress::begin(&session, settings, note, order.path.clone(), request).await?;
        let end = progress.finish(&mut session).await?;
        let target_id = session.hello().target_id();
        match end {
            End::Gone => Ok(format!("{target_id} is down")),
            End::Sent => Ok("sent".to_owned()),
            End::Answered(result, state) => match result.error.clone() {
                Some(error) if !result.accepted => Err(error.into()),
                _ => Ok(summary(target_id, &order.path, &wish, &result, state.as_deref())),
            },
        }
    };
    within(COMMAND, work).await.map_err(|fault| explained(fault, &id))
}

impl Order {
    /// What the command line would have been given.
    fn args(&self) -> CommandArgs {
        CommandArgs { reason: self.reason.clone(), by: None, yes: true, no_wait: false, command_id: None }
    }

    fn wish<'a>(&'a self, args: &'a CommandArgs) -> Wish<'a> {
        let of_tree = matches!(self.command, Command::ShutdownTree | Command::Apply | Command::Reload);
        let path = Some(self.path.as_str()).filter(|_| !of_tree);
        let rollback = matches!(self.command, Command::Apply | Command::Reload);
        Wish { signal: self.signal, rollback, ..Wish::new(self.command, path, &self.texts, args) }
    }
}

async fn within<T>(most: Duration, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(most, work).await.unwrap_or_else(|_| Err(Fault::late(most)))
}
