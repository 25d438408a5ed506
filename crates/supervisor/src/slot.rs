//! The shared slot of a child: what its task and the driver know of each other. What readers see is in [`crate::row`].
//!
//! ```text
//!   driver ── order (one word), then wake ──► the child's task
//!   task   ── cell, bit, queue ──────────────► driver
//! ```
//!
//! An order is written before the waker is looked up, and the task looks at the order after it left its
//! waker; both go through the cell's lock, so an order is never missed. No user code runs under a lock of
//! a slot: wakers and tokens are cloned out and called afterwards.

use std::sync::{Arc, PoisonError};
use std::task::Waker;

use supervisor_api::manifest::StopSignal;
use supervisor_api::{Cause, ChildKey, Detail, Exit, ProgramUsage, SupervisorPath};
use supervisor_core::ChildPolicy;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::kept::{Kept, Past};
use crate::run::{Crew, Meter};
use crate::secrets::Given;
use crate::spec::Extras;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, RwLock};

/// A run with this generation is wanted.
pub(crate) const RUN: u64 = 1;
/// The run is asked to stop.
pub(crate) const STOP: u64 = 2;
/// The run is aborted, or told to destroy what it owns.
pub(crate) const KILL: u64 = 4;
/// The task is not needed any more.
pub(crate) const FORGET: u64 = 8;
/// The run's own future is over; what it spawned is asked to stop.
pub(crate) const ENDING: u64 = 16;
/// A task the run spawned has panicked.
pub(crate) const CREW_FAILED: u64 = 32;
/// The run is over and reported.
pub(crate) const OVER: u64 = 64;
/// The generation stands above the flags.
const SHIFT: u32 = 8;

/// The word a child's task obeys: a generation and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order(pub(crate) u64);

impl Order {
    /// The order to start a run.
    pub(crate) const fn run(generation: u64) -> Self {
        Self((generation << SHIFT) | RUN)
    }

    /// The generation the flags are about.
    pub(crate) const fn generation(self) -> u64 {
        self.0 >> SHIFT
    }

    /// Whether a run is wanted, and nothing else.
    pub(crate) const fn is_to_run(self) -> bool {
        self.0 & ((1 << SHIFT) - 1) == RUN
    }

    /// Whether any of `flags` is up.
    pub(crate) const fn has(self, flags: u64) -> bool {
        self.0 & flags != 0
    }
}

/// One child, as everybody sees it.
#[derive(Default)]
pub(crate) struct Slot {
    order: AtomicU64,
    /// What its run has said and nobody has taken yet; see [`crate::queue`].
    pub(crate) pending: AtomicU32,
    /// Which child of this place.
    epoch: AtomicU32,
    /// Which task hosts its runs; a task with another number ends itself.
    host: AtomicU32,
    /// Which restart of its streak the run is.
    attempt: AtomicU32,
    /// The run that its task has begun last; the lower half of its number.
    begun: AtomicU32,
    /// The sequence of the event that told of the run.
    told_by: AtomicU64,
    /// Whether something concerns the shell alone: most children have nothing such, and are not asked for it.
    has_extras: AtomicBool,
    cell: Mutex<Cell>,
    about: RwLock<About>,
}

/// What changes seldom and is read by name.
#[derive(Default, Clone)]
pub(crate) struct About {
    /// The path; stays after the child is gone, until another child has the place.
    pub(crate) path: Option<SupervisorPath>,
    /// What the machine decides by.
    pub(crate) policy: Option<Arc<ChildPolicy>>,
    /// What concerns the shell alone.
    pub(crate) extras: Option<Arc<Extras>>,
}

/// What is written rarely and read by one side at a time.
#[derive(Default)]
pub(crate) struct Cell {
    /// Wakes the child's task.
    pub(crate) waker: Option<Waker>,
    /// The generations of the last reports of each kind.
    pub(crate) ready: u64,
    pub(crate) beat: u64,
    /// Why a probe failed, and of which run.
    pub(crate) missed: Option<Box<Missed>>,
    /// The request to stop.
    pub(crate) stop: Option<StopOrder>,
    /// What only some runs need.
    pub(crate) aids: Option<Box<Aids>>,
    /// What the child said of itself.
    pub(crate) kept: Option<Box<Kept>>,
    /// How earlier runs ended.
    pub(crate) past: Option<Box<Past>>,
}

/// A check of a run that failed.
#[derive(Debug)]
pub(crate) struct Missed {
    /// Which run.
    pub(crate) generation: u64,
    /// Why.
    pub(crate) why: Arc<str>,
    /// Whether no more misses are to be waited for.
    pub(crate) at_once: bool,
}

/// The end of a run as its task reports it.
#[derive(Debug)]
pub(crate) struct RunEnd {
    /// Which child.
    pub(crate) epoch: u32,
    /// Which run.
    pub(crate) generation: u64,
    /// Whether a request to stop is left in its cell.
    pub(crate) was_asked: bool,
    /// How.
    pub(crate) how: How,
}

/// The two ways a run can be over.
#[derive(Debug)]
pub(crate) enum How {
    /// It ended.
    Exited(Exit),
    /// It declined to start, and says why.
    Declined(Arc<str>),
}

/// A request to stop, as the driver leaves it.
#[derive(Debug, Clone)]
pub(crate) struct StopOrder {
    /// When the grace ends, in the tree's time; `u64::MAX` is never.
    pub(crate) deadline: u64,
    /// Why.
    pub(crate) cause: Cause,
    /// Who asked and in which words.
    pub(crate) detail: Option<Arc<Detail>>,
}

/// Sends a signal to what a run owns, or says why it cannot.
pub(crate) type Deliver = Arc<dyn Fn(StopSignal) -> Result<(), String> + Send + Sync>;

/// What is made for a run only when it asks for it.
#[derive(Default)]
pub(crate) struct Aids {
    /// Of which run.
    pub(crate) generation: u64,
    /// Cancelled when the run is asked to stop.
    pub(crate) stop: Option<CancellationToken>,
    /// Cancelled when the run is killed.
    pub(crate) kill: Option<CancellationToken>,
    /// The tasks it spawned.
    pub(crate) crew: Option<Arc<Crew>>,
    /// Why it declines to start.
    pub(crate) declined: Option<Arc<str>>,
    /// What is recorded of it, where somebody listens.
    pub(crate) span: Option<Span>,
    /// The secrets it was given, where somebody had to be asked for them.
    pub(crate) given: Option<Arc<Given>>,
    /// What an operator's signal does, if it takes any.
    pub(crate) signals: Option<Deliver>,
    /// What a request to read its configuration again does, if it can.
    pub(crate) reload: Option<Deliver>,
    /// The process that the run owns.
    pub(crate) pid: Option<u32>,
    /// Whether it has said that it ends by itself.
    pub(crate) winds_down: bool,
    /// Times its polls.
    pub(crate) meter: Option<Arc<Meter>>,
    /// What it uses.
    pub(crate) usage: Option<Box<ProgramUsage>>,
}

impl Cell {
    /// The aids of the run `generation`; those of an earlier run are handed out to be finished.
    pub(crate) fn aids(&mut self, generation: u64) -> &mut Aids {
        let aids = self.aids.get_or_insert_default();
        if aids.generation != generation {
            **aids = Aids { generation, ..Aids::default() };
        }
        aids
    }
}

impl Slot {
    /// A child takes this place. What is left of the one that was here is handed out: its task may still sleep, and
    /// its lines still count.
    pub(crate) fn declare(&self, epoch: u32, about: About) -> Cell {
        self.change(|place| *place = about);
        self.epoch.store(epoch, Ordering::Release);
        self.order.store(0, Ordering::Release);
        std::mem::take(&mut *self.cell())
    }

    /// The cell, even if a holder panicked: no holder leaves it half-written.
    pub(crate) fn cell(&self) -> MutexGuard<'_, Cell> {
        self.cell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What changes seldom.
    pub(crate) fn about(&self) -> About {
        self.about.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The path, if a child ever was here.
    pub(crate) fn path(&self) -> Option<SupervisorPath> {
        self.about.read().unwrap_or_else(PoisonError::into_inner).path.clone()
    }

    /// The policy, if a child is here.
    pub(crate) fn policy(&self) -> Option<Arc<ChildPolicy>> {
        self.about.read().unwrap_or_else(PoisonError::into_inner).policy.clone()
    }

    /// What concerns the shell alone.
    pub(crate) fn extras(&self) -> Option<Arc<Extras>> {
        // It changes before the order to start the run that it is for.
        if !self.has_extras.load(Ordering::Acquire) {
            return None;
        }
        self.about.read().unwrap_or_else(PoisonError::into_inner).extras.clone()
    }

    /// Changes what changes seldom.
    pub(crate) fn change(&self, change: impl FnOnce(&mut About)) {
        let mut about = self.about.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut about);
        self.has_extras.store(about.extras.is_some(), Ordering::Release);
    }

    /// Which child of this place.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Which task hosts the runs.
    pub(crate) fn host(&self) -> u32 {
        self.host.load(Ordering::Acquire)
    }

    /// Another task hosts the runs from now on.
    pub(crate) fn set_host(&self, host: u32) {
        self.host.store(host, Ordering::Release);
    }

    /// The order that holds.
    pub(crate) fn order(&self) -> Order {
        Order(self.order.load(Ordering::Acquire))
    }

    /// Which restart of its streak the run is.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt.load(Ordering::Relaxed)
    }

    /// The sequence of the event that told of the run.
    pub(crate) fn told_by(&self) -> u64 {
        self.told_by.load(Ordering::Relaxed)
    }

    /// Gives the order to start a run: which restart of its streak it is, and which event tells of it.
    pub(crate) fn order_run(&self, generation: u64, attempt: u32, told_by: u64) {
        // The order publishes them.
        self.attempt.store(attempt, Ordering::Relaxed);
        self.told_by.store(told_by, Ordering::Relaxed);
        self.order.store(Order::run(generation).0, Ordering::Release);
    }

    /// The task begins a run.
    pub(crate) fn begin(&self, generation: u64) {
        self.begun.store(generation as u32, Ordering::Relaxed);
    }

    /// Whether the run that was ordered has begun, and nobody has asked it to stop.
    pub(crate) fn is_at_work(&self) -> bool {
        let order = self.order();
        order.is_to_run() && self.begun.load(Ordering::Relaxed) == order.generation() as u32
    }

    /// Raises flags for the run that is on.
    pub(crate) fn raise(&self, flags: u64) -> Order {
        Order(self.order.fetch_or(flags, Ordering::AcqRel) | flags)
    }

    /// Wakes the task and cancels the tokens that `order` is about. Runs wakers: call it without locks.
    pub(crate) fn ring(&self) {
        let order = self.order();
        let (waker, stop, kill) = {
            let cell = self.cell();
            let aids = cell.aids.as_ref().filter(|aids| aids.generation == order.generation());
            let stop =
                aids.filter(|_| order.has(STOP | KILL | ENDING | OVER)).and_then(|aids| aids.stop.clone());
            let kill = aids.filter(|_| order.has(KILL)).and_then(|aids| aids.kill.clone());
            (cell.waker.clone(), stop, kill)
        };
        if let Some(token) = stop {
            token.cancel();
        }
        if let Some(token) = kill {
            token.cancel();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The child here, if it is `key`.
    pub(crate) fn is(&self, key: ChildKey) -> bool {
        self.epoch() == key.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_stays_small() {
        assert!(size_of::<Slot>() <= 192, "{}", size_of::<Slot>());
    }

    #[test]
    fn raised_flags_belong_to_the_run_that_is_on() {
        let slot = Slot::default();
        slot.order_run(7, 0, 1);
        slot.raise(STOP);
        assert!(slot.order().has(STOP) && slot.order().generation() == 7);
        slot.order_run(8, 1, 2);
        assert!(!slot.order().has(STOP) && slot.order().has(RUN));
    }
}
