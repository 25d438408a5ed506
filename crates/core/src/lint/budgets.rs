//! Budgets that allow more, or less, than one thinks.

use std::time::Duration;

use supervisor_api::policy::{OnExhausted, RestartType};

use super::Place;
use crate::resolve::{ChildPolicy, Findings};

/// So many starts of one child before anybody hears of it are many.
const MANY_STARTS: u64 = 200;
/// A dynamic supervisor with fewer restarts than one for so many children has few.
const CHILDREN_PER_RESTART: u32 = 100;

/// R49: each level multiplies the starts of those below it.
pub(super) fn multiply(place: &Place<'_>, findings: &mut Findings) {
    let has_leaves = place.tree.children.iter().any(|child| {
        child.supervisor.is_none()
            && child.policy.restart != RestartType::Temporary
            && child.policy.on_exhausted == OnExhausted::Escalate
    });
    if !has_leaves {
        return;
    }
    let Some((factors, window)) = levels(place) else { return };
    let starts = factors.iter().fold(1_u64, |product, factor| product.saturating_mul(*factor));
    if factors.len() > 1 && starts > MANY_STARTS {
        let product: Vec<String> = factors.iter().map(u64::to_string).collect();
        findings.warning(
            place.path.as_str(),
            "budget",
            format!(
                "budgets multiply through levels: a child here may be started {} = {starts} times within {window:?} \
                 before the tree gives up (R49); allow fewer restarts here or above",
                product.join(" x ")
            ),
        );
    }
}

/// How often each level starts what is below it, the lowest first, and how long all of it may take; `None`
/// when a level never gives up.
fn levels(place: &Place<'_>) -> Option<(Vec<u64>, Duration)> {
    let (mut factors, mut window) = (Vec::new(), Duration::ZERO);
    let mut at = Some(place);
    while let Some(level) = at {
        let budget = level.tree.context.policy.budget;
        factors.push(u64::from(budget.max_restarts?) + 1);
        window = window.saturating_add(budget.window);
        at = level.node.and_then(|(node, above)| {
            let goes_on = node.policy.restart == RestartType::Permanent
                && node.policy.on_exhausted == OnExhausted::Escalate;
            goes_on.then_some(above)
        });
    }
    Some((factors, window))
}

/// R50: one child that fails again and again takes all the others with it.
pub(super) fn shared_by_many(place: &Place<'_>, findings: &mut Findings) {
    let policy = &place.tree.context.policy;
    let (Some(children), Some(restarts)) = (policy.dynamic, policy.budget.max_restarts) else { return };
    if children / CHILDREN_PER_RESTART <= restarts || !place.can_give_up() {
        return;
    }
    findings.warning(
        place.path.as_str(),
        "budget",
        format!(
            "up to {children} children share {restarts} restarts within {:?}, so one that keeps failing takes all of \
             them down (R50); make them temporary or optional, or widen the budget",
            policy.budget.window
        ),
    );
}

/// R33: with no budget and no delay a child that fails at once is started as fast as it can fail.
pub(super) fn restarts_without_pause(place: &Place<'_>, findings: &mut Findings) {
    let shared = place.tree.context.policy.budget.max_restarts;
    let never_exhausted = |policy: &ChildPolicy| {
        let own = policy.budget.map(|budget| budget.max_restarts);
        match policy.on_exhausted {
            OnExhausted::Quarantine => own == Some(None),
            _ => shared.is_none() && own.is_none_or(|own| own.is_none()),
        }
    };
    for child in &place.tree.children {
        let policy = &child.policy;
        let restarts = policy.restart != RestartType::Temporary;
        if restarts && policy.backoff.initial.is_zero() && never_exhausted(policy) {
            findings.warning(
                &place.path_of(child),
                "backoff",
                "with an unlimited budget and no delay a child that fails at once is started again without a \
                 pause, for ever (R33); give it a back-off or a budget",
            );
        }
    }
}
