//! What a good file becomes, and bad input that is no text in a repository.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use supervisor_api::manifest::{Kind, StackManifest};
use supervisor_stack::{Stack, StackError, schema};
use tokio_supervisor::Registry;

fn good_files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

fn all_keys() -> String {
    good_files().into_iter().find(|text| text.contains("name: all-keys")).unwrap()
}

/// Everything that the good files name.
fn registry() -> Registry {
    Registry::new().factory("a", |_| async {}).factory("parse", |_| async {}).blocking("index", |_| {})
}

#[track_caller]
fn good(text: impl Into<Vec<u8>>) -> StackManifest {
    let read = Stack::parse_with("f.yaml", text, registry());
    read.unwrap_or_else(|error| panic!("{error}")).manifest
}

#[track_caller]
fn refused(text: impl Into<Vec<u8>>) -> String {
    Stack::parse("f.yaml", text).unwrap_err().to_string()
}

/// Collects `type.key` for every key that a value uses.
fn used(value: &Value, definition: &Value, owner: &str, schema: &Value, keys: &mut BTreeSet<String>) {
    let resolve = |definition: &Value| -> Option<(String, Value)> {
        let name = definition["$ref"].as_str()?.rsplit('/').next()?.to_owned();
        let found = schema["$defs"][&name].clone();
        Some((name, found))
    };
    if let Some((name, found)) = resolve(definition) {
        return used(value, &found, &name, schema, keys);
    }
    for alternative in definition["anyOf"].as_array().into_iter().flatten() {
        used(value, alternative, owner, schema, keys);
    }
    match value {
        Value::Object(map) if definition["properties"].is_object() => {
            for (key, value) in map {
                if let Some(property) = definition["properties"].get(key) {
                    keys.insert(format!("{owner}.{key}"));
                    used(value, property, owner, schema, keys);
                }
            }
        }
        Value::Array(items) => {
            items.iter().for_each(|item| used(item, &definition["items"], owner, schema, keys))
        }
        _ => {}
    }
}

/// The keys that are taken out of a file when it is read, so that no manifest has them.
const TAKEN_OUT: [&str; 3] = ["variables", "replicas", "profiles"];

#[test]
fn the_good_files_use_every_key_of_the_schema() {
    let schema = schema();
    let mut keys = BTreeSet::new();
    for text in good_files() {
        let manifest = serde_json::to_value(good(text)).unwrap();
        used(&manifest, &schema, "Stack", &schema, &mut keys);
    }
    let definitions = schema["$defs"].as_object().unwrap().iter();
    for (owner, definition) in definitions.chain([(&"Stack".to_owned(), &schema)]) {
        for key in definition["properties"].as_object().into_iter().flatten().map(|(key, _)| key) {
            let spelling = matches!(key.as_str(), "factory_key" | "task_role");
            // That needs a file beside it.
            let spelling = spelling || key == "include";
            if TAKEN_OUT.contains(&key.as_str()) {
                let said = format!("{key}: ");
                assert!(good_files().iter().any(|text| text.contains(&said)), "{key} is in no good file");
                continue;
            }
            assert!(spelling || keys.contains(&format!("{owner}.{key}")), "{owner}.{key} is in no good file");
        }
    }
}

#[test]
fn plain_words_stay_what_was_written() {
    let manifest = good(all_keys());
    let db = &manifest.children[0];
    assert_eq!(db.tags, ["data", "on", "no", "012"]);
    assert_eq!(db.environment[0].value.as_deref(), Some("5432"));
    assert_eq!(db.command.as_deref().unwrap(), ["sleep", "10"]);
}

#[test]
fn the_schema_takes_what_a_file_takes_and_refuses_what_it_refuses() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let manifest = serde_json::to_value(good(all_keys())).unwrap();
    if let Err(error) = validator.validate(&manifest) {
        panic!("{error} at {}", error.instance_path);
    }
    let with = |key: &str, value: Value| {
        let mut child = json!({"name": "a", "kind": "process", "command": ["x"]});
        child[key] = value;
        json!({"version": 1, "name": "s", "children": [child]})
    };
    for good in [
        with("factory_key", json!("f")),
        with("stop_signal", json!("TERM")),
        with("criticality", json!("best_effort")),
    ] {
        assert!(validator.is_valid(&good), "{good}");
    }
    for bad in [
        with("bogus", json!(1)),
        with("umask", json!("8")),
        with("ready_within_secs", json!(0)),
        with("backoff", json!({"initial_ms": -1})),
        with("backoff", json!(null)),
        with("name", json!("a/b")),
        with("role", json!("helper")),
        json!({"version": 2, "name": "s", "children": []}),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
        assert!(Stack::parse("f.json", bad.to_string()).is_err(), "{bad}");
    }
}

#[test]
fn the_committed_schema_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/stack.schema.json");
    let fresh = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == fresh, "{} is stale; run `cargo xtask gen`", path.display());
}

#[test]
fn json_is_yaml_and_is_read_too() {
    let text = json!({"version": 1, "name": "s", "children": [{"name": "a", "kind": "async_worker"}]});
    assert_eq!(good(text.to_string()).children[0].kind, Kind::AsyncWorker);
}

#[test]
fn a_byte_order_mark_and_foreign_line_ends_are_no_mistakes() {
    let text = "\u{feff}version: 1\r\nname: s\r\nchildren:\r\n  - {name: a, kind: async_worker}\r\n";
    assert_eq!(good(text).children.len(), 1);
}

#[test]
fn a_byte_that_is_no_text_is_shown_where_it_is() {
    let message = refused(*b"version: 1\nname: s\xff\nchildren: []\n");
    assert!(message.starts_with("f.yaml:2:8: error: the byte 0xff is not UTF-8"), "{message}");
    let message = refused(*b"version: 1\nname: s\0\n");
    assert!(message.starts_with("f.yaml:2:8: error: the character U+0000 is not allowed"), "{message}");
    let utf16: Vec<u8> = "\u{feff}version: 1".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(refused(utf16).contains("UTF-16"));
}

#[test]
fn floods_of_brackets_are_refused_with_one_message() {
    for text in [
        "[".repeat(200_000),
        "{a: ".repeat(50_000),
        "- ".repeat(100_000),
        "children: ".to_owned() + &"[".repeat(200_000),
    ] {
        let message = refused(text);
        assert_eq!(message.matches("error:").count(), 1, "{message}");
        assert!(message.contains("more than 64 deep") && message.len() < 1000, "{message}");
    }
}

#[test]
fn a_message_stays_short_whatever_is_in_the_file() {
    let long = "x".repeat(1_000_000);
    for text in [
        format!("version: {long}\n"),
        format!("{long}: 1\n"),
        format!("version: 1\nname: \"{long}\"\nchildren: []\n"),
    ] {
        let message = refused(text);
        assert!(message.len() < 20_000, "{} bytes", message.len());
    }
}

#[test]
fn a_hundred_thousand_children_are_read() {
    let mut text = String::from("version: 1\nname: many\nchildren:\n");
    for number in 0..100_000 {
        writeln!(text, "  - {{name: c{number}, kind: process, command: [sleep, {number}]}}").unwrap();
    }
    let manifest = good(text.as_str());
    assert_eq!(manifest.children.len(), 100_000);
    assert_eq!(manifest.children[99_999].command.as_deref().unwrap(), ["sleep", "99999"]);
}

#[test]
fn ten_thousand_mistakes_are_counted_and_a_hundred_shown() {
    let mut text = String::from("version: 1\nname: many\nchildren:\n");
    for number in 0..10_000 {
        writeln!(text, "  - {{name: c{number}, kind: process, comand: [sleep, {number}]}}").unwrap();
    }
    let Err(StackError::Invalid(findings)) = Stack::parse("f.yaml", text) else { panic!("accepted") };
    assert_eq!(findings.errors(), 10_000);
    assert!(findings.to_string().ends_with("… and 9900 more\n"));
}

#[test]
fn findings_come_in_the_order_of_the_file() {
    let text = "version: 2\nname: ..\nchildren:\n  - {name: a, kind: process}\n  - {name: b, kin: x}\n";
    let Err(StackError::Invalid(findings)) = Stack::parse("f.yaml", text) else { panic!("accepted") };
    let lines: Vec<u32> = findings.iter().map(|finding| finding.place.line).collect();
    assert!(lines.is_sorted() && lines.len() >= 4, "{lines:?}");
}
