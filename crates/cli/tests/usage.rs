//! What a program uses, from the kernel to whoever asks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "common/said.rs"]
#[allow(dead_code, reason = "not every test needs everything")]
mod said;

use common::{Run, soon, supervisor};
use said::Said;

#[test]
fn what_a_program_uses_is_in_its_row_and_what_is_over_its_limit_is_restarted_with_the_reason() {
    // Two sleeps and a shell; then one that holds 64 MiB.
    let text = "version: 1\nname: shop\nchildren:\n  \
                - {name: three, kind: process, command: [sh, -c, 'sleep 1001 & sleep 1002 & wait']}\n  \
                - name: greedy\n    kind: process\n    resource_limits: {max_memory_mb: 20}\n    \
                  command: [sh, -c, 'head -c 64000000 /dev/zero | tail | sleep 1003']\n";
    let mut run = Run::json(text);
    run.event("ChildRunning", "/");
    let say = |args: &[&str]| -> Said { supervisor(run.home.path()).args(args).output().unwrap().into() };
    // It is measured every two seconds.
    let usage = soon("measured", || {
        let row = say(&["status", "/three", "--output", "json"]).json()["row"].clone();
        Some(row["usage"].clone()).filter(|usage| usage["processes"] == 3)
    });
    assert_eq!(usage["threads"], 3, "{usage}");
    assert!(usage["resident_bytes"].as_u64().unwrap() > 100_000, "{usage}");
    assert!(usage["measured_at_unix_nanos"].as_u64().unwrap() > 0, "{usage}");
    let said = say(&["status", "/three"]);
    assert!(said.out.contains("3 threads") && said.out.contains("3 processes"), "{}", said.out);
    assert!(say(&["why", "/three"]).out.contains("Its program uses"));

    let unhealthy = run.event("ChildUnhealthy", "/greedy");
    let why = unhealthy["event"]["payload"]["text"].as_str().unwrap();
    assert!(why.starts_with("uses ") && why.ends_with("of memory, its limit is 20 MiB"), "{why}");
    run.event("ChildRestarting", "/greedy");
    assert_eq!(run.stop().code, Some(0));
}
