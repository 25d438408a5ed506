//! The tree that is served, under the names by which it is known outside.

use std::sync::Arc;

use supervisor_api::StampedEvent;
use supervisor_api::wire::{
    ConnectionState, EventOnWire, EventRecord, LogRecord, RegistrationState, UnixNanos,
};
use tokio::sync::watch;
use tokio_supervisor::SupervisorHandle;

use crate::feed::EventLines;
use crate::specs::SpecBook;

/// As which the part that supervises is named when it is stuck.
const LOOP: &str = "loop";

/// How the target stands with a relay.
pub(crate) type Standing = (RegistrationState, ConnectionState);

/// Without a relay as with one that has just heard of the target.
pub(crate) const UNASKED: Standing = (RegistrationState::Active, ConnectionState::Registered);

/// The tree that is served.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) handle: SupervisorHandle,
    pub(crate) id: Arc<str>,
    pub(crate) display_name: String,
    /// The specs that it had, has, and is about to have.
    pub(crate) specs: SpecBook,
    /// Events as they were pushed lately.
    pub(crate) lines: EventLines,
    /// Changed by the registration, if there is one; read by `state` and pushed to subscribers.
    pub(crate) standing: watch::Sender<Standing>,
}

impl Target {
    /// The time of the tree's clock; after the end that of the end.
    pub(crate) fn now(&self) -> UnixNanos {
        UnixNanos(self.handle.health().last_observed_at_unix_nanos)
    }

    /// The generation of the state: the sequence of the last event. Every change is an event, and every event is
    /// part of the state.
    pub(crate) fn generation(&self) -> u64 {
        self.handle.subscribe_events().position()
    }

    /// Whether the part that supervises does not move.
    pub(crate) fn loop_is_stuck(&self) -> bool {
        self.handle.health().stuck.iter().any(|stuck| &*stuck.name == LOOP)
    }

    /// The second word of how it stands with a relay.
    pub(crate) fn connection(&self) -> ConnectionState {
        self.standing.borrow().1
    }

    /// An event with what only its target knows.
    pub(crate) fn on_wire<'a>(&'a self, event: &'a StampedEvent, version: &'a Arc<str>) -> EventOnWire<'a> {
        EventOnWire { target_id: &self.id, config_version: version, event }
    }

    pub(crate) fn event_record(&self, event: &StampedEvent) -> EventRecord {
        EventRecord::from(self.on_wire(event, &self.specs.version_of(event)))
    }

    pub(crate) fn log_record(&self, line: &tokio_supervisor::LogRecord) -> LogRecord {
        LogRecord {
            target_id: Arc::clone(&self.id),
            sequence: Some(line.sequence),
            correlation_id: None,
            severity: line.severity.into(),
            message: line.message.clone(),
            fields: line.fields.iter().cloned().collect(),
            occurred_at_unix_nanos: UnixNanos(line.occurred_at_unix_nanos),
            child_path: Some(line.path.clone()),
            generation: Some(line.generation),
        }
    }
}
