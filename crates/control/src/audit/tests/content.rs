//! What stands in the records, and what does not.

use std::sync::Arc;

use serde_json::{Value, json};
use supervisor_api::manifest::{ChildManifest, EnvironmentEntry, Kind};
use supervisor_api::wire::{
    AuditFilter, AuditRecord, Command, ControlCommandResult, ErrorCode, UnixNanos, WireError,
};
use supervisor_api::{ChildId, wire::ControlCommandRequest};
use supervisor_ledger::{Entry, Reader, verify};

use super::*;
use crate::audit::AuditDenial;
use crate::ids::Once;

const CANARY: &str = "canary-7c31";

/// The bodies of all records, as JSON.
fn bodies(path: &std::path::Path) -> Vec<Value> {
    records(path).into_iter().map(|(_, record)| serde_json::to_value(record).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn s12_the_intent_is_on_the_disk_when_the_act_begins_and_the_outcome_when_it_is_told() {
    let home = home();
    let once = open(&home.path).await;
    let asked = restart("c-1");
    let act = {
        let (path, result) = (home.path.clone(), completed(&asked));
        async move {
            assert_eq!(entries(&path), ["intent"]);
            result
        }
    };
    once.run(&caller(7), &asked, None, act).await.unwrap();
    assert_eq!(entries(&home.path), ["intent", "outcome"]);
}

#[tokio::test(start_paused = true)]
async fn s16_a_record_says_who_asked_for_what_and_how_it_went() {
    let home = home();
    let once = open(&home.path).await;
    carry_out(&once, 7, "c-1").await.0.unwrap();
    once.close().await;
    let all = bodies(&home.path);
    let digest = all[0]["body_sha256"].clone();
    assert_eq!(digest.as_str().map(str::len), Some(64));
    let both = json!({
        "target_id": "shop",
        "peer": {"uid": 7, "gid": 100, "pid": 4711},
        "connection_id": 3,
        "frame_bytes": 212,
        "actor": {"proved": "uid:7", "role": "admin", "claimed": "ann"},
        "action": "command.restart_child",
        "command_id": "c-1",
        "target": "/web",
        "reason": "it is stuck",
        "decision": "allowed",
    });
    let with = |more: Value| {
        let mut all = both.as_object().unwrap().clone();
        all.extend(more.as_object().unwrap().clone());
        Value::Object(all)
    };
    let intent =
        json!({"entry": "intent", "outcome": null, "details": {"confirmed": false}, "body_sha256": digest});
    let outcome = json!({"entry": "outcome", "intent": 1, "outcome": {
        "result": "completed", "error": null, "completed_at_unix_nanos": 5
    }});
    assert_eq!(all, [with(intent), with(outcome)]);
    // Sequence, times and chain stand in the line around.
    let text = std::fs::read_to_string(home.path.join("segment-0000000001.jsonl")).unwrap();
    let line: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(line["sequence"], 1);
    assert!(line["recorded_at_unix_nanos"].is_u64() && line["monotonic_nanos"].is_u64());
    assert_eq!(line["previous"].as_str().map(str::len), Some(64));
    assert_eq!(verify(&home.path).unwrap().records, 2);
}

#[tokio::test(start_paused = true)]
async fn s12_refusals_are_recorded_with_their_code_also_those_of_duplicates() {
    let home = home();
    let once = open(&home.path).await;
    carry_out(&once, 7, "c-1").await.0.unwrap();
    let other = ControlCommandRequest { reason: "another".into(), ..restart("c-1") };
    let conflict = once.run(&caller(7), &other, None, async { unreachable!("it must not be done") }).await;
    let conflict = conflict.unwrap_err();
    assert_eq!(conflict.code.known(), Some(ErrorCode::CommandIdConflict));
    let denied = WireError::new(ErrorCode::AuthzDenied, "an operator may not remove children");
    let long = ControlCommandRequest { reason: "x".repeat(60_000), ..asked("c-2", Command::RemoveChild) };
    once.audit().deny(AuditDenial::command(&caller(8), &long, &denied));
    once.close().await;
    let all = bodies(&home.path);
    let seen: Vec<_> = all[2..]
        .iter()
        .map(|body| (body["action"].as_str().unwrap(), body["decision"].as_str().unwrap(), &body["outcome"]))
        .map(|(action, decision, outcome)| (action, decision, outcome["error"]["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            ("command.restart_child", "denied", "command_id_conflict"),
            ("command.remove_child", "denied", "authz_denied"),
        ]
    );
    assert!(all[3].to_string().len() < 2_000, "a denial is short, whatever was asked");
    assert_eq!(all[3]["target_id"], "shop");
}

fn add(id: &str, manifest: Value) -> ControlCommandRequest {
    let mut asked = asked(id, Command::AddChild);
    asked.target.child_path = None;
    asked.target.child_manifest = Some(manifest);
    asked.confirmed = true;
    asked
}

fn failing(asked: &ControlCommandRequest) -> ControlCommandResult {
    let message = format!("the variable TOKEN={CANARY} is not wanted");
    let failed = WireError::new(ErrorCode::CommandFailed, message);
    let mut result = ControlCommandResult::failed(asked, failed, UnixNanos(5));
    result.outcome = Some(json!({"type": "x", "text": format!("{CANARY}!")}));
    result
}

#[tokio::test(start_paused = true)]
async fn s17_no_value_of_a_manifest_reaches_the_disk_health_or_a_later_answer() {
    let home = home();
    let once = open(&home.path).await;
    let mut manifest = ChildManifest::new(ChildId::new("api").unwrap(), Kind::Process);
    manifest.command = Some(vec!["serve".into()]);
    manifest.environment =
        vec![EnvironmentEntry { name: "TOKEN".into(), value: Some(CANARY.into()), secret_ref: None }];
    let as_object = serde_json::to_value(&manifest).unwrap();
    let as_text = format!("name: api\nkind: process\nenvironment: [{{name: TOKEN, value: {CANARY}}}]\n");

    // As an object and as a text, read and not read, carried out and refused.
    for (id, sent, read) in [
        ("object", as_object.clone(), Some(&manifest)),
        ("object-unread", as_object.clone(), None),
        ("text", Value::from(as_text.clone()), Some(&manifest)),
        ("text-unread", Value::from(as_text.clone()), None),
    ] {
        let asked = add(id, sent);
        let result = failing(&asked);
        once.run(&caller(7), &asked, read, async move { result }).await.unwrap();
        let quoting = WireError::new(ErrorCode::ValidationFailed, format!("'{CANARY}' is no word"));
        once.audit().deny(AuditDenial::command(&caller(7), &asked, &quoting));
    }
    let mut apply = asked("apply", Command::Apply);
    apply.target.child_path = None;
    apply.stack = Some(as_text);
    let result = failing(&apply);
    once.run(&caller(7), &apply, None, async move { result }).await.unwrap();
    let health = format!("{:?} {:?}", once, once.audit().health());
    once.close().await;

    let all = bodies(&home.path);
    let of = |id: &str, entry: &str| {
        let found = all.iter().find(|body| body["command_id"] == id && body["entry"] == entry);
        found.unwrap_or_else(|| panic!("no {entry} of {id}"))
    };
    let kept = json!([{"name": "TOKEN", "value": "[left out]"}]);
    for id in ["object", "object-unread", "text"] {
        let manifest = &of(id, "intent")["details"]["manifest"];
        assert_eq!((&manifest["environment"], &manifest["command"]), (&kept, &json!(["serve"])), "{id}");
        let message = &of(id, "outcome")["outcome"]["error"]["message"];
        assert_eq!(message, "the variable TOKEN=[left out] is not wanted", "{id}");
    }
    for (id, what) in [("text-unread", "manifest"), ("apply", "stack")] {
        let text = &of(id, "intent")["details"][what];
        assert_eq!(text["sha256"].as_str().map(str::len), Some(64), "{id}");
        assert!(text["bytes"].as_u64().unwrap() > 20, "{id}");
    }
    let once = open(&home.path).await;
    let asked = add("object", as_object);
    let again = once.run(&caller(7), &asked, None, async { unreachable!("it was done") }).await.unwrap();
    let mut shown = health + &format!("{again:?}");
    for file in std::fs::read_dir(&home.path).unwrap() {
        shown += &String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap());
    }
    assert!(shown.contains("text-unread"));
    if let Some(at) = shown.find(CANARY) {
        let line = shown[..at].rfind('\n').map_or(0, |feed| feed + 1);
        panic!("a secret is shown: {}", shown[line..].lines().next().unwrap_or_default());
    }
}

#[tokio::test(start_paused = true)]
async fn s16_old_segments_go_and_the_chain_stays_whole() {
    let home = home();
    let options = crate::AuditOptions {
        segment_bytes: 4_000,
        total_bytes: 20_000,
        ..crate::AuditOptions::new(&home.path)
    };
    let once = Once::open(&crate::AuditConfig::Directory(options), Arc::from(TARGET)).await;
    for number in 0..100 {
        carry_out(&once, 7, &format!("c-{number}")).await.0.unwrap();
    }
    once.close().await;
    let size: u64 =
        std::fs::read_dir(&home.path).unwrap().map(|it| it.unwrap().metadata().unwrap().len()).sum();
    assert!(size <= 21_000, "{size}");
    let verified = verify(&home.path).unwrap();
    assert_eq!(verified.end.sequence, 200);
    assert!(verified.records < 200);
    // An outcome whose intent went with an old segment hurts nobody.
    let once = open(&home.path).await;
    assert!(!carry_out(&once, 7, "c-99").await.1);
}

#[tokio::test(start_paused = true)]
async fn s16_the_audit_is_read_record_by_record_and_narrowed_by_who_what_and_when() {
    let home = home();
    let once = open(&home.path).await;
    for (uid, id) in [(7, "a"), (8, "b"), (7, "c")] {
        carry_out(&once, uid, id).await.0.unwrap();
    }
    // While it is written to.
    let mut reader = Reader::open(&home.path).unwrap();
    let all: Vec<Entry<AuditRecord>> = reader.entries().map(Result::unwrap).collect();
    let found = |filter: AuditFilter| -> Vec<u64> {
        let matching = all.iter().filter(|it| filter.matches(it.record.recorded_at_unix_nanos, &it.body));
        matching.map(|entry| entry.record.sequence).collect()
    };
    let any = AuditFilter::default();
    assert_eq!(found(any.clone()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(found(AuditFilter { uid: Some(8), ..any.clone() }), [3, 4]);
    assert_eq!(found(AuditFilter { command: Some("restart_child".into()), ..any.clone() }).len(), 6);
    assert_eq!(found(AuditFilter { command: Some("pause_child".into()), ..any.clone() }).len(), 0);
    assert_eq!(found(AuditFilter { target: Some("/web".into()), uid: Some(7), ..any.clone() }), [1, 2, 5, 6]);
    let from = all[4].record.recorded_at_unix_nanos;
    assert_eq!(found(AuditFilter { since_unix_nanos: Some(from), ..any.clone() }), [5, 6]);
    assert_eq!(found(AuditFilter { until_unix_nanos: Some(from), ..any }), [1, 2, 3, 4]);
}
