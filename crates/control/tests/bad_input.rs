//! The bad input that every parser must survive (`security.md`), against a live socket: a clear answer or a clean
//! close, and nobody else is disturbed.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::live::{Client, Live};
use common::{command_request, config, shop};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    /// It is answered with this code, and the connection goes on.
    Answer(&'static str),
    /// It is answered with this code, and the connection is closed.
    Close(&'static str),
}
use Then::{Answer, Close};

fn line(text: impl AsRef<[u8]>) -> Vec<u8> {
    [text.as_ref(), b"\n"].concat()
}

fn request(method: &str, params: &str) -> Vec<u8> {
    line(format!(r#"{{"request_id":"1","method":"{method}","params":{params}}}"#))
}

/// A command that began keeps its id, so each has its own.
fn new_id() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed).to_string()
}

/// `add_child` with a manifest, as an object or as YAML.
fn add(manifest: impl Into<Value>) -> Vec<u8> {
    line(command_request(&new_id(), "add_child", manifest).to_string())
}

/// `restart_child` of what is called so.
fn restart(path: &str) -> Vec<u8> {
    line(command_request(&new_id(), "restart_child", path).to_string())
}

fn yaml(more: &str) -> Vec<u8> {
    add(format!("name: x\nkind: async_worker\n{more}\n"))
}

fn table() -> Vec<(&'static str, Vec<u8>, Then)> {
    let json = Answer("invalid_json");
    let params = Answer("invalid_command_params");
    let refused = Answer("validation_failed");
    let children = |count: usize| -> Value {
        let child = |n: usize| json!({"name": format!("c{n}"), "kind": "async_worker"});
        json!({"name": "s", "kind": "supervisor", "children": (0..count).map(child).collect::<Vec<_>>()})
    };
    let twins = json!({"name": "s", "kind": "supervisor", "children": [
        {"name": "a", "kind": "async_worker"}, {"name": "a", "kind": "async_worker"}]});
    let circle = json!({"name": "s", "kind": "supervisor", "children": [
        {"name": "a", "kind": "async_worker", "factory": "worker", "dependencies": ["b"]},
        {"name": "b", "kind": "async_worker", "factory": "worker", "dependencies": ["a"]}]});
    let bomb =
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nname: x\nkind: async_worker\ntags: *b\n";
    vec![
        ("an empty line", line(""), json),
        ("a blank line", line(" \t "), json),
        ("a carriage return", line("\r"), json),
        ("NUL", line("\0"), json),
        ("NUL within", line("{\"request_id\":\"1\0\",\"method\":\"hello\"}"), json),
        ("a byte order mark", line("\u{feff}{\"request_id\":\"1\",\"method\":\"hello\"}"), json),
        (
            "two objects",
            line(r#"{"request_id":"1","method":"hello"}{"request_id":"2","method":"hello"}"#),
            json,
        ),
        ("an array", line("[]"), json),
        ("a number", line("1"), json),
        ("a text", line("\"hello\""), json),
        ("null", line("null"), json),
        ("half an object", line(r#"{"request_id":"1""#), json),
        ("YAML", line("request_id: 1"), json),
        ("200 levels", line("[".repeat(200)), json),
        ("20 000 levels", line("{\"a\":".repeat(10_000)), json),
        ("200 KB of [", line("[".repeat(200_000)), Close("frame_too_large")),
        ("10^5 levels of params", request("state", &"[".repeat(100_000)), Close("frame_too_large")),
        ("invalid UTF-8", line(b"{\"request_id\":\"\xff\"}"), Close("invalid_utf8")),
        ("half a character", line(b"\xe2\x82"), Close("invalid_utf8")),
        ("a key twice", line(r#"{"request_id":"1","request_id":"2","method":"hello"}"#), json),
        ("a key twice below", request("state", r#"{"limit":1,"limit":2}"#), json),
        ("no id", line(r#"{"method":"hello"}"#), json),
        ("an id that is a number", line(r#"{"request_id":1,"method":"hello"}"#), json),
        ("a huge id", line(format!(r#"{{"request_id":"{}","method":"hello"}}"#, "x".repeat(60_000))), json),
        ("no method", line(r#"{"request_id":"1"}"#), json),
        ("an unknown method", request("helo", "{}"), Answer("unsupported_method")),
        ("a method with a direction", request("\u{202e}olleh", "{}"), Answer("unsupported_method")),
        ("__proto__ as a method", request("__proto__", "{}"), Answer("unsupported_method")),
        ("params of the wrong type", request("state", "7"), params),
        ("params as an array", request("state", "[1]"), params),
        ("1e400", request("state", r#"{"limit":1e400}"#), json),
        ("limit 0", request("state", r#"{"limit":0}"#), params),
        ("limit -1", request("state", r#"{"limit":-1}"#), params),
        ("limit 1.5", request("state", r#"{"limit":1.5}"#), params),
        ("limit beyond u32", request("state", r#"{"limit":4294967296}"#), params),
        ("limit at the edge of u64", request("state", r#"{"limit":18446744073709551615}"#), params),
        (
            "a sequence beyond u64",
            request(
                "events.subscribe",
                r#"{"session_established":true,"from_sequence":18446744073709551616}"#,
            ),
            params,
        ),
        (
            "a sequence below 0",
            request("logs.tail", r#"{"session_established":true,"from_sequence":-1}"#),
            params,
        ),
        ("a path that is none", request("state", r#"{"under":"a//b"}"#), params),
        ("a path to above", request("state", r#"{"under":"/.."}"#), params),
        ("a path with NUL", request("state", "{\"under\":\"/a\\u0000\"}"), params),
        ("a command without params", request("command.restart_child", "null"), params),
        (
            "a command that disagrees",
            request("command.restart_child", r#"{"command":"remove_child"}"#),
            params,
        ),
        ("..", restart(".."), refused),
        ("/a//b", restart("/a//b"), refused),
        ("a child with NUL", restart("/a\0"), refused),
        ("a child with a direction", restart("/a\u{202e}b"), refused),
        ("__proto__", restart("/__proto__"), refused),
        ("markup", restart("<img src=x onerror=alert(1)>"), refused),
        ("a path of 60 KB", restart(&format!("/{}", "x".repeat(60_000))), refused),
        ("a frame of 70 KB", restart(&format!("/{}", "x".repeat(70_000))), Close("frame_too_large")),
        ("a manifest that is a number", add(7), refused),
        ("an empty manifest", add(""), refused),
        ("200 KB of [ as a manifest", add("[".repeat(200_000)), refused),
        ("a YAML bomb", add(bomb), refused),
        ("a tag", yaml("tags: !!python/object [x]"), refused),
        ("a tab", yaml("tags:\n\t- x"), refused),
        ("an anchor", yaml("tags: &x [a]\nsecrets: *x"), refused),
        ("no for a name", add("name: x\nkind: async_worker\nretry: no\n"), refused),
        ("on for a name", yaml("significant: on"), refused),
        ("012 for a number", yaml("budget: {max_restarts: x012, window_secs: 5}"), refused),
        ("duplicate children", add(twins), refused),
        ("a circle", add(circle), refused),
        ("10^5 children", add(children(100_000)), Close("frame_too_large")),
        ("a child called ..", add(json!({"name": "..", "kind": "async_worker"})), refused),
        ("a duration of 0", yaml("health_check: {check_interval_secs: 0}"), refused),
        ("a duration of -1", yaml("ready_within_secs: -1"), refused),
        ("a duration of u64::MAX", yaml("ready_within_secs: 18446744073709551615"), refused),
        ("a duration of 1e999", yaml("ready_within_secs: 1e999"), refused),
        ("a manifest beyond 1 MiB", add("x".repeat(1_100_000)), Close("frame_too_large")),
    ]
}

/// The code of an answer, wherever it stands.
fn code(answer: &Value) -> &str {
    let error = if answer["ok"] == true { &answer["result"]["result"]["error"] } else { &answer["error"] };
    error["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

async fn survives(live: &Live, name: &str, bytes: &[u8], then: Then) {
    let mut client = live.client().await;
    // The other end may close in the middle of it.
    let _ = client.0.write_all(bytes).await;
    let answer = client.line().await.unwrap_or_else(|| panic!("{name}: closed without a word"));
    let (Answer(expected) | Close(expected)) = then;
    assert_eq!(code(&answer), expected, "{name}: {answer}");
    let message = answer.to_string();
    assert!(!message.chars().any(|c| c.is_control() || c == '\u{202e}'), "{name}: {message}");
    assert!(message.len() < 4_000, "{name}: an answer of {} bytes", message.len());
    match then {
        Answer(_) => assert_eq!(client.hello().await["ok"], true, "{name}: the connection goes on"),
        Close(_) => assert_eq!(client.line().await, None, "{name}: it is closed"),
    }
}

#[tokio::test]
async fn bad_input_gets_a_clear_answer_or_a_clean_close_and_disturbs_nobody() {
    let live = Live::shop().await;
    let mut watcher = live.client().await;
    watcher.subscribe("events.subscribe", None).await;
    let generation = live.handle.subscribe_events().position();
    for (name, bytes, then) in table() {
        survives(&live, name, &bytes, then).await;
    }
    assert_eq!(live.handle.subscribe_events().position(), generation, "nothing was done");
    assert_eq!(live.control.counts().panicked, 0);
    live.handle.restart_child("/db", "test", "still here").await.unwrap();
    assert_eq!(watcher.push("event").await["event"]["target_path"], "/db");
}

#[tokio::test]
async fn memory_stays_flat_under_bad_input() {
    let live = Live::shop().await;
    let table = table();
    let round = async || {
        for (_, bytes, _) in &table {
            let mut client = live.client().await;
            // The other end may close in the middle of it.
            let _ = client.0.write_all(bytes).await;
            client.line().await;
        }
    };
    for _ in 0..3 {
        round().await;
    }
    let before = resident();
    for _ in 0..10 {
        round().await;
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more than before");
}

/// Resident memory of this process, KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn s07_half_a_frame_and_then_silence_is_told_and_closed() {
    let mut config = config();
    config.deadlines.frame = Duration::from_millis(100);
    let live = Live::new(shop(), config).await;
    let mut client = live.client().await;
    client.send(r#"{"request_id":"1","#).await;
    assert_eq!(code(&client.line().await.unwrap()), "incomplete_frame");
    assert_eq!(client.line().await, None);
    // The same when the peer ends in the middle.
    let mut client = live.client().await;
    client.send(r#"{"request_id":"1","#).await;
    client.0.get_mut().shutdown().await.unwrap();
    assert_eq!(code(&client.line().await.unwrap()), "incomplete_frame");
    assert_eq!(client.line().await, None);
}

#[tokio::test]
async fn s07_whoever_says_nothing_is_cut_unless_it_has_subscribed() {
    let mut config = config();
    config.deadlines.idle = Some(Duration::from_millis(100));
    let live = Live::new(shop(), config).await;
    let mut watcher = live.client().await;
    watcher.subscribe("events.subscribe", None).await;
    let mut silent = live.client().await;
    assert_eq!(silent.line().await, None);
    live.handle.restart_child("/db", "test", "later").await.unwrap();
    assert_eq!(watcher.push("event").await["event"]["target_path"], "/db");
}

#[tokio::test]
async fn whoever_closes_in_the_middle_of_a_reply_disturbs_nobody() {
    let live = Live::shop().await;
    for n in 0..200u32 {
        let mut client = live.client().await;
        let all: Vec<u8> = (0..20).flat_map(|_| request("state", "{}")).collect();
        client.send(all).await;
        if n % 2 == 0 {
            client.line().await;
        }
        drop(client);
    }
    assert_eq!(live.client().await.hello().await["ok"], true);
    assert_eq!(live.control.counts().panicked, 0);
}

#[tokio::test]
async fn a_storm_of_connections_leaves_nothing_behind() {
    let live = Live::shop().await;
    let before = descriptors();
    for _ in 0..10_000 {
        drop(Client::connect(&live.path).await);
    }
    assert_eq!(live.client().await.hello().await["ok"], true);
    while live.control.counts().open > 0 {
        tokio::task::yield_now().await;
    }
    assert!(descriptors() <= before + 8, "{} descriptors, {before} before", descriptors());
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
