//! One ordered set of deadlines for the whole tree.
//!
//! A holder of a deadline (a child, or a group that waits) keeps its true time itself; an entry here is
//! the promise to look at it no later than then. Moving a deadline to later costs nothing: the entry is
//! put back when it comes up early. So a heartbeat never touches the heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// "No deadline".
pub(crate) const NEVER: u64 = u64::MAX;

/// Whose deadline it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder {
    Child(u32),
    Group(u32),
}

/// What is due at the same instant comes in the order in which it was set: of two retries without delay the one
/// whose start failed first (R32).
#[derive(Debug, Default, Clone)]
pub(crate) struct Timers {
    entries: BinaryHeap<Reverse<(u64, u64, Holder)>>,
    pushed: u64,
}

impl Timers {
    pub(crate) fn push(&mut self, at: u64, holder: Holder) {
        self.pushed += 1;
        self.entries.push(Reverse((at, self.pushed, holder)));
    }

    /// The earliest entry that is not after `now`.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<(u64, Holder)> {
        let &Reverse((at, ..)) = self.entries.peek()?;
        if at > now { None } else { self.entries.pop().map(|Reverse((at, _, holder))| (at, holder)) }
    }

    pub(crate) fn next(&self) -> Option<u64> {
        self.entries.peek().map(|Reverse((at, ..))| *at)
    }
}
