//! A client of 30 lines of Python, with nothing but the standard library, can do everything that a target offers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use common::{Run, home, quickstart_text};
use serde_json::{Value, json};

/// A program of `examples/`.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// A run of the quickstart in which everybody is up.
struct Quickstart {
    run: Run,
    socket: PathBuf,
}

impl Quickstart {
    fn up() -> Self {
        let mut run = Run::json(&quickstart_text());
        run.event("ChildRunning", "/");
        let socket = run.home.path().join("run/tokio-supervisor/quickstart.sock");
        Self { run, socket }
    }

    fn python(&self, method: &str, params: &Value) -> Command {
        let mut command = Command::new("python3");
        command.arg(example("steer.py")).arg(&self.socket).arg(method).arg(params.to_string());
        command
    }

    /// The result of a request.
    #[track_caller]
    fn ask(&self, method: &str, params: &Value) -> Value {
        let output = self.python(method, params).output().unwrap();
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        assert!(output.status.success(), "{method}: {}", String::from_utf8_lossy(&said));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["result"].clone()
    }

    /// Subscribes, and waits until that is answered.
    fn follow(&self, method: &str) -> Follower {
        let mut client = self.python(method, &json!({})).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(client.stdout.take().unwrap()).lines();
        let mut follower = Follower { client, lines };
        assert_eq!(follower.next()["result"]["type"], "subscription");
        follower
    }

    /// The row of a child, in the state that is read now.
    fn row(&self, path: &str) -> Value {
        let state = self.ask("state", &json!({}));
        let rows = state["state"]["runtime_state"].as_array().unwrap();
        rows.iter().find(|row| row["child_path"] == path).cloned().unwrap_or_default()
    }
}

/// A client that has subscribed, and prints what is pushed.
struct Follower {
    client: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    #[track_caller]
    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().expect("the client has ended").unwrap()).unwrap()
    }

    #[track_caller]
    fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.next();
            if is_it(&line) {
                return line;
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// Every method that answers and changes nothing: name, params, and the type of the result.
fn reads() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("hello", json!({}), "hello"),
        ("state", json!({"limit": 2, "under": "/pipeline"}), "state"),
        ("current_state", json!({}), "state"),
        ("why", json!({"child_path": "/web"}), "why"),
        ("plan", json!({"stack": one_more()}), "plan"),
        ("what_if", json!({"command": "restart_child", "target": {"child_path": "/web"}}), "what_if"),
    ]
}

/// The quickstart with one program more.
fn one_more() -> String {
    format!(
        "{}\n  - {{name: more, kind: process, command: [sh, -c, 'while sleep 1; do :; done']}}\n",
        quickstart_text()
    )
}

/// A command, and how it is seen that it was carried out.
struct Row {
    word: &'static str,
    params: Value,
    /// The event that tells its effect.
    event: &'static str,
    /// The child that shows it in the next read: path, state, and run. Null: it is not there.
    shows: (&'static str, Value, Value),
}

/// Every command.
fn commands() -> Vec<Row> {
    let listener = "name: listener\nkind: process\n\
        command: [sh, -c, \"trap 'echo heard' HUP; echo listening; while :; do sleep 1; done\"]\n\
        readiness: {log_line: listening}\n";
    let row = |word, params, event, path, state, run| Row { word, params, event, shows: (path, state, run) };
    let at = |word, child: &str, event, path, state: &str, run: u64| {
        row(word, json!({"target": {"child_path": child}}), event, path, json!(state), json!(run))
    };
    let added = "/pipeline/listener";
    let mut add = at("add_child", "/pipeline", "ChildDeclarationAccepted", added, "running", 1);
    add.params["target"]["child_manifest"] = json!(listener);
    let mut signal = at("signal_child", added, "ChildSignalled", added, "running", 1);
    signal.params["signal"] = json!("HUP");
    let remove = json!({"target": {"child_path": "listener"}});
    vec![
        at("restart_child", "/web", "ChildStarting", "/web", "running", 2),
        at("pause_child", "/visitor", "Paused", "/visitor", "paused", 1),
        at("resume_child", "visitor", "Resumed", "/visitor", "running", 2),
        at("quarantine_child", "/visitor", "ChildQuarantined", "/visitor", "quarantined", 2),
        add,
        signal,
        row("remove_child", remove, "ChildRuntimeStateRemoved", added, Value::Null, Value::Null),
        row("apply", json!({"stack": one_more()}), "SpecApplied", "/more", json!("running"), json!(1)),
        // The file is as it was, without that program.
        row("reload", json!({}), "SpecApplied", "/more", Value::Null, Value::Null),
        row("shutdown_tree", json!({}), "ShutdownRequested", "/", json!("stopped"), Value::Null),
    ]
}

#[test]
fn the_client_has_at_most_30_lines_and_needs_nothing_but_the_standard_library() {
    let text = std::fs::read_to_string(example("steer.py")).unwrap();
    assert!(text.lines().count() <= 30, "{}", text.lines().count());
    assert!(text.lines().all(|line| line.len() <= 100 && !line.contains(';')), "it is to be read");
    let imports: Vec<_> = text.lines().filter(|line| line.contains("import")).collect();
    assert_eq!(imports, ["import json", "import os", "import socket", "import sys"]);
}

#[test]
fn thirty_lines_of_python_can_do_every_method() {
    if !skip::has("python3", "thirty_lines_of_python_can_do_every_method") {
        return;
    }
    let mut quickstart = Quickstart::up();
    let (mut events, mut logs) = (quickstart.follow("events.subscribe"), quickstart.follow("logs.tail"));
    for (method, params, kind) in reads() {
        assert_eq!(quickstart.ask(method, &params)["type"], kind, "{method}");
    }
    let mut last = 0;
    for Row { word, mut params, event, shows: (path, state, run) } in commands() {
        params["command_id"] = json!(word);
        params["reason"] = json!("a test");
        let answer = quickstart.ask(&format!("command.{word}"), &params);
        assert_eq!(answer["result"]["status"], "completed", "{word}: {answer}");
        if word != "shutdown_tree" {
            // The state right after a command shows its effect.
            let row = quickstart.row(path);
            assert_eq!((&row["lifecycle_state"], &row["generation"]), (&state, &run), "{word}: {row}");
        }
        if word == "signal_child" {
            // Were it stopped before it runs again, it would end without a word.
            logs.until(|line| line["log"]["child_path"] == path && line["log"]["message"] == "heard");
        }
        // What is pushed comes after its cause, in order, and the end of a command after its effect.
        let mut told = Vec::new();
        // The end of the last one is the end of the target, too.
        let end = if word == "shutdown_tree" { event } else { "CommandCompleted" };
        while told.last().is_none_or(|kind| kind != end) {
            let line = events.until(|line| line["type"] == "event");
            let (sequence, kind) =
                (line["event"]["sequence"].as_u64().unwrap(), &line["event"]["event_type"]);
            assert!(sequence > last, "{line}");
            last = sequence;
            if line["event"]["correlation_id"] == word {
                told.push(kind.as_str().unwrap().to_owned());
            }
        }
        assert!(told.contains(&event.to_owned()), "{word}: {told:?}");
    }
    assert_eq!(quickstart.run.event("ShutdownCompleted", "/")["event"]["correlation_id"], "shutdown_tree");
    assert_eq!(quickstart.run.end().code, Some(0));
}

/// Whoever adds a method adds a row above.
#[test]
fn the_table_of_the_test_has_every_method_that_a_target_offers() {
    let run = Run::start(
        home(),
        "version: 1\nname: quickstart\nchildren: []\nsupervisor: {auto_shutdown: never}\n",
        &[],
    );
    let socket = run.home.path().join("run/tokio-supervisor/quickstart.sock");
    let stream = common::soon("the socket", || std::os::unix::net::UnixStream::connect(&socket).ok());
    std::io::Write::write_all(&mut &stream, b"{\"request_id\":\"1\",\"method\":\"hello\"}\n").unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    let hello: Value = serde_json::from_str(&line).unwrap();
    let offered = hello["result"]["capabilities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap().to_owned());
    let supported = hello["result"]["registration"]["supported_commands"].as_array().unwrap().clone();
    let supported = supported.iter().map(|command| format!("command.{}", command["name"].as_str().unwrap()));
    let mut tested: Vec<String> = reads().iter().map(|(method, ..)| (*method).to_owned()).collect();
    tested.extend(commands().iter().map(|row| format!("command.{}", row.word)));
    for method in offered.chain(supported) {
        assert!(tested.contains(&method), "{method} has no row");
    }
    assert_eq!(run.stop().code, Some(0));
}
