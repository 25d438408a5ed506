//! What a program writes is read as fast as it comes, whole as far as the bounds go, and never holds it up.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Bench, end, sh, until};
use supervisor_api::Exit;
use supervisor_process::{BUDGET, MAX_LINE, Output, ProgramSpec, Stream, output};

async fn lines_of(spec: ProgramSpec) -> Vec<(Stream, String, bool)> {
    let bench = Bench::new();
    assert_eq!(end(bench.start(spec)).await, Exit::Completed);
    bench.seen().lines.into_iter().map(|line| (line.stream, line.text, line.truncated)).collect()
}

#[tokio::test]
async fn both_streams_are_read_and_told_apart() {
    let mut lines = lines_of(sh("echo out; echo err >&2")).await;
    lines.sort_by_key(|line| line.0.as_str());
    assert_eq!(lines, [(Stream::Stderr, "err".into(), false), (Stream::Stdout, "out".into(), false)]);
}

#[tokio::test]
async fn the_last_words_are_heard_also_without_a_line_end() {
    assert_eq!(lines_of(sh("printf 'one\\ntwo'")).await[1].1, "two");
    // More than a pipe holds, written right before the end.
    let lines = lines_of(sh("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")).await;
    assert_eq!((lines.len(), lines[19_999].1.as_str()), (20_000, "line 19999"));
}

#[tokio::test]
async fn binary_output_becomes_text_that_can_be_shown() {
    let lines = lines_of(sh(r"printf '\033[2J\000\377\376ok\303\251\r\n\007\n'")).await;
    let texts: Vec<_> = lines.into_iter().map(|line| line.1).collect();
    assert_eq!(texts, ["\\x1b[2J\\x00\u{fffd}\u{fffd}oké", "\\x07"]);
}

#[tokio::test]
async fn random_bytes_lose_no_line() {
    let dir = tempfile::tempdir().unwrap();
    let script = "head -c 3000000 /dev/urandom | tee copy; echo; wc -l < copy";
    let lines = lines_of(sh(script).working_dir(dir.path())).await;
    let (count, body) = lines.split_last().unwrap();
    // The `echo` ends the last line of the random part, or is an empty line after it.
    assert_eq!(body.len(), count.1.trim().parse::<usize>().unwrap() + 1);
    assert!(body.iter().all(|line| line.1.len() <= MAX_LINE));
    assert!(body.iter().all(|line| !line.1.chars().any(|char| char.is_control() && char != '\t')));
}

#[tokio::test]
async fn a_flood_that_nobody_reads_neither_blocks_the_program_nor_grows() {
    let (sink, mut lines) = output();
    let line = "x".repeat(99);
    let total = 300_000_u64;
    let script = format!("yes {line} | head -n {total}; echo end >&2");
    let unread = Arc::new(Mutex::new(0_u64));
    let counter = unread.clone();
    let spec = sh(&script).on_output(move |line| {
        *counter.lock().unwrap() += 1;
        sink.push(line);
    });
    // It ends although not one line was taken.
    assert_eq!(end(Bench::new().start(spec)).await, Exit::Completed);
    assert_eq!(*unread.lock().unwrap(), total + 1);
    let (mut kept, mut dropped, mut bytes) = (0, 0, 0);
    while let Some(output) = lines.next().await {
        match output {
            Output::Line(line) => {
                kept += 1;
                bytes += line.text.len();
            }
            Output::Dropped(count) => dropped += count,
        }
    }
    assert_eq!(kept + dropped, total + 1, "every line is read or counted");
    assert!(dropped > 0 && bytes <= BUDGET, "{dropped} dropped, {bytes} bytes kept");
}

#[tokio::test]
async fn a_flood_leaves_the_runtime_to_others() {
    let bench = Bench::new();
    let spec = sh("exec yes").on_output(|_| {});
    let run = bench.start(spec);
    // One worker for everything: timers, the flood, and this test.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.stop();
    assert_eq!(end(run).await, Exit::Stopped);
}

#[tokio::test]
async fn a_program_that_closes_its_output_runs_on() {
    let bench = Bench::new();
    let run = bench.start(sh("echo pid=$$; exec >/dev/null 2>&1; exec sleep 60"));
    let pid = bench.pid("pid").await;
    until("asleep", || std::fs::read(format!("/proc/{pid}/cmdline")).unwrap() == b"sleep\x0060\0").await;
    assert!(!run.is_finished());
    bench.stop();
    assert_eq!(end(run).await, Exit::Stopped);
}
