//! Decisions D11 and D19: dependencies, and what counts as started.

use supervisor_api::policy::{Condition, RestartType};
use supervisor_api::{Cause, EventKind, Exit, Lifecycle, Next, Readiness, SupervisorError};
use supervisor_core::{End, Reply};
use supervisor_testkit::*;

fn quick(name: &str) -> Child {
    perm(name).steps(ms(0), ms(0))
}

/// Never ready by itself: the test says when.
fn held(name: &str) -> Child {
    quick(name).explicit().always(Run::never_ready())
}

// ---- D11 ----

#[test]
fn d11_r110_effective_order_is_topological_and_ties_are_as_declared() {
    let tree = one_for_one([
        quick("web").after(["api", "cache"]),
        quick("log"),
        quick("api").after(["db"]),
        quick("cache"),
        quick("db"),
    ]);
    let mut bench = Bench::launch(tree);
    assert_eq!(bench.take(), ["start log", "start cache", "start db", "start api", "start web", "started"]);
    bench.shutdown();
    let stops: Vec<_> = bench.take().into_iter().filter(|line| line.starts_with("stop")).collect();
    assert_eq!(stops, ["stop web", "stop api", "stop db", "stop cache", "stop log"]);
}

#[test]
fn d11_effective_order_is_the_scope_of_rest_for_one() {
    let mut bench = Bench::launch(rest_for_one([quick("a").after(["c"]), quick("b"), quick("c")]));
    assert_eq!(bench.take(), ["start b", "start c", "start a", "started"]);
    bench.crash("c");
    assert_eq!(bench.take(), ["down c: failed: boom", "stop a", "down a", "start c", "start a"]);
    bench.crash("a");
    assert_eq!(bench.take(), ["down a: failed: boom", "start a"]);
}

#[test]
fn d11_r110_cycles_are_refused_with_their_path() {
    let tree =
        one_for_one([perm("a").after(["b"]), perm("b").after(["c"]), perm("c").after(["a"]), perm("d")]);
    let findings = tree.resolve().unwrap_err();
    assert_eq!(findings.len(), 1, "{findings:?}");
    let message = &findings[0].message;
    let turns = ["a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c"];
    assert!(turns.iter().any(|turn| message.contains(turn)), "{message}");
}

#[test]
fn d11_d15_an_added_sidecar_that_depends_on_its_primary_by_way_of_others_is_refused() {
    for add in [Bench::add, Bench::start_child] {
        let mut bench = Bench::launch(one_for_one([quick("a"), quick("b").after(["a"])]).concurrent());
        let ticket = add(&mut bench, "/", sidecar("proxy", "a").after(["b"]));
        let error = bench.refused(ticket).to_string();
        assert!(error.contains("proxy -> b -> a -> proxy"), "{error}");
        assert_eq!(bench.find("proxy"), None);
        bench.take();
        bench.shutdown();
        assert_eq!(bench.take(), ["stop b", "down b", "stop a", "down a", "done shutdown"]);
    }
}

#[test]
fn d11_d12_d15_a_spec_that_closes_a_cycle_with_an_added_sidecar_is_refused() {
    let mut bench = Bench::launch(one_for_one([quick("a"), quick("b")]));
    let add = bench.add("/", sidecar("proxy", "a").after(["b"]));
    bench.ok(add);
    let before = bench.everyone();
    // By way of a child that is new with the spec.
    let tree = one_for_one([quick("a"), quick("c").after(["a"]), quick("b").after(["c"])]);
    let ticket = bench.apply(tree);
    let error = bench.refused(ticket).to_string();
    assert!(error.contains("proxy -> b -> c -> a -> proxy"), "{error}");
    assert_eq!(bench.everyone(), before);
    let ticket = bench.apply(one_for_one([quick("a"), quick("c").after(["a"]), quick("b")]));
    bench.ok(ticket);
}

#[test]
fn d11_what_cannot_be_depended_on_is_refused() {
    let refused = |tree: Tree| tree.resolve().is_err();
    assert!(refused(one_for_one([perm("a").after(["a"])])), "oneself");
    assert!(refused(one_for_one([perm("a").after(["b"])])), "nobody");
    assert!(refused(one_for_one([temp("t"), perm("a").after(["t"])])), "a temporary child");
    assert!(!refused(one_for_one([job("j"), perm("a").after(["j"])])), "but a job");
    let cousin = sup("s", one_for_one([perm("x")]));
    assert!(refused(one_for_one([cousin, perm("a").after(["x"])])), "siblings only");
}

#[test]
fn d11_dependencies_gate_starting_and_nothing_else() {
    let mut bench = Bench::launch(one_for_one([quick("db"), quick("api").after(["db"])]).unlimited());
    bench.take();
    bench.crash("db");
    assert_eq!(bench.take(), ["down db: failed: boom", "start db"]);
    bench.restart("db");
    assert_eq!(bench.take(), ["stop db", "down db", "start db"]);
    bench.pause("db");
    assert_eq!(bench.take(), ["stop db", "down db"]);
    assert_eq!((bench.state("api"), bench.generation("api")), (Lifecycle::Running, 1));
}

#[test]
fn d11_a_dependant_waits_for_ever_uncharged_and_names_whom() {
    let mut bench = Bench::launch(one_for_one([quick("db"), quick("api").after(["db"])]).budget(1, secs(60)));
    bench.pause("db");
    bench.take();
    bench.crash("api");
    assert_eq!(bench.take(), ["down api: failed: boom"]);
    assert_eq!(bench.state("api"), Lifecycle::Waiting);
    let db = bench.key("db").index;
    let waits = bench.events(EventKind::ChildWaiting, "api");
    assert_eq!((waits.len(), waits[0].next), (1, Next::WaitsFor(db)));
    bench.pass(secs(100_000));
    assert_eq!((bench.take(), bench.state("api")), (vec![], Lifecycle::Waiting));
    bench.resume("db");
    assert_eq!(bench.take(), ["start db", "start api"]);
}

#[test]
fn d11_a_dependant_waits_after_its_own_backoff() {
    let api = perm("api").steps(ms(100), secs(1)).after(["db"]);
    let mut bench = Bench::launch(one_for_one([quick("db"), api]).unlimited());
    bench.crash("api");
    bench.pause("db");
    bench.crash("api");
    assert_eq!(bench.state("api"), Lifecycle::Backoff);
    bench.pass(ms(100));
    assert_eq!(bench.state("api"), Lifecycle::Waiting);
    bench.take();
    bench.resume("db");
    assert_eq!(bench.take(), ["start db", "start api"]);
}

#[test]
fn d11_a_supervisor_is_ready_when_its_initial_start_is_over() {
    let below = one_for_one([quick("x"), held("y")]);
    let tree = one_for_one([sup("s", below), quick("a").after(["s"]), quick("b")]);
    let mut bench = Bench::launch(tree.by_dependencies());
    let mut trace = bench.take();
    trace.sort();
    assert_eq!(trace, ["start b", "start s/x", "start s/y"]);
    assert_eq!(bench.state("a"), Lifecycle::Waiting);
    bench.ready("s/y");
    assert_eq!(bench.take(), ["ready s/y", "start a", "started"]);
}

#[test]
fn d11_d18_a_job_satisfies_its_dependants_only_by_a_clean_exit() {
    let tree =
        || one_for_one([job("migrate"), quick("api").after(["migrate"]), quick("log")]).by_dependencies();
    let mut bench = Bench::launch(tree());
    assert_eq!(bench.take()[..2], ["start migrate", "start log"]);
    assert_eq!(bench.state("api"), Lifecycle::Waiting);
    bench.finish("migrate");
    assert_eq!(bench.take()[..2], ["down migrate: completed", "start api"]);

    let mut bench = Bench::launch(tree());
    bench.crash("migrate");
    bench.pass(secs(100));
    assert_eq!([bench.state("migrate"), bench.state("api")], [Lifecycle::Failed, Lifecycle::Waiting]);
    bench.restart("migrate");
    bench.finish("migrate");
    assert_eq!(bench.state("api"), Lifecycle::Running);
}

#[test]
fn d11_a_job_that_failed_does_not_satisfy_who_comes_to_depend_on_it_later() {
    let mut bench = Bench::launch(one_for_one([job("migrate"), quick("log")]));
    bench.crash("migrate");
    let added = bench.add("/", quick("api").after(["migrate"]));
    bench.ok(added);
    assert_eq!([bench.state("migrate"), bench.state("api")], [Lifecycle::Failed, Lifecycle::Waiting]);
}

#[test]
fn d11_restart_dependants_stops_them_in_order_and_starts_them_after_it_uncharged() {
    let tree = one_for_one([
        quick("db").restart_dependants(),
        quick("api").after(["db"]),
        quick("web").after(["api"]),
        quick("log"),
    ]);
    let mut bench = Bench::launch(tree.budget(1, secs(60)));
    bench.take();
    bench.crash("db");
    let trace = bench.take();
    let at = |line: &str| {
        trace.iter().position(|other| other == line).unwrap_or_else(|| panic!("{line} in {trace:?}"))
    };
    assert!(at("down api") < at("start api") && at("start db") < at("start api"), "{trace:?}");
    assert!(!trace.contains(&"stop log".to_owned()));
    assert_eq!(bench.ended(), None, "one charge");
    for name in ["db", "api", "web", "log"] {
        assert_eq!(bench.state(name), Lifecycle::Running, "{name}");
    }
    assert_eq!((bench.row("api").attempt, bench.generation("api")), (0, 2));
    let causes = bench
        .heard()
        .iter()
        .filter(|heard| heard.name == "api" && heard.event.kind == EventKind::ChildStopping);
    let last = causes.map(|heard| heard.event.cause).next_back().unwrap();
    assert_eq!(last, Cause::Dependency(bench.key("db").index));
}

#[test]
fn d11_removing_what_a_sibling_depends_on_is_refused_and_names_it() {
    let mut bench = Bench::launch(one_for_one([quick("db"), quick("api").after(["db"])]));
    bench.take();
    let ticket = bench.remove("db");
    let error = bench.refused(ticket).to_string();
    assert!(error.contains("api"), "{error}");
    bench.terminate("db");
    let ticket = bench.delete("db");
    bench.refused(ticket);
    bench.remove("api");
    let ticket = bench.remove("db");
    bench.ok(ticket);
    assert_eq!(bench.find("db"), None);
}

#[test]
fn d11_a_child_that_is_added_can_depend_on_siblings_and_waits_for_them() {
    let mut bench = Bench::launch(one_for_one([quick("db"), temp("t")]));
    bench.pause("db");
    bench.take();
    let ticket = bench.add("/", quick("api").after(["db"]));
    assert_eq!(bench.take(), [""; 0]);
    assert!(matches!(bench.ok(ticket), Reply::Added { state: Lifecycle::Waiting, .. }));
    bench.resume("db");
    assert_eq!(bench.take(), ["start db", "start api"]);
    for (name, on) in [("x", "nobody"), ("y", "t"), ("z", "z")] {
        let ticket = bench.add("/", perm(name).after([on]));
        assert!(matches!(bench.refused(ticket), SupervisorError::InvalidSpec(_)), "{name} on {on}");
    }
}

#[test]
fn d11_a_child_that_is_being_removed_cannot_be_depended_on() {
    let slow = quick("db").always(Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_one([slow, quick("x")]));
    let remove = bench.remove("db");
    let add = bench.add("/", quick("api").after(["db"]));
    bench.refused(add);
    bench.pass(secs(1));
    bench.ok(remove);
    assert_eq!((bench.find("db"), bench.find("api")), (None, None));
}

#[test]
fn d11_d17_an_unbound_child_that_waits_starts_when_both_are_over() {
    let tree = || one_for_one([held("db"), quick("api").after(["db"]).unbound()]).by_dependencies();
    let mut bench = Bench::launch(tree());
    bench.ready("db");
    bench.bind("api");
    assert_eq!(bench.state("api"), Lifecycle::Running);
    let mut bench = Bench::launch(tree());
    bench.bind("api");
    assert_eq!(bench.state("api"), Lifecycle::Waiting);
    bench.ready("db");
    assert_eq!(bench.state("api"), Lifecycle::Running);
}

// ---- D19 ----

#[test]
fn d19_r111_under_declared_order_who_will_not_start_is_passed_over() {
    let declines = perm("declines").explicit().always(Run::declines());
    let done = job("done").explicit().always(Run::never_ready().ends_after(ms(5), Exit::Completed));
    let tree = one_for_one([perm("unbound").unbound(), declines, done, perm("last")]);
    let mut bench = Bench::launch(tree);
    assert_eq!(bench.take(), ["start declines", "declined declines", "start done"]);
    bench.pass(ms(5));
    assert_eq!(bench.take(), ["down done: completed", "start last", "started"]);
    assert_eq!([bench.state("unbound"), bench.state("done")], [Lifecycle::Declared, Lifecycle::Completed]);
    bench.bind("unbound");
    assert_eq!(bench.take(), ["start unbound"]);
}

#[test]
fn d19_under_order_dependencies_everything_that_can_starts_at_once() {
    let tree = one_for_one([held("a"), held("b"), quick("c").after(["a"]), quick("d")]).by_dependencies();
    let mut bench = Bench::launch(tree);
    assert_eq!(bench.take(), ["start a", "start b", "start d"]);
    bench.ready("b");
    assert_eq!(bench.take(), ["ready b"]);
    bench.ready("a");
    assert_eq!(bench.take(), ["ready a", "start c", "started"]);
    bench.shutdown();
    let stops: Vec<_> = bench.take().into_iter().filter(|line| line.starts_with("stop")).collect();
    assert_eq!(stops.len(), 4);
    assert!(stops.iter().position(|l| l == "stop c") < stops.iter().position(|l| l == "stop a"));
}

#[test]
fn d19_d7_the_initial_start_is_over_only_when_those_that_waited_are_started_too() {
    let tree = one_for_one([held("a"), held("c").after(["a"])]).by_dependencies();
    for tree in [tree.clone(), tree.retries_start()] {
        let mut bench = Bench::launch(tree);
        bench.ready("a");
        assert_eq!(bench.take(), ["start a", "ready a", "start c"]);
        bench.ready("c");
        assert_eq!(bench.take(), ["ready c", "started"]);
    }
}

#[test]
fn d19_ready_is_told_once_and_makes_the_child_running() {
    let mut bench = Bench::launch(one_for_one([held("a")]));
    assert_eq!((bench.state("a"), bench.row("a").readiness), (Lifecycle::Starting, Readiness::NotReady));
    bench.pass(ms(250));
    bench.ready("a");
    bench.ready("a");
    assert_eq!((bench.state("a"), bench.row("a").readiness), (Lifecycle::Running, Readiness::Ready));
    let ready = bench.events(EventKind::ChildReady, "a");
    assert_eq!((ready.len(), ready[0].numbers[0]), (1, 250));
}

#[test]
fn d19_r114_a_start_that_takes_too_long_is_stopped_and_what_had_started_too() {
    let slow = held("slow").within(secs(3));
    let mut bench = Bench::launch(one_for_one([quick("a"), slow, quick("z")]));
    bench.take();
    bench.pass(ms(2_999));
    assert_eq!(bench.take(), [""; 0]);
    bench.pass(ms(1));
    let trace = bench.take();
    assert_eq!(trace[..4], ["stop slow", "down slow", "stop a", "down a"]);
    assert!(trace[4].starts_with("done start failed slow: timed out"), "{trace:?}");
    assert!(matches!(bench.ended(), Some(End::StartFailed { exit: Exit::TimedOut { .. }, .. })));
}

#[test]
fn d19_the_start_timeout_is_a_minute_by_default_and_none_in_otp() {
    let mut bench = Bench::launch(one_for_one([held("a")]));
    bench.pass(ms(59_999));
    assert_eq!(bench.ended(), None);
    bench.pass(ms(1));
    assert!(bench.ended().is_some());
    let mut bench = Bench::launch(otp(one_for_one([perm("a").explicit().always(Run::never_ready())])));
    bench.pass(secs(1_000_000));
    assert_eq!((bench.ended(), bench.state("a")), (None, Lifecycle::Starting));
}

#[test]
fn d19_r32_a_restart_that_takes_too_long_is_a_failed_attempt() {
    let a = quick("a").explicit().within(secs(3)).run(2, Run::never_ready());
    let mut bench = Bench::launch(one_for_one([a]).budget(2, secs(60)));
    bench.crash("a");
    bench.take();
    bench.pass(secs(3));
    assert_eq!(bench.take(), ["stop a", "down a", "start a", "ready a"]);
    let failures = bench.events(EventKind::ChildStartFailed, "a");
    assert_eq!(failures.len(), 1);
    bench.crash("a");
    assert!(bench.ended().is_some(), "it was charged");
}

#[test]
fn d19_r116_an_end_before_started_is_a_start_failure_however_clean() {
    for exit in [Exit::Completed, Exit::StoppedWith { value: "v".into() }, Exit::failed("x")] {
        for restart in [RestartType::Permanent, RestartType::Transient, RestartType::Temporary] {
            let brief = child("a").restart(restart).explicit();
            let brief = brief.always(Run::never_ready().ends_after(ms(1), exit.clone()));
            let mut bench = Bench::launch(one_for_one([brief]));
            bench.pass(ms(1));
            assert!(matches!(bench.ended(), Some(End::StartFailed { .. })), "{restart}, {exit}");
        }
    }
}

#[test]
fn d19_d18_only_a_jobs_clean_end_before_ready_is_completed() {
    let early = job("j").explicit().always(Run::never_ready().ends_after(ms(1), Exit::Completed));
    let mut bench = Bench::launch(one_for_one([early, quick("a").after(["j"])]));
    bench.pass(ms(1));
    assert_eq!([bench.state("j"), bench.state("a")], [Lifecycle::Completed, Lifecycle::Running]);

    let reports = job("j").explicit().always(Run::ready_after(ms(1)));
    let mut bench = Bench::launch(one_for_one([reports, quick("a").after(["j"])]));
    bench.pass(ms(1));
    assert_eq!([bench.state("j"), bench.state("a")], [Lifecycle::Running; 2], "satisfied at ready");
}

#[test]
fn d19_an_error_of_an_immediate_child_is_an_exit_like_any_other() {
    let a = quick("a").run(1, Run::healthy().ends_after(ms(0), Exit::failed("at once")));
    let mut bench = Bench::launch(one_for_one([a, quick("b")]));
    assert_eq!(
        bench.take(),
        ["start a", "start b", "started", "down a: failed: at once", "start a"],
        "started, and then restarted: no unwinding"
    );
}

#[test]
fn d19_under_retry_a_failed_initial_start_is_tried_again_and_charged() {
    let a = perm("a").explicit().steps(ms(100), secs(1)).runs(1..=2, Run::fails_to_start());
    let tree = |budget| one_for_one([a.clone(), quick("b")]).retries_start().budget(budget, secs(60));
    let mut bench = Bench::launch(tree(2));
    assert!(bench.take().starts_with(&["start a".to_owned(), "down a: failed: no start".to_owned()]));
    bench.pass(ms(99));
    assert!(!bench.take().contains(&"started".to_owned()));
    bench.pass(ms(1));
    let trace = bench.take();
    assert!(trace.contains(&"ready a".to_owned()) && trace.contains(&"started".to_owned()), "{trace:?}");
    assert_eq!([bench.state("a"), bench.state("b")], [Lifecycle::Running; 2]);

    let mut bench = Bench::launch(tree(1));
    bench.pass(secs(1));
    assert!(matches!(bench.ended(), Some(End::GaveUp { .. })), "{:?}", bench.ended());
}

#[test]
fn d19_under_retry_the_start_is_over_when_the_rest_waits_for_one_that_is_parked() {
    let bad = perm("bad").explicit().optional().budget(0, secs(60)).always(Run::fails_to_start());
    let tree =
        one_for_one([bad, quick("waits").after(["bad"]), quick("fine")]).retries_start().by_dependencies();
    let mut bench = Bench::launch(tree);
    let trace = bench.take();
    assert_eq!(trace.iter().filter(|line| *line == "started").count(), 1, "{trace:?}");
    assert_eq!([bench.state("bad"), bench.state("waits")], [Lifecycle::Quarantined, Lifecycle::Waiting]);
}

#[test]
fn d11_a_child_may_wait_until_a_sibling_is_started_and_no_longer() {
    let slow = || perm("slow").explicit().always(Run::ready_after(ms(50)));
    let both = [perm("early").after_when([("slow", Condition::Started)]), perm("late").after(["slow"])];
    let [early, late] = both;
    let mut bench = Bench::launch(one_for_one([early, late, slow()]).by_dependencies());
    assert_eq!(bench.take(), ["start slow", "start early"]);
    assert_eq!(bench.state("late"), Lifecycle::Waiting);
    bench.pass(ms(50));
    assert_eq!(bench.take(), ["ready slow", "start late", "started"]);
}

#[test]
fn d11_a_child_may_wait_until_a_job_has_ended_however_it_does() {
    for (exit, ok) in [(Exit::Completed, true), (Exit::Failed { error: "boom".into() }, false)] {
        let any = perm("any").after_when([("job", Condition::Completed)]);
        let good = perm("good").after_when([("job", Condition::CompletedOk)]);
        // It is ready long before it ends, which is enough for who says nothing.
        let tree = one_for_one([job("job").explicit(), perm("soon").after(["job"]), any, good]);
        let mut bench = Bench::launch(tree.by_dependencies());
        assert_eq!(bench.state("soon"), Lifecycle::Running);
        assert_eq!(["any", "good"].map(|name| bench.state(name)), [Lifecycle::Waiting; 2]);
        bench.end("job", exit);
        assert_eq!(bench.state("any"), Lifecycle::Running);
        assert_eq!(bench.state("good") == Lifecycle::Running, ok);
    }
}

/// What a job did in an earlier incarnation of its supervisor satisfies nobody (D18).
#[test]
fn d11_d18_the_bad_end_of_a_job_counts_in_its_incarnation() {
    let any = perm("any").after_when([("job", Condition::Completed)]);
    let below = one_for_one([job("job"), any]).by_dependencies();
    let mut bench = Bench::launch(one_for_one([sup("s", below)]));
    bench.crash("s/job");
    assert_eq!(bench.state("s/any"), Lifecycle::Running);
    bench.restart("s");
    assert_eq!([bench.state("s/job"), bench.state("s/any")], [Lifecycle::Running, Lifecycle::Waiting]);
    bench.crash("s/job");
    assert_eq!(bench.state("s/any"), Lifecycle::Running);
}

#[test]
fn d11_d12_another_condition_is_applied_live_and_frees_who_waits() {
    let tree = |until| {
        let waits = perm("waits").after_when([("slow", until)]);
        one_for_one([perm("slow").explicit().always(Run::never_ready()), waits]).by_dependencies()
    };
    let mut bench = Bench::launch(tree(Condition::Ready));
    assert_eq!(bench.state("waits"), Lifecycle::Waiting);
    let ticket = bench.apply(tree(Condition::Started));
    bench.ok(ticket);
    assert_eq!((bench.state("waits"), bench.generation("slow")), (Lifecycle::Running, 1));
    bench.apply(tree(Condition::Ready));
    assert_eq!((bench.state("waits"), bench.generation("waits")), (Lifecycle::Running, 1), "it has started");
}

#[test]
fn d11_a_sibling_is_named_once_when_something_of_it_is_waited_for() {
    let twice = || perm("b").after_when([("a", Condition::Ready), ("a", Condition::Started)]);
    let findings = one_for_one([perm("a"), twice()]).resolve().unwrap_err();
    assert!(findings[0].message.contains("names 'a' twice"), "{findings:?}");
    let mut bench = Bench::launch(one_for_one([perm("a")]));
    let ticket = bench.add("/", twice());
    assert!(matches!(bench.refused(ticket), SupervisorError::InvalidSpec(_)));
    assert!(one_for_one([perm("a"), perm("b").after(["a", "a"])]).resolve().is_ok());
}

#[test]
fn d11_nobody_waits_for_the_end_of_what_is_always_started_again() {
    for until in [Condition::Completed, Condition::CompletedOk] {
        let tree = one_for_one([perm("a"), perm("b").after_when([("a", until)])]);
        let findings = tree.resolve().unwrap_err();
        assert!(findings[0].message.contains("started again whenever it ends"), "{findings:?}");
        let mut bench = Bench::launch(one_for_one([perm("a")]));
        let ticket = bench.add("/", perm("b").after_when([("a", until)]));
        assert!(matches!(bench.refused(ticket), SupervisorError::InvalidSpec(_)));
    }
}
