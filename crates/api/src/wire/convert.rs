//! From what the library tells to what travels.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::record::EventRecord;
use super::state::{RowMore, RuntimeRow};
use super::word::UnixNanos;
use crate::command::ChildState;
use crate::{Exit, StampedEvent};

/// An event with what only its target knows, to be written once and sent to many: the JSON of an
/// [`EventRecord`] without building one.
#[derive(Debug, Clone, Copy)]
pub struct EventOnWire<'a> {
    /// The target.
    pub target_id: &'a str,
    /// Which spec it has.
    pub config_version: &'a str,
    /// The event.
    pub event: &'a StampedEvent,
}

impl Serialize for EventOnWire<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(10))?;
        map.serialize_entry("target_id", self.target_id)?;
        self.event.write_entries(&mut map)?;
        map.serialize_entry("config_version", self.config_version)?;
        map.end()
    }
}

impl From<EventOnWire<'_>> for EventRecord {
    fn from(wire: EventOnWire<'_>) -> Self {
        let stamped = wire.event;
        Self {
            target_id: wire.target_id.into(),
            sequence: stamped.sequence,
            correlation_id: stamped.correlation_id().map(str::to_owned),
            event_type: stamped.event.kind.into(),
            severity: stamped.event.kind.severity().into(),
            target_path: stamped.path.clone(),
            child_id: stamped.path.last_segment().map(str::to_owned),
            occurred_at_unix_nanos: UnixNanos(stamped.occurred_at_unix_nanos),
            config_version: wire.config_version.into(),
            payload: object(stamped.payload()),
        }
    }
}

impl RuntimeRow {
    /// A row of the library.
    pub fn of(state: &ChildState) -> Self {
        Self {
            child_path: state.child_path.clone(),
            lifecycle_state: state.lifecycle_state.into(),
            health: state.health.into(),
            readiness: state.readiness.into(),
            generation: state.generation,
            attempt: state.attempt.into(),
            restart_count: state.restart_count.into(),
            last_failure: state.last_failure.as_ref().map(exit_value),
            last_policy_decision: state.last_policy_decision.map(|decision| decision.as_str().into()),
            shutdown_state: state.shutdown_state.into(),
            as_of: Some(state.as_of),
            more: RowMore {
                since_unix_nanos: state.since_unix_nanos.map(UnixNanos),
                started_at_unix_nanos: state.started_at_unix_nanos.map(UnixNanos),
                next_start_at_unix_nanos: state.next_start_at_unix_nanos.map(UnixNanos),
                ..RowMore::default()
            },
        }
    }

    /// How the last run that ended badly ended, if the row says it in our words.
    pub fn exit(&self) -> Option<Exit> {
        self.last_failure.as_ref().and_then(|failure| serde::Deserialize::deserialize(failure).ok())
    }
}

fn exit_value(exit: &Exit) -> Value {
    Value::Object(object(exit))
}

/// What is written as an object, as one. Our own types cannot fail here.
fn object(value: impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// JSON with the keys of every object in the order of their bytes and no white space: the same value always
/// gives the same text. For what serde can write as JSON; anything else gives `null`.
pub fn canonical_json(value: &impl Serialize) -> String {
    let mut out = String::new();
    write_canonical(&serde_json::to_value(value).unwrap_or(Value::Null), &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write_canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// The version of a spec: the first 16 hexadecimal digits of the SHA-256 of its [`canonical_json`]. The caller
/// brings the digest, because this crate hashes nothing.
pub fn config_version(sha256: &[u8; 32]) -> Arc<str> {
    sha256[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}
