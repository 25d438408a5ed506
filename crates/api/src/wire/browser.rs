//! What a relay and a browser say to each other: JSON text frames, tagged `type`.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::{Command, CommandStatus, CommandTarget};
use super::error::{ErrorCode, WireError};
use super::filter::FilterConditions;
use super::frame::{Frame, plain};
use super::push::StateDelta;
use super::record::{AuditEvent, EventRecord, LogRecord};
use super::register::SupportedCommand;
use super::state::{ConnectionState, DashboardState, RegistrationState};
use super::word::{UnixNanos, Word, or_default};
use crate::command::is_command_id;

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

/// Where a browser wants to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResumeCursor {
    /// In the events. Absent: from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Cursor>,
    /// In the logs. Absent: from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Cursor>,
}

/// A place in a stream that a relay gives out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cursor {
    /// How the stream was delivered.
    pub delivery_mode: String,
    /// Which filter it went through.
    pub filter_config_version: Token,
    /// Which stream: another one after the relay was started again.
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
            other => {
                let message = format!(
                    "there is no message '{}'; there are client_hello, command and log_event_filter_conditions",
                    plain(other, 64)
                );
                Err(WireError::new(ErrorCode::UnsupportedMessageType, message))
            }
        }
    }

    /// The id of the command in a frame, if that can be read, for the answer to a frame that is refused.
    pub fn command_id_in(frame: &[u8]) -> Option<String> {
        let id = match Frame::read(frame) {
            Ok(frame) => frame.text("command_id").map(str::to_owned),
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

fn read<T: DeserializeOwned>(frame: &Frame<'_>, keys: &[&str]) -> Result<T, WireError> {
    if let Some(key) = frame.keys().find(|key| !keys.contains(key)) {
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
    /// Records were lost.
    DroppedCount {
        /// The target.
        target_id: Arc<str>,
        /// Events so far.
        dropped_event_count: u64,
        /// Lines of logs so far. Absent when there is nothing new to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dropped_log_count: Option<u64>,
    },
    /// Somebody asked for something.
    AuditEvent {
        /// The target.
        target_id: Arc<str>,
        /// What, and how it went.
        audit: Box<AuditEvent>,
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
