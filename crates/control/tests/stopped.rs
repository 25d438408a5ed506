//! Clients that stand still (SIGSTOP) in the middle of what they do: processes of their own, as real ones are. Memory is
//! the whole process's, so this test has one to itself.
//!
//! Nothing here is measured by the clock: the deadlines that would cut such clients are an hour, so whoever waited for one
//! of them would wait until the test fails.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use common::live::Live;
use common::{command_request, config, memory, shop};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::{Value, json};

const ARGUMENTS: &str = "CONTROL_TEST_STOPPED";
const HOUR: Duration = Duration::from_secs(3600);

/// More restarts than the journal holds events, so that whatever can be kept for a client is kept.
const FILL: u64 = 2_000;
/// What happens while clients stand still.
const WHILE_STOPPED: u64 = 3_000;

/// What a client has said when it is stopped, and whether it has asked for what is pushed.
fn fates() -> Vec<(&'static str, Vec<String>)> {
    let line = |method: &str, params: Value| {
        format!("{}\n", json!({"request_id": "1", "method": method, "params": params}))
    };
    let subscribe = |method: &str| line(method, json!({"session_established": true}));
    let all = |method: &str| line(method, json!({"session_established": true, "from_sequence": 1}));
    let half = |line: String| line[..line.len() / 2].to_owned();
    let restart = || format!("{}\n", command_request("stopped", "restart_child", "/web"));
    vec![
        ("events from now on", vec![subscribe("events.subscribe")]),
        ("events from the first on", vec![all("events.subscribe")]),
        ("logs", vec![subscribe("logs.tail")]),
        ("both", vec![subscribe("events.subscribe"), subscribe("logs.tail")]),
        ("half a request", vec![half(line("state", json!({})))]),
        ("half a command", vec![half(restart())]),
        ("half a request after a subscription", vec![subscribe("events.subscribe"), half(restart())]),
        ("answers that nobody reads", vec![line("state", json!({})).repeat(50)]),
    ]
}

/// The client: says everything, tells that, and reads from then on what it gets.
#[test]
#[ignore = "the program that the other test starts and stops"]
fn the_client_that_is_stopped() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let (path, says): (String, Vec<String>) = serde_json::from_str(&arguments).unwrap();
    let stream = UnixStream::connect(&path).unwrap();
    let mut lines = BufReader::new(&stream).lines();
    for text in says {
        (&stream).write_all(text.as_bytes()).unwrap();
        if text.contains("session_established") {
            assert!(lines.next().unwrap().unwrap().contains("subscription"));
        }
    }
    eprintln!("SAID");
    for line in lines.map_while(Result::ok) {
        println!("GOT {line}");
    }
}

/// A client of its own process, which stands still.
struct Stopped {
    name: &'static str,
    client: Child,
}

impl Stopped {
    fn start(path: &Path, name: &'static str, says: Vec<String>) -> Self {
        let mut client = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "--test-threads=1", "the_client_that_is_stopped"])
            .env(ARGUMENTS, json!([path, says]).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(client.stderr.as_mut().unwrap()).lines().map(Result::unwrap);
        assert!(told.any(|line| line == "SAID"), "{name}");
        let pid = Pid::from_child(&client);
        kill_process(pid, Signal::STOP).unwrap();
        // It stands still when its parent can see that.
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "{name}");
        Self { name, client }
    }

    /// Lets it go on. What it gets is to be read.
    fn go_on(&mut self) -> Lines<BufReader<ChildStdout>> {
        kill_process(Pid::from_child(&self.client), Signal::CONT).unwrap();
        BufReader::new(self.client.stdout.take().unwrap()).lines()
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

async fn restarts(live: &Live, count: u64) {
    for n in 0..count {
        live.handle.restart_child("/db", "test", format!("{n}")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_are_stopped_hold_up_nothing_and_cost_next_to_nothing() {
    let mut config = config();
    (config.deadlines.frame, config.deadlines.idle, config.deadlines.write) = (HOUR, None, HOUR);
    let live = Live::new(shop(), config).await;
    restarts(&live, FILL).await;
    let mut clients = Vec::new();
    for (name, says) in fates().into_iter().chain(fates()) {
        clients.push(Stopped::start(&live.path, name, says));
    }
    while live.control.counts().open < clients.len() {
        tokio::task::yield_now().await;
    }
    let before = memory();
    restarts(&live, WHILE_STOPPED).await;
    assert_eq!(live.handle.child("/db").unwrap().state.generation, 1 + FILL + WHILE_STOPPED);
    let grown = memory().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more than before");
    assert_eq!(live.control.counts().open, clients.len(), "every one of them is still there");

    // Everybody else is served: with answers, with an effect, and with what is pushed.
    let mut client = live.client().await;
    assert_eq!(client.hello().await["ok"], true);
    client.subscribe("events.subscribe", None).await;
    client.send_json(&command_request("other", "restart_child", "/db")).await;
    while client.push("event").await["event"]["event_type"] != "CommandCompleted" {}
    assert_eq!(live.control.counts().panicked, 0);

    // Who was stopped goes on, and is told what it has missed. What it never said to the end was never done.
    let last = live.handle.subscribe_events().position();
    let followers =
        clients.iter_mut().filter(|client| client.name.starts_with("events") || client.name == "both");
    for client in followers {
        let name = client.name;
        let lines = client.go_on();
        assert_eq!(tokio::task::spawn_blocking(move || missed(lines, last)).await.unwrap(), 0, "{name}");
    }
    assert_eq!(live.handle.child("/web").unwrap().state.generation, 1);
}

/// How many events until this one neither came nor were told as a gap.
fn missed(lines: Lines<BufReader<ChildStdout>>, last: u64) -> u64 {
    let mut next = None;
    let mut missed = 0;
    let got = lines.map(Result::unwrap);
    for line in got.filter_map(|line| serde_json::from_str::<Value>(line.split_once("GOT ")?.1).ok()) {
        let number = |value: &Value| value.as_u64().unwrap();
        let (from, to) = match line["type"].as_str() {
            Some("event") => (number(&line["event"]["sequence"]), number(&line["event"]["sequence"])),
            Some("gap") if line["stream"] == "events" => (number(&line["from"]), number(&line["to"])),
            _ => continue,
        };
        missed += from.abs_diff(next.unwrap_or(from));
        next = Some(to + 1);
        if to >= last {
            return missed;
        }
    }
    panic!("it was cut at {next:?} of {last}")
}
