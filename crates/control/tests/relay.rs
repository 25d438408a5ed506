//! Requests over a live socket: a relay to the letter, many requests on one connection, and the fixtures.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::collections::BTreeSet;

use common::live::{Client, Live};
use common::specs::{Texts, stack};
use common::{TARGET, command_request};
use serde_json::{Value, json};
use supervisor_api::wire::{Command, TargetLine};
use supervisor_control::RegistrationConfig;
use tokio::io::{AsyncWriteExt as _, BufReader};

/// A command of the relay, and the child that shows in the next read that it was carried out: its state and its run, null
/// when it is not there.
struct Row {
    command: &'static str,
    target: Value,
    /// What only this command has.
    more: Value,
    shows: (&'static str, Value, Value),
}

const BEFORE: &str = "db web program:program";

fn rows() -> Vec<Row> {
    let row = |command, target, path, state: &str, run: u64| {
        let shows = match run {
            0 => (path, Value::Null, Value::Null),
            run => (path, json!(state), json!(run)),
        };
        Row { command, target, more: json!({}), shows }
    };
    let worker = json!({"name": "worker", "kind": "async_worker"});
    let with = |row: Row, more: Value| Row { more, ..row };
    vec![
        row("pause_child", json!("/db"), "/db", "paused", 1),
        row("resume_child", json!("/db"), "/db", "running", 2),
        row("quarantine_child", json!("/db"), "/db", "quarantined", 2),
        row("restart_child", json!("/db"), "/db", "running", 3),
        with(row("signal_child", json!("/program"), "/program", "running", 1), json!({"signal": "HUP"})),
        row("add_child", worker, "/worker", "running", 1),
        row("remove_child", json!("/worker"), "/worker", "", 0),
        with(
            row("apply", Value::Null, "/new", "running", 1),
            json!({"stack": stack(&format!("{BEFORE} new"))}),
        ),
        // The file is as it was.
        row("reload", Value::Null, "/new", "", 0),
        row("shutdown_tree", Value::Null, "/db", "stopped", 3),
    ]
}

/// A new connection per request, exact keys, `correlation_id: null`, no `hello`, closed right after the reply.
#[tokio::test]
async fn a_relay_to_the_letter_can_give_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.json");
    std::fs::write(&file, stack(BEFORE)).unwrap();
    let (config, spec) = Texts::new(Some(file)).config(&stack(BEFORE));
    let live = Live::new(spec, config).await;

    // Whoever adds a command adds a row. The relay itself does not ask what there is.
    let hello = live.client().await.hello().await["result"].clone();
    let supported = hello["registration"]["supported_commands"].as_array().unwrap().iter();
    let capabilities = hello["capabilities"].as_array().unwrap().iter();
    let offered = supported.map(|command| command["name"].as_str().unwrap());
    let offered: BTreeSet<_> = offered
        .chain(capabilities.filter_map(|method| method.as_str().unwrap().strip_prefix("command.")))
        .collect();
    assert_eq!(offered, Command::ALL.iter().map(|command| command.as_str()).collect(), "all there are");
    assert_eq!(offered, rows().iter().map(|row| row.command).collect(), "each has a row");

    for Row { command, target, more, shows: (path, state, run) } in rows() {
        let mut request = command_request(command, command, target);
        request["params"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = live.ask_once(request).await;
        let result = &answer["result"]["result"];
        assert_eq!((&answer["request_id"], &answer["ok"]), (&json!(format!("r-{command}")), &json!(true)));
        assert_eq!(
            (&result["command_id"], &result["status"]),
            (&json!(command), &json!("completed")),
            "{answer}"
        );
        let answer = live.ask_once(json!({"request_id": "s", "method": "current_state", "params": {}})).await;
        let read = &answer["result"]["state"];
        let row = read["runtime_state"].as_array().unwrap().iter().find(|row| row["child_path"] == path);
        let row = row.cloned().unwrap_or_default();
        assert_eq!((&row["lifecycle_state"], &row["generation"]), (&state, &run), "after {command}");
        // What does not change the state of a child is told all the same.
        let events = read["recent_events"].as_array().unwrap();
        assert!(events.iter().any(|event| event["correlation_id"] == command), "{command}");
        let signalled = events.iter().any(|event| event["event_type"] == "ChildSignalled");
        assert!(signalled || command != "signal_child", "{events:?}");
    }
}

#[tokio::test]
async fn many_requests_at_once_are_answered_in_their_order() {
    let live = Live::shop().await;
    let mut client = live.client().await;
    let mut all = String::new();
    for n in 0..200 {
        let mut request = match n % 4 {
            0 => json!({"method": "hello"}),
            1 => json!({"method": "state", "params": {"limit": 2}}),
            2 => command_request(&format!("c-{n}"), "restart_child", "/db"),
            _ => json!({"method": "no such method"}),
        };
        request["request_id"] = json!(n.to_string());
        all += &format!("{request}\n");
    }
    client.send(all).await;
    for n in 0..200 {
        let answer = client.line().await.unwrap();
        assert_eq!(
            (&answer["request_id"], &answer["ok"]),
            (&json!(n.to_string()), &json!(n % 4 != 3)),
            "{answer}"
        );
    }
    assert_eq!(live.handle.child("/db").unwrap().state.generation, 51);
}

#[tokio::test]
async fn whoever_closes_its_half_still_gets_its_answers() {
    let live = Live::shop().await;
    let mut client = live.client().await;
    client.send_json(&command_request("1", "restart_child", "/db")).await;
    client.send_json(&json!({"request_id": "2", "method": "hello"})).await;
    client.0.get_mut().shutdown().await.unwrap();
    assert_eq!(client.line().await.unwrap()["request_id"], "r-1");
    assert_eq!(client.line().await.unwrap()["request_id"], "2");
    assert_eq!(client.line().await, None);
}

#[tokio::test]
async fn a_command_goes_on_when_its_client_is_gone() {
    let live = Live::shop().await;
    let mut client = live.client().await;
    let (_, mut events) = live.handle.subscribe();
    client.send_json(&command_request("1", "restart_child", "/db")).await;
    drop(client);
    while live.handle.child("/db").unwrap().state.generation < 2 {
        events.next().await.unwrap();
    }
    let again = live.ask_once(command_request("1", "restart_child", "/db")).await;
    assert_eq!(again["result"]["result"]["outcome"]["outcome"]["generation"], 2, "{again}");
}

#[tokio::test]
async fn every_request_of_the_fixtures_gets_an_answer_that_reads() {
    let live = Live::shop().await;
    let mut client = live.client().await;
    for file in ["requests.jsonl", "requests.seen.jsonl"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/fixtures").join(file);
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let request: Value = serde_json::from_str(line).unwrap();
            if request["method"] == "command.shutdown_tree" {
                continue;
            }
            client.send(format!("{line}\n")).await;
            let answer = client.answer().await;
            assert_eq!(answer["request_id"], request["request_id"], "{line}");
            let read = TargetLine::read(answer.to_string().as_bytes()).unwrap();
            assert_eq!(
                serde_json::to_value(match &read {
                    TargetLine::Response(response) => response,
                    TargetLine::Push(push) => panic!("{push:?}"),
                })
                .unwrap(),
                answer,
                "what is read and written again is the same"
            );
        }
    }
    assert_eq!(client.hello().await["ok"], true);
}

/// The target listens before it registers, so whoever hears of it can connect at once.
#[tokio::test]
async fn a_relay_that_is_configured_hears_of_the_target_and_the_state_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let relay = directory.path().join("relay.sock");
    let listener = tokio::net::UnixListener::bind(&relay).unwrap();
    let mut config = common::config();
    config.registration = Some(RegistrationConfig::new(&relay));
    let live = Live::new(common::shop(), config).await;
    let standing = async || {
        let answer =
            live.ask_once(json!({"request_id": "s", "method": "state", "params": {"limit": 1}})).await;
        let target = answer["result"]["state"]["target"].clone();
        (target["registration_state"].clone(), target["connection_state"].clone())
    };
    assert_eq!(live.control.registration().unwrap().phase.as_str(), "connecting");
    assert_eq!(standing().await, (json!("active"), json!("connecting")));
    let mut relay = Client(BufReader::new(listener.accept().await.unwrap().0));
    let registration = relay.line().await.unwrap();
    let hello = live.client().await.hello().await;
    assert_eq!(registration, hello["result"]["registration"], "what hello shows");
    assert_eq!(registration["ipc_path"], live.path.to_str().unwrap());
    relay
        .send_json(&json!({"ok": true, "retryable": false, "status": "registered", "target_id": TARGET}))
        .await;
    while live.control.registration().unwrap().phase.as_str() != "registered" {
        tokio::task::yield_now().await;
    }
    assert_eq!(standing().await, (json!("active"), json!("registered")));
}

#[tokio::test]
async fn dropping_the_guard_removes_the_socket_and_ends_the_sessions() {
    let live = Live::shop().await;
    let mut client = live.client().await;
    client.hello().await;
    client.subscribe("events.subscribe", None).await;
    let Live { handle, control, path, _directory, .. } = live;
    drop(control);
    assert!(!path.exists());
    while client.line().await.is_some() {}
    assert!(handle.is_alive(), "the tree is not concerned");
    assert_eq!(handle.child("/db").unwrap().state.generation, 1);
}

#[tokio::test]
async fn closing_waits_for_the_answer_that_is_being_made() {
    let live = Live::shop().await;
    let mut client = live.client().await;
    client.hello().await;
    let counts = live.control.counts();
    assert_eq!((counts.open, counts.served), (1, 1));
    assert_eq!(live.control.audit().state.as_str(), "off");
    live.control.close().await;
    assert_eq!(client.line().await, None);
    assert!(!live.path.exists());
}

#[tokio::test]
async fn one_that_cannot_be_is_told_why() {
    let live = Live::shop().await;
    let mut config = common::config();
    config.bind = Some(supervisor_socket::Bind::at(&live.path));
    let refused = supervisor_control::Control::serve(live.handle.clone(), config.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("is in use"), "{refused}");
    config.target_id = " ".into();
    let refused = supervisor_control::Control::serve(live.handle.clone(), config).await.unwrap_err();
    assert!(refused.to_string().contains("target id is blank"), "{refused}");
    assert_eq!(live.client().await.hello().await["result"]["registration"]["target_id"], TARGET);
}
