//! Events, gaps and snapshots: exact, and cut at one point.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{event, idle, ms, secs, service, settle, start};
use tokio_supervisor::{
    Backoff, ChildKey, ChildSpec, EventItem, EventKind, RestartType, Row, Snapshot, SupervisorHandle,
    SupervisorSpec,
};

/// Children that fail as fast as they can, for ever.
fn storm(children: usize) -> SupervisorSpec {
    let child = |n| {
        ChildSpec::service(format!("c{n}"), |ctx| async move {
            if ctx.generation() % 64 == 0 {
                tokio::task::yield_now().await;
            }
            Err::<(), _>("again")
        })
        .backoff(Backoff::none())
    };
    SupervisorSpec::root((0..children).map(child)).unlimited()
}

type View = BTreeMap<ChildKey, (Row, u64)>;

fn view(snapshot: &Snapshot) -> View {
    snapshot.iter().map(|row| (row.key, (row.row, row.as_of))).collect()
}

/// Folds an event the way any reader would.
fn fold(view: &mut View, event: &tokio_supervisor::StampedEvent) {
    let key = event.event.child;
    if event.event.kind == EventKind::ChildRuntimeStateRemoved {
        view.remove(&key);
    } else if view.get(&key).is_none_or(|(_, as_of)| *as_of < event.sequence) {
        view.insert(key, (event.event.row, event.sequence));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_and_the_events_after_it_make_the_next_snapshot() {
    let handle = start(storm(50)).await;
    let mut compared = 0;
    while compared < 20 {
        let (first, mut events) = handle.subscribe();
        let mut folded = view(&first);
        // Much less than is kept, and more than none.
        while handle.snapshot().sequence() < first.sequence() + 200 {
            tokio::task::yield_now().await;
        }
        let second = handle.snapshot();
        let mut lost = false;
        while events.position() < second.sequence() {
            match events.next().await.unwrap() {
                EventItem::Event(event) => fold(&mut folded, &event),
                EventItem::Gap(_) => lost = true,
            }
        }
        if lost || events.position() != second.sequence() {
            continue;
        }
        assert_eq!(folded, view(&second));
        compared += 1;
    }
    handle.shutdown("test", "done").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_exact_while_children_come_and_go() {
    let handle =
        start(SupervisorSpec::root([ChildSpec::supervisor(SupervisorSpec::new("d").dynamic(1000))])).await;
    let churn = tokio::spawn({
        let handle = handle.clone();
        async move {
            for n in 0..400 {
                let child = handle.start_child("/d", service(&format!("c{n}"))).await.unwrap();
                if n % 2 == 0 {
                    handle.terminate_child(&child).await.unwrap();
                }
            }
        }
    });
    while !churn.is_finished() {
        let (first, mut events) = handle.subscribe();
        let mut folded = view(&first);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let second = handle.snapshot();
        while events.position() < second.sequence() {
            let Some(EventItem::Event(event)) = events.next().await else { panic!("nothing is lost here") };
            fold(&mut folded, &event);
        }
        assert_eq!(folded, view(&second));
    }
    churn.await.unwrap();
    assert_eq!(handle.count_children("/d").unwrap().specs, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_and_delivered_make_up_what_was_emitted() {
    let handle = start(storm(200)).await;
    let overtaken = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..8u64)
        .map(|n| {
            let mut events = handle.events_after(0);
            let overtaken = Arc::clone(&overtaken);
            tokio::spawn(async move {
                let (mut delivered, mut lost, mut next) = (0u64, 0u64, 1u64);
                while let Some(item) = events.next().await {
                    match item {
                        EventItem::Event(event) => {
                            assert_eq!(event.sequence, next, "in order, without holes");
                            next += 1;
                            delivered += 1;
                        }
                        EventItem::Gap(gap) => {
                            assert_eq!(gap.from, next);
                            next = gap.to + 1;
                            lost += gap.missed();
                        }
                    }
                    // Every other reader is slow, and first of all reads nothing until it is overtaken.
                    while n % 2 == 0 && !overtaken.load(Ordering::Acquire) {
                        tokio::time::sleep(ms(1)).await;
                    }
                    if n % 2 == 0 && delivered % 100 == 0 {
                        tokio::time::sleep(ms(n)).await;
                    }
                }
                (n, delivered, lost, events.position())
            })
        })
        .collect();
    while handle.snapshot().sequence() <= 10_000 {
        tokio::time::sleep(ms(10)).await;
    }
    overtaken.store(true, Ordering::Release);
    handle.shutdown("test", "done").await.unwrap();
    let emitted = handle.snapshot().sequence();
    for reader in readers {
        let (n, delivered, lost, position) = reader.await.unwrap();
        assert_eq!(delivered + lost, position);
        assert_eq!(position, emitted);
        assert!(n % 2 == 1 || lost > 0, "a reader that was overtaken has lost something");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_comes_late_gets_what_is_kept_and_one_gap() {
    let handle = start(SupervisorSpec::root([service("a")])).await;
    while handle.snapshot().sequence() < 5000 {
        handle.restart_child("a", "test", "more events").await.unwrap();
    }
    let mut events = handle.events_after(0);
    let Some(EventItem::Gap(gap)) = events.try_next() else { panic!("the first events are gone") };
    assert_eq!((gap.from, gap.to), (1, handle.snapshot().sequence() - 4096));
    assert!(gap.to_string().contains("are lost"), "{gap}");
    let mut rest = 0;
    while let Some(item) = events.try_next() {
        assert!(item.event().is_some());
        rest += 1;
    }
    assert_eq!(rest, 4096);
}

#[tokio::test(start_paused = true)]
async fn a_stream_sleeps_until_something_happens_and_ends_with_the_tree() {
    let handle = start(SupervisorSpec::root([service("a")])).await;
    let mut events = handle.subscribe_events();
    assert!(tokio::time::timeout(secs(5), events.next()).await.is_err(), "nothing happens");
    let reader = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(item) = events.next().await {
            seen.push(item.to_string());
        }
        seen
    });
    handle.pause_child("a", "ops", "lunch").await.unwrap();
    handle.shutdown("ops", "end").await.unwrap();
    let seen = reader.await.unwrap();
    assert!(seen.iter().any(|line| line.contains("/a paused by ops (lunch)")), "{seen:#?}");
    assert!(seen.last().unwrap().contains("/ is down"), "{seen:#?}");
}

#[tokio::test(start_paused = true)]
async fn d9_the_events_of_a_waiting_child_name_whom_it_waits_for() {
    let db = ChildSpec::service("db", |ctx| async move {
        tokio::time::sleep(secs(1)).await;
        ctx.ready();
        idle(ctx).await;
    });
    let tree = SupervisorSpec::root([db.ready_within(secs(5)), service("web").depends_on(["db"])]);
    let handle: SupervisorHandle =
        tokio_supervisor::Supervisor::launch(tree.order(tokio_supervisor::StartOrder::Dependencies)).unwrap();
    let mut events = handle.events_after(0);
    let waiting = event(&mut events, "/web", EventKind::ChildWaiting).await;
    assert_eq!(waiting.next_path.unwrap().as_str(), "/db");
    let ready = event(&mut events, "/db", EventKind::ChildReady).await;
    assert_eq!((ready.at, ready.event.numbers[0]), (1_000_000_000, 1000));
    event(&mut events, "/web", EventKind::ChildRunning).await;
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn r19_a_temporary_child_that_has_ended_is_in_no_snapshot() {
    let once = ChildSpec::worker("once", |_| tokio::time::sleep(secs(1))).restart(RestartType::Temporary);
    let nested = SupervisorSpec::new("n").children([service("a"), once]);
    let handle = start(SupervisorSpec::root([ChildSpec::supervisor(nested)])).await;
    assert_eq!(handle.snapshot().len(), 4);
    tokio::time::sleep(secs(2)).await;
    assert!(handle.child("/n/once").is_err());
    let paths: Vec<_> = handle.snapshot().iter().map(|row| row.path.to_string()).collect();
    assert_eq!(paths, ["/", "/n", "/n/a"]);
}
