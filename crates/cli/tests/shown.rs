//! What a run shows of itself, socket, audit and health, is had before any program is started, or the run is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Run, file, get, home, supervisor};

/// A stack that leaves a mark when its program is started, with these lines at its top.
fn stack(home: &Path, lines: &str) -> String {
    let mark = home.join("started").display().to_string();
    format!(
        "version: 1\nname: shown\n{lines}\nchildren:\n  - {{name: a, kind: process, role: job, command: [touch, {mark}]}}\n"
    )
}

/// Runs it to its end: the code, standard error, and whether the program was started.
fn run(home: &Path, lines: &str, args: &[&str]) -> (Option<i32>, String, bool) {
    let path = file(home, &stack(home, lines));
    let output = supervisor(home).arg("run").args(args).arg(path).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap(), home.join("started").exists())
}

#[test]
fn what_cannot_be_had_is_73_with_nothing_started() {
    let home = home();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    let here = home.path().display();
    for (lines, args, words) in [
        (String::new(), vec!["--socket", "/no/such/place.sock"], "/no is not there; create it with"),
        (format!("control: {{path: {here}/no/such.sock}}"), vec![], "no is not there; create it with"),
        (format!("control: {{audit: {{path: {here}/file}}}}"), vec![], "the audit cannot be kept:"),
        (format!("health: {{listen: \"{taken}\"}}"), vec![], "stop it, or write another port"),
        (
            format!("health: {{listen: \"{taken}\"}}"),
            vec!["--no-socket"],
            "health cannot listen on 127.0.0.1:",
        ),
    ] {
        let (code, said, started) = run(home.path(), &lines, &args);
        assert_eq!((code, started), (Some(73), false), "{lines} {args:?}: {said}");
        assert!(said.contains(words), "{words:?} is not in: {said}");
        assert!(!home.path().join("run/tokio-supervisor/shown.sock").exists(), "no socket is left: {lines}");
    }
    assert_eq!(run(home.path(), "", &[]), (Some(0), String::new(), true));
}

/// As [`run`], with a state directory that cannot be had.
fn run_without_state(home: &Path, args: &[&str]) -> (Option<i32>, String, bool) {
    let path = file(home, &stack(home, ""));
    // Below a file nobody can make a directory, root neither.
    let mut command = supervisor(home);
    command.env("XDG_STATE_HOME", path.join("state")).arg("run").args(args).arg(path);
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap(), home.join("started").exists())
}

#[test]
fn a_state_directory_that_cannot_be_had_is_73_and_names_the_variable() {
    let home = home();
    let (code, said, started) = run_without_state(home.path(), &[]);
    assert_eq!((code, started), (Some(73), false), "{said}");
    assert!(said.contains("stack.yaml is not a directory") && said.contains("set XDG_STATE_HOME"), "{said}");
}

#[test]
fn without_a_socket_it_costs_the_lock_and_not_the_run() {
    let home = home();
    let (code, said, started) = run_without_state(home.path(), &["--no-socket"]);
    assert_eq!((code, started), (Some(0), true), "{said}");
    assert!(said.contains("nothing keeps a second run of `shown` from starting"), "{said}");
}

#[test]
fn without_a_socket_a_second_run_is_refused_all_the_same() {
    let long = "version: 1\nname: shown\nchildren: [{name: a, kind: process, command: [sleep, 1000]}]\n";
    let mut first = Run::start(home(), long, &["--output", "json", "--no-socket"]);
    first.event("ChildRunning", "/a");
    let (code, said, started) = run(first.home.path(), "", &["--no-socket"]);
    assert_eq!((code, started), (Some(73), false), "{said}");
    assert!(said.contains("`shown` runs already as process"), "{said}");
    assert_eq!(first.stop().code, Some(0));
}

#[test]
fn a_disk_that_takes_no_records_is_told_of_and_the_stack_runs() {
    let home = home();
    let book = home.path().join("book");
    std::fs::create_dir(&book).unwrap();
    std::fs::set_permissions(&book, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::create_dir(book.join("segment-0000000001.jsonl")).unwrap();
    for (fail_open, then) in [("false", "commands are refused"), ("true", "without a record")] {
        let audit = format!("control: {{audit: {{path: {}, fail_open: {fail_open}}}}}", book.display());
        let (code, said, started) = run(home.path(), &audit, &[]);
        assert_eq!((code, started), (Some(0), true), "{said}");
        assert!(said.contains("the audit is broken:") && said.contains(then), "{said}");
    }
}

/// The disk of the stack's state is full from the beginning.
#[test]
fn a_full_disk_is_told_of_and_the_stack_runs() {
    const NAME: &str = "a_full_disk_is_told_of_and_the_stack_runs";
    if !skip::is_root(NAME) || !skip::has("unshare", NAME) {
        return;
    }
    let home = home();
    let state = home.path().join(".local/state");
    std::fs::create_dir_all(&state).unwrap();
    let path = file(home.path(), &stack(home.path(), ""));
    // In a namespace of its own, so that nobody else sees the mount.
    let script = "mount -t tmpfs -o size=64k,mode=0700 none \"$XDG_STATE_HOME\" || exit
                  head -c 1000000 /dev/zero >\"$XDG_STATE_HOME/filler\" 2>/dev/null
                  exec \"$0\" run \"$1\"";
    let plain = supervisor(home.path());
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(plain.get_program()).arg(path);
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), home.path().join("started").exists()), (Some(0), true), "{said}");
    assert!(said.contains("the audit is broken:") && said.contains("No space left on device"), "{said}");
}

#[test]
fn health_is_answered_from_the_first_program_to_the_end_of_the_last() {
    let home = home();
    let gate = home.path().join("gate").display().to_string();
    let lines = format!(
        "version: 1\nname: shown\nhealth: {{listen: \"127.0.0.1:0\"}}\nchildren:
  - name: a
    kind: process
    command: [sh, -c, \"trap 'while [ -e {gate} ]; do sleep 0.01; done; exit 0' TERM; while [ ! -e {gate} ]; do sleep 0.01; done; echo READY; while :; do sleep 0.01; done\"]
    readiness: {{log_line: READY}}
    shutdown: {{graceful_timeout_ms: 60000}}\n"
    );
    let mut run = Run::start(home, &lines, &[]);
    let address = run.health();
    assert!(get(address, "/readyz").starts_with("HTTP/1.1 503 "), "it starts");
    std::fs::write(&gate, "").unwrap();
    common::soon("readiness", || get(address, "/readyz").starts_with("HTTP/1.1 200 ").then_some(()));
    assert!(get(address, "/metrics").contains("supervisor_runtime_control_plane_alive 1"));
    run.signal(rustix::process::Signal::TERM);
    common::soon("the stop", || get(address, "/readyz").contains("being stopped").then_some(()));
    assert!(get(address, "/livez").starts_with("HTTP/1.1 200 "));
    std::fs::remove_file(&gate).unwrap();
    assert_eq!(run.end().code, Some(0));
}
