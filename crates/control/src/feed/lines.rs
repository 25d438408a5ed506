//! Messages as bytes. An event is rendered once, however many sessions it goes to.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use supervisor_api::StampedEvent;
use supervisor_api::wire::EventOnWire;

use super::Line;
use crate::json::put;
use crate::target::Target;

/// The last events that were rendered, each at the place of its sequence.
#[derive(Debug)]
pub(crate) struct EventLines {
    kept: Mutex<Box<[(u64, Line)]>>,
    /// How many bytes of a line stand before the event's own.
    before: usize,
}

impl EventLines {
    /// How many rendered events are kept for those who come a little later.
    pub(crate) const KEPT: u64 = 256;

    /// None yet, of this target.
    pub(crate) fn new(target_id: &str) -> Self {
        // No event has the sequence 0.
        let empty: Line = Arc::default();
        let before = r#"{"type":"event","target_id":,"event":"#.len() + rendered(&target_id).len();
        Self { kept: Mutex::new(vec![(0, empty); Self::KEPT as usize].into()), before }
    }

    /// The event alone in its line.
    pub(crate) fn record<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        &line[self.before..line.len() - 1]
    }

    /// Adds the line of an event to others.
    pub(crate) fn put(out: &mut Vec<u8>, target: &Target, event: &StampedEvent, version: &Arc<str>) {
        put(
            out,
            &PushedEvent { kind: "event", target_id: &target.id, event: target.on_wire(event, version) },
        );
    }

    /// The line of an event.
    pub(crate) fn of(&self, target: &Target, event: &StampedEvent) -> Line {
        let place = (event.sequence % Self::KEPT) as usize;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner)[place].clone();
        if kept.0 == event.sequence {
            return kept.1;
        }
        let version = target.specs.version_of(event);
        let mut line = Vec::with_capacity(1024);
        Self::put(&mut line, target, event, &version);
        let line: Line = line.into();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)[place] = (event.sequence, line.clone());
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
    let mut line = Vec::with_capacity(128);
    put(&mut line, message);
    line
}
