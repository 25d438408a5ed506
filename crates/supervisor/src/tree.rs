//! One running tree: everything that its driver, its children and its handles share.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError, TryLockError};

use supervisor_api::{ChildKey, Finding};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::driver::{Brain, Msg, Stint};
use crate::journal::Journal;
use crate::kept::LogBook;
use crate::plane::Plane;
use crate::programs::Programs;
use crate::queue::Queue;
use crate::registry::Registry;
use crate::schedule::Clocks;
use crate::secrets::Sources;
use crate::snapshot::Layout;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use crate::sync::{Mutex, MutexGuard, Notify};
use crate::table::Table;

/// How much can wait and how much is kept (invariant 9).
pub(crate) struct Bounds {
    /// Commands that wait for the loop; a caller that comes when there are as many waits.
    pub(crate) commands: usize,
    /// Events that are kept; the oldest goes when there are as many.
    pub(crate) events: usize,
    /// Events that readers share as one piece.
    pub(crate) page: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { commands: 1024, events: 4096, page: 64 }
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
    /// It does, and the driver has not come since.
    wanted: AtomicBool,
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
    brain: Mutex<Brain>,
    /// Who is at the brain again and again.
    pub(crate) stint: Stint,
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
            wanted: AtomicBool::new(false),
            turns: AtomicU64::new(0),
            hard_stop: AtomicBool::new(false),
            layout_version: AtomicU64::new(0),
            layout: Mutex::new(None),
            numbered: Mutex::new(HashMap::new()),
            brain: Mutex::new(brain),
            stint: Stint::new(),
        }
    }

    /// Says something about a child to the driver.
    pub(crate) fn report(&self, index: u32, bit: u32) {
        if self.queue.say(&self.table, index, bit) {
            self.ring();
        }
    }

    /// Wakes the driver.
    pub(crate) fn ring(&self) {
        self.want_driver();
        self.bell.notify_one();
    }

    /// The driver is woken.
    pub(crate) fn want_driver(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Whether the driver was woken and has not come since. It may wait behind a poll that lasts: a runtime has a worker run
    /// next what was woken there, and lets no other worker take that.
    pub(crate) fn is_driver_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// The driver has come.
    pub(crate) fn driver_comes(&self) {
        if self.wanted.load(Ordering::Relaxed) {
            self.wanted.store(false, Ordering::Relaxed);
        }
    }

    /// Waits until the driver is wanted.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// The brain. A turn that panicked leaves it as it is; the tree is broken then and says so.
    pub(crate) fn brain(&self) -> Held<'_> {
        let brain = self.brain.lock().unwrap_or_else(PoisonError::into_inner);
        Held { brain, left: Left(Some(self)) }
    }

    /// The brain, if nobody is at it.
    pub(crate) fn free_brain(&self) -> Option<Held<'_>> {
        let brain = match self.brain.try_lock() {
            Ok(brain) => brain,
            // Whoever panicked while he was at it is not at it any more.
            Err(TryLockError::Poisoned(brain)) => brain.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Held { brain, left: Left(Some(self)) })
    }

    /// The owner is gone: everything is killed and nobody is waited for (D16).
    pub(crate) fn stop_hard(&self) {
        self.hard_stop.store(true, Ordering::Release);
        self.ring();
    }
}

/// The brain, held by somebody. Whoever finds it held leaves the end of a run in the queue and goes on, so whoever lets go
/// of it sees to what was left.
pub(crate) struct Held<'a> {
    // The order of the fields counts: first it is let go.
    brain: MutexGuard<'a, Brain>,
    left: Left<'a>,
}

impl<'a> Held<'a> {
    /// Lets go of the brain and says whether something was left meanwhile. The driver is woken for what nobody has taken
    /// when that is dropped.
    pub(crate) fn let_go(self) -> Option<Left<'a>> {
        let Held { brain, mut left } = self;
        drop(brain);
        if !left.is_something() {
            left.0 = None;
            return None;
        }
        Some(left)
    }

    /// Lets go of the brain in the middle of a stint: what was left is seen to when that is over.
    pub(crate) fn go_on(self) {
        let Held { brain, mut left } = self;
        drop(brain);
        left.0 = None;
    }
}

impl Deref for Held<'_> {
    type Target = Brain;

    fn deref(&self) -> &Brain {
        &self.brain
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Brain {
        &mut self.brain
    }
}

/// What may have been left while somebody was at the brain: the driver is woken for it.
pub(crate) struct Left<'a>(Option<&'a Tree>);

impl Left<'_> {
    fn is_something(&self) -> bool {
        // Whoever left it found the brain held after that; so it is seen here. Each side has a fence between its two steps.
        fence(Ordering::SeqCst);
        self.0.is_some_and(|tree| !tree.queue.is_empty())
    }
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if let Some(tree) = self.0
            && self.is_something()
        {
            tree.ring();
        }
    }
}
