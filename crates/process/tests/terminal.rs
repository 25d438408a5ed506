//! Programs that have a terminal.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::fs;

use common::{Bench, LONG, Mark, end, exit_of, sh, until};
use supervisor_api::Exit;
use supervisor_process::{Input, ProgramSpec, Stream};

fn at_a_terminal(script: &str) -> ProgramSpec {
    sh(script).stdin(Input::Terminal)
}

/// Everything that it printed, and how it ended.
async fn all(spec: ProgramSpec) -> (Vec<String>, Exit) {
    let bench = Bench::new();
    let exit = end(bench.start(spec)).await;
    let lines = bench.seen().lines;
    assert!(lines.iter().all(|line| line.stream == Stream::Stdout), "{lines:?}");
    (lines.into_iter().map(|line| line.text).collect(), exit)
}

#[tokio::test]
async fn a_program_finds_a_terminal_that_is_its_own() {
    let script = "test -t 0 && test -t 1 && test -t 2 && echo all three; stty size; echo $TERM
        test $(ps -o sid= -p $$) = $$ && echo leads; test $(ps -o pgid= -p $$) = $$ && echo its group
        echo error >&2; echo through its name > /dev/tty; printf 'no end'";
    let (lines, exit) = all(at_a_terminal(script)).await;
    assert_eq!(exit, Exit::Completed);
    let expected =
        ["all three", "24 80", "dumb", "leads", "its group", "error", "through its name", "no end"];
    assert_eq!(lines, expected);
    let (lines, _) = all(at_a_terminal("echo $TERM").env("TERM", "vt220")).await;
    assert_eq!(lines, ["vt220"]);
    let without =
        sh("test -t 0 || test -t 1 || echo none; test \"$(ps -o sid= -p $$)\" != $$ && echo follows");
    assert_eq!(all(without).await.0, ["none", "follows"]);
}

#[tokio::test]
async fn nothing_of_a_flood_is_lost() {
    let (lines, exit) = all(at_a_terminal("seq 1 20000; exit 3")).await;
    assert!(matches!(exit, Exit::Failed { .. }), "{exit}");
    let expected: Vec<_> = (1..=20_000).map(|number| number.to_string()).collect();
    assert!(lines == expected, "{} lines, the last is {:?}", lines.len(), lines.last());
}

#[tokio::test]
async fn nobody_types_and_a_stop_reaches_the_whole_group() {
    let mark = Mark::new();
    let bench = Bench::new();
    let script = "sleep 1000 & echo pid=$$; exec cat";
    let run = bench.start(mark.on(at_a_terminal(script)));
    bench.pid("pid").await;
    mark.until(2).await;
    bench.stop();
    assert_eq!(end(run).await, Exit::Stopped, "{}", bench.text());
    assert_eq!(mark.processes().len(), 0);
}

#[tokio::test]
async fn a_program_that_lets_go_of_its_terminal_is_not_hung_up() {
    let bench = Bench::new();
    let script = "trap 'exit 7' HUP; tty; exec < /dev/null > /dev/null 2>&1; while :; do sleep 0.01; done";
    let run = bench.start(at_a_terminal(script));
    let number = bench.word("/dev/pts/").await;
    let ours = || {
        let open = fs::read_dir("/proc/self/fdinfo")
            .unwrap()
            .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
        let of_it =
            |info: &String| info.lines().any(|line| line.split_whitespace().eq(["tty-index:", &number]));
        open.filter(of_it).count()
    };
    // Its end was read, and it is held all the same.
    until("nobody reads any more", || ours() == 1).await;
    bench.stop();
    assert_eq!(end(run).await, Exit::Stopped);
    until("closed", || ours() == 0).await;
}

#[tokio::test]
async fn another_user_may_open_its_terminal_again() {
    if !skip::is_root("another_user_may_open_its_terminal_again") {
        return;
    }
    let script = "id -u; echo to the error > /dev/stderr; echo to the terminal > /dev/tty";
    let (lines, exit) = all(at_a_terminal(script).user("nobody").working_dir("/")).await;
    assert_eq!(
        (lines, exit),
        (vec!["65534".into(), "to the error".into(), "to the terminal".into()], Exit::Completed)
    );
}

#[tokio::test]
async fn many_at_once_have_one_each() {
    let runs: Vec<_> = (0..20).map(|_| tokio::spawn(all(at_a_terminal("tty")))).collect();
    for run in runs {
        let (lines, exit) = tokio::time::timeout(LONG, run).await.unwrap().unwrap();
        assert!(
            exit == Exit::Completed && lines.len() == 1 && lines[0].starts_with("/dev/pts/"),
            "{lines:?} {exit}"
        );
    }
    assert_eq!(exit_of(at_a_terminal("exit 0")).await, Exit::Completed);
}
