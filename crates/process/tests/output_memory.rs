//! What a line without end costs. Alone in its file, because it measures the memory of its process.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use common::{Bench, end, sh};
use supervisor_api::Exit;
use supervisor_process::MAX_LINE;

/// The most memory this process ever had, in bytes.
fn peak_memory() -> u64 {
    let text = common::status(std::process::id(), "VmHWM");
    text.strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_line_of_100_mb_is_cut_and_costs_no_memory() {
    let before = peak_memory();
    let bench = Bench::new();
    let script = "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo after";
    assert_eq!(end(bench.start(sh(script))).await, Exit::Completed);
    let lines: Vec<_> = bench.seen().lines;
    assert_eq!(lines.len(), 2);
    assert!(lines[0].truncated && lines[0].text == "x".repeat(MAX_LINE));
    assert!(lines[0].to_string().ends_with("… (line cut at 16 KiB)"));
    assert_eq!(lines[1].text, "after");
    let grown = peak_memory() - before;
    assert!(grown < 50_000_000, "{grown} bytes");
}
