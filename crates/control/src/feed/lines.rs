//! Messages as bytes. An event is rendered once, however many sessions it goes to.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use supervisor_api::StampedEvent;
use supervisor_api::wire::EventOnWire;

use super::Line;
use crate::target::Target;

/// How many rendered events are kept for those who come a little later.
const KEPT: usize = 256;

/// The last events that were rendered, each at the place of its sequence.
#[derive(Debug)]
pub(crate) struct EventLines(Mutex<Box<[(u64, Line)]>>);

impl Default for EventLines {
    fn default() -> Self {
        // No event has the sequence 0.
        let empty: Line = Arc::default();
        Self(Mutex::new(vec![(0, empty); KEPT].into()))
    }
}

impl EventLines {
    /// The line of an event.
    pub(crate) fn of(&self, target: &Target, event: &StampedEvent) -> Line {
        let place = (event.sequence % KEPT as u64) as usize;
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner)[place].clone();
        if kept.0 == event.sequence {
            return kept.1;
        }
        let version = target.specs.version_of(event);
        let push =
            PushedEvent { kind: "event", target_id: &target.id, event: target.on_wire(event, &version) };
        let line: Line = rendered(&push).into();
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[place] = (event.sequence, line.clone());
        line
    }
}

/// `Push::Event` without building a record.
#[derive(Serialize)]
struct PushedEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    target_id: &'a str,
    event: EventOnWire<'a>,
}

/// A message of ours on one line. JSON escapes the newlines in it.
pub(crate) fn rendered(message: &impl Serialize) -> Vec<u8> {
    // Only a map with keys that are no texts, or a writer, could fail; there is neither.
    serde_json::to_vec(message).unwrap_or_default()
}
