//! What a child holds over its restarts, and when it is let go.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::sync::Arc;

use common::{Notes, OnDrop, idle, settle, start};
use tokio_supervisor::{ChildContext, ChildSpec, SupervisorHandle, SupervisorSpec};

/// Made by the first run; each run notes whether it found it.
fn holder(name: &str, notes: &Notes) -> ChildSpec {
    let notes = notes.clone();
    ChildSpec::service(name, move |ctx| run(ctx, notes.clone()))
}

async fn run(ctx: ChildContext, notes: Notes) {
    assert!(ctx.held::<String>().is_none(), "what is held is no text");
    match ctx.held::<OnDrop>() {
        Some(_) => notes.add("found"),
        None => {
            notes.add("made");
            ctx.hold(Arc::new(OnDrop(notes, "let go")));
        }
    }
    idle(ctx).await;
}

async fn away(handle: &SupervisorHandle, child: &str) {
    handle.remove_child(child, "test", "away").await.unwrap();
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_child_holds_is_there_for_its_next_run_until_the_tree_has_ended() {
    let notes = Notes::default();
    let handle = start(SupervisorSpec::root([holder("a", &notes)])).await;
    handle.restart_child("a", "test", "again").await.unwrap();
    handle.pause_child("a", "test", "a rest").await.unwrap();
    handle.resume_child("a", "test", "on").await.unwrap();
    handle.quarantine_child("a", "test", "parked").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["made", "found", "found"]);
    // Another factory: another program, say, in its place.
    let spec = SupervisorSpec::root([holder("a", &notes)]);
    handle.apply(spec, "test", "a new spec").await.unwrap();
    handle.resume_child("a", "test", "on").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["found"]);
    handle.shutdown("test", "it is over").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["let go"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_child_holds_is_let_go_when_it_is_removed_also_where_it_comes_back() {
    let notes = Notes::default();
    let group = ChildSpec::supervisor(SupervisorSpec::new("group").children([holder("declared", &notes)]));
    let handle = start(SupervisorSpec::root([group])).await;
    away(&handle, "/group/declared").await;
    assert_eq!(notes.take(), ["made", "let go"]);
    handle.restart_child("group", "test", "it comes back").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["made"]);
    handle.add_child_spec("/", holder("added", &notes), "test", "one more").await.unwrap();
    settle().await;
    away(&handle, "/added").await;
    assert_eq!(notes.take(), ["made", "let go"]);
    handle.apply(SupervisorSpec::root([]), "test", "nobody").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["let go"]);
}

#[tokio::test(start_paused = true)]
async fn one_value_is_held_and_a_run_that_is_over_holds_nothing() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::service("a", move |ctx| {
        let notes = noted.clone();
        async move {
            ctx.hold(Arc::new(OnDrop(notes.clone(), "first")));
            ctx.hold(Arc::new(OnDrop(notes.clone(), "second")));
            let late = ctx.clone();
            tokio::spawn(async move {
                while !rests(&late) {
                    tokio::task::yield_now().await;
                }
                late.hold(Arc::new(OnDrop(notes, "late")));
            });
            idle(ctx).await;
        }
    });
    let handle = start(SupervisorSpec::root([child])).await;
    settle().await;
    assert_eq!(notes.take(), ["first"]);
    handle.pause_child("a", "test", "a rest").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["late"]);
}

/// Whether the child rests: its run is over.
fn rests(ctx: &ChildContext) -> bool {
    use tokio_supervisor::Lifecycle::Paused;
    ctx.handle().child("a").is_ok_and(|child| child.state.lifecycle_state == Paused)
}
