//! `supervisor events`.

use supervisor_api::wire::{StateParams, Stream};
use supervisor_client::{Follower, Happening, Session, View};

use super::fault::Fault;
use super::filter::Filter;
use super::history::{self, Item};
use super::screen::safe;
use super::{Context, READ};
use crate::args::EventsArgs;
use crate::exit::Exit;
use crate::print;

/// Shows the newest events, or all from a sequence on.
pub(super) async fn events(context: &Context<'_>, args: &EventsArgs) -> Result<Exit, Fault> {
    let filter = Filter::parse(&args.filter)?;
    let mut session = context.session().await?;
    let state = session.state(StateParams::default()).await?;
    let wanted = |event: &&_| filter.wants(event);
    let Some(since) = args.since else {
        state.recent_events.iter().filter(wanted).for_each(|event| context.screen.event(event));
        return Ok(Exit::Good);
    };
    let newest = state.recent_events.last().map_or(0, |event| event.sequence);
    for item in history::read(&mut session, Stream::Events, since, newest).await? {
        match item {
            Item::Event(event) if filter.wants(&event) => context.screen.event(&event),
            Item::Gap(gap) => context.screen.gap(&state.target.target_id, Stream::Events, gap),
            _ => {}
        }
    }
    Ok(Exit::Good)
}

/// Shows the same, and goes on until it is interrupted or nobody reads it any more.
pub(super) async fn follow(context: &Context<'_>, args: &EventsArgs) -> Result<Exit, Fault> {
    let filter = Filter::parse(&args.filter)?;
    let (path, from) = context
        .within(READ, async {
            let path = context.place().await?;
            let mut session = Session::connect(&path, &context.settings).await?;
            let state = session.state(StateParams::default()).await?;
            let first = state.recent_events.first().map_or(1, |event| event.sequence);
            Ok((path, args.since.unwrap_or(first)))
        })
        .await?;
    let mut follower = Follower::new(path, context.settings.clone()).events_from(from);
    while print::broken().is_none() {
        match follower.next().await {
            Happening::Event(event) if filter.wants(&event) => context.screen.event(&event),
            Happening::Gap { stream: Stream::Events, gap } => {
                context.screen.gap(&target_id(&follower), Stream::Events, gap);
            }
            other => notice(context, other)?,
        }
    }
    Ok(Exit::Good)
}

/// Tells what became of the connection; ends when this user may no longer see anything.
pub(super) fn notice(context: &Context<'_>, happening: Happening) -> Result<(), Fault> {
    match happening {
        Happening::Disconnected { why, .. } => {
            context.screen.note(&format!("{}; waiting for it", safe(&why.to_string())));
        }
        Happening::Resumed(_) => context.screen.note("connected again"),
        Happening::Restarted(hello) => context.screen.started_again(hello.target_id()),
        Happening::Unreachable { why, .. } if why.is_denied() => return Err(why.into()),
        _ => {}
    }
    Ok(())
}

/// The target that a follower sees.
pub(super) fn target_id(follower: &Follower) -> String {
    match follower.view() {
        View::Current(tree) | View::Stale { tree, .. } => tree.target_id().to_string(),
        View::Unknown => String::new(),
    }
}
