//! Since when a child is as it is, as far as its row says it.

use supervisor_api::Lifecycle;
use supervisor_api::wire::{RuntimeRow, UnixNanos};

use crate::span::span;

/// For how long the child has been in its state. `None`: the target does not say.
pub(super) fn in_state(row: &RuntimeRow, now: UnixNanos) -> Option<String> {
    row.more.since_unix_nanos.map(|since| between(since, now))
}

/// For how long its run has been on. `None`: nothing runs, or the target does not say.
pub(super) fn up(row: &RuntimeRow, now: UnixNanos) -> Option<String> {
    row.more.started_at_unix_nanos.map(|started| between(started, now))
}

/// How long ago its last heartbeat came. `None`: none is known.
pub(super) fn since_heartbeat(row: &RuntimeRow, now: UnixNanos) -> Option<String> {
    row.more.last_heartbeat_unix_nanos.map(|beat| between(beat, now))
}

/// How much of its budget of restarts is used. `None`: it has none, or the target does not say.
pub(super) fn budget(row: &RuntimeRow) -> Option<String> {
    let budget = row.more.budget?;
    let window = span(budget.window_nanos / 1_000);
    Some(format!("{} of {} restarts used within {window}", budget.used, budget.max))
}

/// When a child in back-off is started, as a sentence without a beginning.
pub(super) fn next_start(row: &RuntimeRow, now: UnixNanos) -> Option<String> {
    let at = row.more.next_start_at_unix_nanos.filter(|_| row.lifecycle_state.is(Lifecycle::Backoff))?;
    let when = if at.0 <= now.0 { "now".to_owned() } else { format!("in {}", between(now, at)) };
    Some(format!("starts again {when} (attempt {})", row.attempt.saturating_add(1)))
}

fn between(from: UnixNanos, to: UnixNanos) -> String {
    span(to.0.saturating_sub(from.0) / 1_000)
}
