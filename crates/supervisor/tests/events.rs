//! Events, gaps and snapshots: exact, and cut at one point.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{event, idle, ms, secs, service, settle, start};
use tokio_supervisor::{
    Backoff, ChildKey, ChildSpec, EventBatch, EventItem, EventKind, EventStream, Gap, RestartType, Row,
    Snapshot, StampedEvent, SupervisorHandle, SupervisorSpec,
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

/// What a stream gives next, lent or not: the sequences of the events, or a gap.
async fn read(events: &mut EventStream, lent: bool) -> Option<(Vec<u64>, Option<Gap>)> {
    if lent {
        let batch = events.next_batch().await?;
        return Some((batch.events().map(|event| event.sequence).collect(), batch.gap()));
    }
    Some(match events.next().await? {
        EventItem::Event(event) => (vec![event.sequence], None),
        EventItem::Gap(gap) => (Vec::new(), Some(gap)),
    })
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
                while let Some((sequences, gap)) = read(&mut events, n < 4).await {
                    for sequence in sequences {
                        assert_eq!(sequence, next, "in order, without holes");
                        next += 1;
                        delivered += 1;
                    }
                    if let Some(gap) = gap {
                        assert_eq!(gap.from, next);
                        next = gap.to + 1;
                        lost += gap.missed();
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
async fn what_is_lent_is_the_same_for_all_readers_and_what_the_others_are_given() {
    let handle = start(SupervisorSpec::root([service("a")])).await;
    while handle.snapshot().sequence() < 200 {
        handle.restart_child("a", "test", "more events").await.unwrap();
    }
    let head = handle.snapshot().sequence();
    let (mut one, mut other, mut single) =
        (handle.events_after(0), handle.events_after(10), handle.events_after(0));
    let mut lent = Vec::new();
    while let Some(batch) = one.try_next_batch() {
        assert!((1..=64).contains(&batch.events().len()), "{}", batch.events().len());
        lent.push(batch);
    }
    assert_eq!(lent.len() as u64, head.div_ceil(64), "all that is there comes at once, page by page");
    let lent: Vec<&StampedEvent> = lent.iter().flat_map(EventBatch::events).collect();
    assert_eq!(lent.len() as u64, head);
    let batch = other.try_next_batch().unwrap();
    for (event, same) in batch.events().zip(&lent[10..]) {
        assert!(std::ptr::eq(event, *same), "it is taken apart once");
    }
    for event in &lent {
        assert_eq!(single.try_next().unwrap().event(), Some(*event));
    }
    assert!(single.try_next().is_none() && single.try_next_batch().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_lends_and_gives_in_turn() {
    let handle = start(SupervisorSpec::root([service("a")])).await;
    let mut events = handle.events_after(0);
    let first = events.next().await.unwrap();
    assert_eq!(first.event().unwrap().sequence, 1);
    let batch = events.next_batch().await.unwrap();
    let EventBatch::Events(lent) = &batch else { panic!("{batch:?}") };
    assert_eq!((lent.first_sequence(), lent.last_sequence()), (2, handle.snapshot().sequence()));
    assert_eq!(lent.into_iter().count(), lent.len());
    let waits = tokio::time::timeout(secs(5), events.next_batch());
    assert!(waits.await.is_err(), "it waits while there is nothing");
    handle.pause_child("a", "test", "an event").await.unwrap();
    assert_eq!(events.next().await.unwrap().event().unwrap().sequence, lent.last_sequence() + 1);
}

#[tokio::test(start_paused = true)]
async fn however_many_sleep_all_are_woken_by_an_event_and_by_the_end() {
    for sleepers in [1, 2, 3, 40] {
        let handle = start(SupervisorSpec::root([service("a")])).await;
        let readers: Vec<_> = (0..sleepers)
            .map(|n| {
                let mut events = handle.subscribe_events();
                let (woken, first) = tokio::sync::oneshot::channel();
                let task = tokio::spawn(async move {
                    let first = read(&mut events, n % 2 == 0).await;
                    woken.send(first.is_some()).unwrap();
                    while read(&mut events, n % 2 == 0).await.is_some() {}
                    events.position()
                });
                (first, task)
            })
            .collect();
        settle().await;
        handle.pause_child("a", "test", "an event").await.unwrap();
        let mut tasks = Vec::new();
        for (first, task) in readers {
            let first = tokio::time::timeout(secs(60), first).await;
            assert!(first.expect("a sleeper is forgotten").unwrap());
            tasks.push(task);
        }
        settle().await;
        handle.shutdown("test", "done").await.unwrap();
        for task in tasks {
            let position = tokio::time::timeout(secs(60), task).await;
            assert_eq!(position.expect("the end is not told").unwrap(), handle.snapshot().sequence());
        }
    }
}

/// The driver, who wakes many, goes with its runtime; the readers are on another.
#[test]
fn readers_elsewhere_see_the_end_when_the_runtime_of_the_tree_is_dropped() {
    let own = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let handle = own.block_on(start(SupervisorSpec::root([service("a")])));
    let elsewhere =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (asleep, mut sleeps) = tokio::sync::mpsc::unbounded_channel();
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let (mut events, asleep) = (handle.subscribe_events(), asleep.clone());
            elsewhere.spawn(async move {
                {
                    let mut first = std::pin::pin!(events.next_batch());
                    std::future::poll_fn(|cx| {
                        assert!(first.as_mut().poll(cx).is_pending(), "nothing happens");
                        std::task::Poll::Ready(())
                    })
                    .await;
                    asleep.send(()).unwrap();
                    assert!(first.await.is_none_or(|batch| batch.gap().is_none()));
                }
                while events.next_batch().await.is_some() {}
            })
        })
        .collect();
    for _ in 0..readers.len() {
        elsewhere.block_on(sleeps.recv()).unwrap();
    }
    drop(own);
    for reader in readers {
        let ends = async { tokio::time::timeout(secs(60), reader).await };
        elsewhere.block_on(ends).expect("the end is not told").unwrap();
    }
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
