//! What happens next to a child, and in how long, as far as events told it, or its row does.

use serde_json::Value;
use supervisor_api::EventKind;
use supervisor_api::wire::{DashboardState, EventRecord, RuntimeRow, UnixNanos};

use super::lasts;
use crate::span::span;

/// What comes next, seen at a time, as a sentence without a beginning. `None`: nothing that is known.
pub(crate) fn of_row(state: &DashboardState, row: &RuntimeRow, now: UnixNanos) -> Option<String> {
    let last = state.recent_events.iter().rev().find(|event| event.target_path == row.child_path);
    // An older event says nothing about the row as it is.
    let last = last.filter(|last| row.as_of.is_none_or(|as_of| as_of <= last.sequence));
    last.and_then(|last| of_event(last, now.0)).or_else(|| lasts::next_start(row, now))
}

/// The same of one event, seen at a time.
pub(crate) fn of_event(event: &EventRecord, now: u64) -> Option<String> {
    let text = |key: &str| event.payload.get(key).and_then(Value::as_str);
    let left = event.payload.get("next_in_ms").and_then(Value::as_u64).map(|ms| {
        let at = event.occurred_at_unix_nanos.0.saturating_add(ms.saturating_mul(1_000_000));
        at.saturating_sub(now) / 1_000
    });
    let when = match left {
        None | Some(0) => "now".to_owned(),
        Some(micros) => format!("in {}", span(micros)),
    };
    let attempt = event.payload.get("attempt").and_then(Value::as_u64).unwrap_or(0).saturating_add(1);
    Some(match text("next")? {
        "start_now" => "starts again now".to_owned(),
        "start_at" => format!("starts again {when} (attempt {attempt})"),
        "start_with_group" => format!("starts with its group {when}"),
        "waits_for" => format!("waits for {}", text("next_path").unwrap_or("a sibling")),
        "start_when_gone" => "starts when its old run is gone".to_owned(),
        "kill_at" => format!("is killed {when} unless it ends before"),
        "until_operator" => "stays so until an operator resumes or restarts it".to_owned(),
        "escalate" => "is left to its supervisor, which gives up".to_owned(),
        _ if event.event_type.is(EventKind::ChildStarting) => "is running when it has started".to_owned(),
        _ => return None,
    })
}
