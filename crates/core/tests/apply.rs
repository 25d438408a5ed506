//! Applying a new spec: decision D12, and R93-R95 as they hold for it.

use supervisor_api::policy::{AutoShutdown, Grace, RestartType};
use supervisor_api::{Cause, EventKind, Exit, Lifecycle, SupervisorError};
use supervisor_core::{End, Reply};
use supervisor_testkit::*;

fn quick(name: &str) -> Child {
    perm(name).steps(ms(0), ms(0))
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
    assert_eq!(bench.ok(ticket), &Reply::Applied { added: 1, removed: 1, changed: 2, unchanged: 1 });
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
    let Reply::Applied { added: 0, removed: 0, changed: 0, .. } = bench.ok(ticket) else {
        panic!("{:?}", bench.ok(ticket))
    };
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
fn d12_d10_a_child_that_is_paused_while_the_spec_is_being_applied_stays_paused() {
    let slow = quick("gone").always(Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_one([quick("a"), slow]));
    let ticket = bench.apply(one_for_one([quick("a").version(2)]));
    bench.pause("a");
    bench.pass(secs(1));
    bench.ok(ticket);
    assert_eq!(bench.state("a"), Lifecycle::Paused);
    bench.resume("a");
    assert_eq!(bench.state("a"), Lifecycle::Running);
}

#[test]
fn d12_d5_what_is_in_a_row_changes_only_with_an_event() {
    // The bench compares rows with events after every input.
    let mut bench = Bench::launch(one_for_one([perm("a").steps(ms(0), ms(0))]).unlimited());
    bench.crash("a");
    bench.crash("a");
    let ticket = bench.apply(one_for_one([perm("a").steps(ms(0), ms(0)).version(2).unbound()]));
    bench.ok(ticket);
    assert!(!bench.state("a").is_live());
    bench.bind("a");
    assert_eq!((bench.state("a"), bench.generation("a")), (Lifecycle::Running, 4));
}

#[test]
fn d12_a_child_whose_body_is_unbound_live_does_not_claim_to_start() {
    let mut bench = Bench::launch(one_for_one([quick("a")]).unlimited());
    bench.apply(one_for_one([quick("a").unbound()]).unlimited());
    if bench.living().contains(&"a".to_owned()) {
        bench.crash("a");
    }
    assert!(!bench.state("a").is_live(), "{} without a run", bench.state("a"));
    bench.bind("a");
    assert_eq!(bench.state("a"), Lifecycle::Running);
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
fn d12_d9_d11_a_child_that_a_new_spec_frees_while_it_goes_down_starts_at_once_because_of_that() {
    let api = || quick("api").always(Run::healthy().stops_after(secs(1)));
    let db = || quick("db").restart_dependants();
    let mut bench = Bench::launch(one_for_one([db(), api().after(["db"])]));
    bench.restart("db");
    let ticket = bench.apply(one_for_one([db(), api()]));
    bench.ok(ticket);
    bench.take();
    bench.forget_events();
    bench.pass(secs(5));
    assert_eq!(bench.take(), ["down api", "start api", "stop db", "down db", "start db"]);
    let starts = bench.heard().iter().filter(|heard| heard.event.kind == EventKind::ChildRestarted);
    let causes: Vec<_> = starts.map(|heard| (heard.name.as_str(), heard.event.cause)).collect();
    assert_eq!(causes[0], ("api", Cause::Reload));
}

#[test]
fn d12_d9_a_restart_that_one_spec_wants_is_still_for_that_after_the_next() {
    let slow =
        |name: &str, version: u32| quick(name).version(version).always(Run::healthy().stops_after(secs(1)));
    let tree = |version: u32| one_for_one([slow("a", version), slow("b", version), slow("c", version)]);
    let mut bench = Bench::launch(tree(1));
    bench.apply(tree(2));
    bench.forget_events();
    // By now `c` stops, and the others wait for their turn.
    let ticket = bench.apply(tree(2));
    bench.ok(ticket);
    bench.terminate("a");
    bench.pass(secs(10));
    assert_eq!(bench.state("a"), Lifecycle::Stopped, "it runs nothing, so there is nothing to restart");
    assert_eq!([bench.generation("b"), bench.generation("c")], [2, 2]);
    let heard = bench.heard().iter().filter(|heard| heard.name != "a" && heard.name != "/");
    let causes: Vec<_> = heard.map(|heard| heard.event.cause).collect();
    assert!(!causes.is_empty() && causes.iter().all(|cause| *cause == Cause::Reload), "{causes:?}");
}

#[test]
fn d12_r9_r53_whom_an_earlier_spec_dropped_stands_before_all_in_the_next() {
    let slow = |name: &str| quick(name).always(Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_one([quick("a"), quick("b"), quick("c"), slow("d")]));
    for _ in 0..2 {
        let ticket = bench.apply(one_for_one([quick("a"), quick("b")]));
        bench.ok(ticket);
    }
    bench.take();
    bench.shutdown();
    bench.pass(secs(1));
    let stops: Vec<_> = bench.take().into_iter().filter(|line| line.starts_with("stop")).collect();
    assert_eq!(stops, ["stop b", "stop a", "stop c"]);
}

#[test]
fn d12_d10_an_operators_hold_ends_when_a_new_spec_drops_the_child() {
    let tree = || one_for_one([quick("a").always(Run::healthy().stops_after(secs(1))), quick("b")]);
    let mut bench = Bench::launch(tree());
    bench.quarantine("a");
    bench.apply(one_for_one([quick("b")]));
    bench.apply(tree());
    bench.pass(secs(5));
    assert_eq!(bench.state("a"), Lifecycle::Running, "it is in the tree again, and nobody holds it");
}

#[test]
fn d12_d11_whoever_no_longer_depends_on_a_child_that_goes_down_stays_up() {
    let slow = |name: &str| quick(name).always(Run::healthy().stops_after(secs(1)));
    let db = || quick("db").restart_dependants();
    let old = || one_for_one([db(), quick("api").after(["db"]), slow("web").after(["db"])]);
    let new = [
        one_for_one([db(), quick("api"), slow("web").after(["db"])]),
        one_for_one([quick("db"), quick("api").after(["db"]), slow("web").after(["db"])]),
        one_for_one([quick("other"), quick("api").after(["other"])]),
    ];
    for tree in new {
        let mut bench = Bench::launch(old());
        bench.restart("db");
        // By now `web` stops, and `api` waits for its turn.
        let ticket = bench.apply(tree);
        bench.ok(ticket);
        bench.pass(secs(5));
        assert_eq!((bench.state("api"), bench.generation("api")), (Lifecycle::Running, 1));
    }
}

#[test]
fn d12_a_child_that_another_brings_up_with_its_new_body_is_not_restarted_for_it() {
    let tree = |n| {
        one_for_one([quick("main").version(n).steps(secs(9), secs(9)), sidecar("proxy", "main").version(n)])
    };
    let mut bench = Bench::launch(tree(1));
    // The first restart is immediate.
    bench.crash("main");
    bench.terminate("proxy");
    bench.crash("main");
    assert_eq!([bench.state("main"), bench.state("proxy")], [Lifecycle::Backoff, Lifecycle::Stopped]);
    bench.take();
    bench.apply(tree(2));
    assert_eq!(bench.take(), ["start proxy", "start main"]);
}

#[test]
fn d12_d9_a_supervisor_that_gives_up_before_its_turn_to_be_removed_is_not_started_again() {
    let slow = quick("z").always(Run::healthy().stops_after(ms(100)));
    let below = one_for_one([quick("x")]).budget(0, secs(60));
    let mut bench = Bench::launch(one_for_one([sup("s", below), slow]));
    bench.apply(one_for_one([]));
    bench.take();
    bench.crash("s/x");
    assert_eq!(bench.take(), ["down s/x: failed: boom"]);
    assert_eq!(bench.find("s"), None);
}

#[test]
fn d12_r9_a_dropped_child_that_is_removed_by_command_too_stands_where_it_stood() {
    let slow = |name: &str| quick(name).always(Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_one([quick("a"), quick("b"), slow("c")]));
    bench.apply(one_for_one([]));
    bench.remove("b");
    bench.apply(one_for_one([quick("a")]));
    bench.take();
    bench.shutdown();
    bench.pass(secs(1));
    let stops: Vec<_> = bench.take().into_iter().filter(|line| line.starts_with("stop")).collect();
    assert_eq!(stops, ["stop a", "stop b"]);
}

#[test]
fn d8_d10_a_hold_that_waits_for_its_turn_is_kept_when_the_child_is_unresponsive_meanwhile() {
    use supervisor_api::policy::Heartbeat;
    let beats = Heartbeat { interval: ms(80), timeout: ms(20), max_retries: 1 };
    let stuck = Run::healthy().immortal();
    let db = quick("db").restart_dependants().heartbeat(beats).brutal().abort_wait(ms(50)).always(stuck);
    let api = quick("api").after(["db"]).always(Run::healthy().stops_after(secs(3)));
    let mut bench = Bench::launch(one_for_one([db, api]));
    bench.quarantine("db");
    bench.pass(secs(1));
    assert_eq!([bench.state("db"), bench.state("api")], [Lifecycle::Unresponsive, Lifecycle::Stopping]);
    bench.end("db", Exit::Aborted);
    assert_eq!((bench.state("db"), bench.generation("db")), (Lifecycle::Quarantined, 1));
}

#[test]
fn d12_d10_a_pause_that_is_still_under_way_holds_through_an_apply() {
    let api = || quick("api").after(["db"]).always(Run::healthy().stops_after(secs(1)));
    let db = || quick("db").restart_dependants();
    let mut bench = Bench::launch(one_for_one([db(), api()]));
    let pause = bench.pause("db");
    let ticket = bench.apply(one_for_one([db().version(2), api()]));
    bench.pass(secs(5));
    bench.ok(pause);
    bench.ok(ticket);
    assert_eq!([bench.state("db"), bench.state("api")], [Lifecycle::Paused, Lifecycle::Waiting]);
}

#[test]
fn d12_d10_a_child_that_is_quarantined_while_the_spec_is_being_applied_stays_so() {
    let slow = quick("gone").always(Run::healthy().stops_after(secs(1)));
    let a = || quick("a").optional().budget(0, secs(60));
    let mut bench = Bench::launch(one_for_one([a(), slow]));
    let ticket = bench.apply(one_for_one([a().version(2)]));
    bench.crash("a");
    bench.pass(secs(1));
    bench.ok(ticket);
    assert_eq!(bench.state("a"), Lifecycle::Quarantined);
}

#[test]
fn d12_d8_a_child_that_is_being_removed_and_stands_in_the_new_spec_comes_again() {
    let immortal = quick("x").grace(secs(1)).run(1, Run::healthy().immortal());
    let mut bench = Bench::launch(one_for_one([immortal]));
    bench.remove("x");
    bench.pass(secs(2));
    assert_eq!(bench.state("x"), Lifecycle::Unresponsive);
    let old = bench.key("x");
    let ticket = bench.apply(one_for_one([quick("x"), quick("api").after(["x"])]));
    bench.take();
    bench.end_key(old, Exit::Aborted);
    if bench.reply(ticket).is_some_and(Result::is_err) {
        assert_eq!(bench.find("x"), None, "refused: it goes");
        return;
    }
    bench.ok(ticket);
    assert_eq!([bench.state("x"), bench.state("api")], [Lifecycle::Running; 2], "{:?}", bench.take());
}

#[test]
fn d12_what_the_spec_no_longer_has_goes_whatever_is_asked_of_it_meanwhile() {
    for call in [Bench::restart, Bench::pause, Bench::quarantine, Bench::terminate] {
        let slow = quick("slow").always(Run::healthy().stops_after(secs(1)));
        let mut bench = Bench::launch(one_for_one([quick("a"), quick("gone"), slow]));
        let ticket = bench.apply(one_for_one([quick("a")]));
        call(&mut bench, "gone");
        bench.pass(secs(2));
        bench.ok(ticket);
        assert_eq!((bench.find("gone"), bench.living()), (None, vec!["a".to_owned()]));
        assert_eq!(bench.unanswered(), [0; 0]);
    }
}

#[test]
fn d12_a_child_that_loses_its_body_while_it_waits_or_backs_off_starts_when_it_has_one_again() {
    let api = || quick("api").after(["db"]);
    let mut bench = Bench::launch(one_for_one([quick("db"), api()]).unlimited());
    bench.pause("db");
    bench.crash("api");
    assert_eq!(bench.state("api"), Lifecycle::Waiting);
    bench.apply(one_for_one([quick("db"), api().unbound()]).unlimited());
    bench.resume("db");
    bench.bind("api");
    assert_eq!(bench.state("api"), Lifecycle::Running);

    for tree in [one_for_one, one_for_all, rest_for_one] {
        let tree = |a: Child| tree(vec![quick("first"), a, quick("last")]).unlimited();
        let slow = || perm("a").steps(ms(100), secs(1));
        let mut bench = Bench::launch(tree(slow()));
        bench.crash("a");
        bench.crash("a");
        assert_eq!(bench.state("a"), Lifecycle::Backoff);
        bench.apply(tree(slow().unbound()));
        bench.pass(secs(9));
        bench.bind("a");
        assert_eq!(bench.state("a"), Lifecycle::Running);

        let mut bench = Bench::launch(tree(slow()));
        bench.apply(tree(slow().unbound()));
        bench.crash("a");
        bench.pass(secs(9));
        bench.bind("a");
        assert_eq!(["first", "a", "last"].map(|name| bench.state(name)), [Lifecycle::Running; 3]);
    }
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
fn d12_d0_a_child_that_has_ended_and_loses_its_body_takes_only_edges_of_the_table() {
    let ends: [fn(&mut Bench); 3] = [|b| b.finish("a"), |b| b.crash("a"), |b| _ = b.terminate("a")];
    for end in ends {
        for tree in [one_for_one, one_for_all] {
            let tree = |a: Child| tree(vec![a, quick("b")]).unlimited();
            let mut bench = Bench::launch(tree(job("a")));
            end(&mut bench);
            bench.apply(tree(tran("a").unbound()));
            // A group restart would revive it, if it could.
            bench.crash("b");
            assert!(!bench.state("a").is_live());
            let restart = bench.restart("a");
            assert!(!bench.state("a").is_live());
            bench.bind("a");
            let accepted = bench.reply(restart).is_none_or(Result::is_ok);
            assert_eq!(bench.state("a") == Lifecycle::Running, accepted, "{:?}", bench.reply(restart));
            assert_eq!(bench.state("b"), Lifecycle::Running);
        }
    }
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
fn d12_d9_a_child_that_was_being_removed_and_is_named_again_starts_because_of_the_new_spec() {
    let tree = || one_for_one([perm("a").always(Run::healthy().stops_after(ms(100)))]);
    let mut bench = Bench::launch(tree());
    bench.remove("a");
    bench.apply(tree());
    bench.pass(ms(100));
    let started = bench.events(EventKind::ChildRunning, "a").pop().unwrap();
    assert_eq!((started.cause, started.row.generation), (Cause::Reload, 2));
}

#[test]
fn d11_d12_nobody_can_depend_on_a_child_whose_removal_waits_for_its_turn() {
    let slow = perm("z").always(Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_one([perm("a"), slow]));
    bench.apply(one_for_one([]));
    assert_eq!(bench.state("a"), Lifecycle::Running, "the one after it is stopped first");
    let late = bench.start_child("/", perm("late").after(["a"]));
    assert!(matches!(bench.refused(late), SupervisorError::InvalidSpec(_)));
    bench.pass(secs(2));
    assert_eq!(bench.living(), Vec::<String>::new());
}

#[test]
fn d11_d12_nor_on_one_that_stops_for_being_unhealthy_meanwhile() {
    use supervisor_api::policy::Heartbeat;
    let beats = Heartbeat { interval: ms(80), timeout: ms(20), max_retries: 1 };
    let slow = |name: &str, span| perm(name).always(Run::healthy().stops_after(span));
    let mut bench = Bench::launch(one_for_one([slow("a", ms(500)).heartbeat(beats), slow("z", secs(1))]));
    bench.apply(one_for_one([]));
    bench.pass(ms(100));
    assert_eq!(bench.state("a"), Lifecycle::Stopping, "for its missed beats, before its turn to be removed");
    let late = bench.start_child("/", perm("late").after(["a"]));
    assert!(matches!(bench.refused(late), SupervisorError::InvalidSpec(_)));
    bench.pass(secs(2));
    assert_eq!(bench.living(), Vec::<String>::new());
}

#[test]
fn d12_r29_a_child_that_loses_its_body_while_its_group_is_down_starts_when_it_has_one_again() {
    for tree in [one_for_all, rest_for_one] {
        let spec = |a: Child| tree(vec![quick("first"), a]).unlimited();
        let slow = || quick("a").always(Run::healthy().stops_after(ms(10)));
        let mut bench = Bench::launch(spec(slow()));
        bench.crash("first");
        bench.apply(spec(slow().version(2).unbound()));
        bench.pass(secs(1));
        assert_eq!((bench.state("first"), bench.state("a")), (Lifecycle::Running, Lifecycle::Stopped));
        bench.bind("a");
        assert_eq!(bench.state("a"), Lifecycle::Running);

        // The same when the trigger goes with the same spec.
        let mut bench = Bench::launch(spec(slow()));
        bench.crash("first");
        bench.apply(tree(vec![slow().version(2).unbound()]));
        bench.pass(secs(1));
        bench.bind("a");
        assert_eq!(bench.state("a"), Lifecycle::Running);

        // Who was told to rest goes on resting.
        let mut bench = Bench::launch(spec(slow()));
        bench.crash("first");
        bench.apply(spec(slow().version(2).unbound()));
        bench.pass(secs(1));
        bench.terminate("a");
        bench.bind("a");
        assert_eq!(bench.state("a"), Lifecycle::Stopped);
    }
}

#[test]
fn d12_d17_a_restart_that_waits_for_its_turn_is_answered_when_a_new_spec_takes_the_body() {
    let slow = || quick("first").explicit().always(Run::never_ready());
    let tree = |a: Child| one_for_one([slow(), a]).unlimited();
    let mut bench = Bench::launch(tree(quick("a")));
    bench.quarantine("a");
    let restart = bench.restart("a");
    bench.apply(tree(quick("a").version(2).unbound()));
    bench.ready("first");
    assert!(bench.reply(restart).is_some(), "nobody answers");
    bench.bind("a");
    assert_eq!(bench.state("a"), Lifecycle::Running);
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

#[test]
fn d12_a_child_that_fails_before_its_turn_to_be_restarted_is_not_restarted_again() {
    let tree = |n| {
        one_for_one([
            quick("a").version(n),
            quick("b").version(n).always(Run::healthy().stops_after(ms(100))),
        ])
    };
    let mut bench = Bench::launch(tree(1));
    bench.apply(tree(2));
    bench.crash("a");
    assert_eq!(bench.generation("a"), 2, "it runs what the new spec says");
    bench.pass(secs(1));
    assert_eq!((bench.generation("a"), bench.generation("b")), (2, 2));
}

#[test]
fn d12_d9_a_child_that_fails_before_its_turn_to_be_removed_is_removed_because_of_the_new_spec() {
    let slow = Run::healthy().stops_after(ms(100));
    let mut bench = Bench::launch(one_for_one([quick("a"), quick("b").always(slow)]));
    bench.apply(one_for_one([]));
    bench.take();
    bench.crash("a");
    assert_eq!(bench.take(), ["down a: failed: boom"], "it is not started once more");
    let gone = bench.heard().last().map(|heard| (heard.name.as_str(), heard.event.kind, heard.event.cause));
    assert_eq!(gone, Some(("a", EventKind::ChildRuntimeStateRemoved, Cause::Reload)));
}
