//! New specs through the socket: what they would change, what they change, and who may bring them.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::live::Live;
use common::specs::{Texts, stack};
use common::{Scene, command_request, config, other, owner, secs, shop};
use serde_json::{Value, json};
use supervisor_control::Role;
use tokio_supervisor::{EventItem, EventKind};

/// A tree that was made of a text.
async fn scene(children: &str) -> (Scene, Texts) {
    let texts = Texts::new(None);
    let (config, spec) = texts.config(&stack(children));
    (Scene::new(spec, config).await, texts)
}

fn apply(id: &str, text: impl Into<Value>) -> Value {
    let mut request = command_request(id, "apply", Value::Null);
    request["params"]["stack"] = text.into();
    request
}

fn rolling(mut request: Value) -> Value {
    request["params"]["rollback"] = json!(true);
    request
}

fn plan(text: &str) -> Value {
    json!({"request_id": "p", "method": "plan", "params": {"stack": text}})
}

async fn children(scene: &Scene) -> Vec<String> {
    let state = scene.state(json!({})).await;
    let row = |row: &supervisor_api::wire::RuntimeRow| {
        format!("{} {} {}", row.child_path, row.lifecycle_state, row.generation)
    };
    state.runtime_state.iter().skip(1).map(row).collect()
}

async fn version(scene: &Scene) -> String {
    scene.state(json!({})).await.config_version.to_string()
}

fn version_of(text: &str) -> String {
    format!("{:016x}", text.len())
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_what_the_apply_then_does_and_changes_nothing() {
    let (scene, texts) = scene("same gone other").await;
    let old = version(&scene).await;
    let new = stack("same other:slow new");
    let before = children(&scene).await;
    let planned = scene.ask(&other(Role::Viewer), plan(&new)).await;
    let said = json!({"added": ["/new"], "removed": ["/gone"], "restarted": ["/other"], "updated": [], "unchanged": 1});
    let details = json!({"changed": [{"child_path": "/other", "keys": ["factory", "readiness"]}],
        "renamed": [{"from": "/gone", "to": "/new"}]});
    assert_eq!(
        planned["result"],
        json!({"type": "plan", "target_id": "shop", "plan": said, "details": details})
    );
    assert_eq!((children(&scene).await, version(&scene).await), (before, old.clone()));

    let quick = stack("same other new");
    let planned = scene.ask(&owner(), plan(&quick)).await["result"]["plan"].clone();
    let done = scene.ask(&owner(), apply("1", quick.clone())).await["result"]["result"].clone();
    assert_eq!((&done["status"], &done["error"]), (&json!("completed"), &Value::Null), "{done}");
    assert_eq!(done["outcome"], json!({"type": "applied", "plan": planned, "not_as_planned": []}));
    assert_eq!(children(&scene).await, ["/same running 1", "/other running 1", "/new running 1"]);

    // The version is that of the applied text, from the event on that says so.
    assert_eq!(version(&scene).await, version_of(&quick));
    let state = scene.state(json!({})).await;
    let at =
        state.recent_events.iter().position(|event| event.event_type.is(EventKind::SpecApplied)).unwrap();
    let versions = |events: &[supervisor_api::wire::EventRecord]| {
        let mut versions: Vec<String> = events.iter().map(|event| event.config_version.to_string()).collect();
        versions.dedup();
        versions
    };
    assert_eq!(versions(&state.recent_events[..at]), [old]);
    assert_eq!(versions(&state.recent_events[at..]), [version_of(&quick)]);
    assert_eq!(*texts.applied.lock().unwrap(), [version_of(&quick)]);
}

#[tokio::test(start_paused = true)]
async fn who_makes_no_specs_out_of_texts_says_so_and_does_not_offer_it() {
    let hello = json!({"request_id": "h", "method": "hello", "params": {}});
    let capabilities = async |scene: &Scene| {
        let answer = scene.ask(&owner(), hello.clone()).await;
        serde_json::from_value::<Vec<String>>(answer["result"]["capabilities"].clone()).unwrap()
    };
    let bare = Scene::new(shop(), config()).await;
    assert_eq!(capabilities(&bare).await, ["why", "what_if", "command.signal_child"]);
    for request in [plan("{}"), apply("1", "{}"), command_request("2", "reload", Value::Null)] {
        let answer = bare.ask(&owner(), request).await;
        assert_eq!((&answer["ok"], &answer["error"]["code"]), (&json!(false), &json!("unsupported_method")));
    }
    let (scene, _) = scene("a").await;
    assert_eq!(
        capabilities(&scene).await,
        ["why", "what_if", "command.signal_child", "plan", "command.apply"],
        "there is no file to read again"
    );
    let answer = scene.ask(&owner(), command_request("2", "reload", Value::Null)).await;
    assert_eq!(answer["error"]["code"], "unsupported_method", "{answer}");
}

#[tokio::test(start_paused = true)]
async fn d12_a_text_that_is_refused_changes_nothing_and_says_what_is_wrong() {
    let (scene, texts) = scene("a b").await;
    let before = (children(&scene).await, version(&scene).await);
    for (id, text, word) in [
        ("1", "no stack".to_owned(), "expected"),
        ("2", stack("a a"), "used twice"),
        ("3", stack("a b:nobody"), "nobody"),
    ] {
        let answer = scene.ask(&owner(), apply(id, text.clone())).await;
        let result = &answer["result"]["result"];
        assert_eq!((&answer["ok"], &result["status"]), (&json!(true), &json!("rejected")), "{answer}");
        assert_eq!(result["error"]["code"], "validation_failed");
        assert!(result["error"]["message"].as_str().unwrap().contains(word), "{result}");
        let planned = scene.ask(&owner(), plan(&text)).await;
        assert_eq!((&planned["ok"], &planned["error"]["code"]), (&json!(false), &json!("validation_failed")));
    }
    assert_eq!((children(&scene).await, version(&scene).await), before);
    assert!(texts.applied.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_spec_that_does_not_start_stays_or_is_taken_back_as_was_asked() {
    let (scene, texts) = scene("a b").await;
    let old = version(&scene).await;
    let answer = scene.ask(&owner(), rolling(apply("1", stack("a bad:never")))).await;
    let result = &answer["result"]["result"];
    assert_eq!((&result["status"], &result["accepted"]), (&json!("failed"), &json!(false)), "{result}");
    assert_eq!(result["error"]["code"], "command_failed");
    let message = result["error"]["message"].as_str().unwrap();
    assert!(message.contains("/bad is backoff") && message.contains("applied again"), "{message}");
    assert_eq!(result["outcome"]["not_as_planned"][0]["child_path"], "/bad");
    // `b` had been removed for it, and is another one now.
    assert_eq!(children(&scene).await, ["/a running 1", "/b running 1"]);
    assert_eq!(version(&scene).await, old);
    assert_eq!(texts.applied.lock().unwrap().len(), 2);

    let answer = scene.ask(&owner(), apply("2", stack("a bad:never"))).await;
    let message = answer["result"]["result"]["error"]["message"].as_str().unwrap();
    assert!(message.contains("/bad is backoff") && message.contains("goes on trying"), "{message}");
    let left = children(&scene).await;
    assert!(left[0] == "/a running 1" && left[1].starts_with("/bad "), "{left:?}");
    assert_eq!(version(&scene).await, version_of(&stack("a bad:never")));
}

/// Both are given before either is applied, in an order that is left to chance.
#[tokio::test(start_paused = true)]
async fn what_somebody_else_applied_just_before_is_not_taken_back() {
    for _ in 0..16 {
        let (scene, _) = scene("a").await;
        let caller = owner();
        let other = scene.ask(&caller, apply("1", stack("a good")));
        let bad = scene.ask(&caller, rolling(apply("2", stack("a good bad:never"))));
        let (other, bad) = tokio::join!(other, bad);
        assert_eq!(other["result"]["result"]["status"], "completed", "{other}");
        let rows = children(&scene).await;
        assert!(rows.iter().any(|row| row.starts_with("/good running")), "{bad}: {rows:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_applied_meanwhile_is_not_taken_back() {
    let (scene, _) = scene("a").await;
    let scene = std::sync::Arc::new(scene);
    let first = scene.clone();
    let bad =
        tokio::spawn(async move { first.ask(&owner(), rolling(apply("1", stack("a bad:never")))).await });
    while !children(&scene).await.iter().any(|child| child.starts_with("/bad")) {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let answer = scene.ask(&owner(), apply("2", stack("a bad:never good"))).await;
    assert_eq!(answer["result"]["result"]["outcome"]["plan"]["added"], json!(["/good"]), "{answer}");
    let answer = bad.await.unwrap();
    let message = answer["result"]["result"]["error"]["message"].as_str().unwrap();
    assert!(message.contains("meanwhile"), "{message}");
    assert!(children(&scene).await.contains(&"/good running 1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn s11_an_apply_is_carried_out_once_and_its_text_is_part_of_it() {
    let (scene, texts) = scene("a").await;
    let first = scene.ask(&owner(), apply("1", stack("a b"))).await;
    scene.command("2", "remove_child", "/b").await;
    let again = scene.ask(&owner(), apply("1", stack("a b"))).await;
    for key in ["status", "completed_at_unix_nanos"] {
        assert_eq!(again["result"]["result"][key], first["result"]["result"][key], "{again}");
    }
    assert_eq!(children(&scene).await, ["/a running 1"], "it was not done twice");
    let other = scene.ask(&owner(), apply("1", stack("a c"))).await;
    assert_eq!(other["result"]["result"]["error"]["code"], "command_id_conflict");
    let other = scene.ask(&owner(), rolling(apply("1", stack("a b")))).await;
    assert_eq!(other["result"]["result"]["error"]["code"], "command_id_conflict");
    assert_eq!(texts.applied.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn s14_only_an_admin_applies_and_only_what_somebody_has_confirmed() {
    let (scene, _) = scene("a").await;
    for role in [Role::Viewer, Role::Operator] {
        let answer = scene.ask(&other(role), apply("1", stack("a b"))).await;
        assert_eq!(answer["result"]["result"]["error"]["code"], "authz_denied", "{answer}");
    }
    let mut unconfirmed = apply("2", stack("a b"));
    unconfirmed["params"]["confirmed"] = json!(false);
    let answer = scene.ask(&owner(), unconfirmed).await;
    assert!(
        answer["result"]["result"]["error"]["message"].as_str().unwrap().contains("confirmed"),
        "{answer}"
    );
    let mut moved = apply("3", stack("a b"));
    moved["params"]["expect_state_generation"] = json!(1);
    let answer = scene.ask(&owner(), moved).await;
    assert!(
        answer["result"]["result"]["error"]["message"].as_str().unwrap().contains("moved on"),
        "{answer}"
    );
    assert_eq!(children(&scene).await, ["/a running 1"]);
}

#[tokio::test(start_paused = true)]
async fn s15_others_than_the_owner_bring_no_program_and_no_surroundings_that_were_not_there() {
    let program = json!({"name": "p", "kind": "process", "command": ["/bin/true"],
        "environment": [{"name": "A", "value": "1"}]});
    let text = |children: Vec<Value>| json!({"version": 1, "name": "shop", "children": children}).to_string();
    let task = |name: &str| json!({"name": name, "kind": "async_worker", "factory": "worker"});
    let texts = Texts::new(None);
    let (config, spec) = texts.config(&text(vec![program.clone()]));
    let scene = Scene::new(spec, config).await;
    let admin = other(Role::Admin);

    let answer = scene.ask(&admin, apply("1", text(vec![program.clone(), task("t")]))).await;
    assert_eq!(answer["result"]["result"]["status"], "completed", "what the owner said may stay: {answer}");
    let mut changed = program.clone();
    changed["command"] = json!(["/bin/false"]);
    let mut nested = json!({"name": "s", "kind": "supervisor"});
    nested["children"] = json!([changed]);
    let mut with_defaults: Value = serde_json::from_str(&text(vec![program.clone()])).unwrap();
    with_defaults["supervisor"] =
        json!({"defaults": {"environment": [{"name": "LD_PRELOAD", "value": "x"}]}});
    for (id, text) in [
        ("2", text(vec![changed.clone()])),
        ("3", text(vec![program.clone(), nested])),
        ("4", with_defaults.to_string()),
    ] {
        let answer = scene.ask(&admin, apply(id, text.clone())).await;
        assert_eq!(answer["result"]["result"]["error"]["code"], "authz_denied", "{answer}");
        let answer = scene.ask(&owner(), apply(id, text)).await;
        assert_ne!(answer["result"]["result"]["error"]["code"], "authz_denied", "the owner may: {answer}");
        scene.ask(&owner(), apply(&format!("back-{id}"), stack_of(&program))).await;
    }
}

fn stack_of(program: &Value) -> String {
    json!({"version": 1, "name": "shop", "children": [program]}).to_string()
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_takes_long_goes_on_and_its_outcome_is_told() {
    let (scene, _) = scene("a").await;
    let mut events = scene.handle.subscribe_events();
    let answer = scene.ask(&owner(), apply("long", stack("a slow:slow"))).await;
    assert_eq!(answer["result"]["result"]["status"], "accepted", "{answer}");
    let completed = async {
        loop {
            if let Some(EventItem::Event(event)) = events.next().await
                && event.event.kind == EventKind::CommandCompleted
            {
                return event;
            }
        }
    };
    let completed = tokio::time::timeout(secs(60), completed).await.unwrap();
    assert_eq!(completed.correlation_id(), Some("long"));
    assert!(completed.event.numbers[0] >= 40_000);
    assert_eq!(children(&scene).await, ["/a running 1", "/slow running 1"]);
}

#[tokio::test]
async fn a_reload_applies_what_the_file_says_now() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.json");
    let texts = Texts::new(Some(file.clone()));
    std::fs::write(&file, stack("a b")).unwrap();
    let (config, spec) = texts.config(&stack("a b"));
    let live = Live::new(spec, config).await;
    let mut client = live.client().await;
    let hello = client.hello().await;
    assert!(hello["result"]["capabilities"].as_array().unwrap().contains(&json!("command.reload")));
    let from = client.subscribe("events.subscribe", None).await;

    std::fs::write(&file, stack("a c")).unwrap();
    let what_if = json!({"request_id": "w", "method": "what_if", "params": {"command": "reload"}});
    let foreseen = client.ask(what_if).await["result"]["what_if"].clone();
    assert_eq!(foreseen["affected"].as_array().unwrap().len(), 2, "{foreseen}");
    let mut pushes = live.client().await;
    pushes.subscribe("events.subscribe", Some(from)).await;
    let answer = client.ask(command_request("1", "reload", Value::Null)).await;
    let result = &answer["result"]["result"];
    assert_eq!(
        (&result["status"], &result["outcome"]["plan"]["added"]),
        (&json!("completed"), &json!(["/c"])),
        "{answer}"
    );
    let applied = loop {
        let push = pushes.push("event").await;
        if push["event"]["event_type"] == "SpecApplied" {
            break push["event"].clone();
        }
    };
    assert_eq!(applied["config_version"], json!(version_of(&stack("a c"))));
    assert_eq!(applied["correlation_id"], "1");

    // What is wrong with the file is told to its owner only.
    std::fs::write(&file, "canary-77").unwrap();
    let answer = client.ask(command_request("2", "reload", Value::Null)).await;
    let result = &answer["result"]["result"];
    assert_eq!(result["status"], "rejected", "{answer}");
    assert!(result["error"]["message"].as_str().unwrap().contains("canary-77"), "{result}");
    live.control.close().await;
}

#[tokio::test(start_paused = true)]
async fn s17_what_is_wrong_with_the_file_is_not_quoted_to_others_than_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.json");
    let texts = Texts::new(Some(file.clone()));
    let (config, spec) = texts.config(&stack("a"));
    let scene = Scene::new(spec, config).await;
    std::fs::write(&file, "canary-77").unwrap();
    let answer = scene.ask(&other(Role::Admin), command_request("1", "reload", Value::Null)).await;
    assert_eq!(answer["result"]["result"]["status"], "rejected", "{answer}");
    let what_if = json!({"request_id": "w", "method": "what_if", "params": {"command": "reload"}});
    let foreseen = scene.ask(&other(Role::Viewer), what_if).await;
    for answer in [answer, foreseen] {
        assert!(!answer.to_string().contains("canary"), "{answer}");
        assert!(answer.to_string().contains("its owner can see why"), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_if_says_who_would_be_affected_or_why_it_would_be_refused() {
    let scene = Scene::shop().await;
    let ask = async |caller, command: &str, path: Value, manifest: Value| {
        let params = json!({"command": command, "target": {"child_path": path, "child_manifest": manifest}});
        scene.ask(&caller, json!({"request_id": "w", "method": "what_if", "params": params})).await
    };
    let before = scene.state(json!({})).await.state_generation;
    let answer = ask(owner(), "restart_child", json!("/pool"), Value::Null).await;
    assert_eq!(
        answer["result"]["what_if"],
        json!({"command": "restart_child", "refusal": null, "affected": [
            {"child_path": "/pool", "effect": "restarted"},
            {"child_path": "/pool/one", "effect": "restarted", "because": "it is below /pool"}]})
    );
    let new = json!({"name": "new", "kind": "async_worker", "factory": "worker"});
    let answer = ask(owner(), "add_child", Value::Null, new).await;
    assert_eq!(answer["result"]["what_if"]["affected"], json!([{"child_path": "/new", "effect": "running"}]));
    // Looking at a failure is reading.
    let answer = ask(other(Role::Viewer), "crash", json!("/db"), Value::Null).await;
    assert_eq!(
        answer["result"]["what_if"]["affected"],
        json!([{"child_path": "/db", "effect": "restarted"}])
    );
    let answer = ask(owner(), "crash", json!("/pool"), Value::Null).await;
    let refusal = answer["result"]["what_if"]["refusal"]["message"].clone();
    assert!(refusal.as_str().unwrap().contains("/pool is a supervisor"), "{answer}");
    for (caller, command, path, code) in [
        (owner(), "pause_child", "/fixed", "validation_failed"),
        (owner(), "remove_child", "/db", "validation_failed"),
        (other(Role::Viewer), "pause_child", "/web", "authz_denied"),
    ] {
        let answer = ask(caller, command, json!(path), Value::Null).await;
        let refusal = &answer["result"]["what_if"]["refusal"];
        let told = scene.ask(&caller, command_request(path, command, path)).await;
        let told = &told["result"]["result"]["error"];
        assert_eq!((&refusal["code"], &refusal["message"]), (&told["code"], &told["message"]), "{answer}");
        assert!(code == refusal["code"] || refusal["code"] == "authz_denied", "{answer}");
    }
    for (command, word) in [
        ("signal_child", "beforehand"),
        ("apply", "stack"),
        ("pause_child", "child_path"),
        ("crash", "child_path"),
    ] {
        let answer = ask(owner(), command, Value::Null, Value::Null).await;
        assert_eq!(answer["error"]["code"], "invalid_command_params", "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(word), "{answer}");
    }
    assert_eq!(scene.state(json!({})).await.state_generation, before);
}

#[tokio::test(start_paused = true)]
async fn what_if_plays_a_text_that_is_sent_and_nobody_elses() {
    let (scene, _texts) = scene("same gone").await;
    let ask = async |command: &str, text: &str| {
        let params = json!({"command": command, "target": {"child_path": "/same"}, "stack": text});
        scene.ask(&owner(), json!({"request_id": "w", "method": "what_if", "params": params})).await
    };
    let answer = ask("apply", &stack("same new")).await;
    assert_eq!(
        answer["result"]["what_if"]["affected"],
        json!([{"child_path": "/new", "effect": "running"}, {"child_path": "/gone", "effect": "removed"}])
    );
    let answer = ask("apply", "nonsense").await;
    assert_eq!(answer["error"]["code"], "validation_failed", "{answer}");
    let answer = ask("pause_child", &stack("same")).await;
    assert!(answer["error"]["message"].as_str().unwrap().contains("takes no stack"), "{answer}");
}
