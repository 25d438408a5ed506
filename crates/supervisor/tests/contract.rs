//! The reports of the contract (`wire.md` 1), by name.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::sync::Arc;

use common::{secs, service, settle, start, state};
use tokio_supervisor::{
    ChildSpec, Criticality, Lifecycle, RuntimeControlPlaneState, RuntimeExitReport, RuntimeFailureReason,
    Supervisor, SupervisorSpec, TreeHealth,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn join_by_1_000_callers_gives_one_report() {
    let handle = start(SupervisorSpec::root([service("a")])).await;
    let joins: Vec<_> = (0..1000)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.join().await })
        })
        .collect();
    settle().await;
    let endings = (0..10).map(|n| {
        let handle = handle.clone();
        tokio::spawn(async move { handle.shutdown("ops", format!("reason {n}")).await.unwrap() })
    });
    let first = handle.join();
    for ending in endings.collect::<Vec<_>>() {
        ending.await.unwrap();
    }
    let first = first.await;
    assert_eq!(first.state, RuntimeControlPlaneState::Completed);
    for join in joins {
        assert_eq!(join.await.unwrap(), first);
    }
}

#[tokio::test(start_paused = true)]
async fn the_states_of_the_plane_come_in_their_order() {
    let slow = ChildSpec::service("slow", |ctx| async move {
        ctx.ready();
        ctx.stopping().await;
        tokio::time::sleep(secs(1)).await;
    });
    let handle = Supervisor::launch(SupervisorSpec::root([slow.ready_within(secs(1))])).unwrap();
    let health = handle.health();
    assert_eq!((health.state, health.alive), (RuntimeControlPlaneState::Starting, true));
    assert!(health.started_at_unix_nanos > 1_600_000_000_000_000_000);
    handle.started().await.unwrap();
    assert_eq!(handle.health().state, RuntimeControlPlaneState::Alive);
    settle().await;
    let ending = tokio::spawn({
        let handle = handle.clone();
        async move { handle.shutdown("ops", "end").await.unwrap() }
    });
    state(&handle, "/slow", Lifecycle::Stopping).await;
    let health = handle.health();
    assert_eq!((health.state, health.alive), (RuntimeControlPlaneState::ShuttingDown, true));
    assert!(health.exit_report.is_none() && health.failure.is_none());
    let report = ending.await.unwrap();
    assert_eq!((report.state, report.reason.as_ref()), (RuntimeControlPlaneState::Completed, "end"));
    assert!(!handle.is_alive() && handle.health().state.is_terminal());
}

#[tokio::test(start_paused = true)]
async fn d21_the_health_of_the_whole_follows_its_children() {
    let critical = service("critical").criticality(Criticality::Critical);
    let optional = service("optional").criticality(Criticality::Optional);
    let handle = start(SupervisorSpec::root([critical, service("standard"), optional])).await;
    settle().await;
    let tree = || handle.health().tree;
    assert_eq!(tree(), TreeHealth::Healthy);
    handle.pause_child("optional", "ops", "x").await.unwrap();
    settle().await;
    assert_eq!(tree(), TreeHealth::Healthy);
    handle.pause_child("standard", "ops", "x").await.unwrap();
    settle().await;
    assert_eq!(tree(), TreeHealth::Degraded);
    handle.pause_child("critical", "ops", "x").await.unwrap();
    settle().await;
    assert_eq!(tree(), TreeHealth::Unhealthy);
}

#[test]
fn reports_are_made_from_public_parts() {
    let failure = RuntimeFailureReason::new("loop", "boom", true, false);
    let report = RuntimeExitReport::failed(failure.clone(), 5);
    assert_eq!(report.failure_reason(), Some(failure));
    assert_eq!(RuntimeExitReport::completed("shutdown", "x", 5).failure_reason(), None);
}

#[tokio::test(start_paused = true)]
async fn debug_shows_states_and_no_internals() {
    let owner = Supervisor::scoped(SupervisorSpec::root([service("a")])).unwrap();
    owner.started().await.unwrap();
    for text in [format!("{:?}", owner.handle()), format!("{owner:?}")] {
        assert!(text.contains("Alive") && text.len() < 100, "{text}");
    }
    let spec = format!("{:?}", SupervisorSpec::root([service("a").secret("s", "PATH", true)]));
    assert!(!spec.contains("PATH"), "{spec}");
}

#[tokio::test(start_paused = true)]
async fn a_significant_end_and_a_tree_that_is_done_end_as_completed() {
    use tokio_supervisor::AutoShutdown::{AllDone, AnySignificant};
    let done = ChildSpec::worker("done", |_| async { tokio::time::sleep(secs(1)).await }).significant(true);
    let tree = SupervisorSpec::root([service("a"), done]).auto_shutdown(AnySignificant);
    let report = start(tree).await.join().await;
    assert_eq!((report.state, &*report.phase), (RuntimeControlPlaneState::Completed, "auto_shutdown"));
    assert!(report.reason.contains("/done"), "{report}");
    let job = |name: &str, well: bool| {
        ChildSpec::job(name, move |_| async move { if well { Ok(()) } else { Err("no") } })
    };
    let tree = SupervisorSpec::root([job("x", true), job("y", false)]).auto_shutdown(AllDone);
    let report = Supervisor::launch(tree).unwrap().join().await;
    assert_eq!(&*report.phase, "all_done");
    assert!(report.reason.contains("/y"), "{report}");
}

#[test]
fn handles_and_specs_can_be_sent_and_shared() {
    fn check<T: Send + Sync + 'static>() {}
    check::<tokio_supervisor::SupervisorHandle>();
    check::<tokio_supervisor::Scoped>();
    check::<tokio_supervisor::ChildContext>();
    check::<SupervisorSpec>();
    check::<ChildSpec>();
    check::<tokio_supervisor::EventStream>();
    check::<Arc<tokio_supervisor::Registry>>();
    fn sendable<T: Send>(_: T) {}
    fn command(handle: &tokio_supervisor::SupervisorHandle) {
        sendable(handle.restart_child("a", "b", "c"));
        sendable(handle.add_child_spec("/", service("a"), "b", "c"));
        sendable(handle.shutdown("b", "c"));
    }
    let _ = command;
}
