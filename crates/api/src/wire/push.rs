//! What a target sends by itself after a subscription.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::{ErrorCode, WireError};
use super::frame::Frame;
use super::method::Stream;
use super::record::{EventRecord, LogRecord};
use super::response::Response;
use super::state::{ConnectionState, RuntimeRow, Topology};
use super::word::Word;

/// One pushed line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Push {
    /// Something happened.
    Event {
        /// The target. Never empty.
        target_id: Arc<str>,
        /// What happened.
        event: Box<EventRecord>,
    },
    /// Something was logged.
    Log {
        /// The target. Never empty.
        target_id: Arc<str>,
        /// What was logged.
        log: Box<LogRecord>,
    },
    /// The state changed.
    StateDelta {
        /// The target. Never empty.
        target_id: Arc<str>,
        /// How the state changed.
        delta: Box<StateDelta>,
    },
    /// The session has a problem; it may be about to end.
    Error {
        /// Which problem.
        error: WireError,
    },
    /// Records of a stream that this reader does not get.
    Gap {
        /// The target. Never empty.
        target_id: Arc<str>,
        /// Of which stream.
        stream: Word<Stream>,
        /// The first lost sequence. Never 0: the first of a target is 1.
        from: u64,
        /// The last lost sequence. Never 0, and never below `from`.
        to: u64,
    },
    /// A push of a later version; never written.
    #[serde(other, skip_serializing)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

/// What changed in a state. A key that is absent says that nothing changed there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateDelta {
    /// The generation after the change. Absent when the sender does not say. 0: nothing has happened yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_generation: Option<u64>,
    /// The whole new topology. With it the rows are replaced, without it they are upserted. Absent: as it
    /// was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<Topology>,
    /// New or changed rows; with `topology` all rows. Absent: as they were. Empty with `topology`: there are
    /// no rows any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_state: Option<Vec<RuntimeRow>>,
    /// More events; those that the reader has are passed by. Absent: none. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent_events: Option<Vec<EventRecord>>,
    /// More lines of logs; those that the reader has are passed by. Absent: none. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent_logs: Option<Vec<LogRecord>>,
    /// The new count of events that are no longer kept. Absent: as it was. 0: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_event_count: Option<u64>,
    /// The new count of lines of logs that are no longer kept. Absent: as it was. 0: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_log_count: Option<u64>,
    /// How the connection to the target is now. Absent: as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_state: Option<Word<ConnectionState>>,
}

/// One line from a target: an answer, or a push between answers.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetLine {
    /// The answer to the oldest request that has none yet.
    Response(Box<Response>),
    /// A push.
    Push(Box<Push>),
}

impl TargetLine {
    /// Reads the bytes between two line ends. A line that is neither is `invalid_json`; one whose request id
    /// or type is unknown is for the caller to judge.
    pub fn read(line: &[u8]) -> Result<Self, WireError> {
        let frame = Frame::read(line).map_err(|bad| WireError::new(bad.code(), bad.message))?;
        let read = if frame.has("request_id") {
            frame.parse().map(|response| Self::Response(Box::new(response)))
        } else if frame.text("type").is_some() {
            frame.parse().map(|push| Self::Push(Box::new(push)))
        } else {
            Err("neither an answer, which has request_id, nor a push, which has type".to_owned())
        };
        read.map_err(|message| WireError::new(ErrorCode::InvalidJson, message))
    }
}
