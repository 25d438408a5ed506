//! The task that records what nobody waits for, and that tries again until the disk is well.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::denials::COUNTED_EVERY;
use super::desk::Desk;

/// How soon what failed is tried again: at first, then twice as long each time, at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Runs until it is aborted. As long as nothing is wrong it sleeps until it is woken.
pub(super) async fn keep(desk: Arc<Desk>) {
    let mut pause = FIRST;
    let mut retry_at = None;
    let mut count_at = None;
    loop {
        desk.write_late().await;
        if desk.is_troubled() {
            retry_at.get_or_insert_with(|| Instant::now() + pause);
        } else {
            (pause, retry_at) = (FIRST, None);
        }
        if desk.has_counted() {
            count_at.get_or_insert_with(|| Instant::now() + COUNTED_EVERY);
        }
        tokio::select! {
            () = desk.woken() => {}
            () = at(retry_at) => {
                desk.try_again().await;
                (pause, retry_at) = (LONGEST.min(pause * 2), None);
            }
            () = at(count_at) => {
                count_at = None;
                desk.queue_counted();
            }
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}
