//! Every exit code of `supervisor run`, and what is said with it (D20).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{End, Run, file, home, supervisor};

/// A stack with these lines below its name.
fn stack(lines: &str) -> String {
    format!("version: 1\nname: codes\n{lines}\n")
}

fn run(lines: &str) -> Run {
    Run::json(&stack(lines))
}

#[track_caller]
fn ends(end: &End, code: i32, words: &[&str]) {
    assert_eq!(end.code, Some(code), "{}\n{}", end.out.join("\n"), end.err);
    for words in words {
        assert!(end.err.contains(words), "{words:?} is not in: {}", end.err);
    }
}

#[test]
fn d20_everything_is_done_and_well_0() {
    let end = run("children: [{name: a, kind: process, role: job, command: [\"true\"]}]").end();
    ends(&end, 0, &[]);
    assert_eq!(end.err, "");
}

#[test]
fn d20_everything_is_done_and_a_child_failed_1_with_its_name() {
    let children = "children:
  - {name: good, kind: process, role: job, command: [\"true\"]}
  - {name: bad, kind: process, role: job, command: [sh, -c, exit 7]}";
    ends(&run(children).end(), 1, &["/bad failed: exit code 7"]);
}

#[test]
fn d20_asked_to_stop_0_even_when_a_child_ends_badly() {
    let mut run = run("children:
  - name: a
    kind: process
    command: [sh, -c, \"trap 'exit 9' TERM; echo up; while :; do sleep 0.01; done\"]
    shutdown: {graceful_timeout_ms: 60000}");
    run.output("/a", "up");
    let end = run.stop();
    ends(&end, 0, &[]);
    assert_eq!(end.outcome("/a")["exit"]["error"], "exit code 9");
}

#[test]
fn the_tree_gave_up_1_with_the_chain_of_causes() {
    let end = run("supervisor: {budget: {max_restarts: 0}}
children:
  - name: inner
    kind: supervisor
    budget: {max_restarts: 1}
    children: [{name: bad, kind: process, command: [sh, -c, exit 5]}]")
    .end();
    ends(
        &end,
        1,
        &["supervisor: the stack gave up:\n  /inner/bad: failed: exit code 5\n  -> /inner: gave up"],
    );
    assert!(end.err.contains("\n  -> /: gave up"), "{}", end.err);
}

#[test]
fn d20_a_start_that_is_unwound_1_with_the_child() {
    let end = run("supervisor: {on_start_failure: unwind, order: declared}
children:
  - {name: good, kind: process, command: [sleep, 1000]}
  - {name: bad, kind: process, command: [/nonexistent/program]}")
    .end();
    ends(&end, 1, &["supervisor: the start failed:", "/bad did not start", "/nonexistent/program"]);
    assert_eq!(end.paths_of("ChildStopped")[0], "/good");
}

#[test]
fn d20_somebody_does_not_stop_1_with_the_name() {
    // With no time to confirm the kill, nobody can be seen to have ended.
    let mut run = run("children:
  - name: slow
    kind: process
    command: [sh, -c, \"echo up; exec sleep 1000\"]
    shutdown: {graceful_timeout_ms: brutal, abort_wait_ms: 0}");
    run.output("/slow", "up");
    let before = run.processes();
    let end = run.stop();
    ends(&end, 1, &["supervisor: did not stop: /slow"]);
    common::wait_gone(&before);
}

#[test]
fn a_wrong_command_line_2() {
    let home = home();
    for args in
        [&["run"][..], &["run", "a", "b"], &["run", "--output", "xml", "a"], &["run", "--colour", "a"]]
    {
        assert_eq!(supervisor(home.path()).args(args).output().unwrap().status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_66() {
    let home = home();
    let output = supervisor(home.path()).args(["run", "/nonexistent/stack.yaml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(66));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot read /nonexistent/stack.yaml"));
}

#[test]
fn no_safe_folder_for_the_lock_73() {
    let home = home();
    let path = file(home.path(), &stack("children: []"));
    let ours = home.path().join(".local/state/tokio-supervisor");
    std::fs::create_dir_all(&ours).unwrap();
    std::fs::set_permissions(&ours, PermissionsExt::from_mode(0o777)).unwrap();
    let output = supervisor(home.path()).arg("run").arg(path).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(73), "{said}");
    assert!(said.contains("others may write to the directory"), "{said}");
}

#[test]
fn an_invalid_file_78_with_every_mistake_and_nothing_started() {
    let end = run("children:
  - {name: a, kind: process, command: [sleep, 1], dependencies: [b]}
  - {name: b, kind: process, command: [sleep, 1], dependencies: [a]}
  - {name: c, kind: proces}")
    .end();
    ends(&end, 78, &["cycle: a -> b -> a", "did you mean `process`?", ": 2 errors\n"]);
    assert!(end.out.is_empty());
}
