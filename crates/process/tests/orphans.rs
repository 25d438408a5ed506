//! What a program leaves behind does not outlive its run, and what cannot be ended is shown.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use common::{Bench, Mark, end, exists, sh, status, until, until_named};
use supervisor_api::Exit;

#[tokio::test]
async fn when_a_program_ends_by_itself_the_rest_of_its_group_is_gone_before_the_run_returns() {
    for (ending, exit) in
        [("exit 0", Exit::Completed), ("kill -9 $$", Exit::Killed { signal: 9, by_us: false })]
    {
        let (bench, mark) = (Bench::new(), Mark::new());
        // The children ignore every request, and a grandchild is among them.
        let script = format!("(trap '' TERM HUP INT; sleep 60 & sleep 60) & sleep 60 & {ending}");
        let run = bench.start(mark.on(sh(&script)));
        assert_eq!(end(run).await, exit);
        assert_eq!(mark.processes().into_values().collect::<Vec<_>>(), [""; 0]);
        assert_eq!(bench.seen().unconfined, []);
    }
}

#[tokio::test]
async fn the_run_returns_only_when_a_member_that_takes_long_to_die_is_gone() {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    // `tail` keeps what it cannot yet cut into lines: memory that the kernel needs its time to take back.
    let script = "{ head -c 300000000 /dev/zero; touch full; sleep 60; } | tail >/dev/null 2>&1 & echo pid=$!; \
                  until test -e full; do sleep 0.01; done";
    let run = bench.start(sh(script).working_dir(dir.path()));
    let pid = bench.pid("pid").await;
    assert_eq!(end(run).await, Exit::Completed);
    // Dead members may wait for their new parent to reap them; they hold nothing any more.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    assert!(status.is_empty() || status.contains("\nState:\tZ"), "{status}");
}

#[tokio::test]
async fn a_daemon_that_only_forks_twice_stays_in_the_group_and_dies_with_it() {
    let (bench, mark) = (Bench::new(), Mark::new());
    let dir = tempfile::tempdir().unwrap();
    let script =
        "sh -c 'sh -c \"sleep 60 & echo pid=\\$!; touch up\" &'; until test -e up; do sleep 0.01; done";
    let run = bench.start(mark.on(sh(script).working_dir(dir.path())));
    let pid = bench.pid("pid").await;
    assert_eq!(end(run).await, Exit::Completed);
    assert!(!mark.processes().contains_key(&pid));
    mark.until(0).await;
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_does_not_hold_the_run() {
    let (bench, mark) = (Bench::new(), Mark::new());
    let run = bench.start(mark.on(sh("echo before; sleep 60 & exit 3")));
    // The end is waited for half as long as the grandchild would hold the pipe.
    assert_eq!(end(run).await, Exit::failed("exit code 3"));
    assert_eq!(bench.text(), "before");
    mark.until(0).await;
}

#[tokio::test]
async fn what_left_the_group_and_holds_the_pipe_is_shown_as_unconfined_and_holds_nothing_up() {
    let (bench, mark) = (Bench::new(), Mark::new());
    let run = bench.start(mark.on(sh("setsid sh -c 'echo pid=$$; exec sleep 60' & echo last words; wait")));
    let pid = bench.pid("pid").await;
    bench.until("both lines", |seen| seen.lines.len() == 2).await;
    // It says its id before it executes the program by whose name it is shown.
    until_named(pid, "sleep").await;
    bench.stop();
    // The end is waited for half as long as the pipe is held.
    assert_eq!(end(run).await, Exit::Stopped);
    let unconfined: Vec<_> =
        bench.seen().unconfined.iter().map(|process| (process.pid, process.name.clone())).collect();
    assert_eq!(unconfined, [(pid, "sleep".into())]);
    assert_eq!(mark.processes().into_keys().collect::<Vec<_>>(), [pid], "it was left alone");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    mark.until(0).await;
}

#[tokio::test]
async fn each_run_is_told_of_its_own_escapes_only() {
    let runs: Vec<_> = (0..10)
        .map(|_| {
            let (bench, mark) = (Bench::new(), Mark::new());
            let spec = mark.on(sh("setsid sh -c 'echo pid=$$; exec sleep 60' >&2 & read never; wait"));
            (bench.start(spec), bench, mark)
        })
        .collect();
    let mut pids = Vec::new();
    for (_, bench, _) in &runs {
        pids.push(bench.pid("pid").await);
    }
    for (_, bench, _) in &runs {
        bench.kill();
    }
    for ((run, bench, mark), pid) in runs.into_iter().zip(pids) {
        end(run).await;
        let unconfined: Vec<_> = bench.seen().unconfined.iter().map(|process| process.pid).collect();
        assert_eq!(unconfined, [pid]);
        let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        mark.until(0).await;
    }
}

#[tokio::test]
async fn a_child_of_somebody_else_in_this_process_is_not_reaped_by_us() {
    let mut own = std::process::Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
    until("dead", || status(own.id(), "State").starts_with('Z')).await;
    assert_eq!(end(Bench::new().start(sh("exit 0"))).await, Exit::Completed);
    assert!(exists(own.id()));
    assert_eq!(own.wait().unwrap().code(), Some(7));
}

#[tokio::test]
async fn a_leader_that_somebody_else_reaped_is_a_failure_that_says_so() {
    let bench = Bench::new();
    let run = bench.start(sh("echo pid=$$; exec sleep 60"));
    let pid = bench.pid("pid").await;
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    // The test stands for a library that reaps every child: it takes this one's status before the run sees
    // it. The run is not polled meanwhile, since this test's runtime has one thread.
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap();
    let Exit::Failed { error } = end(run).await else { panic!("not a failure") };
    assert!(error.contains("is unknown") && error.contains("reaps every child"), "{error}");
}
