//! An operator's signal goes to runs that take it, and to nobody else.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{Notes, control, event, idle, service, settle, start};
use tokio_supervisor::api::manifest::StopSignal;
use tokio_supervisor::api::policy::Signals;
use tokio_supervisor::{
    ChildSpec, EventKind, Lifecycle, Permissions, SupervisorError, SupervisorHandle, SupervisorSpec,
};

/// A run that notes the signals it is sent, and cannot send SIGQUIT.
fn noting(name: &str, notes: &Notes) -> ChildSpec {
    let notes = notes.clone();
    ChildSpec::managed(name, move |ctx| {
        let (notes, generation) = (notes.clone(), ctx.generation());
        async move {
            ctx.on_signal(move |signal| match signal {
                StopSignal::Quit => Err("it has no group".to_owned()),
                StopSignal::Usr2 => panic!("a mistake"),
                _ => {
                    notes.add(format!("{generation} {signal}"));
                    Ok(())
                }
            });
            idle(ctx).await;
        }
    })
}

async fn refused(handle: &SupervisorHandle, child: &str, signal: StopSignal) -> SupervisorError {
    let before = handle.snapshot().sequence();
    let error = handle.signal_child(child, signal, "ops", "x").await.unwrap_err();
    assert_eq!(handle.snapshot().sequence(), before, "nothing is told of what is refused");
    error
}

#[tokio::test(start_paused = true)]
async fn a_signal_is_delivered_to_the_run_that_is_on_and_told() {
    let notes = Notes::default();
    let handle = start(SupervisorSpec::root([noting("a", &notes)])).await;
    settle().await;
    let mut events = handle.subscribe_events();
    let named = handle.with_command_id("c-9").unwrap();
    let sent = control(named.signal_child("a", StopSignal::Hup, "ops", "new keys").await.unwrap());
    assert_eq!((sent.path.as_str(), sent.generation, sent.state_after), ("/a", 1, Lifecycle::Running));
    let told = event(&mut events, "/a", EventKind::ChildSignalled).await;
    assert_eq!(told.correlation_id(), Some("c-9"));
    assert_eq!(told.to_string(), "/a was sent a signal: SIGHUP by ops (new keys)");
    assert_eq!(told.event.row, handle.row(told.event.child).unwrap(), "it changes nothing");
    let completed = event(&mut events, "/a", EventKind::CommandCompleted).await;
    assert_eq!(completed.correlation_id(), Some("c-9"));

    handle.restart_child("a", "ops", "x").await.unwrap();
    settle().await;
    handle.signal_child("/a", StopSignal::Usr1, "ops", "x").await.unwrap();
    assert_eq!(notes.all(), ["1 SIGHUP", "2 SIGUSR1"]);
}

#[tokio::test(start_paused = true)]
async fn who_takes_no_signals_refuses_them() {
    let notes = Notes::default();
    let nested = ChildSpec::supervisor(SupervisorSpec::new("n").children([service("x")]));
    let handle = start(SupervisorSpec::root([noting("a", &notes), service("task"), nested])).await;
    settle().await;
    for child in ["/", "task", "n"] {
        let error = refused(&handle, child, StopSignal::Hup).await;
        assert!(matches!(error, SupervisorError::InvalidTransition { .. }), "{child}: {error}");
        assert!(error.to_string().contains("takes no signals"), "{error}");
    }
    let error = refused(&handle, "nobody", StopSignal::Hup).await;
    assert!(matches!(error, SupervisorError::ChildNotFound { .. }), "{error}");
    let error = refused(&handle, "a", StopSignal::Quit).await;
    assert!(error.to_string().contains("it has no group"), "{error}");
    let error = refused(&handle, "a", StopSignal::Usr2).await;
    assert!(error.to_string().contains("a mistake"), "{error}");
    assert!(handle.signal_child("a", StopSignal::Hup, "", "x").await.is_err());

    handle.pause_child("a", "ops", "x").await.unwrap();
    let error = refused(&handle, "a", StopSignal::Hup).await;
    assert!(error.to_string().contains("paused"), "{error}");
    assert!(notes.all().is_empty());
    handle.shutdown("ops", "x").await.unwrap();
    let late = handle.signal_child("a", StopSignal::Hup, "ops", "x").await;
    assert!(matches!(late, Err(SupervisorError::Ended { .. })), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reload_is_the_signal_that_the_child_says_and_goes_where_the_run_says() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::managed("a", move |ctx| {
        let notes = noted.clone();
        async move {
            ctx.on_signal(|_| Err("a reload is another thing".to_owned()));
            ctx.on_reload(move |signal| {
                notes.add(signal.to_string());
                Ok(())
            });
            idle(ctx).await;
        }
    });
    let handle =
        start(SupervisorSpec::root([child.clone(), noting("b", &notes).reload_signal(StopSignal::Hup)]))
            .await;
    settle().await;
    let error = handle.reload_child("a", "ops", "new keys").await.unwrap_err();
    assert!(error.to_string().contains("/a has no `reload_signal`"), "{error}");
    let error = handle.reload_child("b", "ops", "new keys").await.unwrap_err();
    assert!(error.to_string().contains("takes no signals"), "{error}");
    // A new spec says it, and nothing is restarted for it.
    let spec = SupervisorSpec::root([child.clone().reload_signal(StopSignal::Usr1)]);
    handle.apply(spec, "ops", "it can reload").await.unwrap();
    assert_eq!(handle.child("a").unwrap().reload_signal, Some(StopSignal::Usr1));
    let mut events = handle.subscribe_events();
    handle.reload_child("a", "ops", "new keys").await.unwrap();
    let told = event(&mut events, "/a", EventKind::ChildSignalled).await;
    assert_eq!(told.to_string(), "/a was sent a signal: SIGUSR1 by ops (new keys)");
    assert_eq!((told.event.row.generation, notes.all()), (1, vec!["SIGUSR1".to_owned()]));
    let only = Permissions { signals: Signals::of([StopSignal::Hup]), ..Permissions::default() };
    let spec = SupervisorSpec::root([child.reload_signal(StopSignal::Usr1).permissions(only)]);
    handle.apply(spec, "ops", "it may not").await.unwrap();
    let refused = handle.reload_child("a", "ops", "new keys").await;
    assert!(matches!(refused, Err(SupervisorError::NotPermitted { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn only_permitted_signals_are_sent() {
    let notes = Notes::default();
    let only = Permissions { signals: Signals::of([StopSignal::Hup]), ..Permissions::default() };
    let handle = start(SupervisorSpec::root([noting("a", &notes).permissions(only)])).await;
    settle().await;
    handle.signal_child("a", StopSignal::Hup, "ops", "x").await.unwrap();
    let error = refused(&handle, "a", StopSignal::Term).await;
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("authz_denied", "/a does not allow signal_child")
    );
    assert_eq!(notes.all(), ["1 SIGHUP"]);
}
