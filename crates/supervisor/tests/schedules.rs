//! Jobs that start when their time has come (D20).
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::future::pending;
use std::time::Duration;

use common::{Notes, OnDrop, event, lifecycle, secs, service, settle};
use tokio::time::{Instant, sleep};
use tokio_supervisor::{
    Cause, ChildSpec, EventKind, Lifecycle, Missed, Supervisor, SupervisorHandle, SupervisorSpec,
};

/// Every ten seconds, and each run takes so long.
fn ticking(name: &str, notes: &Notes, takes: Duration) -> ChildSpec {
    let notes = notes.clone();
    let begun = Instant::now();
    ChildSpec::job(name, move |_| {
        let notes = notes.clone();
        async move {
            notes.add(format!("{}", begun.elapsed().as_secs()));
            sleep(takes).await;
        }
    })
    .scheduled("every ten seconds", |_| sleep(secs(10)))
}

async fn start(children: impl IntoIterator<Item = ChildSpec>) -> SupervisorHandle {
    Supervisor::start(SupervisorSpec::root(children)).await.unwrap()
}

async fn until(second: u64, begun: Instant) {
    tokio::time::sleep_until(begun + secs(second) + Duration::from_millis(500)).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_has_a_run_each_time_and_says_why() {
    let (notes, begun) = (Notes::default(), Instant::now());
    let handle = start([ticking("a", &notes, secs(1)), service("b")]).await;
    let (_, mut events) = handle.subscribe();
    assert_eq!(lifecycle(&handle, "/a"), Lifecycle::Declared);
    let first = event(&mut events, "/a", EventKind::ChildRunning).await;
    assert_eq!(first.event.cause, Cause::Schedule);
    until(32, begun).await;
    assert_eq!(notes.take(), ["10", "20", "30"]);
    assert_eq!(lifecycle(&handle, "/a"), Lifecycle::Completed);
    handle.restart_child("/a", "test", "now").await.unwrap();
    until(35, begun).await;
    assert_eq!(notes.take(), ["32"]);
    handle.pause_child("/a", "test", "a rest").await.unwrap();
    until(55, begun).await;
    handle.resume_child("/a", "test", "on").await.unwrap();
    until(62, begun).await;
    assert_eq!(notes.take(), ["60"]);
    handle.shutdown("test", "over").await.unwrap();
    until(100, begun).await;
    assert!(notes.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_time_that_comes_during_a_run_is_left_out_or_made_up_for_once() {
    for (missed, runs) in [(Missed::Skip, ["10", "40"]), (Missed::RunOnce, ["10", "36"])] {
        let (notes, begun) = (Notes::default(), Instant::now());
        // It is over between two looks at it, which are a second apart.
        let run = secs(25) + Duration::from_millis(500);
        let handle = start([ticking("a", &notes, run).missed(missed)]).await;
        until(41, begun).await;
        assert_eq!(notes.take(), runs, "{missed:?}");
        let told = handle.logs("/a").unwrap().iter().filter(|line| line.message.contains("left out")).count();
        assert_eq!(told, if missed == Missed::Skip { 2 } else { 0 });
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_time_ends_with_the_child_the_spec_and_the_tree() {
    let notes = Notes::default();
    let waits = |says: &str| {
        let (notes, says) = (notes.clone(), says.to_owned());
        ChildSpec::job("a", |_| async {}).scheduled(says.clone(), move |times| {
            let gone = OnDrop(notes.clone(), "no longer");
            notes.add(format!("waits {says}"));
            times.next_is(format!("at {says}"));
            async move {
                let _gone = gone;
                pending().await
            }
        })
    };
    let spec = |says| SupervisorSpec::root([waits(says), service("b")]);
    let handle = Supervisor::start(spec("noon")).await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["waits noon"]);
    let shown = |handle: &SupervisorHandle| handle.child("/a").unwrap().diagnostics;
    assert_eq!(shown(&handle), [("schedule", "at noon".to_owned())].into());
    // Nothing is begun anew where it says the same.
    handle.apply(spec("noon"), "test", "the same").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), [""; 0]);
    handle.apply(spec("night"), "test", "another").await.unwrap();
    settle().await;
    let mut told = notes.take();
    told.sort();
    assert_eq!(told, ["no longer", "waits night"]);
    handle.remove_child("/a", "test", "away").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["no longer"]);
    handle.apply(spec("noon"), "test", "back").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["waits noon"]);
    handle.shutdown("test", "over").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["no longer"]);
}
