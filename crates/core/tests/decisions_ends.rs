//! Decisions D17, D20-D22: the two families of calls, ends, health of the whole, exit words.

use std::time::Duration;

use supervisor_api::command::ControlVerb;
use supervisor_api::policy::{AutoShutdown, Heartbeat, Permissions};
use supervisor_api::report::TreeHealth;
use supervisor_api::{EventKind, Exit, Lifecycle, SupervisorError};
use supervisor_core::{Address, Command, End, Reply};
use supervisor_testkit::*;

fn quick(name: &str) -> Child {
    perm(name).steps(ms(0), ms(0))
}

// ---- D17 ----

#[test]
fn d17_an_operators_restart_works_in_every_state() {
    let tree = || {
        one_for_one([
            perm("slow").run(1, Run::healthy().stops_after(secs(1))),
            perm("stuck").grace(secs(1)).run(1, Run::healthy().immortal()),
            perm("running"),
            perm("starting").explicit().run(1, Run::never_ready()),
            perm("backoff").steps(secs(900), secs(900)),
            perm("stopped"),
            tran("completed"),
            job("failed"),
            perm("paused"),
            perm("quarantined"),
        ])
        .by_dependencies()
        .budget(5, secs(600))
    };
    let mut bench = Bench::launch(tree());
    bench.pause("slow");
    bench.pause("stuck");
    bench.crash("backoff");
    bench.crash("backoff");
    bench.terminate("stopped");
    bench.finish("completed");
    bench.crash("failed");
    bench.pause("paused");
    bench.quarantine("quarantined");
    let all: Vec<_> = bench.everyone().into_iter().skip(1).collect();
    for (_, name, row) in all {
        let before = bench.state(&name);
        let ticket = bench.restart(&name);
        bench.pass(secs(3));
        if name == "stuck" {
            bench.end("stuck", Exit::Aborted);
        }
        let outcome = bench.outcome(ticket);
        assert_eq!(outcome.state_before, before, "{name}");
        assert_eq!(
            (bench.state(&name), bench.generation(&name)),
            (Lifecycle::Running, row.generation + 1),
            "{name}"
        );
        assert_eq!(bench.row(&name).attempt, 0, "{name}");
        assert!(!bench.outcome(ticket).idempotent, "{name}");
    }
    assert_eq!(bench.ended(), None);
}

#[test]
fn d17_a_restart_is_complete_when_the_new_run_is_started() {
    let a = quick("a").explicit().run(2, Run::ready_after(secs(4)));
    let mut bench = Bench::launch(one_for_one([a]));
    let ticket = bench.restart("a");
    assert_eq!(bench.reply(ticket), None);
    bench.pass(secs(4));
    let outcome = bench.outcome(ticket);
    assert_eq!((outcome.state_after, outcome.generation), (Lifecycle::Running, 2));
    assert!(outcome.cancel_delivered && outcome.failure.is_none());
}

#[test]
fn d17_a_new_run_that_fails_to_start_is_an_ordinary_failure() {
    let a = perm("a").explicit().steps(ms(100), secs(1)).run(2, Run::fails_to_start());
    let mut bench = Bench::launch(one_for_one([a.clone()]).budget(1, secs(60)));
    let ticket = bench.restart("a");
    bench.pass(secs(1));
    assert!(bench.reply(ticket).is_some());
    assert_eq!((bench.state("a"), bench.generation("a")), (Lifecycle::Running, 3), "it is tried again");
    bench.crash("a");
    assert!(bench.ended().is_some(), "and was charged");
}

#[test]
fn d17_remove_stops_and_deletes() {
    let slow = perm("a").always(Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_one([slow, perm("b")]));
    bench.take();
    let ticket = bench.remove("a");
    assert_eq!(bench.take(), ["stop a"]);
    bench.pass(secs(1));
    assert_eq!(bench.outcome(ticket).state_after, Lifecycle::Removed);
    assert_eq!(bench.find("a"), None);
    let again = bench.remove("a");
    assert!(matches!(bench.refused(again), SupervisorError::ChildNotFound { .. }));
}

#[test]
fn d17_removing_a_supervisor_removes_everything_below_it() {
    let below = one_for_one([perm("x"), sup("t", one_for_one([perm("y")]))]);
    let mut bench = Bench::launch(one_for_one([sup("s", below), perm("b")]));
    bench.take();
    let ticket = bench.remove("s");
    bench.ok(ticket);
    assert_eq!(bench.take(), ["stop s/t/y", "down s/t/y", "stop s/x", "down s/x"]);
    for name in ["s", "s/x", "s/t", "s/t/y"] {
        assert_eq!(bench.find(name), None, "{name}");
    }
}

#[test]
fn d17_a_restart_of_a_supervisor_is_a_new_incarnation_of_its_static_specs() {
    let below = one_for_one([quick("x"), job("j"), sup("d", dynamic(9))]).budget(1, secs(600));
    let mut bench = Bench::launch(one_for_one([sup("s", below)]));
    bench.add("s", perm("extra"));
    bench.start_child("s/d", perm("one"));
    bench.finish("s/j");
    bench.crash("s/x");
    bench.take();
    let ticket = bench.restart("s");
    bench.ok(ticket);
    let trace = bench.take();
    let stops: Vec<_> = trace.iter().filter(|line| line.starts_with("stop")).collect();
    assert_eq!(stops, ["stop s/extra", "stop s/d/one", "stop s/x"], "in order");
    let starts: Vec<_> = trace.iter().filter(|line| line.starts_with("start ")).collect();
    assert_eq!(starts, ["start s/x", "start s/j"], "static specs, and jobs run again");
    assert_eq!((bench.find("s/extra"), bench.find("s/d/one")), (None, None));
    bench.crash("s/x");
    assert_eq!(bench.state("s/x"), Lifecycle::Running, "the budget is empty again");
    assert_eq!((bench.generation("s/x"), bench.generation("s")), (4, 2));
}

#[test]
fn d17_add_child_follows_on_start_failure() {
    let x = || perm("x").explicit().steps(ms(100), secs(1)).runs(1..=2, Run::fails_to_start());
    let mut unwind = Bench::launch(one_for_one([perm("a")]).budget(0, secs(60)));
    let ticket = unwind.add("/", x());
    assert!(matches!(unwind.refused(ticket), SupervisorError::StartFailed { .. }));
    assert_eq!((unwind.find("x"), unwind.ended()), (None, None), "as R11");

    let mut retry = Bench::launch(one_for_one([perm("a")]).retries_start().budget(2, secs(60)));
    retry.add("/", x());
    retry.pass(secs(1));
    assert_eq!((retry.state("x"), retry.generation("x")), (Lifecycle::Running, 3), "kept and tried again");
}

#[test]
fn d17_the_smallest_example_an_unbound_child_is_accepted_and_starts_when_it_is_bound() {
    let mut bench = Bench::launch(one_for_one([]));
    bench.take();
    let ticket = bench.add("/", child("worker").unbound());
    assert!(matches!(bench.ok(ticket), Reply::Added { state: Lifecycle::Declared, generation: 0, .. }));
    assert_eq!(bench.take(), [""; 0]);
    assert_eq!(bench.count(EventKind::ChildUnbound), 1);
    bench.bind("worker");
    assert_eq!(bench.take(), ["start worker"]);
}

#[test]
fn d17_what_a_child_does_not_allow_is_refused() {
    let no_shutdown = Permissions { allow_shutdown: false, ..Permissions::default() };
    let no_restart = Permissions { allow_restart: false, ..Permissions::default() };
    let mut bench =
        Bench::launch(one_for_one([perm("a").permissions(no_shutdown), perm("b").permissions(no_restart)]));
    bench.take();
    for call in [Bench::pause, Bench::quarantine, Bench::remove] {
        let ticket = call(&mut bench, "a");
        assert!(matches!(bench.refused(ticket), SupervisorError::NotPermitted { .. }));
    }
    let ticket = bench.restart("b");
    assert!(matches!(bench.refused(ticket), SupervisorError::NotPermitted { .. }));
    assert_eq!(bench.take(), [""; 0]);
    let ticket = bench.restart("a");
    bench.ok(ticket);
    let ticket = bench.pause("b");
    bench.ok(ticket);
    bench.shutdown();
    assert!(bench.ended().is_some(), "the shutdown of the tree asks nobody");
}

fn control(bench: &mut Bench, verb: ControlVerb, text: &str) -> u64 {
    bench.ask(Command::Control(verb, Address::Text(text.into())))
}

#[test]
fn d17_a_child_is_addressed_by_path_or_by_an_id_that_is_unique() {
    let below = |name: &str| sup(name, one_for_one([perm("x"), perm(&format!("only-{name}"))]));
    let mut bench = Bench::launch(one_for_one([below("s"), below("t"), perm("a")]));
    let ticket = control(&mut bench, ControlVerb::Pause, "only-t");
    bench.ok(ticket);
    assert_eq!(bench.state("t/only-t"), Lifecycle::Paused);
    let ticket = control(&mut bench, ControlVerb::Pause, "/root/a");
    bench.ok(ticket);
    assert_eq!(bench.state("a"), Lifecycle::Paused);
    let ticket = control(&mut bench, ControlVerb::Pause, "/s/x/");
    bench.ok(ticket);
    assert_eq!(bench.state("s/x"), Lifecycle::Paused);
    let ticket = control(&mut bench, ControlVerb::Pause, "x");
    let SupervisorError::AmbiguousChild { candidates } = bench.refused(ticket) else { panic!("ambiguous") };
    let candidates: Vec<_> = candidates.iter().map(ToString::to_string).collect();
    assert_eq!(candidates, ["/s/x", "/t/x"]);
    let ticket = control(&mut bench, ControlVerb::Pause, "only-tt");
    let SupervisorError::ChildNotFound { nearest, .. } = bench.refused(ticket) else { panic!("not found") };
    assert!(nearest.iter().any(|name| name.contains("only-t")), "{nearest:?}");
    for bad in ["//", "/s//x", "", "/s/<x>"] {
        let ticket = control(&mut bench, ControlVerb::Pause, bad);
        bench.refused(ticket);
    }
}

#[test]
fn d17_the_root_takes_shutdown_and_add_only() {
    let mut bench = Bench::launch(one_for_one([perm("a")]));
    bench.take();
    for verb in ControlVerb::ALL {
        let ticket = control(&mut bench, *verb, "/");
        bench.refused(ticket);
    }
    for call in [Bench::terminate, Bench::start_again, Bench::delete] {
        let ticket = call(&mut bench, "/");
        bench.refused(ticket);
    }
    assert_eq!((bench.take(), bench.state("/")), (vec![], Lifecycle::Running));
}

#[test]
fn d17_of_two_commands_that_disagree_the_later_has_the_word_and_both_are_answered() {
    let slow = || quick("a").always(Run::healthy().stops_after(secs(1)));
    type Call = fn(&mut Bench, &str) -> u64;
    let cases: [(Call, Call, Lifecycle); 4] = [
        (Bench::restart, Bench::pause, Lifecycle::Paused),
        (Bench::pause, Bench::restart, Lifecycle::Running),
        (Bench::pause, Bench::quarantine, Lifecycle::Quarantined),
        (Bench::quarantine, Bench::resume, Lifecycle::Running),
    ];
    for (first, second, state) in cases {
        let mut bench = Bench::launch(one_for_one([slow()]));
        first(&mut bench, "a");
        bench.pass(ms(500));
        second(&mut bench, "a");
        bench.pass(secs(5));
        assert_eq!(bench.state("a"), state);
        assert_eq!(bench.unanswered(), [0; 0]);
    }
    let mut bench = Bench::launch(one_for_one([slow()]));
    bench.restart("a");
    bench.remove("a");
    bench.pass(secs(5));
    assert_eq!((bench.find("a"), bench.unanswered()), (None, vec![]));
}

// ---- D20 ----

fn all_done(tree: Tree) -> Tree {
    tree.auto_shutdown(AutoShutdown::AllDone).retries_start().by_dependencies()
}

#[test]
fn d20_a_tree_with_nothing_left_to_run_stays_unless_all_done_is_set() {
    let mut bench = Bench::launch(one_for_one([job("a"), tran("b")]));
    bench.finish("a");
    bench.finish("b");
    bench.pass(secs(1_000));
    assert_eq!((bench.ended(), bench.state("/")), (None, Lifecycle::Running));
}

#[test]
fn d20_all_done_ends_a_tree_when_nothing_is_left_and_says_who_failed() {
    let mut bench = Bench::launch(all_done(one_for_one([job("a"), sup("s", one_for_one([tran("b")]))])));
    bench.finish("a");
    assert_eq!(bench.ended(), None);
    bench.finish("s/b");
    assert_eq!(bench.ended(), Some(&End::AllDone { failed: None }));

    let mut bench = Bench::launch(all_done(one_for_one([job("a"), job("bad")])));
    bench.crash("bad");
    assert_eq!(bench.ended(), None);
    bench.finish("a");
    assert!(matches!(bench.ended(), Some(End::AllDone { failed: Some(path) }) if path.as_str() == "/bad"));
}

#[test]
fn d20_all_done_waits_for_whatever_may_still_run() {
    let still = [
        perm("x"),
        perm("x").unbound(),
        perm("x").explicit().always(Run::never_ready()),
        perm("x").after(["bad"]),
        sup("x", dynamic(3)),
        sup("x", one_for_one([perm("y")])),
    ];
    for x in still {
        let mut bench = Bench::launch(all_done(one_for_one([job("a"), job("bad"), x.clone()])));
        bench.finish("a");
        bench.crash("bad");
        bench.pass(secs(10));
        assert_eq!(bench.ended(), None, "{x:?}");
    }
    for park in [Bench::pause, Bench::quarantine] {
        let mut bench = Bench::launch(all_done(one_for_one([job("a"), tran("x")])));
        park(&mut bench, "x");
        bench.finish("a");
        assert_eq!(bench.ended(), None, "parked");
        bench.resume("x");
        bench.finish("x");
        assert!(bench.ended().is_some());
    }
    let stuck = tran("x").grace(secs(1)).always(Run::healthy().immortal());
    let mut bench = Bench::launch(all_done(one_for_one([job("a"), stuck])));
    bench.terminate("x");
    bench.finish("a");
    bench.pass(secs(60));
    assert_eq!((bench.ended(), bench.state("x")), (None, Lifecycle::Unresponsive));
    bench.end("x", Exit::Aborted);
    assert!(bench.ended().is_some());
    let retry = job("x").retry().steps(secs(5), secs(5));
    let mut bench = Bench::launch(all_done(one_for_one([job("a"), retry])));
    bench.finish("a");
    bench.crash("x");
    bench.crash("x");
    assert_eq!((bench.ended(), bench.state("x")), (None, Lifecycle::Backoff));
}

#[test]
fn d20_never_keeps_a_stack() {
    let mut bench = Bench::launch(all_done(one_for_one([job("a")])).auto_shutdown(AutoShutdown::Never));
    bench.finish("a");
    assert_eq!(bench.ended(), None);
}

#[test]
fn d20_a_tree_that_gave_up_or_could_not_start_says_so() {
    let mut bench = Bench::launch(one_for_one([quick("a")]).budget(0, secs(60)));
    bench.crash("a");
    let Some(End::GaveUp { chain }) = bench.ended() else { panic!("{:?}", bench.ended()) };
    assert!(chain.iter().any(|line| line.contains("/a") && line.contains("boom")), "{chain:?}");
    let bad = perm("a").explicit().always(Run::fails_to_start());
    let bench = Bench::launch(one_for_one([bad]));
    assert!(matches!(bench.ended(), Some(End::StartFailed { .. })));
}

#[test]
fn d20_a_shutdown_that_meets_a_tree_that_is_giving_up_is_answered() {
    let slow = quick("a").always(Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_one([slow, quick("b")]).budget(0, secs(60)));
    bench.crash("b");
    assert_eq!(bench.ended(), None);
    let ticket = bench.shutdown();
    bench.pass(secs(1));
    assert!(bench.reply(ticket).is_some() && bench.ended().is_some());
}

#[test]
fn d20_a_second_signal_does_not_wait_for_infinite_graces() {
    let deaf = perm("a").infinite().always(Run::healthy().immortal());
    let mut bench = Bench::launch(one_for_one([deaf]));
    bench.shutdown();
    bench.skip_graces();
    bench.pass(secs(1));
    assert!(bench.ended().is_some(), "only abort_wait is left");
    assert_eq!(bench.state("a"), Lifecycle::Unresponsive);
}

// ---- D21 ----

fn whole(bench: &Bench) -> TreeHealth {
    bench.machine().tally().tree_health()
}

#[test]
fn d21_the_health_of_the_whole_follows_criticality() {
    let beat = Heartbeat { interval: secs(1), timeout: ms(500), max_retries: 3 };
    use TreeHealth::*;
    let cases = [(perm("a").critical(), Unhealthy), (perm("a"), Degraded), (perm("a").optional(), Healthy)];
    for (a, expected) in cases {
        let tree = |a: Child| one_for_one([a, perm("b")]).by_dependencies();
        let mut bench = Bench::launch(tree(a.clone()));
        assert_eq!(whole(&bench), Healthy);
        bench.pause("a");
        assert_eq!(whole(&bench), expected, "parked");
        bench.resume("a");
        assert_eq!(whole(&bench), Healthy);

        let bench = Bench::launch(tree(a.clone().explicit().always(Run::never_ready())));
        assert_eq!(whole(&bench), expected, "unready");

        let mut bench = Bench::launch(tree(a.heartbeat(beat)));
        bench.miss("a", "no answer");
        assert_eq!(whole(&bench), expected, "stale");
        bench.beat("a");
        assert_eq!(whole(&bench), Healthy);
    }
}

#[test]
fn d21_any_quarantined_or_unresponsive_child_degrades_the_whole() {
    let stuck = perm("a").optional().grace(secs(1)).always(Run::healthy().immortal());
    let mut bench = Bench::launch(one_for_one([stuck, perm("b").optional()]));
    bench.quarantine("b");
    assert_eq!(whole(&bench), TreeHealth::Degraded);
    bench.resume("b");
    assert_eq!(whole(&bench), TreeHealth::Healthy);
    bench.terminate("a");
    bench.pass(secs(2));
    assert_eq!(whole(&bench), TreeHealth::Degraded);
}

// ---- D22 ----

#[test]
fn d22_an_error_after_a_request_is_a_shutdown_error_and_uncharged() {
    for (call, state) in [
        (Bench::pause as fn(&mut Bench, &str) -> u64, Lifecycle::Paused),
        (Bench::restart, Lifecycle::Running),
    ] {
        let odd = quick("a").always(Run::healthy().stops_with(Exit::failed("odd")));
        let mut bench = Bench::launch(one_for_one([odd]).budget(0, secs(60)));
        let ticket = call(&mut bench, "a");
        bench.ok(ticket);
        assert_eq!((bench.ended(), bench.state("a")), (None, state));
        assert_eq!(bench.events(EventKind::ChildStopError, "a").len(), 1);
    }
}

#[test]
fn r99_d22_being_cancelled_without_having_been_asked_is_a_failure() {
    let mut bench = Bench::launch(
        one_for_one([quick("a").restart(supervisor_api::policy::RestartType::Transient)]).budget(1, secs(60)),
    );
    bench.take();
    bench.end("a", Exit::Aborted);
    assert_eq!(bench.take(), ["down a: aborted after its grace", "start a"]);
    bench.end("a", Exit::failed("cancelled"));
    assert!(bench.ended().is_some(), "and charged");
}

#[test]
fn r98_d19_d20_do_not_restart_me_and_stop_the_tree() {
    let declines = perm("a").explicit().run(2, Run::declines());
    let below = one_for_one([perm("x")]);
    let mut bench = Bench::launch(otp(one_for_one([declines, sup("s", below)])));
    bench.crash("a");
    bench.pass(Duration::from_secs(1_000));
    assert_eq!(
        (bench.state("a"), bench.ended()),
        (Lifecycle::Stopped, None),
        "a permanent child that declines"
    );
    bench.take();
    let ticket = bench.shutdown();
    bench.ok(ticket);
    assert_eq!(bench.take(), ["stop s/x", "down s/x", "done shutdown"], "wherever it is asked");
}
