//! A new spec that comes while a plan is under way: who the plan still has to do (D12), and who is freed by it.

use supervisor_api::{Cause, EventKind, Exit, Lifecycle, SupervisorError};
use supervisor_testkit::*;

fn slow(name: &str, stops_after: std::time::Duration) -> Child {
    perm(name).always(Run::healthy().stops_after(stops_after))
}

#[test]
fn d12_d3_a_new_child_is_no_reason_to_widen_a_group_that_waits_and_is_started_all_the_same() {
    let b = || perm("b").steps(ms(100), ms(100));
    let mut bench = Bench::launch(rest_for_one([perm("a"), b()]));
    bench.crash("b");
    bench.crash("b");
    assert_eq!(bench.state("b"), Lifecycle::Backoff);
    bench.apply(rest_for_one([perm("new"), perm("a"), b()]));
    bench.crash("a");
    let failed = bench.events(EventKind::ChildFailed, "a").pop().unwrap();
    assert_eq!(failed.numbers[1], 3, "a is no member of the group that waits, so its failure is charged");
    bench.pass(ms(200));
    assert_eq!((bench.state("b"), bench.state("new")), (Lifecycle::Running, Lifecycle::Running));
}

#[test]
fn d12_r24_who_leaves_while_its_group_goes_down_draws_nobody_else_into_it() {
    let slow = Run::healthy().stops_after(ms(100));
    let mut bench = Bench::launch(rest_for_one([perm("a"), perm("b"), perm("c").always(slow)]));
    bench.take();
    bench.crash("b");
    bench.apply(rest_for_one([perm("a"), perm("b")]));
    bench.pass(ms(200));
    assert_eq!(bench.take(), ["down b: failed: boom", "stop c", "down c", "start b"]);
    assert_eq!(bench.generation("a"), 1);
}

#[test]
fn d12_r24_a_failure_while_a_new_child_starts_does_not_draw_those_before_it_into_the_group() {
    let mut bench = Bench::launch(rest_for_one([perm("a"), perm("b")]));
    let new = perm("new").explicit().always(Run::ready_after(ms(50)));
    bench.apply(rest_for_one([new, perm("a"), perm("b")]));
    bench.take();
    bench.crash("b");
    assert_eq!(bench.take(), ["down b: failed: boom", "start b"]);
    bench.pass(ms(100));
    assert_eq!((bench.generation("new"), bench.state("new")), (1, Lifecycle::Running));
}

/// Both wait for their turn, and their group restarts them before it comes.
#[test]
fn d11_d12_who_was_to_go_down_with_a_sibling_stays_up_when_both_were_restarted_since() {
    let db = || perm("db").restart_dependants();
    let web = || perm("web").after(["db"]);
    let mut bench = Bench::launch(rest_for_one([slow("old", ms(500)), perm("a"), db(), web()]));
    bench.apply(rest_for_one([perm("a"), db(), web()]));
    let restarted = bench.restart("db");
    bench.take();
    bench.crash("a");
    bench.ok(restarted);
    bench.take();
    bench.pass(secs(1));
    assert_eq!(bench.take(), ["down old"]);
    assert_eq!((bench.generation("web"), bench.state("web")), (2, Lifecycle::Running));
}

/// `a` stands behind `c` in the new spec, and was drawn into its group for that.
#[test]
fn d12_r24_who_comes_to_stand_behind_a_member_of_a_group_that_goes_down_is_not_drawn_into_it() {
    let c = || slow("c", ms(100));
    let mut bench = Bench::launch(rest_for_one([perm("a"), perm("b"), c()]));
    bench.take();
    bench.crash("b");
    bench.apply(rest_for_one([c(), perm("a"), perm("b")]));
    bench.pass(secs(1));
    assert_eq!(bench.take(), ["down b: failed: boom", "stop c", "down c", "start c", "start b"]);
    assert_eq!((bench.generation("a"), bench.state("a")), (1, Lifecycle::Running));
}

/// The same while the group waits for its delay: whoever is in it is started, also who was told to rest (R29).
#[test]
fn d12_r24_who_comes_to_stand_behind_a_member_of_a_group_that_waits_is_not_started_with_it() {
    let b = || perm("b").steps(ms(500), ms(500));
    let mut bench = Bench::launch(rest_for_one([perm("a"), b(), perm("c")]));
    bench.terminate("a");
    bench.crash("b");
    bench.terminate("c");
    bench.crash("b");
    assert_eq!(bench.state("b"), Lifecycle::Backoff);
    bench.take();
    bench.apply(rest_for_one([b(), perm("a"), perm("c")]));
    bench.pass(ms(500));
    assert_eq!(bench.take(), ["start b", "start c"]);
    assert_eq!(
        bench.state("a"),
        Lifecycle::Stopped,
        "it stands behind b now, and was no member of the group"
    );
}

/// Who failed was no member of the group, and the new order says who is drawn into it by that.
#[test]
fn d12_d3_r24_a_failure_outside_a_group_that_has_a_new_order_is_charged_and_widens_it() {
    let c = || slow("c", ms(100));
    let mut bench = Bench::launch(rest_for_one([perm("a"), perm("b"), c(), perm("d")]).budget(2, secs(60)));
    bench.take();
    bench.crash("b");
    bench.apply(rest_for_one([c(), perm("d"), perm("a"), perm("b")]).budget(2, secs(60)));
    bench.crash("a");
    let failed = bench.events(EventKind::ChildFailed, "a").pop().unwrap();
    assert_eq!(failed.numbers[1], 2, "it is charged");
    bench.pass(secs(1));
    let down = ["down b: failed: boom", "stop d", "down d", "stop c", "down a: failed: boom", "down c"];
    let up = ["start c", "start d", "start a", "start b"];
    assert_eq!(bench.take(), [&down[..], &up[..]].concat());
}

#[test]
fn d12_d3_a_group_that_has_a_new_order_waits_for_no_delay_but_that_of_its_members() {
    let (a, b) = (|| perm("a").steps(secs(10), secs(10)), || perm("b").steps(ms(100), ms(100)));
    let mut bench = Bench::launch(one_for_one([a(), b()]));
    for name in ["a", "a", "b"] {
        bench.crash(name);
    }
    bench.apply(rest_for_one([a(), b()]));
    bench.crash("b");
    assert_eq!(["a", "b"].map(|name| bench.state(name)), [Lifecycle::Backoff; 2]);
    bench.apply(rest_for_one([b(), a()]));
    bench.take();
    bench.pass(ms(100));
    assert_eq!(bench.take(), ["start b"]);
    bench.pass(secs(10));
    assert_eq!(bench.take(), ["start a"], "in its own time");
}

#[test]
fn d12_r9_a_child_that_is_added_while_a_group_that_has_a_new_order_goes_down_is_started_after_it() {
    let tree = || one_for_all([perm("a"), slow("b", ms(100))]);
    let mut bench = Bench::launch(tree());
    bench.take();
    bench.crash("a");
    bench.apply(tree());
    let add = bench.add("/", perm("x"));
    bench.pass(ms(100));
    assert_eq!(bench.take(), ["down a: failed: boom", "stop b", "down b", "start a", "start b", "start x"]);
    bench.ok(add);
    let started = bench.events(EventKind::ChildRunning, "x").pop().unwrap();
    assert_eq!(started.cause, Cause::Group(bench.key("a").index), "no new spec has it");
}

#[test]
fn d12_r24_a_child_outside_a_group_that_has_a_new_order_starts_when_it_has_a_body() {
    let tree = || rest_for_one([perm("u").unbound(), perm("b"), slow("c", ms(100))]);
    let mut bench = Bench::launch(tree());
    bench.crash("b");
    bench.apply(tree());
    bench.bind("u");
    assert_eq!((bench.state("u"), bench.state("c")), (Lifecycle::Running, Lifecycle::Stopping));
    bench.pass(ms(100));
    assert_eq!(
        ["u", "b", "c"].map(|name| (bench.state(name), bench.generation(name))),
        [(Lifecycle::Running, 1), (Lifecycle::Running, 2), (Lifecycle::Running, 2)]
    );
}

#[test]
fn d3_r27_a_child_in_backoff_that_a_new_strategy_makes_a_member_waits_for_the_delay_of_its_group() {
    let b = || perm("b").steps(ms(100), ms(100));
    let a = || perm("a").steps(ms(500), ms(500));
    let mut bench = Bench::launch(one_for_one([a(), b()]));
    for name in ["a", "b", "b"] {
        bench.crash(name);
    }
    assert_eq!((bench.state("a"), bench.state("b")), (Lifecycle::Running, Lifecycle::Backoff));
    bench.apply(rest_for_one([a(), b()]));
    bench.crash("a");
    bench.take();
    bench.pass(ms(499));
    assert_eq!(bench.take(), [""; 0], "the delay of b alone is over, that of its group is not");
    assert_eq!(bench.state("b"), Lifecycle::Backoff);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["start a", "start b"]);
}

/// `x` fails alone, and comes into the group only when `w` fails too: its own delay counts then.
#[test]
fn d3_d12_an_operators_restart_of_a_member_hurries_nobody_outside_its_group() {
    let children = || [perm("w"), perm("x").steps(ms(500), ms(500)), perm("a"), slow("b", ms(100))];
    let mut bench = Bench::launch(one_for_one(children()));
    bench.crash("x");
    bench.crash("x");
    bench.apply(rest_for_one(children()));
    bench.crash("a");
    bench.restart("b");
    bench.crash("w");
    bench.take();
    bench.pass(ms(499));
    assert_eq!(bench.take(), ["down b"], "the longest delay in the group is that of x");
    assert_eq!(bench.state("x"), Lifecycle::Backoff);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["start w", "start x", "start a", "start b"]);
}

/// Whoever else the new spec has stands before it, and is not started yet.
#[test]
fn d11_d12_a_child_that_waits_and_that_a_new_spec_frees_starts_at_once_wherever_it_stands() {
    let s = || sup("s", one_for_one([job("j"), perm("w").after(["j"])]));
    let old = [s(), perm("api").after(["s"]), perm("web").after(["api"])];
    let mut bench = Bench::launch(one_for_one(old).by_dependencies());
    assert_eq!(["s", "web"].map(|name| bench.state(name)), [Lifecycle::Starting, Lifecycle::Waiting]);
    bench.apply(one_for_one([s(), perm("api"), perm("web"), sidecar("log", "api").unbound()]));
    assert_eq!(["s", "web"].map(|name| bench.state(name)), [Lifecycle::Starting, Lifecycle::Running]);
}

/// The start under way was to start it, and a group that it is no member of comes in between.
#[test]
fn d12_d17_a_restart_that_is_left_to_the_initial_start_is_done_though_a_group_goes_down_meanwhile() {
    let late = || perm("late").explicit().within(ms(20)).run(1, Run::never_ready());
    let first = perm("first").explicit().always(Run::ready_after(ms(50)));
    let mut bench = Bench::launch(one_for_one([late(), perm("x")]).retries_start());
    bench.pause("x");
    let restart = bench.restart("x");
    bench.apply(rest_for_one([first, perm("x"), late()]).retries_start());
    assert_eq!(bench.state("x"), Lifecycle::Stopped, "its turn comes after that of first");
    bench.pass(secs(1));
    assert_eq!(bench.outcome(restart).failure, None);
    let all = ["first", "x", "late"].map(|name| (bench.state(name), bench.generation(name)));
    assert_eq!(all, [(Lifecycle::Running, 1), (Lifecycle::Running, 1), (Lifecycle::Running, 2)]);
}

/// `u` starts when its old run is gone at last, and fails, before `x` has its turn.
#[test]
fn r48_r24_who_has_not_had_its_turn_in_a_new_incarnation_is_started_though_a_group_goes_down_meanwhile() {
    let first = perm("first").explicit().run(2, Run::ready_after(ms(50)));
    let u = perm("u").grace(ms(10)).abort_wait(ms(10)).run(1, Run::healthy().immortal());
    let below = rest_for_one([first, perm("x"), u]);
    let mut bench = Bench::launch(one_for_one([sup("s", below)]));
    bench.restart("s");
    bench.pass(ms(20));
    assert_eq!([bench.state("s/first"), bench.state("s/x")], [Lifecycle::Starting, Lifecycle::Stopped]);
    bench.end("s/u", Exit::Aborted);
    bench.crash("s/u");
    bench.pass(secs(1));
    let all = ["s/first", "s/x", "s/u"].map(|name| (bench.state(name), bench.generation(name)));
    assert_eq!(all, [(Lifecycle::Running, 2), (Lifecycle::Running, 2), (Lifecycle::Running, 3)]);
}

/// How a primary comes to rest, and its sidecar with it.
const RESTS: [fn(&mut Bench); 4] = [
    |bench| bench.crash("p"),
    |bench| bench.finish("p"),
    |bench| _ = bench.quarantine("p"),
    |bench| _ = bench.pause("p"),
];

#[test]
fn d15_d12_a_sidecar_that_rests_with_its_primary_starts_when_a_new_spec_drops_that() {
    for rest in RESTS {
        let mut bench = Bench::launch(one_for_one([job("p"), sidecar("s", "p")]));
        rest(&mut bench);
        assert_eq!(bench.state("s"), Lifecycle::Stopped);
        let ticket = bench.apply(one_for_one([perm("s")]));
        bench.ok(ticket);
        assert_eq!((bench.state("s"), bench.generation("s")), (Lifecycle::Running, 2));
    }
}

#[test]
fn d15_d12_a_sidecar_that_backs_off_when_its_primary_is_parked_starts_when_a_new_spec_drops_that() {
    let s = || sidecar("s", "p").steps(secs(1), secs(1));
    let mut bench = Bench::launch(one_for_one([perm("p"), s()]));
    bench.crash("s");
    bench.crash("s");
    assert_eq!(bench.state("s"), Lifecycle::Backoff);
    bench.pause("p");
    assert_eq!(bench.state("s"), Lifecycle::Stopped);
    bench.apply(one_for_one([perm("s")]));
    assert_eq!(bench.state("s"), Lifecycle::Running);
}

#[test]
fn d15_d12_a_sidecar_that_was_told_to_rest_goes_on_resting_when_a_new_spec_drops_its_primary() {
    let mut bench = Bench::launch(one_for_one([job("p"), sidecar("s", "p")]));
    bench.crash("p");
    bench.terminate("s");
    bench.apply(one_for_one([perm("s")]));
    assert_eq!((bench.state("s"), bench.generation("s")), (Lifecycle::Stopped, 1));
}

#[test]
fn d15_d12_a_sidecar_that_rests_with_its_primary_and_has_a_body_again_goes_on_resting_with_it() {
    let mut bench = Bench::launch(one_for_one([perm("p"), sidecar("s", "p")]));
    bench.pause("p");
    bench.apply(one_for_one([perm("p"), sidecar("s", "p").version(2).unbound()]));
    bench.bind("s");
    assert_eq!((bench.state("p"), bench.state("s")), (Lifecycle::Paused, Lifecycle::Stopped));
    bench.resume("p");
    assert_eq!(["p", "s"].map(|name| bench.state(name)), [Lifecycle::Running; 2]);
}

/// The plan went over the child once more, and took the second start for one of a child that had run before.
#[test]
fn r11_the_first_start_of_an_added_child_is_a_trial_also_when_a_new_spec_goes_over_it_again() {
    let x = perm("x").explicit().run(1, Run::never_ready().stops_after(ms(100)));
    let x = x.run(2, Run::fails_to_start());
    let tree = || one_for_all([perm("a"), perm("b")]).concurrent();
    let mut bench = Bench::launch(tree());
    let ticket = bench.start_child("/", x);
    bench.crash("a");
    assert_eq!(bench.state("x"), Lifecycle::Stopping);
    bench.apply(tree());
    bench.pass(secs(1));
    assert!(matches!(bench.refused(ticket), SupervisorError::StartFailed { .. }));
    assert_eq!(bench.find("x"), None, "its spec is not kept");
    assert_eq!(["a", "b"].map(|name| bench.state(name)), [Lifecycle::Running; 2]);
}

#[test]
fn d11_d12_a_dependant_whose_turn_to_go_down_has_not_come_stays_when_a_new_spec_frees_it() {
    let db = || perm("db").restart_dependants();
    let web = || slow("web", ms(100)).after(["db"]);
    let mut bench = Bench::launch(one_for_one([db(), perm("api").after(["db"]), web()]));
    bench.take();
    let restart = bench.restart("db");
    assert_eq!(bench.take(), ["stop web"], "api is next");
    bench.apply(one_for_one([db(), perm("api"), web()]));
    bench.pass(secs(1));
    bench.ok(restart);
    assert_eq!(bench.take(), ["down web", "stop db", "down db", "start db", "start web"]);
    assert_eq!((bench.generation("api"), bench.state("api")), (1, Lifecycle::Running));
}

#[test]
fn r29_r36_a_child_that_was_terminated_before_its_turn_among_new_ones_is_revived_by_a_later_group() {
    let new = || perm("new").explicit().always(Run::ready_after(ms(50)));
    for wait in [ms(0), ms(100)] {
        let mut bench = Bench::launch(one_for_all([perm("a")]));
        bench.apply(one_for_all([perm("a"), new(), perm("b")]));
        assert_eq!(bench.state("b"), Lifecycle::Declared, "its turn comes after that of new");
        bench.terminate("b");
        assert_eq!(bench.state("b"), Lifecycle::Stopped);
        bench.pass(wait);
        assert_eq!(bench.generation("b"), 0);
        bench.crash("a");
        bench.pass(ms(100));
        assert_eq!((bench.state("new"), bench.state("b")), (Lifecycle::Running, Lifecycle::Running));
    }
}

/// It was given up on when its group went down, and is gone when the group goes down again.
#[test]
fn d12_d8_a_child_that_dies_late_while_its_group_goes_down_starts_when_it_has_a_body_again() {
    let stuck = perm("x").grace(ms(10)).abort_wait(ms(10)).always(Run::healthy().immortal());
    let mut bench = Bench::launch(one_for_all([perm("a"), stuck, slow("z", ms(50))]));
    bench.crash("a");
    bench.pass(ms(100));
    assert_eq!((bench.state("a"), bench.state("x")), (Lifecycle::Running, Lifecycle::Unresponsive));
    bench.crash("a");
    bench.end("x", Exit::Aborted);
    assert_eq!((bench.state("z"), bench.state("x")), (Lifecycle::Stopping, Lifecycle::Stopped));
    bench.apply(one_for_all([perm("x").version(2).unbound()]));
    bench.pass(secs(1));
    assert_eq!(bench.state("x"), Lifecycle::Stopped, "it has no body");
    bench.bind("x");
    assert_eq!(bench.state("x"), Lifecycle::Running);
}

#[test]
fn d12_d8_a_dropped_supervisor_that_is_kept_for_somebody_below_it_stands_before_those_of_the_next_spec() {
    let stuck = perm("stuck").grace(ms(10)).abort_wait(ms(10)).always(Run::healthy().immortal());
    let below = one_for_one([stuck, perm("bad")]).budget(0, secs(60));
    let mut bench = Bench::launch(one_for_one([sup("s", below)]));
    bench.crash("s/bad");
    bench.pass(ms(50));
    bench.crash("s/bad");
    assert_eq!((bench.state("s"), bench.state("s/stuck")), (Lifecycle::Backoff, Lifecycle::Unresponsive));
    bench.apply(one_for_one([]));
    bench.apply(one_for_one([perm("new")]));
    let root = bench.key("/");
    let order: Vec<_> = bench.machine().children(root).collect();
    assert_eq!(order, [bench.key("s"), bench.key("new")]);
}

/// A child that a start was to leave out, and whose turn never came, since its supervisor was restarted.
#[test]
fn r48_r36_who_was_terminated_before_its_turn_is_started_in_a_new_incarnation() {
    let slow = perm("slow").explicit().run(2, Run::never_ready());
    let slow = slow.run(3, Run::never_ready().stops_after(ms(50)));
    let u = perm("u").grace(ms(10)).abort_wait(ms(10)).run(1, Run::healthy().immortal());
    let below = one_for_all([perm("a"), slow, u]);
    let mut bench = Bench::launch(one_for_one([sup("s", below)]));
    bench.crash("s/a");
    bench.pass(ms(20));
    assert_eq!([bench.state("s/slow"), bench.state("s/u")], [Lifecycle::Starting, Lifecycle::Unresponsive]);
    bench.terminate("s/u");
    bench.restart("s");
    assert_eq!([bench.state("s/slow"), bench.state("s/u")], [Lifecycle::Starting, Lifecycle::Unresponsive]);
    bench.crash("s/a");
    bench.end("s/u", Exit::Aborted);
    bench.pass(secs(1));
    let all = ["s/a", "s/slow", "s/u"].map(|name| (bench.state(name), bench.generation(name)));
    assert_eq!(all, [(Lifecycle::Running, 4), (Lifecycle::Running, 4), (Lifecycle::Running, 2)]);
}

/// The apply has the sidecar started for its primary, before the start of the group comes by it; then the primary
/// fails, and under the new strategy that is a matter of those behind it alone. It is the same whether the primary has to
/// wait for the sidecar or not.
#[test]
fn d12_r24_whom_somebody_else_started_before_its_turn_is_not_taken_down_by_the_group_that_comes_instead() {
    let s = || sidecar("s", "b");
    for (s_next, is_told) in [(s().explicit(), &["start s", "ready s"][..]), (s(), &["start s"])] {
        let a = perm("a").explicit().run(2, Run::never_ready());
        let mut bench = Bench::launch(one_for_all([a, perm("b"), s()]));
        bench.crash("b");
        assert_eq!(bench.state("a"), Lifecycle::Starting);
        bench.take();
        let b = perm("b").version(2).explicit().within(ms(11)).run(2, Run::never_ready());
        bench.apply(rest_for_one([perm("a"), b, s_next]));
        bench.pass(ms(12));
        assert_eq!(bench.take(), [is_told, &["start b", "stop b", "down b"]].concat());
        bench.ready("a");
        bench.pass(secs(1));
        assert_eq!(bench.take(), ["ready a", "start b", "ready b"]);
        assert_eq!(bench.generation("s"), 2);
    }
}

/// `b` waits because its new body does, and not because its turn has come.
#[test]
fn d12_d9_the_start_of_a_group_goes_on_in_order_when_a_new_spec_restarts_somebody_it_has_not_come_by() {
    let a = || perm("a").explicit().always(Run::ready_after(ms(100)));
    let tree = || one_for_all([a(), perm("b").version(2).after(["a"]), perm("new")]);
    let mut bench = Bench::launch(one_for_all([a(), perm("b")]));
    bench.pass(ms(100));
    bench.take();
    bench.crash("b");
    bench.apply(tree());
    assert_eq!((bench.state("a"), bench.state("b")), (Lifecycle::Starting, Lifecycle::Waiting));
    bench.apply(tree());
    assert_eq!(bench.state("new"), Lifecycle::Declared, "it is not its turn yet");
    bench.take();
    bench.pass(ms(100));
    assert_eq!(bench.take(), ["ready a", "start b", "start new"]);
    let cause = |name| bench.events(EventKind::ChildRunning, name).pop().unwrap().cause;
    let group = Cause::Group(bench.key("b").index);
    assert_eq!(["b", "new"].map(cause), [Cause::Dependency(bench.key("a").index), group]);
}

/// The start of the group waits for nobody but `slow` when `job` is started again, and has long come by `k`.
#[test]
fn d12_r24_who_starts_again_behind_the_start_of_a_group_leaves_nobody_to_the_group_that_comes_instead() {
    let b = || perm("b").explicit().always(Run::ready_after(ms(10)));
    let tree = || {
        let job = job("job").explicit().always(Run::never_ready());
        let k = perm("k").after(["x"]);
        rest_for_one([perm("a"), b(), slow("slow", ms(500)), job, perm("x"), k, perm("l")]).retries_start()
    };
    let mut bench = Bench::launch(tree());
    bench.pause("x");
    bench.pause("k");
    bench.terminate("l");
    bench.crash("a");
    bench.pass(ms(10));
    assert_eq!((bench.state("slow"), bench.state("job")), (Lifecycle::Running, Lifecycle::Starting));
    bench.pause("slow");
    bench.crash("job");
    for name in ["job", "k", "x", "l"] {
        bench.restart(name);
    }
    assert_eq!((bench.state("slow"), bench.state("job")), (Lifecycle::Stopping, Lifecycle::Starting));
    bench.apply(tree());
    bench.take();
    bench.crash("l");
    assert_eq!(bench.take(), ["down l: failed: boom", "start l"]);
    let generations = ["job", "x", "k"].map(|name| bench.generation(name));
    assert_eq!(generations, [2, 1, 1], "they stand before it");
    bench.pass(ms(500));
    assert_eq!(bench.take(), ["down slow"]);
}
