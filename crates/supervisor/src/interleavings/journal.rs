//! The journal and the rows: readers see every event or the exact gap, and snapshots cut at one point.

use std::sync::Arc;

use shuttle::sync::atomic::{AtomicU64, Ordering};
use supervisor_api::{Cause, ChildKey, Detail, Event, EventKind, Next, Row, StampedEvent};
use supervisor_core::Effect;

use super::{SMALL, bare, block_on, explore, running, thread};
use crate::journal::{EventBatch, EventItem, EventStream, Gap, Journal};
use crate::tree::{Bounds, Tree};
use crate::{ChildSpec, LogItem, Severity, Snapshot};

/// The events of a run of a test, and how many of them are kept.
const EVENTS: u64 = 6;
const KEPT: u64 = 3;

/// An event that says its number in every part.
fn event(n: u64, child: ChildKey) -> Event {
    Event {
        kind: EventKind::ChildRunning,
        child,
        row: Row { generation: n, attempt: n as u32, ..Row::DECLARED },
        cause: Cause::Start,
        next: Next::StartAt(n),
        numbers: [n as u32; 4],
        detail: n
            .is_multiple_of(2)
            .then(|| Arc::new(Detail { text: Some(n.to_string().into()), ..Detail::default() })),
    }
}

/// Applies effects as a turn does, and wakes who reads.
fn publish(tree: &Arc<Tree>, effects: Vec<Effect>) {
    tree.brain().apply(tree, 0, effects);
    if tree.journal.tell() {
        tree.journal.call();
    }
}

/// What a reader of the test's events was given so far.
struct Read<'a> {
    tree: &'a Tree,
    last: u64,
}

impl Read<'_> {
    fn event(&mut self, found: &StampedEvent) {
        self.last += 1;
        assert_eq!(found.sequence, self.last, "an event is lost without a word");
        assert_eq!(found.event, event(self.last, ChildKey::ROOT));
    }

    fn gap(&mut self, gap: Gap) {
        assert_eq!(gap.from, self.last + 1, "the gap begins where the reader was");
        let written = self.tree.journal.next() - 1;
        assert!(gap.to >= gap.from && gap.to + KEPT <= written, "{gap} hides what can be read");
        self.last = gap.to;
    }
}

/// Reads to the end, and says up to where; everything is delivered or in a gap.
async fn read_to_the_end(tree: Arc<Tree>, after: u64) -> u64 {
    let mut stream = EventStream::new(Arc::clone(&tree), after);
    let mut read = Read { tree: &tree, last: after };
    while let Some(item) = stream.next().await {
        match item {
            EventItem::Event(found) => read.event(&found),
            EventItem::Gap(gap) => read.gap(gap),
        }
        assert_eq!(stream.position(), read.last);
    }
    read.last
}

/// The same, with what is lent.
async fn borrow_to_the_end(tree: Arc<Tree>, after: u64) -> u64 {
    let mut stream = EventStream::new(Arc::clone(&tree), after);
    let mut read = Read { tree: &tree, last: after };
    while let Some(batch) = stream.next_batch().await {
        match batch {
            EventBatch::Events(events) => events.iter().for_each(|found| read.event(found)),
            EventBatch::Gap(gap) => read.gap(gap),
        }
        assert_eq!(stream.position(), read.last, "all that was lent is there");
    }
    read.last
}

#[test]
fn each_reader_sees_every_event_or_the_exact_gap() {
    explore(2_000, || {
        let tree = bare([], &Bounds { commands: 1, events: KEPT as usize, page: 2 });
        let early = shuttle::future::spawn(read_to_the_end(Arc::clone(&tree), 0));
        let writer = thread({
            let tree = Arc::clone(&tree);
            move || {
                let emit = |n| Effect::Emit(event(n, ChildKey::ROOT));
                publish(&tree, vec![emit(1)]);
                publish(&tree, vec![emit(2), emit(3)]);
                (4..=EVENTS).for_each(|n| publish(&tree, vec![emit(n)]));
                tree.journal.close();
            }
        });
        let late = tree.journal.head();
        assert_eq!(block_on(borrow_to_the_end(Arc::clone(&tree), late)), EVENTS);
        assert_eq!(block_on(early).unwrap(), EVENTS);
        writer.join().unwrap();
    });
}

/// Both of them take pages apart, and one is overtaken while the other reads.
#[test]
fn readers_that_share_pages_see_every_event_or_the_exact_gap() {
    explore(1_500, || {
        let tree = bare([], &Bounds { commands: 1, events: KEPT as usize, page: 2 });
        let one = shuttle::future::spawn(borrow_to_the_end(Arc::clone(&tree), 0));
        let other = shuttle::future::spawn(borrow_to_the_end(Arc::clone(&tree), 0));
        for n in 1..=EVENTS {
            publish(&tree, vec![Effect::Emit(event(n, ChildKey::ROOT))]);
        }
        tree.journal.close();
        assert_eq!(block_on(one).unwrap(), EVENTS);
        assert_eq!(block_on(other).unwrap(), EVENTS);
    });
}

/// More than a turn wakes itself, so the driver has to.
#[test]
fn many_readers_are_woken_by_the_driver_and_all_see_the_end() {
    explore(400, || {
        let child = ChildSpec::service("a", |ctx| async move { _ = ctx.stopping().await });
        let (handle, driver) = running([child], &SMALL);
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let mut stream = handle.events_after(0);
                shuttle::future::spawn(async move {
                    let mut last = 0;
                    // The last to be told of before the end is given: whoever is forgotten waits for ever for it.
                    while let Some(batch) = stream.next_batch().await {
                        for found in batch.events() {
                            last += 1;
                            assert_eq!(found.sequence, last);
                        }
                    }
                    last
                })
            })
            .collect();
        block_on(handle.pause_child("a", "test", "an event")).unwrap();
        block_on(handle.shutdown("test", "enough")).unwrap();
        block_on(driver).unwrap();
        let head = handle.snapshot().sequence();
        for reader in readers {
            assert_eq!(block_on(reader).unwrap(), head);
        }
    });
}

/// What the driver does for sleepers, without a tree: whoever waits for a number to come is woken when it does, though
/// the end is not told.
#[test]
fn no_sleeper_is_forgotten() {
    explore(3_000, || {
        let journal = Arc::new(Journal::new(8, 4));
        let come = Arc::new(AtomicU64::new(0));
        let sleepers: Vec<_> = (1..=4)
            .map(|n| {
                let (journal, come) = (Arc::clone(&journal), Arc::clone(&come));
                shuttle::future::spawn(async move {
                    let is_here = || come.load(Ordering::SeqCst) > n % 2;
                    journal.wait_for(is_here).await;
                })
            })
            .collect();
        let crier = shuttle::future::spawn({
            let journal = Arc::clone(&journal);
            async move {
                loop {
                    journal.called().await;
                    journal.cry();
                }
            }
        });
        for n in 1..=2 {
            come.store(n, Ordering::SeqCst);
            if journal.tell() {
                journal.call();
            }
        }
        for sleeper in sleepers {
            block_on(sleeper).unwrap();
        }
        crier.abort();
    });
}

/// Two children that nobody can spawn, so that every event is the test's.
fn two() -> [ChildSpec; 2] {
    ["a", "b"].map(|name| ChildSpec::managed(name, |ctx| async move { _ = ctx.stopping().await }))
}

/// The child of event `n`, and the last event about it up to `n`.
fn child(index: u64) -> ChildKey {
    ChildKey { index: index as u32, epoch: 0 }
}

fn last_about(index: u64, from: u64, to: u64) -> Option<u64> {
    (from + 1..=to).rev().find(|n| n % 2 + 1 == index)
}

fn is_exact(snapshot: &Snapshot, from: u64) {
    for index in 1..=2 {
        let row = snapshot.iter().find(|row| row.key.index == index as u32).expect("each child has a row");
        if let Some(n) = last_about(index, from, snapshot.sequence()) {
            assert_eq!((row.as_of, row.row.generation), (n, n), "not the row as of {}", snapshot.sequence());
        } else {
            assert!(row.as_of <= from);
        }
    }
}

#[test]
fn a_snapshot_is_exact_at_its_sequence_and_what_follows_it_completes_it() {
    explore(1_500, || {
        let tree = bare(two(), &Bounds { commands: 1, events: 16, page: 4 });
        tree.launch();
        let from = tree.journal.head();
        let writer = thread({
            let tree = Arc::clone(&tree);
            move || {
                let emit = |n: u64| Effect::Emit(event(n, child(n % 2 + 1)));
                publish(&tree, vec![emit(from + 1), emit(from + 2)]);
                publish(&tree, vec![emit(from + 3)]);
                publish(&tree, vec![emit(from + 4), emit(from + 5)]);
                tree.journal.close();
            }
        });
        let reader = thread({
            let tree = Arc::clone(&tree);
            move || is_exact(&tree.snapshot(), from)
        });
        // A row is never older than the head that was read before it.
        for index in 1..=2 {
            let head = tree.journal.head();
            let row = tree.table.row(index as u32).read();
            assert!(
                row.as_of >= last_about(index, from, head).unwrap_or(0),
                "the row is older than the head"
            );
        }
        let snapshot = tree.snapshot();
        is_exact(&snapshot, from);
        let mut rest = EventStream::new(Arc::clone(&tree), snapshot.sequence());
        let mut next = snapshot.sequence();
        while let Some(item) = block_on(rest.next()) {
            next += 1;
            assert_eq!(item.event().map(|event| event.sequence), Some(next));
        }
        assert_eq!(next, from + 5);
        [writer, reader].into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn followers_of_the_log_see_every_line() {
    explore(1_000, || {
        let tree = bare(two(), &Bounds { commands: 1, events: 16, page: 4 });
        tree.launch();
        let log = |index| {
            let tree = Arc::clone(&tree);
            thread(move || {
                for n in 1..=2 {
                    crate::kept::log(
                        &tree,
                        child(index),
                        1,
                        Severity::Info,
                        format!("{index}-{n}"),
                        Vec::new(),
                    );
                }
            })
        };
        let mut follower = crate::kept::LogStream::new(Arc::clone(&tree), 0);
        let writers = [log(1), log(2)];
        let mut seen = Vec::new();
        while seen.len() < 4 {
            match block_on(follower.next()) {
                Some(LogItem::Line(line)) => {
                    assert_eq!(line.sequence, seen.len() as u64 + 1);
                    seen.push(line.message.clone());
                }
                other => panic!("{other:?}"),
            }
        }
        for index in 1..=2 {
            let own: Vec<_> = seen.iter().filter(|line| line.starts_with(&format!("{index}-"))).collect();
            assert_eq!(own, [&format!("{index}-1"), &format!("{index}-2")]);
        }
        tree.logs.close();
        assert!(block_on(follower.next()).is_none());
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
}
