//! Applying a new spec: what changes, and what does not (D12, and R93-R95 as they hold for it).

use supervisor_api::policy::{AutoShutdown, Grace, Heartbeat, RestartType};
use supervisor_api::{Cause, EventKind, Lifecycle, SupervisorError};
use supervisor_core::{End, Reply};
use supervisor_testkit::*;

fn quick(name: &str) -> Child {
    perm(name).steps(ms(0), ms(0))
}

/// Children added, removed, changed and left alone.
fn numbers(reply: &Reply) -> [u32; 4] {
    let Reply::Applied(applied) = reply else { panic!("{reply:?}") };
    applied.plan.numbers()
}

#[test]
fn d12_r94_children_are_added_removed_changed_and_left_alone() {
    let old = one_for_one([quick("same"), quick("policy"), quick("code"), quick("gone")]);
    let mut bench = Bench::launch(old);
    bench.take();
    let ticket = bench.apply(one_for_one([
        quick("same"),
        quick("policy").grace(secs(9)),
        quick("code").version(2),
        quick("new"),
    ]));
    assert_eq!(numbers(bench.ok(ticket)), [1, 1, 2, 1]);
    let mut trace = bench.take();
    trace.sort();
    assert_eq!(
        trace,
        ["down code", "down gone", "start code", "start new", "stop code", "stop gone"],
        "new ids are started, those that disappeared are stopped"
    );
    assert_eq!(bench.find("gone"), None);
    assert_eq!(["same", "policy", "code", "new"].map(|name| bench.generation(name)), [1, 1, 2, 1]);
    assert_eq!(bench.policy("policy").grace, Grace::Timeout(secs(9)));
    let applied = bench.events(EventKind::SpecApplied, "/");
    assert_eq!((applied.len(), applied[0].numbers), (1, [1, 1, 2, 1]));
}

#[test]
fn d12_applying_the_same_spec_changes_nothing() {
    let tree = || one_for_one([quick("a"), sup("s", one_for_one([quick("x"), job("j")]))]).budget(3, secs(9));
    let mut bench = Bench::launch(tree());
    bench.finish("s/j");
    bench.take();
    let before = bench.everyone();
    let ticket = bench.apply(tree());
    assert_eq!(numbers(bench.ok(ticket))[..3], [0; 3]);
    assert_eq!(bench.take(), [""; 0]);
    assert_eq!(bench.everyone(), before);
}

#[test]
fn d12_r93_a_refused_spec_changes_nothing() {
    let mut bench = Bench::launch(one_for_one([quick("a"), quick("b")]).budget(2, secs(60)));
    bench.take();
    bench.forget_events();
    let before = bench.everyone();
    let bad = [
        one_for_one([quick("a").version(2), quick("c").after(["nobody"])]).budget(0, secs(60)),
        one_for_one([quick("x").after(["y"]), quick("y").after(["x"])]),
        one_for_one([quick("a"), quick("a")]),
        one_for_one([quick("a")]).budget(1, ms(0)),
    ];
    for tree in bad {
        let ticket = bench.apply(tree);
        assert!(
            matches!(bench.refused(ticket), SupervisorError::InvalidSpec(findings) if !findings.is_empty())
        );
        assert_eq!(bench.take(), [""; 0]);
        assert_eq!(bench.everyone(), before);
    }
    bench.crash("a");
    bench.crash("a");
    assert_eq!(bench.ended(), None, "the old budget holds");
    bench.crash("a");
    assert!(bench.ended().is_some());
}

#[test]
fn d12_r93_a_supervisors_own_settings_change_live() {
    let mut bench = Bench::launch(one_for_one([quick("a"), quick("b")]).budget(0, secs(60)));
    bench.take();
    let ticket = bench.apply(one_for_all([quick("a"), quick("b")]).budget(1, secs(60)));
    bench.ok(ticket);
    assert_eq!(bench.take(), [""; 0], "nothing is restarted for it");
    bench.crash("a");
    assert_eq!(bench.take(), ["down a: failed: boom", "stop b", "down b", "start a", "start b"]);
    bench.crash("a");
    assert!(bench.ended().is_some());
}

#[test]
fn d12_r94_a_new_restart_type_counts_at_once() {
    let mut bench = Bench::launch(one_for_one([quick("a"), quick("b")]));
    bench.apply(one_for_one([quick("a").restart(RestartType::Transient), quick("b")]));
    assert_eq!(bench.generation("a"), 1);
    bench.finish("a");
    assert_eq!(bench.state("a"), Lifecycle::Completed);
}

#[test]
fn d12_below_the_root_only_what_changed_is_touched() {
    let tree = |version, extra: Option<Child>| {
        let below = one_for_one([quick("x"), quick("y").version(version)].into_iter().chain(extra));
        one_for_one([quick("a"), sup("s", below), sup("t", one_for_one([quick("z")]))])
    };
    let mut bench = Bench::launch(tree(1, None));
    bench.take();
    let ticket = bench.apply(tree(2, Some(quick("w"))));
    bench.ok(ticket);
    let mut trace = bench.take();
    trace.sort();
    assert_eq!(trace, ["down s/y", "start s/w", "start s/y", "stop s/y"]);
    for name in ["a", "s", "s/x", "t", "t/z"] {
        assert_eq!(bench.generation(name), 1, "{name}");
    }
}

#[test]
fn d12_a_removed_supervisor_goes_with_all_below_it_and_a_new_one_comes_with_all() {
    let s = || sup("s", one_for_one([quick("x"), quick("y")]));
    let mut bench = Bench::launch(one_for_one([quick("a"), s()]));
    bench.take();
    bench.apply(one_for_one([quick("a")]));
    assert_eq!(bench.take(), ["stop s/y", "down s/y", "stop s/x", "down s/x"]);
    assert_eq!((bench.find("s"), bench.find("s/x")), (None, None));
    bench.apply(one_for_one([quick("a"), s()]));
    assert_eq!(bench.take(), ["start s/x", "start s/y"]);
    assert_eq!((bench.generation("s"), bench.generation("s/x")), (1, 1), "others, from generation 1");
}

#[test]
fn d12_d11_what_a_sibling_depended_on_goes_when_the_same_apply_changes_that_sibling() {
    let mut bench = Bench::launch(one_for_one([quick("db"), quick("api").after(["db"])]));
    let ticket = bench.apply(one_for_one([quick("api").after(["db"])]));
    bench.refused(ticket);
    assert_eq!(bench.state("db"), Lifecycle::Running);
    let ticket = bench.apply(one_for_one([quick("api")]));
    bench.ok(ticket);
    assert_eq!(bench.find("db"), None);
    assert_eq!(bench.state("api"), Lifecycle::Running);
}

#[test]
fn d12_a_new_dependency_gates_the_next_start() {
    let mut bench = Bench::launch(one_for_one([quick("api"), quick("db")]));
    let ticket = bench.apply(one_for_one([quick("api").after(["db"]), quick("db")]));
    bench.ok(ticket);
    bench.pause("db");
    bench.restart("api");
    assert_eq!(bench.state("api"), Lifecycle::Waiting);
    bench.resume("db");
    assert_eq!(bench.state("api"), Lifecycle::Running);
}

#[test]
fn d12_the_new_order_is_the_order() {
    let mut bench = Bench::launch(one_for_one([quick("a"), quick("b"), quick("c")]));
    bench.apply(one_for_one([quick("c"), quick("a"), quick("new"), quick("b")]));
    bench.take();
    bench.shutdown();
    let stops: Vec<_> = bench.take().into_iter().filter(|line| line.starts_with("stop")).collect();
    assert_eq!(stops, ["stop b", "stop new", "stop a", "stop c"]);
}

#[test]
fn d12_d10_what_an_operator_holds_stays_held() {
    let mut bench = Bench::launch(one_for_one([quick("a"), quick("b")]));
    bench.pause("a");
    bench.apply(one_for_one([quick("a").grace(secs(9)), quick("b")]));
    assert_eq!(bench.state("a"), Lifecycle::Paused);
}

#[test]
fn d12_d9_what_a_reload_stops_says_so() {
    let mut bench = Bench::launch(one_for_one([quick("a"), quick("gone")]));
    bench.apply(one_for_one([quick("a").version(2)]));
    for name in ["a", "gone"] {
        let stopping = bench.events(EventKind::ChildStopping, name);
        assert_eq!((stopping.len(), stopping[0].cause), (1, Cause::Reload), "{name}");
    }
}

#[test]
fn d12_a_changed_child_is_restarted_only_when_its_old_run_is_gone() {
    let slow = quick("a").run(1, Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_one([slow, quick("b")]).budget(0, secs(60)));
    bench.take();
    let ticket = bench.apply(one_for_one([quick("a").version(2), quick("b")]));
    assert_eq!(bench.take(), ["stop a"]);
    bench.pass(secs(1));
    assert_eq!(bench.take(), ["down a", "start a"]);
    bench.ok(ticket);
    assert_eq!(bench.ended(), None, "uncharged");
    assert_eq!((bench.row("a").attempt, bench.row("a").restart_count), (0, 0));
}

#[test]
fn d12_r95_automatic_shutdown_changes_live_and_fires_only_later() {
    let tree = |mode, significant: bool| {
        let a = if significant { tran("a").significant() } else { tran("a") };
        let b = if significant { tran("b").significant() } else { tran("b") };
        one_for_one([a, b, quick("p")]).auto_shutdown(mode)
    };
    let mut bench = Bench::launch(tree(AutoShutdown::Never, false));
    bench.finish("a");
    let ticket = bench.apply(tree(AutoShutdown::AnySignificant, true));
    bench.ok(ticket);
    assert_eq!(bench.ended(), None, "nothing fires at the change itself");
    bench.finish("b");
    assert!(matches!(bench.ended(), Some(End::AutoShutdown { child }) if child.as_str() == "/b"));

    let mut bench = Bench::launch(tree(AutoShutdown::AnySignificant, true));
    bench.apply(tree(AutoShutdown::Never, false));
    bench.finish("b");
    assert_eq!(bench.ended(), None, "later exits use the new values");
    let ticket = bench.apply(tree(AutoShutdown::Never, true));
    bench.refused(ticket);
}

#[test]
fn d12_d11_a_spec_that_makes_temporary_what_an_added_child_depends_on_is_refused() {
    let mut bench = Bench::launch(one_for_one([quick("db")]));
    let add = bench.add("/", quick("api").after(["db"]));
    bench.ok(add);
    let ticket = bench.apply(one_for_one([temp("db")]));
    let error = bench.refused(ticket).to_string();
    assert!(error.contains("api"), "{error}");
    assert_eq!((bench.state("db"), bench.generation("db")), (Lifecycle::Running, 1));
}

#[test]
fn d12_r48_an_added_child_that_the_new_spec_has_is_one_of_its_own_from_then_on() {
    let tree =
        |extra: Option<Child>| one_for_one([sup("s", one_for_one([quick("x")].into_iter().chain(extra)))]);
    let mut bench = Bench::launch(tree(None));
    bench.add("s", quick("extra"));
    let ticket = bench.apply(tree(Some(quick("extra"))));
    bench.ok(ticket);
    assert_eq!(bench.generation("s/extra"), 1);
    bench.restart("s");
    assert_eq!((bench.state("s/extra"), bench.generation("s/extra")), (Lifecycle::Running, 2));
}

#[test]
fn d12_who_is_new_starts_when_those_whom_the_spec_drops_are_gone() {
    let slow = quick("old").always(Run::healthy().stops_after(ms(100)));
    let mut bench = Bench::launch(one_for_one([quick("same"), slow]).by_dependencies());
    bench.take();
    let ticket = bench.apply(one_for_one([quick("same"), quick("new")]).by_dependencies());
    assert_eq!((bench.take(), bench.state("new")), (vec!["stop old".to_owned()], Lifecycle::Declared));
    bench.pass(ms(100));
    bench.ok(ticket);
    assert_eq!(bench.take(), ["down old", "start new"]);
}

#[test]
fn d12_d8_who_is_new_does_not_wait_for_somebody_who_does_not_end() {
    let immortal = quick("old").grace(secs(1)).always(Run::healthy().immortal());
    let mut bench = Bench::launch(one_for_one([immortal]).by_dependencies());
    bench.take();
    bench.apply(one_for_one([quick("new")]).by_dependencies());
    bench.pass(secs(3));
    assert_eq!([bench.state("old"), bench.state("new")], [Lifecycle::Unresponsive, Lifecycle::Running]);
}

#[test]
fn d12_d13_a_start_period_that_changes_holds_for_a_run_that_has_not_shown_life_yet() {
    let beat = Heartbeat { interval: secs(1), timeout: ms(500), max_retries: 3 };
    let tree = |period| one_for_one([quick("a").heartbeat(beat).start_period(secs(period))]);
    let mut bench = Bench::launch(tree(1));
    bench.pass(secs(2));
    bench.apply(tree(10));
    bench.pass(ms(11_499));
    assert_eq!(bench.count(EventKind::ChildHeartbeatMissed), 0);
    bench.pass(ms(1));
    assert_eq!(bench.count(EventKind::ChildHeartbeatMissed), 1);
    // One that has shown life is judged as before.
    let mut bench = Bench::launch(tree(1));
    bench.beat("a");
    bench.apply(tree(10));
    bench.pass(ms(1_500));
    assert_eq!(bench.count(EventKind::ChildHeartbeatMissed), 1);
}
