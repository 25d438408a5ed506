//! How a state is shown, and how bad it is: the same shapes, words and ranks as in the dashboard.

use supervisor_api::wire::{Node, RuntimeRow};
use supervisor_api::{Health, Lifecycle, Readiness};

/// A colour by its meaning. Nothing is told by it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Warn,
    Bad,
    Held,
    Parked,
    Quiet,
}

/// A shape, a word and a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look<'a> {
    pub(super) shape: &'static str,
    pub(super) word: &'a str,
    pub(super) tone: Tone,
}

const fn look(shape: &'static str, word: &'static str, tone: Tone) -> Look<'static> {
    Look { shape, word, tone }
}

/// The look of a child. Of a supervisor that runs it is how those below it are.
pub(super) fn of(row: &RuntimeRow) -> Look<'_> {
    use Lifecycle::*;
    let Some(state) = row.lifecycle_state.known() else {
        return Look { shape: "○", word: row.lifecycle_state.as_str(), tone: Tone::Quiet };
    };
    match (state, row.health.known()) {
        (Running, Some(Health::Degraded)) => look("◆", "degraded", Tone::Warn),
        (Running, Some(Health::Stale)) => look("◆", "heartbeat late", Tone::Warn),
        (Running, Some(Health::Unhealthy)) => look("◆", "unhealthy", Tone::Bad),
        (Running, _) => look("●", "running", Tone::Good),
        (Backoff, _) => look("◷", "back-off", Tone::Warn),
        (Quarantined, _) => look("▲", "quarantined", Tone::Parked),
        (Paused, _) => look("‖", "paused", Tone::Held),
        (Completed, _) => look("✓", "completed", Tone::Quiet),
        (Unresponsive, _) => look("✕", "unresponsive", Tone::Bad),
        (Failed, _) => look("✕", "failed", Tone::Bad),
        (Waiting, _) => look("◌", "waiting", Tone::Warn),
        (Starting, _) => look("↑", "starting", Tone::Warn),
        (Stopping, _) => look("↓", "stopping", Tone::Warn),
        (Stopped, _) => look("■", "stopped", Tone::Quiet),
        (Declared, _) => look("○", "declared", Tone::Quiet),
        (Removed, _) => look("–", "removed", Tone::Quiet),
    }
}

/// How bad a row is. The order is that in which an operator wants to see them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    #[default]
    Fine,
    Idle,
    Mending,
    Broken,
}

/// How bad a row is. A supervisor that runs is degraded when somebody below is not well, who has a row of his own, so
/// it counts as fine.
pub(super) fn rank(row: &RuntimeRow) -> Rank {
    use Lifecycle::*;
    match (row.lifecycle_state.known(), row.health.known()) {
        (Some(Running), Some(Health::Stale | Health::Unhealthy)) => Rank::Mending,
        (Some(Running | Completed | Removed), _) => Rank::Fine,
        (Some(Backoff), _) => Rank::Mending,
        (Some(Failed | Quarantined | Unresponsive), _) => Rank::Broken,
        (Some(Declared | Waiting | Starting | Stopping | Stopped | Paused) | None, _) => Rank::Idle,
    }
}

/// Whether it should run, or could, and does not.
pub(super) fn is_down(row: &RuntimeRow) -> bool {
    !matches!(
        row.lifecycle_state.known(),
        Some(Lifecycle::Running | Lifecycle::Completed | Lifecycle::Removed)
    )
}

/// Whether a run that is on does not serve yet.
pub(super) fn is_not_ready(row: &RuntimeRow) -> bool {
    row.lifecycle_state.is(Lifecycle::Running) && row.readiness.is(Readiness::NotReady)
}

/// Whether its children are shown below it.
pub(super) fn is_supervisor(node: &Node) -> bool {
    use supervisor_api::manifest::Kind;
    use supervisor_api::wire::NodeKind;
    node.kind.is(NodeKind::RootSupervisor)
        || node.node_type.as_ref().is_some_and(|kind| kind.is(Kind::Supervisor))
}

/// A span of microseconds in one unit, for where there is little room: `42 s`, `3 m`, `2 h`, `3 d`.
pub(super) fn short(micros: u64) -> String {
    match micros / 1_000_000 {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} m", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_have_little_room_have_one_unit() {
        let cases = [(0, "0 s"), (59_999_999, "59 s"), (60_000_000, "1 m"), (7_300_000_000, "2 h")];
        for (micros, text) in cases.into_iter().chain([(200_000_000_000, "2 d")]) {
            assert_eq!(short(micros), text);
        }
    }
}
