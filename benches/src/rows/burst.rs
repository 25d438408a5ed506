//! W8, first half: half of N children crash at once, are backed off, and run again.
//!
//! Timed: from the sign at which they crash until the last of them runs again. They have crashed once before, which
//! was forgiven at once, so this crash is followed by a delay: 100 ms and up to a fifth more or less, the library's
//! default. The wall has the delay in it; the processors' time has not, and tells what a crash costs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_supervisor::{ChildSpec, SupervisorSpec};
use tokio_util::sync::CancellationToken;

use super::{HIGH, WINDOW, launched};
use crate::gauge::Mark;
use crate::program::Outcome;
use crate::team::Team;
use crate::{End, Figures, Latch, failure, name};

/// By hand: a run that comes after a second crash sleeps first.
pub async fn raw(children: usize) -> Outcome {
    let burst = Burst::of(children);
    let team = Team::start(children, move |place, stop| async move {
        if burst.crashes(place) == 2 {
            tokio::time::sleep(delay(place)).await;
        }
        burst.run(place).await?;
        stop.cancelled().await;
        Ok(())
    });
    let stop = team.stopper();
    let kept = tokio::spawn(team.keep(|_, _| {}));
    let figures = burst.figures().await;
    stop.cancel();
    kept.await.map_err(|error| error.to_string())?;
    Ok(figures)
}

/// With the library.
pub async fn ours(children: usize) -> Outcome {
    let burst = Burst::of(children);
    let specs = (0..children).map(|place| {
        ChildSpec::service(name(place), move |ctx| async move {
            burst.run(place).await?;
            ctx.stopping().await;
            Ok::<_, String>(())
        })
    });
    let tree = launched(SupervisorSpec::root(specs).budget(HIGH, WINDOW))?;
    let figures = burst.figures().await;
    drop(tree);
    Ok(figures)
}

/// 100 ms, and up to a fifth more or less.
fn delay(place: usize) -> Duration {
    Duration::from_millis(80 + place as u64 * 7_919 % 41)
}

/// Children of which every second crashes twice.
struct Burst {
    crashes: Box<[AtomicU32]>,
    /// All run, and those who crash have crashed once.
    ready: Latch,
    /// The sign to crash.
    gate: CancellationToken,
    /// All who crashed run again.
    done: Latch,
}

impl Burst {
    fn of(children: usize) -> &'static Self {
        Box::leak(Box::new(Self {
            crashes: (0..children).map(|_| AtomicU32::new(0)).collect(),
            ready: Latch::new(children),
            gate: CancellationToken::new(),
            done: Latch::new(children / 2),
        }))
    }

    fn crashes(&self, place: usize) -> u32 {
        self.crashes[place].load(Ordering::Relaxed)
    }

    /// What a run does before it waits to be stopped.
    async fn run(&self, place: usize) -> End {
        if place.is_multiple_of(2) {
            self.ready.arrive();
            return Ok(());
        }
        let earlier = self.crashes[place].fetch_add(1, Ordering::Relaxed);
        match earlier {
            0 => Err(failure()),
            1 => {
                self.ready.arrive();
                self.gate.cancelled().await;
                Err(failure())
            }
            _ => {
                self.done.arrive();
                Ok(())
            }
        }
    }

    async fn figures(&self) -> Figures {
        self.ready.wait().await;
        let before = Mark::now();
        self.gate.cancel();
        self.done.wait().await;
        let after = Mark::now();
        let crashes = (self.crashes.len() / 2) as f64;
        Figures::default()
            .with("wall_ns", before.wall_until(after))
            .with("cpu_ns_per_crash", before.cpu_until(after) / crashes)
    }
}
