//! What the audit of a target keeps of everything that was asked of it, and how one looks for it there.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::{Command, CommandStatus, ControlCommandResult};
use super::error::{ErrorCode, WireError};
use super::record::{AuditEvent, AuditResult};
use super::word::{UnixNanos, Word};
use crate::life::words;

words! {
    /// What a record of the audit tells.
    AuditEntry {
        /// Something will be carried out as soon as this is on the disk.
        Intent = "intent",
        /// What came of an intent.
        Outcome = "outcome",
        /// Something was refused and never began.
        Denial = "denial",
        /// Denials that came faster than they are recorded one by one: `count` of them.
        Denials = "denials",
    }
}

words! {
    /// What was decided about something that was asked for.
    AuditDecision {
        /// It may be done.
        Allowed = "allowed",
        /// It may not.
        Denied = "denied",
    }
}

/// Who was at the other end of the connection, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditPeer {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The process; null when it is not in the namespace of the target.
    pub pid: Option<u32>,
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditActor {
    /// What the connection proved: `uid:1000`, or `nobody` when the system did not say.
    pub proved: String,
    /// The role that was granted; null when none was.
    pub role: Option<String>,
    /// What they said of themselves; rights never come from it. Null when they did not say.
    pub claimed: Option<String>,
}

/// What came of something that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditOutcome {
    /// How it went. `accepted` goes on; a later record tells the end.
    pub result: Word<AuditResult>,
    /// Why it was refused or failed; null otherwise.
    pub error: Option<WireError>,
    /// When it was over; null while it goes on, and when that is not known.
    pub completed_at_unix_nanos: Option<UnixNanos>,
    /// What the call on the tree answered. Absent when there is nothing to say or it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
}

/// One record of the audit. Each is complete in itself. Its sequence and its times stand in the line around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditRecord {
    /// What it tells.
    pub entry: Word<AuditEntry>,
    /// The target.
    pub target_id: Arc<str>,
    /// Of an outcome: the sequence of its intent. Absent otherwise, and when the intent could not be recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<u64>,
    /// Who was at the other end; null when the system did not say.
    pub peer: Option<AuditPeer>,
    /// The number of the connection in this run of the target.
    pub connection_id: u64,
    /// How long the frame was that asked for it, in bytes; 0 when none was read.
    pub frame_bytes: u64,
    /// Who acted.
    pub actor: AuditActor,
    /// The method that was asked for, such as `command.restart_child`; `connect` for a connection that was refused.
    pub action: String,
    /// The caller's id of the command; null when it is none.
    pub command_id: Option<String>,
    /// The path or id of the child; null for the tree.
    pub target: Option<String>,
    /// Why, as they said; null when they did not.
    pub reason: Option<String>,
    /// What else was asked for: a manifest without the values of its environment and secrets, a signal, the digest
    /// of a stack text. Absent when there is nothing else, and in outcomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// SHA-256 over user, command id and body of an intent, in hexadecimal. By it a command that is sent again is
    /// known also after a restart. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_sha256: Option<String>,
    /// What was decided.
    pub decision: Word<AuditDecision>,
    /// What came of it; null in an intent.
    pub outcome: Option<AuditOutcome>,
    /// Of `denials`: how many. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl From<&ControlCommandResult> for AuditOutcome {
    /// What is kept of a result: not what it changed in the state, which is told to who asked.
    fn from(result: &ControlCommandResult) -> Self {
        let word = match &result.status {
            Word::Known(CommandStatus::Accepted) => AuditResult::Accepted.into(),
            Word::Known(CommandStatus::Completed) => AuditResult::Completed.into(),
            Word::Known(CommandStatus::Rejected) => AuditResult::Rejected.into(),
            Word::Known(CommandStatus::Failed) => AuditResult::Failed.into(),
            Word::Other(word) => Word::Other(word.clone()),
        };
        Self {
            result: word,
            error: result.error.clone(),
            completed_at_unix_nanos: result.completed_at_unix_nanos,
            answer: result.outcome.clone(),
        }
    }
}

impl AuditOutcome {
    /// Something that was refused.
    pub fn denied(error: WireError) -> Self {
        Self {
            result: AuditResult::Rejected.into(),
            error: Some(error),
            completed_at_unix_nanos: None,
            answer: None,
        }
    }

    /// The outcome as the result of a command, if one is known: a crash may have lost it.
    pub fn result(&self, command_id: Arc<str>, target_id: Arc<str>) -> Option<ControlCommandResult> {
        let status = match &self.result {
            Word::Known(AuditResult::Unknown) => return None,
            Word::Known(AuditResult::Accepted) => CommandStatus::Accepted.into(),
            Word::Known(AuditResult::Completed) => CommandStatus::Completed.into(),
            Word::Known(AuditResult::Rejected) => CommandStatus::Rejected.into(),
            Word::Known(AuditResult::Failed) => CommandStatus::Failed.into(),
            Word::Other(word) => Word::Other(word.clone()),
        };
        Some(ControlCommandResult {
            command_id,
            target_id,
            accepted: status.is(CommandStatus::Accepted) || status.is(CommandStatus::Completed),
            status,
            error: self.error.clone(),
            state_delta: None,
            completed_at_unix_nanos: self.completed_at_unix_nanos,
            outcome: self.answer.clone(),
        })
    }
}

impl AuditRecord {
    /// The code of the error in it, if it has one.
    pub fn code(&self) -> Option<&Word<ErrorCode>> {
        self.outcome.as_ref()?.error.as_ref().map(|error| &error.code)
    }

    /// The command's word, if the action is a command.
    pub fn command(&self) -> Option<&str> {
        self.action.strip_prefix("command.")
    }

    /// How it went, as far as this record tells. What was refused was refused also when it has no outcome.
    pub fn result(&self) -> Word<AuditResult> {
        let is_denied = self.decision.is(AuditDecision::Denied) || self.entry.is(AuditEntry::Denial);
        match &self.outcome {
            Some(outcome) => outcome.result.clone(),
            None if is_denied => AuditResult::Rejected.into(),
            None if self.entry.is(AuditEntry::Outcome) => AuditResult::Unknown.into(),
            None => AuditResult::Accepted.into(),
        }
    }

    /// The record as it is told to browsers; `None` when it is not about a command. `sequence` and
    /// `recorded_at_unix_nanos` are those of its line.
    pub fn event(&self, sequence: u64, recorded_at_unix_nanos: u64) -> Option<AuditEvent> {
        let command = self.command()?;
        let command = Command::from_word(command).map_or_else(|| Word::Other(command.into()), Word::Known);
        Some(AuditEvent {
            audit_id: sequence.to_string(),
            identity: self.actor.proved.clone(),
            target_id: Arc::clone(&self.target_id),
            command_id: self.command_id.clone().unwrap_or_default(),
            command,
            target: self.target.clone().map_or(Value::Null, Value::String),
            reason: self.reason.clone().unwrap_or_default(),
            result: self.result(),
            occurred_at_unix_nanos: UnixNanos(recorded_at_unix_nanos),
        })
    }
}

/// Which records of an audit are looked for. What is `None` does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Recorded at this time or later, in Unix nanoseconds.
    pub since_unix_nanos: Option<u64>,
    /// Recorded before this time, in Unix nanoseconds.
    pub until_unix_nanos: Option<u64>,
    /// Asked for by this user, as the kernel says.
    pub uid: Option<u32>,
    /// This action: `restart_child`, or the whole method `command.restart_child`.
    pub command: Option<String>,
    /// With this command id.
    pub command_id: Option<String>,
    /// About this child or one below it, when it is a path; about a child with this name, when it is not.
    pub target: Option<String>,
}

impl AuditFilter {
    /// Whether a record is among those that are looked for.
    pub fn matches(&self, recorded_at_unix_nanos: u64, record: &AuditRecord) -> bool {
        self.since_unix_nanos.is_none_or(|since| recorded_at_unix_nanos >= since)
            && self.until_unix_nanos.is_none_or(|until| recorded_at_unix_nanos < until)
            && self.uid.is_none_or(|uid| record.peer.is_some_and(|peer| peer.uid == uid))
            && self.command.as_deref().is_none_or(|word| is_action(word, record))
            && self.command_id.as_deref().is_none_or(|id| record.command_id.as_deref() == Some(id))
            && self.target.as_deref().is_none_or(|target| is_about(target, record.target.as_deref()))
    }
}

fn is_action(word: &str, record: &AuditRecord) -> bool {
    record.action == word || record.command() == Some(word)
}

/// Nothing is about the root: the whole tree is meant.
fn is_about(asked: &str, target: Option<&str>) -> bool {
    let target = target.unwrap_or("/");
    if !asked.starts_with('/') {
        return target.rsplit('/').next() == Some(asked);
    }
    let asked = asked.trim_end_matches('/');
    // A target that was named by its id is somewhere in the tree.
    target.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        || asked.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(action: &str, target: Option<&str>) -> AuditRecord {
        AuditRecord {
            entry: AuditEntry::Intent.into(),
            target_id: "shop".into(),
            intent: None,
            peer: Some(AuditPeer { uid: 1000, gid: 100, pid: None }),
            connection_id: 3,
            frame_bytes: 212,
            actor: AuditActor { proved: "uid:1000".into(), role: Some("admin".into()), claimed: None },
            action: action.into(),
            command_id: Some("c-1".into()),
            target: target.map(str::to_owned),
            reason: Some("stuck".into()),
            details: None,
            body_sha256: None,
            decision: AuditDecision::Allowed.into(),
            outcome: None,
            count: None,
        }
    }

    #[test]
    fn a_filter_by_target_means_the_child_and_what_is_below_it() {
        let about = |asked: &str, target| {
            let filter = AuditFilter { target: Some(asked.into()), ..AuditFilter::default() };
            filter.matches(0, &record("command.restart_child", target))
        };
        assert!(about("/a", Some("/a")) && about("/a/", Some("/a")) && about("/a", Some("/a/b")));
        assert!(!about("/a", Some("/ab")) && !about("/a/b", Some("/a")) && !about("/a", None));
        assert!(about("/", Some("/a")) && about("/", Some("a")) && about("/", None));
        assert!(about("b", Some("/a/b")) && about("b", Some("b")) && !about("a", Some("/a/b")));
    }

    #[test]
    fn each_part_of_a_filter_narrows() {
        let record = record("command.restart_child", Some("/a"));
        let all = AuditFilter::default();
        assert!(all.matches(5, &record));
        for (filter, expected) in [
            (AuditFilter { since_unix_nanos: Some(5), ..all.clone() }, true),
            (AuditFilter { since_unix_nanos: Some(6), ..all.clone() }, false),
            (AuditFilter { until_unix_nanos: Some(6), ..all.clone() }, true),
            (AuditFilter { until_unix_nanos: Some(5), ..all.clone() }, false),
            (AuditFilter { uid: Some(1000), ..all.clone() }, true),
            (AuditFilter { uid: Some(0), ..all.clone() }, false),
            (AuditFilter { command: Some("restart_child".into()), ..all.clone() }, true),
            (AuditFilter { command: Some("command.restart_child".into()), ..all.clone() }, true),
            (AuditFilter { command: Some("restart".into()), ..all.clone() }, false),
            (AuditFilter { command_id: Some("c-1".into()), ..all.clone() }, true),
            (AuditFilter { command_id: Some("c-2".into()), ..all.clone() }, false),
        ] {
            assert_eq!(filter.matches(5, &record), expected, "{filter:?}");
        }
    }

    #[test]
    fn an_intent_is_told_to_browsers_as_accepted_and_what_is_no_command_is_not_told() {
        let event = record("command.restart_child", Some("/a")).event(7, 9).unwrap();
        assert_eq!((event.audit_id.as_str(), event.identity.as_str()), ("7", "uid:1000"));
        assert!(event.command.is(Command::RestartChild) && event.result.is(AuditResult::Accepted));
        assert_eq!(event.target, Value::from("/a"));
        assert_eq!(record("connect", None).event(7, 9), None);
    }

    #[test]
    fn a_denial_without_an_outcome_is_not_told_as_accepted() {
        let whole = || record("command.restart_child", Some("/a"));
        let told = |record: AuditRecord| record.event(7, 9).unwrap().result;
        let (denied, denial) = (AuditDecision::Denied.into(), AuditEntry::Denial.into());
        assert!(told(AuditRecord { decision: denied, ..whole() }).is(AuditResult::Rejected));
        assert!(told(AuditRecord { entry: denial, ..whole() }).is(AuditResult::Rejected));
        let lost = AuditRecord { entry: AuditEntry::Outcome.into(), ..whole() };
        assert!(told(lost).is(AuditResult::Unknown));
    }

    #[test]
    fn an_outcome_gives_back_the_result_it_was_made_of_but_for_the_delta() {
        let result = ControlCommandResult {
            command_id: "c-1".into(),
            target_id: "shop".into(),
            accepted: false,
            status: CommandStatus::Failed.into(),
            error: Some(WireError::new(ErrorCode::CommandFailed, "it did not start")),
            state_delta: None,
            completed_at_unix_nanos: Some(UnixNanos(5)),
            outcome: Some(Value::from(1)),
        };
        let outcome = AuditOutcome::from(&result);
        assert_eq!(outcome.result("c-1".into(), "shop".into()), Some(result));
        let lost = AuditOutcome { result: AuditResult::Unknown.into(), ..outcome };
        assert_eq!(lost.result("c-1".into(), "shop".into()), None);
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let mut written = record("command.add_child", Some("/"));
        written.details = Some(serde_json::json!({"name": "x"}));
        written.outcome =
            Some(AuditOutcome::denied(WireError::new(ErrorCode::AuthzDenied, "no").retry_after(5)));
        let text = serde_json::to_string(&written).unwrap();
        assert_eq!(serde_json::from_str::<AuditRecord>(&text).unwrap(), written);
        assert_eq!(written.code(), Some(&Word::Known(ErrorCode::AuthzDenied)));
    }
}
