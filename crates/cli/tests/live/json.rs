//! `--output json` is stable: these are its keys, each is on the page, and what is of the wire reads as such.

use serde::de::DeserializeOwned;
use serde_json::Value;
use supervisor_api::wire::{
    AuditRecord, ControlCommandResult, DashboardState, EventRecord, LogRecord, Node, RuntimeRow, WhyAnswer,
    WireError,
};

use crate::shop::Shop;

fn reads<T: DeserializeOwned>(value: &Value) {
    serde_json::from_value::<T>(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"));
}

/// A key whose value is of the wire.
type OfTheWire = (&'static str, fn(&Value));

struct Shape {
    args: &'static [&'static str],
    /// Where on the page it stands.
    section: &'static str,
    kind: &'static str,
    /// Every key, in the order of the alphabet.
    keys: &'static str,
    wire: &'static [OfTheWire],
}

const SHAPES: &[Shape] = &[
    Shape {
        args: &["tree"],
        section: "tree",
        kind: "state",
        keys: "state target_id type",
        wire: &[("state", reads::<DashboardState>)],
    },
    Shape {
        args: &["status"],
        section: "status",
        kind: "status",
        keys: "attention by_state children config_version display_name dropped_event_count dropped_log_count \
            generated_at_unix_nanos health state_generation target_id type",
        wire: &[("attention", reads::<Vec<RuntimeRow>>)],
    },
    Shape {
        args: &["status", "/mail"],
        section: "status",
        kind: "status",
        keys: "children depends_on needed_by next node row target_id type",
        wire: &[("node", reads::<Node>), ("row", reads::<RuntimeRow>)],
    },
    Shape {
        args: &["events"],
        section: "events",
        kind: "event",
        keys: "event target_id type",
        wire: &[("event", reads::<EventRecord>)],
    },
    Shape {
        args: &["logs", "/"],
        section: "logs",
        kind: "log",
        keys: "log target_id type",
        wire: &[("log", reads::<LogRecord>)],
    },
    Shape {
        args: &["why", "/broken"],
        section: "why",
        kind: "why",
        keys: "row target_id type why",
        wire: &[("row", reads::<RuntimeRow>), ("why", reads::<WhyAnswer>)],
    },
    Shape {
        args: &["health"],
        section: "health",
        kind: "health",
        keys: "audit because exit_code health registration target_id type",
        wire: &[],
    },
    Shape {
        args: &["restart", "/web", "--reason", "x"],
        section: "restart",
        kind: "command_result",
        keys: "result target_id type",
        wire: &[("result", reads::<ControlCommandResult>)],
    },
    Shape {
        args: &["signal", "/web", "HUP", "--reason", "x"],
        section: "restart",
        kind: "command_result",
        keys: "result target_id type",
        wire: &[("result", reads::<ControlCommandResult>)],
    },
    Shape {
        args: &["pause", "/stubborn", "--reason", "x", "--no-wait"],
        section: "restart",
        kind: "command_sent",
        keys: "target_id type",
        wire: &[],
    },
];

/// The part of the page about a verb.
fn section(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-line.md");
    let page = std::fs::read_to_string(path).unwrap();
    let from = page.find(&format!("\n## {name}\n")).unwrap_or_else(|| panic!("{name} is not on the page"));
    page[from + 1..].split("\n## ").next().unwrap().to_owned()
}

fn keys(value: &Value) -> String {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys.join(" ")
}

#[track_caller]
fn is_told(section_of: &str, words: impl IntoIterator<Item = impl AsRef<str>>) {
    let text = section(section_of);
    for word in words {
        let word = word.as_ref();
        assert!(text.contains(&format!("`{word}`")), "{word} is not told under {section_of}");
    }
}

#[test]
fn every_answer_has_the_keys_of_the_page() {
    let shop = Shop::up();
    for shape in SHAPES {
        let said = shop.json(shape.args);
        assert_eq!(said.code, Some(0), "{:?}: {}", shape.args, said.err);
        let lines = said.lines();
        assert!(!lines.is_empty(), "{:?}", shape.args);
        for line in lines {
            assert_eq!(
                (line["type"].as_str(), keys(&line).as_str()),
                (Some(shape.kind), shape.keys),
                "{:?}",
                shape.args
            );
            shape.wire.iter().for_each(|(key, reads)| reads(&line[key]));
        }
        is_told(shape.section, shape.keys.split(' ').chain([shape.kind]).filter(|key| *key != "type"));
    }
    let because = shop.json(&["health"]).json()["because"][0].clone();
    assert_eq!(keys(&because), "child_path reason");

    // A failure is a line of its own, beside the answer of the target if there is one.
    let said = shop.json(&["restart", "/locked", "--reason", "x"]);
    let lines = said.lines();
    assert_eq!((lines.len(), said.code), (2, Some(4)));
    assert_eq!(keys(&lines[1]), "error exit_code type");
    reads::<WireError>(&lines[1]["error"]);
    let ours = shop.json(&["restart", "/nobody", "--reason", "x"]).json();
    assert_eq!(
        (keys(&ours), keys(&ours["error"])),
        ("error exit_code type".to_owned(), "code message".to_owned())
    );

    let audit = shop.run.home.path().join(".local/state/tokio-supervisor/shop/audit");
    let audit = audit.to_str().unwrap();
    let records = shop.json(&["audit", "show", audit]).lines();
    for record in &records {
        assert_eq!(keys(record), "body recorded_at_unix_nanos sequence type");
        assert_eq!(record["type"], "audit_record");
        reads::<AuditRecord>(&record["body"]);
    }
    let verified = shop.json(&["audit", "verify", audit]).json();
    assert_eq!(keys(&verified), "end ok records segments torn type");
    assert_eq!(keys(&verified["end"]), "hash sequence");
    is_told(
        "audit",
        "audit_record body recorded_at_unix_nanos sequence audit_verified end ok records segments torn hash"
            .split(' '),
    );
}
