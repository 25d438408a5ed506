//! Strategies: rules R22-R31.

use supervisor_api::{EventKind, Exit, Lifecycle};
use supervisor_testkit::*;

const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

fn three() -> [Child; 3] {
    [perm("a"), perm("b"), perm("c")]
}

fn boom(name: &str) -> (&str, Exit) {
    (name, Exit::failed("boom"))
}

#[test]
fn r22_one_for_one_touches_the_failed_child_only_and_it_keeps_its_place() {
    let mut bench = Bench::launch(otp(one_for_one(three())));
    bench.take();
    bench.crash("b");
    assert_eq!(bench.take(), ["down b: failed: boom", "start b"]);
    assert_eq!((bench.generation("a"), bench.generation("c")), (1, 1));
    bench.shutdown();
    assert_eq!(bench.take(), ["stop c", "down c", "stop b", "down b", "stop a", "down a", "done shutdown"]);
}

#[test]
fn r23_r42_one_for_all_stops_the_others_in_reverse_then_starts_all_for_one_charge() {
    let mut bench = Bench::launch(otp(one_for_all(FIVE.map(perm)).budget(1, secs(5))));
    bench.take();
    bench.crash("c");
    assert_eq!(
        bench.take(),
        [
            "down c: failed: boom",
            "stop e",
            "down e",
            "stop d",
            "down d",
            "stop b",
            "down b",
            "stop a",
            "down a",
            "start a",
            "start b",
            "start c",
            "start d",
            "start e",
        ]
    );
    assert_eq!(bench.ended(), None, "one charge");
}

#[test]
fn r24_rest_for_one_restarts_the_failed_child_and_those_after_it() {
    let mut bench = Bench::launch(otp(rest_for_one(FIVE.map(perm))));
    bench.take();
    bench.crash("c");
    assert_eq!(
        bench.take(),
        ["down c: failed: boom", "stop e", "down e", "stop d", "down d", "start c", "start d", "start e",]
    );
    assert_eq!((bench.generation("a"), bench.generation("b")), (1, 1), "those before it keep running");
}

#[test]
fn r25_a_group_is_restarted_only_by_an_exit_that_leads_to_a_restart() {
    for tree in [one_for_all, rest_for_one].map(|tree| tree([temp("t"), tran("w"), perm("p")])) {
        let mut bench = Bench::launch(otp(tree.budget(0, secs(5))));
        bench.take();
        bench.crash("t");
        bench.finish("w");
        assert_eq!(bench.take(), ["down t: failed: boom", "down w: completed"]);
        assert_eq!((bench.state("p"), bench.generation("p")), (Lifecycle::Running, 1));
    }
}

#[test]
fn r26_a_temporary_sibling_is_stopped_with_the_group_and_its_spec_goes() {
    let mut bench = Bench::launch(otp(one_for_all([perm("a"), temp("t"), perm("b")])));
    bench.take();
    bench.crash("a");
    assert_eq!(
        bench.take(),
        ["down a: failed: boom", "stop b", "down b", "stop t", "down t", "start a", "start b"]
    );
    assert_eq!(bench.find("t"), None);
}

#[test]
fn r27_nothing_starts_before_the_whole_old_generation_is_dead() {
    let slow = perm("c").always(Run::healthy().stops_after(secs(2)));
    let mut bench = Bench::launch(otp(one_for_all([perm("a"), perm("b"), slow])));
    bench.take();
    bench.crash("b");
    assert_eq!(bench.take(), ["down b: failed: boom", "stop c"]);
    bench.pass(ms(1_999));
    assert_eq!(bench.take(), [""; 0]);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["down c", "stop a", "down a", "start a", "start b", "start c"]);
}

#[test]
fn r27_a_nested_supervisor_in_the_group_is_dead_when_all_below_it_are() {
    let below = one_for_one([perm("x"), perm("y").always(Run::healthy().stops_after(secs(1)))]);
    let mut bench = Bench::launch(otp(one_for_all([perm("a"), sup("s", below)])));
    bench.take();
    bench.crash("a");
    assert_eq!(bench.take(), ["down a: failed: boom", "stop s/y"]);
    bench.pass(secs(1));
    assert_eq!(bench.take(), ["down s/y", "stop s/x", "down s/x", "start a", "start s/x", "start s/y"]);
}

#[test]
fn r28_a_sibling_that_ends_otherwise_while_stopped_is_reported_and_not_charged() {
    let odd = perm("b").run(1, Run::healthy().stops_with(Exit::failed("odd")));
    let mut bench = Bench::launch(otp(one_for_all([perm("a"), odd]).budget(1, secs(5))));
    bench.take();
    bench.crash("a");
    assert_eq!(bench.take(), ["down a: failed: boom", "stop b", "down b: failed: odd", "start a", "start b"]);
    let errors = bench.events(EventKind::ChildStopError, "b");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].detail.as_ref().unwrap().exit, Some(Exit::failed("odd")));
}

/// `b` terminated by hand, `t` finished, `i` declined; then `a` crashes.
fn after_r29(tree: fn([Child; 4]) -> Tree) -> Vec<String> {
    let i = perm("i").explicit().always(Run::declines());
    let mut bench = Bench::launch(otp(tree([perm("a"), perm("b"), tran("t"), i])));
    bench.terminate("b");
    bench.finish("t");
    bench.take();
    bench.crash("a");
    bench.take()
}

#[test]
fn r29_a_group_restart_starts_every_kept_spec_in_its_scope() {
    let all = ["down a: failed: boom", "start a", "start b", "start t", "start i", "declined i"];
    assert_eq!(after_r29(one_for_all), all);
    assert_eq!(after_r29(rest_for_one), all);
    assert_eq!(after_r29(one_for_one), ["down a: failed: boom", "start a"]);
}

#[test]
fn r30_simultaneous_exits_one_for_all_absorbs_the_second() {
    let mut bench = Bench::launch(otp(one_for_all(three()).budget(1, secs(5))));
    bench.take();
    bench.end_all([boom("a"), boom("b")]);
    assert_eq!(
        bench.take(),
        ["down a: failed: boom", "stop c", "down b: failed: boom", "down c", "start a", "start b", "start c"]
    );
    let mut bench = Bench::launch(otp(one_for_all(three()).budget(1, secs(5))));
    bench.end_all([boom("c"), boom("b"), boom("a")]);
    assert_eq!(bench.ended(), None, "one charge whatever the order");
}

#[test]
fn r30_simultaneous_exits_rest_for_one_depends_on_the_order() {
    let mut bench = Bench::launch(otp(rest_for_one(three()).budget(1, secs(5))));
    bench.take();
    bench.end_all([boom("a"), boom("c")]);
    let trace = bench.take();
    assert_eq!(trace[trace.len() - 3..], ["start a", "start b", "start c"], "absorbed: {trace:?}");
    assert_eq!(bench.ended(), None);

    let mut bench = Bench::launch(otp(rest_for_one(three()).budget(1, secs(5))));
    bench.end_all([boom("c"), boom("a")]);
    assert!(bench.ended().is_some(), "two charges when the later child is handled first");
}

#[test]
fn r30_simultaneous_exits_one_for_one_charges_both() {
    let mut bench = Bench::launch(otp(one_for_one(three()).budget(1, secs(5))));
    bench.end_all([boom("a"), boom("c")]);
    assert!(bench.ended().is_some());
    let mut bench = Bench::launch(otp(one_for_one(three()).budget(2, secs(5))));
    bench.end_all([boom("a"), boom("c")]);
    assert_eq!(bench.ended(), None);
}

#[test]
fn r31_restarted_children_have_a_new_identity_and_the_old_order() {
    let mut bench = Bench::launch(otp(one_for_all(three()).budget(9, secs(5))));
    let keys = |bench: &Bench| bench.machine().children(bench.key("/")).collect::<Vec<_>>();
    let before = keys(&bench);
    for generation in 2..5 {
        bench.crash("b");
        for name in ["a", "b", "c"] {
            assert_eq!(bench.generation(name), generation);
        }
    }
    assert_eq!(keys(&bench), before);
    assert_eq!(before, ["a", "b", "c"].map(|name| bench.key(name)));
}

#[test]
fn r27_a_member_that_waits_for_a_sibling_does_not_start_while_its_group_goes_down() {
    let tree = one_for_all([
        perm("a"),
        perm("b").explicit().always(Run::ready_after(ms(50))),
        perm("c").after(["b"]),
        perm("d").always(Run::healthy().stops_after(ms(100))),
    ]);
    let mut bench = Bench::launch(tree.by_dependencies().retries_start());
    bench.take();
    bench.crash("a");
    bench.pass(ms(60));
    assert_eq!(bench.take(), ["down a: failed: boom", "stop d", "ready b"], "c is not started");
    bench.pass(ms(100));
    let then = ["down d", "stop b", "down b", "start a", "start b", "start d", "ready b", "start c"];
    assert_eq!(bench.take()[..6], then[..6]);
    bench.pass(ms(60));
    assert_eq!(bench.state("c"), supervisor_api::Lifecycle::Running);
}

#[test]
fn r27_d3_an_operators_restart_of_a_member_waits_until_its_group_is_down() {
    let mut bench = Bench::launch(one_for_all([
        perm("a"),
        perm("b"),
        perm("c").always(Run::healthy().stops_after(ms(100))),
    ]));
    bench.take();
    bench.crash("b");
    bench.restart("a");
    assert_eq!(bench.take(), ["down b: failed: boom", "stop c", "stop a", "down a"]);
    bench.pass(ms(100));
    assert_eq!(bench.take(), ["down c", "start a", "start b", "start c"]);
}

#[test]
fn r27_d10_a_member_that_is_paused_and_resumed_while_its_group_goes_down_starts_with_it() {
    let slow = || Run::healthy().stops_after(ms(100));
    let mut bench =
        Bench::launch(one_for_all([perm("a").always(slow()), perm("b"), perm("c").always(slow())]));
    bench.take();
    bench.crash("b");
    bench.pause("c");
    bench.resume("c");
    assert_eq!(bench.take(), ["down b: failed: boom", "stop c"]);
    bench.pass(ms(100));
    assert_eq!(bench.take(), ["down c", "stop a"], "c is not started before a is down");
    bench.pass(ms(100));
    assert_eq!(bench.take(), ["down a", "start a", "start b", "start c"]);
}

#[test]
fn r27_r15_a_job_that_is_started_again_while_its_group_goes_down_starts_with_it() {
    let slow = Run::healthy().stops_after(ms(100));
    let mut bench = Bench::launch(one_for_all([perm("a").always(slow), perm("b"), job("j")]));
    bench.take();
    bench.crash("b");
    let ticket = bench.start_again("j");
    assert_eq!(bench.take(), ["down b: failed: boom", "stop j", "down j", "stop a"]);
    assert!(bench.reply(ticket).is_none(), "it is accepted, and not done");
    bench.pass(ms(100));
    assert_eq!(bench.take(), ["down a", "start a", "start b", "start j"]);
    bench.ok(ticket);
}

#[test]
fn r29_a_child_that_was_terminated_after_its_turn_in_the_initial_start_is_revived_by_a_later_group() {
    let slow = || perm("b").explicit().always(Run::ready_after(ms(50)));
    let mut bench = Bench::launch(one_for_all([perm("a"), slow(), perm("c")]));
    bench.terminate("a");
    bench.pass(ms(100));
    assert_eq!((bench.state("a"), bench.state("c")), (Lifecycle::Stopped, Lifecycle::Running));
    bench.crash("c");
    bench.pass(ms(100));
    assert_eq!(bench.state("a"), Lifecycle::Running);
}

/// `x` was kept because `a` needs it, though `a` is no member of the group and goes on running.
#[test]
fn r24_under_a_concurrent_stop_a_member_goes_down_whoever_outside_its_group_depends_on_it() {
    let mut bench = Bench::launch(rest_for_one([perm("a"), perm("b")]).concurrent());
    let add = bench.add("/", sidecar("x", "a"));
    bench.ok(add);
    bench.take();
    bench.crash("b");
    assert_eq!(bench.take(), ["down b: failed: boom", "stop x", "down x", "start b", "start x"]);
    assert_eq!((bench.generation("a"), bench.state("x")), (1, Lifecycle::Running));
}

#[test]
fn r27_d15_the_restart_of_a_primary_starts_no_sidecar_before_the_group_of_that_is_down() {
    let slow = perm("slow").always(Run::healthy().stops_after(ms(100)));
    let mut bench = Bench::launch(rest_for_one([perm("p"), perm("b"), slow]));
    let add = bench.add("/", sidecar("x", "p"));
    bench.ok(add);
    bench.take();
    bench.crash("b");
    let restart = bench.restart("p");
    let down = ["down b: failed: boom", "stop x", "down x", "stop slow", "stop p", "down p"];
    assert_eq!(bench.take(), down, "p waits for x, and x for its group");
    bench.pass(ms(100));
    assert_eq!(bench.take(), ["down slow", "start b", "start slow", "start x", "start p"]);
    assert_eq!(bench.outcome(restart).failure, None);
}

/// A job completes by itself while its group goes down, and is started again later.
#[test]
fn d3_d18_a_completion_ends_the_streak_also_while_the_group_goes_down() {
    let slow = perm("slow").always(Run::healthy().stops_after(ms(100)));
    let mut bench = Bench::launch(one_for_all([perm("a"), job("j").retry(), slow]));
    bench.crash("j");
    bench.pass(ms(100));
    assert_eq!((bench.state("j"), bench.row("j").attempt), (Lifecycle::Running, 1));
    bench.crash("a");
    bench.finish("j");
    assert_eq!(bench.state("j"), Lifecycle::Completed);
    bench.pass(ms(100));
    assert_eq!((bench.state("a"), bench.state("j")), (Lifecycle::Running, Lifecycle::Completed));
    let again = bench.start_again("j");
    bench.ok(again);
    assert_eq!((bench.state("j"), bench.row("j").attempt), (Lifecycle::Running, 0));
}
