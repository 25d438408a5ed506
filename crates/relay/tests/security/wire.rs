//! `wire.md` 4 to the letter, over WebSocket, TLS and the certificate of a client, from a real tree.

use futures_util::SinkExt as _;
use serde_json::{Map, Value, json};
use supervisor_control::{Config as ControlConfig, Control, RegistrationConfig};
use supervisor_relay::Role;
use supervisor_socket::Bind;
use tokio::time::{Duration, Instant};
use tokio_supervisor::{ChildContext, ChildSpec, Supervisor, SupervisorHandle, SupervisorSpec};
use tokio_tungstenite::tungstenite::Message;

use crate::place::target::World;
use crate::place::{Browser, mapping};
use crate::tls::{Asked, Secure};

async fn idle(ctx: ChildContext) {
    ctx.stopping().await;
}

/// A tree that has registered under this name.
async fn tree(secure: &Secure, id: &str) -> (SupervisorHandle, Control) {
    let spec = SupervisorSpec::root([ChildSpec::service("db", idle), ChildSpec::service("web", idle)]);
    let tree = Supervisor::start(spec).await.unwrap();
    let socket = secure.place.folder.path().join("tree.sock");
    let mut config = ControlConfig::new(id, "0123456789abcdef", Bind::at(socket));
    config.registration = Some(RegistrationConfig::new(secure.place.relay.registration_socket()));
    let control = Control::serve(tree.clone(), config).await.unwrap();
    (tree, control)
}

/// Ann, an admin, by her certificate. Nothing was said yet.
async fn ann(secure: &Secure) -> Browser {
    secure.place.identities.replace(mapping().with_role("ann", "*", Role::Admin));
    secure.browser(Some(&secure.made.clients[0]), &[]).await
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn has(value: &Value, wanted: &[&str]) {
    let missing: Vec<_> = wanted.iter().filter(|key| !keys(value).contains(*key)).collect();
    assert!(missing.is_empty(), "{missing:?} of {value}");
}

fn command(id: &str, command: &str, path: &str) -> Value {
    json!({
        "type": "command", "command_id": id, "correlation_id": format!("of {id}"), "target_id": "shop",
        "command": command, "target": {"child_path": path}, "reason": "stuck", "confirmed": false,
    })
}

#[tokio::test]
async fn s20_wire_4_the_server_speaks_first_and_lists_at_once_though_a_target_hangs() {
    let secure = Secure::new(Asked::Always).await;
    let mut silent = World::shop();
    silent.silent = true;
    let _hung = secure.place.target_called("hung", silent).await;
    let mut browser = ann(&secure).await;
    let hello = browser.next().await;
    assert_eq!(hello["type"], "server_hello");
    has(
        &hello,
        &[
            "session_id",
            "client_identity",
            "log_event_filter_mode",
            "log_event_filter_conditions",
            "filter_config_version",
            "protocol_version",
            "role",
            "capabilities",
        ],
    );
    assert_eq!((&hello["client_identity"], &hello["role"]), (&json!("ann"), &json!("admin")));

    browser.says(command("early", "restart_child", "/db")).await;
    let early = browser.next().await;
    assert_eq!(
        (&early["type"], &early["error"]["code"]),
        (&json!("error"), &json!("session_not_established"))
    );
    let cursor = json!({
        "delivery_mode": "live", "filter_config_version": hello["filter_config_version"],
        "stream_epoch": "nobody's", "sequence": 7,
    });
    let asked = Instant::now();
    let resume = json!({"events": cursor, "logs": cursor});
    browser.says(json!({"type": "client_hello", "client_store_id": "a", "resume_cursor": resume})).await;
    let list = browser.next().await;
    assert_eq!(list["type"], "target_list");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    let listed = &list["targets"][0];
    has(
        listed,
        &["target_id", "display_name", "registration_state", "connection_state", "supported_commands"],
    );
    has(&listed["supported_commands"][0], &["name", "idempotent", "timeout_seconds"]);
    assert_eq!(listed["target_id"], "hung");

    let (_tree, control) = tree(&secure, "shop").await;
    let list =
        browser.until(|frame| frame["type"] == "target_list" && frame["targets"].get(1).is_some()).await;
    assert_eq!(list["targets"][1]["target_id"], "shop");
    assert_eq!(browser.of("state").await["target_id"], "shop");
    control.close().await;
}

#[tokio::test]
async fn s20_wire_4_states_events_and_logs_have_their_keys_and_objects_are_objects() {
    let secure = Secure::new(Asked::Always).await;
    let (tree, control) = tree(&secure, "tree").await;
    let mut browser = ann(&secure).await;
    browser.hello("a").await;
    let state = browser.of("state").await;
    has(&state, &["target_id", "state"]);
    has(
        &state["state"],
        &[
            "target",
            "topology",
            "runtime_state",
            "recent_events",
            "recent_logs",
            "dropped_event_count",
            "dropped_log_count",
            "config_version",
            "generated_at_unix_nanos",
            "state_generation",
        ],
    );
    assert!(state["state"]["recent_events"].is_array() && state["state"]["recent_logs"].is_array());
    assert_eq!(state["state"]["runtime_state"].as_array().unwrap().len(), 3);
    let paths = |of: &Value, key: &str| -> Vec<Value> {
        of.as_array().unwrap().iter().map(|row| row[key].clone()).collect()
    };
    let rows = paths(&state["state"]["runtime_state"], "child_path");
    assert_eq!(rows, paths(&state["state"]["topology"]["nodes"], "path"), "a row for each node");

    tree.restart_child("/db", "test", "for the keys").await.unwrap();
    for _ in 0..2 {
        let event = browser.of("event").await;
        assert_eq!(event["target_id"], "tree");
        has(
            &event["event"],
            &[
                "target_id",
                "sequence",
                "correlation_id",
                "event_type",
                "severity",
                "target_path",
                "child_id",
                "occurred_at_unix_nanos",
                "config_version",
                "payload",
            ],
        );
        assert!(event["event"]["payload"].is_object(), "{event}");
        assert!(event["event"]["occurred_at_unix_nanos"].is_u64());
    }
    let shop = secure.place.target().await;
    browser.until(|frame| frame["type"] == "state" && frame["target_id"] == "shop").await;
    shop.world(|world| world.log("/db", "said"));
    let log = browser.of("log").await;
    let wanted = [
        "target_id",
        "sequence",
        "correlation_id",
        "severity",
        "message",
        "fields",
        "occurred_at_unix_nanos",
    ];
    has(&log["log"], &wanted);
    assert!(log["log"]["fields"].is_object());
    control.close().await;
}

/// Reads on until each of these commands has its answer, and then until something is told that was asked for last.
async fn answers(browser: &mut Browser, ids: &[&str]) -> Vec<Value> {
    let mut answers = Vec::new();
    // The filter is answered in its turn, the commands when they are over.
    while answers.len() < ids.len() {
        answers
            .push(browser.until(|frame| frame["type"] == "command_result" || frame["type"] == "error").await);
    }
    browser.says(json!({"type": "log_event_filter_conditions"})).await;
    loop {
        let frame = browser.next().await;
        match frame["type"].as_str().unwrap() {
            "filter_applied" => return answers,
            "command_result" | "error" => panic!("one too many: {frame}"),
            _ => {}
        }
    }
}

fn id_of(answer: &Value) -> &str {
    let id = if answer["type"] == "error" { &answer["command_id"] } else { &answer["result"]["command_id"] };
    id.as_str().unwrap()
}

#[tokio::test]
async fn s21_wire_4_each_command_has_one_result_or_one_error_and_then_the_state_of_it() {
    let secure = Secure::new(Asked::Always).await;
    let (_tree, control) = tree(&secure, "shop").await;
    let mut browser = ann(&secure).await;
    browser.hello("a").await;
    browser.of("state").await;

    browser.says(command("good", "restart_child", "/db")).await;
    let result = browser.of("command_result").await;
    has(
        &result["result"],
        &["command_id", "correlation_id", "target_id", "accepted", "status", "requested_by", "completed_at"],
    );
    assert_eq!(result["target_id"], "shop");
    let said = |key: &str| result["result"][key].as_str().unwrap().to_owned();
    assert_eq!(
        [said("command_id"), said("correlation_id"), said("status")],
        ["good", "of good", "completed"]
    );
    assert_eq!((said("requested_by"), &result["result"]["accepted"]), ("ann".to_owned(), &json!(true)));
    assert!(said("completed_at").ends_with('Z') && result["result"]["completed_at_unix_nanos"].is_u64());
    browser.until(|frame| frame["type"] == "state" || frame["type"] == "state_delta").await;

    let changed = |mut command: Value, change: &Value| {
        let change: &Map<String, Value> = change.as_object().unwrap();
        command.as_object_mut().unwrap().extend(change.clone());
        command
    };
    let asked = [
        (
            "a",
            "requested_by_override",
            changed(command("a", "restart_child", "/db"), &json!({"requested_by": "root"})),
        ),
        ("b", "empty_reason", changed(command("b", "restart_child", "/db"), &json!({"reason": " "}))),
        ("c", "confirmation_required", command("c", "remove_child", "/db")),
        ("d", "unsupported_command", command("d", "dance", "/db")),
        ("e", "unsupported_field", changed(command("e", "restart_child", "/db"), &json!({"sudo": true}))),
        (
            "f",
            "invalid_message_schema",
            changed(command("f", "restart_child", "/db"), &json!({"confirmed": "yes"})),
        ),
        (
            "g",
            "target_not_registered",
            changed(command("g", "restart_child", "/db"), &json!({"target_id": "bank"})),
        ),
        ("h", "rejected", command("h", "restart_child", "/nobody")),
        ("i", "completed", command("i", "pause_child", "/web")),
        ("good", "completed", command("good", "restart_child", "/db")),
        ("good", "command_id_conflict", command("good", "pause_child", "/db")),
    ];
    let ids: Vec<&str> = asked.iter().map(|(id, _, _)| *id).collect();
    for (_, _, command) in &asked {
        browser.says(command.clone()).await;
    }
    let answers = answers(&mut browser, &ids).await;
    let mut told: Vec<(&str, &str)> = answers
        .iter()
        .map(|answer| match answer["type"] == "error" {
            true => (id_of(answer), answer["error"]["code"].as_str().unwrap()),
            false => (id_of(answer), answer["result"]["status"].as_str().unwrap()),
        })
        .collect();
    let mut wanted: Vec<(&str, &str)> = asked.iter().map(|(id, word, _)| (*id, *word)).collect();
    told.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(told, wanted);
    for error in answers.iter().filter(|answer| answer["type"] == "error") {
        has(&error["error"], &["code", "stage", "target_id", "message", "retryable"]);
    }
    control.close().await;
}

#[tokio::test]
async fn s21_wire_4_what_is_no_message_has_one_error_and_the_session_goes_on() {
    let secure = Secure::new(Asked::Always).await;
    let mut browser = ann(&secure).await;
    browser.hello("a").await;
    browser.of("target_list").await;
    let deep = "[".repeat(100_000);
    for (frame, code) in [
        ("", "invalid_message_json"),
        (" ", "invalid_message_json"),
        ("{", "invalid_message_json"),
        ("null", "invalid_message_json"),
        ("[]", "invalid_message_json"),
        (&deep, "invalid_message_json"),
        ("{\"type\":\"command\",\"type\":\"command\"}", "invalid_message_json"),
        ("{\"type\":1e400}", "invalid_message_json"),
        ("{}{}", "invalid_message_json"),
        ("\u{feff}{}", "invalid_message_json"),
        ("{}", "invalid_message_schema"),
        ("{\"type\":7}", "invalid_message_schema"),
        ("{\"type\":\"server_hello\"}", "unsupported_message_type"),
        ("{\"type\":\"log_event_filter_conditions\",\"colour\":\"red\"}", "unsupported_field"),
        ("{\"type\":\"command\"}", "invalid_message_schema"),
        ("{\"type\":\"client_hello\",\"client_store_id\":\"b\",\"resume_cursor\":{}}", "protocol_error"),
    ] {
        browser.0.send(Message::Text(frame.into())).await.unwrap();
        let error = browser.until(|frame| frame["type"] != "heartbeat").await;
        let shown: String = frame.chars().take(60).collect();
        assert_eq!(error["error"]["code"], code, "{shown}: {error}");
    }
    browser.says(json!({"type": "log_event_filter_conditions"})).await;
    browser.of("filter_applied").await;
}
