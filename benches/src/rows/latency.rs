//! W2: how soon a failed child runs again. W8, second half: the same with few and with many others beside it.
//!
//! Timed, for each of 10 000 failures in a row of one child: from the last instruction of the run that fails to the
//! first of the next. No delay; `ours` has a budget that is kept. The other children are idle. In W2 there are none.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio_supervisor::{Backoff, ChildSpec, SupervisorSpec};
use tokio_util::sync::CancellationToken;

use super::{HIGH, WINDOW, failure, launched, name};
use crate::gauge::nanos;
use crate::program::Outcome;
use crate::team::{End, Team};
use crate::{Figures, Latch};

/// How often the child fails.
const FAILURES: usize = 10_000;

/// By hand: the first of so many children fails.
pub async fn raw(children: usize) -> Outcome {
    let pulse = Pulse::of(children);
    let team = Team::start(children, move |place, stop| async move {
        pulse.run(place).await?;
        stop.cancelled().await;
        Ok(())
    });
    let stop = team.stopper();
    let kept = tokio::spawn(team.keep(|_, _| {}));
    let figures = pulse.figures().await;
    stop.cancel();
    kept.await.map_err(|error| error.to_string())?;
    Ok(figures)
}

/// With the library: the first of so many children fails.
pub async fn ours(children: usize) -> Outcome {
    let pulse = Pulse::of(children);
    let specs = (0..children).map(|place| {
        ChildSpec::service(name(place), move |ctx| async move {
            pulse.run(place).await?;
            ctx.stopping().await;
            Ok::<_, String>(())
        })
        .backoff(Backoff::none())
    });
    let tree = launched(SupervisorSpec::root(specs).budget(HIGH, WINDOW))?;
    let figures = pulse.figures().await;
    drop(tree);
    Ok(figures)
}

/// What the runs of the child that fails know of each other.
struct Pulse {
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
    fn of(children: usize) -> &'static Self {
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
    async fn run(&self, place: usize) -> End {
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

    async fn figures(&self) -> Figures {
        self.ready.wait().await;
        self.gate.cancel();
        self.done.wait().await;
        let mut times: Vec<u64> = self.times.iter().map(|time| time.load(Ordering::Relaxed)).collect();
        Figures::of_times(&mut times)
    }
}
