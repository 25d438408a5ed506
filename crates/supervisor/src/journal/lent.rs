//! What a stream lends: events where they lie, for all readers at once.

use std::fmt;
use std::sync::Arc;

use supervisor_api::StampedEvent;

use super::page::{Page, Place};
use super::stream::Gap;

/// What [`EventStream::next_batch`](super::EventStream::next_batch) gives.
#[derive(Debug, Clone)]
pub enum EventBatch {
    /// The next events: at least one, and at most 64.
    Events(LentEvents),
    /// Events were overwritten before they were read; a snapshot says what they led to.
    Gap(Gap),
}

impl EventBatch {
    /// Its events in their order; a gap has none.
    pub fn events(&self) -> LentIter<'_> {
        match self {
            Self::Events(events) => events.iter(),
            Self::Gap(_) => LentIter([].iter()),
        }
    }

    /// The gap, if it is one.
    pub fn gap(&self) -> Option<Gap> {
        match self {
            Self::Events(_) => None,
            Self::Gap(gap) => Some(*gap),
        }
    }
}

/// Consecutive events, which all readers share: none is copied, and [`Clone`] copies none either.
///
/// Whoever keeps it keeps the memory of up to 64 events and of their texts.
#[derive(Clone)]
pub struct LentEvents {
    page: Arc<Page>,
    /// The first sequence, and the last.
    from: u64,
    to: u64,
}

impl LentEvents {
    /// Those of a page with these sequences, all of which are there.
    pub(super) fn new(page: Arc<Page>, from: u64, to: u64) -> Self {
        Self { page, from, to }
    }

    /// The events in their order.
    pub fn iter(&self) -> LentIter<'_> {
        LentIter(self.page.places(self.from, self.to).iter())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        (self.to - self.from) as usize + 1
    }

    /// Whether there is none; a stream gives no such batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sequence of the first.
    pub fn first_sequence(&self) -> u64 {
        self.from
    }

    /// The sequence of the last.
    pub fn last_sequence(&self) -> u64 {
        self.to
    }
}

impl<'a> IntoIterator for &'a LentEvents {
    type Item = &'a StampedEvent;
    type IntoIter = LentIter<'a>;

    fn into_iter(self) -> LentIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for LentEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The events of a batch, one after the other.
#[derive(Debug, Clone)]
pub struct LentIter<'a>(std::slice::Iter<'a, Place>);

impl<'a> Iterator for LentIter<'a> {
    type Item = &'a StampedEvent;

    #[inline]
    fn next(&mut self) -> Option<&'a StampedEvent> {
        self.0.next()?.get()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for LentIter<'_> {}
