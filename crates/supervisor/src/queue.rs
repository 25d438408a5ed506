//! The queue of what children have to tell the driver.
//!
//! What a run says of itself is a bit in the child's slot and one entry, however often it is said before the driver looks;
//! the end of a run is an entry of its own. So there are at most two entries per child, and the queue is bounded by the
//! children (invariant 9). The entries lie side by side, because whoever takes them takes all of them, and what they
//! tell comes from another core.

use std::collections::VecDeque;
use std::sync::PoisonError;

use crate::slot::RunEnd;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::table::Table;

/// A run is ready.
pub(crate) const READY: u32 = 1;
/// A run gave a sign of life.
pub(crate) const BEAT: u32 = 2;
/// A probe of a run failed.
pub(crate) const MISSED: u32 = 4;
/// The time of a scheduled child has come.
pub(crate) const DUE: u32 = 8;

/// What the child at a place has to tell.
#[derive(Debug)]
pub(crate) enum Report {
    /// What the bits of its slot say.
    Said(u32),
    /// A run of it is over.
    Ended(u32, RunEnd),
}

/// What nobody has taken yet, oldest first.
#[derive(Default)]
pub(crate) struct Queue {
    /// Whether there is anything; changed under the lock, so that nobody has to take it who only asks.
    some: AtomicBool,
    reports: Mutex<VecDeque<Report>>,
}

impl Queue {
    /// Says `bit` about the child at `index`. True when the driver has to be woken: the queue was empty.
    pub(crate) fn say(&self, table: &Table, index: u32, bit: u32) -> bool {
        // Whoever takes the entry clears the bits, and sees all that was said until then.
        table.slot(index).pending.fetch_or(bit, Ordering::AcqRel) == 0 && self.push(Report::Said(index))
    }

    /// Leaves the end of a run of the child at `index`. True when nobody knows of it: the queue was empty.
    pub(crate) fn leave(&self, index: u32, end: RunEnd) -> bool {
        self.push(Report::Ended(index, end))
    }

    fn push(&self, report: Report) -> bool {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let first = reports.is_empty();
        reports.push_back(report);
        self.some.store(true, Ordering::Release);
        first
    }

    /// Takes everything into `out`, which is empty and gives its room for what comes next.
    pub(crate) fn take(&self, out: &mut VecDeque<Report>) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *reports, out);
        self.some.store(!reports.is_empty(), Ordering::Release);
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        !self.some.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::Exit;
    use crate::slot::How;

    fn end(generation: u64) -> RunEnd {
        RunEnd { epoch: 0, generation, was_asked: false, how: How::Exited(Exit::Completed) }
    }

    /// Each report as its place, and the bits or the generation.
    fn taken(queue: &Queue, table: &Table, out: &mut VecDeque<Report>) -> Vec<(u32, u64)> {
        queue.take(out);
        let told = out.drain(..).map(|report| match report {
            Report::Said(index) => (index, u64::from(table.slot(index).pending.swap(0, Ordering::AcqRel))),
            Report::Ended(index, end) => (index, 100 + end.generation),
        });
        told.collect()
    }

    #[test]
    fn reports_come_out_in_order_and_what_is_said_once_per_child() {
        let (queue, table, mut out) = (Queue::default(), Table::default(), VecDeque::new());
        assert!(queue.say(&table, 3, READY));
        queue.leave(900, end(1));
        assert!(!queue.say(&table, 3, BEAT));
        queue.leave(3, end(2));
        assert!(!queue.is_empty());
        let both = u64::from(READY | BEAT);
        assert_eq!(taken(&queue, &table, &mut out), [(3, both), (900, 101), (3, 102)]);
        assert!(queue.is_empty());
        assert!(queue.say(&table, 3, BEAT), "what was taken can be said again");
    }

    #[test]
    fn nothing_is_lost_when_many_threads_push_while_one_takes() {
        const ROUNDS: u64 = 20_000;
        let shared = Arc::new((Queue::default(), Table::default()));
        let done = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let threads: Vec<_> = (0..4u32)
            .map(|index| {
                let (shared, done) = (Arc::clone(&shared), Arc::clone(&done));
                std::thread::spawn(move || {
                    for round in 0..ROUNDS {
                        shared.0.say(&shared.1, index, READY);
                        // A run says no more once it is over.
                        while shared.1.slot(index).pending.load(Ordering::Acquire) & READY != 0 {
                            std::thread::yield_now();
                        }
                        shared.0.leave(index, end(round));
                    }
                    done.fetch_add(1, Ordering::Release);
                })
            })
            .collect();
        let (mut out, mut said, mut ended) = (VecDeque::new(), [0; 4], [0; 4]);
        while done.load(Ordering::Acquire) < 4 || !shared.0.is_empty() {
            for (index, told) in taken(&shared.0, &shared.1, &mut out) {
                if told == u64::from(READY) {
                    said[index as usize] += 1;
                } else {
                    assert_eq!(told, 100 + ended[index as usize], "the ends of a child in their order");
                    ended[index as usize] += 1;
                }
            }
            std::thread::yield_now();
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((said, ended), ([ROUNDS; 4], [ROUNDS; 4]));
    }
}
