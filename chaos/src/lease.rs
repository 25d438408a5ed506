//! Who lives: every run of a task claims the lease of its path, and everything that belongs to it holds on to it.
//!
//! The supervisor knows nothing of leases. A claim while anything of an older run still lives is a double.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::world::{Counts, Rule, World};

#[derive(Default)]
pub(crate) struct Leases {
    live: Mutex<HashMap<String, Arc<AtomicU32>>>,
}

/// Held by everything that is part of one run.
pub(crate) struct Lease(Arc<AtomicU32>);

impl World {
    /// A run of this path begins.
    pub(crate) fn claim(&self, path: &str) -> Lease {
        let live = {
            let mut all = self.leases.live.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(path.to_owned()).or_default())
        };
        if live.fetch_add(1, Ordering::SeqCst) != 0 {
            self.violated(Rule::Double, format!("a run of {path} began while an older one lived"));
        }
        Counts::add(&self.counts.runs);
        Lease(live)
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Leases {
    /// The paths of which something lives, sorted.
    pub(crate) fn living(&self) -> Vec<String> {
        let all = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let living = all.iter().filter(|(_, live)| live.load(Ordering::SeqCst) > 0);
        let mut living: Vec<_> = living.map(|(path, _)| path.clone()).collect();
        living.sort();
        living
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_is_a_double_until_everything_of_the_first_is_gone() {
        let world = World::new(1, "/".into());
        let first = world.claim("/a");
        let spawned = first.clone();
        drop(first);
        assert_eq!(world.leases.living(), ["/a"]);
        let second = world.claim("/a");
        assert_eq!(world.count(Rule::Double), 1);
        drop((spawned, second));
        drop(world.claim("/a"));
        drop(world.claim("/b"));
        assert_eq!((world.count(Rule::Double), world.leases.living().len()), (1, 0));
    }
}
