//! Programs that end badly, and those that do not start.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::common::{Run, home, soon};
use crate::{job, say, shell, stack, stops_and_leaves_nothing};

/// The ends of so many children, by their names.
fn ends(run: &mut Run, count: usize) -> BTreeMap<String, Value> {
    let mut ends = BTreeMap::new();
    while ends.len() < count {
        let line = run.value(|line| !line["event"]["payload"]["exit"].is_null());
        let event = &line["event"];
        ends.insert(event["child_id"].as_str().unwrap().to_owned(), event["payload"]["exit"].clone());
    }
    ends
}

#[test]
fn every_exit_code_is_told() {
    let jobs: Vec<_> = (0..256).map(|code| job(&format!("c{code}"), &format!("exit {code}"))).collect();
    let mut run = Run::json(&stack(&jobs));
    let ends = ends(&mut run, 256);
    assert_eq!(ends["c0"], json!({"kind": "completed"}));
    for code in 1..256 {
        let told = json!({"kind": "failed", "error": format!("exit code {code}")});
        assert_eq!(ends[&format!("c{code}")], told);
    }
    assert!(say(&run, &["why", "/c255"]).contains("exit code 255"));
    stops_and_leaves_nothing(run);
}

#[test]
fn every_signal_is_told_or_survived() {
    // What Linux does by itself: nothing at SIGCHLD, SIGCONT, SIGURG and SIGWINCH, and a halt at SIGSTOP, SIGTSTP, SIGTTIN
    // and SIGTTOU; every other signal ends a program.
    let (survived, halted) = ([17, 18, 23, 28], [19, 20, 21, 22]);
    let keys = ", role: job, resource_limits: {max_core_mb: 0}";
    let jobs: Vec<_> =
        (1..=64).map(|signal| shell(&format!("s{signal}"), &format!("kill -{signal} $$"), keys)).collect();
    let mut run = Run::json(&stack(&jobs));
    let ends = ends(&mut run, 64 - halted.len());
    for signal in (1..=64).filter(|signal| !halted.contains(signal)) {
        let told = match survived.contains(&signal) {
            true => json!({"kind": "completed"}),
            false => json!({"kind": "killed", "signal": signal, "by_us": false}),
        };
        assert_eq!(ends[&format!("s{signal}")], told, "{signal}");
    }
    assert!(say(&run, &["why", "/s11"]).contains("killed by signal 11"), "{}", say(&run, &["why", "/s11"]));
    // Who is halted hears the stop all the same.
    let supervisor = run.pid().as_raw_nonzero().get();
    soon("four that are halted", || {
        let children = run.processes().into_iter().filter(|process| process.parent == supervisor);
        let stats = children.filter_map(|process| {
            std::fs::read_to_string(format!("/proc/{}/stat", process.pid.as_raw_nonzero())).ok()
        });
        (stats.filter(|stat| stat.contains(") T ")).count() == halted.len()).then_some(())
    });
    let end = stops_and_leaves_nothing(run);
    for signal in halted {
        assert_eq!(end.outcome(&format!("/s{signal}"))["exit"]["kind"], "stopped", "{signal}");
    }
}

#[test]
fn an_end_before_ready_is_a_failed_start_that_says_what_was_waited_for() {
    let once = ", criticality: optional, budget: {max_restarts: 0}, readiness: {log_line: serving}";
    let mut run =
        Run::json(&stack(&[shell("bad", "echo starting; exit 7", once), shell("good", "exit 0", once)]));
    let failed = "exit code 7 before it was ready (waiting for log_line \"serving\")";
    let mut seen = BTreeMap::new();
    while seen.len() < 2 {
        let line = run.value(|line| line["event"]["event_type"] == "ChildStartFailed");
        seen.insert(line["event"]["child_id"].to_string(), line["event"]["payload"]["exit"].clone());
    }
    assert_eq!(seen["\"bad\""], json!({"kind": "failed", "error": failed}));
    assert_eq!(seen["\"good\""], json!({"kind": "completed"}));
    assert!(say(&run, &["why", "/bad"]).contains(failed), "{}", say(&run, &["why", "/bad"]));
    let good = say(&run, &["why", "/good"]);
    assert!(good.contains("did not start: ended well before it was ready"), "{good}");
    stops_and_leaves_nothing(run);
}

#[test]
fn what_cannot_be_started_says_why() {
    let home = home();
    let garbage = home.path().join("garbage");
    std::fs::write(&garbage, b"\x7fELF\0\0\0\0").unwrap();
    assert!(std::process::Command::new("chmod").arg("+x").arg(&garbage).status().unwrap().success());
    let garbage = garbage.display();
    let children = [
        format!("  - {{name: format, kind: process, role: job, command: [{garbage}]}}\n"),
        shell("place", "exit 0", ", role: job, working_dir: /no/such/place"),
        shell("file", "exit 0", ", role: job, working_dir: /etc/passwd"),
        "  - {name: nothing, kind: process, role: job, command: [/no/such/program]}\n".to_owned(),
    ];
    let mut run = Run::start(home, &stack(&children), &["--output", "json"]);
    let ends = ends(&mut run, 4);
    let told = |name: &str| ends[name]["error"].as_str().unwrap().to_owned();
    let format = "not in a format that can be executed: a script needs a first line like `#!/bin/sh`, a binary must be \
                  made for this machine";
    assert_eq!(told("format"), format!("cannot start `{garbage}`: {format}"));
    let at = |name: &str, words: &str| {
        assert!(told(name).starts_with("cannot start `") && told(name).ends_with(words), "{}", told(name));
    };
    at("place", "sh`: working_dir `/no/such/place`: no such file or directory");
    at("file", "sh`: working_dir `/etc/passwd`: not a directory");
    assert_eq!(told("nothing"), "cannot start `/no/such/program`: no such file");
    assert!(say(&run, &["why", "/place"]).contains("no such file or directory"));
    stops_and_leaves_nothing(run);
}
