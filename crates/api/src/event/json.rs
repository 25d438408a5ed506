//! An event on the wire.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::StampedEvent;

/// The payload of an event: always an object, numbers under their names from the catalogue.
struct Payload<'a>(&'a StampedEvent);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let stamped = self.0;
        let event = &stamped.event;
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("state", &event.row.lifecycle)?;
        map.serialize_entry("health", &event.row.health)?;
        map.serialize_entry("readiness", &event.row.readiness)?;
        map.serialize_entry("generation", &event.row.generation)?;
        map.serialize_entry("attempt", &event.row.attempt)?;
        map.serialize_entry("restart_count", &event.row.restart_count)?;
        map.serialize_entry("cause", event.cause.word())?;
        if let Some(path) = &stamped.cause_path {
            map.serialize_entry("cause_path", path)?;
        }
        map.serialize_entry("next", event.next.word())?;
        if let Some(path) = &stamped.next_path {
            map.serialize_entry("next_path", path)?;
        }
        if let Some(nanos) = stamped.next_in_nanos() {
            map.serialize_entry("next_in_ms", &(nanos / 1_000_000))?;
        }
        for (name, value) in event.kind.spec().numbers.iter().zip(event.numbers) {
            map.serialize_entry(name, &value)?;
        }
        if let Some(detail) = &event.detail {
            if let Some(exit) = &detail.exit {
                map.serialize_entry("exit", exit)?;
            }
            for (key, value) in
                [("requested_by", &detail.requested_by), ("reason", &detail.reason), ("text", &detail.text)]
            {
                if let Some(value) = value {
                    map.serialize_entry(key, value)?;
                }
            }
            if !detail.chain.is_empty() {
                map.serialize_entry("chain", &detail.chain)?;
            }
        }
        map.end()
    }
}

impl StampedEvent {
    /// The payload as it stands on the wire.
    #[cfg(feature = "wire")]
    pub(crate) fn payload(&self) -> impl Serialize {
        Payload(self)
    }

    /// The keys of the wire's `EventRecord`, but for the two that only a target knows.
    pub(crate) fn write_entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("sequence", &self.sequence)?;
        map.serialize_entry("correlation_id", &self.correlation_id())?;
        map.serialize_entry("event_type", &self.event.kind)?;
        map.serialize_entry("severity", &self.event.kind.severity())?;
        map.serialize_entry("target_path", &self.path)?;
        map.serialize_entry("child_id", &self.path.last_segment())?;
        map.serialize_entry("occurred_at_unix_nanos", &self.occurred_at_unix_nanos)?;
        map.serialize_entry("payload", &Payload(self))
    }
}

impl Serialize for StampedEvent {
    /// The keys of the wire's `EventRecord`, without the two that only a target knows (`target_id`,
    /// `config_version`).
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(8))?;
        self.write_entries(&mut map)?;
        map.end()
    }
}
