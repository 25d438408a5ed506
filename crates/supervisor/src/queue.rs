//! The queue of reports from children to the driver.
//!
//! A report is a bit in the child's slot and, when the slot is not queued yet, its index threaded through
//! [`Slot::link`](crate::slot::Slot). So there is at most one entry per child, pushing never waits and
//! never allocates, and the queue is bounded by the children (invariant 9).
//!
//! Pushes add at the head with one compare-and-swap; the driver swaps the whole list out and reverses it.
//! Since single entries are never taken, the same head value always means the same list: no ABA.

use crate::sync::atomic::{AtomicU32, Ordering};
use crate::table::Table;

/// A run is over.
pub(crate) const EXIT: u32 = 1;
/// A run is ready.
pub(crate) const READY: u32 = 2;
/// A run gave a sign of life.
pub(crate) const BEAT: u32 = 4;
/// A probe of a run failed.
pub(crate) const MISSED: u32 = 8;
/// The time of a scheduled child has come.
pub(crate) const DUE: u32 = 16;

/// Indices are stored plus one, so that 0 is the end of the list.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    head: AtomicU32,
}

impl Queue {
    /// Says `bit` about the child at `index`. True when the driver has to be woken: the queue was empty.
    pub(crate) fn push(&self, table: &Table, index: u32, bit: u32) -> bool {
        let slot = table.slot(index);
        if slot.pending.fetch_or(bit, Ordering::AcqRel) != 0 {
            return false;
        }
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            slot.link.store(head, Ordering::Relaxed);
            match self.head.compare_exchange_weak(head, index + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return head == 0,
                Err(now) => head = now,
            }
        }
    }

    /// Takes everything, oldest first, onto the end of `out`: index and bits.
    pub(crate) fn drain(&self, table: &Table, out: &mut std::collections::VecDeque<(u32, u32)>) {
        let mut next = self.head.swap(0, Ordering::AcqRel);
        let from = out.len();
        while next != 0 {
            let index = next - 1;
            let slot = table.slot(index);
            // The link first: once the bits are cleared the slot may be pushed again.
            next = slot.link.load(Ordering::Relaxed);
            out.push_back((index, slot.pending.swap(0, Ordering::AcqRel)));
        }
        out.make_contiguous()[from..].reverse();
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::sync::Arc;

    #[test]
    fn reports_come_out_in_order_once_per_child() {
        let (queue, table) = (Queue::default(), Table::default());
        assert!(queue.push(&table, 3, READY));
        assert!(!queue.push(&table, 900, EXIT));
        assert!(!queue.push(&table, 3, EXIT));
        let mut out = VecDeque::new();
        queue.drain(&table, &mut out);
        assert_eq!(out, [(3, READY | EXIT), (900, EXIT)]);
        assert!(queue.is_empty());
        assert!(queue.push(&table, 3, BEAT), "a drained child can be queued again");
    }

    #[test]
    fn nothing_is_lost_when_many_threads_push_while_one_drains() {
        const ROUNDS: u64 = 20_000;
        let shared = Arc::new((Queue::default(), Table::default()));
        let done = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let threads: Vec<_> = (0..4u32)
            .map(|index| {
                let (shared, done) = (Arc::clone(&shared), Arc::clone(&done));
                std::thread::spawn(move || {
                    for _ in 0..ROUNDS {
                        shared.0.push(&shared.1, index, READY);
                        // A child reports its next exit only when the last one was taken.
                        while shared.1.slot(index).pending.load(Ordering::Acquire) & READY != 0 {
                            std::thread::yield_now();
                        }
                    }
                    done.fetch_add(1, Ordering::Release);
                })
            })
            .collect();
        let (mut out, mut seen) = (VecDeque::new(), [0; 4]);
        while done.load(Ordering::Acquire) < 4 || !shared.0.is_empty() {
            shared.0.drain(&shared.1, &mut out);
            for (index, bits) in out.drain(..) {
                assert_eq!(bits, READY);
                seen[index as usize] += 1;
            }
            std::thread::yield_now();
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(seen, [ROUNDS; 4]);
    }
}
