//! A run whose file was edited: a reload, or an applied text, makes it be as that says and touches nobody else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Run, file};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

/// A stack of programs that sleep, each for a time of its own.
fn stack(programs: &[(&str, u32, &str)]) -> String {
    let program = |(name, secs, more): &(&str, u32, &str)| {
        format!("  - {{name: {name}, kind: process, command: [sleep, {secs}]{more}}}\n")
    };
    let programs: String = programs.iter().map(program).collect();
    format!("version: 1\nname: shop\nchildren:\n{programs}")
}

/// What a client asks of the run, and what it is told.
fn ask(run: &Run, request: &Value) -> Value {
    let mut stream = UnixStream::connect(run.home.path().join("run/tokio-supervisor/shop.sock")).unwrap();
    writeln!(stream, "{request}").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).unwrap()
}

fn command(run: &Run, id: &str, command: &str, stack: Option<&str>, rollback: bool) -> Value {
    let mut params = json!({"command_id": id, "target_id": "shop", "command": command,
        "target": {"child_path": null, "child_manifest": null}, "reason": "a test", "requested_by": "me",
        "confirmed": true, "requested_at_unix_nanos": "1"});
    if let Some(stack) = stack {
        params["stack"] = json!(stack);
        params["rollback"] = json!(rollback);
    }
    let answer =
        ask(run, &json!({"request_id": id, "method": format!("command.{command}"), "params": params}));
    answer["result"]["result"].clone()
}

fn state(run: &Run) -> Value {
    ask(run, &json!({"request_id": "s", "method": "state", "params": {}}))["result"]["state"].clone()
}

/// The process that runs this command, by its id; `None` when there is none.
fn pid(run: &Run, command: &str) -> Option<rustix::process::Pid> {
    run.processes()
        .into_iter()
        .find(|process| process.command.starts_with(command))
        .map(|process| process.pid)
}

/// A run of three programs, all of them up.
fn run() -> Run {
    let mut run = Run::json(&stack(&[("keep", 1001, ""), ("gone", 1002, ""), ("edit", 1003, "")]));
    // They start side by side, so nobody knows who is first.
    for _ in 0..3 {
        run.value(|line| {
            line["event"]["event_type"] == "ChildRunning" && line["event"]["target_path"] != "/"
        });
    }
    run.processes_with(&["sleep 1001", "sleep 1002", "sleep 1003"]);
    run
}

#[test]
fn d12_an_edited_file_is_reloaded_and_who_is_not_touched_keeps_its_process() {
    let run = run();
    let (kept, version) = (pid(&run, "sleep 1001").unwrap(), state(&run)["config_version"].clone());
    let edited = stack(&[("keep", 1001, ", tags: [blue]"), ("edit", 2003, ""), ("new", 1004, "")]);
    let plan = ask(&run, &json!({"request_id": "p", "method": "plan", "params": {"stack": edited}}));
    let plan = plan["result"]["plan"].clone();
    assert_eq!(
        plan,
        json!({"added": ["/new"], "removed": ["/gone"], "restarted": ["/edit"], "updated": ["/keep"], "unchanged": 0})
    );

    file(run.home.path(), &edited);
    let done = command(&run, "1", "reload", None, false);
    assert_eq!((&done["status"], &done["outcome"]["plan"]), (&json!("completed"), &plan), "{done}");
    run.processes_with(&["sleep 1001", "sleep 2003", "sleep 1004"]);
    assert_eq!(pid(&run, "sleep 1001"), Some(kept), "the same process as before");
    assert_eq!((pid(&run, "sleep 1002"), pid(&run, "sleep 1003")), (None, None));
    let after = state(&run);
    assert_ne!(after["config_version"], version);
    let nodes = after["topology"]["nodes"].as_array().unwrap();
    let node = nodes.iter().find(|node| node["path"] == "/keep").unwrap();
    assert_eq!(node["tags"], json!(["blue"]));

    let again = command(&run, "2", "reload", None, false);
    assert_eq!(again["outcome"]["plan"]["unchanged"], 3, "{again}");
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn d12_a_file_with_a_mistake_or_of_another_stack_changes_nothing() {
    let run = run();
    let before = ["sleep 1001", "sleep 1002", "sleep 1003"].map(|command| pid(&run, command).unwrap());
    let good = stack(&[("keep", 1001, "")]);
    for (id, text, words) in [
        ("1", good.replace("kind: process", "kind: proces"), "did you mean `process`?"),
        ("2", good.replace("name: shop", "name: other"), "`name` is another"),
        ("3", "children: [".to_owned(), "stack.yaml:"),
    ] {
        file(run.home.path(), &text);
        let done = command(&run, id, "reload", None, false);
        assert_eq!(done["status"], "rejected", "{done}");
        assert!(done["error"]["message"].as_str().unwrap().contains(words), "{done}");
    }
    let after = ["sleep 1001", "sleep 1002", "sleep 1003"].map(|command| pid(&run, command).unwrap());
    assert_eq!(after, before);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_text_that_does_not_come_up_is_taken_back() {
    let run = run();
    let never = ", readiness: {log_line: never}, ready_within_secs: 1";
    let bad = stack(&[("keep", 1001, ""), ("edit", 2003, never)]);
    let kept = pid(&run, "sleep 1001").unwrap();
    let done = command(&run, "1", "apply", Some(&bad), true);
    assert_eq!(done["status"], "failed", "{done}");
    let message = done["error"]["message"].as_str().unwrap();
    assert!(message.contains("/edit is") && message.contains("applied again"), "{message}");
    run.processes_with(&["sleep 1001", "sleep 1002", "sleep 1003"]);
    assert_eq!((pid(&run, "sleep 1001"), pid(&run, "sleep 2003")), (Some(kept), None));
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn d20_how_long_the_stop_may_take_changes_with_the_file() {
    let stubborn = "version: 1\nname: shop\nROOTchildren:\n  - name: web\n    kind: process\n    command: [sh, -c, \"trap '' TERM; echo up; while :; do sleep 1; done\"]\n    shutdown: {graceful_timeout_ms: 600000}\n";
    let mut run = Run::json(&stubborn.replace("ROOT", ""));
    run.output("/web", "up");
    file(run.home.path(), &stubborn.replace("ROOT", "supervisor: {shutdown: {graceful_timeout_ms: 100}}\n"));
    let done = command(&run, "1", "reload", None, false);
    assert_eq!(
        (&done["status"], &done["outcome"]["plan"]["unchanged"]),
        (&json!("completed"), &json!(1)),
        "{done}"
    );
    // Ten minutes without the new limit.
    assert_eq!(run.stop().code, Some(0));
}
