//! How many restarts have been charged, and whether one more is allowed (R40-R45, D2).

use std::collections::VecDeque;

use supervisor_api::ChildKey;
use supervisor_api::policy::Budget;

use super::Machine;
use crate::resolve::nanos;

/// The instants of the charges that still count, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Charges(VecDeque<u64>);

impl Charges {
    /// Whether one more charge now stays within `budget`. A charge at c counts at t when t − window < c ≤ t.
    pub(crate) fn allow(&mut self, budget: &Budget, now: u64) -> bool {
        let Some(max) = budget.max_restarts else { return true };
        self.forget_old(budget, now);
        let spare = usize::from(fault!(budget_allows_one_more));
        self.0.len() + usize::from(fault!(budget_allows_one_less)) < max as usize + spare
    }

    /// Counts a restart. An unlimited budget counts nothing, so it needs no memory.
    pub(crate) fn charge(&mut self, budget: &Budget, now: u64) {
        if budget.max_restarts.is_some() {
            self.0.push_back(now);
            if fault!(charged_twice) {
                self.0.push_back(now);
            }
        }
    }

    /// How many charges count now.
    pub(crate) fn used(&self) -> u32 {
        self.0.len() as u32
    }

    /// How many more are allowed now; `None` without a limit.
    pub(crate) fn left(&self, budget: &Budget, now: u64) -> Option<u32> {
        let outside = now.checked_sub(nanos(budget.window));
        let counts = |at: &&u64| outside.is_none_or(|outside| **at > outside);
        let used = self.0.iter().rev().take_while(counts).count();
        budget.max_restarts.map(|max| max.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX)))
    }

    /// When the last of those that count now leaves the window; `None` when none counts.
    pub(crate) fn clear_at(&self, budget: &Budget, now: u64) -> Option<u64> {
        self.0.back().map(|last| last.saturating_add(nanos(budget.window))).filter(|clear| *clear > now)
    }

    /// Starts afresh (R48, D10).
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn forget_old(&mut self, budget: &Budget, now: u64) {
        if fault!(window_never_slides) {
            return;
        }
        let window = nanos(budget.window) / if fault!(window_is_halved) { 2 } else { 1 };
        if let Some(outside) = now.checked_sub(window) {
            while self.0.front().is_some_and(|&at| at + u64::from(fault!(window_keeps_its_edge)) <= outside) {
                self.0.pop_front();
            }
        }
    }
}

/// A budget of restarts at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetAt {
    /// The budget.
    pub budget: Budget,
    /// Its limit.
    pub max: u32,
    /// Restarts that count.
    pub used: u32,
    /// When none of them counts any more; `None` when none does.
    pub clear_at: Option<u64>,
}

impl Machine {
    /// The budget that a supervisor applies to its children, or a child's own, at this time; `None` when it has none,
    /// or one without a limit (D4).
    pub fn budget(&self, child: ChildKey, now: u64) -> Option<BudgetAt> {
        let node = self.lookup(child)?;
        let (budget, charges) = if node.is_supervisor() {
            let sup = self.sup(node.supervisor);
            (sup.context.policy.budget, Some(&sup.charges))
        } else {
            (node.policy.budget?, node.own_charges.as_deref())
        };
        let max = budget.max_restarts?;
        let left = charges.and_then(|charges| charges.left(&budget, now)).unwrap_or(max);
        let clear_at = charges.and_then(|charges| charges.clear_at(&budget, now));
        Some(BudgetAt { budget, max, used: max - left, clear_at })
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn d2_a_charge_leaves_the_window_exactly_when_it_is_as_old_as_the_window() {
        let budget = Budget::new(1, Duration::from_nanos(100));
        let mut charges = Charges::default();
        assert!(charges.allow(&budget, 1000));
        charges.charge(&budget, 1000);
        assert!(!charges.allow(&budget, 1000), "equal instants count");
        assert!(!charges.allow(&budget, 1099));
        assert_eq!((charges.left(&budget, 1099), charges.left(&budget, 1100)), (Some(0), Some(1)));
        assert_eq!(charges.left(&Budget::unlimited(), 1099), None);
        assert_eq!((charges.clear_at(&budget, 1099), charges.clear_at(&budget, 1100)), (Some(1100), None));
        assert!(charges.allow(&budget, 1100));
    }

    #[test]
    fn r41_a_budget_of_zero_allows_nothing() {
        assert!(!Charges::default().allow(&Budget::new(0, Duration::from_secs(1)), 5));
    }

    #[test]
    fn d4_unlimited_never_runs_out_and_keeps_nothing() {
        let mut charges = Charges::default();
        for now in 0..1000 {
            assert!(charges.allow(&Budget::unlimited(), now));
            charges.charge(&Budget::unlimited(), now);
        }
        assert_eq!(charges.used(), 0);
    }
}
