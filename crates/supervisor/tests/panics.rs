//! Panics are contained (D14).
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use common::{event, idle, ms, secs, service, settle, start, state};
use tokio_supervisor::{ChildSpec, EventKind, Exit, Lifecycle, RestartType, SupervisorSpec};

/// The exit of a temporary job that runs this once.
async fn exit_of(child: ChildSpec) -> Exit {
    let handle = start(SupervisorSpec::root([child, service("neighbour")])).await;
    state(&handle, "/job", Lifecycle::Failed).await;
    assert_eq!(handle.child("neighbour").unwrap().state.generation, 1, "nobody else is touched");
    let failure = handle.child("job").unwrap().state.last_failure.unwrap();
    handle.shutdown("test", "done").await.unwrap();
    failure
}

#[track_caller]
fn panicked(exit: Exit, message: &str) {
    let Exit::Panicked { message: found, location } = exit else { panic!("{exit}") };
    assert_eq!(&*found, message);
    assert!(location.as_deref().is_some_and(|at| at.contains("tests/panics.rs:")), "{location:?}");
}

#[tokio::test(start_paused = true)]
async fn d14_in_the_future() {
    let job = ChildSpec::job("job", |_| async {
        tokio::time::sleep(ms(1)).await;
        panic!("in the future");
        #[allow(unreachable_code)]
        ()
    });
    panicked(exit_of(job).await, "in the future");
}

#[tokio::test(start_paused = true)]
async fn d14_in_the_factory() {
    let job = ChildSpec::job("job", |ctx| {
        assert!(ctx.generation() > 1, "in the factory");
        async {}
    });
    panicked(exit_of(job).await, "in the factory");
}

#[tokio::test(start_paused = true)]
async fn d14_in_the_drop_of_the_future() {
    struct Bomb;
    impl Future for Bomb {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the drop");
        }
    }
    panicked(exit_of(ChildSpec::job("job", |_| Bomb)).await, "in the drop");
}

#[tokio::test(start_paused = true)]
async fn d14_in_the_display_of_the_error() {
    struct Bad;
    impl fmt::Display for Bad {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("in the display");
        }
    }
    panicked(exit_of(ChildSpec::job("job", |_| async { Err::<(), _>(Bad) })).await, "in the display");
}

#[tokio::test(start_paused = true)]
async fn d14_in_a_spawned_task() {
    let job = ChildSpec::job("job", |ctx| async move {
        ctx.spawn(async {
            tokio::time::sleep(ms(1)).await;
            panic!("in a spawned task");
        });
        idle(ctx).await;
    });
    panicked(exit_of(job).await, "in a spawned task");
}

#[tokio::test]
async fn d14_on_a_thread_of_its_own() {
    let job = ChildSpec::blocking("job", |_| panic!("on a thread") as ()).role(tokio_supervisor::Role::Job);
    panicked(exit_of(job).await, "on a thread");
}

#[tokio::test(start_paused = true)]
async fn d14_in_the_drop_of_a_run_that_is_aborted() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("while aborted");
        }
    }
    let child = ChildSpec::service("job", |_| async {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
    });
    let handle = start(SupervisorSpec::root([child.grace(secs(1))])).await;
    handle.pause_child("job", "test", "stop").await.unwrap();
    panicked(handle.exits("job").unwrap()[0].exit.clone(), "while aborted");
}

#[tokio::test(start_paused = true)]
async fn d14_a_child_that_fails_at_once_lets_others_go_on() {
    let child = ChildSpec::service("a", |_| async { Err::<(), _>("at once") });
    let tree = SupervisorSpec::root([child.backoff(tokio_supervisor::Backoff::none()), service("b")]);
    let handle = start(tree.unlimited()).await;
    for _ in 0..1000 {
        settle().await;
        if handle.child("a").unwrap().state.restart_count > 300 {
            break;
        }
    }
    assert!(handle.child("a").unwrap().state.restart_count > 300);
    handle.shutdown("test", "done").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn r19_a_panicking_temporary_child_goes_without_a_charge() {
    let child = ChildSpec::worker("a", |_| async { panic!("gone") as () }).restart(RestartType::Temporary);
    let handle = start(SupervisorSpec::root([child, service("b")]).budget(0, secs(5))).await;
    let mut events = handle.events_after(0);
    event(&mut events, "/a", EventKind::ChildPanicked).await;
    settle().await;
    assert!(handle.is_alive() && handle.child("/a").is_err());
}
