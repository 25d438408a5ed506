//! Waiting until so many have arrived.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Resolves when the last of those who are expected has arrived.
///
/// Made once per row and never freed, so that the runs of both sides share it without counting references.
#[derive(Debug)]
pub struct Latch {
    missing: AtomicUsize,
    last: Notify,
}

impl Latch {
    /// A latch for so many.
    #[must_use]
    pub fn new(expected: usize) -> Self {
        Self { missing: AtomicUsize::new(expected), last: Notify::new() }
    }

    /// A latch for so many that lives as long as the program.
    #[must_use]
    pub fn leaked(expected: usize) -> &'static Self {
        Box::leak(Box::new(Self::new(expected)))
    }

    /// One more is here. Those who come after the last change nothing.
    pub fn arrive(&self) {
        let before =
            self.missing.fetch_update(Ordering::AcqRel, Ordering::Acquire, |missing| missing.checked_sub(1));
        if before == Ok(1) {
            self.last.notify_one();
        }
    }

    /// Waits for the last. For one who waits.
    pub async fn wait(&self) {
        if self.missing.load(Ordering::Acquire) > 0 {
            self.last.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_to_arrive_opens_it_whoever_came_first() {
        let latch = Latch::leaked(2);
        latch.arrive();
        let waiting = tokio::spawn(latch.wait());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        latch.arrive();
        waiting.await.unwrap();
        latch.arrive();
        latch.wait().await;
    }
}
