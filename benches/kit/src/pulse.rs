//! W2: one child fails ten thousand times in a row, beside others that are idle.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

use crate::gauge::nanos;
use crate::{End, Figures, Latch, failure};

/// How often the child fails.
const FAILURES: usize = 10_000;

/// What the runs of the child that fails know of each other.
#[derive(Debug)]
pub struct Pulse {
    /// All children run.
    ready: Latch,
    /// The sign to fail.
    gate: CancellationToken,
    failed_at: AtomicU64,
    /// How often it has failed.
    failures: AtomicUsize,
    times: Box<[AtomicU64]>,
    done: Latch,
}

impl Pulse {
    /// So many children, of which the first fails.
    pub fn of(children: usize) -> &'static Self {
        Box::leak(Box::new(Self {
            ready: Latch::new(children),
            gate: CancellationToken::new(),
            failed_at: AtomicU64::new(0),
            failures: AtomicUsize::new(0),
            times: (0..FAILURES).map(|_| AtomicU64::new(0)).collect(),
            done: Latch::new(1),
        }))
    }

    /// What a run does before it waits to be stopped.
    ///
    /// # Errors
    ///
    /// When this run is one that fails.
    pub async fn run(&self, place: usize) -> End {
        if place == 0 {
            return self.fail(nanos()).await;
        }
        self.ready.arrive();
        Ok(())
    }

    async fn fail(&self, began: u64) -> End {
        let failures = self.failures.load(Ordering::Relaxed);
        if failures == 0 {
            self.ready.arrive();
            self.gate.cancelled().await;
        } else {
            self.times[failures - 1].store(began - self.failed_at.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        if failures == FAILURES {
            self.done.arrive();
            return Ok(());
        }
        self.failures.store(failures + 1, Ordering::Relaxed);
        let text = failure();
        self.failed_at.store(nanos(), Ordering::Relaxed);
        Err(text)
    }

    /// Lets it fail, and waits until it has done.
    pub async fn figures(&self) -> Figures {
        self.ready.wait().await;
        self.gate.cancel();
        self.done.wait().await;
        let mut times: Vec<u64> = self.times.iter().map(|time| time.load(Ordering::Relaxed)).collect();
        Figures::of_times(&mut times)
    }
}
