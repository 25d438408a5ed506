//! The list of bad programs: what each does, and what it comes to. Every one runs under the real binary, and of every one
//! nothing is left: no process, and no dead one that nobody took note of.
//!
//! | it | test |
//! |---|---|
//! | ignores SIGTERM | [`leaves::one_that_ignores_sigterm_is_killed_when_its_grace_is_over`] |
//! | forks twice | [`leaves::one_that_forks_twice_takes_its_daemon_along`] |
//! | leaves its session | [`leaves::one_that_left_its_session_is_named_as_unconfined`]; in a cgroup it is killed: `../cgroup.rs` |
//! | leaves its output open | [`leaves::an_output_that_somebody_holds_open_holds_up_no_end`] |
//! | floods | [`talks::a_flood_is_read_and_kept_within_its_bounds`] |
//! | prints a line of 100 MB | [`talks::a_line_of_100_mb_is_cut_and_costs_no_memory`] |
//! | prints what is no text | [`talks::what_is_no_text_becomes_text_that_can_be_shown`] |
//! | ends before it is ready | [`ends::an_end_before_ready_is_a_failed_start_that_says_what_was_waited_for`] |
//! | ends with any code | [`ends::every_exit_code_is_told`] |
//! | gets any signal | [`ends::every_signal_is_told_or_survived`] |
//! | is a fork bomb | [`bomb::a_fork_bomb_is_ended_whole_though_nobody_can_fork_any_more`] |
//! | cannot be executed | [`ends::what_cannot_be_started_says_why`] |
//! | has no working directory | [`ends::what_cannot_be_started_says_why`] |
//!
//! What a single run makes of many of these, in more cases, is in `crates/process/tests`: `ends.rs`, `orphans.rs`,
//! `output.rs`, `start_errors.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bomb;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod leaves;
#[path = "../../../socket/tests/common/skip.rs"]
mod skip;
mod talks;

use std::fs;

use common::{End, Run, processes, soon, supervisor, wait_gone};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A stack that goes on when all of it is done.
fn stack(children: &[String]) -> String {
    let head = "version: 1\nname: bad\nsupervisor: {auto_shutdown: never}\nchildren:\n";
    format!("{head}{}", children.concat())
}

/// A program of a shell, with more keys.
fn shell(name: &str, script: &str, keys: &str) -> String {
    let script = Value::from(script);
    format!("  - {{name: {name}, kind: process, command: [sh, -c, {script}]{keys}}}\n")
}

/// A shell that is run once.
fn job(name: &str, script: &str) -> String {
    shell(name, script, ", role: job")
}

/// The next end of a run of this child: the kind of the event, and the exit.
#[track_caller]
fn end_of(run: &mut Run, path: &str) -> (String, Value) {
    let line =
        run.value(|line| line["event"]["target_path"] == path && !line["event"]["payload"]["exit"].is_null());
    let event = &line["event"];
    (event["event_type"].as_str().unwrap().to_owned(), event["payload"]["exit"].clone())
}

/// Waits for a line `NAME=PID` of this child.
#[track_caller]
fn pid_of(run: &mut Run, path: &str, name: &str) -> Pid {
    let start = format!("{name}=");
    let told = |line: &Value| {
        let message = line["log"]["message"].as_str().filter(|_| line["log"]["target_path"] == path)?;
        message.strip_prefix(&start)?.parse().ok().and_then(Pid::from_raw)
    };
    told(&run.value(|line| told(line).is_some())).unwrap()
}

/// What a verb says about the run.
#[track_caller]
fn say(run: &Run, words: &[&str]) -> String {
    let said = supervisor(run.home.path()).args(words).output().unwrap();
    assert!(said.status.success(), "{words:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

/// Stops the run. While it ran it had no dead child for longer than a moment, and of all its processes none is left.
#[track_caller]
fn stops_and_leaves_nothing(run: Run) -> End {
    let supervisor = run.pid();
    soon("without a zombie", || zombies(supervisor).is_empty().then_some(()));
    let (home, all) = (run.home.path().to_owned(), run.processes());
    let end = run.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    wait_gone(&all);
    soon("without an orphan", || processes(&home).is_empty().then_some(()));
    end
}

/// The dead children of the supervisor.
fn zombies(supervisor: Pid) -> Vec<String> {
    let dead = format!(" Z {} ", supervisor.as_raw_nonzero());
    let stats = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    stats.filter(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(&dead))).collect()
}

fn is_alive(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    !status.is_empty() && !status.contains("\nState:\tZ")
}

fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).unwrap();
    soon("killed", || (!is_alive(pid)).then_some(()));
}
