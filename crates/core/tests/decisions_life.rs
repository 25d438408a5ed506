//! Decisions D5-D10: identity, one life at a time, nothing waits, honest stop, reasons, operator states.

use supervisor_api::command::ControlVerb;
use supervisor_api::policy::AutoShutdown;
use supervisor_api::{Cause, ChildId, EventKind, Exit, Lifecycle, Next, Readiness};
use supervisor_core::{
    Address, Body, ChildDecl, Command, Effect, End, Input, Machine, SupervisorDecl, resolve,
};
use supervisor_testkit::*;

fn immortal(name: &str) -> Child {
    perm(name).grace(secs(1)).run(1, Run::healthy().immortal())
}

fn quick(name: &str) -> Child {
    perm(name).steps(ms(0), ms(0))
}

// ---- D5, D6 ----

#[test]
fn d5_generations_count_from_one_and_are_never_reused() {
    let mut bench = Bench::launch(one_for_one([quick("a")]).unlimited());
    assert_eq!(bench.generation("a"), 1);
    bench.crash("a");
    bench.restart("a");
    bench.pause("a");
    bench.resume("a");
    assert_eq!(bench.generation("a"), 4);
}

#[test]
fn d5_a_path_that_is_added_again_is_another_child() {
    let mut bench = Bench::launch(one_for_one([quick("a"), quick("b")]).unlimited());
    bench.crash("a");
    bench.crash("a");
    let old = bench.key("a");
    let remove = bench.remove("a");
    bench.ok(remove);
    let add = bench.add("/", perm("a"));
    bench.ok(add);
    assert_ne!(bench.key("a"), old);
    assert_eq!((bench.generation("a"), bench.row("a").restart_count), (1, 0));
    bench.take();
    bench.forget_events();
    for generation in 1..4 {
        bench.say(Input::Exited { key: old, generation, exit: Exit::failed("late") });
    }
    bench.settle();
    assert_eq!(bench.take(), [""; 0], "messages about the old one change nothing");
    assert_eq!(bench.heard(), []);
}

#[test]
fn d6_a_new_run_starts_only_when_the_old_one_is_gone() {
    let slow = perm("a").always(Run::healthy().stops_after(secs(3)));
    let mut bench = Bench::launch(one_for_one([slow]));
    bench.take();
    let ticket = bench.restart("a");
    bench.pass(ms(2_999));
    assert_eq!(bench.take(), ["stop a"]);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["down a", "start a"]);
    bench.ok(ticket);
}

#[test]
fn d7_a_child_that_asks_something_of_its_own_supervisor_does_not_deadlock() {
    // The request comes while the supervisor stops the very child that asks.
    let asker = perm("s").always(Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_one([asker, perm("b")]));
    let own = bench.restart("s");
    let other = bench.pause("b");
    bench.ok(other);
    let joined = bench.shutdown();
    bench.pass(secs(1));
    assert!(bench.reply(own).is_some());
    bench.ok(joined);
    assert_eq!(bench.unanswered(), [0; 0]);
}

#[test]
fn d7_commands_are_carried_out_while_a_child_never_gets_ready() {
    let never = perm("never").explicit().always(Run::never_ready());
    let mut bench = Bench::launch(otp(one_for_one([perm("a"), never, perm("z")])));
    let tickets = [bench.restart("a"), bench.pause("a"), bench.quarantine("a"), bench.remove("a")];
    for ticket in tickets {
        bench.ok(ticket);
    }
    assert_eq!(bench.find("a"), None);
    assert_eq!(bench.state("z"), Lifecycle::Declared);
}

#[test]
fn d7_a_long_plan_is_cut_and_commands_and_reads_come_in_between() {
    let many: Vec<Child> = (0..3_000).map(|n| quick(&format!("c{n}"))).collect();
    let mut bench = Bench::begin(one_for_one(many), 0);
    assert!(bench.machine().has_open_plan());
    assert!(bench.take().len() < 1_000, "so much and not more in one turn");
    assert_eq!(bench.state("c2999"), Lifecycle::Declared);
    let ticket = bench.send(Command::Control(ControlVerb::Pause, Address::Text("/c2999".into())));
    bench.ok(ticket);
    assert!(bench.machine().has_open_plan(), "the plan is not over");
    bench.settle();
    let trace = bench.take();
    assert_eq!(trace[trace.len() - 2..], ["start c2998", "started"]);
    assert_eq!((bench.state("c2999"), bench.living().len()), (Lifecycle::Paused, 2_999));
}

#[test]
fn d7_a_large_tree_is_declared_by_stretches_before_anybody_starts() {
    let child = |n: u32| ChildDecl {
        id: ChildId::new(format!("c{n}")).unwrap(),
        settings: Default::default(),
        depends_on: Vec::new(),
        primary: None,
        body: Body::Run(n),
    };
    let decl = SupervisorDecl { children: (0..3_000).map(child).collect(), ..SupervisorDecl::default() };
    let mut machine = Machine::new(resolve(&decl).unwrap(), 1);
    let (mut out, mut declared) = (Vec::new(), 0);
    machine.launch(0, &mut out);
    while !out.iter().any(|effect| matches!(effect, Effect::Spawn { .. })) {
        assert!(out.len() < 1_000 && machine.has_open_plan(), "so much and not more in one turn");
        declared += out.drain(..).filter(|effect| matches!(effect, Effect::Declared { .. })).count();
        machine.go_on(0, &mut out);
    }
    let first = out.iter().position(|effect| matches!(effect, Effect::Spawn { .. })).unwrap();
    declared += out[..first].iter().filter(|effect| matches!(effect, Effect::Declared { .. })).count();
    assert_eq!(declared, 3_001, "the root and all its children");
}

#[test]
fn d7_a_shutdown_comes_through_a_long_plan() {
    let many: Vec<Child> = (0..3_000).map(|n| quick(&format!("c{n}"))).collect();
    let mut bench = Bench::begin(one_for_one(many), 0);
    let begun = bench.take().len();
    bench.send(Command::Shutdown);
    bench.settle();
    let trace = bench.take();
    assert!(!trace.iter().any(|line| line.starts_with("start ")), "nothing more is started");
    assert_eq!(trace.iter().filter(|line| line.starts_with("stop ")).count(), begun);
    assert!(bench.ended().is_some());
}

#[test]
fn d7_d20_a_tree_with_nothing_left_to_run_is_taken_down_in_turns_too() {
    let idle = (0..1_000).map(|n| sup(&format!("s{n}"), one_for_one([])));
    let mut bench = Bench::launch(one_for_one(idle.chain([job("j")])).auto_shutdown(AutoShutdown::AllDone));
    bench.forget_events();
    bench.queue_end("j", Exit::Completed);
    bench.turn();
    assert!(bench.machine().has_open_plan());
    assert!(bench.heard().len() < 400, "so much and not more in one turn");
    let late = bench.send(Command::Control(ControlVerb::Restart, Address::Text("/j".into())));
    bench.refused(late);
    bench.settle();
    assert_eq!(bench.ended(), Some(&End::AllDone { failed: None }));
}

// ---- D8 ----

#[test]
fn d8_after_grace_and_abort_wait_the_child_is_unresponsive_and_a_restart_waits_for_it() {
    let mut bench = Bench::launch(one_for_one([immortal("x"), perm("y")]));
    bench.take();
    let ticket = bench.restart("x");
    bench.pass(ms(999));
    assert_eq!(bench.take(), ["stop x"]);
    bench.pass(ms(1));
    assert_eq!(bench.take(), ["kill x"]);
    bench.pass(ms(999));
    assert_eq!(bench.state("x"), Lifecycle::Stopping);
    bench.pass(ms(1));
    assert_eq!(bench.state("x"), Lifecycle::Unresponsive);
    bench.pass(secs(3_600));
    assert_eq!(bench.take(), [""; 0], "it starts nothing until its old run is gone");
    bench.end("x", Exit::Aborted);
    assert_eq!(bench.take(), ["down x: aborted after its grace", "start x"], "then what was wanted");
    assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Running, 2));
    assert!(bench.reply(ticket).is_some());
}

#[test]
fn d8_the_late_restart_of_one_that_did_not_start_and_did_not_die_is_not_charged() {
    let x = immortal("x").explicit().within(secs(1)).run(1, Run::never_ready().immortal());
    let mut bench = Bench::launch(one_for_one([perm("y").steps(ms(0), ms(0)), x]).budget(1, secs(600)));
    bench.pass(secs(3));
    assert_eq!(bench.state("x"), Lifecycle::Unresponsive);
    bench.end("x", Exit::Aborted);
    assert_eq!((bench.generation("x"), bench.row("x").restart_count), (2, 1));
    bench.crash("y");
    assert_eq!(bench.ended(), None, "the budget has one restart left for this");
    assert_eq!(bench.generation("y"), 2);
}

#[test]
fn d8_abort_wait_can_be_set() {
    let mut bench = Bench::launch(one_for_one([immortal("x").abort_wait(ms(10))]));
    bench.pause("x");
    bench.pass(ms(1_009));
    assert_eq!(bench.state("x"), Lifecycle::Stopping);
    bench.pass(ms(1));
    assert_eq!(bench.state("x"), Lifecycle::Unresponsive);
    bench.end("x", Exit::Aborted);
    assert_eq!(bench.state("x"), Lifecycle::Paused);
}

#[test]
fn d8_r27_a_group_restart_goes_on_without_an_unresponsive_member() {
    for tree in [one_for_all, rest_for_one].map(|tree| tree([quick("a"), immortal("x"), quick("b")])) {
        let mut bench = Bench::launch(tree.budget(1, secs(600)));
        bench.take();
        bench.crash("a");
        bench.pass(secs(2));
        assert_eq!(
            bench.take(),
            ["down a: failed: boom", "stop b", "down b", "stop x", "kill x", "start a", "start b"]
        );
        assert_eq!(bench.state("x"), Lifecycle::Unresponsive);
        bench.end("x", Exit::Aborted);
        assert_eq!(bench.take(), ["down x: aborted after its grace", "start x"], "uncharged");
        assert_eq!((bench.state("x"), bench.row("x").attempt), (Lifecycle::Running, 0));
        assert_eq!(bench.ended(), None);
    }
}

/// Whom a group stopped, and who runs once, has had that run, also when its end comes late.
#[test]
fn d8_d18_r19_an_unresponsive_member_that_runs_once_is_not_started_when_it_is_gone() {
    let stuck = |spec: Child| spec.grace(secs(1)).run(1, Run::healthy().immortal());
    let tree = one_for_all([quick("a"), stuck(job("x")), stuck(temp("y"))]);
    let mut bench = Bench::launch(tree.budget(1, secs(600)));
    bench.crash("a");
    bench.pass(secs(5));
    assert_eq!(["a", "x", "y"].map(|name| bench.generation(name)), [2, 1, 1]);
    bench.end("x", Exit::Aborted);
    bench.end("y", Exit::Aborted);
    assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Failed, 1));
    assert_eq!(bench.find("y"), None);
}

/// A new spec makes it one that runs on, while its run is stuck still and its group is up without it.
#[test]
fn d8_an_unresponsive_member_that_is_to_run_on_by_a_new_spec_starts_when_it_is_gone() {
    for stuck in [job("x"), temp("x")] {
        let stuck = stuck.grace(secs(1)).run(1, Run::healthy().immortal());
        let mut bench = Bench::launch(one_for_all([quick("a"), stuck]).budget(1, secs(600)));
        bench.crash("a");
        bench.pass(secs(5));
        assert_eq!((bench.state("x"), bench.generation("a")), (Lifecycle::Unresponsive, 2));
        bench.apply(one_for_all([quick("a"), perm("x")]).budget(1, secs(600)));
        bench.end("x", Exit::Aborted);
        assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Running, 2));
    }
}

#[test]
fn d8_d11_dependants_of_an_unresponsive_child_wait() {
    let mut bench = Bench::launch(one_for_all([quick("a"), immortal("x"), perm("b").after(["x"])]));
    bench.take();
    bench.crash("a");
    bench.pass(secs(2));
    assert_eq!(bench.take(), ["down a: failed: boom", "stop b", "down b", "stop x", "kill x", "start a"]);
    assert_eq!(bench.state("b"), Lifecycle::Waiting);
    bench.end("x", Exit::Aborted);
    assert_eq!(bench.take(), ["down x: aborted after its grace", "start x", "start b"]);
}

#[test]
fn d8_d6_a_path_starts_nothing_while_its_old_run_lives_across_a_restart_of_its_supervisor() {
    let below = one_for_one([immortal("x"), quick("y")]).budget(0, secs(60));
    let mut bench = Bench::launch(one_for_one([sup("s", below).steps(ms(0), ms(0))]).budget(9, secs(60)));
    bench.take();
    bench.crash("s/y");
    bench.pass(secs(2));
    assert_eq!(bench.take(), ["down s/y: failed: boom", "stop s/x", "kill s/x", "start s/y"]);
    assert_eq!((bench.state("s"), bench.generation("s")), (Lifecycle::Running, 2));
    bench.end("s/x", Exit::Aborted);
    assert_eq!(bench.take(), ["down s/x: aborted after its grace", "start s/x"]);
    assert_eq!((bench.state("s/x"), bench.generation("s/x")), (Lifecycle::Running, 2));
}

#[test]
fn d8_d6_a_path_starts_nothing_while_its_old_run_lives_also_for_a_child_added_again() {
    let below = one_for_one([immortal("x")]);
    let mut bench = Bench::launch(one_for_one([sup("s", below.clone()), perm("b")]));
    bench.remove("s");
    bench.pass(secs(2));
    let again = bench.add("/", sup("s", below));
    bench.pass(secs(60));
    let trace = bench.take();
    assert!(!trace[3..].contains(&"start s/x".to_owned()), "{trace:?}");
    // The bench itself panics when two runs of one path live. The old run is known to it by path.
    let refused = bench.reply(again).is_some_and(Result::is_err);
    let old =
        bench.everyone().into_iter().find(|(_, name, row)| name == "s/x" && row.generation == 1).unwrap().0;
    bench.end_key(old, Exit::Aborted);
    if refused {
        let again = bench.add("/", sup("s", one_for_one([perm("x")])));
        bench.ok(again);
    }
    assert!(bench.take().contains(&"start s/x".to_owned()));
    assert_eq!(bench.state("s/x"), Lifecycle::Running);
}

/// It waited for `db`, and was started by that though it was to go.
#[test]
fn d8_d17_a_removed_supervisor_that_waits_and_has_somebody_unresponsive_below_it_is_not_started_again() {
    let below = one_for_one([immortal("x").abort_wait(secs(1))]);
    let mut bench = Bench::launch(one_for_one([quick("db"), sup("s", below).after(["db"])]));
    bench.pause("db");
    bench.restart("s");
    bench.pass(secs(10));
    assert_eq!((bench.state("s"), bench.state("s/x")), (Lifecycle::Waiting, Lifecycle::Unresponsive));
    let removal = bench.remove("s");
    bench.resume("db");
    assert_eq!((bench.state("db"), bench.state("s")), (Lifecycle::Running, Lifecycle::Stopped));
    assert!(bench.outcome(removal).failure.is_some(), "it goes when x is gone");
    bench.end("s/x", Exit::Aborted);
    assert_eq!(bench.find("s"), None);
    assert_eq!(bench.unanswered(), [0; 0]);
}

#[test]
fn d8_an_unresponsive_child_is_live_in_the_counts() {
    let mut bench = Bench::launch(one_for_one([immortal("x"), perm("y")]));
    bench.terminate("x");
    bench.pass(secs(2));
    let counts = bench.machine().count_children(bench.key("/")).unwrap();
    assert_eq!((counts.specs, counts.active), (2, 2), "it is never counted as stopped");
}

// ---- D9 ----

#[test]
fn d9_a_failure_says_how_with_which_numbers_and_what_comes_next() {
    let mut bench = Bench::launch(one_for_one([perm("a").steps(ms(100), secs(1))]).budget(5, secs(60)));
    bench.pass(secs(2));
    bench.crash("a");
    bench.pass(secs(1));
    bench.forget_events();
    bench.crash("a");
    let failed = bench.events(EventKind::ChildFailed, "a");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].cause, Cause::Exit);
    assert_eq!(failed[0].detail.as_ref().unwrap().exit, Some(Exit::failed("boom")));
    assert_eq!(failed[0].numbers[..3], [1_000, 2, 5], "ran 1 s, the second of five charges");
    assert_eq!(failed[0].next, Next::StartAt(3_100_000_000));
    let scheduled = bench.events(EventKind::BackoffScheduled, "a");
    assert_eq!((scheduled.len(), scheduled[0].numbers[..3].to_vec()), (1, vec![100, 2, 5]));
    bench.pass(ms(100));
    let restarted = bench.events(EventKind::ChildRestarted, "a");
    assert_eq!((restarted.len(), restarted[0].cause), (1, Cause::Backoff));
}

#[test]
fn d9_r117_each_death_is_told_with_its_cause_and_time() {
    let mut bench = Bench::launch(one_for_one([quick("a")]).unlimited());
    for n in 0..5 {
        bench.pass(secs(1));
        bench.end("a", Exit::failed(format!("death {n}")));
    }
    let deaths = bench.heard().iter().filter(|heard| heard.event.kind == EventKind::ChildFailed);
    let deaths: Vec<_> =
        deaths.map(|h| (h.at, h.event.detail.as_ref().unwrap().exit.clone().unwrap())).collect();
    let expected: Vec<_> =
        (0..5).map(|n| ((n + 1) * 1_000_000_000, Exit::failed(format!("death {n}")))).collect();
    assert_eq!(deaths, expected);
}

#[test]
fn d9_a_sibling_of_a_group_restart_says_who_caused_it() {
    let mut bench = Bench::launch(one_for_all([quick("a"), quick("b")]));
    let b = bench.key("b");
    bench.forget_events();
    bench.crash("b");
    let about_a: Vec<_> =
        bench.heard().iter().filter(|heard| heard.name == "a").map(|h| h.event.cause).collect();
    assert!(
        !about_a.is_empty() && about_a.iter().all(|cause| *cause == Cause::Group(b.index)),
        "{about_a:?}"
    );
}

#[test]
fn d9_an_operators_word_is_in_the_event() {
    let mut bench = Bench::launch(one_for_one([perm("a")]));
    bench.forget_events();
    bench.pause("a");
    let paused = bench.events(EventKind::Paused, "a");
    assert_eq!((paused.len(), paused[0].cause, paused[0].next), (1, Cause::Operator, Next::Operator));
    let detail = paused[0].detail.as_ref().unwrap();
    assert_eq!(detail.requested_by.as_deref(), Some("tester"));
    assert_eq!(detail.reason.as_deref(), Some("a test"));
}

#[test]
fn d9_an_escalation_carries_its_whole_chain_first_cause_first() {
    let inner = one_for_one([quick("x")]).budget(0, secs(60));
    let outer = one_for_one([sup("inner", inner)]).budget(0, secs(60));
    let mut bench = Bench::launch(one_for_one([sup("outer", outer)]).budget(0, secs(60)));
    bench.crash("outer/inner/x");
    let Some(End::GaveUp { chain }) = bench.ended() else { panic!("{:?}", bench.ended()) };
    let place = |part: &str| chain.iter().position(|line| line.contains(part)).unwrap_or(usize::MAX);
    assert!(chain[0].contains("/outer/inner/x") && chain[0].contains("boom"), "{chain:?}");
    assert!(place("/outer/inner/x") <= place("/outer/inner"), "{chain:?}");
    assert!(chain.len() >= 3, "each level adds a line: {chain:?}");
    assert_eq!(bench.count(EventKind::Escalated), 3);
    for name in ["outer/inner", "outer", "/"] {
        let told = bench.events(EventKind::Escalated, name);
        let chain = &told[0].detail.as_ref().unwrap().chain;
        assert!(chain[0].contains("/outer/inner/x"), "{name}: {chain:?}");
    }
}

#[test]
fn d9_r101_events_of_nested_children_come_in_the_same_order_of_things() {
    let below = one_for_one([quick("x")]);
    let mut bench = Bench::launch(one_for_one([sup("s", below), quick("a")]));
    bench.forget_events();
    bench.crash("s/x");
    bench.crash("a");
    let names: Vec<_> = bench.heard().iter().map(|heard| heard.name.as_str()).collect();
    assert!(names.starts_with(&["s/x"]) && names.ends_with(&["a"]), "{names:?}");
}

#[test]
fn d9_the_exhausting_child_is_failed_its_siblings_stopped() {
    let below = one_for_all([quick("x"), quick("y"), quick("z")]).budget(0, secs(60));
    let mut bench = Bench::launch(one_for_one([sup("s", below), perm("a")]).budget(0, secs(60)));
    bench.crash("s/y");
    use Lifecycle::*;
    assert_eq!(
        ["s/x", "s/y", "s/z", "s", "a"].map(|name| bench.state(name)),
        [Stopped, Failed, Stopped, Failed, Stopped]
    );
}

// ---- D10 ----

#[test]
fn d10_a_paused_child_is_stopped_and_held() {
    let mut bench = Bench::launch(one_for_all([quick("a"), quick("b"), perm("c").after(["b"])]).unlimited());
    bench.take();
    let ticket = bench.pause("b");
    assert_eq!(bench.take(), ["stop b", "down b"], "stops nobody else and starts no group restart");
    let outcome = bench.outcome(ticket);
    assert_eq!((outcome.state_before, outcome.state_after), (Lifecycle::Running, Lifecycle::Paused));
    assert!(outcome.cancel_delivered && !outcome.idempotent);
    bench.pass(secs(3_600));
    assert_eq!(bench.take(), [""; 0]);

    bench.crash("a");
    assert_eq!(
        bench.take(),
        ["down a: failed: boom", "stop c", "down c", "start a"],
        "not revived by a group restart, and its dependant waits"
    );
    assert_eq!([bench.state("b"), bench.state("c")], [Lifecycle::Paused, Lifecycle::Waiting]);
    bench.crash("a");
    assert_eq!(bench.take(), ["down a: failed: boom", "start a"], "the group restart counts as done");

    let ticket = bench.resume("b");
    bench.ok(ticket);
    assert_eq!(bench.take(), ["start b", "start c"]);
}

#[test]
fn d10_parking_twice_and_resuming_twice_do_nothing_the_second_time() {
    for (park, state) in [
        (Bench::pause as fn(&mut Bench, &str) -> u64, Lifecycle::Paused),
        (Bench::quarantine, Lifecycle::Quarantined),
    ] {
        let mut bench = Bench::launch(one_for_one([perm("a")]));
        park(&mut bench, "a");
        bench.take();
        let again = park(&mut bench, "a");
        assert!(bench.outcome(again).idempotent && !bench.outcome(again).cancel_delivered);
        assert_eq!((bench.take(), bench.state("a")), (vec![], state));
        bench.resume("a");
        bench.take();
        let again = bench.resume("a");
        assert!(bench.outcome(again).idempotent && !bench.outcome(again).cancel_delivered);
        assert_eq!((bench.take(), bench.generation("a")), (vec![], 2));
    }
}

#[test]
fn d10_paused_can_become_quarantined_and_back() {
    let mut bench = Bench::launch(one_for_one([perm("a")]));
    bench.pause("a");
    bench.quarantine("a");
    assert_eq!(bench.state("a"), Lifecycle::Quarantined);
    bench.pause("a");
    assert_eq!(bench.state("a"), Lifecycle::Paused);
}

#[test]
fn d10_a_child_can_be_parked_in_every_state() {
    for (park, state) in [
        (Bench::pause as fn(&mut Bench, &str) -> u64, Lifecycle::Paused),
        (Bench::quarantine, Lifecycle::Quarantined),
    ] {
        let tree = one_for_one([
            perm("running"),
            perm("slow").always(Run::healthy().stops_after(secs(1))),
            perm("backoff").steps(secs(9), secs(9)),
            tran("completed"),
            job("failed"),
            perm("stopped"),
            perm("unbound").unbound(),
            perm("starting").explicit().always(Run::never_ready()),
            perm("waiting").after(["starting"]),
        ]);
        let mut bench = Bench::launch(tree.by_dependencies().unlimited());
        bench.crash("backoff");
        bench.crash("backoff");
        bench.finish("completed");
        bench.crash("failed");
        bench.terminate("stopped");
        bench.restart("slow");
        for name in
            ["running", "slow", "backoff", "completed", "failed", "stopped", "unbound", "starting", "waiting"]
        {
            park(&mut bench, name);
        }
        bench.take();
        bench.pass(secs(100));
        let trace = bench.take();
        assert!(!trace.iter().any(|line| line.starts_with("start ")), "{trace:?}");
        for (_, name, row) in bench.everyone().into_iter().skip(1) {
            assert_eq!(row.lifecycle, state, "{name}");
            assert_eq!(row.readiness, Readiness::Unreported, "{name}");
        }
    }
}

#[test]
fn d10_pausing_a_member_while_its_group_is_being_stopped() {
    let slow = quick("b").always(Run::healthy().stops_after(secs(1)));
    let mut bench = Bench::launch(one_for_all([quick("a"), slow, quick("c")]));
    bench.take();
    bench.crash("a");
    assert_eq!(bench.take(), ["down a: failed: boom", "stop c", "down c", "stop b"]);
    let ticket = bench.pause("b");
    bench.pass(secs(1));
    assert_eq!(bench.take(), ["down b", "start a", "start c"], "stopped like the rest, not started");
    bench.ok(ticket);
    assert_eq!(bench.state("b"), Lifecycle::Paused);
}

#[test]
fn d10_pausing_a_supervisor_stops_its_subtree_and_resume_restarts_it() {
    let below = one_for_one([perm("x"), perm("held"), perm("y")]);
    let mut bench = Bench::launch(one_for_one([sup("s", below), perm("a")]));
    bench.pause("s/held");
    bench.take();
    let ticket = bench.pause("s");
    bench.ok(ticket);
    assert_eq!(bench.take(), ["stop s/y", "down s/y", "stop s/x", "down s/x"]);
    use Lifecycle::*;
    let states = ["s", "s/x", "s/held", "s/y"].map(|name| bench.state(name));
    assert_eq!(states, [Paused, Stopped, Paused, Stopped], "the node has the word");
    let ticket = bench.resume("s");
    bench.ok(ticket);
    assert_eq!(bench.take(), ["start s/x", "start s/y"]);
    assert_eq!((bench.state("s"), bench.generation("s")), (Running, 2));
    assert_eq!(bench.state("s/held"), Paused, "it stays so across an operator's restart");
}

#[test]
fn d10_parked_descendants_stay_parked_across_an_operators_restart_of_their_supervisor() {
    let below = one_for_one([perm("x"), perm("held"), perm("parked")]);
    let mut bench = Bench::launch(one_for_one([sup("s", below)]));
    bench.pause("s/held");
    bench.quarantine("s/parked");
    bench.take();
    let ticket = bench.restart("s");
    bench.ok(ticket);
    assert_eq!(bench.take(), ["stop s/x", "down s/x", "start s/x"]);
    assert_eq!(bench.state("s/held"), Lifecycle::Paused);
    assert_eq!(bench.state("s/parked"), Lifecycle::Quarantined);
}

#[test]
fn d10_d11_pausing_stops_dependants_only_if_they_are_to_restart_with_it() {
    let tree =
        |db: Child| one_for_one([db, perm("api").after(["db"]), perm("web").after(["api"]), perm("log")]);
    let mut bench = Bench::launch(tree(perm("db")));
    bench.take();
    bench.pause("db");
    assert_eq!(bench.take(), ["stop db", "down db"]);

    let mut bench = Bench::launch(tree(perm("db").restart_dependants()).budget(0, secs(60)));
    bench.take();
    bench.pause("db");
    let trace = bench.take();
    let position = |line: &str| trace.iter().position(|other| other == line);
    assert!(position("down db").is_some() && position("down api").is_some(), "{trace:?}");
    assert_eq!(position("stop log"), None);
    assert_eq!(bench.state("api"), Lifecycle::Waiting, "and uncharged: {trace:?}");
    bench.resume("db");
    assert_eq!(bench.state("api"), Lifecycle::Running);
}
