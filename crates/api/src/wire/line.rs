//! An event that was read from the wire, as a line of text.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::record::EventRecord;
use crate::event::Line;
use crate::{EventKind, Exit, SupervisorPath};

impl fmt::Display for EventRecord {
    /// One line: path, what happened, why, what happens next; for an event of this project the same as the event
    /// itself gives. It holds text of others: [`plain`](super::plain) makes it safe for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |key: &str| self.payload.get(key).and_then(Value::as_str);
        let number = |key: &str| self.payload.get(key).and_then(Value::as_u64);
        let path = |key: &str| text(key).and_then(|text| SupervisorPath::parse(text).ok());
        let kind = self.event_type.known();
        let exit = self.exit();
        let (cause_path, next_path) = (path("cause_path"), path("next_path"));
        let names = kind.map_or(&[][..], |kind: EventKind| kind.spec().numbers);
        let chain = self.payload.get("chain").and_then(Value::as_array);
        let line = Line {
            path: &self.target_path,
            kind,
            word: self.event_type.as_str(),
            exit: exit.as_ref(),
            text: text("text"),
            requested_by: text("requested_by"),
            reason: text("reason"),
            cause: text("cause").unwrap_or_default(),
            cause_path: cause_path.as_ref(),
            numbers: names.iter().filter_map(|name| Some((*name, number(name)?))).collect(),
            next: text("next").unwrap_or_default(),
            next_path: next_path.as_ref(),
            next_in_ms: number("next_in_ms"),
            attempt: number("attempt").unwrap_or_default(),
            chain: chain.map(|chain| chain.iter().filter_map(Value::as_str).collect()).unwrap_or_default(),
        };
        line.fmt(f)
    }
}

impl EventRecord {
    /// How a run ended, if the event tells it in our words.
    pub fn exit(&self) -> Option<Exit> {
        self.payload.get("exit").and_then(|exit| Exit::deserialize(exit).ok())
    }
}
