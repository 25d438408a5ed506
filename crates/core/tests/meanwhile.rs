//! What happens to a child while something else is under way with it: a removal, a start of its primary, a command
//! that waits for its turn, its group's way down, a new spec.

use std::time::Duration;

use supervisor_api::policy::{AutoShutdown, RestartType};
use supervisor_api::{EventKind, Exit, Lifecycle, SupervisorError};
use supervisor_core::{Reply, Ticket};
use supervisor_testkit::*;

/// A command on a child.
type Call = fn(&mut Bench, &str) -> Ticket;

fn slow(name: &str, stops_after: Duration) -> Child {
    perm(name).always(Run::healthy().stops_after(stops_after))
}

/// Unresponsive 20 ms after it was asked to stop.
fn immortal(name: &str) -> Child {
    perm(name).grace(ms(10)).abort_wait(ms(10)).always(Run::healthy().immortal())
}

/// `w` comes back first, and everybody is numbered anew for that.
#[test]
fn r48_r9_a_removed_child_whose_name_is_taken_when_others_come_back_keeps_its_declared_place() {
    let below = one_for_one([perm("w"), perm("x"), perm("y"), perm("z")]);
    let mut bench = Bench::launch(one_for_one([sup("s", below)]));
    bench.remove("s/x");
    bench.add("s", immortal("x").version(2));
    bench.remove("s/w");
    bench.restart("s");
    bench.pass(secs(1));
    assert_eq!((bench.state("s/x"), bench.state("s/w")), (Lifecycle::Unresponsive, Lifecycle::Running));
    bench.end("s/x", Exit::Aborted);
    assert_eq!((bench.state("s/x"), bench.generation("s/x")), (Lifecycle::Running, 1), "the declared one");
    bench.take();
    bench.shutdown();
    let stops: Vec<String> = bench.take().into_iter().filter(|line| line.starts_with("stop ")).collect();
    assert_eq!(stops, ["stop s/z", "stop s/y", "stop s/x", "stop s/w"], "in reverse of the declared order");
}

/// Its primary waits for `c6`, and is looked at again when `c1` is over: that starts `c1` once more.
#[test]
fn d15_a_sidecar_of_a_sidecar_that_completes_and_is_started_again_at_once_is_not_stopped() {
    let c1 = sidecar("c1", "c0").restart(RestartType::Transient);
    let mut bench = Bench::launch(one_for_one([perm("c0"), c1, sidecar("c6", "c0")]));
    bench.quarantine("c6");
    bench.restart("c0");
    assert_eq!(bench.state("c0"), Lifecycle::Waiting);
    let add = bench.start_child("/", sidecar("c25", "c1"));
    bench.ok(add);
    bench.take();
    bench.finish("c1");
    assert_eq!((bench.state("c1"), bench.generation("c1")), (Lifecycle::Running, 2));
    assert_eq!((bench.state("c25"), bench.generation("c25")), (Lifecycle::Running, 1));
    assert_eq!(bench.take(), ["down c1: completed", "start c1"]);
}

/// The same when it has to wait before it starts: it is about to run, so it is not down for good.
#[test]
fn d15_a_sidecar_of_a_sidecar_that_completes_and_waits_to_be_started_again_is_not_stopped() {
    let c1 = sidecar("c1", "c0").restart(RestartType::Transient).after(["db"]);
    let mut bench = Bench::launch(one_for_one([perm("db"), perm("c0"), c1, sidecar("c6", "c0")]));
    bench.quarantine("c6");
    bench.restart("c0");
    bench.pause("db");
    let add = bench.start_child("/", sidecar("c25", "c1"));
    bench.ok(add);
    bench.take();
    bench.finish("c1");
    assert_eq!([bench.state("c1"), bench.state("c25")], [Lifecycle::Waiting, Lifecycle::Running]);
    bench.resume("db");
    assert_eq!([bench.generation("c1"), bench.generation("c25")], [2, 1]);
    assert_eq!(bench.take(), ["down c1: completed", "start db", "start c1"]);
}

/// The operator's addition does not outlive the incarnation in which it was made, so nobody waits for it.
#[test]
fn r48_d15_a_child_that_was_removed_comes_back_without_the_sidecar_that_was_added_to_it() {
    let mut bench = Bench::launch(one_for_one([sup("s", one_for_one([perm("main")]))]));
    let add = bench.add(
        "s",
        sidecar("proxy", "main").grace(ms(10)).abort_wait(ms(10)).always(Run::healthy().immortal()),
    );
    bench.ok(add);
    bench.remove("s/main");
    bench.pass(secs(1));
    assert_eq!((bench.find("s/main"), bench.state("s/proxy")), (None, Lifecycle::Unresponsive));
    bench.restart("s");
    assert_eq!((bench.state("s/main"), bench.generation("s/main")), (Lifecycle::Running, 1));
    bench.end("s/proxy", Exit::Aborted);
    assert_eq!(bench.find("s/proxy"), None);
    assert_eq!((bench.state("s/main"), bench.generation("s/main")), (Lifecycle::Running, 1));
}

#[test]
fn r48_d12_a_child_that_was_removed_comes_back_with_what_was_bound_late() {
    let tree = || one_for_one([sup("s", one_for_one([perm("x").unbound()]))]);
    let mut bench = Bench::launch(tree());
    bench.bind("s/x");
    bench.remove("s/x");
    bench.restart("s");
    assert_eq!((bench.state("s/x"), bench.generation("s/x")), (Lifecycle::Running, 1));
    let apply = bench.apply(tree());
    let Reply::Applied(applied) = bench.ok(apply) else { panic!("{:?}", bench.ok(apply)) };
    assert_eq!(applied.plan.numbers(), [0, 0, 0, 2]);
    bench.crash("s/x");
    assert_eq!((bench.state("s/x"), bench.generation("s/x")), (Lifecycle::Running, 2));
}

#[test]
fn d10_d11_a_command_that_waits_for_dependants_is_done_when_the_supervisor_gives_up_by_itself_uncharged() {
    let commands: [(Call, Lifecycle, u64); 3] = [
        (Bench::pause, Lifecycle::Paused, 1),
        (Bench::quarantine, Lifecycle::Quarantined, 1),
        (Bench::restart, Lifecycle::Running, 2),
    ];
    for (call, state, generation) in commands {
        let below = one_for_one([perm("x"), slow("y", ms(100))]).budget(0, secs(60));
        let s = sup("s", below).restart_dependants();
        let tree = one_for_one([s, slow("web", secs(1)).after(["s"])]).budget(0, secs(60));
        let mut bench = Bench::launch(tree);
        let ticket = call(&mut bench, "s");
        bench.crash("s/x");
        assert!(bench.reply(ticket).is_none(), "its subtree still goes down");
        bench.pass(ms(100));
        assert_eq!(bench.ended(), None, "the root has no restart to give, and is not charged");
        bench.pass(secs(5));
        assert_eq!(bench.outcome(ticket).failure, None);
        assert_eq!((bench.state("s"), bench.generation("s")), (state, generation));
        assert_eq!((bench.ended(), bench.row("s").restart_count), (None, 0));
    }
}

/// A child whose first start is awaited; then `a` takes everybody down, and `z` holds that up.
fn trial(name: &str) -> Child {
    perm(name).explicit().within(ms(50))
}

fn fails_late() -> Run {
    Run::never_ready().stops_after(ms(150))
}

/// How a first start of `x` fails while its group goes down.
const FAILS: [fn(&mut Bench); 3] = [
    // By itself, before it is asked to stop.
    |bench| {
        bench.crash("a");
        assert_eq!(bench.state("x"), Lifecycle::Starting, "z is asked first");
        bench.crash("x");
    },
    // It is stopped for being late, and is not gone yet when its turn to go down comes.
    |bench| {
        bench.crash("a");
        assert_eq!(bench.state("x"), Lifecycle::Starting, "z is asked first");
        bench.pass(ms(50));
        assert_eq!(bench.state("x"), Lifecycle::Stopping);
        bench.pass(ms(150));
    },
    // The same, and its group goes down only then.
    |bench| {
        bench.pass(ms(50));
        assert_eq!(bench.state("x"), Lifecycle::Stopping);
        bench.crash("a");
        bench.pass(ms(150));
    },
];

#[test]
fn r11_a_child_that_fails_its_first_start_while_its_group_goes_down_is_refused_and_not_kept() {
    for fail in FAILS {
        let mut bench = Bench::launch(one_for_all([perm("a")]).by_dependencies());
        let ticket = bench.start_child("/", trial("x").run(1, fails_late()));
        bench.add("/", slow("z", ms(100)));
        fail(&mut bench);
        assert!(matches!(bench.refused(ticket), SupervisorError::StartFailed { .. }));
        assert_eq!(bench.find("x"), None, "its spec is not kept");
        bench.pass(secs(1));
        assert_eq!(["a", "z"].map(|name| bench.state(name)), [Lifecycle::Running; 2]);
        assert_eq!(bench.take().iter().filter(|line| *line == "start x").count(), 1, "nor is it tried again");
    }
}

#[test]
fn r11_a_supervisor_whose_first_start_has_failed_is_not_kept_though_its_group_takes_it_down_meanwhile() {
    let k = perm("k").explicit().run(1, Run::fails_to_start());
    let mut bench = Bench::launch(one_for_all([perm("a")]));
    let ticket = bench.start_child("/", sup("s", one_for_one([slow("y", ms(100)), k])));
    assert_eq!((bench.state("s"), bench.state("s/y")), (Lifecycle::Stopping, Lifecycle::Stopping));
    bench.crash("a");
    bench.pass(secs(1));
    assert!(matches!(bench.refused(ticket), SupervisorError::StartFailed { .. }));
    assert_eq!((bench.find("s"), bench.state("a")), (None, Lifecycle::Running));
}

#[test]
fn r11_d15_a_sidecar_that_is_too_late_in_its_first_start_is_refused_also_when_its_primary_goes_down_meanwhile()
 {
    let mut bench = Bench::launch(one_for_one([perm("main")]));
    let x = sidecar("x", "main").explicit().within(ms(50)).always(fails_late());
    let ticket = bench.start_child("/", x);
    bench.pass(ms(50));
    bench.pause("main");
    assert_eq!((bench.state("main"), bench.state("x")), (Lifecycle::Paused, Lifecycle::Stopping));
    bench.pass(ms(150));
    assert!(matches!(bench.refused(ticket), SupervisorError::StartFailed { .. }));
    assert_eq!(bench.find("x"), None, "its spec is not kept");
}

/// The caller has its answer by then, so nobody awaits the next start.
#[test]
fn r11_d8_a_child_that_does_not_die_when_its_group_goes_down_in_its_first_start_is_kept_and_retried() {
    let x = immortal("x").explicit().run(1, Run::never_ready().immortal()).run(2, Run::fails_to_start());
    let mut bench = Bench::launch(one_for_all([perm("a")]));
    let ticket = bench.start_child("/", x);
    bench.crash("a");
    bench.pass(ms(20));
    assert_eq!(bench.state("x"), Lifecycle::Unresponsive);
    assert!(matches!(bench.refused(ticket), SupervisorError::InvalidTransition { .. }), "it is unresponsive");
    bench.end("x", Exit::Aborted);
    bench.pass(secs(1));
    assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Running, 3));
}

#[test]
fn r68_r29_a_child_started_again_that_fails_while_its_group_goes_down_is_refused_and_comes_up_with_that() {
    for fail in FAILS {
        let x = trial("x").run(2, fails_late());
        let tree = one_for_all([perm("a"), x, slow("z", ms(100))]).by_dependencies();
        let mut bench = Bench::launch(tree);
        bench.terminate("x");
        let ticket = bench.start_again("x");
        fail(&mut bench);
        assert!(matches!(bench.refused(ticket), SupervisorError::StartFailed { .. }));
        let failed = bench.events(EventKind::ChildStartFailed, "x").pop().unwrap();
        assert_eq!(
            (failed.row.lifecycle, failed.row.generation),
            (Lifecycle::Failed, 2),
            "kept, not retried"
        );
        bench.pass(secs(1));
        assert_eq!(["a", "x", "z"].map(|name| bench.state(name)), [Lifecycle::Running; 3]);
        assert_eq!(bench.generation("x"), 3, "a group starts every spec that is kept");
    }
}

/// `x` comes back to its place before the group when its name is free, and is to start once the group is up.
#[test]
fn r67_a_child_that_is_terminated_before_its_first_start_which_no_plan_under_way_has_stays_down() {
    // While the group goes down, and while it comes up.
    for (wait, b) in [(ms(0), Lifecycle::Stopping), (ms(100), Lifecycle::Starting)] {
        let slow = |name| perm(name).explicit().always(Run::ready_after(ms(50)).stops_after(ms(100)));
        let below = rest_for_one([perm("x"), perm("a"), slow("b")]);
        let mut bench = Bench::launch(one_for_one([sup("s", below)]));
        bench.pass(secs(1));
        bench.remove("s/x");
        bench.add("s", immortal("x").version(2));
        bench.restart("s");
        bench.pass(secs(1));
        bench.crash("s/a");
        bench.pass(wait);
        bench.end("s/x", Exit::Aborted);
        assert_eq!((bench.state("s/b"), bench.state("s/x")), (b, Lifecycle::Declared));
        let terminate = bench.terminate("s/x");
        bench.ok(terminate);
        assert_eq!(bench.state("s/x"), Lifecycle::Stopped);
        bench.pass(secs(1));
        assert_eq!(["s/a", "s/b"].map(|name| bench.state(name)), [Lifecycle::Running; 2]);
        assert_eq!((bench.state("s/x"), bench.generation("s/x")), (Lifecycle::Stopped, 0));
    }
}

/// A tree that ends with its job, but for the dynamic supervisor in `s`.
fn all_done() -> Bench {
    let s = sup("s", one_for_one([sup("d", dynamic(3))]));
    Bench::launch(one_for_one([s, job("j")]).auto_shutdown(AutoShutdown::AllDone))
}

#[test]
fn d20_a_tree_whose_only_dynamic_supervisor_is_removed_ends_when_nothing_else_is_left_to_run() {
    let mut bench = all_done();
    bench.finish("j");
    assert_eq!(bench.ended(), None, "a dynamic supervisor is there");
    bench.remove("s/d");
    assert!(bench.ended().is_some());
    let mut bench = all_done();
    bench.remove("s/d");
    assert_eq!(bench.ended(), None, "the job runs");
    bench.finish("j");
    assert!(bench.ended().is_some());
}

#[test]
fn d20_r48_a_dynamic_supervisor_that_comes_back_keeps_the_tree_again() {
    let mut bench = all_done();
    bench.remove("s/d");
    bench.restart("s");
    assert_eq!(bench.state("s/d"), Lifecycle::Running);
    bench.finish("j");
    assert_eq!(bench.ended(), None);
    bench.remove("s/d");
    assert!(bench.ended().is_some());
}

/// `s` with somebody below it who does not die when it goes down.
fn held() -> Child {
    sup("s", one_for_one([immortal("x")]))
}

#[test]
fn d8_d12_a_parked_supervisor_that_a_new_spec_does_not_name_is_not_started_while_somebody_lives_below_it() {
    let park: [(Call, Lifecycle); 2] =
        [(Bench::pause, Lifecycle::Paused), (Bench::quarantine, Lifecycle::Quarantined)];
    for (park, state) in park {
        for start in [Bench::restart as Call, Bench::resume] {
            let mut bench = Bench::launch(one_for_one([perm("a"), held()]));
            park(&mut bench, "s");
            bench.pass(secs(1));
            assert_eq!((bench.state("s"), bench.state("s/x")), (state, Lifecycle::Unresponsive));
            bench.apply(one_for_one([perm("a")]));
            assert_eq!(bench.state("s"), state, "it is kept until x is gone");
            let ticket = start(&mut bench, "s");
            assert!(matches!(bench.refused(ticket), SupervisorError::InvalidTransition { .. }));
            assert_eq!(bench.state("s"), state);
            bench.end("s/x", Exit::Aborted);
            assert_eq!((bench.find("s"), bench.find("s/x")), (None, None));
        }
    }
}

#[test]
fn d8_d12_a_stopped_supervisor_that_was_to_be_removed_and_that_a_new_spec_names_again_is_started() {
    let tree = || one_for_one([perm("a"), held()]);
    let mut bench = Bench::launch(tree());
    bench.terminate("s");
    bench.pass(secs(1));
    assert_eq!((bench.state("s"), bench.state("s/x")), (Lifecycle::Stopped, Lifecycle::Unresponsive));
    bench.remove("s");
    assert_eq!(bench.state("s"), Lifecycle::Stopped, "it goes when x is gone");
    let apply = bench.apply(tree());
    bench.ok(apply);
    assert_eq!((bench.state("s"), bench.generation("s")), (Lifecycle::Running, 2));
    assert_eq!(bench.state("s/x"), Lifecycle::Unresponsive, "one run at a time");
    bench.end("s/x", Exit::Aborted);
    assert_eq!((bench.state("s/x"), bench.generation("s/x")), (Lifecycle::Running, 2));
}

#[test]
fn r11_d18_a_job_whose_first_start_its_group_stops_is_refused_and_not_kept() {
    let mut bench = Bench::launch(one_for_all([perm("a"), slow("b", secs(1))]));
    let start = bench.start_child("/", job("x").explicit().always(Run::never_ready()));
    bench.crash("a");
    assert!(matches!(bench.refused(start), SupervisorError::InvalidTransition { .. }));
    assert_eq!(bench.find("x"), None, "an error means that nothing stays");
    bench.pass(secs(1));
    let again = bench.start_child("/", job("x"));
    bench.ok(again);
}

/// The restart finds the terminated child given up on, before its group comes to it, and is no less of a restart.
#[test]
fn d17_r27_a_restart_of_an_unresponsive_child_that_was_terminated_while_its_group_goes_down_is_done_with_the_group()
 {
    let tree = one_for_all([perm("a"), slow("v", secs(1)), immortal("x"), slow("w", secs(1))]);
    let mut bench = Bench::launch(tree);
    bench.crash("a");
    bench.terminate("x");
    bench.pass(ms(20));
    assert_eq!((bench.state("x"), bench.state("w")), (Lifecycle::Unresponsive, Lifecycle::Stopping));
    bench.restart("x");
    bench.pass(secs(1));
    assert_eq!(bench.state("v"), Lifecycle::Stopping, "the group has passed x");
    bench.end("x", Exit::Aborted);
    assert_eq!(bench.state("x"), Lifecycle::Stopped, "it waits for its group");
    bench.pass(secs(1));
    assert_eq!((bench.state("w"), bench.state("x")), (Lifecycle::Running, Lifecycle::Running));
}

/// `c0` waits for its sidecar, and the sidecar's failed start takes it down.
#[test]
fn d18_r27_a_job_that_an_operator_started_and_that_waits_when_its_group_goes_down_runs_with_the_group() {
    let helper = sidecar("c1", "c0").explicit().always(Run::ready_after(ms(50)));
    let mut bench = Bench::launch(one_for_all([helper, job("c0"), perm("web")]));
    bench.pass(ms(50));
    bench.finish("c0");
    assert_eq!((bench.state("c0"), bench.state("c1")), (Lifecycle::Completed, Lifecycle::Stopped));
    bench.restart("c0");
    assert_eq!((bench.state("c0"), bench.state("c1")), (Lifecycle::Waiting, Lifecycle::Starting));
    bench.crash("web");
    bench.pass(ms(50));
    assert_eq!((bench.state("c0"), bench.generation("c0")), (Lifecycle::Running, 2));
}

/// The second command comes while a start of the group is on its way to the child.
#[test]
fn r15_a_child_that_waits_and_is_started_again_twice_answers_both() {
    let slow = || perm("slow").explicit().always(Run::ready_after(ms(50)));
    let mut bench = Bench::launch(one_for_all([perm("a"), slow(), perm("db"), job("x").after(["db"])]));
    bench.pass(ms(50));
    bench.pause("db");
    bench.crash("x");
    bench.crash("a");
    assert_eq!((bench.state("slow"), bench.state("x")), (Lifecycle::Starting, Lifecycle::Failed));
    let (first, second) = (bench.start_again("x"), bench.start_again("x"));
    bench.pass(ms(50));
    assert_eq!(bench.state("x"), Lifecycle::Waiting);
    assert_eq!(bench.outcome(first).state_after, Lifecycle::Waiting);
    assert_eq!(bench.outcome(second).state_after, Lifecycle::Waiting);
}

/// Nobody is left whom it could wait for, and it is not started before its group.
#[test]
fn r27_d11_a_dependant_that_dies_late_when_whom_it_waited_for_is_removed_starts_with_its_group() {
    let c2 = sidecar("c2", "c1").restart_dependants();
    let tree = one_for_all([immortal("c1"), c2, perm("c6"), slow("c7", ms(50))]);
    let mut bench = Bench::launch(tree);
    let remove = bench.remove("c2");
    bench.pass(ms(20));
    bench.ok(remove);
    assert_eq!((bench.state("c1"), bench.find("c2")), (Lifecycle::Unresponsive, None));
    bench.crash("c6");
    bench.end("c1", Exit::Aborted);
    assert_eq!((bench.state("c7"), bench.state("c1")), (Lifecycle::Stopping, Lifecycle::Stopped));
    bench.pass(ms(50));
    assert_eq!((bench.state("c1"), bench.generation("c1")), (Lifecycle::Running, 2));
}

/// A new spec has another body for `side`, which waits for its turn to be restarted; its primary takes it down first.
#[test]
fn d10_d12_a_pause_of_a_stopping_child_that_a_new_spec_is_to_restart_holds_it() {
    let calls: [(Call, Lifecycle); 2] =
        [(Bench::pause, Lifecycle::Paused), (Bench::quarantine, Lifecycle::Quarantined)];
    for (call, state) in calls {
        let slow_side = || slow("side", ms(100));
        let mut bench = Bench::launch(one_for_one([slow("old", ms(50)), slow_side()]));
        let side = sidecar("side", "main").version(2).always(Run::healthy().stops_after(ms(100)));
        bench.apply(one_for_one([perm("main"), side]).by_dependencies());
        bench.quarantine("main");
        assert_eq!(bench.state("side"), Lifecycle::Stopping);
        let hold = call(&mut bench, "side");
        bench.pass(secs(1));
        assert_eq!((bench.state("side"), bench.generation("side")), (state, 1));
        assert_eq!(bench.outcome(hold).state_after, state);
    }
}

/// The restart comes while the group stops the job, or before the group comes to it.
#[test]
fn d17_d18_a_restart_of_a_job_that_its_group_stops_runs_it_with_the_group() {
    for asked_first in [false, true] {
        let job = || job("x").always(Run::healthy().stops_after(ms(100)));
        let mut bench = Bench::launch(one_for_all([perm("a"), job(), slow("b", ms(50))]));
        let mut restart = None;
        bench.crash("a");
        if asked_first {
            restart = Some(bench.restart("x"));
        }
        bench.pass(ms(50));
        assert_eq!((bench.state("b"), bench.state("x")), (Lifecycle::Stopped, Lifecycle::Stopping));
        let restart = restart.unwrap_or_else(|| bench.restart("x"));
        bench.pass(ms(100));
        assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Running, 2));
        assert_eq!(bench.outcome(restart).failure, None);
    }
}

/// Its primary is held before the group comes to start it, so that nothing comes of the restart.
#[test]
fn d15_d18_a_completed_sidecar_whose_restart_comes_to_nothing_still_satisfies_its_dependants() {
    let helper = sidecar("helper", "main").restart(RestartType::Transient);
    let other = sidecar("other", "main");
    let main = || perm("main").always(Run::healthy().stops_after(ms(50)));
    let mut bench =
        Bench::launch(one_for_all([main(), other, helper, slow("web", ms(20)).after(["helper"])]));
    bench.finish("helper");
    bench.crash("other");
    bench.restart("helper");
    bench.quarantine("main");
    bench.pass(secs(1));
    assert_eq!((bench.state("main"), bench.state("helper")), (Lifecycle::Quarantined, Lifecycle::Completed));
    assert_eq!(bench.state("web"), Lifecycle::Running);
}
