//! A command that carries an id of its caller can be followed through the events.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::time::Duration;

use common::{control, event, secs, service, settle, start};
use tokio_supervisor::{
    ChildSpec, EventItem, EventKind, Lifecycle, StampedEvent, SupervisorError, SupervisorHandle,
    SupervisorSpec,
};

/// A run that does not stop before its grace is over.
fn stubborn(name: &str) -> ChildSpec {
    ChildSpec::service(name, |_| std::future::pending::<()>()).grace(secs(5))
}

fn told(handle: &SupervisorHandle) -> Vec<StampedEvent> {
    let mut events = handle.events_after(0);
    std::iter::from_fn(|| match events.try_next() {
        Some(EventItem::Event(event)) => Some(*event),
        _ => None,
    })
    .collect()
}

/// What is told under an id, as path and kind.
fn under(handle: &SupervisorHandle, id: &str) -> Vec<(String, EventKind)> {
    let told = told(handle).into_iter().filter(|event| event.correlation_id() == Some(id));
    told.map(|event| (event.path.to_string(), event.event.kind)).collect()
}

fn text(event: &StampedEvent) -> Option<&str> {
    event.event.detail.as_ref()?.text.as_deref()
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_command_repeat_its_id_from_the_first_to_the_outcome() {
    let handle = start(SupervisorSpec::root([service("a"), stubborn("b")])).await;
    let named = handle.with_command_id("c-1").unwrap();
    control(named.restart_child("b", "ops", "leak").await.unwrap());
    let kinds: Vec<_> = under(&handle, "c-1").into_iter().filter(|(path, _)| path == "/b").collect();
    let kinds: Vec<_> = kinds.into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds.first(), Some(&EventKind::ChildStopping), "{kinds:?}");
    assert_eq!(kinds[1], EventKind::CommandAccepted, "{kinds:?}");
    assert_eq!(kinds.last(), Some(&EventKind::CommandCompleted), "{kinds:?}");
    assert!(kinds.contains(&EventKind::ChildRunning), "{kinds:?}");

    let completed = told(&handle).pop().unwrap();
    let detail = completed.event.detail.as_ref().unwrap();
    assert_eq!((completed.event.kind, completed.event.numbers[0]), (EventKind::CommandCompleted, 5000));
    assert_eq!((detail.requested_by.as_deref(), detail.reason.as_deref()), (Some("ops"), Some("leak")));
    assert_eq!((text(&completed), completed.event.row.lifecycle), (None, Lifecycle::Running));
    assert_eq!(completed.event.row, handle.row(handle.find("b").unwrap()).unwrap());
    let json = serde_json::to_value(&completed).unwrap();
    assert_eq!((&json["correlation_id"], &json["payload"]["took_ms"]), (&"c-1".into(), &5000.into()));

    // Other commands, and the same handle without the id, are not told under it.
    let before = under(&handle, "c-1").len();
    control(handle.pause_child("a", "ops", "x").await.unwrap());
    assert_eq!(under(&handle, "c-1").len(), before);
    assert!(told(&handle).iter().filter(|event| event.path.as_str() == "/a").all(|event| {
        event.correlation_id().is_none()
            && !matches!(event.event.kind, EventKind::CommandAccepted | EventKind::CommandCompleted)
    }));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_done_at_once_is_completed_and_never_goes_on() {
    let handle = start(SupervisorSpec::root([service("a")])).await;
    handle.pause_child("a", "ops", "x").await.unwrap();
    let again = handle.with_command_id("twice").unwrap().pause_child("a", "ops", "x").await.unwrap();
    assert!(control(again).idempotent);
    assert_eq!(under(&handle, "twice"), [("/a".to_owned(), EventKind::CommandCompleted)]);
}

#[tokio::test(start_paused = true)]
async fn of_a_refused_command_nothing_is_told() {
    let handle = start(SupervisorSpec::root([service("a")])).await;
    let named = handle.with_command_id("c").unwrap();
    assert!(matches!(
        named.restart_child("nobody", "ops", "x").await,
        Err(SupervisorError::ChildNotFound { .. })
    ));
    assert!(named.pause_child("/", "ops", "x").await.is_err());
    assert!(named.pause_child("a", "", "x").await.is_err());
    assert_eq!(under(&handle, "c"), []);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_other_than_wished_has_a_text() {
    let failing = ChildSpec::service("late", |ctx| async move {
        if ctx.generation() > 1 {
            return Err("not again");
        }
        ctx.ready();
        ctx.stopping().await;
        Ok(())
    });
    let failing = failing.ready_within(secs(3));
    let handle = start(SupervisorSpec::root([failing])).await;
    let named = handle.with_command_id("c").unwrap();
    let outcome = control(named.restart_child("late", "ops", "x").await.unwrap());
    let completed = told(&handle).into_iter().find(|event| event.event.kind == EventKind::CommandCompleted);
    let completed = completed.unwrap();
    assert!(outcome.failure.is_some(), "{outcome:?}");
    assert_eq!(text(&completed), outcome.failure.as_deref());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_goes_on_and_tells_its_outcome() {
    let handle = start(SupervisorSpec::root([stubborn("b")])).await;
    let mut events = handle.subscribe_events();
    let named = handle.with_command_id("gone").unwrap();
    let call = named.pause_child("b", "ops", "x");
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    let completed = event(&mut events, "/b", EventKind::CommandCompleted).await;
    assert_eq!(completed.correlation_id(), Some("gone"));
    assert_eq!(completed.event.row.lifecycle, Lifecycle::Paused);
}

#[tokio::test(start_paused = true)]
async fn additions_removals_and_the_shutdown_are_told_of_whom_they_are_about() {
    let handle = start(SupervisorSpec::root([service("a")])).await;
    let named = |id: &str| handle.with_command_id(id).unwrap();
    named("add").add_child_spec("/", service("b"), "ops", "x").await.unwrap();
    named("remove").remove_child("b", "ops", "x").await.unwrap();
    settle().await;
    named("add-2").add_child_spec("/", service("c"), "ops", "x").await.unwrap();
    named("end").shutdown_tree("ops", "x").await.unwrap();
    for (id, path) in [("add", "/b"), ("remove", "/b"), ("add-2", "/c"), ("end", "/")] {
        let told = under(&handle, id);
        assert_eq!(told.last(), Some(&(path.to_owned(), EventKind::CommandCompleted)), "{id}: {told:?}");
    }
    let removed = told(&handle).into_iter().rfind(|event| event.correlation_id() == Some("remove"));
    assert_eq!(removed.unwrap().event.row.lifecycle, Lifecycle::Removed);
    assert!(under(&handle, "add").contains(&("/b".to_owned(), EventKind::ChildDeclarationAccepted)));
    assert!(under(&handle, "end").contains(&("/a".to_owned(), EventKind::ChildStopping)));
    assert!(under(&handle, "end").contains(&("/".to_owned(), EventKind::ShutdownCompleted)));
}

#[tokio::test(start_paused = true)]
async fn an_id_has_1_to_128_printable_bytes() {
    let handle = start(SupervisorSpec::root([service("a")])).await;
    for bad in ["", "  ", "a\nb", "ä", &"x".repeat(129)] {
        let refused = handle.with_command_id(bad);
        assert!(matches!(refused, Err(SupervisorError::InvalidTransition { .. })), "{bad:?}");
    }
    handle.with_command_id("x".repeat(128)).unwrap().pause_child("a", "ops", "x").await.unwrap();
}
