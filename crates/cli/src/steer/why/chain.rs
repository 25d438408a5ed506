//! From an event to the one that led to it, and on to the first cause.

use serde_json::Value;
use supervisor_api::wire::EventRecord;
use supervisor_api::{EventKind, Severity, SupervisorPath};

/// The most links that are followed.
const LONGEST: usize = 32;

/// The events that led to the state of a child, the first cause first and its own last one last.
pub(super) fn chain<'a>(events: &'a [EventRecord], path: &SupervisorPath) -> Vec<&'a EventRecord> {
    let own = |event: &&EventRecord| event.target_path == *path && event.payload.contains_key("state");
    let mut chain: Vec<&EventRecord> = events.iter().rfind(own).into_iter().collect();
    while let Some(before) = chain.last().and_then(|event| led_to(events, event)) {
        chain.push(before);
        if chain.len() == LONGEST {
            break;
        }
    }
    chain.reverse();
    chain
}

/// The event that led to this one. It is an older one, so the chain has an end.
fn led_to<'a>(events: &'a [EventRecord], event: &EventRecord) -> Option<&'a EventRecord> {
    let text = |key: &str| event.payload.get(key).and_then(Value::as_str);
    let cause_path = text("cause_path").and_then(|path| SupervisorPath::parse(path).ok());
    let own = |wanted: &dyn Fn(&EventRecord) -> bool| {
        latest(events, event, |other| other.target_path == event.target_path && wanted(other))
    };
    match (text("cause")?, cause_path) {
        // Somebody wanted it so, or it was so from the beginning.
        ("operator" | "reload" | "start" | "deadline", _) => None,
        ("shutdown", _) => latest(events, event, |other| other.event_type.is(EventKind::ShutdownRequested)),
        // The end of a run is a first cause; what was decided about it follows from it.
        ("exit" | "backoff", _) if has_exit(event) => None,
        ("exit" | "backoff", _) => own(&has_exit),
        // A report is that of a run, and something started the run.
        ("report", _) => own(&|other| is_start(other)),
        ("heartbeat", _) if event.event_type.is(EventKind::ChildHeartbeatMissed) => None,
        ("heartbeat", _) => own(&|other| other.event_type.is(EventKind::ChildHeartbeatMissed)),
        ("budget", _) if event.event_type.is(EventKind::BudgetExhausted) => own(&has_exit),
        ("budget", None) => latest(events, event, |other| {
            other.event_type.is(EventKind::BudgetExhausted) && other.target_path.contains(&event.target_path)
        }),
        (_, Some(cause)) => latest(events, event, |other| other.target_path == cause && matters(other)),
        _ => None,
    }
}

fn latest<'a>(
    events: &'a [EventRecord],
    before: &EventRecord,
    wanted: impl Fn(&EventRecord) -> bool,
) -> Option<&'a EventRecord> {
    events.iter().rfind(|event| event.sequence < before.sequence && wanted(event))
}

fn has_exit(event: &EventRecord) -> bool {
    event.payload.get("exit").is_some_and(|exit| !exit.is_null())
}

fn is_start(event: &EventRecord) -> bool {
    matches!(event.event_type.known(), Some(EventKind::ChildStarting | EventKind::ChildRestarting))
}

/// Whether an event about the child that caused something can be the reason.
fn matters(event: &EventRecord) -> bool {
    let is_report = event.payload.get("cause").and_then(Value::as_str) == Some("report");
    !is_report && event.severity.known().is_none_or(|severity| severity >= Severity::Info)
}
