//! Following, also over the end of a target and the begin of another under its name.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::shop::Shop;

/// The binary that follows, and prints JSON lines.
struct Follower {
    client: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(shop: &Shop, args: &[&str]) -> Self {
        let mut command = shop.command(args);
        command.args(["--follow", "--output", "json"]).stdout(Stdio::piped());
        let mut client = command.spawn().unwrap();
        let lines = BufReader::new(client.stdout.take().unwrap()).lines();
        Self { client, lines }
    }

    #[track_caller]
    fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            let line = self.lines.next().expect("it ended").unwrap();
            seen.push(serde_json::from_str(&line).unwrap());
            if is_it(seen.last().unwrap()) {
                return seen;
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

#[test]
fn events_and_logs_are_followed_as_they_happen() {
    let shop = Shop::up();
    let mut events = Follower::start(&shop, &["events", "--since", "1"]);
    let mut logs = Follower::start(&shop, &["logs", "/web"]);
    logs.until(|line| line["log"]["message"] == "web is up");
    let known = events.until(|line| {
        line["event"]["target_path"] == "/broken" && line["event"]["event_type"] == "ChildQuarantined"
    });
    shop.act(&["signal", "/web", "HUP", "--command-id", "followed"])
        .is("/web was sent SIGHUP: running, run 1");
    let new = events.until(|line| line["event"]["event_type"] == "CommandCompleted");
    assert!(new.iter().any(|line| line["event"]["correlation_id"] == "followed"));
    logs.until(|line| line["log"]["message"] == "heard");
    let sequences: Vec<_> =
        known.iter().chain(&new).map(|line| line["event"]["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "each once, in order");
}

/// Whether a line is the newest event of a shop in which nothing happens any more.
fn is_newest_of(shop: &Shop) -> impl Fn(&Value) -> bool + use<> {
    let newest = shop.json(&["events"]).lines().pop().unwrap();
    move |line| *line == newest
}

/// A target that was killed and started again counts from 1: its follower says so, and tells all of it.
#[test]
fn a_target_started_again_under_the_same_name_is_told_as_one() {
    let shop = Shop::up();
    let mut events = Follower::start(&shop, &["events", "--since", "1"]);
    let first = events.until(is_newest_of(&shop));
    let shop = Shop::over(shop.kill());
    let second = events.until(is_newest_of(&shop));
    for life in [&first, &second] {
        let sequences: Vec<_> = life.iter().filter_map(|line| line["event"]["sequence"].as_u64()).collect();
        assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    }
    // A program is told by a line, and a person beside the lines.
    assert_eq!(second[0], json!({"type": "target_restarted", "target_id": "shop"}));
    let at = |line: &Value| line["event"]["occurred_at_unix_nanos"].as_u64().unwrap();
    assert!(at(&first[0]) < at(&second[1]), "it is another life");
    drop(shop);
}
