//! OTP's family by id and by key (table 1.7), dynamic supervisors, one-shots (D23).
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{Notes, lifecycle, ms, secs, service, settle, start, state};
use tokio_supervisor::{
    ChildCounts, ChildSpec, Exit, Lifecycle, RestartType, SupervisorError, SupervisorHandle, SupervisorSpec,
};

async fn tree() -> SupervisorHandle {
    let dynamic = ChildSpec::supervisor(SupervisorSpec::new("pool").dynamic(3));
    start(SupervisorSpec::root([service("a"), dynamic])).await
}

#[tokio::test(start_paused = true)]
async fn r67_a_static_child_is_terminated_started_again_and_deleted_by_id() {
    let handle = tree().await;
    for idempotent in [false, true] {
        let outcome = handle.terminate_child("a").await.unwrap();
        assert_eq!((outcome.state_after, outcome.idempotent), (Lifecycle::Stopped, idempotent));
    }
    let outcome = handle.start_again("a").await.unwrap();
    assert_eq!((outcome.state_after, outcome.generation), (Lifecycle::Running, 2));
    assert!(matches!(handle.start_again("a").await, Err(SupervisorError::AlreadyStarted { .. })));
    assert!(matches!(handle.delete_child("a").await, Err(SupervisorError::InvalidTransition { .. })));
    handle.terminate_child("a").await.unwrap();
    handle.delete_child("a").await.unwrap();
    assert!(matches!(handle.delete_child("a").await, Err(SupervisorError::ChildNotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn r11_a_failing_start_child_is_returned_and_nothing_is_kept() {
    let handle = tree().await;
    let bad = ChildSpec::service("bad", |_| async { Err::<(), _>("no") }).ready_within(secs(1));
    let error = handle.start_child("/", bad).await.unwrap_err();
    assert!(
        matches!(&error, SupervisorError::StartFailed { exit, .. } if *exit == Exit::failed("no")),
        "{error}"
    );
    assert!(handle.child("bad").is_err());
    assert!(matches!(
        handle.start_child("/nowhere", service("x")).await,
        Err(SupervisorError::NoSuchSupervisor { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn r85_a_dynamic_supervisor_takes_so_many_and_is_addressed_by_key() {
    let handle = tree().await;
    let mut children = Vec::new();
    for n in 1..=3 {
        let child = handle.start_numbered("/pool", service("conn")).await.unwrap();
        assert_eq!(
            (child.path.as_str(), child.state),
            (format!("/pool/conn-{n}").as_str(), Lifecycle::Running)
        );
        children.push(child);
    }
    let refused = handle.start_child("/pool", service("more")).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::MaxChildren { max: 3, .. }), "{refused}");
    assert!(handle.terminate_child("/pool/conn-1").await.is_err(), "R70: by key");
    handle.terminate_child(&children[0]).await.unwrap();
    assert!(matches!(handle.terminate_child(&children[0]).await, Err(SupervisorError::ChildNotFound { .. })));
    let next = handle.start_numbered("/pool", service("conn")).await.unwrap();
    assert!(next.path.as_str() > "/pool/conn-3", "a number is never used again: {}", next.path);
    let counts = handle.count_children("/pool").unwrap();
    assert_eq!(counts, ChildCounts { specs: 3, active: 3, supervisors: 0, workers: 3 });
    assert_eq!(handle.children("/pool").unwrap().len(), 3);
    assert!(matches!(handle.count_children("a"), Err(SupervisorError::NoSuchSupervisor { .. })));
}

#[tokio::test(start_paused = true)]
async fn r73_counts_include_what_does_not_run() {
    let handle = tree().await;
    handle.pause_child("a", "ops", "x").await.unwrap();
    let counts = handle.count_children("/").unwrap();
    assert_eq!(counts, ChildCounts { specs: 2, active: 1, supervisors: 1, workers: 1 });
}

#[tokio::test(start_paused = true)]
async fn d23_a_future_runs_once_as_a_temporary_child() {
    let handle = tree().await;
    let notes = Notes::default();
    let noted = notes.clone();
    let child = handle
        .run_once("/pool", "request", async move {
            tokio::time::sleep(ms(5)).await;
            noted.add("served");
            Err::<(), _>("and failed")
        })
        .await
        .unwrap();
    assert_eq!(child.path.as_str(), "/pool/request");
    assert_eq!(handle.child(child.key).unwrap().restart, RestartType::Temporary);
    tokio::time::sleep(secs(1)).await;
    assert_eq!(notes.all(), ["served"]);
    assert!(handle.child("/pool/request").is_err(), "its spec is gone with it");
    assert!(handle.is_alive());
}

#[tokio::test(start_paused = true)]
async fn r54_dynamic_children_are_stopped_all_at_once() {
    let handle = tree().await;
    for _ in 0..3 {
        let slow = ChildSpec::service("c", |ctx| async move {
            ctx.stopping().await;
            tokio::time::sleep(ms(200)).await;
        });
        handle.start_numbered("/pool", slow).await.unwrap();
    }
    settle().await;
    let before = tokio::time::Instant::now();
    handle.shutdown("test", "stop").await.unwrap();
    assert_eq!(before.elapsed(), ms(200));
}

#[tokio::test(start_paused = true)]
async fn r48_a_restarted_supervisor_has_its_static_children_only() {
    let nested = SupervisorSpec::new("n").children([service("x"), service("y")]);
    let handle = start(SupervisorSpec::root([ChildSpec::supervisor(nested)])).await;
    handle.add_child_spec("/n", service("z"), "ops", "more").await.unwrap();
    handle.remove_child("/n/y", "ops", "less").await.unwrap();
    handle.restart_child("/n", "ops", "again").await.unwrap();
    let names: Vec<_> =
        handle.children("/n").unwrap().iter().map(|child| child.state.child_path.to_string()).collect();
    assert_eq!(names, ["/n/x", "/n/y"]);
    assert_eq!(
        (lifecycle(&handle, "/n/x"), lifecycle(&handle, "/n/y")),
        (Lifecycle::Running, Lifecycle::Running)
    );
    state(&handle, "/n", Lifecycle::Running).await;
}

#[tokio::test(start_paused = true)]
async fn d18_a_job_keeps_its_row() {
    let jobs = [("good", true), ("bad", false)].map(|(name, well)| {
        ChildSpec::job(name, move |_| async move { if well { Ok(()) } else { Err("no") } })
    });
    let handle = start(SupervisorSpec::root(jobs)).await;
    state(&handle, "/good", Lifecycle::Completed).await;
    state(&handle, "/bad", Lifecycle::Failed).await;
    let again = common::control(handle.restart_child("good", "ops", "again").await.unwrap());
    assert_eq!(again.generation, 2);
}
