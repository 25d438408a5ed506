//! What everybody in the soak shares: the seed, the counts, and what did not hold.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use supervisor_testkit::Random;
use tokio::sync::watch;

use crate::lease::Leases;

/// The variable by which every program of one soak is found again.
pub(crate) const MARK: &str = "SOAK_MARK";

/// Violations that are kept as text; all are counted.
const KEPT: usize = 40;

pub(crate) struct World {
    pub(crate) seed: u64,
    /// The value of [`MARK`]; begins every program's mark.
    pub(crate) mark: String,
    /// Where programs keep their locks.
    pub(crate) dir: PathBuf,
    pub(crate) leases: Leases,
    pub(crate) counts: Counts,
    violations: Mutex<BTreeMap<Rule, Vec<String>>>,
    over: watch::Sender<bool>,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) runs: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) folds: AtomicU64,
    pub(crate) kills: AtomicU64,
    pub(crate) commands: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) scopes: AtomicU64,
}

impl Counts {
    pub(crate) fn add(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// A program outlived its tree.
    Orphan,
    /// A dead child of this process was not reaped.
    Zombie,
    /// Two incarnations of one path lived at the same time.
    Double,
    /// Anything else.
    Other,
}

impl World {
    pub(crate) fn new(seed: u64, dir: PathBuf) -> Self {
        Self {
            seed,
            mark: format!("{}-{seed}", std::process::id()),
            dir,
            leases: Leases::default(),
            counts: Counts::default(),
            violations: Mutex::default(),
            over: watch::Sender::new(false),
        }
    }

    /// Chance for one purpose: the same seed and words give the same numbers.
    pub(crate) fn random(&self, words: &str, number: u64) -> Random {
        Random::new(mix(self.seed ^ number.rotate_left(32), words))
    }

    /// Something did not hold.
    pub(crate) fn violated(&self, rule: Rule, what: impl Into<String>) {
        let mut violations = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
        violations.entry(rule).or_default().push(what.into());
    }

    /// Somebody found the tree ended, which it may be once the storm is over: who paused a group resumes it, also when
    /// the shutdown came in between.
    pub(crate) fn tree_has_ended(&self, who: &str) {
        if !*self.over.borrow() {
            self.violated(Rule::Other, format!("{who}: the tree has ended in the middle of the storm"));
        }
    }

    /// How often a rule did not hold.
    pub(crate) fn count(&self, rule: Rule) -> usize {
        let violations = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
        violations.get(&rule).map_or(0, Vec::len)
    }

    /// What did not hold, in words.
    pub(crate) fn violations(&self) -> (usize, Vec<String>) {
        let violations = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
        let all = violations
            .iter()
            .flat_map(|(rule, texts)| texts.iter().map(move |text| format!("{rule:?}: {text}")));
        let count = violations.values().map(Vec::len).sum();
        (count, all.take(KEPT).collect())
    }

    /// The storm is over; who makes it ends.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    /// Waits this long; says whether the storm goes on.
    pub(crate) async fn goes_on_after(&self, pause: Duration) -> bool {
        let mut over = self.over.subscribe();
        tokio::time::timeout(pause, over.wait_for(|over| *over)).await.is_err()
    }
}

/// FNV-1a, so that the same words give the same chance on every machine.
fn mix(seed: u64, words: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    words.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_may_have_ended_once_the_storm_is_over_and_not_before() {
        let world = World::new(1, PathBuf::new());
        world.tree_has_ended("pause /tasks");
        assert_eq!(world.count(Rule::Other), 1);
        world.end();
        world.tree_has_ended("resume /tasks");
        assert_eq!(world.count(Rule::Other), 1);
    }
}
