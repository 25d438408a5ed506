//! The operator's commands and how children are named (`wire.md` 1).
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{
    Counter, Notes, control, event, idle, lifecycle, ms, secs, service, settle, shutdown, start, state,
};
use tokio_supervisor::{
    ChildKey, ChildSpec, CommandResult, EventKind, Exit, Lifecycle, Permissions, Registry, Strategy,
    Supervisor, SupervisorError, SupervisorHandle, SupervisorPath, SupervisorSpec,
};

async fn three() -> SupervisorHandle {
    let nested = SupervisorSpec::new("n").children([service("x"), service("same")]);
    start(SupervisorSpec::root([service("a"), ChildSpec::supervisor(nested), service("same")])).await
}

fn ended<T: std::fmt::Debug>(result: Result<T, SupervisorError>) {
    assert!(
        matches!(&result, Err(SupervisorError::Ended { report }) if &*report.phase == "shutdown"),
        "{result:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn every_command_needs_somebody_and_a_reason() {
    let handle = three().await;
    for (by, reason) in [("", "why"), ("  ", "why"), ("me", ""), ("me", "\t\n")] {
        for result in [
            handle.pause_child("a", by, reason).await,
            handle.shutdown_tree(by, reason).await,
            handle.add_child_spec("/", service("z"), by, reason).await,
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, SupervisorError::InvalidTransition { .. }), "{error}");
            let key = if by.trim().is_empty() { "requested_by" } else { "reason" };
            assert!(error.to_string().contains(key), "{error}");
        }
    }
    assert_eq!(lifecycle(&handle, "/a"), Lifecycle::Running);
}

#[tokio::test(start_paused = true)]
async fn restart_is_done_when_the_new_run_is_started() {
    let handle = three().await;
    let outcome = control(handle.restart_child("a", "ops", "leak").await.unwrap());
    assert_eq!((outcome.state_before, outcome.state_after), (Lifecycle::Running, Lifecycle::Running));
    assert_eq!((outcome.generation, outcome.attempt, outcome.restart_count), (2, 0, 0));
    assert!(outcome.cancel_delivered && !outcome.idempotent && outcome.failure.is_none());
    assert_eq!((&*outcome.child_id, outcome.path.as_str()), ("a", "/a"));
    assert_eq!(handle.child("a").unwrap().state.generation, 2, "the next read shows it");
    let mut events = handle.events_after(0);
    let stopping = event(&mut events, "/a", EventKind::ChildStopping).await;
    let detail = stopping.event.detail.unwrap();
    assert_eq!((detail.requested_by.as_deref(), detail.reason.as_deref()), (Some("ops"), Some("leak")));
}

/// No event of its own tells how these runs ended: what follows is told.
#[tokio::test(start_paused = true)]
async fn how_a_run_ended_that_a_command_stopped_is_kept_although_no_event_tells_it() {
    let handle = three().await;
    control(handle.restart_child("a", "ops", "leak").await.unwrap());
    control(handle.pause_child("a", "ops", "look").await.unwrap());
    let exits = handle.exits("a").unwrap();
    let exits: Vec<_> = exits.into_iter().map(|past| (past.generation, past.exit)).collect();
    assert_eq!(exits, [(1, Exit::Stopped), (2, Exit::Stopped)]);
}

#[tokio::test(start_paused = true)]
async fn d10_pause_resume_and_quarantine_are_idempotent() {
    let handle = three().await;
    let first = control(handle.pause_child("a", "ops", "x").await.unwrap());
    assert_eq!((first.state_after, first.idempotent), (Lifecycle::Paused, false));
    let again = control(handle.pause_child("a", "ops", "x").await.unwrap());
    assert_eq!(
        (again.state_after, again.idempotent, again.cancel_delivered),
        (Lifecycle::Paused, true, false)
    );
    let resumed = control(handle.resume_child("a", "ops", "x").await.unwrap());
    assert_eq!((resumed.state_after, resumed.generation), (Lifecycle::Running, 2));
    let again = control(handle.resume_child("a", "ops", "x").await.unwrap());
    assert_eq!((again.idempotent, again.generation), (true, 2));
    for idempotent in [false, true] {
        let parked = control(handle.quarantine_child("a", "ops", "x").await.unwrap());
        assert_eq!((parked.state_after, parked.idempotent), (Lifecycle::Quarantined, idempotent));
    }
    let back = control(handle.restart_child("a", "ops", "x").await.unwrap());
    assert_eq!(back.state_after, Lifecycle::Running);
}

#[tokio::test(start_paused = true)]
async fn removing_a_child_deletes_it_and_two_removals_are_one() {
    let child = ChildSpec::service("slow", |ctx| async move {
        ctx.stopping().await;
        tokio::time::sleep(ms(100)).await;
    });
    let handle = start(SupervisorSpec::root([child, service("b")])).await;
    let (one, two) =
        tokio::join!(handle.remove_child("slow", "ops", "x"), handle.remove_child("slow", "ops", "y"));
    let (one, two) = (control(one.unwrap()), control(two.unwrap()));
    assert_eq!((one.state_after, two.state_after), (Lifecycle::Removed, Lifecycle::Removed));
    assert!(matches!(handle.child("/slow"), Err(SupervisorError::ChildNotFound { .. })));
    let gone = handle.remove_child("/slow", "ops", "z").await.unwrap_err();
    assert_eq!(gone.code(), "validation_failed");
    let paths: Vec<_> =
        common::current(&handle).children.into_iter().map(|row| row.child_path.to_string()).collect();
    assert_eq!(paths, ["/", "/b"]);
}

#[tokio::test(start_paused = true)]
async fn a_child_is_named_by_path_by_id_and_by_key() {
    let handle = three().await;
    let key = handle.find("/n/x").unwrap();
    let path = SupervisorPath::parse("/n/x").unwrap();
    for found in [
        handle.find("x"),
        handle.find("/n/x/"),
        handle.find("/root/n/x"),
        handle.find(&path),
        handle.find(path.id().unwrap()),
        handle.find(key),
    ] {
        assert_eq!(found.unwrap(), key);
    }
    assert_eq!(handle.find("/root").unwrap(), ChildKey::ROOT);
    assert!(handle.find("/n//x").is_err());
    let SupervisorError::AmbiguousChild { candidates } = handle.find("same").unwrap_err() else { panic!() };
    let mut candidates: Vec<_> = candidates.iter().map(ToString::to_string).collect();
    candidates.sort();
    assert_eq!(candidates, ["/n/same", "/same"]);
    let error = handle.pause_child("sam", "ops", "x").await.unwrap_err();
    let SupervisorError::ChildNotFound { asked, nearest } = &error else { panic!("{error}") };
    assert_eq!((asked.as_str(), nearest.contains(&"same".to_owned())), ("sam", true), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_leading_root_is_a_child_when_one_is_called_so() {
    let nested = SupervisorSpec::new("root").children([service("a")]);
    let handle = start(SupervisorSpec::root([ChildSpec::supervisor(nested), service("b")])).await;
    assert_ne!(handle.find("/root").unwrap(), ChildKey::ROOT);
    assert!(handle.find("/root/a").is_ok() && handle.find("/root/b").is_err());
}

#[tokio::test(start_paused = true)]
async fn the_root_accepts_only_additions_and_the_shutdown() {
    let handle = three().await;
    for result in [
        handle.restart_child("/", "ops", "x").await,
        handle.pause_child("/", "ops", "x").await,
        handle.resume_child("/", "ops", "x").await,
        handle.quarantine_child("/root", "ops", "x").await,
        handle.remove_child("/", "ops", "x").await,
    ] {
        assert!(matches!(result, Err(SupervisorError::InvalidTransition { .. })), "{result:?}");
    }
    assert!(handle.add_child_spec("/", service("z"), "ops", "more").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn commands_reach_children_at_any_depth_and_whole_supervisors() {
    let handle = three().await;
    let outcome = control(handle.restart_child("/n/x", "ops", "x").await.unwrap());
    assert_eq!((outcome.path.as_str(), outcome.generation), ("/n/x", 2));
    let outcome = control(handle.pause_child("/n", "ops", "x").await.unwrap());
    assert_eq!(outcome.state_after, Lifecycle::Paused);
    assert_eq!(lifecycle(&handle, "/n/x"), Lifecycle::Stopped);
    handle.resume_child("/n", "ops", "x").await.unwrap();
    assert_eq!(lifecycle(&handle, "/n/x"), Lifecycle::Running);
    assert_eq!(lifecycle(&handle, "/a"), Lifecycle::Running);
}

#[tokio::test(start_paused = true)]
async fn permissions_refuse_what_they_name_and_not_the_shutdown() {
    let none = Permissions { allow_shutdown: false, allow_restart: false, ..Permissions::default() };
    let handle = start(SupervisorSpec::root([service("a").permissions(none)])).await;
    for result in [
        handle.pause_child("a", "ops", "x").await,
        handle.quarantine_child("a", "ops", "x").await,
        handle.remove_child("a", "ops", "x").await,
        handle.restart_child("a", "ops", "x").await,
    ] {
        assert_eq!(result.unwrap_err().code(), "authz_denied");
    }
    assert!(handle.shutdown_tree("ops", "end").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn d7_launch_gives_a_handle_at_once_and_commands_work_while_children_start() {
    let slow = ChildSpec::service("slow", |ctx| async move {
        tokio::time::sleep(secs(10)).await;
        ctx.ready();
        idle(ctx).await;
    });
    let tree = SupervisorSpec::root([service("a"), slow.ready_within(secs(20)), service("last")]);
    let handle = Supervisor::launch(tree).unwrap();
    state(&handle, "/slow", Lifecycle::Starting).await;
    assert!(handle.is_alive());
    assert_eq!(lifecycle(&handle, "/last"), Lifecycle::Declared, "it comes after one that is not started");
    handle.pause_child("a", "ops", "x").await.unwrap();
    assert_eq!(lifecycle(&handle, "/a"), Lifecycle::Paused);
    let before = tokio::time::Instant::now();
    handle.shutdown("ops", "enough").await.unwrap();
    assert!(before.elapsed() < secs(6), "a start that is under way holds nobody up");
    ended(handle.started().await);
}

#[tokio::test(start_paused = true)]
async fn d7_a_child_asks_its_own_supervisor_without_a_deadlock() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::service("boss", move |ctx| {
        let noted = noted.clone();
        async move {
            let handle = ctx.handle();
            let added = handle.add_child_spec("/", service("made"), "boss", "help").await.unwrap();
            noted.add(matches!(added, CommandResult::ChildAdded { .. }).to_string());
            let outcome = control(handle.restart_child("made", "boss", "again").await.unwrap());
            noted.add(format!("{} {}", outcome.path, outcome.generation));
            noted.add(format!("{}", handle.count_children("/").unwrap().active));
            // What stops the asker itself is carried out all the same.
            let _ = handle.pause_child("boss", "boss", "tired").await;
        }
    });
    let handle = start(SupervisorSpec::root([child])).await;
    state(&handle, "/boss", Lifecycle::Paused).await;
    assert_eq!(notes.all(), ["true", "/made 2", "2"]);
}

#[tokio::test(start_paused = true)]
async fn d7_a_command_goes_on_when_its_caller_goes() {
    let child = ChildSpec::service("slow", |ctx| async move {
        ctx.stopping().await;
        tokio::time::sleep(ms(100)).await;
    });
    let handle = start(SupervisorSpec::root([child])).await;
    settle().await;
    let asked = tokio::time::timeout(ms(10), handle.pause_child("slow", "ops", "x")).await;
    assert!(asked.is_err(), "the caller did not wait for it");
    state(&handle, "/slow", Lifecycle::Paused).await;
}

#[tokio::test(start_paused = true)]
async fn adding_answers_with_the_child_and_refuses_what_cannot_be() {
    let handle = three().await;
    let added = handle.add_child_spec("/n", service("new"), "ops", "more").await.unwrap();
    let CommandResult::ChildAdded { path, state, generation } = added else { panic!("{added:?}") };
    assert_eq!((path.as_str(), state, generation), ("/n/new", Lifecycle::Running, 1));
    let add = |under: &'static str, spec| {
        let handle = handle.clone();
        async move { handle.add_child_spec(under, spec, "ops", "more").await.unwrap_err() }
    };
    assert!(matches!(add("/n", service("new")).await, SupervisorError::AlreadyStarted { .. }));
    handle.pause_child("/n/new", "ops", "x").await.unwrap();
    assert!(matches!(add("/n", service("new")).await, SupervisorError::AlreadyPresent { .. }));
    assert!(matches!(add("/nowhere", service("z")).await, SupervisorError::NoSuchSupervisor { .. }));
    assert!(matches!(add("/a", service("z")).await, SupervisorError::NoSuchSupervisor { .. }));
    assert!(matches!(add("/", service("a b")).await, SupervisorError::InvalidSpec(_)));
    assert!(matches!(add("/", service("z").depends_on(["nobody"])).await, SupervisorError::InvalidSpec(_)));
}

#[tokio::test(start_paused = true)]
async fn what_came_with_a_child_is_dropped_when_the_child_is_removed_or_refused() {
    let handle = three().await;
    let notes = Notes::default();
    let child = |name: &str, note| {
        let kept = common::OnDrop(notes.clone(), note);
        ChildSpec::service(name, move |ctx| {
            let _kept = &kept;
            idle(ctx)
        })
    };
    handle.add_child_spec("/", child("one", "one dropped"), "ops", "x").await.unwrap();
    handle.add_child_spec("/", child("one", "refused dropped"), "ops", "x").await.unwrap_err();
    settle().await;
    assert_eq!(notes.take(), ["refused dropped"]);
    handle.remove_child("/one", "ops", "x").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["one dropped"]);
    let nested = SupervisorSpec::new("m").children([child("two", "two dropped")]);
    handle.add_child_spec("/", ChildSpec::supervisor(nested), "ops", "x").await.unwrap();
    handle.restart_child("/m", "ops", "x").await.unwrap();
    assert_eq!((lifecycle(&handle, "/m/two"), notes.take()), (Lifecycle::Running, vec![]));
    handle.remove_child("/m", "ops", "x").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["two dropped"]);
    handle.add_child_spec("/", child("last", "last dropped"), "ops", "x").await.unwrap();
    handle.shutdown("ops", "end").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["last dropped"], "an ended tree keeps nothing of a user's");
}

#[tokio::test(start_paused = true)]
async fn after_the_end_reads_and_the_shutdown_answer_and_everything_else_is_refused() {
    let handle = three().await;
    handle.pause_child("a", "ops", "x").await.unwrap();
    let first = shutdown(handle.shutdown_tree("ops", "end").await.unwrap());
    let report = handle.join().await;
    assert_eq!(shutdown(handle.shutdown_tree("ops", "again").await.unwrap()), first);
    assert_eq!(handle.shutdown("ops", "again").await.unwrap(), report);
    assert_eq!(handle.join().await, report);
    assert_eq!(common::current(&handle).children.len(), 6);
    assert_eq!(lifecycle(&handle, "/a"), Lifecycle::Paused);
    let health = handle.health();
    assert_eq!((health.alive, health.exit_report.as_ref()), (false, Some(&report)));
    assert_eq!(health.last_observed_at_unix_nanos, report.completed_at_unix_nanos);
    assert!(handle.events_after(0).next().await.is_some());
    ended(handle.restart_child("a", "ops", "x").await);
    ended(handle.add_child_spec("/", service("z"), "ops", "x").await);
    ended(handle.start_child("/", service("z")).await);
    ended(handle.terminate_child("a").await);
    ended(handle.skip_graces("ops", "x").await);
    ended(handle.register(Registry::new()).await);
    ended(handle.run_once("/", "z", async {}).await);
}

#[tokio::test(start_paused = true)]
async fn commands_that_wait_when_the_tree_ends_are_told_so() {
    let child = ChildSpec::service("slow", |ctx| async move {
        ctx.stopping().await;
        std::future::pending::<()>().await;
    });
    let handle = start(SupervisorSpec::root([child.grace_infinity()])).await;
    settle().await;
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.restart_child("slow", "ops", "x").await }
    });
    state(&handle, "/slow", Lifecycle::Stopping).await;
    let ending = tokio::spawn({
        let handle = handle.clone();
        async move { handle.shutdown("ops", "end").await }
    });
    settle().await;
    handle.skip_graces("ops", "now").await.unwrap();
    ending.await.unwrap().unwrap();
    let answer = waiting.await.unwrap();
    assert!(answer.is_err() || control(answer.unwrap()).failure.is_some());
}

#[tokio::test(start_paused = true)]
async fn r2_a_failed_start_is_unwound_and_names_the_child() {
    let notes = Notes::default();
    let noted = notes.clone();
    let first = ChildSpec::service("first", move |ctx| {
        let noted = noted.clone();
        async move {
            idle(ctx).await;
            noted.add("first stopped");
        }
    });
    let bad = ChildSpec::service("bad", |_| async { Err::<(), _>("no port") }).ready_within(secs(5));
    let error = Supervisor::start(SupervisorSpec::root([first, bad, service("never")])).await.unwrap_err();
    let SupervisorError::StartFailed { path, exit } = &error else { panic!("{error}") };
    assert_eq!((path.as_str(), exit), ("/bad", &Exit::failed("no port")));
    assert_eq!(notes.all(), ["first stopped"]);
    assert!(error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn r6_a_bad_spec_starts_nothing_and_every_mistake_is_found() {
    let tree = SupervisorSpec::root([
        service("a").depends_on(["b"]),
        service("b").depends_on(["a"]),
        service("c"),
        service("c"),
        ChildSpec::job("j", |_| async {}).restart(tokio_supervisor::RestartType::Permanent),
    ]);
    let SupervisorError::InvalidSpec(findings) = Supervisor::launch(tree.clone()).unwrap_err() else {
        panic!()
    };
    assert!(findings.len() >= 2, "{findings:?}");
    assert_eq!(Supervisor::check(tree).unwrap_err(), findings);
}

#[test]
fn launching_outside_a_runtime_is_refused_with_a_sentence() {
    let error = Supervisor::launch(SupervisorSpec::root([])).unwrap_err();
    assert!(error.to_string().contains("Tokio runtime"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_escalation_ends_the_tree_with_its_whole_chain() {
    let bad = ChildSpec::service("bad", |_| async { Err::<(), _>("boom") });
    let nested = SupervisorSpec::new("n").child(bad).budget(0, secs(5));
    let handle = Supervisor::launch(
        SupervisorSpec::root([ChildSpec::supervisor(nested), service("a")]).budget(0, secs(5)),
    )
    .unwrap();
    let report = handle.join().await;
    assert_eq!(report.phase.as_ref(), "escalation");
    assert!(report.recoverable && !report.panic, "{report:?}");
    assert!(report.reason.contains("/n/bad") && report.reason.contains("boom"), "{report}");
    assert_eq!(handle.health().failure.unwrap().phase.as_ref(), "escalation");
    assert_eq!(lifecycle(&handle, "/n/bad"), Lifecycle::Failed);
    assert_eq!(lifecycle(&handle, "/a"), Lifecycle::Stopped);
}

#[tokio::test(start_paused = true)]
async fn r23_one_for_all_restarts_everybody_and_says_because_of_whom() {
    let fails = ChildSpec::service("fails", |ctx| async move {
        if ctx.generation() == 1 {
            tokio::time::sleep(ms(5)).await;
            return Err("once");
        }
        idle(ctx).await;
        Ok(())
    });
    let tree = SupervisorSpec::root([service("a"), fails, service("b")]).strategy(Strategy::OneForAll);
    let handle = start(tree).await;
    let mut events = handle.events_after(0);
    let stopped = event(&mut events, "/b", EventKind::ChildStopping).await;
    assert_eq!(stopped.cause_path.unwrap().as_str(), "/fails");
    state(&handle, "/b", Lifecycle::Running).await;
    for path in ["/a", "/fails", "/b"] {
        assert_eq!(handle.child(path).unwrap().state.generation, 2, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn d10_an_added_child_that_is_parked_before_its_turn_runs_when_it_is_brought_back() {
    let slow = ChildSpec::service("slow", |ctx| async move {
        tokio::time::sleep(secs(5)).await;
        ctx.ready();
        idle(ctx).await;
    })
    .ready_within(secs(60));
    let handle = Supervisor::launch(SupervisorSpec::root([slow])).unwrap();
    let runs = Counter::default();
    let (counted, adder) = (runs.clone(), handle.clone());
    let added = ChildSpec::service("late", move |ctx| {
        counted.add();
        idle(ctx)
    });
    let adding = tokio::spawn(async move { adder.add_child_spec("/", added, "test", "more").await });
    while handle.find("/late").is_err() {
        tokio::task::yield_now().await;
    }
    handle.quarantine_child("/late", "test", "not yet").await.unwrap();
    assert!(adding.await.unwrap().is_err(), "it was not started");
    handle.started().await.unwrap();
    handle.restart_child("/late", "test", "now").await.unwrap();
    settle().await;
    assert_eq!((runs.get(), lifecycle(&handle, "/late")), (1, Lifecycle::Running));
    handle.shutdown("test", "enough").await.unwrap();
    assert_eq!(handle.stale_messages(), 0);
}
