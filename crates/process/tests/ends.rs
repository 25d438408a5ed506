//! How a program ends, and what that is called.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::time::Duration;

use common::{Bench, Mark, end, exists, exit_of, failure_of, sh, until, zombies};
use supervisor_api::Exit;
use supervisor_process::{Limit, ProgramSpec, Signal};

#[tokio::test]
async fn d22_exit_code_zero_is_completed() {
    assert_eq!(exit_of(ProgramSpec::new("true")).await, Exit::Completed);
}

#[tokio::test]
async fn d22_another_exit_code_is_a_failure_that_names_it() {
    assert_eq!(failure_of(sh("exit 3")).await, "exit code 3");
}

#[tokio::test]
async fn d22_a_success_exit_code_is_completed_and_zero_is_not_one_by_itself() {
    assert_eq!(exit_of(sh("exit 42").success_exit_codes([42])).await, Exit::Completed);
    assert_eq!(failure_of(sh("exit 0").success_exit_codes([42])).await, "exit code 0");
}

#[tokio::test]
async fn d22_a_signal_from_elsewhere_is_killed_and_not_by_us() {
    for signal in [Signal::KILL, Signal::TERM, Signal::parse("SEGV").unwrap()] {
        let signal = signal.number();
        let exit = exit_of(sh(&format!("kill -{signal} $$; sleep 60"))).await;
        assert_eq!(exit, Exit::Killed { signal, by_us: false });
    }
}

#[tokio::test]
async fn d22_asked_and_ended_by_the_stop_signal_is_stopped() {
    let bench = Bench::new();
    let run = bench.start(sh("echo pid=$$; exec sleep 60"));
    let pid = bench.pid("pid").await;
    assert_eq!(bench.seen().pid, Some(pid));
    bench.stop();
    assert_eq!(end(run).await, Exit::Stopped);
    assert!(!exists(pid), "the program is gone, and reaped");
}

#[tokio::test]
async fn d22_asked_and_ended_with_a_good_code_is_stopped_with_a_bad_one_failed() {
    for (code, exit) in [(0, Exit::Stopped), (3, Exit::failed("exit code 3"))] {
        let bench = Bench::new();
        let script = format!("trap 'exit {code}' INT; echo up=1; while :; do sleep 0.01; done");
        let run = bench.start(sh(&script).stop_signal(Signal::INT));
        bench.word("up=").await;
        bench.stop();
        assert_eq!(end(run).await, exit);
    }
}

#[tokio::test]
async fn d22_one_that_ignores_the_stop_signal_is_killed_by_us_when_the_grace_ends() {
    let bench = Bench::new();
    let mark = Mark::new();
    // Says it in a loop, so that it is seen to live after the signal.
    let script = "trap 'echo ignored=1' TERM; echo up=1; while :; do sleep 0.01; done";
    let run = bench.start(mark.on(sh(script)));
    bench.word("up=").await;
    bench.stop();
    bench.word("ignored=").await;
    bench.kill();
    assert_eq!(end(run).await, Exit::Killed { signal: 9, by_us: true });
    mark.until(0).await;
}

#[tokio::test]
async fn d8_a_brutal_kill_needs_no_request_before() {
    let bench = Bench::new();
    let run = bench.start(sh("echo up=1; exec sleep 60"));
    bench.word("up=").await;
    bench.kill();
    assert_eq!(end(run).await, Exit::Killed { signal: 9, by_us: true });
}

#[tokio::test]
async fn a_stop_before_the_start_ends_the_program_too() {
    let bench = Bench::new();
    bench.stop();
    assert_eq!(end(bench.start(sh("exec sleep 60"))).await, Exit::Stopped);
}

#[tokio::test]
async fn a_program_that_is_halted_by_a_signal_can_be_stopped() {
    let bench = Bench::new();
    let run = bench.start(sh("echo up=$$; kill -STOP $$; sleep 60"));
    let pid = bench.pid("up").await;
    until("halted", || common::status(pid, "State").starts_with('T')).await;
    bench.stop();
    assert_eq!(end(run).await, Exit::Stopped);
}

#[tokio::test]
async fn the_stop_signal_reaches_the_whole_group() {
    let bench = Bench::new();
    let script =
        "sh -c 'trap \"echo child=stopped; exit\" TERM; echo child=up; while :; do sleep 0.01; done' &
                  trap 'wait; exit 0' TERM; echo up=1; wait";
    let run = bench.start(sh(script));
    bench.until("both up", |seen| seen.lines.len() == 2).await;
    bench.stop();
    assert_eq!(end(run).await, Exit::Stopped);
    assert!(bench.text().contains("child=stopped"), "{}", bench.text());
}

#[tokio::test]
async fn no_zombie_is_left_by_a_hundred_runs_at_once() {
    let runs: Vec<_> = (0..100).map(|n| Bench::new().start(sh(&format!("exit {}", n % 3)))).collect();
    for (n, run) in runs.into_iter().enumerate() {
        let expected =
            if n % 3 == 0 { Exit::Completed } else { Exit::failed(format!("exit code {}", n % 3)) };
        assert_eq!(end(run).await, expected);
    }
    // Other tests of this file run beside this one; what is theirs is reaped in a moment.
    until("without a zombie", || zombies().is_empty()).await;
}

#[tokio::test]
async fn d16_a_dropped_run_kills_its_group_and_leaves_no_zombie() {
    let bench = Bench::new();
    let mark = Mark::new();
    let run = bench.start(mark.on(sh("sleep 60 & echo up=$$; trap '' TERM; wait")));
    let pid = bench.pid("up").await;
    mark.until(2).await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    mark.until(0).await;
    until("reaped", || !exists(pid)).await;
}

#[tokio::test]
async fn d16_a_run_dropped_while_its_program_starts_leaves_nothing() {
    let mark = Mark::new();
    for _ in 0..20 {
        let (bench, spec) = (Bench::new(), mark.on(sh("exec sleep 60")));
        let run = supervisor_process::run(&spec, &bench);
        // The start is asked for at the first poll, and nobody waits for it any more after it.
        tokio::select! { biased; _ = run => panic!("ended"), () = tokio::task::yield_now() => {} }
    }
    // There are fewer spawning threads than this: when these have run, those before them were started.
    for run in (0..16).map(|_| Bench::new().start(sh("exit"))).collect::<Vec<_>>() {
        end(run).await;
    }
    mark.until(0).await;
}

#[tokio::test]
async fn d8_an_escalation_goes_on_until_the_program_has_ended_and_its_signals_count_as_the_stop_signal() {
    let spec = sh("trap '' TERM; echo up; exec sleep 60").escalate(Duration::from_millis(50), Signal::QUIT);
    let bench = Bench::new();
    let run = bench.start(spec.escalate(Duration::from_secs(3600), Signal::KILL).limit(Limit::Core, 0));
    bench.word("up").await;
    bench.stop();
    assert_eq!(end(run).await, Exit::Stopped);
}

#[tokio::test]
async fn d8_who_hears_no_signal_of_an_escalation_is_killed_all_the_same() {
    let traps = "trap 'echo term' TERM; trap 'echo int' INT; trap 'echo quit' QUIT";
    let spec = sh(&format!("{traps}; echo up; while :; do sleep 0.01; done"));
    let spec = spec.escalate(Duration::from_millis(20), Signal::INT).escalate(Duration::ZERO, Signal::QUIT);
    let bench = Bench::new();
    let run = bench.start(spec.escalate(Duration::from_secs(3600), Signal::HUP));
    bench.word("up").await;
    bench.stop();
    for word in ["term", "int", "quit"] {
        bench.word(word).await;
    }
    bench.kill();
    assert_eq!(end(run).await, Exit::Killed { signal: 9, by_us: true });
    let words: Vec<_> = bench.seen().lines.into_iter().map(|line| line.text).collect();
    for word in ["term", "int", "quit"] {
        assert_eq!(words.iter().filter(|said| *said == word).count(), 1, "{words:?}");
    }
}
