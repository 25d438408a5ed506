//! An event as a line that a test can compare.

use std::time::Duration;

use supervisor_api::{Cause, EventKind, Exit, Lifecycle, Next, StampedEvent, SupervisorPath};

/// `/a/b` as `a/b`; the root stays `/`.
fn name(path: &SupervisorPath) -> &str {
    crate::line::name(path)
}

/// What an event says: the change of state, why, and what comes next. `None` when a test has nothing to
/// learn from it.
pub(super) fn line(event: &StampedEvent, before: Lifecycle) -> Option<String> {
    let after = event.event.row.lifecycle;
    // That the tree starts goes without saying.
    if event.path.is_root() && matches!(after, Lifecycle::Starting | Lifecycle::Running) {
        return None;
    }
    let what =
        if before != after { format!("{before} → {after}") } else { notable(event.event.kind)?.to_owned() };
    Some(format!("{}: {what}{}{}", name(&event.path), why(event), next(event)))
}

/// Events that matter though the state stays as it is.
fn notable(kind: EventKind) -> Option<&'static str> {
    Some(match kind {
        EventKind::ChildHeartbeatMissed => "missed a heartbeat",
        EventKind::ChildHealthy => "healthy",
        EventKind::ChildUnhealthy => "unhealthy",
        EventKind::ChildKilling => "killed",
        EventKind::ChildStopError => "ended badly while stopping",
        EventKind::BudgetExhausted => "exhausted its budget",
        EventKind::Escalated => "gives up",
        EventKind::SupervisorEnding => "ends by itself",
        EventKind::ShutdownRequested => "shutdown",
        EventKind::ShutdownPhaseChanged => "graces are cut",
        EventKind::ShutdownCompleted => "down",
        EventKind::SpecApplied => "has a new spec",
        _ => return None,
    })
}

fn why(event: &StampedEvent) -> String {
    let detail = event.event.detail.as_deref();
    let said = |text: Option<&std::sync::Arc<str>>| text.map(|text| text.to_string());
    let exit = detail.and_then(|detail| detail.exit.as_ref());
    let told = exit.filter(|exit| !matches!(exit, Exit::Stopped | Exit::Completed)).map(plain);
    let told = told.or_else(|| said(detail.and_then(|detail| detail.text.as_ref())));
    let told = told.or_else(|| cause(event));
    told.map(|told| format!(" ({told})")).unwrap_or_default()
}

/// An exit without the place in the source, which changes with every edit.
fn plain(exit: &Exit) -> String {
    match exit {
        Exit::Panicked { message, .. } => {
            Exit::Panicked { message: message.clone(), location: None }.to_string()
        }
        other => other.to_string(),
    }
}

fn cause(event: &StampedEvent) -> Option<String> {
    let detail = event.event.detail.as_deref();
    let word = event.event.cause.word().replace('_', " ");
    match (event.event.cause, &event.cause_path) {
        (Cause::Shutdown, _) if event.event.kind != EventKind::ShutdownRequested => None,
        (Cause::Operator | Cause::Shutdown, _) => {
            let reason = detail.and_then(|detail| detail.reason.as_deref()).unwrap_or_default();
            (!reason.is_empty()).then(|| format!("{word}: {reason}"))
        }
        (Cause::Deadline | Cause::Heartbeat | Cause::Budget | Cause::Reload, _) => Some(word),
        (Cause::Supervisor(_), _) => None,
        (_, Some(path)) if *path != event.path => Some(format!("{word}: {}", name(path))),
        _ => None,
    }
}

fn next(event: &StampedEvent) -> String {
    let wait = match Duration::from_nanos(event.next_in_nanos().unwrap_or(0)) {
        Duration::ZERO => "now".to_owned(),
        wait => format!("in {}", span(wait)),
    };
    match event.event.next {
        Next::StartNow => ", next start now".to_owned(),
        Next::StartAt(_) => format!(", next start {wait}"),
        Next::WithGroup(_) => format!(", next start with its group {wait}"),
        Next::WaitsFor(_) => match &event.next_path {
            Some(path) => format!(", waits for {}", name(path)),
            None => String::new(),
        },
        Next::WhenGone => ", next start when its old run is gone".to_owned(),
        Next::KillAt(_) => format!(", killed {wait}"),
        Next::Operator => ", until an operator comes".to_owned(),
        Next::Escalate => ", its supervisor gives up".to_owned(),
        _ => String::new(),
    }
}

/// A span in whole milliseconds, seconds or minutes, as a person reads it.
pub(super) fn span(span: Duration) -> String {
    let millis = span.as_millis();
    let seconds = |millis: u128| match millis % 1_000 {
        0 => format!("{} s", millis / 1_000),
        rest => format!("{}.{rest:03} s", millis / 1_000),
    };
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => seconds(millis),
        _ => format!("{} min {}", millis / 60_000, seconds(millis % 60_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_at_a_glance() {
        let spans = [0, 999, 1_000, 1_500, 59_999, 60_000, 61_005].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(spans, ["0 ms", "999 ms", "1 s", "1.500 s", "59.999 s", "1 min 0 s", "1 min 1.005 s"]);
    }
}
