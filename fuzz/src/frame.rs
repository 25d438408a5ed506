//! Frames: one line of text, read as each kind of message there is.

use std::fmt::Debug;

use serde::Serialize;
use serde_json::Value;
use supervisor_api::wire::{
    ClientMessage, Push, Registration, RegistrationAck, Request, Response, TargetLine,
};

use crate::bytes::Bytes;

/// Good lines of every kind. What is made of them reaches deeper than arbitrary bytes.
const LINES: &[&str] = &[
    include_str!("../../crates/api/fixtures/requests.jsonl"),
    include_str!("../../crates/api/fixtures/requests.seen.jsonl"),
    include_str!("../../crates/api/fixtures/responses.jsonl"),
    include_str!("../../crates/api/fixtures/pushes.jsonl"),
    include_str!("../../crates/api/fixtures/registrations.jsonl"),
    include_str!("../../crates/api/fixtures/acks.jsonl"),
    include_str!("../../crates/api/fixtures/client_messages.jsonl"),
];

/// Reads the bytes as a frame. The first byte says how: as they are, or as changes to a good line.
///
/// # Panics
/// When an answer to a refused frame does not fit on a line, or what was accepted does not read back the same.
pub fn frame(bytes: &[u8]) {
    let Some((how, rest)) = bytes.split_first() else { return };
    if how % 4 == 0 {
        read(rest);
    } else {
        read(&changed(&mut Bytes::new(rest)));
    }
}

/// A good line with some of its bytes changed, left out, or said again.
fn changed(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let lines: Vec<_> = bytes.pick(LINES).lines().collect();
    let mut line = bytes.pick(&lines).as_bytes().to_vec();
    while !bytes.is_empty() && !line.is_empty() {
        let at = (usize::from(bytes.byte()) * 256 + usize::from(bytes.byte())) % line.len();
        let to = line.len().min(at + bytes.below(16));
        match bytes.below(4) {
            0 => line[at] = bytes.byte(),
            1 => line[at] = bytes.pick(b"{}[]\",:019e-\\"),
            2 => drop(line.drain(at..to)),
            _ => {
                let again = line[at..to].to_vec();
                line.splice(at..at, again);
            }
        }
    }
    line
}

fn read(line: &[u8]) {
    match Request::read(line) {
        Ok(request) => reads_back(&request, |line| Request::read(line).ok()),
        Err(refusal) => {
            let answer = refusal.response();
            assert!(answer.error.is_some() && !answer.request_id.is_empty(), "{answer:?}");
            reads_back(&answer, response);
        }
    }
    match TargetLine::read(line) {
        Ok(TargetLine::Response(answer)) => reads_back(&*answer, response),
        Ok(TargetLine::Push(line)) => reads_back(&*line, push),
        Err(_) => {}
    }
    if let Ok(message) = ClientMessage::read(line) {
        reads_back(&message, |line| ClientMessage::read(line).ok());
    }
    if let Ok(registration) = Registration::read(line) {
        reads_back(&registration, |line| Registration::read(line).ok());
    }
    if let Ok(ack) = RegistrationAck::read(line) {
        reads_back(&ack, |line| RegistrationAck::read(line).ok());
    }
}

fn response(line: &[u8]) -> Option<Response> {
    match TargetLine::read(line) {
        Ok(TargetLine::Response(response)) => Some(*response),
        _ => None,
    }
}

fn push(line: &[u8]) -> Option<Push> {
    match TargetLine::read(line) {
        Ok(TargetLine::Push(push)) => Some(*push),
        _ => None,
    }
}

/// What is written is one line, and is read as the same.
fn reads_back<T: Serialize + PartialEq + Debug>(message: &T, read: impl Fn(&[u8]) -> Option<T>) {
    // A message of a later version is read and never written.
    let Ok(written) = serde_json::to_value(message) else { return };
    let line = written.to_string();
    assert!(!line.contains('\n'), "{line:?}");
    // The last digit of a number with a fraction may change.
    if !has_fraction(&written) {
        assert_eq!(read(line.as_bytes()).as_ref(), Some(message), "{line}");
    }
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(map) => map.values().any(has_fraction),
        _ => false,
    }
}
