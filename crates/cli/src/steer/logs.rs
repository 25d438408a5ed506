//! `supervisor logs PATH`.

use supervisor_api::SupervisorPath;
use supervisor_api::wire::{DashboardState, KeptLogs, LogRecord, StateParams, Stream};
use supervisor_client::{Follower, Happening, Session, Settings};

use super::events::{notice, target_id};
use super::fault::Fault;
use super::history::{self, Item};
use super::resolve::resolve;
use super::{Context, READ};
use crate::args::LogsArgs;
use crate::exit::Exit;
use crate::print;

/// A session, the path that is meant, and the newest line of the tree.
async fn begin(context: &Context<'_>, asked: &str) -> Result<(Session, SupervisorPath, u64), Fault> {
    let mut session = context.session().await?;
    let state = session.state(StateParams::default()).await?;
    let path = resolve(&state, asked)?;
    Ok((session, path, newest(&state)))
}

/// The newest line of the tree.
pub(super) fn newest(state: &DashboardState) -> u64 {
    state.recent_logs.iter().rev().find_map(|log| log.sequence).unwrap_or(0)
}

/// Lines of the child and of what is below it that matter enough.
fn wanted(args: &LogsArgs, path: &SupervisorPath, log: &LogRecord) -> bool {
    let matters = |least| log.severity.known().is_none_or(|severity| severity >= least);
    log.child_path.as_ref().is_some_and(|of| path.contains(of)) && args.severity.is_none_or(matters)
}

/// Shows every line that the target still has.
pub(super) async fn logs(context: &Context<'_>, args: &LogsArgs) -> Result<Exit, Fault> {
    let (mut session, path, newest) = begin(context, &args.path).await?;
    let items = kept(&context.settings, which(args), &mut session, &path, newest).await?;
    show(context, args, session.hello().target_id(), &path, items);
    Ok(Exit::Good)
}

fn which(args: &LogsArgs) -> KeptLogs {
    if args.previous { KeptLogs::PreviousRun } else { KeptLogs::All }
}

/// What the target keeps of the child.
pub(super) async fn kept(
    settings: &Settings,
    which: KeptLogs,
    session: &mut Session,
    path: &SupervisorPath,
    newest: u64,
) -> Result<Vec<Item>, Fault> {
    let last = match session.kept_logs(path.clone(), which).await? {
        Some(last) => last,
        // It is of an older version, and has one stream of all children.
        None if which == KeptLogs::All => {
            let mut anew = Session::connect(session.path(), settings).await?;
            return history::read(&mut anew, Stream::Logs, 1, newest).await;
        }
        None => {
            let what = "the target cannot tell what earlier runs logged; it is of an older version";
            return Err(Fault::failed(what));
        }
    };
    if last == 0 {
        return Ok(Vec::new());
    }
    history::until(session, Stream::Logs, last).await
}

fn show(context: &Context<'_>, args: &LogsArgs, target_id: &str, path: &SupervisorPath, items: Vec<Item>) {
    for item in items {
        match item {
            Item::Log(log) if wanted(args, path, &log) => context.screen.log(&log),
            Item::Gap(gap) => context.screen.gap(target_id, Stream::Logs, gap),
            _ => {}
        }
    }
}

/// Shows the same, and goes on until it is interrupted or nobody reads it any more.
pub(super) async fn follow(context: &Context<'_>, args: &LogsArgs) -> Result<Exit, Fault> {
    let earlier = async {
        let (mut session, path, newest) = begin(context, &args.path).await?;
        let items = kept(&context.settings, KeptLogs::All, &mut session, &path, newest).await?;
        let last = items.last().map_or(0, Item::sequence).max(newest);
        let follower = Follower::new(session.path(), context.settings.clone()).logs(Some(last + 1));
        show(context, args, session.hello().target_id(), &path, items);
        Ok((follower, path))
    };
    let (mut follower, path) = context.within(READ, earlier).await?;
    while print::broken().is_none() {
        match follower.next().await {
            Happening::Log(log) if wanted(args, &path, &log) => context.screen.log(&log),
            Happening::Gap { stream: Stream::Logs, gap } => {
                context.screen.gap(&target_id(&follower), Stream::Logs, gap);
            }
            other => notice(context, other)?,
        }
    }
    Ok(Exit::Good)
}
