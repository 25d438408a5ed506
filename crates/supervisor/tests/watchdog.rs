//! The watchdog (D13): it notices in real time what does not move, and decides nothing.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Notes, ms, secs, service, settle, start};
use tokio_supervisor::{ChildSpec, SupervisorSpec};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d13_a_poll_that_does_not_move_is_published_and_told_once() {
    let release = Arc::new(AtomicBool::new(false));
    let told = Notes::default();
    let (held, noted) = (Arc::clone(&release), told.clone());
    let child = ChildSpec::service("hog", move |ctx| {
        let held = Arc::clone(&held);
        async move {
            ctx.phase("counting");
            while !held.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            ctx.stopping().await;
        }
    });
    let tree = SupervisorSpec::root([child, service("b")])
        .stuck_after(Some(ms(40)))
        .on_stuck(move |stuck| noted.add(stuck.name.as_ref()));
    let handle = start(tree).await;
    let stuck = loop {
        if let Some(stuck) = handle.health().stuck.into_iter().find(|stuck| &*stuck.name == "/hog") {
            break stuck;
        }
        tokio::time::sleep(ms(5)).await;
    };
    assert!(stuck.age_nanos >= 40_000_000 && stuck.phase.contains("counting"), "{stuck:?}");
    assert!(handle.is_alive());
    tokio::time::sleep(ms(200)).await;
    release.store(true, Ordering::Release);
    while handle.health().stuck.iter().any(|stuck| &*stuck.name == "/hog") {
        tokio::time::sleep(ms(5)).await;
    }
    assert_eq!(told.all().iter().filter(|name| *name == "/hog").count(), 1);
    handle.shutdown("test", "done").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d13_the_log_of_a_child_tells_once_of_a_poll_that_blocks_and_once_of_its_end() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let child = ChildSpec::service("hog", move |ctx| {
        let held = Arc::clone(&held);
        async move {
            held.lock().unwrap().recv().unwrap();
            tokio::task::yield_now().await;
            held.lock().unwrap().recv().unwrap();
            ctx.stopping().await;
        }
    });
    let handle = start(SupervisorSpec::root([child, service("b")]).stuck_after(Some(ms(40)))).await;
    let lines =
        || -> Vec<String> { handle.logs("/hog").unwrap().iter().map(|line| line.message.clone()).collect() };
    let begins = "one poll blocks its worker, and has for ";
    let ends = "the poll that blocked its worker is over; it took about ";
    let mut expected = Vec::new();
    for _ in 0..2 {
        expected.push(begins);
        while lines().len() < expected.len() {
            tokio::time::sleep(ms(5)).await;
        }
        // It is told of once, however often it is looked at.
        let age =
            || handle.health().stuck.iter().find(|stuck| &*stuck.name == "/hog").map(|stuck| stuck.age_nanos);
        while age().is_none_or(|age| age < 150_000_000) {
            tokio::time::sleep(ms(5)).await;
        }
        assert_eq!(lines().len(), expected.len(), "{:?}", lines());
        release.send(()).unwrap();
        expected.push(ends);
        while lines().len() < expected.len() {
            tokio::time::sleep(ms(5)).await;
        }
    }
    for (line, expected) in lines().iter().zip(expected) {
        assert!(line.starts_with(expected) && line.ends_with(" s"), "{line}");
    }
    assert!(handle.logs("/b").unwrap().is_empty());
    handle.shutdown("test", "done").await.unwrap();
}

#[test]
fn d13_a_loop_that_does_not_move_is_published() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tree = SupervisorSpec::root([service("a")]).stuck_after(Some(ms(40)));
    let handle = runtime.block_on(async {
        let handle = start(tree).await;
        settle().await;
        handle
    });
    // Nobody runs the runtime now.
    while !handle.health().stuck.iter().any(|stuck| &*stuck.name == "loop") {
        std::thread::yield_now();
    }
    assert!(handle.is_alive(), "reads do not need the loop");
    runtime.block_on(async {
        while !handle.health().stuck.is_empty() {
            tokio::time::sleep(ms(5)).await;
        }
        handle.shutdown("test", "done").await.unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn d13_under_paused_time_nobody_is_stuck() {
    let handle = start(SupervisorSpec::root([service("a")]).stuck_after(Some(ms(20)))).await;
    let waited = tokio::task::spawn_blocking(|| {
        // Real time has to pass while the loop does nothing.
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(ms(200));
    });
    waited.await.unwrap();
    tokio::time::sleep(secs(1000)).await;
    assert!(handle.health().stuck.is_empty(), "{:?}", handle.health().stuck);
}
