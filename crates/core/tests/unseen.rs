//! What no test of its rule saw until a fault was planted there.

use supervisor_api::Lifecycle::{Completed, Running, Starting, Stopped, Waiting};
use supervisor_api::policy::AutoShutdown;
use supervisor_core::End;
use supervisor_testkit::*;

fn deaf(name: &str) -> Child {
    perm(name).grace(secs(60)).abort_wait(ms(0)).always(Run::healthy().ignores_stop())
}

#[test]
fn r63_who_was_not_asked_when_the_grace_of_its_supervisor_is_over_is_killed_with_the_others() {
    let below = sup("s", one_for_one([deaf("early"), deaf("late")])).grace(secs(1));
    let mut bench = Bench::launch(one_for_one([below]));
    bench.take();
    bench.shutdown();
    assert_eq!(bench.take(), ["stop s/late"]);
    bench.pass(ms(999));
    assert_eq!(bench.state("s/early"), Running);
    bench.pass(ms(1));
    assert!(bench.ended().is_some(), "{:?}", bench.take());
}

#[test]
fn d18_a_job_that_cannot_run_again_satisfies_nobody_in_a_new_incarnation() {
    let below = |job: Child| one_for_one([sup("s", one_for_one([job, perm("d").after(["j"])]))]);
    let mut bench = Bench::launch(below(job("j")));
    bench.finish("s/j");
    assert_eq!([bench.state("s/j"), bench.state("s/d")], [Completed, Running]);
    let ticket = bench.apply(below(job("j").unbound()));
    bench.ok(ticket);
    assert_eq!([bench.state("s/j"), bench.state("s/d")], [Completed, Running]);
    bench.restart("s");
    bench.settle();
    assert_eq!([bench.state("s/j"), bench.state("s/d")], [Completed, Waiting]);
}

#[test]
fn d11_a_child_waits_for_each_of_those_it_depends_on() {
    let slow = |name| perm(name).explicit().always(Run::never_ready());
    for (first, second) in [("a", "b"), ("b", "a")] {
        let last = perm("c").after([first, second]);
        let mut bench = Bench::launch(one_for_one([slow("a"), slow("b"), last]).by_dependencies());
        assert_eq!(bench.state("c"), Waiting);
        bench.ready(first);
        assert_eq!((bench.state(second), bench.state("c")), (Starting, Waiting), "{second} is not ready");
        bench.ready(second);
        assert_eq!(bench.state("c"), Running);
    }
}

#[test]
fn d11_everybody_who_waits_for_a_child_starts_when_it_is_ready() {
    let slow = perm("a").explicit().always(Run::never_ready());
    let others = ["b", "c", "d"].map(|name| perm(name).after(["a"]));
    let mut bench = Bench::launch(one_for_one([slow].into_iter().chain(others)).by_dependencies());
    assert_eq!(["b", "c", "d"].map(|name| bench.state(name)), [Waiting; 3]);
    bench.ready("a");
    assert_eq!(["b", "c", "d"].map(|name| bench.state(name)), [Running; 3]);
}

#[test]
fn d12_r9_after_a_new_spec_an_added_child_is_still_the_first_to_stop() {
    let mut bench = Bench::launch(one_for_one([perm("a"), perm("b")]));
    let ticket = bench.add("/", perm("x"));
    bench.ok(ticket);
    let ticket = bench.apply(one_for_one([perm("b"), perm("c"), perm("a")]));
    bench.ok(ticket);
    bench.take();
    bench.shutdown();
    let stops: Vec<_> = bench.take().into_iter().filter(|line| line.starts_with("stop ")).collect();
    assert_eq!(stops, ["stop x", "stop a", "stop c", "stop b"]);
}

#[test]
fn r36_who_is_terminated_while_its_group_goes_down_is_not_started_with_it() {
    let slow = perm("slow").always(Run::healthy().stops_after(ms(50)));
    let mut bench = Bench::launch(one_for_all([perm("a"), perm("b"), slow]).unlimited());
    bench.crash("a");
    assert_eq!([bench.state("b"), bench.state("slow")], [Running, supervisor_api::Lifecycle::Stopping]);
    let ticket = bench.terminate("b");
    bench.pass(secs(1));
    bench.ok(ticket);
    assert_eq!(["a", "b", "slow"].map(|name| bench.state(name)), [Running, Stopped, Running]);
}

#[test]
fn r78_the_end_of_a_significant_child_counts_though_it_comes_during_the_initial_start() {
    let slow = perm("slow").explicit().always(Run::never_ready());
    let mut bench = Bench::launch(
        one_for_one([temp("first").significant(), slow]).auto_shutdown(AutoShutdown::AnySignificant),
    );
    bench.finish("first");
    assert_eq!((bench.ended(), bench.state("slow")), (None, Starting));
    bench.ready("slow");
    bench.settle();
    assert!(matches!(bench.ended(), Some(End::AutoShutdown { .. })), "{:?}", bench.take());
}
