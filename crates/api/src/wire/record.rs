//! What happened, what was logged, and what was asked for, each as one record.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::command::Command;
use super::word::{UnixNanos, Word, or_default};
use crate::life::words;
use crate::{EventKind, Severity, SupervisorPath};

/// An event of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventRecord {
    /// The target. Never empty.
    pub target_id: Arc<str>,
    /// The place in the target's order of events, which has no holes. Never 0: the first event of a target is
    /// 1.
    pub sequence: u64,
    /// The id of the command behind it. Null when there is none. Never empty.
    pub correlation_id: Option<String>,
    /// What happened.
    pub event_type: Word<EventKind>,
    /// How much it matters.
    pub severity: Word<Severity>,
    /// To whom.
    pub target_path: SupervisorPath,
    /// The last segment of the path. Null for the root. Never empty.
    pub child_id: Option<String>,
    /// When.
    pub occurred_at_unix_nanos: UnixNanos,
    /// Which spec the target had. Empty when the target does not say.
    pub config_version: Arc<str>,
    /// The row after it, why, and what is next; the page of events has the keys. Always an object. Empty only
    /// from a target of another kind.
    #[serde(default, deserialize_with = "or_default")]
    pub payload: Map<String, Value>,
}

/// A line that a child logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogRecord {
    /// The target. Never empty.
    pub target_id: Arc<str>,
    /// The place in the target's order of lines. Null when the target does not count them. Never 0: the first
    /// line of a target is 1.
    pub sequence: Option<u64>,
    /// The id of the command behind it. Null when there is none. Never empty.
    pub correlation_id: Option<String>,
    /// How much it matters.
    pub severity: Word<Severity>,
    /// The text. Empty: an empty line.
    pub message: String,
    /// Names and values. Always an object. Empty: there are none.
    #[serde(default, deserialize_with = "or_default")]
    pub fields: BTreeMap<String, String>,
    /// When.
    pub occurred_at_unix_nanos: UnixNanos,
    /// The child that logged it. Absent when the target does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_path: Option<SupervisorPath>,
    /// The run that logged it. Absent when the target does not say. Never 0: the first run of a child is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

words! {
    /// How far something that was asked for is, in the audit.
    AuditResult {
        /// It goes on.
        Accepted = "accepted",
        /// It never began.
        Rejected = "rejected",
        /// It is done.
        Completed = "completed",
        /// It began, and ended otherwise than wished.
        Failed = "failed",
        /// A crash lost the outcome.
        Unknown = "unknown",
    }
}

/// What somebody asked for, and how it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditEvent {
    /// The record's id.
    pub audit_id: String,
    /// Who it was, as proved.
    pub identity: String,
    /// The target.
    pub target_id: Arc<str>,
    /// The command's id.
    pub command_id: String,
    /// The command.
    pub command: Word<Command>,
    /// Whom it was about: the path as text, or null for the tree. Others may write an object; it stays as it came.
    pub target: Value,
    /// Why, as they said.
    pub reason: String,
    /// How it went.
    pub result: Word<AuditResult>,
    /// When.
    pub occurred_at_unix_nanos: UnixNanos,
}
