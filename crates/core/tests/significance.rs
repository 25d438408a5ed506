//! Automatic shutdown and significant children: rules R77-R84.

use supervisor_api::policy::{AutoShutdown, RestartType};
use supervisor_api::{Exit, Lifecycle};
use supervisor_core::End;
use supervisor_testkit::*;

use AutoShutdown::{AllSignificant, AnySignificant, Never};

fn launch(tree: Tree, mode: AutoShutdown) -> Bench {
    let mut bench = Bench::launch(otp(tree.auto_shutdown(mode).budget(5, secs(5))));
    bench.take();
    bench
}

#[test]
fn r77_what_does_not_fit_together_is_refused() {
    let refused = |tree: Tree| otp(tree).resolve().is_err();
    for mode in [AnySignificant, AllSignificant] {
        assert!(refused(one_for_one([perm("p").significant()]).auto_shutdown(mode)));
        assert!(!refused(one_for_one([tran("t").significant()]).auto_shutdown(mode)));
        assert!(!refused(one_for_one([temp("t").significant()]).auto_shutdown(mode)));
        assert!(refused(dynamic(3).auto_shutdown(mode)));
    }
    assert!(refused(one_for_one([tran("t").significant()]).auto_shutdown(Never)));
    assert!(refused(one_for_one([tran("t").significant()])), "never is the default");
    assert!(!refused(dynamic(3).auto_shutdown(Never)));
}

#[test]
fn r77_d20_all_done_is_for_the_root_and_knows_no_significance() {
    let all_done = |tree: Tree| tree.auto_shutdown(AutoShutdown::AllDone);
    assert!(all_done(one_for_one([tran("t")])).resolve().is_ok());
    assert!(one_for_one([sup("s", all_done(one_for_one([])))]).resolve().is_err());
    assert!(all_done(one_for_one([tran("t").significant()])).resolve().is_err());
}

#[test]
fn r78_r81_any_significant_fires_when_one_ends_for_good() {
    let tree = || one_for_one([perm("n"), tran("s").significant(), temp("x").significant(), perm("b")]);
    let all = ["stop b", "down b", "stop x", "down x", "stop n", "down n", "done auto shutdown by s"];
    let mut clean = launch(tree(), AnySignificant);
    clean.finish("s");
    assert_eq!(clean.take()[0], "down s: completed");
    let mut clean = launch(tree(), AnySignificant);
    clean.finish("s");
    assert_eq!(clean.take()[1..], all);

    for exit in [Exit::Completed, Exit::failed("boom")] {
        let mut temporary = launch(tree(), AnySignificant);
        temporary.end("x", exit);
        assert!(matches!(temporary.ended(), Some(End::AutoShutdown { child }) if child.as_str() == "/x"));
    }

    let mut crash = launch(tree(), AnySignificant);
    crash.crash("s");
    assert_eq!(crash.take(), ["down s: failed: boom", "start s"], "it restarts instead");
}

#[test]
fn r79_all_significant_fires_when_the_last_active_one_ends() {
    let tree = || one_for_one([tran("a").significant(), tran("b").significant(), perm("n")]);
    let mut bench = launch(tree(), AllSignificant);
    bench.finish("a");
    assert_eq!(bench.take(), ["down a: completed"]);
    bench.finish("b");
    assert_eq!(bench.take(), ["down b: completed", "stop n", "down n", "done auto shutdown by b"]);

    let mut bench = launch(tree(), AllSignificant);
    bench.terminate("a");
    assert_eq!(bench.ended(), None);
    bench.finish("b");
    assert!(bench.ended().is_some(), "a child without a run is not active");
}

#[test]
fn r79_a_significant_child_in_retry_is_active() {
    let a = tran("a").significant().explicit().steps(ms(100), secs(1)).run(2, Run::fails_to_start());
    let mut bench = launch(one_for_one([a, tran("b").significant()]), AllSignificant);
    bench.crash("a");
    assert_eq!(bench.state("a"), Lifecycle::Backoff);
    bench.finish("b");
    assert_eq!(bench.ended(), None);
    bench.pass(ms(100));
    bench.finish("a");
    assert!(bench.ended().is_some());
}

#[test]
fn r79_d8_a_significant_supervisor_fires_though_somebody_below_it_does_not_die() {
    let x = perm("x").always(Run::healthy().immortal()).grace(ms(10)).abort_wait(ms(10));
    let below = sup("s", one_for_one([perm("c"), x]).budget(0, secs(5))).restart(RestartType::Temporary);
    let mut bench = launch(one_for_one([perm("n"), below.significant()]), AllSignificant);
    bench.crash("s/c");
    bench.pass(ms(20));
    assert_eq!(bench.state("s/x"), Lifecycle::Unresponsive);
    assert!(bench.ended().is_some(), "it was the last significant child, and it has ended");
}

#[test]
fn r80_neither_terminate_nor_a_siblings_restart_fires() {
    for mode in [AnySignificant, AllSignificant] {
        let mut bench = launch(one_for_one([tran("s").significant(), perm("n")]), mode);
        bench.terminate("s");
        assert_eq!(bench.ended(), None, "{mode}");

        let tree = one_for_all([temp("t").significant(), tran("s").significant(), perm("n")]);
        let mut bench = launch(tree, mode);
        bench.terminate("s");
        bench.delete("s");
        bench.crash("n");
        assert_eq!(bench.find("t"), None, "stopped for its sibling");
        assert_eq!(bench.ended(), None, "{mode}");
        assert_eq!(bench.state("n"), Lifecycle::Running);
    }
}

#[test]
fn r80_d10_neither_pause_nor_quarantine_nor_remove_fires() {
    for call in [Bench::pause, Bench::quarantine, Bench::remove] {
        for mode in [AnySignificant, AllSignificant] {
            let mut bench = launch(one_for_one([tran("s").significant(), perm("n")]), mode);
            let ticket = call(&mut bench, "s");
            bench.ok(ticket);
            assert_eq!(bench.ended(), None);
        }
    }
}

#[test]
fn r118_d17_an_operators_restart_of_a_significant_child_does_not_fire() {
    for mode in [AnySignificant, AllSignificant] {
        let mut bench = launch(one_for_one([tran("s").significant(), perm("n")]), mode);
        let ticket = bench.restart("s");
        bench.ok(ticket);
        assert_eq!(bench.ended(), None);
        assert_eq!(bench.generation("s"), 2);
    }
}

fn nested(restart: RestartType, significant: bool) -> Tree {
    let below = one_for_one([perm("y"), tran("x").significant()]).auto_shutdown(AnySignificant);
    let s = sup("s", below).restart(restart);
    one_for_one([perm("b"), if significant { s.significant() } else { s }])
}

#[test]
fn r82_a_supervisor_that_ends_by_itself_can_be_significant_in_turn() {
    let mut bench = launch(nested(RestartType::Transient, true), AnySignificant);
    bench.finish("s/x");
    assert_eq!(
        bench.take(),
        ["down s/x: completed", "stop s/y", "down s/y", "stop b", "down b", "done auto shutdown by s"]
    );
    let mut bench = launch(nested(RestartType::Transient, false), Never);
    bench.finish("s/x");
    assert_eq!(bench.take(), ["down s/x: completed", "stop s/y", "down s/y"]);
    assert_eq!(bench.state("s"), Lifecycle::Completed, "it ended cleanly");
    assert_eq!(bench.state("b"), Lifecycle::Running, "the parent stays");
}

#[test]
fn r83_a_permanent_supervisor_that_ends_by_itself_is_restarted_and_charged() {
    let tree = |budget| otp(nested(RestartType::Permanent, false).budget(budget, secs(5)));
    let mut bench = Bench::launch(tree(1));
    bench.take();
    bench.finish("s/x");
    assert_eq!(bench.take(), ["down s/x: completed", "stop s/y", "down s/y", "start s/y", "start s/x"]);
    bench.finish("s/x");
    assert!(matches!(bench.ended(), Some(End::GaveUp { .. })));
}

#[test]
fn r84_children_that_are_not_significant_fire_nothing() {
    for mode in [Never, AnySignificant, AllSignificant] {
        let mut bench = launch(one_for_one([tran("t"), temp("x"), tran("y")]), mode);
        bench.finish("t");
        bench.crash("x");
        bench.finish("y");
        assert_eq!(bench.ended(), None, "{mode}");
    }
}
