//! What a subscriber is pushed: lines, one after the other, from a position on.
//!
//! ```text
//!  events ──► event, event, gap … ──────┐
//!     └─ whom they are about ──► delta ─┴─► lines of one session
//!  logs   ──► log, log, gap … ──────────┘
//! ```
//!
//! A feed waits for nobody and keeps nothing: it reads the rings of the library, which drop the oldest. Who is too slow
//! is told what it lost, and gets the state afresh.

mod delta;
mod events;
mod kept;
mod lines;
mod logs;
mod usage;

use std::sync::Arc;

use supervisor_api::wire::{Push, Stream, SubscribeParams};
use supervisor_socket::FrameWriter;
use tokio::io::AsyncWrite;

pub(crate) use events::EventFeed;
pub(crate) use lines::{EventLines, rendered};
pub(crate) use logs::LogFeed;

use crate::state::Telling;
use crate::target::Target;

/// One pushed line, without its newline. Shared by all sessions that get the same event.
pub(crate) type Line = Arc<[u8]>;

/// What is pushed: one line.
#[derive(Debug)]
pub(crate) enum Pushed {
    /// As it is.
    Line(Line),
    /// A delta that tells everything, of which the session writes one portion after the other.
    State(Box<Telling>),
}

impl From<Line> for Pushed {
    fn from(line: Line) -> Self {
        Self::Line(line)
    }
}

/// What a connection is pushed. Each stream at most once: who subscribes again begins anew.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    events: Option<Box<EventFeed>>,
    logs: Option<LogFeed>,
}

/// A stream that was subscribed to.
#[derive(Debug)]
pub(crate) enum Feed {
    Events(Box<EventFeed>),
    Logs(LogFeed),
}

/// Which sequences a feed gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u64,
    /// `None`: there is always a next one. 0: there is none at all.
    pub(crate) last: Option<u64>,
}

impl Feed {
    /// A feed, and what it gives.
    pub(crate) fn open(target: &Arc<Target>, stream: Stream, params: &SubscribeParams) -> (Self, Range) {
        match stream {
            Stream::Events => {
                let (feed, first) = EventFeed::open(Arc::clone(target), params);
                (Self::Events(Box::new(feed)), Range { first, last: None })
            }
            Stream::Logs => {
                let (feed, range) = LogFeed::open(Arc::clone(target), params);
                (Self::Logs(feed), range)
            }
        }
    }
}

impl Feeds {
    /// From now on this is pushed too.
    pub(crate) fn add(&mut self, feed: Feed) {
        match feed {
            Feed::Events(feed) => self.events = Some(feed),
            Feed::Logs(feed) => self.logs = Some(feed),
        }
    }

    /// The next line. Waits for ever when nothing was subscribed to, or nothing will come. Cancel safe.
    pub(crate) async fn next(&mut self) -> Pushed {
        let Self { events, logs } = self;
        let events = async {
            match events {
                Some(feed) => feed.next().await,
                None => std::future::pending().await,
            }
        };
        let logs = async {
            match logs {
                Some(feed) => feed.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            line = events => line,
            line = logs => line.into(),
        }
    }

    /// Queues what happened and was logged already, until so many bytes are queued.
    pub(crate) fn gather<W: AsyncWrite + Unpin>(&mut self, writer: &mut FrameWriter<W>, enough: usize) {
        if let Some(events) = &mut self.events {
            events.gather(writer, enough);
        }
        while writer.queued() < enough
            && let Some(line) = self.logs.as_mut().and_then(LogFeed::try_next)
        {
            writer.queue(&line);
        }
    }

    /// The next line that is there already.
    fn try_next(&mut self) -> Option<Pushed> {
        let event = self.events.as_mut().and_then(|feed| feed.try_next());
        event.or_else(|| self.logs.as_mut().and_then(LogFeed::try_next).map(Pushed::from))
    }

    /// The next line of a session that is about to end: also a delta that would have been put off.
    pub(crate) fn last(&mut self) -> Option<Pushed> {
        self.try_next().or_else(|| self.events.as_mut().and_then(|feed| feed.delta()))
    }
}

/// Where a stream begins whose last sequence is `head`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// With this sequence.
    With(u64),
    /// With the next one, because what was asked for lies in the future: the reader knows another run of the target.
    Afresh(u64),
}

impl Begin {
    fn at(asked: Option<u64>, head: u64) -> Self {
        match asked {
            Some(sequence) if sequence > head.saturating_add(1) => Self::Afresh(head + 1),
            Some(sequence) => Self::With(sequence.max(1)),
            None => Self::With(head + 1),
        }
    }

    fn first(self) -> u64 {
        match self {
            Self::With(first) | Self::Afresh(first) => first,
        }
    }
}

fn gap(target: &Target, stream: Stream, gap: tokio_supervisor::Gap) -> Line {
    let push = Push::Gap { target_id: target.id.clone(), stream: stream.into(), from: gap.from, to: gap.to };
    rendered(&push).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_begins_where_it_is_asked_to_but_not_in_the_future() {
        for (asked, head, begin) in [
            (None, 0, Begin::With(1)),
            (None, 20, Begin::With(21)),
            (Some(0), 20, Begin::With(1)),
            (Some(7), 20, Begin::With(7)),
            (Some(21), 20, Begin::With(21)),
            (Some(22), 20, Begin::Afresh(21)),
            (Some(u64::MAX), 20, Begin::Afresh(21)),
        ] {
            assert_eq!(Begin::at(asked, head), begin, "{asked:?} of {head}");
        }
    }
}
