//! One crash costs the same, however many siblings there are.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::time::Duration;

use common::{idle, settle, start};
use tokio_supervisor::{Backoff, ChildSpec, SupervisorSpec};

const MANY: usize = 100_000;

/// How often the driver can restart one crashing child beside `siblings` others, in turns of the events.
async fn restarts(siblings: usize, rounds: u64) -> Duration {
    let crashing = ChildSpec::service("crashing", move |ctx| async move {
        if ctx.generation() <= rounds {
            return Err("again");
        }
        idle(ctx).await;
        Ok(())
    })
    .backoff(Backoff::none());
    let others = (0..siblings).map(|n| ChildSpec::service(format!("c{n}"), idle));
    // Last in the order, so that it begins to crash when the others are there.
    let handle = start(SupervisorSpec::root(others.chain([crashing])).unlimited()).await;
    let key = handle.find("/crashing").unwrap();
    let first = handle.row(key).unwrap().generation;
    let begun = tokio::time::Instant::now();
    while handle.row(key).unwrap().generation <= rounds {
        settle().await;
    }
    let took = begun.elapsed() / u32::try_from(rounds - first + 1).unwrap();
    handle.shutdown("test", "done").await.unwrap();
    took
}

#[tokio::test]
async fn one_crash_costs_the_same_beside_10_and_beside_100_000_siblings() {
    let mut best = [Duration::MAX; 2];
    for _ in 0..3 {
        for (best, siblings) in best.iter_mut().zip([10, MANY]) {
            *best = (*best).min(restarts(siblings, 20_000).await);
        }
    }
    // A pass over all siblings would cost hundreds of times as much; caches cost less than three times.
    assert!(best[1] < best[0] * 4, "beside 10: {:?}, beside 100 000: {:?}", best[0], best[1]);
}
