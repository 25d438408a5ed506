//! The control socket of a run: where it is, that it steers the programs, and that it is gone with the run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use common::{Run, file, home, supervisor};
use serde_json::{Value, json};

const SHOP: &str = r#"
version: 1
name: shop
children:
  - {name: web, kind: process, command: [sh, -c, "echo up; exec sleep 1000"]}
"#;

fn by_default(home: &Path) -> PathBuf {
    home.join("run/tokio-supervisor/shop.sock")
}

/// A client with nothing but the standard library. It connects, asks, and closes.
fn ask(socket: &Path, request: &Value) -> Value {
    let mut stream = UnixStream::connect(socket).unwrap();
    writeln!(stream, "{request}").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).unwrap()
}

fn command(id: &str, command: &str, child: Value) -> Value {
    json!({"request_id": id, "method": format!("command.{command}"), "params": {
        "command_id": id, "target_id": "shop", "command": command,
        "target": {"child_path": child, "child_manifest": null}, "reason": "a test", "requested_by": "me",
        "confirmed": true, "requested_at_unix_nanos": "1", "correlation_id": null,
    }})
}

fn row(socket: &Path) -> Value {
    let answer = ask(socket, &json!({"request_id": "s", "method": "state", "params": {}}));
    let rows = answer["result"]["state"]["runtime_state"].as_array().unwrap().clone();
    rows.into_iter().find(|row| row["child_path"] == "/web").unwrap()
}

#[test]
fn a_run_is_looked_into_and_steered_through_its_socket_and_records_that() {
    let mut run = Run::json(SHOP);
    run.event("ChildRunning", "/web");
    let socket = by_default(run.home.path());
    let hello = ask(&socket, &json!({"request_id": "h", "method": "hello", "params": {}}));
    assert_eq!(hello["result"]["protocol_version"], "dashboard-ipc.v1");
    assert_eq!(
        (&row(&socket)["lifecycle_state"], &row(&socket)["generation"]),
        (&json!("running"), &json!(1))
    );

    let done = ask(&socket, &command("c-1", "restart_child", json!("/web")));
    assert_eq!(done["result"]["result"]["status"], "completed", "{done}");
    assert_eq!(row(&socket)["generation"], 2, "the state right after a command shows its effect");
    run.value(|line| {
        line["event"]["correlation_id"] == "c-1" && line["event"]["event_type"] == "CommandCompleted"
    });

    let done = ask(&socket, &command("c-2", "shutdown_tree", Value::Null));
    assert_eq!(done["result"]["result"]["status"], "completed", "{done}");
    let audit = run.home.path().join(".local/state/tokio-supervisor/shop/audit");
    let audit = std::fs::read_dir(audit).unwrap();
    let lines: String = { audit }
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    assert!(lines.contains("c-1") && lines.contains("c-2"), "{lines}");
    let end = run.end();
    assert_eq!((end.code, end.err.as_str()), (Some(0), ""));
}

#[test]
fn a_socket_is_gone_with_its_run() {
    let mut run = Run::json(SHOP);
    run.output("/web", "up");
    let socket = by_default(run.home.path());
    assert!(socket.exists());
    run.signal(rustix::process::Signal::TERM);
    // The folder is removed with the run, so the socket is looked for before.
    common::soon("the end", || (!socket.exists()).then_some(()));
    assert_eq!(run.end().code, Some(0));
}

#[test]
fn no_socket_means_none() {
    let mut run = Run::start(home(), SHOP, &["--output", "json", "--no-socket"]);
    run.output("/web", "up");
    assert!(!run.home.path().join("run/tokio-supervisor").exists());
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_socket_can_be_elsewhere_and_lines_for_people_say_where() {
    let home = home();
    let socket = home.path().join("run/other.sock");
    let text = socket.display().to_string();
    let mut run = Run::start(home, SHOP, &["--socket", &text]);
    run.line(|line| line.contains("shop: 1 child from ") && line.contains(&format!("control socket {text}")));
    run.line(|line| line.ends_with("/web running"));
    assert_eq!(row(&socket)["lifecycle_state"], "running");
    assert!(!by_default(run.home.path()).exists());
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_socket_that_cannot_be_made_is_73_and_leaves_nothing_behind() {
    let home = home();
    let path = file(home.path(), SHOP);
    let elsewhere = home.path().join("run/no/such/place.sock");
    let output =
        supervisor(home.path()).arg("run").arg("--socket").arg(elsewhere).arg(path).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(73), "{said}");
    assert!(said.contains("run/no is not there; create it with"), "{said}");
    // The guardian ends an instant after the run.
    common::soon("nobody left", || common::processes(home.path()).is_empty().then_some(()));
}
