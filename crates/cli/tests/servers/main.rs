//! The example of real servers: they start in order, are killed again and again while clients ask them, and stop clean.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clients;
#[path = "../common/mod.rs"]
mod common;
#[path = "../../../process/tests/common/delegated.rs"]
mod delegated;
mod judge;
#[path = "../../../socket/tests/common/ports.rs"]
mod ports;
#[path = "../../../socket/tests/common/skip.rs"]
mod skip;
mod stack;
mod storm;

use clients::{Clients, Outcome, Request};
use common::Run;
use stack::{SERVERS, Server, Stack};
use storm::Storm;

/// How long the long storm is, in seconds, and from which seed; `cargo xtask servers` says both.
const SECONDS: &str = "SERVERS_SECONDS";
const SEED: &str = "SERVERS_SEED";

#[test]
fn real_servers_start_in_order_survive_kills_and_stop_clean() {
    let test = "real_servers_start_in_order_survive_kills_and_stop_clean";
    let Some(stack) = Stack::new(test) else { return };
    let mut run = stack.run();
    stack::starts_in_order(&mut run);
    let clients = Clients::start(&stack);
    let mut storm = Storm::new(std::process::id().into());
    storm.each_is_killed(&mut run, &clients, 2);
    judged_and_stopped(&stack, run, clients, &storm);
}

#[test]
#[ignore = "it takes minutes; `cargo xtask servers` runs it"]
fn real_servers_survive_random_kills_for_minutes() {
    let test = "real_servers_survive_random_kills_for_minutes";
    let Some(stack) = Stack::new(test).map(Stack::in_a_cgroup) else { return };
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seconds = number(SECONDS).unwrap_or(120);
    let seed = number(SEED).unwrap_or_else(|| u64::from(std::process::id()));
    let in_a_cgroup = stack.has_a_cgroup();
    println!("seed {seed}, {seconds} s of kills, in a cgroup: {in_a_cgroup}");
    let mut run = stack.run();
    stack::starts_in_order(&mut run);
    let clients = Clients::start(&stack);
    let mut storm = Storm::new(seed);
    // Each process of PostgreSQL leaves its group. When it is killed while it starts, one of them may live on for a minute,
    // and keeps the next start from its data; only a cgroup takes it along.
    storm.rages(&mut run, seconds, in_a_cgroup);
    storm.all_are_back(&mut run, &clients);
    judged_and_stopped(&stack, run, clients, &storm);
}

/// Every request came to an end that it may have, and nothing is left of the servers but what they have written.
#[expect(clippy::print_stdout, reason = "who runs the test sees what was asked and how it ended")]
fn judged_and_stopped(stack: &Stack, run: Run, clients: Clients, storm: &Storm) {
    let requests = clients.end();
    println!("{}", judge::summary(&requests, storm.kills()));
    let wrong = judge::wrong(&requests, storm.kills());
    assert!(wrong.is_empty(), "{} requests:\n{}", wrong.len(), wrong.join("\n"));
    // Its clients keep their connections, so a kill is always felt.
    let cut =
        |request: &Request| request.server == Server::Cache && matches!(request.outcome, Outcome::Reset(_));
    assert!(requests.iter().any(cut), "nobody felt anything");
    for server in SERVERS {
        assert!(storm.kills().iter().any(|kill| kill.server == server), "{server:?} was never killed");
    }
    stack.stops_clean(run);
    // What was stopped clean has nothing to mend at its next start.
    let mut again = stack.run();
    let ready = again.seen_until_ready("/db");
    assert!(ready.contains("database system was shut down at"), "{ready}");
    assert!(!ready.contains("not properly shut down"), "{ready}");
    again.event("ChildRunning", "/");
    stack.stops_clean(again);
}
