//! One life, one number (D5); at most one of them at any instant (D6).
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::sync::Mutex;

use common::{
    Counter, Notes, OnDrop, control, event, idle, lifecycle, ms, secs, service, settle, start, state,
};
use tokio_supervisor::{ChildContext, ChildSpec, EventKind, Exit, Lifecycle, RestartType, SupervisorSpec};

#[tokio::test(start_paused = true)]
async fn d5_a_report_of_an_older_run_changes_nothing_and_is_counted() {
    static OLD: Mutex<Option<ChildContext>> = Mutex::new(None);
    let child = ChildSpec::service("a", |ctx| async move {
        if ctx.generation() == 1 {
            *OLD.lock().unwrap() = Some(ctx.clone());
            ctx.ready();
        }
        idle(ctx).await;
    })
    .ready_eventually();
    let handle = start(SupervisorSpec::root([child])).await;
    let restart = tokio::spawn({
        let handle = handle.clone();
        async move { handle.restart_child("a", "test", "again").await }
    });
    state(&handle, "/a", Lifecycle::Starting).await;
    let old = OLD.lock().unwrap().take().unwrap();
    assert_eq!((old.generation(), old.is_stopping()), (1, true));
    old.ready();
    old.heartbeat();
    old.phase("a ghost");
    settle().await;
    assert_eq!(handle.stale_messages(), 2);
    assert_eq!(lifecycle(&handle, "/a"), Lifecycle::Starting, "only the new run can say that it is ready");
    assert_eq!(handle.child("/a").unwrap().phase, None);
    restart.abort();
}

#[tokio::test(start_paused = true)]
async fn d5_a_child_that_is_removed_and_added_again_is_another_child() {
    let handle = start(SupervisorSpec::root([service("a")])).await;
    let first = handle.find("/a").unwrap();
    handle.restart_child("a", "test", "again").await.unwrap();
    assert_eq!(handle.row(first).unwrap().generation, 2);
    handle.remove_child("a", "test", "away").await.unwrap();
    handle.add_child_spec("/", service("a"), "test", "back").await.unwrap();
    let second = handle.child("/a").unwrap();
    assert_ne!(second.key, first);
    assert_eq!(second.state.generation, 1);
    assert!(handle.child(first).is_err(), "an old key names nobody");
}

#[tokio::test(start_paused = true)]
async fn d6_a_new_run_starts_only_after_the_old_one_is_dropped() {
    let (live, most) = (Counter::default(), Notes::default());
    let (counted, noted) = (live.clone(), most.clone());
    let child = ChildSpec::service("a", move |ctx| {
        struct Live(Counter);
        impl Drop for Live {
            fn drop(&mut self) {
                self.0.sub();
            }
        }
        let (live, noted) = (counted.clone(), noted.clone());
        async move {
            noted.add(live.add().to_string());
            let _live = Live(live);
            ctx.stopping().await;
            tokio::time::sleep(secs(1)).await;
        }
    });
    let handle = start(SupervisorSpec::root([child])).await;
    for _ in 0..3 {
        handle.restart_child("a", "test", "again").await.unwrap();
    }
    settle().await;
    assert_eq!(most.all(), ["1", "1", "1", "1"]);
    assert_eq!(live.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn d6_an_exit_is_reported_only_after_spawned_tasks_are_gone() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::worker("a", move |ctx| {
        let noted = noted.clone();
        async move {
            let (inner, notes) = (ctx.clone(), noted.clone());
            ctx.spawn(async move {
                let _gone = OnDrop(notes.clone(), "task gone");
                let request = inner.stopping().await;
                notes.add(format!("task asked, {:?} left", request.grace_left().unwrap()));
                tokio::time::sleep(secs(2)).await;
            });
            tokio::time::sleep(ms(5)).await;
            noted.add("run over");
        }
    });
    let handle = start(SupervisorSpec::root([child])).await;
    let mut events = handle.events_after(0);
    let completed = event(&mut events, "/a", EventKind::ChildCompleted).await;
    assert_eq!(notes.all(), ["run over", "task asked, 5s left", "task gone"]);
    assert_eq!(completed.at, 2_005_000_000);
}

#[tokio::test(start_paused = true)]
async fn d6_spawned_tasks_that_outlast_the_grace_are_dropped() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::worker("a", move |ctx| {
        let noted = noted.clone();
        async move {
            ctx.spawn(async move {
                let _gone = OnDrop(noted, "task dropped");
                std::future::pending::<()>().await;
            });
            tokio::task::yield_now().await;
        }
    });
    let handle = start(SupervisorSpec::root([child.grace(secs(3))])).await;
    let mut events = handle.events_after(0);
    let completed = event(&mut events, "/a", EventKind::ChildCompleted).await;
    assert_eq!((completed.at, notes.all()), (3_000_000_000, vec!["task dropped".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn d6_a_kill_drops_spawned_tasks_too() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::service("a", move |ctx| {
        let noted = noted.clone();
        async move {
            ctx.spawn(async move {
                let _gone = OnDrop(noted, "task dropped");
                std::future::pending::<()>().await;
            });
            std::future::pending::<()>().await;
        }
    });
    let handle = start(SupervisorSpec::root([child.grace(secs(3))])).await;
    settle().await;
    let outcome = control(handle.pause_child("a", "test", "stop").await.unwrap());
    assert_eq!((outcome.state_after, notes.all()), (Lifecycle::Paused, vec!["task dropped".to_owned()]));
    assert_eq!(handle.exits("a").unwrap()[0].exit, Exit::Aborted);
}

#[tokio::test(start_paused = true)]
async fn a_task_spawned_in_a_run_that_is_over_is_dropped_at_once() {
    static OLD: Mutex<Option<ChildContext>> = Mutex::new(None);
    let child = ChildSpec::worker("a", |ctx| async move {
        *OLD.lock().unwrap() = Some(ctx);
    });
    let handle = start(SupervisorSpec::root([child])).await;
    state(&handle, "/a", Lifecycle::Completed).await;
    let notes = Notes::default();
    let dropped = OnDrop(notes.clone(), "dropped");
    let old = OLD.lock().unwrap().take().unwrap();
    old.spawn(async move {
        let _dropped = dropped;
        std::future::pending::<()>().await;
    });
    assert_eq!(notes.all(), ["dropped"]);
    assert!(old.token().is_cancelled());
    old.stopping().await;
    old.killed().await;
}

#[tokio::test(start_paused = true)]
async fn r48_a_temporary_child_that_comes_back_with_its_supervisor_leaves_no_task_and_no_lines_behind() {
    let once = ChildSpec::worker("once", |ctx: ChildContext| async move {
        for _ in 0..15 {
            ctx.log(tokio_supervisor::Severity::Info, "x".repeat(16 * 1024), [("", ""); 0]);
        }
    })
    .restart(RestartType::Temporary);
    let nested = SupervisorSpec::new("nested").children([service("a"), once]);
    let talks = ChildSpec::service("talks", |ctx| async move {
        ctx.log(tokio_supervisor::Severity::Info, "a word", [("", ""); 0]);
        idle(ctx).await;
    });
    let handle = start(SupervisorSpec::root([ChildSpec::supervisor(nested), talks])).await;
    settle().await;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // Enough lines for the room of a whole tree, if nobody gave any back.
    for _ in 0..300 {
        handle.restart_child("/nested", "test", "again").await.unwrap();
        settle().await;
    }
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), tasks);
    handle.restart_child("/talks", "test", "speak").await.unwrap();
    assert!(!handle.logs("/talks").unwrap().is_empty(), "there is room for the lines of others");
}
