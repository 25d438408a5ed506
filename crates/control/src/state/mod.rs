//! What `state` answers: the live tree, read when it is asked for.

mod page;
mod recent;
mod telling;

use std::sync::Arc;

use serde::Serialize;
use supervisor_api::SupervisorPath;
use supervisor_api::report::RuntimeHealthReport;
use supervisor_api::wire::{
    ConnectionState, LogRecord, RuntimeRow, StateDelta, StateParams, TargetInfo, UnixNanos, WireError, Word,
};
use tokio_supervisor::{ChildView, Snapshot};

use crate::json::put;
use crate::target::Target;
use page::Page;

pub(crate) use telling::Telling;

/// What stands after the rows of a state.
#[derive(Serialize)]
struct Rest<'a> {
    recent_logs: Vec<LogRecord>,
    dropped_event_count: u64,
    dropped_log_count: u64,
    config_version: &'a str,
    generated_at_unix_nanos: UnixNanos,
    state_generation: u64,
    /// Of the control plane, which this knows nothing of.
    health: &'a RuntimeHealthReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<&'a SupervisorPath>,
}

/// What stands after the rows of a change that replaces everything.
#[derive(Serialize)]
struct RestOfDelta {
    dropped_event_count: u64,
    dropped_log_count: u64,
    connection_state: Word<ConnectionState>,
}

/// The whole state, or the page that is asked for: the answer to this request.
///
/// # Errors
///
/// When `under` or `after` is no child of the tree.
pub(crate) fn read(
    target: &Arc<Target>,
    request_id: &str,
    params: &StateParams,
    health: impl FnOnce() -> RuntimeHealthReport,
) -> Result<Telling, WireError> {
    let snapshot = target.handle.snapshot();
    let paths = paths(&snapshot);
    let Page { range, next_after } = Page::of(&paths, params).map_err(|error| error.on(target.id.clone()))?;
    let beside = target.handle.beside(&snapshot, range.clone());
    // After the rows: nothing in them is later than this says.
    let health = health();
    let mut head = br#"{"request_id":"#.to_vec();
    put(&mut head, request_id);
    head.extend_from_slice(br#","ok":true,"result":{"type":"state","target_id":"#);
    put(&mut head, &*target.id);
    head.extend_from_slice(br#","state":{"target":"#);
    put(&mut head, &info(target));
    head.push(b',');
    let mut tail = br#","recent_events":["#.to_vec();
    recent::put_events(&mut tail, target, snapshot.sequence());
    tail.push(b']');
    let rest = Rest {
        recent_logs: recent::logs(target),
        dropped_event_count: target.handle.dropped_events(),
        dropped_log_count: target.handle.dropped_logs(),
        config_version: &target.specs.version(),
        generated_at_unix_nanos: UnixNanos(health.last_observed_at_unix_nanos),
        state_generation: snapshot.sequence(),
        health: &health,
        next_after: next_after.as_ref(),
    };
    put_rest(&mut tail, &rest);
    tail.extend_from_slice(b"}}");
    let top = params.under.clone().unwrap_or_else(SupervisorPath::root);
    Ok(Telling::of(target, snapshot, range, beside, head, tail).below(top))
}

/// A change that replaces everything, as a line: who is in the tree, how each is, and how the target stands with a relay.
pub(crate) fn afresh(target: &Arc<Target>, under: &SupervisorPath) -> Telling {
    let snapshot = target.handle.snapshot();
    let range = page::below(&paths(&snapshot), under);
    let mut head = br#"{"type":"state_delta","target_id":"#.to_vec();
    put(&mut head, &*target.id);
    head.extend_from_slice(br#","delta":{"state_generation":"#);
    put(&mut head, &snapshot.sequence());
    head.push(b',');
    let rest = RestOfDelta {
        dropped_event_count: target.handle.dropped_events(),
        dropped_log_count: target.handle.dropped_logs(),
        connection_state: target.connection().into(),
    };
    let mut tail = Vec::new();
    put_rest(&mut tail, &rest);
    tail.push(b'}');
    let beside = target.handle.beside(&snapshot, range.clone());
    Telling::of(target, snapshot, range, beside, head, tail).below(under.clone())
}

fn paths(snapshot: &Snapshot) -> Vec<&SupervisorPath> {
    (0..snapshot.len()).filter_map(|at| snapshot.path(at)).collect()
}

/// The keys of an object that has begun already, and its end.
fn put_rest(out: &mut Vec<u8>, rest: &impl Serialize) {
    let from = out.len();
    put(out, rest);
    out[from] = b',';
}

/// A change of some rows. A child that is gone by now has none.
pub(crate) fn rows<'a>(target: &Target, paths: impl IntoIterator<Item = &'a SupervisorPath>) -> StateDelta {
    // Before the rows: each is at least as new as the generation says.
    let generation = target.generation();
    let rows = paths.into_iter().filter_map(|path| target.handle.child(path).ok());
    StateDelta {
        state_generation: Some(generation),
        runtime_state: Some(rows.map(|child| row(&child)).collect()),
        ..counts(target)
    }
}

/// A row, with what is known besides.
fn row(view: &ChildView) -> RuntimeRow {
    let mut row = RuntimeRow::of(&view.state);
    let is_live = view.state.lifecycle_state.is_live();
    row.more.pid = view.pid;
    row.more.last_heartbeat_unix_nanos = view.last_heartbeat_unix_nanos.filter(|_| is_live).map(UnixNanos);
    row.more.phase = view.phase.clone().filter(|phase| is_live && !phase.is_empty());
    row.more.budget = view.budget;
    row.more.usage = view.usage.map(Box::new);
    row.more.poll_times = view.poll_times.map(Box::new);
    row
}

fn counts(target: &Target) -> StateDelta {
    StateDelta {
        dropped_event_count: Some(target.handle.dropped_events()),
        dropped_log_count: Some(target.handle.dropped_logs()),
        ..StateDelta::default()
    }
}

fn info(target: &Target) -> TargetInfo {
    let (registration, connection) = *target.standing.borrow();
    TargetInfo {
        target_id: target.id.clone(),
        display_name: target.display_name.clone(),
        registration_state: registration.into(),
        connection_state: connection.into(),
    }
}
