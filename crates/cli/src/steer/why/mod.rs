//! `supervisor why PATH`: asked of the target if it can say so, else worked out from the events that it has.

mod chain;
mod sentence;

use serde_json::{Value, json};
use supervisor_api::SupervisorPath;
use supervisor_api::wire::{
    DashboardState, EventRecord, Method, RuntimeRow, StateParams, Stream, UnixNanos, WhyAnswer,
};
use supervisor_client::Session;

use super::fault::Fault;
use super::history::{self, Item};
use super::resolve::resolve;
use super::screen::{Screen, safe};
use super::{Context, lasts};
use crate::args::WhyArgs;
use crate::exit::Exit;
use crate::print;

/// Says why a child is as it is.
pub(super) async fn why(context: &Context<'_>, args: &WhyArgs) -> Result<Exit, Fault> {
    let mut session = context.session().await?;
    let state = session.state(StateParams::default()).await?;
    let path = resolve(&state, &args.path)?;
    let why = asked(&mut session, &state, &path).await?;
    let row = state.runtime_state.iter().find(|row| row.child_path == path);
    let so_far = row.and_then(|row| so_far(row, &why, state.generated_at_unix_nanos));
    if context.screen.is_json() {
        let target_id = session.hello().target_id();
        context.screen.json(&json!({"type": "why", "target_id": target_id, "why": why, "row": row}));
    } else {
        show(&context.screen, &why, so_far.as_deref());
    }
    Ok(Exit::Good)
}

/// In the words of the target if it can say it.
async fn asked(
    session: &mut Session,
    state: &DashboardState,
    path: &SupervisorPath,
) -> Result<WhyAnswer, Fault> {
    if session.hello().has(Method::Why) {
        return Ok(session.why(path.as_str()).await?);
    }
    Ok(worked_out(state, path, &events(session, state).await?))
}

/// The same, and every event that the target still has of the child, the oldest first.
pub(super) async fn with_events(
    session: &mut Session,
    state: &DashboardState,
    path: &SupervisorPath,
) -> Result<(WhyAnswer, Vec<EventRecord>), Fault> {
    let why = if session.hello().has(Method::Why) { Some(session.why(path.as_str()).await?) } else { None };
    let events = events(session, state).await?;
    let why = why.unwrap_or_else(|| worked_out(state, path, &events));
    Ok((why, events.into_iter().filter(|event| event.target_path == *path).collect()))
}

/// Every event that the target still has, up to the state.
async fn events(session: &mut Session, state: &DashboardState) -> Result<Vec<EventRecord>, Fault> {
    let newest = state.recent_events.last().map_or(0, |event| event.sequence);
    let items = history::read(session, Stream::Events, 1, newest).await?;
    let event = |item| if let Item::Event(event) = item { Some(*event) } else { None };
    Ok(items.into_iter().filter_map(event).collect())
}

fn worked_out(state: &DashboardState, path: &SupervisorPath, events: &[EventRecord]) -> WhyAnswer {
    let chain = chain::chain(events, path);
    let last = chain.last();
    let payload = |key: &str| last.and_then(|last| last.payload.get(key));
    let now = state.generated_at_unix_nanos.0;
    let left = last.zip(payload("next_in_ms").and_then(Value::as_u64)).map(|(last, ms)| {
        let passed = now.saturating_sub(last.occurred_at_unix_nanos.0) / 1_000_000;
        ms.saturating_sub(passed)
    });
    WhyAnswer {
        child_path: path.clone(),
        sentence: sentence::sentence(state, path, &chain),
        next: payload("next").and_then(Value::as_str).unwrap_or("nothing").to_owned(),
        next_in_ms: left,
        chain: chain.into_iter().cloned().collect(),
        policy: None,
    }
}

/// Since when the child is as it is, however long ago that was, and what is next when no event that is kept tells it.
fn so_far(row: &RuntimeRow, why: &WhyAnswer, now: UnixNanos) -> Option<String> {
    let lasts = lasts::in_state(row, now)?;
    let next = lasts::next_start(row, now).filter(|_| why.chain.is_empty());
    let next = next.map(|next| format!("; it {next}")).unwrap_or_default();
    let uses = lasts::usage(row, now).map(|uses| format!(" Its program uses {uses}.")).unwrap_or_default();
    let polled =
        lasts::polled(row, now).map(|polled| format!(" It is being polled {polled}.")).unwrap_or_default();
    Some(format!("It has been {} for {lasts}{next}.{uses}{polled}", row.lifecycle_state))
}

fn show(screen: &Screen, why: &WhyAnswer, so_far: Option<&str>) {
    let chain: String = why.chain.iter().map(|event| screen.event_line(event)).collect();
    let gap = if chain.is_empty() { "" } else { "\n" };
    print::out(&format!(
        "{}\n{}{gap}{chain}",
        safe(&why.sentence),
        so_far.map(|so_far| safe(so_far) + "\n").unwrap_or_default()
    ));
}
