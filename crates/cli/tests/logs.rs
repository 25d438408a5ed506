//! What programs print, in files and over restarts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "common/said.rs"]
#[allow(dead_code, reason = "not every test needs everything")]
mod said;

use std::fs;

use common::{Run, file, home, soon, supervisor};
use rustix::process::Signal;
use said::Said;

/// A stack of one program that runs a shell script, with these keys.
fn shell(script: &str, keys: &str) -> String {
    format!(
        "version: 1\nname: shop\nchildren:\n  - {{name: a, kind: process, command: [sh, -c, {script:?}], {keys}}}\n"
    )
}

#[test]
fn the_last_lines_are_in_the_file_when_the_run_is_over() {
    let home = home();
    let path = file(home.path(), &shell("seq 1 300000", "role: job, log: {file: a.log}"));
    let run = supervisor(home.path()).args(["run", "--no-socket", "--dashboard", "off"]).arg(&path).output();
    assert_eq!(run.unwrap().status.code(), Some(0));
    let text = fs::read_to_string(path.with_file_name("a.log")).unwrap();
    // What a flood loses to the file is told in it, on the slowest machine too.
    let told = |text: &str| text.ends_with("\n300000\n") || text.contains("lines were not written");
    assert!(told(&text), "{}", &text[text.len().saturating_sub(200)..]);
}

#[test]
fn a_disk_that_stands_still_keeps_no_run_from_its_end() {
    let home = home();
    let path = file(home.path(), &shell("seq 1 100000", "role: job, log: {file: stuck}"));
    let fifo = path.with_file_name("stuck");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _reader = fs::File::options().read(true).write(true).open(&fifo).unwrap();
    let run = supervisor(home.path()).args(["run", "--no-socket", "--dashboard", "off"]).arg(&path).output();
    let run = run.unwrap();
    let err = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(0), "{err}");
    assert!(err.contains("/stuck lacks the last lines: the disk is too slow\n"), "{err}");
}

#[test]
fn another_log_file_is_for_a_new_run_of_the_program() {
    let script = "echo up as $$; exec sleep 1000";
    let mut run = Run::json(&shell(script, "log: {file: one.log}"));
    run.event("ChildRunning", "/a");
    let at = |name: &str| run.home.path().join(name);
    let folder = fs::read_dir(run.home.path()).unwrap();
    let stack =
        folder.map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some_and(|e| e == "yaml"));
    let said = |name: &str| fs::read_to_string(at(name)).ok().filter(|text| text.ends_with('\n'));
    let one = soon("the first line", || said("one.log"));
    fs::write(stack.unwrap(), shell(script, "log: {file: two.log}")).unwrap();
    run.signal(Signal::HUP);
    let two = soon("the line of the new run", || said("two.log"));
    assert_ne!(one, two);
    assert_eq!(said("one.log"), Some(one));
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn what_the_run_before_printed_is_told_with_its_level_when_the_program_was_started_again() {
    let script =
        r#"echo "first of $$"; echo "{\"level\":\"error\",\"msg\":\"bad $$\"}"; read line < "$HOME/go""#;
    let home = home();
    let go = home.path().join("go");
    rustix::fs::mknodat(rustix::fs::CWD, &go, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut run = Run::start(home, &shell(script, "backoff: {initial_ms: 0}"), &["--output", "json"]);
    run.event("ChildRunning", "/a");
    let say = |args: &[&str]| -> Said { supervisor(run.home.path()).args(args).output().unwrap().into() };
    let first = soon("two lines", || {
        let said = say(&["logs", "/a"]);
        (said.out.lines().count() == 2).then_some(said.out)
    });
    assert_eq!(say(&["logs", "/a", "--previous"]).out, "", "there was none before");
    fs::write(&go, "x\n").unwrap();
    soon("four lines", || (say(&["logs", "/a"]).out.lines().count() == 4).then_some(()));
    assert_eq!(say(&["logs", "/a", "--previous"]).out, first);
    let bad = say(&["logs", "/a", "--previous", "--severity", "warning", "--output", "json"]).lines();
    assert_eq!(bad.len(), 1);
    assert_eq!((&bad[0]["log"]["severity"], &bad[0]["log"]["generation"]), (&"error".into(), &1.into()));
    assert!(bad[0]["log"]["message"].as_str().unwrap().starts_with("{\"level\":\"error\""), "{bad:?}");
    assert_eq!(say(&["logs", "/a", "--severity", "loud"]).code, Some(2));
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn what_a_program_printed_is_shown_however_much_another_one_prints() {
    let text = r#"
version: 1
name: shop
children:
  - {name: quiet, kind: process, command: [sh, -c, "echo first; read line < $HOME/go; echo second; exec sleep 1000"]}
  - {name: loud, kind: process, command: [sh, -c, "seq 1 20000; exec sleep 1000"], dependencies: [quiet]}
"#;
    let home = home();
    let go = home.path().join("go");
    rustix::fs::mknodat(rustix::fs::CWD, &go, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let run = Run::start(home, text, &["--output", "json"]);
    let say = |args: &[&str]| -> Said { supervisor(run.home.path()).args(args).output().unwrap().into() };
    soon("the end of the flood", || say(&["logs", "/loud"]).out.contains("20000\n").then_some(()));
    let quiet = say(&["logs", "/quiet"]).out;
    assert_eq!(quiet.lines().count(), 1, "{quiet}");
    assert!(quiet.ends_with("first\n"), "{quiet}");

    let mut follow = supervisor(run.home.path())
        .args(["logs", "/quiet", "--follow"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(follow.stdout.take().unwrap()));
    assert_eq!(lines.next().unwrap().unwrap(), quiet.trim_end());
    fs::write(&go, "x\n").unwrap();
    assert!(lines.next().unwrap().unwrap().ends_with("second"));
    follow.kill().unwrap();
    follow.wait().unwrap();
    assert_eq!(run.stop().code, Some(0));
}
