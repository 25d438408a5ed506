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

impl FilterConditions {
    /// Whether the event is wanted.
    pub fn wants_event(&self, event: &EventRecord) -> bool {
        let state = event.payload.get("state").and_then(serde_json::Value::as_str);
        any(&self.target_ids, |id| **id == *event.target_id)
            && any(&self.child_paths, |path| *path == event.target_path)
            && any(&self.lifecycle_states, |word| state == Some(word.as_str()))
            && any(&self.event_types, |word| *word == event.event_type)
            && any(&self.severities, |word| *word == event.severity)
            && self.sequence_min.is_none_or(|min| event.sequence >= min)
            && self.correlation_id.as_ref().is_none_or(|id| event.correlation_id.as_ref() == Some(id))
    }

    /// Whether the line is wanted.
    pub fn wants_log(&self, log: &LogRecord) -> bool {
        any(&self.target_ids, |id| **id == *log.target_id)
            && any(&self.child_paths, |path| log.child_path.as_ref() == Some(path))
            && any(&self.severities, |word| *word == log.severity)
            && self.sequence_min.is_none_or(|min| log.sequence.is_some_and(|sequence| sequence >= min))
            && self.correlation_id.as_ref().is_none_or(|id| log.correlation_id.as_ref() == Some(id))
    }
}

fn any<T>(wanted: &[T], is: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(is)
}
