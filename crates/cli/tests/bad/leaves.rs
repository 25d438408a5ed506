//! Programs that do not want to end, or leave something behind.

use std::fs;

use rustix::process::Pid;
use serde_json::json;

use crate::common::{Run, soon};
use crate::{end_of, is_alive, job, kill, pid_of, shell, stack, stops_and_leaves_nothing};

/// Starts a sleeper in a session of its own, which says which process it is.
const AWAY: &str = "setsid sh -c 'echo away=$$; exec sleep 1000' &";

#[test]
fn one_that_ignores_sigterm_is_killed_when_its_grace_is_over() {
    let deaf = "trap 'echo heard' TERM; echo up; while :; do sleep 0.01; done";
    let keys = ", shutdown: {graceful_timeout_ms: 500}";
    let mut run = Run::json(&stack(&[shell("deaf", deaf, keys)]));
    run.output("/deaf", "up");
    let end = stops_and_leaves_nothing(run);
    let heard = end.values().iter().any(|line| line["log"]["message"] == "heard");
    assert!(heard, "it was asked before it was killed");
    assert_eq!(end.outcome("/deaf")["exit"], json!({"kind": "killed", "signal": 9, "by_us": true}));
    assert_eq!(end.paths_of("ChildStopError"), ["/deaf"]);
}

#[test]
fn one_that_forks_twice_takes_its_daemon_along() {
    let mut run = Run::json(&stack(&[job("daemon", "(sh -c 'exec sleep 1000' & echo away=$!)")]));
    let away = pid_of(&mut run, "/daemon", "away");
    assert_eq!(end_of(&mut run, "/daemon").1, json!({"kind": "completed"}));
    assert!(!is_alive(away), "it was still in the group of its program");
    let end = stops_and_leaves_nothing(run);
    assert!(!end.out.join("").contains("unconfined"));
}

/// Whether a program, which says its number, is in a cgroup of its own, from which nothing escapes.
fn has_cgroup(run: &mut Run, path: &str) -> bool {
    let program = pid_of(run, path, "me");
    let of = |pid: Pid| fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero())).unwrap();
    of(program) != of(run.pid())
}

#[test]
fn one_that_left_its_session_is_named_as_unconfined() {
    let mut run = Run::json(&stack(&[shell("leaver", &format!("echo me=$$; {AWAY} wait"), "")]));
    let confined = has_cgroup(&mut run, "/leaver");
    let away = pid_of(&mut run, "/leaver", "away");
    // It says its number before it is what it is called.
    let name = format!("/proc/{}/comm", away.as_raw_nonzero());
    soon("asleep", || (fs::read_to_string(&name).unwrap() == "sleep\n").then_some(()));
    let end = run.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert_eq!(is_alive(away), !confined, "only a cgroup holds it");
    if !confined {
        let told =
            format!("process {} (sleep) left the group and runs on, unconfined", away.as_raw_nonzero());
        assert!(end.values().iter().any(|line| line["log"]["message"] == *told), "{:?}", end.out);
        kill(away);
    }
}

#[test]
fn an_output_that_somebody_holds_open_holds_up_no_end() {
    let script = "echo me=$$; setsid sh -c 'echo away=$$; touch \"$HOME/up\"; exec sleep 1000' & \
                  until test -e \"$HOME/up\" && test -e \"$HOME/looked\"; do sleep 0.01; done";
    let mut run = Run::json(&stack(&[job("holder", script)]));
    let confined = has_cgroup(&mut run, "/holder");
    fs::write(run.home.path().join("looked"), "").unwrap();
    let away = pid_of(&mut run, "/holder", "away");
    // The end is told although the other end of the pipe is open; nobody waits for the sleeper.
    assert_eq!(end_of(&mut run, "/holder").1, json!({"kind": "completed"}));
    assert_eq!(is_alive(away), !confined, "only a cgroup holds it");
    if !confined {
        let output = fs::read_link(format!("/proc/{}/fd/1", away.as_raw_nonzero())).unwrap();
        assert!(output.to_str().unwrap().starts_with("pipe:"), "{output:?}");
        kill(away);
    }
    stops_and_leaves_nothing(run);
}
