//! Administration by id: table 1.7 and rules R67-R76.

use supervisor_api::command::OtpVerb;
use supervisor_api::{EventKind, Exit, Lifecycle, SupervisorError};
use supervisor_core::{Address, Command};
use supervisor_testkit::*;

/// The columns of table 1.7, as D17 reads them.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Column {
    Running,
    Kept,
    /// Kept, and `start_again` is not for it: held by an operator, or without anything to start.
    Held,
    Restarting,
}

/// A tree with `x` in a state, beside `y` and a `db` that `x` may wait for.
fn arranged(state: Lifecycle) -> (Bench, Column) {
    let immortal = Run::healthy().immortal();
    let x = match state {
        Lifecycle::Starting => perm("x").explicit().always(Run::never_ready()),
        Lifecycle::Stopping => perm("x").always(Run::healthy().stops_after(secs(1))),
        Lifecycle::Unresponsive => perm("x").grace(secs(1)).always(immortal),
        Lifecycle::Failed => job("x"),
        Lifecycle::Declared => perm("x").unbound(),
        Lifecycle::Backoff => perm("x").steps(secs(1), secs(1)),
        _ => tran("x"),
    };
    let mut bench = Bench::launch(one_for_one([perm("y"), x]).budget(9, secs(60)));
    let column = match state {
        Lifecycle::Starting | Lifecycle::Running => Column::Running,
        Lifecycle::Stopping => {
            bench.terminate("x");
            Column::Running
        }
        Lifecycle::Unresponsive => {
            bench.terminate("x");
            bench.pass(secs(2));
            Column::Running
        }
        Lifecycle::Stopped => {
            bench.terminate("x");
            Column::Kept
        }
        Lifecycle::Completed => {
            bench.finish("x");
            Column::Kept
        }
        Lifecycle::Failed => {
            bench.crash("x");
            Column::Kept
        }
        Lifecycle::Declared => Column::Held,
        Lifecycle::Paused => {
            bench.pause("x");
            Column::Held
        }
        Lifecycle::Quarantined => {
            bench.quarantine("x");
            Column::Held
        }
        Lifecycle::Backoff => {
            bench.crash("x");
            bench.crash("x");
            Column::Restarting
        }
        Lifecycle::Waiting | Lifecycle::Removed => unreachable!("not a state of the table"),
    };
    assert_eq!(bench.state("x"), state);
    bench.take();
    (bench, column)
}

const STATES: [Lifecycle; 11] = [
    Lifecycle::Starting,
    Lifecycle::Running,
    Lifecycle::Stopping,
    Lifecycle::Unresponsive,
    Lifecycle::Stopped,
    Lifecycle::Completed,
    Lifecycle::Failed,
    Lifecycle::Declared,
    Lifecycle::Paused,
    Lifecycle::Quarantined,
    Lifecycle::Backoff,
];

#[test]
fn r10_d17_start_child_by_state() {
    for state in STATES {
        let (mut bench, column) = arranged(state);
        let ticket = bench.start_child("/", perm("x"));
        let error = bench.refused(ticket);
        match column {
            Column::Running => {
                assert!(matches!(error, SupervisorError::AlreadyStarted { .. }), "{state}: {error}")
            }
            _ => assert!(matches!(error, SupervisorError::AlreadyPresent { .. }), "{state}: {error}"),
        }
        assert_eq!(bench.state("x"), state);
        assert_eq!(bench.take(), [""; 0], "{state}");
    }
}

#[test]
fn r36_r43_d17_terminate_child_by_state() {
    for state in STATES {
        let (mut bench, column) = arranged(state);
        let ticket = bench.terminate("x");
        if state == Lifecycle::Unresponsive {
            bench.end("x", Exit::Aborted);
        }
        bench.pass(secs(10));
        bench.ok(ticket);
        let trace = bench.take();
        assert!(!trace.iter().any(|line| line.starts_with("start ")), "{state}: {trace:?}");
        let stops = trace.contains(&"stop x".to_owned());
        let runs = matches!(state, Lifecycle::Starting | Lifecycle::Running);
        assert_eq!(stops, runs, "{state}: asked once, and only if it runs: {trace:?}");
        let after = bench.state("x");
        if matches!(column, Column::Running | Column::Restarting) {
            assert_eq!(after, Lifecycle::Stopped, "{state}");
        }
        assert!(!after.is_live(), "{state}: it is {after}");
        let again = bench.terminate("x");
        assert!(bench.outcome(again).idempotent && !bench.outcome(again).cancel_delivered, "{state}");
        assert_eq!(bench.take(), [""; 0], "{state}: idempotent");
    }
}

#[test]
fn r68_d17_start_again_by_state() {
    for state in STATES {
        let (mut bench, column) = arranged(state);
        let generation = bench.generation("x");
        let ticket = bench.start_again("x");
        if column == Column::Kept {
            assert!(!bench.outcome(ticket).cancel_delivered, "{state}: nothing was asked to stop");
            assert_eq!(bench.take(), ["start x"], "{state}");
            assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Running, generation + 1));
        } else if state != Lifecycle::Declared {
            let error = bench.refused(ticket);
            assert!(!matches!(error, SupervisorError::ChildNotFound { .. }), "{state}: {error}");
            if state.is_parked() {
                assert!(matches!(error, SupervisorError::InvalidTransition { .. }), "{state}: {error}");
            }
            assert_eq!(bench.take(), [""; 0], "{state}");
            assert_eq!(bench.state("x"), state);
        }
    }
}

#[test]
fn r36_d17_delete_child_by_state() {
    for state in STATES {
        let (mut bench, column) = arranged(state);
        let ticket = bench.delete("x");
        assert_eq!(bench.take(), [""; 0], "{state}");
        if matches!(column, Column::Kept | Column::Held) {
            bench.ok(ticket);
            assert_eq!(bench.find("x"), None, "{state}");
        } else {
            let error = bench.refused(ticket);
            assert!(!matches!(error, SupervisorError::ChildNotFound { .. }), "{state}: {error}");
            assert_eq!(bench.state("x"), state);
        }
    }
}

#[test]
fn r75_get_childspec_by_state() {
    for state in STATES {
        let (bench, _) = arranged(state);
        assert!(bench.machine().policy(bench.key("x")).is_some(), "{state}");
    }
}

#[test]
fn r69_an_unknown_id_is_not_found() {
    let (mut bench, _) = arranged(Lifecycle::Running);
    for call in [Bench::terminate, Bench::start_again, Bench::delete, Bench::restart, Bench::remove] {
        let ticket = call(&mut bench, "xx");
        let SupervisorError::ChildNotFound { asked, .. } = bench.refused(ticket) else {
            panic!("{:?}", bench.refused(ticket));
        };
        assert!(asked.contains("xx"));
    }
}

#[test]
fn d11_d17_a_dependant_that_waits_after_a_failure_is_restarting() {
    let db = perm("db").explicit().runs(2..=9, Run::never_ready());
    let mut bench = Bench::launch(one_for_one([db, perm("x").after(["db"])]).budget(9, secs(60)));
    bench.crash("db");
    bench.crash("x");
    assert_eq!(bench.state("x"), Lifecycle::Waiting);
    let again = bench.start_again("x");
    bench.refused(again);
    let delete = bench.delete("x");
    bench.refused(delete);
    let present = bench.start_child("/", perm("x"));
    assert!(matches!(bench.refused(present), SupervisorError::AlreadyPresent { .. }));
    let terminate = bench.terminate("x");
    bench.ok(terminate);
    assert_eq!(bench.state("x"), Lifecycle::Stopped);
    bench.take();
    bench.ready("db");
    assert_eq!(bench.take(), ["ready db"], "the start is cancelled");
}

#[test]
fn r67_terminate_removes_a_temporary_child() {
    let mut bench = Bench::launch(otp(one_for_one([temp("t"), perm("p")])));
    let first = bench.terminate("t");
    bench.ok(first);
    assert_eq!(bench.find("t"), None);
    for call in [Bench::terminate, Bench::start_again, Bench::delete] {
        let ticket = call(&mut bench, "t");
        assert!(matches!(bench.refused(ticket), SupervisorError::ChildNotFound { .. }));
    }
}

#[test]
fn r68_a_failed_start_by_hand_is_an_error_kept_and_not_tried_again() {
    let x = perm("x").explicit().run(2, Run::fails_to_start());
    for tree in [otp, |tree| tree] {
        let mut bench = Bench::launch(tree(one_for_one([x.clone()]).budget(0, secs(5))));
        bench.terminate("x");
        bench.take();
        let ticket = bench.start_again("x");
        assert!(matches!(bench.refused(ticket), SupervisorError::StartFailed { .. }));
        bench.pass(secs(600));
        assert_eq!(bench.take(), ["start x", "down x: failed: no start"], "no retry, no charge");
        assert!(!bench.state("x").is_live(), "the spec is kept");
        let ticket = bench.start_again("x");
        bench.ok(ticket);
        assert_eq!(bench.state("x"), Lifecycle::Running);
    }
}

#[test]
fn r69_a_supervisor_that_does_not_exist_is_a_failure_of_its_own() {
    let mut bench = Bench::launch(otp(one_for_one([perm("x"), sup("s", one_for_one([]))])));
    for under in ["nobody", "x", "s/deeper"] {
        for ticket in [bench.start_child(under, perm("new")), bench.add(under, perm("new"))] {
            let error = bench.refused(ticket);
            assert!(matches!(error, SupervisorError::NoSuchSupervisor { .. }), "{under}: {error}");
        }
    }
    bench.terminate("s");
    let ticket = bench.start_child("s", perm("new"));
    let error = bench.refused(ticket);
    assert!(matches!(error, SupervisorError::NoSuchSupervisor { .. }), "it does not run: {error}");
}

/// Terminate, start again and delete said that the child was not found.
#[test]
fn r69_no_call_takes_a_missing_supervisor_for_a_missing_child() {
    let mut bench = Bench::launch(otp(one_for_one([perm("x"), sup("s", one_for_one([perm("y")]))])));
    bench.terminate("s");
    for call in [Bench::terminate, Bench::start_again, Bench::delete] {
        for (name, no_supervisor) in
            [("nobody/a", true), ("x/a", true), ("s/y", true), ("s/a", true), ("a", false)]
        {
            let ticket = call(&mut bench, name);
            let error = bench.refused(ticket);
            assert_eq!(
                matches!(error, SupervisorError::NoSuchSupervisor { .. }),
                no_supervisor,
                "{name}: {error}"
            );
            let unknown = matches!(error, SupervisorError::ChildNotFound { .. });
            assert_eq!(unknown, !no_supervisor, "{name}: {error}");
        }
    }
}

#[test]
fn r70_start_again_and_delete_are_invalid_under_a_dynamic_supervisor() {
    let mut bench = Bench::launch(otp(one_for_one([sup("d", dynamic(9))])));
    bench.start_child("d", perm("a"));
    for call in [Bench::start_again, Bench::delete] {
        let ticket = call(&mut bench, "d/a");
        assert!(matches!(bench.refused(ticket), SupervisorError::InvalidTransition { .. }));
    }
    assert_eq!(bench.state("d/a"), Lifecycle::Running);
}

#[test]
fn r70_terminate_under_a_dynamic_supervisor_takes_the_key_and_keeps_nothing() {
    let mut bench = Bench::launch(otp(one_for_one([sup("d", dynamic(9)), perm("other")])));
    bench.start_child("d", perm("a"));
    let key = bench.key("d/a");
    let by_name = bench.terminate("d/a");
    assert!(matches!(bench.refused(by_name), SupervisorError::InvalidTransition { .. }));
    assert_eq!(bench.state("d/a"), Lifecycle::Running);
    let mut terminate = || bench.ask(Command::Otp(OtpVerb::Terminate, Address::Key(key)));
    let (first, second) = (terminate(), terminate());
    bench.ok(first);
    assert_eq!(bench.find("d/a"), None);
    assert!(matches!(bench.refused(second), SupervisorError::ChildNotFound { .. }));
}

#[test]
fn r71_d5_the_key_of_a_child_that_is_gone_is_not_found_even_if_its_path_lives_again() {
    let mut bench = Bench::launch(otp(one_for_one([temp("t"), perm("p")])));
    let old = bench.key("t");
    bench.finish("t");
    bench.start_child("/", temp("t"));
    let ticket = bench.ask(Command::Otp(OtpVerb::Terminate, Address::Key(old)));
    assert!(matches!(bench.refused(ticket), SupervisorError::ChildNotFound { .. }));
    assert_eq!(bench.state("t"), Lifecycle::Running);
}

#[test]
fn r71_a_static_supervisor_terminates_by_id_only() {
    let mut bench = Bench::launch(otp(one_for_one([perm("a")])));
    let key = bench.key("a");
    let by_key = bench.ask(Command::Otp(OtpVerb::Terminate, Address::Key(key)));
    assert!(matches!(bench.refused(by_key), SupervisorError::ChildNotFound { .. }));
    assert_eq!(bench.state("a"), Lifecycle::Running);
    let by_id = bench.terminate("a");
    bench.ok(by_id);
    assert_eq!(bench.state("a"), Lifecycle::Stopped);
}

#[test]
fn r72_children_are_listed_in_their_order_with_state_and_type() {
    let tree = one_for_one([tran("a"), sup("s", one_for_one([perm("x")])), perm("b")]);
    let mut bench = Bench::launch(otp(tree));
    bench.finish("a");
    let machine = bench.machine();
    let listed: Vec<_> = machine
        .children(bench.key("/"))
        .map(|key| {
            let path = machine.path(key).unwrap().to_string();
            (path, machine.row(key).unwrap().lifecycle, machine.policy(key).unwrap().is_supervisor)
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("/a".to_owned(), Lifecycle::Completed, false),
            ("/s".to_owned(), Lifecycle::Running, true),
            ("/b".to_owned(), Lifecycle::Running, false),
        ]
    );
}

#[test]
fn r73_children_are_counted() {
    let tree = one_for_one([
        tran("done"),
        perm("held"),
        perm("up"),
        sup("s", one_for_one([perm("x")])),
        sup("down", one_for_one([perm("x")])),
        perm("back").steps(secs(1), secs(1)),
    ]);
    let mut bench = Bench::launch(tree.budget(9, secs(60)));
    bench.finish("done");
    bench.pause("held");
    bench.terminate("down");
    bench.crash("back");
    bench.crash("back");
    assert_eq!(bench.state("back"), Lifecycle::Backoff);
    let counts = bench.machine().count_children(bench.key("/")).unwrap();
    assert_eq!(
        (counts.specs, counts.active, counts.supervisors, counts.workers),
        (6, 2, 2, 4),
        "those that do not run are counted too; restarting ones are not active"
    );
    assert!(bench.machine().count_children(bench.key("up")).is_none(), "no supervisor");
}

#[test]
fn r74_d7_everything_is_answered_while_a_child_stops_slowly() {
    let slow = perm("slow").always(Run::healthy().stops_after(secs(4)));
    let mut bench = Bench::launch(otp(one_for_one([perm("a"), slow, perm("b")])));
    let stop = bench.terminate("slow");
    bench.take();
    assert_eq!(bench.state("slow"), Lifecycle::Stopping, "a read");
    let terminate = bench.terminate("a");
    let again = bench.start_again("a");
    let add = bench.start_child("/", perm("c"));
    for ticket in [terminate, again, add] {
        bench.ok(ticket);
    }
    bench.crash("b");
    assert_eq!(bench.take(), ["stop a", "down a", "start a", "start c", "down b: failed: boom", "start b"]);
    assert_eq!(bench.reply(stop), None, "and a command completes later");
    bench.pass(secs(4));
    bench.ok(stop);
}

#[test]
fn r75_r76_one_child_is_found_by_path_and_many_are_read_in_parts() {
    let children: Vec<Child> = (0..1_000).map(|n| perm(&format!("c{n}"))).collect();
    let bench = Bench::launch(otp(one_for_one(children)));
    let key = bench.find("c777").unwrap();
    assert_eq!(bench.machine().path(key).unwrap().as_str(), "/c777");
    assert_eq!(bench.find("c1000"), None);
    let page: Vec<_> = bench.machine().children(bench.key("/")).skip(776).take(2).collect();
    assert_eq!(page, [bench.key("c776"), key]);
}

#[test]
fn r118_d17_an_operators_restart_is_not_charged_and_resets_the_backoff() {
    let mut bench = Bench::launch(one_for_one([perm("x").steps(secs(1), secs(9))]).budget(3, secs(60)));
    bench.crash("x");
    bench.crash("x");
    assert_eq!(bench.state("x"), Lifecycle::Backoff);
    for _ in 0..20 {
        let ticket = bench.restart("x");
        bench.ok(ticket);
    }
    assert_eq!(bench.row("x").attempt, 0, "the streak is over");
    assert_eq!(bench.row("x").restart_count, 1, "only automatic restarts are counted");
    bench.take();
    bench.crash("x");
    assert_eq!(bench.take(), ["down x: failed: boom", "start x"], "immediate again, and nothing was charged");
    bench.crash("x");
    assert!(bench.ended().is_some(), "but for the three failures");
}

#[test]
fn r36_d19_a_child_that_is_terminated_before_its_turn_is_passed_over() {
    let slow = perm("slow").explicit().always(Run::never_ready());
    let mut bench = Bench::launch(otp(one_for_one([slow, perm("b"), perm("c")])));
    assert_eq!(bench.state("b"), Lifecycle::Declared);
    let ticket = bench.terminate("b");
    bench.ok(ticket);
    bench.take();
    bench.ready("slow");
    assert_eq!(bench.take(), ["ready slow", "start c", "started"]);
    assert_eq!(bench.state("b"), Lifecycle::Stopped);
}

#[test]
fn r36_d8_terminate_of_an_unresponsive_child_cancels_what_was_to_follow() {
    let x = perm("x").grace(secs(1)).run(1, Run::healthy().immortal());
    let mut bench = Bench::launch(one_for_one([x, perm("y")]));
    bench.restart("x");
    bench.pass(secs(2));
    assert_eq!(bench.state("x"), Lifecycle::Unresponsive);
    let ticket = bench.terminate("x");
    bench.take();
    bench.end("x", Exit::Aborted);
    bench.ok(ticket);
    assert_eq!(bench.take(), ["down x: aborted after its grace"]);
    assert_eq!(bench.state("x"), Lifecycle::Stopped);
    assert_eq!(bench.unanswered(), [0; 0]);
}

#[test]
fn r36_start_again_undoes_a_terminate_that_took_the_child_out_of_its_group() {
    let slow = perm("slow").always(Run::healthy().stops_after(ms(50)));
    let mut bench = Bench::launch(one_for_all([perm("a"), perm("b").after(["a"]), slow]).unlimited());
    bench.crash("a");
    assert_eq!(bench.state("slow"), Lifecycle::Stopping);
    bench.terminate("b");
    let ticket = bench.start_again("b");
    bench.pass(secs(1));
    bench.ok(ticket);
    assert_eq!(["a", "b", "slow"].map(|name| bench.state(name)), [Lifecycle::Running; 3]);
}

#[test]
fn d17_r36_a_restart_undoes_a_terminate_while_the_child_still_stops() {
    let slow = |name| perm(name).always(Run::healthy().stops_after(ms(50)));
    let mut bench = Bench::launch(one_for_all([perm("a"), slow("b"), slow("c")]).unlimited());
    bench.crash("a");
    bench.terminate("b");
    let restart = bench.restart("b");
    bench.pass(secs(1));
    assert_eq!(["a", "b", "c"].map(|name| bench.state(name)), [Lifecycle::Running; 3]);
    assert_eq!(bench.outcome(restart).failure, None);
}

#[test]
fn r67_a_child_without_a_body_that_was_terminated_stays_down_when_it_has_one() {
    let mut bench = Bench::launch(one_for_one([perm("a"), perm("x").unbound()]));
    let terminate = bench.terminate("x");
    bench.ok(terminate);
    bench.take();
    bench.bind("x");
    assert_eq!(bench.take(), [""; 0]);
    assert_eq!(bench.state("x"), Lifecycle::Stopped);
    let again = bench.start_again("x");
    bench.ok(again);
    assert_eq!(bench.state("x"), Lifecycle::Running);
}

/// Seed 1202070478.
#[test]
fn r68_d18_a_job_that_its_group_stopped_while_it_was_started_again_is_no_longer_on_trial() {
    let slow = |child: Child| child.explicit().always(Run::never_ready()).run(1, Run::ready_after(ms(0)));
    let quick = |name: &str| perm(name).steps(ms(0), ms(0));
    let jobs = || one_for_all([quick("a"), slow(job("j"))]);
    let mut bench = Bench::launch(jobs());
    bench.terminate("j");
    let ticket = bench.start_again("j");
    bench.crash("a");
    bench.ok(ticket);
    assert_eq!(bench.state("j"), Lifecycle::Failed);
    // A service from now on, it is retried as any other.
    bench.apply(one_for_all([quick("a"), slow(perm("j")).within(ms(50))]));
    bench.crash("a");
    bench.pass(ms(60));
    let failed = bench.events(EventKind::ChildStartFailed, "j").pop().unwrap();
    assert_eq!(failed.row.lifecycle, Lifecycle::Backoff);
}
