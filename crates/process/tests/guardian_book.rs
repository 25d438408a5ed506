//! What the guardian knows, seen from the process that it guards. One test: a process has one guardian.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::fs;

use common::{Bench, end, sh, until};
use supervisor_api::Exit;
use supervisor_process::ProgramSpec;
use supervisor_process::guardian::{self, GuardianError, Helper, Status};

fn status() -> Status {
    guardian::status().unwrap()
}

/// The groups in the guardian's own book: it holds one descriptor for each, beside its first three and the
/// one by which it sees this process end.
fn book() -> usize {
    fs::read_dir(format!("/proc/{}/fd", status().pid.unwrap())).unwrap().count() - 4
}

async fn until_book_has(count: usize) {
    until(&format!("{count} groups in the book"), || book() == count).await;
}

#[tokio::test]
async fn groups_are_in_the_book_from_their_birth_to_their_end_and_failed_starts_are_not() {
    let helper = || Helper::At(env!("CARGO_BIN_EXE_supervisor-guardian").into());
    guardian::start(helper()).unwrap();
    assert!(matches!(guardian::start(helper()), Err(GuardianError::AlreadyStarted)));
    assert_eq!((status().groups, status().replaced, book()), (0, 0, 0));

    let benches: Vec<_> = (0..5).map(|_| Bench::new()).collect();
    let runs: Vec<_> = benches.iter().map(|bench| bench.start(sh("echo up=1; exec sleep 60"))).collect();
    for bench in &benches {
        bench.word("up=").await;
    }
    assert_eq!(status().groups, 5);
    until_book_has(5).await;

    // These have a group for a moment, are told to the guardian, and then cannot be executed.
    for _ in 0..20 {
        let exit = end(Bench::new().start(ProgramSpec::new("/etc/passwd"))).await;
        assert!(matches!(exit, Exit::Failed { .. }));
    }
    assert_eq!(status().groups, 5);
    until_book_has(5).await;

    // The guardian is killed; programs go on, and those that start right now are in the next one's book.
    let first = status().pid.unwrap();
    let first = rustix::process::Pid::from_raw(first.try_into().unwrap()).unwrap();
    rustix::process::kill_process(first, rustix::process::Signal::KILL).unwrap();
    let late = Bench::new();
    let late_run = late.start(sh("echo up=1; exec sleep 60"));
    late.word("up=").await;
    until("replaced", || status().replaced == 1 && status().pid.is_some()).await;
    assert_eq!(status().groups, 6);
    until_book_has(6).await;

    late.kill();
    benches.iter().for_each(Bench::stop);
    assert_eq!(end(late_run).await, Exit::Killed { signal: 9, by_us: true });
    for run in runs {
        assert_eq!(end(run).await, Exit::Stopped);
    }
    assert_eq!(status().groups, 0);
    until_book_has(0).await;
}
