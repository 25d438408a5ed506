//! One ordered set of deadlines for the whole tree.
//!
//! A holder of a deadline (a child, or a group that waits) keeps its true time itself; an entry here is
//! the promise to look at it no later than then. Moving a deadline to later costs nothing: the entry is
//! put back when it comes up early. So a heartbeat never touches the heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// "No deadline".
pub(crate) const NEVER: u64 = u64::MAX;

/// Whose deadline it is. The order decides ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder {
    Child(u32),
    Group(u32),
}

#[derive(Debug, Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<(u64, Holder)>>);

impl Timers {
    pub(crate) fn push(&mut self, at: u64, holder: Holder) {
        self.0.push(Reverse((at, holder)));
    }

    /// The earliest entry that is not after `now`.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<(u64, Holder)> {
        let &Reverse((at, _)) = self.0.peek()?;
        if at > now { None } else { self.0.pop().map(|Reverse(entry)| entry) }
    }

    pub(crate) fn next(&self) -> Option<u64> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }
}
