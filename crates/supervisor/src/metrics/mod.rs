//! Metrics of one tree, in a registry that the program owns.
//!
//! ```text
//!    driver ── event, answer ──► meter ── atomics ──► counts ◄── reads ── collector ◄── registry ◄── scrape
//! ```
//!
//! The driver adds to counters without waiting for anybody; whoever scrapes reads them, and never holds the driver up
//! but for the one look at the budgets. What is labelled with a path is bounded: see [`series`].

mod collector;
mod histogram;
mod meter;
mod programs;
mod series;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::registry::Registry;
use supervisor_api::ChildKey;

use crate::driver::Brain;
use crate::handle::SupervisorHandle;

pub(crate) use meter::Meter;
pub(crate) use series::{Answer, Counts};

/// The metrics of a tree that are registered.
#[derive(Debug, Clone)]
pub struct Metrics {
    counts: Arc<Counts>,
}

impl Metrics {
    /// Sets `supervisor_config_version`: the first 13 hexadecimal digits of the version, which is as much as a float
    /// holds exactly. A text that does not begin with a hexadecimal digit reads as 0.
    pub fn config_version(&self, version: impl AsRef<str>) {
        let digits = version.as_ref().chars().take(13).map_while(|digit| digit.to_digit(16));
        let number = digits.fold(0, |number, digit| number << 4 | u64::from(digit));
        self.counts.version.store(number, Ordering::Relaxed);
    }
}

impl SupervisorHandle {
    /// Puts the metrics of this tree into `registry`, and counts from now on. Restarts from before are counted too.
    ///
    /// A tree has its metrics once, however often this is called; several trees in one registry need a sub-registry
    /// each, with a label that tells them apart. Children of a dynamic supervisor count under its path, with an
    /// empty `child_path`, and so do those of a tree with more than 1 000 children.
    pub fn register_metrics(&self, registry: &mut Registry) -> Metrics {
        let counts = {
            let mut brain = self.tree.brain();
            let now = self.tree.clock.now();
            if brain.meter.is_none() {
                brain.meter = Some(meter_of(&brain, now));
            }
            brain.meter.as_ref().map(|meter| Arc::clone(meter.counts())).unwrap_or_default()
        };
        // The first word counts; a later one is the same.
        let _ = self.tree.counts.set(Arc::clone(&counts));
        registry.register_collector(Box::new(collector::TreeCollector::new(&self.tree, Arc::clone(&counts))));
        Metrics { counts }
    }
}

/// A meter that knows everybody who is in the tree.
fn meter_of(brain: &Brain, now: u64) -> Meter {
    let machine = &brain.machine;
    let mut meter = Meter::new(Arc::default());
    let mut open = vec![(ChildKey::ROOT, ChildKey::ROOT)];
    while let Some((key, parent)) = open.pop() {
        let (Some(path), Some(row)) = (machine.path(key), machine.row(key)) else { continue };
        let policy = machine.supervisor_policy(parent).filter(|_| key != ChildKey::ROOT);
        let dynamic = policy.is_some_and(|policy| policy.dynamic.is_some());
        meter.declared(key, parent, path, machine.supervisor_policy(key).is_some(), dynamic);
        meter.found(now, key, &row);
        let from = open.len();
        open.extend(machine.children(key).map(|child| (child, key)));
        open[from..].reverse();
    }
    meter
}
