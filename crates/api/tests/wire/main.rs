//! The wire, from the outside: fixtures that were written before the types, bad input, any input, and the schema.
#![cfg(feature = "wire")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod bad_input;
mod bad_others;
mod browser_page;
mod convert;
mod fixtures;
mod fold;
mod properties;
#[cfg(feature = "schema")]
mod schema;

use serde_json::Value;
use std::path::Path;

/// The lines of a fixture file.
fn lines(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format!("{name}.jsonl"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(str::to_owned).collect()
}

/// A line as a value, read without any type of ours.
fn value(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

type Again = fn(&str) -> Result<Value, String>;

/// The kinds of lines, each with a function that reads a line and writes it again.
const KINDS: &[(&str, Again)] = &[
    ("requests", |line| written(supervisor_api::wire::Request::read(line.as_bytes()).map_err(|r| r.error))),
    ("responses", target_line),
    ("pushes", target_line),
    ("registrations", |line| written(supervisor_api::wire::Registration::read(line.as_bytes()))),
    ("acks", |line| written(supervisor_api::wire::RegistrationAck::read(line.as_bytes()))),
    ("errors", |line| written(serde_json::from_str::<supervisor_api::wire::WireError>(line))),
    ("client_messages", |line| written(supervisor_api::wire::ClientMessage::read(line.as_bytes()))),
    ("server_messages", |line| written(serde_json::from_str::<supervisor_api::wire::ServerMessage>(line))),
];

fn target_line(line: &str) -> Result<Value, String> {
    use supervisor_api::wire::TargetLine;
    match TargetLine::read(line.as_bytes()).map_err(|error| error.to_string())? {
        TargetLine::Response(response) => written(Ok::<_, String>(response)),
        TargetLine::Push(push) => written(Ok::<_, String>(push)),
    }
}

fn written<T: serde::Serialize, E: ToString>(read: Result<T, E>) -> Result<Value, String> {
    let read = read.map_err(|error| error.to_string())?;
    serde_json::to_value(read).map_err(|error| error.to_string())
}
