//! What is told fits the schema of the words, and the schema refuses what is not told.
#![cfg(feature = "schema")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;

use serde_json::{Value, json};
use supervisor_api::command::{ChildControlOutcome, CommandResult};
use supervisor_api::report::{RuntimeExitReport, RuntimeFailureReason, ShutdownResult};
use supervisor_api::{
    Cause, ChildKey, Detail, Event, EventKind, Exit, Lifecycle, Next, Row, StampedEvent, SupervisorPath,
    words_schema,
};

/// Whether `value` may stand under this property of the schema.
fn fits(property: &str, value: impl serde::Serialize) -> Result<(), String> {
    let schema = words_schema();
    let root = serde_json::to_value(&schema).unwrap();
    let part = json!({
        "$defs": root["$defs"],
        "type": "object",
        "properties": {property: root["properties"][property]},
    });
    let validator = jsonschema::validator_for(&part).unwrap();
    let wrapped = json!({property: value});
    validator.validate(&wrapped).map_err(|error| format!("{}: {error}", error.instance_path))
}

fn event(kind: EventKind) -> StampedEvent {
    let detail = Detail {
        exit: Some(Exit::Panicked { message: "boom".into(), location: Some("src/a.rs:1:2".into()) }),
        requested_by: Some("ops".into()),
        reason: Some("why".into()),
        text: Some("a sentence".into()),
        chain: vec!["/a: failed".into()],
        command: Some(7),
        correlation_id: Some("c-7".into()),
    };
    StampedEvent {
        sequence: 1,
        occurred_at_unix_nanos: 2,
        at: 3,
        path: SupervisorPath::parse("/a/b").unwrap(),
        cause_path: Some(SupervisorPath::root()),
        next_path: Some(SupervisorPath::parse("/a").unwrap()),
        event: Event {
            kind,
            child: ChildKey { index: 1, epoch: 0 },
            row: Row { lifecycle: Lifecycle::Waiting, ..Row::DECLARED },
            cause: Cause::Dependency(2),
            next: Next::StartAt(9),
            numbers: [1, 2, 3, 4],
            detail: Some(Arc::new(detail)),
        },
    }
}

#[test]
fn every_kind_of_event_fits() {
    for &kind in EventKind::ALL {
        fits("event", event(kind)).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn what_no_event_says_does_not_fit() {
    let with = |key: &str, value: Value| {
        let mut told = serde_json::to_value(event(EventKind::ChildFailed)).unwrap();
        told["payload"][key] = value;
        fits("event", told)
    };
    assert!(with("state", json!("running")).is_ok());
    assert!(with("state", json!("sleeping")).is_err());
    assert!(with("a_key_that_no_event_has", json!(1)).is_err());
    assert!(with("generation", json!("one")).is_err());
}

#[test]
fn results_and_reports_fit() {
    let path = SupervisorPath::parse("/a").unwrap();
    let outcome = ChildControlOutcome {
        child_id: "a".into(),
        path: path.clone(),
        generation: 1,
        attempt: 0,
        restart_count: 0,
        state_before: Lifecycle::Running,
        state_after: Lifecycle::Paused,
        idempotent: false,
        cancel_delivered: true,
        failure: None,
    };
    let results = [
        CommandResult::ChildAdded { path, state: Lifecycle::Running, generation: 1 },
        CommandResult::ChildControl { outcome },
        CommandResult::Shutdown { result: ShutdownResult::default() },
    ];
    for result in results {
        fits("command_result", result).unwrap();
    }
    let failure = RuntimeFailureReason::new("escalation", "/a: failed", false, true);
    fits("exit_report", RuntimeExitReport::failed(failure, 1)).unwrap();
    assert!(fits("exit_report", json!({"state": "asleep"})).is_err());
}
