//! W5: one child among N, from another task.
//!
//! A state: timed are many reads of the states of children, one after the other, each of another child; the figure is
//! the time of one. By hand a read is a question to the task that owns the children, and its answer. The library is
//! asked for the row of a key, and for everything there is to see of the child at a path.
//!
//! A restart: timed is from before the command is given to the first instruction of the new run.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio_supervisor::{ChildSpec, Lifecycle, SupervisorHandle, SupervisorSpec};

use super::desk::Desk;
use super::launched;
use crate::gauge::{Mark, nanos};
use crate::program::Outcome;
use crate::team::Team;
use crate::{Figures, Latch, name};

/// How many reads are timed.
const READS: usize = 200_000;
/// How many restarts are timed.
const RESTARTS: usize = 10_000;

/// By hand: questions to the owner.
pub async fn raw(children: usize) -> Outcome {
    let here = Latch::leaked(children);
    let team = Team::start(children, move |_, stop| async move {
        here.arrive();
        stop.cancelled().await;
        Ok(())
    });
    here.wait().await;
    let desk = Desk::open(team, children);
    let before = Mark::now();
    for place in places(READS, children) {
        if !desk.state(place).await?.running {
            return Err(format!("child {place} does not run"));
        }
    }
    Ok(each(before, READS))
}

/// With the library, by key.
pub async fn ours_by_key(children: usize) -> Outcome {
    let tree = idle(children).await?;
    let keys: Vec<_> =
        (0..children).map(|place| tree.find(path(place))).collect::<Result<_, _>>().map_err(said)?;
    let before = Mark::now();
    for place in places(READS, children) {
        if tree.row(keys[place]).is_none_or(|row| row.lifecycle != Lifecycle::Running) {
            return Err(format!("child {place} does not run"));
        }
    }
    Ok(each(before, READS))
}

/// With the library, by path.
pub async fn ours_by_path(children: usize) -> Outcome {
    let tree = idle(children).await?;
    let paths: Vec<_> = (0..children).map(path).collect();
    let before = Mark::now();
    for place in places(READS, children) {
        if tree.child(&paths[place]).map_err(said)?.state.lifecycle_state != Lifecycle::Running {
            return Err(format!("child {place} does not run"));
        }
    }
    Ok(each(before, READS))
}

/// By hand: the owner is asked to restart a child.
pub async fn raw_restart(children: usize) -> Outcome {
    let bell = Bell::leaked();
    let here = Latch::leaked(children);
    let team = Team::start(children, move |_, stop| async move {
        bell.ring(nanos());
        here.arrive();
        stop.cancelled().await;
        Ok(())
    });
    here.wait().await;
    let desk = Desk::open(team, children);
    let mut times = Vec::with_capacity(RESTARTS);
    for place in places(RESTARTS, children) {
        bell.set();
        desk.restart(place).await?;
        times.push(bell.heard().await);
    }
    Ok(Figures::of_times(&mut times))
}

/// With the library: an operator's command.
pub async fn ours_restart(children: usize) -> Outcome {
    let bell = Bell::leaked();
    let here = Latch::leaked(children);
    let specs = (0..children).map(|place| {
        ChildSpec::service(name(place), move |ctx| async move {
            bell.ring(nanos());
            here.arrive();
            ctx.stopping().await;
        })
    });
    let tree = launched(SupervisorSpec::root(specs))?;
    here.wait().await;
    tree.started().await.map_err(said)?;
    let mut times = Vec::with_capacity(RESTARTS);
    for place in places(RESTARTS, children) {
        bell.set();
        tree.restart_child(path(place), "bench", "the row says so").await.map_err(said)?;
        times.push(bell.heard().await);
    }
    Ok(Figures::of_times(&mut times))
}

/// A tree whose children run and do nothing.
async fn idle(children: usize) -> Result<SupervisorHandle, String> {
    let here = Latch::leaked(children);
    let specs = (0..children).map(|place| {
        ChildSpec::service(name(place), move |ctx| async move {
            here.arrive();
            ctx.stopping().await;
        })
    });
    let tree = launched(SupervisorSpec::root(specs))?;
    here.wait().await;
    tree.started().await.map_err(said)?;
    Ok(tree)
}

/// So many places of children, far from each other.
fn places(count: usize, children: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| turn * 7_919 % children)
}

fn path(place: usize) -> String {
    format!("/{}", name(place))
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn each(before: Mark, reads: usize) -> Figures {
    Figures::default().with("wall_ns_per_read", before.wall_until(Mark::now()) / reads as f64)
}

/// Says when a run began that was commanded.
struct Bell {
    set_at: AtomicU64,
    took: AtomicU64,
    rung: Notify,
}

impl Bell {
    fn leaked() -> &'static Self {
        Box::leak(Box::new(Self { set_at: AtomicU64::new(0), took: AtomicU64::new(0), rung: Notify::new() }))
    }

    /// The command is given.
    fn set(&self) {
        self.set_at.store(nanos(), Ordering::Release);
    }

    /// A run begins at this time; before any command it is one of the first.
    fn ring(&self, now: u64) {
        let set_at = self.set_at.load(Ordering::Acquire);
        if set_at > 0 {
            self.took.store(now - set_at, Ordering::Release);
            self.rung.notify_one();
        }
    }

    /// How long it took until the run began.
    async fn heard(&self) -> u64 {
        self.rung.notified().await;
        self.took.load(Ordering::Acquire)
    }
}
