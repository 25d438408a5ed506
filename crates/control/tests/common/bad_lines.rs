//! The bad input that every parser must survive (`security.md`), as lines for a socket, and what becomes of each.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::command_request;
use Then::{Answer, Close};

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Then {
    /// It is answered with this code, and the connection goes on.
    Answer(&'static str),
    /// It is answered with this code, and the connection is closed.
    Close(&'static str),
}

fn line(text: impl AsRef<[u8]>) -> Vec<u8> {
    [text.as_ref(), b"\n"].concat()
}

pub fn request(method: &str, params: &str) -> Vec<u8> {
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

pub fn table() -> Vec<(&'static str, Vec<u8>, Then)> {
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
