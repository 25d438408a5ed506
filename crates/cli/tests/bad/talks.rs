//! Programs that print too much, or what is no text.

use std::fs;

use rustix::process::Pid;

use crate::common::{Run, by_shell, home, soon, supervisor};
use crate::{job, say, shell, stack, stops_and_leaves_nothing};

/// By how much the memory of the supervisor may grow, in KiB. Of each child 256 KiB of lines are kept; some MiB are on their
/// way. It is far from what is printed here.
const GROWTH: u64 = 32 * 1024;

/// The most memory that the supervisor ever had, in KiB.
fn peak(supervisor: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", supervisor.as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// A run of which nobody reads what it prints.
fn unheard(text: &str) -> Run {
    Run::under(home(), text, |command| by_shell("exec >/dev/null", &command))
}

/// Waits until `go` is in the folder of the run, and then does this.
fn when_told(script: &str) -> String {
    format!("until test -e \"$HOME/go\"; do sleep 0.01; done; {script}")
}

/// Tells it, and waits until it is completed. Returns by how much the memory of the supervisor has grown, in KiB.
fn growth(run: &Run, path: &str, meanwhile: impl FnOnce()) -> u64 {
    soon("up", || {
        let state = supervisor_says(run, &["status", path, "--output", "json"])?;
        state.contains("\"running\"").then_some(())
    });
    let before = peak(run.pid());
    fs::write(run.home.path().join("go"), "").unwrap();
    meanwhile();
    soon("completed", || {
        supervisor_says(run, &["status", path, "--output", "json"])?.contains("\"completed\"").then_some(())
    });
    peak(run.pid()) - before
}

/// What a verb says, once the run can be asked.
fn supervisor_says(run: &Run, words: &[&str]) -> Option<String> {
    let said = supervisor(run.home.path()).args(words).output().unwrap();
    said.status.success().then(|| String::from_utf8(said.stdout).unwrap())
}

#[test]
fn a_flood_is_read_and_kept_within_its_bounds() {
    // `yes` alone writes more than a gigabyte in a second.
    let script = "yes $(printf %0500d 7) | head -c 100000000; echo the last line";
    let children = [job("flood", &when_told(script)), shell("neighbour", "echo up; exec sleep 1000", "")];
    let run = unheard(&stack(&children));
    let grown = growth(&run, "/flood", || {
        let restart = ["restart", "/neighbour", "--reason", "to see that it can be"];
        assert!(say(&run, &restart).contains("/neighbour"), "others go on meanwhile");
    });
    assert!(grown < GROWTH, "{grown} KiB");
    let logs = say(&run, &["logs", "/flood"]);
    assert!(logs.contains("the last line"), "the newest lines are kept");
    assert!(logs.len() < 8 << 20, "{} bytes of lines", logs.len());
    stops_and_leaves_nothing_unheard(run);
}

#[test]
fn a_line_of_100_mb_is_cut_and_costs_no_memory() {
    let script = "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo after";
    let run = unheard(&stack(&[job("long", &when_told(script))]));
    let grown = growth(&run, "/long", || ());
    assert!(grown < GROWTH, "{grown} KiB");
    let logs = say(&run, &["logs", "/long"]);
    assert!(logs.contains("xxx…\n") && logs.ends_with("after\n"), "{}", &logs[logs.len() - 300..]);
    assert!(logs.len() < 18_000, "{} bytes", logs.len());
    stops_and_leaves_nothing_unheard(run);
}

#[test]
fn people_are_told_that_a_line_was_cut() {
    let script = "head -c 20000 /dev/zero | tr '\\0' x; echo; head -c 16000 /dev/zero | tr '\\0' y; echo";
    let mut run = Run::start(home(), &stack(&[job("long", script)]), &[]);
    let line = run.line(|line| line.contains("xxx"));
    assert!(line.ends_with("xxx … (line cut at 16 KiB)"), "{line}");
    let line = run.line(|line| line.contains("yyy"));
    assert!(line.ends_with("yyy"), "{line}");
    stops_and_leaves_nothing(run);
}

fn stops_and_leaves_nothing_unheard(run: Run) {
    let end = stops_and_leaves_nothing(run);
    assert!(end.out.is_empty(), "it was to be unheard: {:?}", end.out);
}

#[test]
fn what_is_no_text_becomes_text_that_can_be_shown() {
    let script =
        r"printf '\033[2J\000\377\376ok\303\251\r\n'; head -c 1000000 /dev/urandom; echo; echo after";
    let mut run = Run::json(&stack(&[job("binary", script)]));
    // Each line of the run is JSON, whatever is in it.
    run.output("/binary", "\\x1b[2J\\x00\u{fffd}\u{fffd}ok\u{e9}");
    run.output("/binary", "after");
    let shown = say(&run, &["logs", "/binary"]);
    assert!(!shown.chars().any(|char| char.is_control() && char != '\n' && char != '\t'), "nothing to obey");
    stops_and_leaves_nothing(run);
}
