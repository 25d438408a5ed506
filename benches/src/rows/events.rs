//! W6: a storm as in W3 while N subscribers read every event of it. A fifth of W3's, 1 000 children that fail 200
//! times each, because a hundred readers take long.
//!
//! Timed: the storm, as in W3; and from its beginning until each subscriber has been given, or been told to have
//! lost, the last event. What the subscribers were given in that time, all together, is what is compared. By hand
//! events go through `tokio::sync::broadcast` with room for as many as the library keeps; they are the same two
//! events per restart, with the error's text in the first.
//!
//! Given and lost must add up to what was sent, for each subscriber, or the row fails.

use std::hint::black_box;
use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio_supervisor::{EventBatch, EventStream, StampedEvent};

use super::{launched, storm};
use crate::Storm;
use crate::gauge::{Mark, unix_nanos};
use crate::program::Outcome;
use crate::team::Team;

const CHILDREN: usize = 1_000;
/// How often each fails.
const FAILURES: usize = 200;
/// A failure and a restart, each time.
const EVENTS: u64 = 2 * (CHILDREN * FAILURES) as u64;
/// How many events the library keeps.
const KEPT: usize = 4_096;

/// An event as one makes it by hand: who, when, what, and the text shared.
#[derive(Debug, Clone)]
struct Told {
    unix_nanos: u64,
    child: usize,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Failed(Arc<str>),
    Restarted,
}

/// What a subscriber was given, and what it was told to have lost.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    given: u64,
    lost: u64,
}

/// By hand: a channel that all subscribers read.
pub async fn raw(subscribers: usize) -> Outcome {
    let storm = Storm::of(CHILDREN, FAILURES);
    let (send, _) = broadcast::channel(KEPT);
    let mut readers = JoinSet::new();
    for _ in 0..subscribers {
        readers.spawn(read_channel(send.subscribe()));
    }
    let team = Team::start(CHILDREN, |place, stop| storm::run_by_hand(storm, place, stop));
    let stop = team.stopper();
    let kept = tokio::spawn(team.keep(move |child, error| {
        let tell = |what| send.send(Told { unix_nanos: unix_nanos(), child, what });
        // Nobody hears it when all subscribers are gone.
        drop((tell(What::Failed(error.into())), tell(What::Restarted)));
    }));
    let figures = figures(storm, readers).await;
    stop.cancel();
    kept.await.map_err(|error| error.to_string())?;
    figures
}

/// With the library: streams of its events, which lend what is there.
pub async fn ours(subscribers: usize) -> Outcome {
    let storm = Storm::of(CHILDREN, FAILURES);
    let tree = launched(storm::tree(storm))?;
    tree.started().await.map_err(|error| error.to_string())?;
    storm.ready().await;
    let start = tree.snapshot().sequence();
    let mut readers = JoinSet::new();
    for _ in 0..subscribers {
        readers.spawn(read_stream(tree.events_after(start)));
    }
    let figures = figures(storm, readers).await?;
    let sent = tree.snapshot().sequence() - start;
    if sent != EVENTS {
        return Err(format!("{sent} events were told, not {EVENTS}"));
    }
    Ok(figures)
}

async fn read_channel(mut channel: broadcast::Receiver<Told>) -> Count {
    let mut count = Count::default();
    while count.all() < EVENTS {
        match channel.recv().await {
            Ok(Told { unix_nanos, child, what }) => {
                let text = match what {
                    What::Failed(text) => Some(text),
                    What::Restarted => None,
                };
                black_box((unix_nanos, child, text));
                count.given += 1;
            }
            Err(RecvError::Lagged(lost)) => count.lost += lost,
            Err(RecvError::Closed) => break,
        }
    }
    count
}

async fn read_stream(mut events: EventStream) -> Count {
    let mut count = Count::default();
    while count.all() < EVENTS {
        match events.next_batch().await {
            Some(EventBatch::Events(events)) => {
                for event in &events {
                    let StampedEvent { occurred_at_unix_nanos, path, event, .. } = event;
                    black_box((*occurred_at_unix_nanos, path, event.kind, &event.detail));
                    count.given += 1;
                }
            }
            Some(EventBatch::Gap(gap)) => count.lost += gap.missed(),
            None => break,
        }
    }
    count
}

async fn figures(storm: &Storm, mut readers: JoinSet<Count>) -> Outcome {
    storm.ready().await;
    let before = Mark::now();
    let figures = storm.figures().await;
    let mut given = 0;
    while let Some(count) = readers.join_next().await {
        let count = count.map_err(|error| error.to_string())?;
        if count.all() != EVENTS {
            return Err(format!("{count:?} do not add up to {EVENTS} events"));
        }
        given += count.given;
    }
    let after = Mark::now();
    Ok(figures.with("given_per_s", given as f64 / before.wall_until(after) * 1e9).with("given", given as f64))
}

impl Count {
    fn all(self) -> u64 {
        self.given + self.lost
    }
}
