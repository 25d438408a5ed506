//! Events as they happen, and between them what they changed.

use std::sync::Arc;

use supervisor_api::SupervisorPath;
use supervisor_api::wire::{Stream, SubscribeParams};
use tokio::time::{Instant, sleep_until};
use tokio_supervisor::{EventItem, EventStream};

use super::delta::Changes;
use super::{Begin, Line, gap};
use crate::target::Target;

/// The events of a child and of what lies below it.
#[derive(Debug)]
pub(crate) struct EventFeed {
    target: Arc<Target>,
    under: SupervisorPath,
    /// `None` when the tree has ended and everything is told.
    stream: Option<EventStream>,
    changes: Changes,
}

impl EventFeed {
    pub(super) fn open(target: Arc<Target>, params: &SubscribeParams) -> (Self, u64) {
        let begin = Begin::at(params.from_sequence, target.generation());
        let mut changes = Changes::new();
        if let Begin::Afresh(_) = begin {
            changes.everything();
        }
        let first = begin.first();
        let stream = Some(target.handle.events_after(first - 1));
        let under = params.under.clone().unwrap_or_else(SupervisorPath::root);
        (Self { target, under, stream, changes }, first)
    }

    /// The next line. Cancel safe.
    pub(super) async fn next(&mut self) -> Line {
        loop {
            if let Some(line) = self.try_next() {
                return line;
            }
            let due = self.changes.due();
            tokio::select! {
                item = next_of(&mut self.stream) => match item {
                    Some(item) => {
                        if let Some(line) = self.told(item) {
                            return line;
                        }
                    }
                    None => self.stream = None,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    /// The next line that is there already: events, then what they changed.
    pub(super) fn try_next(&mut self) -> Option<Line> {
        if self.changes.is_overdue() {
            return self.delta();
        }
        while let Some(item) = self.stream.as_mut().and_then(EventStream::try_next) {
            if let Some(line) = self.told(item) {
                return Some(line);
            }
        }
        self.changes.due().filter(|due| *due <= Instant::now()).and_then(|_| self.delta())
    }

    fn delta(&mut self) -> Option<Line> {
        self.changes.take(&self.target, &self.under)
    }

    /// The line of an item, if it is for this reader.
    fn told(&mut self, item: EventItem) -> Option<Line> {
        match item {
            EventItem::Event(event) if self.under.contains(&event.path) => {
                self.changes.note(&event);
                Some(self.target.lines.of(&self.target, &event))
            }
            EventItem::Event(_) => None,
            EventItem::Gap(lost) => {
                self.changes.everything();
                Some(gap(&self.target, Stream::Events, lost))
            }
        }
    }
}

/// The next item; waits for ever when there is no stream.
async fn next_of(stream: &mut Option<EventStream>) -> Option<EventItem> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}
