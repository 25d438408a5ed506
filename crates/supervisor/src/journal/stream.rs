//! A reader of the journal.

use std::fmt;
use std::sync::Arc;

use supervisor_api::{Event, Next, StampedEvent, SupervisorPath};

use super::Record;
use crate::sync::atomic::{Ordering, fence};
use crate::tree::Tree;

/// Events that a reader was too slow for: `from` and `to` are the first and the last that are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first lost sequence.
    pub from: u64,
    /// The last lost sequence.
    pub to: u64,
}

impl Gap {
    /// How many events are lost.
    pub const fn missed(self) -> u64 {
        self.to - self.from + 1
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events are lost to this reader ({} to {})", self.missed(), self.from, self.to)
    }
}

/// What a stream of events gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventItem {
    /// The next event. `Display` gives it as a line of text.
    Event(Box<StampedEvent>),
    /// Events were overwritten before they were read; a snapshot says what they led to.
    Gap(Gap),
}

impl EventItem {
    /// The event, if it is one.
    pub fn event(&self) -> Option<&StampedEvent> {
        match self {
            Self::Event(event) => Some(event),
            Self::Gap(_) => None,
        }
    }
}

impl fmt::Display for EventItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => event.fmt(f),
            Self::Gap(gap) => gap.fmt(f),
        }
    }
}

/// Events in their order, each once, from a position on.
///
/// The journal keeps the last 4 096 events and waits for no reader: one that falls behind gets a
/// [`Gap`] with the exact loss and goes on with the oldest event there is. After the tree has ended the
/// stream gives what is left, then ends. Readers are independent; dropping one costs nothing.
pub struct EventStream {
    tree: Arc<Tree>,
    /// The last sequence that was given out or reported lost.
    cursor: u64,
}

impl EventStream {
    pub(crate) fn new(tree: Arc<Tree>, after: u64) -> Self {
        tree.journal.readers.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        Self { tree, cursor: after }
    }

    /// The sequence of the last item; the next event has the one after it, or a gap says why not.
    pub fn position(&self) -> u64 {
        self.cursor
    }

    /// The next item, or `None` when the tree has ended and everything is read.
    ///
    /// Cancel safe: a dropped future takes nothing from the stream.
    pub async fn next(&mut self) -> Option<EventItem> {
        let tree = Arc::clone(&self.tree);
        loop {
            // Made before looking, so that an event in between wakes it.
            let moved = tree.journal.moved.notified();
            let closed = tree.journal.is_closed();
            if let Some(item) = self.try_next() {
                return Some(item);
            }
            if closed {
                return None;
            }
            moved.await;
        }
    }

    /// The next item that is there already.
    pub fn try_next(&mut self) -> Option<EventItem> {
        let journal = &self.tree.journal;
        if self.cursor >= journal.head() {
            return None;
        }
        let sequence = self.cursor + 1;
        if let Some((record, detail)) = journal.read(sequence) {
            self.cursor = sequence;
            return Some(EventItem::Event(Box::new(stamp(&self.tree, sequence, &record, detail))));
        }
        let to = journal.lost().max(sequence);
        self.cursor = to;
        let gap = Gap { from: sequence, to };
        self.tree.missed.fetch_add(gap.missed(), Ordering::Relaxed);
        Some(EventItem::Gap(gap))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.tree.journal.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("position", &self.cursor).finish_non_exhaustive()
    }
}

/// An event with its names, which are looked up when it is read.
pub(crate) fn stamp(
    tree: &Tree,
    sequence: u64,
    record: &Record,
    detail: Option<Arc<supervisor_api::Detail>>,
) -> StampedEvent {
    let path = |index: u32| tree.table.slot(index).path();
    let next_path = match record.next {
        Next::WaitsFor(child) => path(child),
        _ => None,
    };
    StampedEvent {
        sequence,
        occurred_at_unix_nanos: record.unix_nanos,
        at: record.at,
        path: path(record.child.index).unwrap_or_else(SupervisorPath::root),
        cause_path: record.cause.child().and_then(path),
        next_path,
        event: Event {
            kind: record.kind,
            child: record.child,
            row: record.row,
            cause: record.cause,
            next: record.next,
            numbers: record.numbers,
            detail,
        },
    }
}
