//! What the library tells becomes what travels.

use std::sync::Arc;

use serde_json::{Value, json};
use supervisor_api::command::ChildState;
use supervisor_api::wire::*;
use supervisor_api::{
    Cause, ChildKey, Detail, Event, EventKind, Exit, Health, Lifecycle, Next, PolicyDecision, Readiness, Row,
    ShutdownState, StampedEvent, SupervisorPath,
};

fn path(text: &str) -> SupervisorPath {
    SupervisorPath::parse(text).unwrap()
}

fn stamped(sequence: u64, kind: EventKind, lifecycle: Lifecycle, exit: Option<Exit>) -> StampedEvent {
    StampedEvent {
        sequence,
        occurred_at_unix_nanos: 1_763_750_000_000_000_000,
        at: 1_000_000,
        path: path("/web/api"),
        cause_path: Some(path("/web")),
        next_path: None,
        event: Event {
            kind,
            child: ChildKey { index: 3, epoch: 0 },
            row: Row { lifecycle, generation: 4, attempt: 2, restart_count: 2, ..Row::DECLARED },
            cause: Cause::Group(1),
            next: Next::StartAt(401_000_000),
            numbers: [1, 2, 3, 4],
            detail: Some(Arc::new(Detail {
                exit,
                command: Some(9),
                correlation_id: Some("c-1".into()),
                ..Detail::default()
            })),
        },
    }
}

fn on_wire(event: &StampedEvent) -> EventOnWire<'_> {
    EventOnWire { target_id: "shop", config_version: "9f86d081884c7d65", event }
}

#[test]
fn an_event_is_the_same_record_however_it_is_written() {
    for &kind in EventKind::ALL {
        let event = stamped(7, kind, Lifecycle::Backoff, Some(Exit::failed("boom")));
        let record = EventRecord::from(on_wire(&event));
        let direct = serde_json::to_value(on_wire(&event)).unwrap();
        assert_eq!(serde_json::to_value(&record).unwrap(), direct, "{kind}");
        assert_eq!(serde_json::from_value::<EventRecord>(direct).unwrap(), record, "{kind}");
        assert!(record.event_type.is(kind) && record.severity.is(kind.severity()));
        for number in kind.spec().numbers {
            assert!(record.payload.contains_key(*number), "{kind}: {number}");
        }
    }
}

#[test]
fn an_event_has_the_keys_of_the_contract_and_the_id_of_the_callers_command() {
    let event = stamped(7, EventKind::ChildFailed, Lifecycle::Backoff, Some(Exit::failed("boom")));
    assert_eq!(
        serde_json::to_value(on_wire(&event)).unwrap(),
        json!({
            "target_id": "shop", "sequence": 7, "correlation_id": "c-1", "event_type": "ChildFailed",
            "severity": "warning", "target_path": "/web/api", "child_id": "api",
            "occurred_at_unix_nanos": 1_763_750_000_000_000_000_u64, "config_version": "9f86d081884c7d65",
            "payload": {
                "state": "backoff", "health": "unknown", "readiness": "unreported", "generation": 4, "attempt": 2,
                "restart_count": 2, "cause": "group_restart", "cause_path": "/web", "next": "start_at",
                "next_in_ms": 400, "ran_ms": 1, "budget_used": 2, "budget_max": 3,
                "exit": {"kind": "failed", "error": "boom"}
            }
        })
    );
}

#[test]
fn d9_an_event_is_the_same_line_of_text_when_it_comes_from_the_wire() {
    let nexts = [
        Next::Nothing,
        Next::StartNow,
        Next::StartAt(401_000_000),
        Next::WithGroup(1_000_000),
        Next::WaitsFor(3),
        Next::WhenGone,
        Next::KillAt(90_001_000_000),
        Next::Operator,
        Next::Escalate,
    ];
    let details = [
        Detail { exit: Some(Exit::failed("boom")), ..Detail::default() },
        Detail {
            exit: Some(Exit::Completed),
            chain: vec!["/a: x".into(), "/b: y".into()],
            ..Detail::default()
        },
        Detail { text: Some("a reason".into()), ..Detail::default() },
        Detail { requested_by: Some("ann".into()), reason: Some("stuck".into()), ..Detail::default() },
    ];
    for &kind in EventKind::ALL {
        for cause in [Cause::Operator, Cause::Group(1), Cause::Exit] {
            for next in nexts {
                for detail in &details {
                    let mut event = stamped(7, kind, Lifecycle::Backoff, None);
                    event.next_path = (next == Next::WaitsFor(3)).then(|| path("/db"));
                    event.event.numbers = [1_500, 2, u32::MAX, 4];
                    (event.event.cause, event.event.next) = (cause, next);
                    event.event.detail = Some(Arc::new(detail.clone()));
                    let record = EventRecord::from(on_wire(&event));
                    assert_eq!(record.to_string(), event.to_string());
                }
            }
        }
    }
}

#[test]
fn an_event_of_another_kind_is_a_line_of_what_it_says() {
    let mut record =
        EventRecord::from(on_wire(&stamped(7, EventKind::ChildFailed, Lifecycle::Backoff, None)));
    (record.event_type, record.payload) = (Word::Other("ChildSlept".into()), serde_json::Map::new());
    assert_eq!(record.to_string(), "/web/api ChildSlept");
    record.payload.insert("next".into(), json!("start_at"));
    record.payload.insert("attempt".into(), json!(u64::MAX));
    record.payload.insert("cause_path".into(), json!("no path"));
    assert_eq!(record.to_string(), format!("/web/api ChildSlept; starts again now (attempt {})", u64::MAX));
}

fn child(as_of: u64, lifecycle_state: Lifecycle, last_failure: Option<Exit>) -> ChildState {
    ChildState {
        child_path: path("/web/api"),
        lifecycle_state,
        health: Health::Unknown,
        readiness: Readiness::Unreported,
        generation: 4,
        attempt: 2,
        restart_count: 2,
        last_failure,
        last_policy_decision: None,
        shutdown_state: ShutdownState::of(lifecycle_state, false),
        as_of,
        since_unix_nanos: None,
        started_at_unix_nanos: None,
        next_start_at_unix_nanos: None,
    }
}

#[test]
fn a_row_folded_from_an_event_is_the_row_that_the_library_reads() {
    let exit = Exit::Panicked { message: "boom".into(), location: None };
    let event = stamped(7, EventKind::ChildPanicked, Lifecycle::Backoff, Some(exit.clone()));
    let Ok(TargetLine::Response(first)) = TargetLine::read(crate::lines("fold_replace")[0].as_bytes()) else {
        panic!()
    };
    let Some(Ok(ResultBody::State { state, .. })) = first.into_result() else { panic!() };
    let mut view = TreeView::new(*state);
    view.apply_event(on_wire(&event).into());
    let mut read = child(7, Lifecycle::Backoff, Some(exit.clone()));
    read.last_policy_decision = Some(PolicyDecision::StartAt);
    let row = RuntimeRow::of(&read);
    assert_eq!(view.row(&path("/web/api")), Some(&row));
    assert_eq!(row.exit(), Some(exit));
    assert_eq!(row.last_policy_decision, Some(Value::from("start_at")));

    // An end that was asked for is decided about, and is no failure.
    let stopped = stamped(8, EventKind::ChildStopped, Lifecycle::Stopped, Some(Exit::Stopped));
    view.apply_event(on_wire(&stopped).into());
    let row = view.row(&path("/web/api")).unwrap();
    assert_eq!(row.exit(), Some(Exit::Panicked { message: "boom".into(), location: None }));
    assert!(row.shutdown_state.is(ShutdownState::Completed));
}

#[test]
fn both_names_of_attempt_are_written() {
    let row = serde_json::to_value(RuntimeRow::of(&child(7, Lifecycle::Running, None))).unwrap();
    assert_eq!((&row["attempt"], &row["child_start_count"]), (&json!(2), &json!(2)));
    let mut differ = row.clone();
    differ["child_start_count"] = json!(9);
    assert_eq!(serde_json::from_value::<RuntimeRow>(differ).unwrap().attempt, 2, "attempt counts");
    let mut neither = row;
    neither.as_object_mut().unwrap().retain(|key, _| key != "attempt" && key != "child_start_count");
    let error = serde_json::from_value::<RuntimeRow>(neither).unwrap_err().to_string();
    assert!(error.contains("missing field `attempt`"), "{error}");
}

#[test]
fn edges_say_who_needs_whom() {
    let edge = Edge::dependency(&path("/api"), &path("/db"), 2);
    assert_eq!(edge.edge_id, "dependency:/api->/db");
    assert_eq!((edge.source_path, edge.target_path, edge.order), (path("/api"), path("/db"), 2));
    assert_eq!(Edge::parent(&SupervisorPath::root(), &path("/db"), 0).edge_id, "parent:/->/db");
}

#[test]
fn a_config_version_has_16_digits_and_canonical_json_sorts_keys() {
    let mut digest = [0; 32];
    digest[..9].copy_from_slice(&[0x9f, 0x86, 0xd0, 0x81, 0x88, 0x4c, 0x7d, 0x65, 0xff]);
    assert_eq!(&*config_version(&digest), "9f86d081884c7d65");
    let text = canonical_json(&json!({"b": [1, {"d": null, "c": "\u{e9}\""}], "a": 2.5, "B": {}}));
    assert_eq!(text, "{\"B\":{},\"a\":2.5,\"b\":[1,{\"c\":\"\u{e9}\\\"\",\"d\":null}]}");
}

#[test]
fn the_body_of_a_command_is_what_it_does_and_not_who_sent_it_when() {
    let Ok(Request { call: Call::Command(asked), .. }) =
        Request::read(crate::lines("requests")[7].as_bytes())
    else {
        panic!()
    };
    let same = ControlCommandRequest {
        command_id: "another".into(),
        requested_by: "bob".into(),
        requested_at_unix_nanos: None,
        ..(*asked).clone()
    };
    assert_eq!(asked.body(), same.body());
    let mut others = [(*asked).clone(), (*asked).clone(), (*asked).clone(), (*asked).clone()];
    others[0].reason = "another".into();
    others[1].confirmed = true;
    others[2].target.child_path = Some("/other".into());
    others[3].command = Command::PauseChild;
    for other in others {
        assert_ne!(asked.body(), other.body());
    }
}

#[test]
fn a_filter_wants_what_fits_all_that_it_says() {
    let event: EventRecord = on_wire(&stamped(7, EventKind::ChildFailed, Lifecycle::Backoff, None)).into();
    let wants = |conditions: Value| {
        serde_json::from_value::<FilterConditions>(conditions).unwrap().wants_event(&event)
    };
    let fits = json!({
        "target_ids": ["shop"], "child_paths": ["/x", "/web/api"], "lifecycle_states": ["backoff"],
        "event_types": ["ChildFailed"], "severities": ["warning"], "sequence_min": 7, "correlation_id": "c-1"
    });
    assert!(wants(json!({})) && wants(fits.clone()));
    let unfit = [
        ("target_ids", json!(["x"])),
        ("child_paths", json!(["/web"])),
        ("lifecycle_states", json!(["running"])),
        ("event_types", json!(["ChildReady"])),
        ("severities", json!(["error"])),
        ("sequence_min", json!(8)),
        ("correlation_id", json!("c-2")),
    ];
    for (key, value) in unfit {
        let mut conditions = fits.clone();
        conditions[key] = value;
        assert!(!wants(conditions), "{key}");
    }
}

#[test]
fn a_result_says_how_far_the_command_is() {
    let Ok(Request { call: Call::Command(asked), .. }) =
        Request::read(crate::lines("requests")[7].as_bytes())
    else {
        panic!()
    };
    let error = WireError::new(ErrorCode::AuthzDenied, "no");
    let at = UnixNanos(5);
    let results = [
        (ControlCommandResult::completed(&asked, at), true, "completed", Some(at)),
        (ControlCommandResult::accepted(&asked), true, "accepted", None),
        (ControlCommandResult::rejected(&asked, error.clone(), at), false, "rejected", Some(at)),
        (ControlCommandResult::failed(&asked, error, at), false, "failed", Some(at)),
    ];
    for (result, accepted, status, at) in results {
        assert_eq!((result.accepted, result.status.as_str()), (accepted, status));
        assert_eq!((result.error.is_some(), result.completed_at_unix_nanos), (!accepted, at));
        assert_eq!((&*result.command_id, &*result.target_id), ("c-1", "shop"));
    }
}
