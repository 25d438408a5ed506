//! Which events and lines of logs a reader wants.

use serde::{Deserialize, Serialize};

use super::record::{EventRecord, LogRecord};
use super::word::{Word, or_default};
use crate::{EventKind, Lifecycle, Severity, SupervisorPath};

/// Conditions on events and lines of logs. All that are said must hold; an empty list says nothing. A record that has no
/// value where a condition asks for one is not wanted, but for `lifecycle_states` and `event_types`, which
/// concern events only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FilterConditions {
    /// Of these targets.
    #[serde(default, deserialize_with = "or_default")]
    pub target_ids: Vec<String>,
    /// About these children.
    #[serde(default, deserialize_with = "or_default")]
    pub child_paths: Vec<SupervisorPath>,
    /// Events after which the child is in one of these states.
    #[serde(default, deserialize_with = "or_default")]
    pub lifecycle_states: Vec<Word<Lifecycle>>,
    /// Events of these kinds.
    #[serde(default, deserialize_with = "or_default")]
    pub event_types: Vec<Word<EventKind>>,
    /// Of these severities.
    #[serde(default, deserialize_with = "or_default")]
    pub severities: Vec<Word<Severity>>,
    /// From this sequence on. Absent: from the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_min: Option<u64>,
    /// Caused by the command with this id. Absent: whatever caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
}

/// What conditions on an event look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFacts {
    /// Its sequence.
    pub sequence: u64,
    /// About whom it is.
    pub path: SupervisorPath,
    /// The state after it, if it tells one.
    pub state: Option<Word<Lifecycle>>,
    /// What happened.
    pub kind: Word<EventKind>,
    /// How much it matters.
    pub severity: Word<Severity>,
    /// The command behind it.
    pub correlation_id: Option<Box<str>>,
}

impl EventFacts {
    /// Those of this event.
    pub fn of(event: &EventRecord) -> Self {
        Self {
            sequence: event.sequence,
            path: event.target_path.clone(),
            state: event.payload.get("state").and_then(|state| Word::deserialize(state).ok()),
            kind: event.event_type.clone(),
            severity: event.severity.clone(),
            correlation_id: event.correlation_id.as_deref().map(Into::into),
        }
    }
}

/// What conditions on a line of logs look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFacts {
    /// Its sequence, if its target counts lines.
    pub sequence: Option<u64>,
    /// Who logged it, if its target says so.
    pub path: Option<SupervisorPath>,
    /// How much it matters.
    pub severity: Word<Severity>,
    /// The command behind it.
    pub correlation_id: Option<Box<str>>,
}

impl LogFacts {
    /// Those of this line.
    pub fn of(log: &LogRecord) -> Self {
        Self {
            sequence: log.sequence,
            path: log.child_path.clone(),
            severity: log.severity.clone(),
            correlation_id: log.correlation_id.as_deref().map(Into::into),
        }
    }
}

impl FilterConditions {
    /// Whether anything of this target can be wanted.
    pub fn wants_target(&self, target_id: &str) -> bool {
        any(&self.target_ids, |id| id == target_id)
    }

    /// Whether the event is wanted.
    pub fn wants_event(&self, event: &EventRecord) -> bool {
        self.wants_target(&event.target_id) && self.wants_event_with(&EventFacts::of(event))
    }

    /// Whether an event with these facts is wanted, if anything of its target is.
    pub fn wants_event_with(&self, event: &EventFacts) -> bool {
        any(&self.child_paths, |path| *path == event.path)
            && any(&self.lifecycle_states, |word| event.state.as_ref() == Some(word))
            && any(&self.event_types, |word| *word == event.kind)
            && any(&self.severities, |word| *word == event.severity)
            && self.sequence_min.is_none_or(|min| event.sequence >= min)
            && self.has_cause(event.correlation_id.as_deref())
    }

    /// Whether the line is wanted.
    pub fn wants_log(&self, log: &LogRecord) -> bool {
        self.wants_target(&log.target_id) && self.wants_log_with(&LogFacts::of(log))
    }

    /// Whether a line with these facts is wanted, if anything of its target is.
    pub fn wants_log_with(&self, log: &LogFacts) -> bool {
        any(&self.child_paths, |path| log.path.as_ref() == Some(path))
            && any(&self.severities, |word| *word == log.severity)
            && self.sequence_min.is_none_or(|min| log.sequence.is_some_and(|sequence| sequence >= min))
            && self.has_cause(log.correlation_id.as_deref())
    }

    fn has_cause(&self, id: Option<&str>) -> bool {
        self.correlation_id.as_deref().is_none_or(|wanted| id == Some(wanted))
    }
}

fn any<T>(wanted: &[T], is: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(is)
}
