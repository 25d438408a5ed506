//! The shared slot of a child: what its task, the driver and readers know of each other.
//!
//! ```text
//!   driver ── order (one word), then wake ──► the child's task
//!   task   ── cell, bit, queue ──────────────► driver
//!   driver ── row (versioned words) ─────────► readers, who never wait for anybody
//! ```
//!
//! An order is written before the waker is looked up, and the task looks at the order after it left its
//! waker; both go through the cell's lock, so an order is never missed. No user code runs under a lock of
//! a slot: wakers and tokens are cloned out and called afterwards.

use std::sync::{Arc, PoisonError};
use std::task::Waker;

use supervisor_api::manifest::StopSignal;
use supervisor_api::{
    Cause, ChildKey, Detail, Exit, Health, Lifecycle, Moments, PolicyDecision, ProgramUsage, Readiness, Row,
    SupervisorPath,
};
use supervisor_core::ChildPolicy;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::kept::{Kept, Past};
use crate::run::{Crew, Meter};
use crate::secrets::Given;
use crate::spec::Extras;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use crate::sync::{Mutex, MutexGuard, RwLock, spin_loop};

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
    /// Reports not yet taken; see [`crate::queue`].
    pub(crate) pending: AtomicU32,
    /// The next in the queue of reports, plus one.
    pub(crate) link: AtomicU32,
    /// Which child of this place.
    epoch: AtomicU32,
    /// Which task hosts its runs; a task with another number ends itself.
    host: AtomicU32,
    /// Which restart of its streak the run is.
    attempt: AtomicU32,
    /// The sequence of the event that told of the run.
    told_by: AtomicU64,
    /// Whether something concerns the shell alone: most children have nothing such, and are not asked for it.
    has_extras: AtomicBool,
    row: RowCell,
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
    /// How the last run ended, until the driver takes it.
    pub(crate) end: Option<RunEnd>,
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
    /// its lines still count. `since` is the time, in Unix nanoseconds.
    pub(crate) fn declare(&self, epoch: u32, about: About, since: u64) -> Cell {
        self.change(|place| *place = about);
        self.epoch.store(epoch, Ordering::Release);
        self.order.store(0, Ordering::Release);
        self.row.write(SlotRow { moments: Moments { since, run: 0 }, ..SlotRow::DECLARED });
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

    /// The published row.
    pub(crate) fn row(&self) -> SlotRow {
        self.row.read()
    }

    /// Publishes a row. For the driver alone.
    pub(crate) fn publish(&self, row: SlotRow) {
        self.row.write(row);
    }

    /// The child here, if it is `key`.
    pub(crate) fn is(&self, key: ChildKey) -> bool {
        self.epoch() == key.epoch
    }
}

/// A published row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotRow {
    /// The row.
    pub(crate) row: Row,
    /// The sequence of the last event in it.
    pub(crate) as_of: u64,
    /// The grace is over and the run is being killed.
    pub(crate) killing: bool,
    /// A run has ended badly; the cell says how.
    pub(crate) failed: bool,
    /// What was decided when a run last ended.
    pub(crate) decision: Option<PolicyDecision>,
    /// Since when it is so, and until when.
    pub(crate) moments: Moments,
}

impl SlotRow {
    /// The row of a child that was never started.
    pub(crate) const DECLARED: Self = Self {
        row: Row::DECLARED,
        as_of: 0,
        killing: false,
        failed: false,
        decision: None,
        moments: Moments { since: 0, run: 0 },
    };
}

/// A row in words, written by the driver alone. The version is odd while it is being written; a reader
/// that sees it change reads again.
#[derive(Default)]
struct RowCell {
    version: AtomicU32,
    states: AtomicU32,
    generation: AtomicU64,
    attempt: AtomicU32,
    restarts: AtomicU32,
    as_of: AtomicU64,
    since: AtomicU64,
    run: AtomicU64,
}

const KILLING: u32 = 1 << 24;
const FAILED: u32 = 1 << 25;
/// The decision stands above the other flags: its place in the list of all, plus one.
const DECISION: u32 = 26;

/// The three state words in three bytes.
pub(crate) fn pack_states(row: &Row) -> u32 {
    row.lifecycle as u32 | (row.health as u32) << 8 | (row.readiness as u32) << 16
}

/// The inverse of [`pack_states`]; each byte is a position in the list of all words.
pub(crate) fn unpack_states(states: u32) -> (Lifecycle, Health, Readiness) {
    let [lifecycle, health, readiness, _] = states.to_le_bytes();
    (
        word(Lifecycle::ALL, lifecycle, Lifecycle::Declared),
        word(Health::ALL, health, Health::Unknown),
        word(Readiness::ALL, readiness, Readiness::Unreported),
    )
}

fn word<T: Copy>(all: &[T], at: u8, otherwise: T) -> T {
    all.get(usize::from(at)).copied().unwrap_or(otherwise)
}

impl RowCell {
    fn write(&self, row: SlotRow) {
        let decision = row.decision.map_or(0, |decision| decision as u32 + 1);
        let flags = if row.killing { KILLING } else { 0 }
            | if row.failed { FAILED } else { 0 }
            | decision << DECISION;
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.states.store(pack_states(&row.row) | flags, Ordering::Relaxed);
        self.generation.store(row.row.generation, Ordering::Relaxed);
        self.attempt.store(row.row.attempt, Ordering::Relaxed);
        self.restarts.store(row.row.restart_count, Ordering::Relaxed);
        self.as_of.store(row.as_of, Ordering::Relaxed);
        self.since.store(row.moments.since, Ordering::Relaxed);
        self.run.store(row.moments.run, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    fn read(&self) -> SlotRow {
        loop {
            let version = self.version.load(Ordering::Acquire);
            let states = self.states.load(Ordering::Relaxed);
            let generation = self.generation.load(Ordering::Relaxed);
            let attempt = self.attempt.load(Ordering::Relaxed);
            let restart_count = self.restarts.load(Ordering::Relaxed);
            let as_of = self.as_of.load(Ordering::Relaxed);
            let since = self.since.load(Ordering::Relaxed);
            let run = self.run.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            if version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version {
                let (lifecycle, health, readiness) = unpack_states(states);
                let row = Row { lifecycle, health, readiness, generation, attempt, restart_count };
                let decision = (states >> DECISION).checked_sub(1);
                return SlotRow {
                    row,
                    as_of,
                    killing: states & KILLING != 0,
                    failed: states & FAILED != 0,
                    decision: decision.and_then(|at| PolicyDecision::ALL.get(at as usize).copied()),
                    moments: Moments { since, run },
                };
            }
            spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_stays_small() {
        assert!(size_of::<Slot>() <= 320, "{}", size_of::<Slot>());
        assert!(size_of::<RowCell>() <= 48);
    }

    #[test]
    fn states_read_back_in_every_combination() {
        for &lifecycle in Lifecycle::ALL {
            for &health in Health::ALL {
                for &readiness in Readiness::ALL {
                    let row = Row { lifecycle, health, readiness, ..Row::DECLARED };
                    assert_eq!(unpack_states(pack_states(&row)), (lifecycle, health, readiness));
                }
            }
        }
    }

    #[test]
    fn flags_and_decision_read_back_in_every_combination() {
        let decisions = PolicyDecision::ALL.iter().copied().map(Some).chain([None]);
        for (decision, flags) in decisions.flat_map(|decision| (0..4).map(move |flags| (decision, flags))) {
            let (killing, failed) = (flags & 1 != 0, flags & 2 != 0);
            let moments = Moments { since: u64::MAX, run: 7 };
            let row = SlotRow { killing, failed, decision, moments, ..SlotRow::DECLARED };
            let cell = RowCell::default();
            cell.write(row);
            assert_eq!(cell.read(), row);
        }
    }

    #[test]
    fn a_row_is_never_read_half_written() {
        let cell = Arc::new(RowCell::default());
        let writer = std::thread::spawn({
            let cell = Arc::clone(&cell);
            move || {
                for n in 1..200_000u64 {
                    let row = Row { generation: n, attempt: n as u32, ..Row::DECLARED };
                    let moments = Moments { since: n, run: n };
                    cell.write(SlotRow { row, as_of: n, failed: n % 2 == 0, moments, ..SlotRow::DECLARED });
                }
            }
        });
        while !writer.is_finished() {
            let read = cell.read();
            assert_eq!(read.as_of, read.row.generation);
            assert_eq!(read.as_of as u32, read.row.attempt);
            assert_eq!(read.moments, Moments { since: read.as_of, run: read.as_of });
            assert_eq!(read.failed, read.as_of > 0 && read.as_of % 2 == 0);
        }
        writer.join().unwrap();
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
