//! Readers of the events: each gets every event or a gap that says exactly what is missing; and who folds events over
//! a snapshot has the next snapshot.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_supervisor::{
    ChildKey, EventItem, EventKind, EventStream, Gap, Lifecycle, Row, Snapshot, SupervisorHandle,
};

use crate::world::{Counts, Rule, World};

/// What a reader has read: the sequence of the last item.
struct Position(u64);

impl Position {
    /// The next item must follow; otherwise says what is wrong.
    fn follow(&mut self, item: &EventItem) -> Result<(), String> {
        let before = self.0;
        let fits = match item {
            EventItem::Event(event) => {
                self.0 = event.sequence;
                event.sequence == before + 1
            }
            EventItem::Gap(Gap { from, to }) => {
                self.0 = *to;
                *from == before + 1 && to >= from
            }
        };
        if fits { Ok(()) } else { Err(format!("after event {before} a reader was given {item}")) }
    }
}

/// Reads everything until the tree has ended, and counts. Never slow, so it meets no gap unless the machine is.
pub(crate) async fn eager(world: Arc<World>, mut events: EventStream) {
    let mut position = Position(events.position());
    while let Some(item) = events.next().await {
        check(&world, &mut position, &item);
        let Some(event) = item.event() else { continue };
        Counts::add(&world.counts.events);
        match event.event.kind {
            EventKind::ChildRestarted => Counts::add(&world.counts.restarts),
            EventKind::ChildPanicked => Counts::add(&world.counts.panics),
            _ => {}
        }
    }
}

/// Sleeps while it should read, goes away, and comes back to where it was.
pub(crate) async fn lazy(world: Arc<World>, handle: SupervisorHandle) {
    let mut random = world.random("lazy reader", 0);
    let mut events = handle.events_after(0);
    let mut position = Position(0);
    while let Some(item) = events.next().await {
        check(&world, &mut position, &item);
        if random.below(3_000) == 0 {
            let at = events.position();
            drop(events);
            sleep(Duration::from_millis(random.below(9_000))).await;
            events = handle.events_after(at);
        }
    }
}

fn check(world: &World, position: &mut Position, item: &EventItem) {
    if let EventItem::Gap(_) = item {
        Counts::add(&world.counts.gaps);
    }
    if let Err(wrong) = position.follow(item) {
        world.violated(Rule::Other, wrong);
    }
}

/// Takes a snapshot, folds what comes after over it, and compares with a later one, until the storm is over.
pub(crate) async fn folder(world: Arc<World>, handle: SupervisorHandle) {
    let mut random = world.random("folder", 0);
    while world.goes_on_after(Duration::from_millis(random.below(50))).await {
        let (snapshot, mut events) = handle.subscribe();
        sleep(Duration::from_millis(random.below(400))).await;
        let later = handle.snapshot();
        let mut fold = Fold::new(&snapshot);
        while fold.at < later.sequence() {
            match events.try_next() {
                Some(item) if fold.take(&item) => {}
                Some(_) => break,
                None => {
                    let text = format!(
                        "a snapshot is at {}, and no event comes after {}",
                        later.sequence(),
                        fold.at
                    );
                    world.violated(Rule::Other, text);
                    break;
                }
            }
        }
        if fold.at == later.sequence() {
            Counts::add(&world.counts.folds);
            if let Err(wrong) = fold.compare(&later) {
                world.violated(Rule::Other, wrong);
            }
        }
    }
}

/// The rows of a snapshot, and what came after.
struct Fold {
    at: u64,
    rows: HashMap<ChildKey, (Row, u64)>,
}

impl Fold {
    fn new(snapshot: &Snapshot) -> Self {
        let rows = snapshot.iter().map(|row| (row.key, (row.row, row.as_of))).collect();
        Self { at: snapshot.sequence(), rows }
    }

    /// Takes the next item; false for a gap, which ends the fold.
    fn take(&mut self, item: &EventItem) -> bool {
        let Some(event) = item.event() else { return false };
        self.at = event.sequence;
        let (key, row) = (event.event.child, event.event.row);
        if row.lifecycle == Lifecycle::Removed {
            self.rows.remove(&key);
        } else if self.rows.get(&key).is_none_or(|(_, as_of)| *as_of < event.sequence) {
            self.rows.insert(key, (row, event.sequence));
        }
        true
    }

    fn compare(&self, later: &Snapshot) -> Result<(), String> {
        let at = later.sequence();
        for row in later.iter() {
            match self.rows.get(&row.key) {
                Some(folded) if *folded == (row.row, row.as_of) => {}
                folded => {
                    return Err(format!("at {at} {} is {:?}, folded was {folded:?}", row.path, row.row));
                }
            }
        }
        match self.rows.len() == later.len() {
            true => Ok(()),
            false => Err(format!("at {at} there are {} rows, folded were {}", later.len(), self.rows.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_that_does_not_begin_after_the_last_event_is_noticed() {
        let gap = |from, to| EventItem::Gap(Gap { from, to });
        let mut position = Position(7);
        assert!(position.follow(&gap(8, 20)).is_ok());
        assert!(position.follow(&gap(21, 21)).is_ok());
        assert!(position.follow(&gap(23, 25)).unwrap_err().contains("after event 21"));
    }

    #[tokio::test]
    async fn a_fold_that_missed_an_event_differs_from_the_snapshot() {
        let service = |name: &str| {
            tokio_supervisor::ChildSpec::service(name, |ctx: tokio_supervisor::ChildContext| async move {
                ctx.stopping().await;
            })
        };
        let tree = tokio_supervisor::SupervisorSpec::root([service("a"), service("b")]);
        let handle = tokio_supervisor::Supervisor::start(tree).await.unwrap();
        let (snapshot, mut events) = handle.subscribe();
        handle.restart_child("a", "test", "moves").await.unwrap();
        handle.remove_child("b", "test", "away").await.unwrap();
        let later = handle.snapshot();
        let (mut whole, mut missing) = (Fold::new(&snapshot), Fold::new(&snapshot));
        let mut last_of_a = None;
        while let Some(item) = events.try_next() {
            assert!(whole.take(&item));
            let event = item.event().unwrap();
            if event.path.as_str() == "/a" {
                last_of_a = Some(item);
            } else {
                missing.take(&item);
            }
        }
        assert_eq!(whole.compare(&later), Ok(()));
        assert!(missing.compare(&later).is_err());
        missing.take(&last_of_a.unwrap());
        assert_eq!(missing.compare(&later), Ok(()));
        handle.shutdown("test", "enough").await.unwrap();
    }
}
