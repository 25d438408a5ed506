//! W3: N children fail again and again, a million times all together.
//!
//! Timed: from the sign at which all of them fail for the first time until each has been restarted after its last
//! failure. 1 000 children fail 1 000 times each, 10 fail 100 000 times, 100 000 fail 10 times. Every failure has a
//! text of its own. `ours` has a budget that is kept, and higher than the storm; there is no delay; events are kept,
//! as always.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_supervisor::{Backoff, ChildSpec, SupervisorSpec};
use tokio_util::sync::CancellationToken;

use super::{HIGH, WINDOW, failure, launched, name};
use crate::gauge::Mark;
use crate::program::Outcome;
use crate::team::{End, Team};
use crate::{Figures, Latch};

/// How often the children of W3 fail, all together.
const FAILURES: usize = 1_000_000;

/// By hand.
pub async fn raw(children: usize) -> Outcome {
    let storm = Storm::of(children, FAILURES / children);
    let team = Team::start(children, |place, stop| storm.run_by_hand(place, stop));
    let stop = team.stopper();
    let kept = tokio::spawn(team.keep(|_, _| {}));
    let figures = storm.figures().await;
    stop.cancel();
    kept.await.map_err(|error| error.to_string())?;
    Ok(figures)
}

/// With the library.
pub async fn ours(children: usize) -> Outcome {
    let storm = Storm::of(children, FAILURES / children);
    let tree = launched(storm.tree())?;
    let figures = storm.figures().await;
    drop(tree);
    Ok(figures)
}

/// Children that fail so often each, and then run.
pub(super) struct Storm {
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
#[derive(Default)]
#[repr(align(64))]
struct Own(AtomicU32);

impl Storm {
    /// So many children that fail so often each.
    pub(super) fn of(children: usize, failures: usize) -> &'static Self {
        Self::leaked(children, u32::try_from(failures).unwrap_or(u32::MAX))
    }

    /// So many children that fail until [`Self::calm`].
    pub(super) fn endless(children: usize) -> &'static Self {
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
    async fn fail(&self, place: usize) -> End {
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

    /// A run by hand.
    pub(super) async fn run_by_hand(&self, place: usize, stop: CancellationToken) -> End {
        self.fail(place).await?;
        stop.cancelled().await;
        Ok(())
    }

    /// The tree of the same runs.
    pub(super) fn tree(&'static self) -> SupervisorSpec {
        let specs = (0..self.runs.len()).map(|place| {
            ChildSpec::service(name(place), move |ctx| async move {
                self.fail(place).await?;
                ctx.stopping().await;
                Ok::<_, String>(())
            })
            .backoff(Backoff::none())
        });
        SupervisorSpec::root(specs).budget(HIGH, WINDOW)
    }

    /// Lets them fail, and waits until they have done.
    pub(super) async fn figures(&self) -> Figures {
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
    pub(super) async fn ready(&self) {
        self.ready.wait().await;
    }

    /// They begin to fail.
    pub(super) fn begin(&self) {
        self.gate.cancel();
    }

    /// Nobody fails any more.
    pub(super) fn calm(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Waits until nobody has a failure left.
    pub(super) async fn done(&self) {
        self.done.wait().await;
    }
}
