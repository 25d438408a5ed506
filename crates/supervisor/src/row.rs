//! The published rows of children: written by the driver alone, read by anybody, who waits for nobody.
//!
//! They lie side by side, apart from the slots, because a read of the whole tree goes over all of them.

use supervisor_api::{Health, Lifecycle, Moments, PolicyDecision, Readiness, Row};

use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use crate::sync::spin_loop;

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
pub(crate) struct RowCell {
    version: AtomicU32,
    states: AtomicU32,
    generation: AtomicU64,
    attempt: AtomicU32,
    restarts: AtomicU32,
    as_of: AtomicU64,
    since: AtomicU64,
    run: AtomicU64,
}

/// The words of a row as they were read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowWords {
    states: u32,
    attempt: u32,
    restarts: u32,
    generation: u64,
    as_of: u64,
    since: u64,
    run: u64,
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

impl RowWords {
    /// The sequence of the last event in the row.
    pub(crate) fn as_of(&self) -> u64 {
        self.as_of
    }

    /// The words of a row.
    pub(crate) fn of(row: SlotRow) -> Self {
        let decision = row.decision.map_or(0, |decision| decision as u32 + 1);
        let flags = if row.killing { KILLING } else { 0 }
            | if row.failed { FAILED } else { 0 }
            | decision << DECISION;
        Self {
            states: pack_states(&row.row) | flags,
            attempt: row.row.attempt,
            restarts: row.row.restart_count,
            generation: row.row.generation,
            as_of: row.as_of,
            since: row.moments.since,
            run: row.moments.run,
        }
    }

    /// The row that they say.
    pub(crate) fn row(&self) -> SlotRow {
        let Self { states, attempt, restarts, generation, as_of, since, run } = *self;
        let (lifecycle, health, readiness) = unpack_states(states);
        let decision = (states >> DECISION).checked_sub(1);
        SlotRow {
            row: Row { lifecycle, health, readiness, generation, attempt, restart_count: restarts },
            as_of,
            killing: states & KILLING != 0,
            failed: states & FAILED != 0,
            decision: decision.and_then(|at| PolicyDecision::ALL.get(at as usize).copied()),
            moments: Moments { since, run },
        }
    }
}

impl RowCell {
    /// Publishes a row. For the driver alone.
    pub(crate) fn write(&self, row: SlotRow) {
        let words = RowWords::of(row);
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.states.store(words.states, Ordering::Relaxed);
        self.generation.store(words.generation, Ordering::Relaxed);
        self.attempt.store(words.attempt, Ordering::Relaxed);
        self.restarts.store(words.restarts, Ordering::Relaxed);
        self.as_of.store(words.as_of, Ordering::Relaxed);
        self.since.store(words.since, Ordering::Relaxed);
        self.run.store(words.run, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// The row.
    pub(crate) fn read(&self) -> SlotRow {
        self.words().row()
    }

    /// Its words, all of one row.
    pub(crate) fn words(&self) -> RowWords {
        loop {
            let version = self.version.load(Ordering::Acquire);
            let words = self.glance();
            fence(Ordering::Acquire);
            if version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version {
                return words;
            }
            spin_loop();
        }
    }

    /// Its words as they are, which is half of a row while it is being written: for whoever finds out by other means
    /// that nothing was.
    pub(crate) fn glance(&self) -> RowWords {
        RowWords {
            states: self.states.load(Ordering::Relaxed),
            attempt: self.attempt.load(Ordering::Relaxed),
            restarts: self.restarts.load(Ordering::Relaxed),
            generation: self.generation.load(Ordering::Relaxed),
            as_of: self.as_of.load(Ordering::Relaxed),
            since: self.since.load(Ordering::Relaxed),
            run: self.run.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_row_stays_small() {
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
}
