//! A new spec while children stop, or wait for their turn to: who comes back, who goes, and who stays as it is (D12).

use supervisor_api::policy::Heartbeat;
use supervisor_api::{Cause, EventKind, Exit, Lifecycle, SupervisorError, SupervisorPath};
use supervisor_core::Reply;
use supervisor_testkit::*;

fn quick(name: &str) -> Child {
    perm(name).steps(ms(0), ms(0))
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
fn d8_d10_a_hold_that_waits_for_its_turn_is_kept_when_the_child_is_unresponsive_meanwhile() {
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
        bench.pass(secs(5));
        bench.ok(ticket);
        assert_eq!((bench.state("api"), bench.generation("api")), (Lifecycle::Running, 1));
    }
}

/// `web` holds up the line, in which `api` and `side` stand behind it.
#[test]
fn d12_d11_whoever_depends_on_a_child_that_the_new_spec_keeps_stays_up() {
    let side = sidecar("side", "api").restart_dependants();
    let web = quick("web").after(["api"]).always(Run::healthy().stops_after(secs(1)));
    let tree = one_for_one([side, quick("api").restart_dependants(), web]);
    let mut bench = Bench::launch(tree.clone());
    bench.remove("side");
    let ticket = bench.apply(tree);
    bench.pass(secs(5));
    bench.ok(ticket);
    for (name, generation) in [("side", 1), ("api", 1), ("web", 2)] {
        assert_eq!((bench.state(name), bench.generation(name)), (Lifecycle::Running, generation), "{name}");
    }
}

/// `web` holds up the line, in which the removal of `inner` stands behind it. A child without others below it ends the
/// same way.
#[test]
fn d12_r68_whoever_a_new_spec_drops_and_is_not_ready_in_time_is_removed_and_not_charged() {
    let late = || quick("late").explicit().always(Run::never_ready());
    let children = [late().within(secs(1)), sup("inner", one_for_one([late()])).within(secs(1))];
    for child in children {
        let web = quick("web").always(Run::healthy().stops_after(secs(2)));
        let mut bench = Bench::launch(one_for_one([child, web]).by_dependencies());
        bench.take();
        let ticket = bench.apply(one_for_one([]).by_dependencies());
        bench.pass(ms(1500));
        assert!(!bench.take().iter().any(|line| line.starts_with("start ")));
        bench.pass(secs(1));
        bench.ok(ticket);
        let failed = bench.heard().iter().filter(|heard| heard.event.kind == EventKind::ChildStartFailed);
        assert_eq!(failed.count(), 0);
    }
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
fn d12_r9_r53_whom_an_earlier_spec_dropped_stands_before_all_in_the_next() {
    let slow = |name: &str| quick(name).always(Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_one([quick("a"), quick("b"), quick("c"), slow("d")]));
    let two = || one_for_one([quick("a"), quick("b")]);
    let ticket = bench.apply(two());
    assert_eq!(bench.reply(ticket), None, "it waits for whom it removes");
    let ticket = bench.apply(two());
    bench.ok(ticket);
    bench.take();
    bench.shutdown();
    bench.pass(secs(1));
    let stops: Vec<_> = bench.take().into_iter().filter(|line| line.starts_with("stop")).collect();
    assert_eq!(stops, ["stop b", "stop a", "stop c"]);
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
fn d11_d12_nobody_can_depend_on_an_unhealthy_child_whose_removal_waits_for_its_turn() {
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

/// A supervisor that lost its place with a restart above it, and whose row stays for a child below it that does not end.
fn outlived() -> Bench {
    let mut bench = Bench::launch(one_for_one([sup("c0", one_for_one([]))]));
    let immortal = quick("x").grace(secs(1)).run(1, Run::healthy().immortal());
    let added = bench.start_child("c0", sup("c3", one_for_one([immortal])));
    bench.ok(added);
    bench.restart("c0");
    bench.pass(secs(3));
    assert_eq!([bench.state("c0"), bench.state("c0/c3")], [Lifecycle::Running, Lifecycle::Stopped]);
    assert_eq!(bench.state("c0/c3/x"), Lifecycle::Unresponsive);
    bench
}

/// Seed 1110777571.
#[test]
fn d12_d8_a_supervisor_that_is_kept_for_an_unresponsive_child_is_restarted_when_a_spec_names_it() {
    let named = || one_for_one([sup("c0", one_for_one([sup("c3", one_for_one([]))]))]);
    let mut bench = outlived();
    let ticket = bench.apply(named());
    let Reply::Applied(applied) = bench.ok(ticket) else { panic!("it is applied") };
    let plan = applied.plan.clone();
    let paths = |paths: &[SupervisorPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(paths(&plan.restarted), ["/c0/c3"]);
    assert_eq!(paths(&plan.removed), ["/c0/c3/x"]);
    assert_eq!((paths(&plan.updated), plan.unchanged), (vec![], 1), "only /c0 is as it was");
    assert_eq!(bench.state("c0/c3"), Lifecycle::Running);
}

#[test]
fn d12_d8_a_supervisor_that_is_kept_for_an_unresponsive_child_goes_when_no_spec_names_it() {
    let mut bench = outlived();
    let ticket = bench.apply(one_for_one([sup("c0", one_for_one([]))]));
    bench.ok(ticket);
    assert_eq!(bench.state("c0/c3"), Lifecycle::Stopped, "what is added by command is no business of a spec");
    let old = bench.key("c0/c3/x");
    bench.end_key(old, Exit::Aborted);
    assert_eq!(bench.find("c0/c3"), None);
}

/// It rests when its run is gone at last, since it was a sidecar; a new spec has freed it meanwhile.
#[test]
fn d15_d12_an_unresponsive_sidecar_that_a_new_spec_frees_starts_when_its_run_is_gone() {
    let s = sidecar("s", "p").grace(ms(10)).abort_wait(ms(10)).run(1, Run::healthy().immortal());
    let mut bench = Bench::launch(rest_for_one([job("p"), perm("x"), s.clone()]));
    bench.end("p", Exit::Completed);
    bench.pass(ms(30));
    assert_eq!(bench.state("s"), Lifecycle::Unresponsive);
    bench.apply(one_for_one([perm("p"), perm("x"), perm("s")]));
    bench.end("s", Exit::Aborted);
    assert_eq!((bench.state("s"), bench.generation("s")), (Lifecycle::Running, 2));
}

/// Its new primary was parked by an operator: it rests with that, and starts before it.
#[test]
fn d15_d12_an_unresponsive_sidecar_that_gets_a_parked_primary_rests_with_that() {
    let s = |primary: &str| {
        sidecar("s", primary).grace(ms(10)).abort_wait(ms(10)).run(1, Run::healthy().immortal())
    };
    let mut bench = Bench::launch(rest_for_one([job("p"), perm("q"), s("p")]));
    bench.pause("q");
    bench.end("p", Exit::Completed);
    bench.pass(ms(30));
    assert_eq!(bench.state("s"), Lifecycle::Unresponsive);
    bench.apply(one_for_one([perm("p"), perm("q"), s("q")]));
    bench.end("s", Exit::Aborted);
    assert_eq!(bench.state("s"), Lifecycle::Stopped);
    bench.resume("q");
    assert_eq!(["q", "s"].map(|name| bench.state(name)), [Lifecycle::Running; 2]);
}

/// `late` never ends, so the group of `b` stays on its way down. `side` comes with a new spec, and is up because `a` needs it.
#[test]
fn r27_d12_who_was_needed_goes_down_for_the_group_that_waited_for_it_also_when_who_began_that_is_gone() {
    let late = quick("late").infinite().always(Run::healthy().ignores_stop());
    let mut bench = Bench::launch(rest_for_one([quick("a"), quick("b")]));
    bench.add("/", late);
    bench.crash("b");
    bench.pause("a");
    bench.apply(rest_for_one([quick("a"), sidecar("side", "a")]).concurrent());
    bench.start_again("side");
    bench.restart("a");
    bench.take();
    bench.crash("a");
    assert_eq!(bench.take(), ["down a: failed: boom", "stop side", "down side"]);
    let stopping = bench.heard().iter().rfind(|heard| heard.event.kind == EventKind::ChildStopping).unwrap();
    assert_eq!(stopping.event.cause, Cause::Group(0), "its supervisor is named, since `b` is gone");
}
