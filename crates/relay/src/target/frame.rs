//! Messages to browsers as text, made once for all sessions.
//!
//! A target pushes an event in the very form in which a browser gets it, so the line itself goes on. It is written anew
//! only when it is not as this project writes it: another kind of target may write a time as a text, or no payload.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use supervisor_api::wire::{EventRecord, LogRecord, StateDelta};

/// The frame of an event, from the line that it came in, if it was pushed.
pub(crate) fn event(target_id: &Arc<str>, event: &EventRecord, line: Option<&str>) -> Arc<str> {
    let line = line.filter(|line| is_ours::<EventLine<'_>>(line, target_id));
    line.map_or_else(
        || {
            let event = EventRecord { target_id: Arc::clone(target_id), ..event.clone() };
            written(&Event { kind: "event", target_id, event })
        },
        Arc::from,
    )
}

/// The frame of a line of the logs, from the line that it came in, if it was pushed.
pub(crate) fn log(target_id: &Arc<str>, log: &LogRecord, line: Option<&str>) -> Arc<str> {
    let line = line.filter(|line| is_ours::<LogLine<'_>>(line, target_id));
    line.map_or_else(
        || {
            let log = LogRecord { target_id: Arc::clone(target_id), ..log.clone() };
            written(&Log { kind: "log", target_id, log })
        },
        Arc::from,
    )
}

/// The frame of a change. How the connection is, only the relay knows.
pub(crate) fn delta(target_id: &Arc<str>, delta: &StateDelta) -> Arc<str> {
    let delta = StateDelta { connection_state: None, ..delta.clone() };
    written(&Delta { kind: "state_delta", target_id, delta })
}

/// A message as text.
pub(crate) fn written(message: &impl Serialize) -> Arc<str> {
    // Only a map with keys that are no texts, or a writer, could fail; there is neither.
    serde_json::to_string(message).unwrap_or_default().into()
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    target_id: &'a str,
    event: EventRecord,
}

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    target_id: &'a str,
    log: LogRecord,
}

#[derive(Serialize)]
struct Delta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    target_id: &'a str,
    delta: StateDelta,
}

/// Whether a line, which was read as a record already, is as we write it and speaks of this target only.
fn is_ours<'a, T: Line + Deserialize<'a>>(line: &'a str, target_id: &str) -> bool {
    serde_json::from_str::<T>(line).is_ok_and(|line| line.is_ours(target_id))
}

trait Line {
    fn is_ours(&self, target_id: &str) -> bool;
}

#[derive(Deserialize)]
struct EventLine<'a> {
    #[serde(borrow)]
    target_id: Cow<'a, str>,
    #[serde(borrow)]
    event: EventPart<'a>,
}

#[derive(Deserialize)]
struct EventPart<'a> {
    #[serde(borrow)]
    target_id: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
    #[serde(rename = "occurred_at_unix_nanos")]
    _at: u64,
}

impl Line for EventLine<'_> {
    fn is_ours(&self, target_id: &str) -> bool {
        self.target_id == target_id
            && self.event.target_id == target_id
            && self.event.payload.get().starts_with('{')
    }
}

#[derive(Deserialize)]
struct LogLine<'a> {
    #[serde(borrow)]
    target_id: Cow<'a, str>,
    #[serde(borrow)]
    log: LogPart<'a>,
}

#[derive(Deserialize)]
struct LogPart<'a> {
    #[serde(borrow)]
    target_id: Cow<'a, str>,
    #[serde(borrow)]
    fields: &'a RawValue,
    #[serde(rename = "occurred_at_unix_nanos")]
    _at: u64,
    // Always written, with null for nothing.
    #[serde(rename = "sequence")]
    _sequence: IgnoredAny,
}

impl Line for LogLine<'_> {
    fn is_ours(&self, target_id: &str) -> bool {
        self.target_id == target_id
            && self.log.target_id == target_id
            && self.log.fields.get().starts_with('{')
    }
}
