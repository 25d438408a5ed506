//! What an event names as its cause: what happened, and not what is usual (D9).

use std::time::Duration;

use supervisor_api::policy::{Heartbeat, RestartType};
use supervisor_api::{Cause, EventKind, Exit, Lifecycle};
use supervisor_testkit::*;

/// Unresponsive 20 ms after it was asked to stop.
fn immortal(name: &str) -> Child {
    perm(name).grace(ms(10)).abort_wait(ms(10)).always(Run::healthy().immortal())
}

fn slow(name: &str, stops_after: std::time::Duration) -> Child {
    perm(name).always(Run::healthy().stops_after(stops_after))
}

fn last_cause(bench: &Bench, kind: EventKind, name: &str) -> Cause {
    bench.events(kind, name).last().map(|event| event.cause).unwrap_or_else(|| panic!("no {kind} of {name}"))
}

const LONG: Duration = Duration::from_secs(1);

/// It was told as an operator's wish.
#[test]
fn d9_d8_a_member_that_starts_when_its_old_run_is_gone_at_last_starts_for_its_group() {
    let mut bench = Bench::launch(one_for_all([perm("a"), immortal("b")]));
    let a = bench.key("a");
    bench.crash("a");
    bench.pass(LONG);
    assert_eq!(bench.state("b"), Lifecycle::Unresponsive);
    bench.end("b", Exit::Aborted);
    assert_eq!(last_cause(&bench, EventKind::ChildStopError, "b"), Cause::Group(a.index));
    assert_eq!(last_cause(&bench, EventKind::ChildRestarted, "b"), Cause::Group(a.index));
}

/// It was told as an operator's wish.
#[test]
fn d9_d8_an_unhealthy_child_that_dies_late_starts_for_its_end() {
    let promise = Heartbeat { interval: ms(10), timeout: ms(10), max_retries: 1 };
    let mut bench = Bench::launch(one_for_one([immortal("a").heartbeat(promise)]));
    bench.miss("a", "no answer");
    bench.pass(LONG);
    assert_eq!(bench.state("a"), Lifecycle::Unresponsive);
    bench.end("a", Exit::Aborted);
    assert_eq!(last_cause(&bench, EventKind::ChildRestarted, "a"), Cause::Exit);
}

/// It was told as an operator's wish.
#[test]
fn d9_d8_a_child_of_a_restarted_supervisor_that_dies_late_starts_with_that() {
    let mut bench = Bench::launch(one_for_one([sup("s", one_for_one([immortal("x")]))]));
    bench.restart("s");
    bench.pass(LONG);
    assert_eq!(bench.state("s/x"), Lifecycle::Unresponsive);
    bench.end("s/x", Exit::Aborted);
    assert_eq!(last_cause(&bench, EventKind::ChildRunning, "s/x"), Cause::Start);
    assert_eq!(bench.state("s/x"), Lifecycle::Running);
}

/// It was told as a new spec, and none was applied.
#[test]
fn d9_r48_a_child_that_comes_back_when_its_name_is_free_starts_for_its_supervisor() {
    let mut bench = Bench::launch(one_for_one([sup("s", one_for_one([perm("x")]))]));
    let s = bench.key("s");
    bench.remove("s/x");
    bench.add("s", immortal("x").version(2));
    bench.restart("s");
    bench.pass(LONG);
    bench.end("s/x", Exit::Aborted);
    assert_eq!(bench.state("s/x"), Lifecycle::Running);
    assert_eq!(last_cause(&bench, EventKind::ChildRunning, "s/x"), Cause::Supervisor(s.index));
}

/// It was told as an operator's wish.
#[test]
fn d9_d15_a_sidecar_rests_for_its_primary_also_when_that_is_gone() {
    let aside = sidecar("aside", "main").restart(RestartType::Permanent);
    let aside = aside.always(Run::healthy().stops_after(ms(100)));
    let mut bench = Bench::launch(one_for_one([temp("main"), aside]));
    let main = bench.key("main");
    bench.finish("main");
    assert!(bench.find("main").is_none());
    bench.pass(LONG);
    assert_eq!(last_cause(&bench, EventKind::ChildStopped, "aside"), Cause::Primary(main.index));
}

/// It was told as a new spec.
#[test]
fn d9_d12_a_child_that_is_added_while_a_new_spec_starts_others_starts_for_the_operator() {
    let slow = perm("a").explicit().always(Run::ready_after(ms(100)));
    let mut bench = Bench::launch(one_for_one([]));
    bench.apply(one_for_one([slow]));
    assert_eq!(bench.state("a"), Lifecycle::Starting);
    bench.add("/", perm("b"));
    bench.pass(LONG);
    assert_eq!(last_cause(&bench, EventKind::ChildRunning, "b"), Cause::Operator);
}

/// It was told as a new spec.
#[test]
fn d9_d12_who_is_removed_while_it_stops_for_a_new_spec_leaves_for_the_operator() {
    let slow = || perm("a").always(Run::healthy().stops_after(ms(100)));
    let mut bench = Bench::launch(one_for_one([slow()]));
    bench.apply(one_for_one([slow().version(2)]));
    assert_eq!(bench.state("a"), Lifecycle::Stopping);
    let removed = bench.remove("a");
    bench.pass(LONG);
    bench.ok(removed);
    assert_eq!(last_cause(&bench, EventKind::ChildRuntimeStateRemoved, "a"), Cause::Operator);
}

#[test]
fn d9_d11_who_waits_for_several_names_the_one_that_is_missing() {
    let slow = perm("b").explicit().always(Run::ready_after(LONG));
    let tree = one_for_one([perm("a"), slow, perm("c").after(["a", "b"])]).by_dependencies();
    let bench = Bench::launch(tree);
    assert_eq!(bench.state("c"), Lifecycle::Waiting);
    assert_eq!(last_cause(&bench, EventKind::ChildWaiting, "c"), Cause::Dependency(bench.key("b").index));
}

#[test]
fn d9_d12_who_is_restarted_for_a_new_spec_says_so_also_when_another_spec_leaves_it_alone() {
    let tree = || one_for_all([slow("x", ms(50)).version(2)]).concurrent();
    let mut bench =
        Bench::launch(one_for_all([perm("a"), slow("b", ms(20)), slow("x", ms(50)), slow("z", ms(50))]));
    bench.crash("a");
    bench.apply(tree());
    bench.apply(tree());
    bench.pass(secs(1));
    assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Running, 2));
    assert!(bench.events(EventKind::ChildStopped, "x").iter().all(|event| event.cause != Cause::Operator));
}

/// Its place in the tables may have another owner by the time the event is read.
#[test]
fn d9_a_group_names_its_supervisor_when_the_child_it_began_with_has_left_the_tree() {
    let mut bench = Bench::launch(one_for_all([perm("a"), slow("b", ms(50))]));
    let root = bench.key("/");
    bench.crash("a");
    bench.apply(one_for_all([slow("b", ms(50))]));
    assert_eq!(bench.find("a"), None);
    bench.pass(secs(1));
    assert_eq!(last_cause(&bench, EventKind::ChildRestarted, "b"), Cause::Group(root.index));
}

/// It named the first that it depends on, whoever went down.
#[test]
fn d9_d11_who_goes_down_with_a_dependency_names_that_one() {
    let needs = |name| perm(name).restart_dependants();
    let mut bench =
        Bench::launch(one_for_one([needs("db"), needs("queue"), slow("api", LONG).after(["db", "queue"])]));
    let queue = bench.key("queue").index;
    bench.pause("queue");
    assert_eq!(last_cause(&bench, EventKind::ChildStopping, "api"), Cause::Dependency(queue));
    bench.pass(2 * LONG);
    assert_eq!(last_cause(&bench, EventKind::ChildWaiting, "api"), Cause::Dependency(queue));
    bench.resume("queue");
    bench.pass(LONG);
    bench.terminate("db");
    bench.pass(LONG);
    bench.pause("queue");
    assert_eq!(
        last_cause(&bench, EventKind::ChildStopping, "api"),
        Cause::Dependency(queue),
        "not the one that is down"
    );
}
