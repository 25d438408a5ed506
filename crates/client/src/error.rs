//! What can go wrong with a connection.

use std::path::PathBuf;
use std::time::Duration;

use supervisor_api::wire::{ErrorCode, Method, Stage, WireError};

use crate::wire::MOST_PUSHES;

/// Why a connection is over. It is told by every later call on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The target closed it; mostly it has ended.
    #[error("the target closed the connection")]
    Closed,
    /// The system reports an error, or what came is no frame.
    #[error("the connection to the target failed: {0}")]
    Broken(String),
    /// The target does not answer.
    #[error("the target did not answer `{method}` within {} s; it may be stopped or overloaded", .after.as_secs_f32())]
    Silent {
        /// What it was asked.
        method: Method,
        /// The time it had.
        after: Duration,
    },
    /// A line is no message of the protocol.
    #[error("the target sent what is no message of the protocol: {}", .0.message)]
    Garbage(WireError),
    /// An answer that nobody waits for.
    #[error("the target answered the request {0:?}, which was not asked")]
    Confused(String),
    /// Pushes came faster than they were taken.
    #[error("{MOST_PUSHES} pushed messages were not taken")]
    Behind,
    /// The target tells other events under sequences that were seen: it is not the one that told those. Everything is
    /// asked for anew.
    #[error(
        "the target tells other events than before under the same sequences: it is another one, or was started again"
    )]
    AnotherLife,
    /// The target says why it ends the connection.
    #[error("the target ended the connection: {}", .0.message)]
    Refused(WireError),
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The target refuses. The connection goes on.
    #[error("{}", .0.message)]
    Refused(WireError),
    /// The connection is over. Whether a command was carried out is not known; sent again with the same command id it
    /// is not carried out twice.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The answer is of another type than the question. The connection goes on.
    #[error("the target answered `{method}` with something else; it may be of a later version")]
    Unexpected {
        /// What it was asked.
        method: Method,
    },
}

impl CallError {
    /// The target's own words, if it said why.
    pub fn wire(&self) -> Option<&WireError> {
        match self {
            Self::Refused(error) | Self::Lost(Lost::Refused(error)) => Some(error),
            _ => None,
        }
    }

    /// Whether it took too long.
    pub fn is_timeout(&self) -> bool {
        let late = self.wire().is_some_and(|error| error.code.is(ErrorCode::CommandTimeout));
        late || matches!(self, Self::Lost(Lost::Silent { .. }))
    }

    /// Whether this user may not.
    pub fn is_denied(&self) -> bool {
        self.wire().is_some_and(is_denial)
    }
}

/// Whether the error says that somebody may not do something.
pub fn is_denial(error: &WireError) -> bool {
    error.stage.is(Stage::PeerCredentials) || error.stage.is(Stage::Authorization)
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody listens, or this user may not connect.
    #[error(transparent)]
    Socket(#[from] supervisor_socket::ConnectError),
    /// Connecting took too long: the queue of the target is full.
    #[error("{} took no connection within {} s; its target may be stopped or overloaded", .path.display(), .after.as_secs_f32())]
    Late {
        /// The socket.
        path: PathBuf,
        /// The time it had.
        after: Duration,
    },
    /// The first calls failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A process of another user listens there than the one that was asked for.
    #[error("a process of uid {listens} listens on {} and not one of uid {uid}; see who has taken the socket", .path.display())]
    Stranger {
        /// The socket.
        path: PathBuf,
        /// Whose process listens.
        listens: u32,
        /// Whose process should.
        uid: u32,
    },
    /// Whoever listens there speaks something else.
    #[error("{} speaks `{theirs}` and not `{}`; use a client of that version", .path.display(), supervisor_api::wire::TARGET_PROTOCOL)]
    Protocol {
        /// The socket.
        path: PathBuf,
        /// What it speaks.
        theirs: String,
    },
}

impl ConnectError {
    /// Whether nobody is there who could answer.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Socket(_)) && !self.is_denied()
    }

    /// Whether it took too long.
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Late { .. } => true,
            Self::Call(error) => error.is_timeout(),
            _ => false,
        }
    }

    /// Whether this user may not.
    pub fn is_denied(&self) -> bool {
        match self {
            Self::Socket(error) => error.error.kind() == std::io::ErrorKind::PermissionDenied,
            Self::Call(error) => error.is_denied(),
            _ => false,
        }
    }
}
