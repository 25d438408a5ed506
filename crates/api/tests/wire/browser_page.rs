//! Every message on the page of the protocol between relay and browser is one, and every message is on it.

use std::collections::BTreeSet;

use serde_json::Value;
use supervisor_api::wire::{ClientMessage, ServerMessage};

const PAGE: &str = include_str!("../../../../docs/browser-protocol.md");
const SCHEMA: &str = include_str!("../../../../docs/wire.schema.json");

/// The messages in the blocks of one speaker.
fn said(by: &str) -> Vec<&'static str> {
    let fence = format!("```json {by}\n");
    PAGE.split(&*fence).skip(1).flat_map(|rest| rest.split("```").next().unwrap().lines()).collect()
}

fn kinds(messages: &[&str]) -> BTreeSet<String> {
    let kind =
        |line: &&str| serde_json::from_str::<Value>(line).unwrap()["type"].as_str().unwrap().to_owned();
    messages.iter().map(kind).collect()
}

/// The types of messages that the schema has.
fn known(message: &str) -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let kinds = schema["$defs"][message]["oneOf"].as_array().unwrap();
    kinds.iter().map(|kind| kind["properties"]["type"]["const"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_a_relay_says_is_what_its_types_write() {
    let lines = said("relay");
    for line in &lines {
        let message: ServerMessage =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(serde_json::to_value(message).unwrap(), serde_json::from_str::<Value>(line).unwrap());
    }
    assert_eq!(kinds(&lines), known("ServerMessage"));
}

#[test]
fn what_a_browser_says_is_taken() {
    let lines = said("browser");
    for line in &lines {
        let message =
            ClientMessage::read(line.as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {line}"));
        assert_eq!(serde_json::to_value(message).unwrap(), serde_json::from_str::<Value>(line).unwrap());
    }
    assert_eq!(kinds(&lines), known("ClientMessage"));
}
