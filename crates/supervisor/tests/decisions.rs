//! What was decided when a run last ended is in every read of the child.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::collections::HashMap;

use common::{current, event, ms, secs, service, settle, start, state};
use tokio_supervisor::{
    Backoff, ChildSpec, EventItem, EventKind, Lifecycle, OnExhausted, PolicyDecision, RestartType,
    SupervisorHandle, SupervisorSpec,
};

fn decision(handle: &SupervisorHandle, path: &str) -> Option<PolicyDecision> {
    let by_view = handle.child(path).unwrap().state.last_policy_decision;
    let snapshot = handle.snapshot();
    let row = snapshot.iter().find(|row| row.path.as_str() == path).unwrap();
    assert_eq!(row.last_policy_decision, by_view, "a snapshot and a view say the same of {path}");
    let of_state = current(handle).children.into_iter().find(|child| child.child_path.as_str() == path);
    assert_eq!(of_state.unwrap().last_policy_decision, by_view, "so does the state");
    by_view
}

fn failing(name: &str) -> ChildSpec {
    ChildSpec::service(name, |_| async { Err::<(), _>("boom") })
}

#[tokio::test(start_paused = true)]
async fn d9_each_end_of_a_run_leaves_its_decision_in_the_row() {
    let slow = failing("slow").backoff(Backoff::exponential(secs(60), secs(60)));
    let once = ChildSpec::worker("once", |_| async {}).restart(RestartType::Temporary);
    let job = ChildSpec::job("job", |_| async { Ok::<(), &str>(()) });
    let handle = start(SupervisorSpec::root([service("well"), slow, once, job])).await;
    state(&handle, "slow", Lifecycle::Backoff).await;
    state(&handle, "job", Lifecycle::Completed).await;
    assert_eq!(decision(&handle, "/well"), None, "no run has ended");
    assert_eq!(decision(&handle, "/slow"), Some(PolicyDecision::StartAt));
    assert_eq!(decision(&handle, "/job"), Some(PolicyDecision::Nothing));
    handle.pause_child("well", "ops", "x").await.unwrap();
    assert_eq!(decision(&handle, "/well"), None, "an operator decided, no policy");
}

#[tokio::test(start_paused = true)]
async fn a_child_in_the_place_of_another_begins_without_a_decision() {
    let handle = start(SupervisorSpec::root([service("keep")])).await;
    let failing = failing("b").backoff(Backoff::exponential(secs(60), secs(60)));
    handle.add_child_spec("/", failing, "ops", "x").await.unwrap();
    let first = handle.find("b").unwrap();
    state(&handle, "b", Lifecycle::Backoff).await;
    assert_eq!(decision(&handle, "/b"), Some(PolicyDecision::StartAt));
    // A place rests for a while before another child has it.
    for _ in 0..10_000 {
        handle.remove_child("b", "ops", "x").await.unwrap();
        handle.add_child_spec("/", service("b"), "ops", "x").await.unwrap();
        if handle.find("b").unwrap().index == first.index {
            break;
        }
    }
    assert_eq!(handle.find("b").unwrap().index, first.index);
    assert_eq!(decision(&handle, "/b"), None);
}

#[tokio::test(start_paused = true)]
async fn the_rows_say_what_the_events_add_up_to() {
    let quick = Backoff::exponential(ms(10), ms(10));
    let parked = failing("parked").backoff(quick).budget(2, secs(60)).on_exhausted(OnExhausted::Quarantine);
    let done = ChildSpec::job("done", |_| async { Ok::<(), &str>(()) });
    let spec = SupervisorSpec::root([
        service("a"),
        done,
        parked,
        failing("b").backoff(Backoff::exponential(secs(9), secs(9))),
    ]);
    let handle = start(spec.unlimited()).await;
    let mut events = handle.events_after(0);
    event(&mut events, "/parked", EventKind::ChildQuarantined).await;
    handle.restart_child("a", "ops", "x").await.unwrap();
    settle().await;
    let mut folded = HashMap::new();
    let mut events = handle.events_after(0);
    while let Some(EventItem::Event(event)) = events.try_next() {
        if event.event.detail.as_ref().is_some_and(|detail| detail.exit.is_some()) {
            folded.insert(event.path.clone(), event.event.next.decision());
        }
    }
    assert_eq!(folded.len(), 3, "{folded:?}");
    for child in current(&handle).children {
        assert_eq!(
            child.last_policy_decision,
            folded.get(&child.child_path).copied(),
            "{}",
            child.child_path
        );
    }
}
