//! What a program is said to use.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use common::{Bench, end, sh};
use supervisor_process::ProgramSpec;

#[tokio::test]
async fn a_program_that_works_is_seen_to_use_cpu_memory_and_descriptors() {
    let bench = Bench::new();
    // One process works; one holds 40 MB; one sleeps.
    let script = "dd if=/dev/zero of=/dev/null bs=40M & sleep 60 & while :; do :; done";
    let run = bench.start(sh(script));
    let seen =
        bench.until("a measurement", |seen| seen.usage.is_some_and(|used| used.cpu_millis > 500)).await;
    let used = seen.usage.unwrap();
    assert!(used.cpu_percent >= 10, "{used:?}");
    assert!(used.resident_bytes > 40 << 20 && used.resident_bytes < 400 << 20, "{used:?}");
    assert_eq!((used.processes, used.threads), (3, 3), "{used:?}");
    assert!(used.descriptors >= 9, "{used:?}");
    let later = bench.until("another", |seen| seen.usage.unwrap().cpu_millis > used.cpu_millis).await;
    assert!(later.usage.unwrap().cpu_millis >= used.cpu_millis);
    bench.kill();
    end(run).await;
}

#[tokio::test]
async fn a_program_that_sleeps_uses_next_to_nothing() {
    let bench = Bench::new();
    let run = bench.start(ProgramSpec::new("sleep").arg("60"));
    let used = bench.until("a measurement", |seen| seen.usage.is_some()).await.usage.unwrap();
    assert!(used.cpu_percent < 10 && used.cpu_millis < 1_000, "{used:?}");
    assert_eq!((used.processes, used.threads, used.descriptors), (1, 1, 3), "{used:?}");
    assert!(used.resident_bytes > 100 << 10, "{used:?}");
    bench.kill();
    end(run).await;
}
