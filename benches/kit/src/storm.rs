//! W3: children fail again and again.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_util::sync::CancellationToken;

use crate::gauge::Mark;
use crate::{End, Figures, Latch, failure};

/// How often the children of W3 fail, all together.
const FAILURES: usize = 1_000_000;

/// Children that fail so often each, and then run.
#[derive(Debug)]
pub struct Storm {
    /// All children run for the first time.
    ready: Latch,
    /// The sign to fail.
    gate: CancellationToken,
    /// How often each has been started.
    runs: Box<[Own]>,
    /// How often each fails.
    failures: AtomicU32,
    /// All children run for the last time.
    done: Latch,
}

/// A count on a cache line of its own, so that no child slows down its neighbour.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Own(AtomicU32);

impl Storm {
    /// So many children that fail a million times, all together.
    pub fn of_a_million(children: usize) -> &'static Self {
        Self::of(children, FAILURES / children)
    }

    /// How many children there are.
    pub fn children(&self) -> usize {
        self.runs.len()
    }

    /// So many children that fail so often each.
    pub fn of(children: usize, failures: usize) -> &'static Self {
        Self::leaked(children, u32::try_from(failures).unwrap_or(u32::MAX))
    }

    /// So many children that fail until [`Self::calm`].
    pub fn endless(children: usize) -> &'static Self {
        Self::leaked(children, u32::MAX)
    }

    fn leaked(children: usize, failures: u32) -> &'static Self {
        Box::leak(Box::new(Self {
            ready: Latch::new(children),
            gate: CancellationToken::new(),
            runs: (0..children).map(|_| Own::default()).collect(),
            failures: AtomicU32::new(failures),
            done: Latch::new(children),
        }))
    }

    /// What a run does before it waits to be stopped: fail, unless it is the last.
    ///
    /// # Errors
    ///
    /// When this run is one that fails.
    pub async fn run(&self, place: usize) -> End {
        let earlier = self.runs[place].0.fetch_add(1, Ordering::Relaxed);
        if earlier == 0 {
            self.ready.arrive();
            self.gate.cancelled().await;
        }
        if earlier < self.failures.load(Ordering::Relaxed) {
            return Err(failure());
        }
        self.done.arrive();
        Ok(())
    }

    /// Lets them fail, and waits until they have done.
    pub async fn figures(&self) -> Figures {
        self.ready().await;
        let before = Mark::now();
        self.begin();
        self.done().await;
        let after = Mark::now();
        let restarts = self.runs.len() as f64 * f64::from(self.failures.load(Ordering::Relaxed));
        Figures::default()
            .with("restarts_per_s", restarts / before.wall_until(after) * 1e9)
            .with("cpu_ns_per_restart", before.cpu_until(after) / restarts)
    }

    /// Waits until all run for the first time.
    pub async fn ready(&self) {
        self.ready.wait().await;
    }

    /// They begin to fail.
    pub fn begin(&self) {
        self.gate.cancel();
    }

    /// Nobody fails any more.
    pub fn calm(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Waits until nobody has a failure left.
    pub async fn done(&self) {
        self.done.wait().await;
    }
}
