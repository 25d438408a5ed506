//! One running tree: everything that its driver, its children and its handles share.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use supervisor_api::{ChildKey, Finding};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::driver::{Brain, Msg};
use crate::journal::Journal;
use crate::kept::LogBook;
use crate::plane::Plane;
use crate::programs::Programs;
use crate::queue::Queue;
use crate::registry::Registry;
use crate::schedule::Clocks;
use crate::secrets::Sources;
use crate::snapshot::Layout;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, Notify};
use crate::table::Table;

/// How much can wait and how much is kept (invariant 9).
pub(crate) struct Bounds {
    /// Commands that wait for the loop; a caller that comes when there are as many waits.
    pub(crate) commands: usize,
    /// Events that are kept; the oldest goes when there are as many.
    pub(crate) events: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { commands: 1024, events: 4096 }
    }
}

/// One running tree.
pub(crate) struct Tree {
    pub(crate) clock: Clock,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) table: Table,
    pub(crate) queue: Queue,
    pub(crate) journal: Journal,
    pub(crate) logs: LogBook,
    pub(crate) plane: Plane,
    pub(crate) registry: Mutex<Registry>,
    /// Who waits for the times of scheduled children.
    pub(crate) clocks: Clocks,
    /// Where secrets are looked for.
    pub(crate) secrets: Sources,
    /// Numbers of bodies.
    pub(crate) bodies: AtomicU32,
    /// Reports of older runs that were told apart before they reached the machine (D5).
    pub(crate) stale: AtomicU64,
    /// Events that readers were too slow for.
    pub(crate) missed: AtomicU64,
    /// Who runs a program.
    pub(crate) programs: Programs,
    /// Whose polls are timed.
    pub(crate) metered: Programs,
    #[cfg(feature = "metrics")]
    pub(crate) counts: std::sync::OnceLock<Arc<crate::metrics::Counts>>,
    /// What is doubtful about the spec.
    pub(crate) warnings: Vec<Finding>,
    pub(crate) commands: mpsc::Sender<Msg>,
    /// Something waits for the driver.
    bell: Notify,
    /// Turns so far; the watchdog sees by it whether the loop moves.
    pub(crate) turns: AtomicU64,
    /// The owner is gone (D16).
    pub(crate) hard_stop: AtomicBool,
    /// Changes when children come and go.
    pub(crate) layout_version: AtomicU64,
    pub(crate) layout: Mutex<Option<Arc<Layout>>>,
    /// The last number given out to a child with a prefix, per supervisor (D23).
    pub(crate) numbered: Mutex<HashMap<(ChildKey, String), u64>>,
    /// Machine, bodies and whoever waits for an answer. Held for one turn at a time, never across a wait,
    /// and never while code of a user runs.
    pub(crate) brain: Mutex<Brain>,
}

impl Tree {
    /// What a tree is made of, beside its brain.
    pub(crate) fn new(
        brain: Brain,
        commands: mpsc::Sender<Msg>,
        journal: Journal,
        registry: Registry,
        bodies: u32,
        warnings: Vec<Finding>,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self {
            clock: Clock::start(),
            runtime,
            table: Table::default(),
            queue: Queue::default(),
            journal,
            logs: LogBook::default(),
            plane: Plane::new(),
            clocks: Clocks::default(),
            secrets: registry.sources().clone(),
            registry: Mutex::new(registry),
            bodies: AtomicU32::new(bodies),
            stale: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            programs: Programs::default(),
            metered: Programs::default(),
            #[cfg(feature = "metrics")]
            counts: std::sync::OnceLock::new(),
            warnings,
            commands,
            bell: Notify::new(),
            turns: AtomicU64::new(0),
            hard_stop: AtomicBool::new(false),
            layout_version: AtomicU64::new(0),
            layout: Mutex::new(None),
            numbered: Mutex::new(HashMap::new()),
            brain: Mutex::new(brain),
        }
    }

    /// Says something about a child to the driver.
    pub(crate) fn report(&self, index: u32, bit: u32) {
        if self.queue.push(&self.table, index, bit) {
            self.ring();
        }
    }

    /// Wakes the driver.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Waits until the driver is wanted.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// The brain. A turn that panicked leaves it as it is; the tree is broken then and says so.
    pub(crate) fn brain(&self) -> MutexGuard<'_, Brain> {
        self.brain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The owner is gone: everything is killed and nobody is waited for (D16).
    pub(crate) fn stop_hard(&self) {
        self.hard_stop.store(true, Ordering::Release);
        self.ring();
    }
}
