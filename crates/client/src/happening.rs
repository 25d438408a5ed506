//! What a follower tells.

use std::time::Duration;

use supervisor_api::wire::{EventRecord, Gap, LogRecord, StateDelta, Stream, TreeView, WireError};
use tokio::time::Instant;

use crate::error::{ConnectError, Lost};
use crate::hello::Hello;

/// One thing that happened to the target or to the connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Happening {
    /// The first connection. The view is there.
    Connected(Box<Hello>),
    /// Connected again to the same life of the target. What happened meanwhile follows, or a gap. The view is new.
    Resumed(Box<Hello>),
    /// Connected again, to another life of the target, or to another target: its sequences begin anew, and what it has
    /// told since it began follows. The view is new.
    Restarted(Box<Hello>),
    /// An event. It is in the view.
    Event(Box<EventRecord>),
    /// A line of the logs. It is in the view.
    Log(Box<LogRecord>),
    /// The state changed. It is in the view.
    Delta(Box<StateDelta>),
    /// Records that this reader does not get. After lost events the view is stale until [`Refreshed`](Self::Refreshed).
    Gap {
        /// Of which stream.
        stream: Stream,
        /// Which.
        gap: Gap,
    },
    /// The state was read again after a gap. The view is new.
    Refreshed,
    /// The target tells of a problem with the connection, which may be about to end.
    Problem(WireError),
    /// The connection is lost. The view is stale.
    Disconnected {
        /// Why.
        why: Lost,
        /// When the next attempt is.
        retry_in: Duration,
    },
    /// An attempt to connect failed.
    Unreachable {
        /// Why.
        why: ConnectError,
        /// When the next attempt is.
        retry_in: Duration,
    },
}

/// The tree as it is known. Nobody gets at it without being told whether it is old.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// There was no connection yet.
    Unknown,
    /// Everything that the target pushed and that was taken is in it.
    Current(&'a TreeView),
    /// It may be old.
    Stale {
        /// What was known last.
        tree: &'a TreeView,
        /// Since when it may be old.
        since: Instant,
        /// Why.
        why: Stale,
    },
}

impl<'a> View<'a> {
    /// The tree if it is current.
    pub fn current(self) -> Option<&'a TreeView> {
        match self {
            Self::Current(tree) => Some(tree),
            _ => None,
        }
    }
}

/// Why a view may be old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// There is no connection.
    Disconnected,
    /// Events were lost, and the state is being read again.
    Gap,
    /// The target has not said anything for a while and is being asked whether it still answers.
    Silent,
}
