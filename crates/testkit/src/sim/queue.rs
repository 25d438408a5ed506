//! What is going to happen: one heap of (time, tiebreak, event).

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use supervisor_api::ChildKey;

use super::schedule::Ending;

/// Something that is going to happen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coming {
    pub(super) at: u64,
    tie: u64,
    pub(super) what: Happening,
}

/// What is going to happen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Happening {
    /// The act with this number.
    Act(u32),
    /// A run does something, if it still lives.
    Run(ChildKey, u64, Move),
    /// A message that was said before comes once more.
    Echo(ChildKey, u64, Move),
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Ready,
    Beat,
    Decline,
    /// Ends by itself; a fault, unless nobody minds.
    End(Ending),
    /// Ends because it was asked to, or killed.
    Obey(Ending),
}

impl PartialEq for Coming {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.tie) == (other.at, other.tie)
    }
}
impl Eq for Coming {}
impl PartialOrd for Coming {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Coming {
    /// The earliest is the greatest, as the heap wants it.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.tie).cmp(&(self.at, self.tie))
    }
}

/// The heap.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Coming>,
    /// Beats in the heap; a tree at rest has nothing else.
    pub(super) beats: usize,
}

impl Queue {
    pub(super) fn clear(&mut self) {
        self.heap.clear();
        self.beats = 0;
    }

    pub(super) fn push(&mut self, at: u64, tie: u64, what: Happening) {
        self.beats += usize::from(matches!(what, Happening::Run(_, _, Move::Beat)));
        self.heap.push(Coming { at, tie, what });
    }

    pub(super) fn pop(&mut self) -> Option<Coming> {
        let coming = self.heap.pop()?;
        self.beats -= usize::from(matches!(coming.what, Happening::Run(_, _, Move::Beat)));
        Some(coming)
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|coming| coming.at)
    }

    pub(super) fn only_beats(&self) -> bool {
        self.heap.len() == self.beats
    }

    /// Drops what is not kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&Happening) -> bool) {
        self.heap.retain(|coming| keep(&coming.what));
        self.beats =
            self.heap.iter().filter(|coming| matches!(coming.what, Happening::Run(_, _, Move::Beat))).count();
    }
}
