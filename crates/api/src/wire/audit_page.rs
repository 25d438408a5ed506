//! How a browser reads the audit of a relay: a question, and a page of rows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::audit::AuditEntry;
use super::error::WireError;
use super::record::AuditResult;
use super::word::{UnixNanos, Word};

/// The most rows of a page.
pub const AUDIT_PAGE: u32 = 200;

/// A browser asks for a page of the audit. It gets one `audit_page`, or one `error` with this `query_id` as its
/// `command_id`. Only what is about targets that it may see is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditQuery {
    /// The browser's id of the question, 1 to 128 printable bytes.
    pub query_id: String,
    /// Only what is about this target. Absent: every target that the browser may see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<Arc<str>>,
    /// Only rows in which this text stands, in any case: in who asked, the target, the child, the command, its id, the
    /// reason, or why it was refused. At most 256 bytes. Absent or empty: every row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Only what this identity asked for, letter by letter. Absent: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Only this command, such as `restart_child`. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Only what went so. Absent: however it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Word<AuditResult>>,
    /// Only what was recorded then or later. Absent: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_unix_nanos: Option<UnixNanos>,
    /// Only what was recorded before. Absent: until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_unix_nanos: Option<UnixNanos>,
    /// Only rows before the one with this `audit_id`: the last of the page before. Absent: from the newest on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// At most so many rows, 1 to 200.
    pub limit: u32,
}

/// Rows of the audit, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditPage {
    /// The question.
    pub query_id: String,
    /// The rows. Something that was asked for has one: while it goes on that of its intent, then that of its outcome.
    pub records: Vec<AuditRow>,
    /// Whether there are older ones.
    pub more: bool,
}

/// Something that was asked for, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditRow {
    /// Names the row. A later one has a larger number.
    pub audit_id: String,
    /// What it tells.
    pub entry: Word<AuditEntry>,
    /// Who asked, as proved.
    pub identity: String,
    /// As what; null when it had no role there.
    pub role: Option<String>,
    /// The target.
    pub target_id: Arc<str>,
    /// The caller's id of the command; null when it is none.
    pub command_id: Option<String>,
    /// The command, such as `restart_child`.
    pub command: String,
    /// The path or id of the child; null for the tree.
    pub target: Option<String>,
    /// Why, as they said; null when they did not.
    pub reason: Option<String>,
    /// How it went; `accepted` goes on.
    pub result: Word<AuditResult>,
    /// Why it was refused or failed. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WireError>,
    /// When it was recorded.
    pub occurred_at_unix_nanos: UnixNanos,
}
