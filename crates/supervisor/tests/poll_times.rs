//! How long tasks are being polled.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use common::{ms, service, start};
use tokio_supervisor::{ChildSpec, SupervisorSpec};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_that_goes_on_is_seen_by_its_length_and_those_that_are_over_are_counted() {
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let blocks = ChildSpec::service("blocks", move |ctx| {
        let held = Arc::clone(&held);
        async move {
            tokio::task::yield_now().await;
            held.lock().unwrap().recv().unwrap();
            ctx.stopping().await;
        }
    });
    let handle = start(SupervisorSpec::root([blocks.poll_times(), service("b")])).await;
    let read = || handle.child("/blocks").unwrap().poll_times.unwrap_or_default();
    let longest = || read().longest_poll_micros;
    while longest() < 50_000 {
        tokio::time::sleep(ms(5)).await;
    }
    let during = read();
    assert_eq!(during.polls, 1, "{during:?}");
    assert!(during.busy_percent > 50 && during.busy_millis >= 50, "{during:?}");
    release.send(()).unwrap();
    while read().polls < 2 {
        tokio::time::sleep(ms(5)).await;
    }
    let after = read();
    assert!(after.longest_poll_micros >= during.longest_poll_micros, "{after:?}");
    assert_eq!(handle.child("/b").unwrap().poll_times, None, "nobody asked for it");
    let all = handle.poll_times();
    assert_eq!(all.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["/blocks"]);
    handle.shutdown("test", "done").await.unwrap();
    assert!(handle.poll_times().is_empty());
}

#[tokio::test]
async fn another_run_begins_at_nothing() {
    let child = ChildSpec::service("a", |ctx| async move {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        ctx.ready();
        ctx.stopping().await;
    });
    let child = child.readiness(tokio_supervisor::ReadinessMode::Explicit).poll_times();
    let handle = start(SupervisorSpec::root([child])).await;
    let polls = || handle.child("/a").unwrap().poll_times.unwrap().polls;
    let before = polls();
    assert!(before >= 20, "{before}");
    handle.restart_child("/a", "test", "again").await.unwrap();
    assert!(polls() < before + 10, "{before}, then {}", polls());
    handle.shutdown("test", "done").await.unwrap();
}
