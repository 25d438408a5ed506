//! Dependencies that wait for ever or are of no use, and signs of life that come too late.

use std::time::Duration;

use supervisor_api::policy::Heartbeat;
use supervisor_api::policy::{OnExhausted, RestartType};

use super::Place;
use crate::resolve::{ChildPolicy, Findings};

/// D11: whoever depends on a parked child waits for it, uncharged, until an operator comes.
pub(super) fn for_who_can_be_parked(place: &Place<'_>, findings: &mut Findings) {
    let children = &place.tree.children;
    for child in children {
        for on in child.depends_on.iter().filter_map(|&at| children.get(at as usize)) {
            if can_be_parked(&on.policy) {
                findings.warning(
                    &place.path_of(child),
                    "dependencies",
                    format!(
                        "'{}' is parked when its budget is exhausted, and from then on this child waits for it, for \
                         ever, whenever it is to start (D11); let '{}' escalate, or do without the dependency",
                        on.id, on.id
                    ),
                );
            }
        }
    }
}

fn can_be_parked(policy: &ChildPolicy) -> bool {
    policy.on_exhausted == OnExhausted::Quarantine
        && policy.restart != RestartType::Temporary
        && policy.budget.is_some_and(|budget| budget.max_restarts.is_some())
}

/// D11: a promise to stop dependants where there are none.
pub(super) fn nobody_to_restart(place: &Place<'_>, findings: &mut Findings) {
    let children = &place.tree.children;
    if !children.iter().any(|child| child.policy.restart_dependants) {
        return;
    }
    let mut depended_on = vec![false; children.len()];
    for &at in children.iter().flat_map(|child| &child.depends_on) {
        if let Some(seen) = depended_on.get_mut(at as usize) {
            *seen = true;
        }
    }
    for (child, depended_on) in children.iter().zip(depended_on) {
        if child.policy.restart_dependants && !depended_on {
            findings.warning(
                &place.path_of(child),
                "restart_dependants",
                "has no effect: no sibling depends on this child (D11); remove it, or add the dependency",
            );
        }
    }
}

/// D3, D13: a run that hangs for longer than `reset_after` looks like one that worked for so long.
pub(super) fn hang_is_found_late(place: &Place<'_>, findings: &mut Findings) {
    for child in &place.tree.children {
        let (Some(beat), backoff) = (child.policy.heartbeat, child.policy.backoff) else { continue };
        if beat == Heartbeat::WATCHED {
            continue; // it does not look for runs that hang
        }
        let counted = beat.interval.saturating_mul(beat.max_retries).saturating_add(beat.timeout);
        let found = counted.saturating_add(Duration::from_nanos(child.policy.start_period));
        if found >= backoff.reset_after && !backoff.initial.is_zero() {
            findings.warning(
                &place.path_of(child),
                "health_check",
                format!(
                    "a run that hangs from its start is found after {found:?}, and has then run long enough to end its \
                     streak ({:?}), so the back-off never grows (D3, D13); look sooner, or raise reset_after_secs",
                    backoff.reset_after
                ),
            );
        }
    }
}
