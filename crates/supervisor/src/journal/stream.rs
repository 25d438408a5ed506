//! A reader of the journal.

use std::fmt;
use std::sync::Arc;

use supervisor_api::{Detail, Event, Next, StampedEvent, SupervisorPath};

use super::Record;
use super::lent::{EventBatch, LentEvents};
use super::page::Page;
use crate::sync::atomic::Ordering;
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
///
/// [`next`](Self::next) gives each event to its reader; [`next_batch`](Self::next_batch) lends those that are there, which is
/// far cheaper where many come or many read. Both can be called in turn. What readers share takes about 1 MB per tree,
/// until the last of them is dropped.
pub struct EventStream {
    tree: Arc<Tree>,
    /// The last sequence that was given out or reported lost.
    cursor: u64,
    /// Where the last event was, and most likely the next one is.
    page: Option<Arc<Page>>,
}

impl EventStream {
    pub(crate) fn new(tree: Arc<Tree>, after: u64) -> Self {
        tree.journal.enter();
        Self { tree, cursor: after, page: None }
    }

    /// The sequence of the last item; the next event has the one after it, or a gap says why not.
    pub fn position(&self) -> u64 {
        self.cursor
    }

    /// The next item, or `None` when the tree has ended and everything is read.
    ///
    /// Cancel safe: a dropped future takes nothing from the stream.
    pub async fn next(&mut self) -> Option<EventItem> {
        self.wait().await;
        self.try_next()
    }

    /// The next items without a copy: the events that are there, at most 64, or a gap; `None` when the tree has ended and
    /// everything is read. It waits only while there is nothing.
    ///
    /// Cancel safe: a dropped future takes nothing from the stream. What it gave counts as read.
    ///
    /// ```
    /// use tokio_supervisor::{ChildSpec, EventBatch, Supervisor, SupervisorSpec};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tokio_supervisor::SupervisorError> {
    /// let web = ChildSpec::service("web", |ctx| async move { _ = ctx.stopping().await });
    /// let handle = Supervisor::start(SupervisorSpec::root([web])).await?;
    /// let mut events = handle.events_after(0);
    /// handle.shutdown("me", "enough").await?;
    /// let mut read = 0;
    /// while let Some(batch) = events.next_batch().await {
    ///     match batch {
    ///         EventBatch::Events(events) => {
    ///             events.iter().for_each(|event| println!("{event}"));
    ///             read += events.len() as u64;
    ///         }
    ///         EventBatch::Gap(gap) => read += gap.missed(),
    ///     }
    /// }
    /// assert_eq!(read, events.position());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_batch(&mut self) -> Option<EventBatch> {
        self.wait().await;
        self.try_next_batch()
    }

    /// The next item that is there already.
    pub fn try_next(&mut self) -> Option<EventItem> {
        match self.look()? {
            Ok(Ready { page, from, .. }) => {
                // It is there: it was looked for, and is not gone.
                let event = page.get(from)?.clone();
                self.cursor = event.sequence;
                Some(EventItem::Event(Box::new(event)))
            }
            Err(gap) => Some(EventItem::Gap(self.lose(gap))),
        }
    }

    /// The next items that are there already, as [`Self::next_batch`] gives them.
    pub fn try_next_batch(&mut self) -> Option<EventBatch> {
        match self.look()? {
            Ok(Ready { page, from, to }) => {
                let events = LentEvents::new(Arc::clone(page), from, to);
                self.cursor = to;
                Some(EventBatch::Events(events))
            }
            Err(gap) => Some(EventBatch::Gap(self.lose(gap))),
        }
    }

    /// Waits until there is something to read, or never will be.
    async fn wait(&mut self) {
        let journal = &self.tree.journal;
        let cursor = self.cursor;
        if cursor >= journal.head() {
            // It may sleep for long; a page that is still held cannot be begun anew.
            self.page = None;
            journal.wait_for(|| cursor < journal.head()).await;
        }
    }

    /// What comes next, if anything is there: events on one page, or a gap. A page is read only as far as the ring still
    /// has what is on it, so that what a reader gets does not hang on who else reads.
    fn look(&mut self) -> Option<Result<Ready<'_>, Gap>> {
        let Self { tree, cursor, page } = self;
        let journal = &tree.journal;
        let head = journal.head();
        if *cursor >= head {
            return None;
        }
        let from = *cursor + 1;
        let lost = journal.lost();
        if from <= lost {
            return Some(Err(Gap { from, to: lost }));
        }
        let at_hand = page.take().filter(|page| page.has(from));
        let page = page.insert(at_hand.unwrap_or_else(|| journal.pages.with(from)));
        let mut names = Names::new(tree);
        let to = page.settle(head, |sequence, place| {
            let Some((record, detail)) = journal.read(sequence) else { return false };
            let named = names.of(&record);
            place.get_or_init(|| named.stamp(sequence, &record, detail));
            true
        });
        let gone = page.gone();
        if from <= gone {
            return Some(Err(Gap { from, to: journal.lost().max(gone) }));
        }
        Some(Ok(Ready { page, from, to }))
    }

    /// Goes on behind a gap.
    fn lose(&mut self, gap: Gap) -> Gap {
        self.cursor = gap.to;
        self.tree.missed.fetch_add(gap.missed(), Ordering::Relaxed);
        gap
    }
}

/// Events that lie ready on a page.
struct Ready<'a> {
    page: &'a Arc<Page>,
    from: u64,
    to: u64,
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.tree.journal.leave();
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("position", &self.cursor).finish_non_exhaustive()
    }
}

/// Looks up the names of events when they are read.
pub(crate) struct Names<'a> {
    tree: &'a Tree,
    /// The last that was looked up: events that follow each other are mostly of one child.
    last: Option<(u32, SupervisorPath)>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        Self { tree, last: None }
    }

    fn path(&mut self, index: u32) -> Option<SupervisorPath> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != index) {
            self.last = Some((index, self.tree.table.slot(index).path()?));
        }
        self.last.as_ref().map(|(_, path)| path.clone())
    }

    /// An event with its names.
    pub(crate) fn stamp(
        &mut self,
        sequence: u64,
        record: &Record,
        detail: Option<Arc<Detail>>,
    ) -> StampedEvent {
        self.of(record).stamp(sequence, record, detail)
    }

    /// The names in an event.
    fn of(&mut self, record: &Record) -> Named {
        Named {
            next_path: match record.next {
                Next::WaitsFor(child) => self.path(child),
                _ => None,
            },
            cause_path: record.cause.child().and_then(|child| self.path(child)),
            path: self.path(record.child.index).unwrap_or_else(SupervisorPath::root),
        }
    }
}

/// The names in an event.
struct Named {
    path: SupervisorPath,
    cause_path: Option<SupervisorPath>,
    next_path: Option<SupervisorPath>,
}

impl Named {
    #[inline]
    fn stamp(self, sequence: u64, record: &Record, detail: Option<Arc<Detail>>) -> StampedEvent {
        let Self { path, cause_path, next_path } = self;
        StampedEvent {
            sequence,
            occurred_at_unix_nanos: record.unix_nanos,
            at: record.at,
            path,
            cause_path,
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
}
