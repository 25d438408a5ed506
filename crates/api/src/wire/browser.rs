//! What a relay and a browser say to each other: JSON text frames, tagged `type`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::audit_page::{AUDIT_PAGE, AuditPage, AuditQuery};
use super::command::{Command, CommandStatus, CommandTarget};
use super::error::{ErrorCode, WireError};
use super::filter::FilterConditions;
use super::frame::{Frame, plain};
use super::method::Stream;
use super::push::StateDelta;
use super::record::{AuditEvent, EventRecord, LogRecord};
use super::register::SupportedCommand;
use super::response::WhyAnswer;
use super::state::{ConnectionState, DashboardState, RegistrationState};
use super::word::{UnixNanos, Word, or_default};
use crate::command::is_command_id;
use crate::hidden::Hidden;

/// What a browser says. It has exactly its keys: another one is `unsupported_field`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientMessage {
    /// The answer to `server_hello`, once.
    ClientHello(ClientHello),
    /// A command. It gets exactly one `command_result` or one `error`.
    Command(BrowserCommand),
    /// What the browser wants to see from now on.
    LogEventFilterConditions(FilterConditions),
    /// A question about the audit, to a relay with the capability `audit`. It gets exactly one `audit_page` or one
    /// `error`.
    AuditQuery(AuditQuery),
    /// Why a child is as it is, to a relay with the capability `why`. It gets exactly one `why_answer` or one `error`.
    WhyQuery(WhyQuery),
}

/// A browser asks why a child is as it is, and by which policy. It gets one `why_answer`, or one `error` with this
/// `query_id` as its `command_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WhyQuery {
    /// The browser's id of the question, 1 to 128 printable bytes.
    pub query_id: String,
    /// The target.
    pub target_id: Arc<str>,
    /// A path, or an id that only one child has. Empty is refused.
    pub child_path: String,
}

/// The answer of a target to a `why_query`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WhyFound {
    /// The question.
    pub query_id: String,
    /// The target.
    pub target_id: Arc<str>,
    /// The answer.
    pub why: WhyAnswer,
}

/// The hello of a browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientHello {
    /// The browser's id of what it keeps.
    pub client_store_id: String,
    /// Where it wants to go on.
    #[serde(default, deserialize_with = "or_default")]
    pub resume_cursor: ResumeCursor,
}

/// Where a browser wants to go on. A target that is not spoken of begins from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResumeCursor {
    /// In the events of the one target whose stream it names. Absent: from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Cursor>,
    /// In the logs of the one target whose stream it names. Absent: from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Cursor>,
    /// In the streams of several targets, by their ids. Absent when there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<String, TargetCursor>,
}

/// How far a browser has come with one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TargetCursor {
    /// The life of the target in which it was seen, from `state`. Of another life everything that is kept
    /// follows.
    pub stream_epoch: Token,
    /// The last event that was received. Absent: events begin from now on. 0: everything that is kept follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// The last line of the logs that was received. Absent: logs begin from now on. 0: everything that is kept
    /// follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<u64>,
}

/// A place in the stream of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cursor {
    /// How the stream was delivered. Sequences count alike in every mode, so nothing depends on it.
    pub delivery_mode: String,
    /// Which filter it went through. A filter leaves sequences as they are, so nothing depends on it.
    pub filter_config_version: Token,
    /// Which stream: the `stream_epoch` of a target's `state`. One that no target has is passed by.
    pub stream_epoch: Token,
    /// The last sequence that was received.
    pub sequence: u64,
}

/// A value that is compared and given back, and means nothing to whoever keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Token {
    /// As a number.
    Number(u64),
    /// As a text.
    Text(String),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.pad(text),
        }
    }
}

/// A browser's command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BrowserCommand {
    /// The browser's id of the command, 1 to 128 printable bytes.
    pub command_id: Arc<str>,
    /// The browser's id of what the command belongs to. Absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The target.
    pub target_id: Arc<str>,
    /// The command.
    pub command: Command,
    /// Whom it is about.
    #[serde(default, deserialize_with = "or_default")]
    pub target: BrowserTarget,
    /// Why; not blank.
    pub reason: String,
    /// Whether a person has confirmed it.
    #[serde(default, deserialize_with = "or_default")]
    pub confirmed: bool,
}

/// Whom a browser's command is about.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BrowserTarget {
    /// As in [`CommandTarget`]. Absent when the command needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_path: Option<String>,
    /// As in [`CommandTarget`]. Absent when the command needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_manifest: Option<Value>,
}

/// Without the manifest, which may hold secrets.
impl fmt::Debug for BrowserTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { child_path, child_manifest } = self;
        let mut shown = f.debug_struct("BrowserTarget");
        shown.field("child_path", child_path);
        shown.field("child_manifest", &Hidden::some(child_manifest)).finish()
    }
}

impl From<BrowserTarget> for CommandTarget {
    fn from(target: BrowserTarget) -> Self {
        Self { child_path: target.child_path, child_manifest: target.child_manifest }
    }
}

const HELLO_KEYS: &[&str] = &["type", "client_store_id", "resume_cursor"];
const COMMAND_KEYS: &[&str] =
    &["type", "command_id", "correlation_id", "target_id", "command", "target", "reason", "confirmed"];
const FILTER_KEYS: &[&str] = &[
    "type",
    "target_ids",
    "child_paths",
    "lifecycle_states",
    "event_types",
    "severities",
    "sequence_min",
    "correlation_id",
];

const WHY_KEYS: &[&str] = &["type", "query_id", "target_id", "child_path"];

const AUDIT_KEYS: &[&str] = &[
    "type",
    "query_id",
    "target_id",
    "text",
    "identity",
    "command",
    "result",
    "since_unix_nanos",
    "until_unix_nanos",
    "before",
    "limit",
];

impl ClientMessage {
    /// Reads one text frame of a browser. The error is what to send back; [`Self::command_id_in`] says to which
    /// command it belongs.
    pub fn read(frame: &[u8]) -> Result<Self, WireError> {
        let frame =
            Frame::read(frame).map_err(|bad| WireError::new(ErrorCode::InvalidMessageJson, bad.message))?;
        let Some(kind) = frame.text("type") else {
            let message = if frame.has("type") { "type must be a text" } else { "the key type is missing" };
            return Err(WireError::new(ErrorCode::InvalidMessageSchema, message));
        };
        match kind {
            "client_hello" => read(&frame, HELLO_KEYS).map(Self::ClientHello),
            "command" => BrowserCommand::read(&frame).map(Self::Command),
            "log_event_filter_conditions" => read(&frame, FILTER_KEYS).map(Self::LogEventFilterConditions),
            "audit_query" => read_query(&frame).map(Self::AuditQuery),
            "why_query" => {
                let query: WhyQuery = read(&frame, WHY_KEYS)?;
                query_id(&query.query_id)?;
                Ok(Self::WhyQuery(query))
            }
            other => {
                let message = format!(
                    "there is no message '{}'; there are client_hello, command, log_event_filter_conditions, \
                     audit_query and why_query",
                    plain(other, 64)
                );
                Err(WireError::new(ErrorCode::UnsupportedMessageType, message))
            }
        }
    }

    /// The id of the command or the question in a frame, if that can be read, for the answer to a frame that is refused.
    pub fn command_id_in(frame: &[u8]) -> Option<String> {
        let id = match Frame::read(frame) {
            Ok(frame) => frame.text("command_id").or_else(|| frame.text("query_id")).map(str::to_owned),
            Err(bad) => bad.text("command_id").map(str::to_owned),
        };
        id.filter(|id| is_command_id(id))
    }
}

impl BrowserCommand {
    fn read(frame: &Frame<'_>) -> Result<Self, WireError> {
        if frame.has("requested_by") {
            let message = "requested_by comes from the session; leave it out";
            return Err(WireError::new(ErrorCode::RequestedByOverride, message));
        }
        if let Some(word) = frame.text("command").filter(|word| Command::from_word(word).is_none()) {
            let message = format!("there is no command '{}'", plain(word, 64));
            return Err(WireError::new(ErrorCode::UnsupportedCommand, message));
        }
        let asked: Self = read(frame, COMMAND_KEYS)?;
        let refuse =
            |code, message: &str| Err(WireError::new(code, message).on(Arc::clone(&asked.target_id)));
        if !is_command_id(&asked.command_id) {
            return refuse(
                ErrorCode::InvalidMessageSchema,
                "command_id must have 1 to 128 printable characters",
            );
        }
        if asked.reason.trim().is_empty() {
            return refuse(ErrorCode::EmptyReason, "reason is blank; say why");
        }
        if asked.command.needs_confirmation() && !asked.confirmed {
            let message = format!("{} is dangerous; ask a person, then send confirmed: true", asked.command);
            return refuse(ErrorCode::ConfirmationRequired, &message);
        }
        Ok(asked)
    }
}

/// The longest text that is looked for, in bytes.
const LONGEST_TEXT: usize = 256;

fn query_id(id: &str) -> Result<(), WireError> {
    let message = "query_id must have 1 to 128 printable characters";
    is_command_id(id).then_some(()).ok_or_else(|| WireError::new(ErrorCode::InvalidMessageSchema, message))
}

fn read_query(frame: &Frame<'_>) -> Result<AuditQuery, WireError> {
    let query: AuditQuery = read(frame, AUDIT_KEYS)?;
    let refuse = |message: String| Err(WireError::new(ErrorCode::InvalidMessageSchema, message));
    query_id(&query.query_id)?;
    if !(1..=AUDIT_PAGE).contains(&query.limit) {
        return refuse(format!("limit must be 1 to {AUDIT_PAGE}; ask for the next page with before"));
    }
    if query.text.as_ref().is_some_and(|text| text.len() > LONGEST_TEXT) {
        return refuse(format!("text has at most {LONGEST_TEXT} bytes"));
    }
    for (key, text) in [("identity", &query.identity), ("command", &query.command)] {
        if text.as_ref().is_some_and(|text| text.len() > LONGEST_TEXT) {
            return refuse(format!("{key} has at most {LONGEST_TEXT} bytes"));
        }
    }
    if query.before.as_ref().is_some_and(|before| before.parse::<u64>().is_err()) {
        return refuse("before must be the audit_id of a row".to_owned());
    }
    Ok(query)
}

fn read<T: DeserializeOwned>(frame: &Frame<'_>, keys: &[&str]) -> Result<T, WireError> {
    if let Some(key) = frame.keys().filter(|key| !keys.contains(key)).min() {
        let message = format!("there is no key '{}'; there are {}", plain(key, 64), keys.join(", "));
        return Err(WireError::new(ErrorCode::UnsupportedField, message));
    }
    frame.parse().map_err(|message| WireError::new(ErrorCode::InvalidMessageSchema, message))
}

/// What a relay says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerMessage {
    /// The first message of a session.
    ServerHello(Box<ServerHello>),
    /// Every target there is; again whenever that changes.
    TargetList {
        /// The targets.
        targets: Vec<ListedTarget>,
    },
    /// The whole state of a target.
    State {
        /// The target.
        target_id: Arc<str>,
        /// Its state.
        state: Box<DashboardState>,
        /// Names the life of the target: its sequences begin anew with another one. A cursor gives it back. Absent
        /// when the relay does not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream_epoch: Option<Token>,
    },
    /// Something happened.
    Event {
        /// The target.
        target_id: Arc<str>,
        /// What.
        event: Box<EventRecord>,
    },
    /// Something was logged.
    Log {
        /// The target.
        target_id: Arc<str>,
        /// What.
        log: Box<LogRecord>,
    },
    /// The state of a target changed.
    StateDelta {
        /// The target.
        target_id: Arc<str>,
        /// How.
        delta: Box<StateDelta>,
    },
    /// The connection to a target changed.
    ConnectionState {
        /// The target.
        target_id: Arc<str>,
        /// How it is now.
        state: Word<ConnectionState>,
    },
    /// Records that this browser did not get, in all since the session began.
    DroppedCount {
        /// The target.
        target_id: Arc<str>,
        /// Events so far. 0: none.
        dropped_event_count: u64,
        /// Lines of logs so far. Absent when there is nothing new to say. 0: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dropped_log_count: Option<u64>,
    },
    /// The records that follow are of another life of the target, in which sequences begin anew. What the life before
    /// told was sent before, or told as gaps.
    StreamBegan {
        /// The target.
        target_id: Arc<str>,
        /// Names the life, as in `state`.
        stream_epoch: Token,
    },
    /// Records that this browser does not get: neither before nor after this message. A `dropped_count` with the sum
    /// follows.
    Gap {
        /// The target.
        target_id: Arc<str>,
        /// Of which stream.
        stream: Word<Stream>,
        /// The first lost sequence. Never 0: the first of a target is 1.
        from: u64,
        /// The last lost sequence. Never 0, and never below `from`.
        to: u64,
    },
    /// The conditions that hold for every event and every line of logs after this message.
    FilterApplied {
        /// The conditions.
        log_event_filter_conditions: FilterConditions,
        /// Their version.
        filter_config_version: Token,
    },
    /// Somebody asked for something.
    AuditEvent {
        /// The target.
        target_id: Arc<str>,
        /// What, and how it went.
        audit: Box<AuditEvent>,
    },
    /// A page of the audit, as this browser asked for it. It comes from a relay with the capability `audit`.
    AuditPage(AuditPage),
    /// Why a child is as it is, as this browser asked for it. It comes from a relay with the capability `why`.
    WhyAnswer(Box<WhyFound>),
    /// The relay is there. It comes at least every 5 seconds from a relay with the capability `heartbeat`.
    Heartbeat {
        /// The time by the relay's clock. 0: that clock is before 1970.
        at_unix_nanos: UnixNanos,
    },
    /// A command of this browser has its outcome.
    CommandResult {
        /// The target.
        target_id: Arc<str>,
        /// How it went.
        result: Box<BrowserCommandResult>,
    },
    /// A message was refused.
    Error {
        /// Why.
        error: WireError,
        /// The command that was refused. Absent when it was no command or its id could not be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command_id: Option<String>,
    },
    /// A message of a later version; never written.
    #[serde(other, skip_serializing)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

/// The hello of a relay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServerHello {
    /// The session.
    pub session_id: String,
    /// Who the browser is, as proved.
    pub client_identity: String,
    /// Where records are filtered.
    pub log_event_filter_mode: String,
    /// The conditions that hold.
    pub log_event_filter_conditions: FilterConditions,
    /// Their version.
    pub filter_config_version: Token,
    /// The protocol. Absent when the relay does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<String>,
    /// What the browser may do: `viewer`, `operator`, `admin`. Absent when the relay does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What the relay can do beyond the contract.
    #[serde(default, deserialize_with = "or_default")]
    pub capabilities: Vec<String>,
}

/// A target in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedTarget {
    /// Its id.
    pub target_id: Arc<str>,
    /// What people call it.
    pub display_name: String,
    /// How it stands with the relay.
    pub registration_state: Word<RegistrationState>,
    /// How the connection to it is.
    pub connection_state: Word<ConnectionState>,
    /// The commands it takes.
    #[serde(default, deserialize_with = "or_default")]
    pub supported_commands: Vec<SupportedCommand>,
    /// What this browser may do with it: `viewer`, `operator`, `admin`. Absent when the relay does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// How a browser's command went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BrowserCommandResult {
    /// The browser's id of the command.
    pub command_id: String,
    /// The browser's id of what the command belongs to; null when there is none.
    pub correlation_id: Option<String>,
    /// The target.
    pub target_id: Arc<str>,
    /// Whether it is done or goes on.
    pub accepted: bool,
    /// How far it is.
    pub status: Word<CommandStatus>,
    /// Who asked, as proved.
    pub requested_by: String,
    /// When it was over, as RFC 3339 text; null while it goes on.
    pub completed_at: Option<String>,
    /// The same time as Unix nanoseconds; null while it goes on.
    pub completed_at_unix_nanos: Option<UnixNanos>,
    /// Why it was rejected or failed. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WireError>,
    /// What it changed. Absent when that is not told here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_delta: Option<StateDelta>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s17_debug_shows_that_there_is_a_manifest_and_not_what_is_in_it() {
        let target = BrowserTarget { child_path: None, child_manifest: Some("canary-8f21".into()) };
        assert_eq!(
            format!("{target:?}"),
            "BrowserTarget { child_path: None, child_manifest: Some([left out]) }"
        );
    }
}
