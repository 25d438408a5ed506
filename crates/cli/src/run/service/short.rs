//! Whether a stack that begins to end before it was found ready had been ready: one that is done at once may be over before
//! anybody has looked.

use supervisor_api::policy::{Criticality, Role};
use supervisor_api::{Cause, EventKind, Lifecycle};
use supervisor_stack::tokio_supervisor::{SnapshotRow, StampedEvent, SupervisorHandle};

/// Whether this is the end of a stack that came up: it ends by itself because it has nothing left to do, which it finds only
/// after its start, and no critical child was down. A standard one that is down degrades it only, as in `semantics.md` D21.
pub(super) fn had_come_up(handle: &SupervisorHandle, end: &StampedEvent) -> bool {
    let is_done =
        end.event.kind == EventKind::SupervisorEnding && !matches!(end.event.cause, Cause::Unwind(_));
    is_done && !handle.snapshot().iter().any(|row| !row.path.is_root() && was_down(handle, row, end))
}

/// Whether this is a critical child that was down when the end began, as far as that is still to be seen.
fn was_down(handle: &SupervisorHandle, row: SnapshotRow<'_>, end: &StampedEvent) -> bool {
    use Lifecycle::{Completed, Removed, Running, Stopped, Stopping};
    let state = row.row.lifecycle;
    if matches!(state, Completed | Removed | Running | Stopping) {
        return false;
    }
    let Ok(child) = handle.child(row.key) else { return false };
    if child.criticality != Criticality::Critical {
        return false;
    }
    // A sidecar rests with its primary. Whoever else is stopped may have been stopped by this end.
    let rests = child.is_supervisor || child.role == Role::Sidecar;
    let by_the_end = || {
        let exits = handle.exits(row.key).unwrap_or_default();
        exits.last().is_some_and(|exit| exit.at_unix_nanos >= end.occurred_at_unix_nanos)
    };
    state != Stopped || !(rests || by_the_end())
}
