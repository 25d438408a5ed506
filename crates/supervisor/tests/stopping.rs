//! Honest stop (D8), owners (D16), exit words after a request (D22).
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::{
    Counter, Notes, OnDrop, control, event, idle, lifecycle, ms, secs, service, settle, shutdown, start,
    state,
};
use tokio_supervisor::{
    Cause, ChildSpec, EventKind, Exit, Lifecycle, RuntimeControlPlaneState, Supervisor, SupervisorSpec,
};

#[tokio::test(start_paused = true)]
async fn d8_a_run_is_asked_and_told_why_and_how_long_it_has() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::service("a", move |ctx| {
        let noted = noted.clone();
        async move {
            let request = ctx.stopping().await;
            noted.add(format!("{request}; {:?} left", request.grace_left()));
            assert_eq!(request.cause, Cause::Operator);
        }
    });
    let handle = start(SupervisorSpec::root([child.grace(secs(7))])).await;
    settle().await;
    handle.pause_child("a", "ops", "maintenance").await.unwrap();
    assert_eq!(notes.all(), ["operator by ops: maintenance; Some(7s) left"]);
}

#[tokio::test(start_paused = true)]
async fn d8_when_the_grace_is_over_the_future_is_dropped() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::service("a", move |_| {
        let noted = noted.clone();
        async move {
            let _dropped = OnDrop(noted, "dropped");
            std::future::pending::<()>().await;
        }
    });
    let handle = start(SupervisorSpec::root([child.grace(secs(2))])).await;
    settle().await;
    let before = tokio::time::Instant::now();
    let outcome = control(handle.pause_child("a", "test", "stop").await.unwrap());
    assert_eq!(before.elapsed(), secs(2));
    assert_eq!((outcome.state_after, notes.all()), (Lifecycle::Paused, vec!["dropped".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn d8_what_comes_after_has_its_time_beside_a_grace_that_ends() {
    let deaf = || ChildSpec::service("a", |_| std::future::pending::<()>()).grace_beyond(secs(3));
    for (child, stops_in) in [
        (deaf(), secs(8)),
        (deaf().grace(secs(2)), secs(5)),
        (deaf().grace(secs(0)), secs(3)),
        (deaf().brutal(), secs(0)),
    ] {
        let bound = SupervisorSpec::root([child.clone()]).stop_bound().unwrap();
        let handle = start(SupervisorSpec::root([child])).await;
        let asked = tokio::time::Instant::now();
        handle.pause_child("a", "test", "stop").await.unwrap();
        assert_eq!(asked.elapsed(), stops_in);
        assert_eq!(handle.exits("a").unwrap()[0].exit, Exit::Aborted);
        // And the second in which what was killed has to be gone.
        assert_eq!(bound.at_most, stops_in + secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn d8_brutal_asks_nothing() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::service("a", move |ctx| {
        let noted = noted.clone();
        async move {
            ctx.stopping().await;
            noted.add("asked");
        }
    });
    let handle = start(SupervisorSpec::root([child.brutal()])).await;
    settle().await;
    handle.pause_child("a", "test", "stop").await.unwrap();
    assert_eq!(notes.all(), [""; 0]);
    assert_eq!(handle.exits("a").unwrap()[0].exit, Exit::Aborted);
}

/// A first run that never yields, on a thread of its own, until the test lets it go. Later runs obey, so that a test
/// can look at them.
fn stubborn(name: &str, release: &Arc<AtomicBool>) -> ChildSpec {
    let release = Arc::clone(release);
    ChildSpec::blocking(name, move |ctx| {
        while ctx.generation() == 1 && !release.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        while ctx.generation() > 1 && !ctx.wait_stopping(secs(60)) {}
    })
    .grace(ms(20))
    .abort_wait(ms(20))
}

#[tokio::test]
async fn d8_a_run_that_does_not_end_is_unresponsive_and_the_shutdown_names_it() {
    let release = Arc::new(AtomicBool::new(false));
    // The others are not killed because the machine stood still for a while.
    let spec = SupervisorSpec::root([service("a"), stubborn("stone", &release), service("b")]);
    let handle = start(spec.defaults(|child| child.grace(secs(60)))).await;
    let result = shutdown(handle.shutdown_tree("test", "stop").await.unwrap());
    let names: Vec<&str> = result.outcomes.iter().map(|outcome| outcome.path.as_str()).collect();
    assert_eq!(names, ["/a", "/stone", "/b"]);
    assert_eq!(result.outcomes[1].state, Lifecycle::Unresponsive);
    assert_eq!(result.reconcile.unresponsive.len(), 1);
    assert_eq!((result.reconcile.stopped, result.reconcile.forced), (2, 0));
    assert_eq!(handle.join().await.state, RuntimeControlPlaneState::Completed);
    release.store(true, Ordering::Release);
    state(&handle, "/stone", Lifecycle::Stopped).await;
}

#[tokio::test]
async fn d8_nothing_starts_in_the_place_of_an_unresponsive_run_until_it_is_gone() {
    let release = Arc::new(AtomicBool::new(false));
    let handle = start(SupervisorSpec::root([stubborn("stone", &release)])).await;
    let outcome = control(handle.restart_child("stone", "test", "again").await.unwrap());
    assert!(outcome.failure.is_some() && outcome.state_after == Lifecycle::Unresponsive, "{outcome:?}");
    settle().await;
    let child = handle.child("stone").unwrap().state;
    assert_eq!((child.lifecycle_state, child.generation), (Lifecycle::Unresponsive, 1));
    release.store(true, Ordering::Release);
    state(&handle, "/stone", Lifecycle::Running).await;
    let child = handle.child("stone").unwrap().state;
    assert_eq!((child.generation, child.restart_count), (2, 0), "what was wanted, uncharged");
}

#[tokio::test(start_paused = true)]
async fn r53_children_are_stopped_in_reverse_order_one_at_a_time() {
    let notes = Notes::default();
    let child = |name: &'static str| {
        let noted = notes.clone();
        ChildSpec::service(name, move |ctx| {
            let noted = noted.clone();
            async move {
                ctx.stopping().await;
                noted.add(format!("{name} asked"));
                tokio::time::sleep(ms(200)).await;
                noted.add(format!("{name} gone"));
            }
        })
    };
    let nested = SupervisorSpec::new("n").children([child("x"), child("y")]);
    let tree = SupervisorSpec::root([child("a"), ChildSpec::supervisor(nested), child("b")]);
    let handle = start(tree).await;
    settle().await;
    let before = tokio::time::Instant::now();
    let result = shutdown(handle.shutdown_tree("test", "stop").await.unwrap());
    assert_eq!(before.elapsed(), ms(800));
    let order = ["b asked", "b gone", "y asked", "y gone", "x asked", "x gone", "a asked", "a gone"];
    assert_eq!(notes.all(), order);
    assert_eq!(result.outcomes.iter().map(|o| o.took_micros).max(), Some(400_000));
}

#[tokio::test(start_paused = true)]
async fn a_child_that_was_never_polled_ends_as_stopped_without_being_built() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::service("a", move |ctx| {
        noted.add("built");
        idle(ctx)
    });
    let handle = start(SupervisorSpec::root([])).await;
    // Both are taken in one turn, before the child's task is polled for the first time.
    let (added, result) =
        tokio::join!(handle.add_child_spec("/", child, "test", "more"), handle.shutdown_tree("test", "stop"));
    assert!(added.is_ok(), "{added:?}");
    assert_eq!(notes.all(), [""; 0]);
    let outcome = &shutdown(result.unwrap()).outcomes[0];
    assert_eq!((outcome.state, outcome.exit.as_ref()), (Lifecycle::Stopped, Some(&Exit::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn d22_what_an_end_after_a_request_is_called() {
    let words = [
        ("ok", Exit::Stopped),
        ("err", Exit::failed("could not flush")),
        ("with", Exit::StoppedWith { value: "7 left".into() }),
        ("killed", Exit::Killed { signal: 9, by_us: true }),
        ("late", Exit::Aborted),
    ];
    let children = words.iter().map(|(name, _)| *name).map(|name| {
        ChildSpec::service(name, move |ctx| async move {
            ctx.stopping().await;
            match name {
                "ok" => Ok(Exit::Completed),
                "err" => Err("could not flush"),
                "with" => Ok(Exit::StoppedWith { value: "7 left".into() }),
                "killed" => Ok(Exit::Killed { signal: 9, by_us: true }),
                _ => std::future::pending().await,
            }
        })
    });
    let handle = start(SupervisorSpec::root(children)).await;
    settle().await;
    let mut events = handle.subscribe_events();
    let result = shutdown(handle.shutdown_tree("test", "stop").await.unwrap());
    for ((name, exit), outcome) in words.iter().zip(&result.outcomes) {
        assert_eq!(outcome.exit.as_ref(), Some(exit), "{name}");
        assert_eq!(outcome.state, Lifecycle::Stopped, "{name}");
    }
    assert_eq!(result.reconcile.forced, 2);
    event(&mut events, "/err", EventKind::ChildStopError).await;
}

#[tokio::test(start_paused = true)]
async fn r99_a_run_that_ends_as_cancelled_without_a_request_has_failed() {
    let child = ChildSpec::worker("a", |_| async {
        let task = tokio::spawn(std::future::pending::<()>());
        task.abort();
        task.await
    });
    let handle = start(SupervisorSpec::root([child])).await;
    let mut events = handle.events_after(0);
    let failed = event(&mut events, "/a", EventKind::ChildFailed).await;
    assert!(failed.to_string().contains("cancelled"), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn a_managed_run_is_told_when_it_is_killed_and_never_dropped() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::managed("a", move |ctx| {
        let noted = noted.clone();
        async move {
            ctx.stopping().await;
            noted.add("asked");
            ctx.killed().await;
            noted.add("killed");
            Exit::Killed { signal: 9, by_us: true }
        }
    });
    let handle = start(SupervisorSpec::root([child.grace(secs(1))])).await;
    settle().await;
    let result = shutdown(handle.shutdown_tree("test", "stop").await.unwrap());
    assert_eq!(notes.all(), ["asked", "killed"]);
    assert_eq!(result.outcomes[0].exit, Some(Exit::Killed { signal: 9, by_us: true }));
    assert_eq!(result.reconcile.forced, 1);
}

#[tokio::test(start_paused = true)]
async fn d16_dropping_all_handles_stops_nothing() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::service("a", move |_| {
        let noted = noted.clone();
        async move {
            let _dropped = OnDrop(noted.clone(), "dropped");
            tokio::time::sleep(secs(5)).await;
            noted.add("still here");
            std::future::pending::<()>().await;
        }
    });
    drop(start(SupervisorSpec::root([child])).await);
    tokio::time::sleep(secs(6)).await;
    assert_eq!(notes.all(), ["still here"]);
}

#[tokio::test(start_paused = true)]
async fn d16_dropping_the_owner_is_the_hard_stop() {
    let notes = Notes::default();
    let (a, b) = (notes.clone(), notes.clone());
    let task = ChildSpec::service("task", move |_| {
        let noted = a.clone();
        async move {
            let _dropped = OnDrop(noted, "task dropped");
            std::future::pending::<()>().await;
        }
    });
    let managed = ChildSpec::managed("managed", move |ctx| {
        let noted = b.clone();
        async move {
            ctx.killed().await;
            noted.add("managed killed");
        }
    });
    let tree = SupervisorSpec::root([task.grace_infinity(), managed.grace_infinity()]);
    let owner = Supervisor::scoped(tree).unwrap();
    owner.started().await.unwrap();
    settle().await;
    let handle = owner.handle();
    drop(owner);
    let report = handle.join().await;
    assert_eq!(report.phase.as_ref(), "dropped");
    settle().await;
    let mut seen = notes.all();
    seen.sort();
    assert_eq!(seen, ["managed killed", "task dropped"]);
}

/// Three levels of tasks, two siblings each, every one a second slow to stop. Each run counts while it lives.
fn slow_tree(live: &Arc<AtomicUsize>) -> SupervisorSpec {
    struct Alive(Arc<AtomicUsize>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::AcqRel);
        }
    }
    let slow = |name: &str| {
        let live = Arc::clone(live);
        ChildSpec::service(name, move |ctx| {
            live.fetch_add(1, Ordering::AcqRel);
            let alive = Alive(Arc::clone(&live));
            async move {
                let _alive = alive;
                ctx.stopping().await;
                tokio::time::sleep(secs(1)).await;
            }
        })
    };
    let below = |name: &str, children| ChildSpec::supervisor(SupervisorSpec::new(name).children(children));
    let deepest = below("deepest", vec![slow("e"), slow("f")]);
    let middle = below("middle", vec![slow("c"), slow("d"), deepest]);
    SupervisorSpec::root([slow("a"), slow("b"), middle])
}

#[tokio::test(start_paused = true)]
async fn r61_d16_no_run_survives_an_owner_that_goes_away_at_any_moment_of_a_shutdown() {
    for step in 0..=7 {
        let live = Arc::new(AtomicUsize::new(0));
        let owner = Supervisor::scoped(slow_tree(&live)).unwrap();
        owner.started().await.unwrap();
        settle().await;
        assert_eq!(live.load(Ordering::Acquire), 6);
        let handle = owner.handle();
        let stop = tokio::spawn({
            let handle = handle.clone();
            async move { handle.shutdown_tree("test", "an end in the middle").await }
        });
        tokio::time::sleep(ms(1000 * step + 500)).await;
        let left = 6_usize.saturating_sub(usize::try_from(step).unwrap());
        assert_eq!(live.load(Ordering::Acquire), left, "one at a time, after {step} s");
        drop(owner);
        handle.join().await;
        settle().await;
        assert_eq!(live.load(Ordering::Acquire), 0, "dropped after {step} s");
        // Whoever waited for the shutdown is answered, too.
        let _ = stop.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn d16_the_owner_can_also_end_gracefully() {
    let owner = Supervisor::scoped(SupervisorSpec::root([service("a")])).unwrap();
    owner.started().await.unwrap();
    let handle = owner.handle();
    let report = owner.shutdown("test", "enough").await.unwrap();
    assert_eq!((report.phase.as_ref(), handle.join().await), ("shutdown", report.clone()));
}

#[test]
fn d16_dropping_the_runtime_is_the_hard_stop() {
    let notes = Notes::default();
    let noted = notes.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stopped = Arc::new(AtomicBool::new(false));
    let saw = Arc::clone(&stopped);
    let begun = Counter::default();
    let (begins, thread_begins) = (begun.clone(), begun.clone());
    let handle = runtime.block_on(async move {
        let task = ChildSpec::service("task", move |ctx| {
            let (noted, begins) = (noted.clone(), begins.clone());
            async move {
                let _dropped = OnDrop(noted, "task dropped");
                begins.add();
                idle(ctx).await;
                std::future::pending::<()>().await;
            }
        });
        let thread = ChildSpec::blocking("thread", move |ctx| {
            thread_begins.add();
            while !ctx.is_stopping() {
                std::thread::yield_now();
            }
            saw.store(true, Ordering::Release);
        });
        let handle = start(SupervisorSpec::root([task, thread])).await;
        settle().await;
        // A task that was never polled has nothing to drop, and a thread that has not begun does not begin any more.
        while begun.get() < 2 {
            tokio::task::yield_now().await;
        }
        handle
    });
    drop(runtime);
    assert_eq!(notes.all(), ["task dropped"]);
    while !stopped.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let report = other.block_on(handle.join());
    assert_eq!(report.phase.as_ref(), "dropped");
    let error = other.block_on(handle.pause_child("task", "test", "late")).unwrap_err();
    assert_eq!(error.code(), "target_unavailable");
    assert!(!handle.is_alive());
    assert_eq!(lifecycle(&handle, "/task"), Lifecycle::Running, "the last that was known");
}

#[test]
fn d16_a_runtime_dropped_before_the_first_turn_leaves_nobody_waiting() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let spec = SupervisorSpec::root([ChildSpec::service("a", |ctx| async move { idle(ctx).await })]);
    let handle = runtime.block_on(async { Supervisor::launch(spec) }).unwrap();
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let wait = async { tokio::time::timeout(std::time::Duration::from_secs(60), handle.join()).await };
    let report = other.block_on(wait).expect("nobody was told");
    assert_eq!(report.phase.as_ref(), "dropped");
}

#[tokio::test(start_paused = true)]
async fn d20_the_second_signal_cuts_every_grace() {
    let children = ["a", "b"].map(|name| ChildSpec::service(name, |_| std::future::pending::<()>()));
    let children = children.map(|child| child.grace_infinity());
    let handle = start(SupervisorSpec::root(children)).await;
    let ending = tokio::spawn({
        let handle = handle.clone();
        async move { handle.shutdown("test", "first").await }
    });
    state(&handle, "/b", Lifecycle::Stopping).await;
    tokio::time::sleep(secs(1000)).await;
    assert!(handle.is_alive());
    handle.skip_graces("test", "second").await.unwrap();
    let report = ending.await.unwrap().unwrap();
    assert_eq!((report.phase.as_ref(), report.reason.as_ref()), ("shutdown", "first"));
}
