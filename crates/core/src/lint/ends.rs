//! Supervisors that end, or do not, and children that are missed.

use supervisor_api::policy::{AutoShutdown, Criticality, OnExhausted, RestartType};

use super::Place;
use crate::resolve::Findings;

/// R47: a supervisor that gives up ends in the clean class, so that only a permanent one comes back.
pub(super) fn supervisor_is_lost(place: &Place<'_>, findings: &mut Findings) {
    let Some((node, _)) = place.node else { return };
    let policy = &node.policy;
    let heard = policy.significant || policy.criticality == Criticality::Critical;
    if policy.restart == RestartType::Permanent || heard || !place.can_give_up() {
        return;
    }
    findings.warning(
        place.path.as_str(),
        "restart_policy",
        format!(
            "a {} supervisor that gives up is not started again, and its parent goes on without it (R47); make it \
             permanent, critical or significant",
            policy.restart
        ),
    );
}

/// R83: a permanent supervisor that ends by itself is started again at once, and charged.
pub(super) fn ends_and_comes_back(place: &Place<'_>, findings: &mut Findings) {
    let Some((node, _)) = place.node else { return };
    let mode = place.tree.context.policy.auto_shutdown;
    if mode == AutoShutdown::Never || node.policy.restart != RestartType::Permanent {
        return;
    }
    findings.warning(
        place.path.as_str(),
        "auto_shutdown",
        "a permanent supervisor that ends by itself is started again at once, and charged for it (R83); make it \
         transient",
    );
}

/// R78, R79: an automatic shutdown that nothing can set off.
pub(super) fn never_ends(place: &Place<'_>, findings: &mut Findings) {
    let mode = place.tree.context.policy.auto_shutdown;
    if !matches!(mode, AutoShutdown::AnySignificant | AutoShutdown::AllSignificant) {
        return;
    }
    let children = &place.tree.children;
    if !children.iter().any(|child| child.policy.significant) {
        findings.warning(
            place.path.as_str(),
            "auto_shutdown",
            format!("no child is significant, so '{mode}' never fires (R78); mark one, or use 'never'"),
        );
    }
    for child in children.iter().filter(|child| child.policy.significant) {
        let Some(below) = &child.supervisor else { continue };
        let below = Place { path: place.path.child(&child.id), tree: below, node: Some((child, place)) };
        if below.tree.context.policy.auto_shutdown == AutoShutdown::Never && !below.can_give_up() {
            findings.warning(
                below.path.as_str(),
                "significant",
                "this supervisor never ends by itself, so its end never fires anything (R78); give it an \
                 'auto_shutdown'",
            );
        }
    }
}

/// D21: a child that the whole cannot do without, and that can be gone for good.
pub(super) fn critical_is_lost(place: &Place<'_>, findings: &mut Findings) {
    let parked = parked_above(place);
    for child in &place.tree.children {
        let policy = &child.policy;
        if policy.criticality != Criticality::Critical {
            continue;
        }
        if let Some(above) = &parked {
            findings.warning(
                &place.path_of(child),
                "criticality",
                format!(
                    "it is critical, but {above} is parked when its budget is exhausted, and this child with it \
                     (D4, D21); make {above} critical too"
                ),
            );
        }
        if policy.restart == RestartType::Temporary && !policy.keeps_row {
            findings.warning(
                &place.path_of(child),
                "criticality",
                "it is critical, but temporary: once it has ended nothing starts it again and nothing shows that it \
                 is missing (R19, D21); make it a job or transient",
            );
        }
    }
}

/// The nearest supervisor, this one or above it, that an exhausted budget parks.
fn parked_above(place: &Place<'_>) -> Option<String> {
    let (node, above) = place.node?;
    let limited = node.policy.budget.is_some_and(|own| own.max_restarts.is_some());
    if node.policy.on_exhausted == OnExhausted::Quarantine && limited && place.can_give_up() {
        return Some(place.path.to_string());
    }
    parked_above(above)
}
