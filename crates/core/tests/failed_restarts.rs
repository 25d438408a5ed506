//! When the restart itself fails: rules R32-R39.

use supervisor_api::command::{ControlVerb, OtpVerb};
use supervisor_api::policy::Backoff;
use supervisor_api::{Exit, Lifecycle, SupervisorError};
use supervisor_core::{Address, Command};
use supervisor_testkit::*;

/// A child whose first restarts fail, at once each.
fn flaky(name: &str, failures: u64) -> Child {
    perm(name).explicit().runs(2..=failures + 1, Run::fails_to_start())
}

/// A child that never starts again after its first run.
fn doomed(name: &str) -> Child {
    perm(name).explicit().runs(2..=u64::MAX, Run::fails_to_start())
}

fn turns(bench: &mut Bench, count: usize) {
    for _ in 0..count {
        bench.turn();
    }
}

#[test]
fn r32_r43_a_failed_restart_is_tried_again_and_every_attempt_is_charged() {
    let tree = |budget| otp(one_for_one([flaky("a", 2), perm("b")]).budget(budget, secs(5)));
    let mut bench = Bench::launch(tree(3));
    bench.take();
    bench.crash("a");
    assert_eq!(
        bench.take(),
        [
            "down a: failed: boom",
            "start a",
            "down a: failed: no start",
            "start a",
            "down a: failed: no start",
            "start a",
            "ready a",
        ]
    );
    assert_eq!((bench.state("b"), bench.generation("b")), (Lifecycle::Running, 1));

    let mut poor = Bench::launch(tree(2));
    poor.take();
    poor.crash("a");
    assert_eq!(
        poor.take(),
        [
            "down a: failed: boom",
            "start a",
            "down a: failed: no start",
            "start a",
            "down a: failed: no start",
            "stop b",
            "down b",
            "done gave up",
        ]
    );
}

#[test]
fn r32_d19_a_start_failure_passes_through_backoff_also_without_delay() {
    let mut bench = Bench::launch(otp(one_for_one([flaky("a", 1)]).budget(9, secs(5))));
    bench.lives("a");
    bench.crash("a");
    let lives = bench.lives("a");
    let tail = &lives[lives.len() - 4..];
    use Lifecycle::*;
    assert_eq!(tail, [Starting, Backoff, Starting, Running], "{lives:?}");
}

#[test]
fn r32_the_supervisor_answers_while_a_child_fails_to_restart_for_ever() {
    let mut bench = Bench::launch(otp(one_for_one([doomed("a"), perm("b")]).unlimited()));
    bench.queue_end("a", Exit::failed("boom"));
    turns(&mut bench, 50);
    let ticket = bench.send(Command::Control(ControlVerb::Pause, Address::Text("/b".into())));
    turns(&mut bench, 50);
    bench.ok(ticket);
    assert_eq!(bench.state("b"), Lifecycle::Paused);
    let before = bench.generation("a");
    turns(&mut bench, 50);
    assert!(bench.generation("a") > before, "and the retries go on");
}

#[test]
fn r33_without_backoff_retries_take_no_time() {
    let mut bench = Bench::launch(otp(one_for_one([flaky("a", 500)]).unlimited()));
    bench.take();
    bench.crash("a");
    let trace = bench.take();
    assert_eq!(trace.len(), 2 * 500 + 3);
    let middle = &trace[1..trace.len() - 2];
    assert!(middle.chunks(2).all(|pair| pair == ["start a", "down a: failed: no start"]), "{middle:?}");
    assert_eq!(trace[trace.len() - 2..], ["start a", "ready a"]);
    assert_eq!(bench.now(), ms(0));
}

#[test]
fn r34_one_for_all_starts_the_whole_round_again() {
    let tree = one_for_all([perm("a").explicit(), flaky("b", 1), perm("c").explicit()]);
    let mut bench = Bench::launch(otp(tree.budget(9, secs(5))));
    bench.take();
    bench.crash("c");
    assert_eq!(
        bench.take(),
        [
            "down c: failed: boom",
            "stop b",
            "down b",
            "stop a",
            "down a",
            "start a",
            "ready a",
            "start b",
            "down b: failed: no start",
            "stop a",
            "down a",
            "start a",
            "ready a",
            "start b",
            "ready b",
            "start c",
            "ready c",
        ]
    );
}

#[test]
fn r34_rest_for_one_goes_on_at_the_child_that_failed() {
    let tree = rest_for_one([perm("a").explicit(), flaky("b", 1), perm("c").explicit()]);
    let mut bench = Bench::launch(otp(tree.budget(9, secs(5))));
    bench.take();
    bench.crash("a");
    assert_eq!(
        bench.take(),
        [
            "down a: failed: boom",
            "stop c",
            "down c",
            "stop b",
            "down b",
            "start a",
            "ready a",
            "start b",
            "down b: failed: no start",
            "start b",
            "ready b",
            "start c",
            "ready c",
        ]
    );
}

#[test]
fn r35_between_attempts_the_failing_child_backs_off_and_those_after_it_are_stopped() {
    let children = || {
        let b = flaky("b", 1).steps(ms(100), secs(1));
        [perm("a").explicit(), b, perm("c").explicit()]
    };
    let mut bench = Bench::launch(otp(rest_for_one(children()).budget(9, secs(5))));
    bench.crash("b");
    let states = |bench: &Bench| ["a", "b", "c"].map(|name| bench.state(name));
    assert_eq!(states(&bench), [Lifecycle::Running, Lifecycle::Backoff, Lifecycle::Stopped]);
    bench.pass(ms(100));
    assert_eq!(states(&bench), [Lifecycle::Running; 3]);
    assert_eq!(bench.generation("a"), 1);

    let mut bench = Bench::launch(otp(one_for_all(children()).budget(9, secs(5))));
    bench.crash("b");
    assert_eq!(states(&bench), [Lifecycle::Stopped, Lifecycle::Backoff, Lifecycle::Stopped]);
    bench.take();
    bench.pass(ms(100));
    assert_eq!(bench.take(), ["start a", "ready a", "start b", "ready b", "start c", "ready c"]);
}

#[test]
fn r36_r37_terminate_cancels_the_retry_and_keeps_the_spec() {
    let tree = one_for_one([flaky("a", 1).steps(ms(100), secs(1)), perm("b")]);
    let mut bench = Bench::launch(otp(tree.budget(9, secs(5))));
    bench.crash("a");
    assert_eq!(bench.state("a"), Lifecycle::Backoff);
    let again = bench.start_again("a");
    bench.refused(again);
    let delete = bench.delete("a");
    bench.refused(delete);
    assert_eq!(bench.state("a"), Lifecycle::Backoff, "refused calls change nothing");
    let counts = bench.machine().count_children(bench.key("/")).unwrap();
    assert_eq!((counts.specs, counts.active, counts.workers), (2, 1, 2));
    bench.take();
    let terminate = bench.terminate("a");
    bench.ok(terminate);
    assert_eq!(bench.state("a"), Lifecycle::Stopped);
    bench.pass(secs(9));
    assert_eq!(bench.take(), [""; 0], "no retry comes");
}

#[test]
fn r36_terminate_cancels_a_retry_that_has_no_delay() {
    let mut bench = Bench::launch(otp(one_for_one([doomed("a")]).unlimited()));
    bench.queue_end("a", Exit::failed("boom"));
    turns(&mut bench, 41);
    let ticket = bench.send(Command::Otp(OtpVerb::Terminate, Address::Text("/a".into())));
    bench.settle();
    bench.ok(ticket);
    assert_eq!(bench.state("a"), Lifecycle::Stopped);
}

#[test]
fn r37_a_retry_is_void_when_the_child_was_deleted() {
    let tree = one_for_one([flaky("a", 1).steps(ms(100), secs(1)), perm("b")]);
    let mut bench = Bench::launch(otp(tree.budget(9, secs(5))));
    bench.crash("a");
    bench.terminate("a");
    let ticket = bench.delete("a");
    bench.ok(ticket);
    bench.take();
    bench.pass(secs(9));
    assert_eq!(bench.take(), [""; 0]);
    assert_eq!(bench.find("a"), None);
}

#[test]
fn r37_a_retry_is_void_when_something_else_started_the_child() {
    let tree = rest_for_one([perm("first"), flaky("a", 1).steps(ms(100), secs(1))]);
    let mut bench = Bench::launch(otp(tree.budget(9, secs(5))));
    bench.crash("a");
    bench.take();
    let ticket = bench.restart("a");
    bench.ok(ticket);
    assert_eq!(bench.take(), ["start a", "ready a"]);
    bench.pass(secs(9));
    assert_eq!(bench.take(), [""; 0], "no second start");
    assert_eq!((bench.state("a"), bench.generation("a")), (Lifecycle::Running, 3));
}

#[test]
fn r38_a_child_that_declines_its_restart_keeps_its_spec_without_a_run() {
    let a = perm("a").explicit().run(2, Run::declines());
    let mut bench = Bench::launch(otp(one_for_all([a, perm("b")])));
    bench.take();
    bench.crash("a");
    assert_eq!(
        bench.take(),
        ["down a: failed: boom", "stop b", "down b", "start a", "declined a", "start b"]
    );
    assert_eq!(bench.state("a"), Lifecycle::Stopped);
    bench.pass(secs(60));
    assert_eq!(bench.take(), [""; 0]);
}

#[test]
fn r38_a_dynamic_supervisor_drops_a_child_that_declines_its_restart() {
    let mut bench = Bench::launch(otp(one_for_one([sup("d", dynamic(9).budget(9, secs(5)))])));
    bench.start_child("d", perm("x").explicit().run(2, Run::declines()));
    bench.crash("d/x");
    assert_eq!(bench.find("d/x"), None);
}

#[test]
fn r39_stopping_during_retries_is_prompt() {
    let mut bench = Bench::launch(otp(one_for_one([perm("b"), doomed("a")]).unlimited()));
    bench.queue_end("a", Exit::failed("boom"));
    turns(&mut bench, 101);
    let ticket = bench.send(Command::Shutdown);
    bench.take();
    bench.settle();
    let trace = bench.take();
    assert_eq!(trace.last().map(String::as_str), Some("done shutdown"), "{trace:?}");
    assert!(!trace.iter().any(|line| line.starts_with("start ")), "{trace:?}");
    bench.ok(ticket);
    assert_eq!(bench.now(), ms(0));
}

#[test]
fn r39_r66_stopping_during_a_long_backoff_skips_the_child() {
    let a = flaky("a", 9).steps(secs(30), secs(30));
    let mut bench = Bench::launch(otp(one_for_one([perm("b"), a]).unlimited()));
    bench.crash("a");
    assert_eq!(bench.state("a"), Lifecycle::Backoff);
    bench.take();
    bench.shutdown();
    assert_eq!(bench.take(), ["stop b", "down b", "done shutdown"]);
    assert_eq!(bench.now(), ms(0));
}

/// A retry of a group at the very first instant took its own turn for a group without delay.
#[test]
fn r32_r37_a_groups_retry_at_time_zero_stands_behind_what_was_there_before_it() {
    let tree = rest_for_one([perm("a").explicit(), flaky("b", 1), perm("c").explicit()]);
    let mut bench = Bench::launch(otp(tree.budget(9, secs(5))));
    assert_eq!(bench.now(), ms(0));
    bench.queue_end("b", Exit::failed("boom"));
    while bench.state("b") != Lifecycle::Backoff || !bench.living().iter().all(|name| name == "a") {
        assert!(bench.turn());
    }
    bench.take();
    let ticket = bench.send(Command::Otp(OtpVerb::Terminate, Address::Text("/c".into())));
    bench.ok(ticket);
    assert_eq!(bench.take(), [""; 0], "the retry waits for its turn");
}

/// Retries that are due at the same instant were tried in the order of their children's places.
#[test]
fn r32_r33_retries_that_are_due_at_once_are_tried_in_the_order_in_which_the_starts_failed() {
    let steady = Backoff { jitter_ratio: 0.0, ..Backoff::exponential(ms(100), ms(100)) };
    let tree = one_for_one(["b", "c"].map(|name| flaky(name, 1).backoff(steady)));
    let mut bench = Bench::launch(otp(tree.budget(9, secs(5))));
    bench.end_all([("c", Exit::failed("boom")), ("b", Exit::failed("boom"))]);
    bench.take();
    bench.pass(ms(100));
    assert_eq!(bench.take(), ["start c", "start b", "ready c", "ready b"]);
}

/// `old` holds up the line, in which the restart of `x` stands behind it; its group takes `x` down before its turn.
#[test]
fn r68_d10_a_start_that_fails_is_not_tried_again_although_a_restart_was_asked_for_before() {
    let old = perm("old").always(Run::healthy().stops_after(secs(1)));
    let x = || perm("x").explicit().always(Run::never_ready()).restart_dependants();
    let mut bench = Bench::launch(one_for_all([x(), old, perm("b")]).by_dependencies());
    bench.ready("x");
    bench.apply(one_for_all([x(), perm("b")]).by_dependencies());
    bench.restart("x");
    bench.crash("b");
    assert_eq!(bench.state("x"), Lifecycle::Stopped);
    let started = bench.start_again("x");
    bench.pass(secs(1));
    assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Starting, 2));
    bench.crash("x");
    assert_eq!(bench.state("x"), Lifecycle::Failed);
    assert!(matches!(bench.refused(started), SupervisorError::StartFailed { .. }));
    bench.pass(secs(60));
    assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Failed, 2));
}
