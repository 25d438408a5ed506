//! What tasks do: work, end, fail, panic, hang, flood, come late, leave late.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use supervisor_testkit::Random;
use tokio::time::sleep;
use tokio_supervisor::{ChildContext, Exit, IntoExit, Severity};

use crate::lease::Lease;
use crate::world::World;

/// Panics that are part of the storm begin with this word; all others are shown.
pub(crate) const SCRIPTED: &str = "scripted";

/// So many polls may hold up their workers at a time; more would only stop the storm.
const HANGS: u32 = 2;

/// What is so of every run of a child.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Habits {
    /// It reports ready.
    pub(crate) explicit: bool,
    /// It has promised a heartbeat.
    pub(crate) beats: bool,
    /// It is a managed run.
    pub(crate) managed: bool,
}

fn millis(random: &mut Random, from: u64, to: u64) -> Duration {
    Duration::from_millis(from + random.below(to - from))
}

/// The factory of a child of this soak.
pub(crate) fn factory(
    world: &Arc<World>,
    habits: Habits,
) -> impl Fn(ChildContext) -> std::pin::Pin<Box<dyn Future<Output = End> + Send>> + Send + Sync + use<> {
    let world = Arc::clone(world);
    move |ctx| {
        let path = ctx.path().to_string();
        let lease = world.claim(&path);
        let mut random = world.random(&path, ctx.generation());
        assert!(!random.percent(1), "{SCRIPTED}: the factory panics");
        Box::pin(live(ctx, lease, random, habits))
    }
}

/// The factory of a child that fails as fast as it can, so often that the journal is overwritten, then rests a while.
pub(crate) fn spark(
    world: &Arc<World>,
) -> impl Fn(ChildContext) -> std::pin::Pin<Box<dyn Future<Output = End> + Send>> + Send + Sync + use<> {
    /// Three events each are more than the journal keeps.
    const BURST: u64 = 2_000;
    let world = Arc::clone(world);
    move |ctx| {
        let lease = world.claim(ctx.path().as_str());
        Box::pin(async move {
            let _lease = lease;
            if ctx.generation() % BURST == 0 {
                ctx.run_until_stopped(sleep(Duration::from_secs(3))).await;
            }
            End::Badly
        })
    }
}

/// The run of a child that blocks.
pub(crate) fn block(world: &Arc<World>) -> impl Fn(ChildContext) -> End + Send + Sync + use<> {
    let world = Arc::clone(world);
    move |ctx| {
        let path = ctx.path().to_string();
        let _lease = world.claim(&path);
        let mut random = world.random(&path, ctx.generation());
        let rounds = 1 + random.below(100);
        for _ in 0..rounds {
            if ctx.wait_stopping(Duration::from_millis(20)) {
                hold_up(if random.percent(20) { millis(&mut random, 200, 1_200) } else { Duration::ZERO });
                return End::Well;
            }
        }
        ending(&mut random)
    }
}

/// How a run returns.
pub(crate) enum End {
    Well,
    Badly,
    /// With an error whose text cannot be had.
    Unspeakable,
    Killed,
}

struct Explosive;

impl fmt::Display for Explosive {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("{SCRIPTED}: the error panics while it is shown")
    }
}

impl IntoExit for End {
    fn into_exit(self) -> Exit {
        match self {
            Self::Well => Exit::Completed,
            Self::Badly => Exit::failed("a failure of the soak"),
            Self::Unspeakable => Err::<(), _>(Explosive).into_exit(),
            Self::Killed => Exit::Aborted,
        }
    }
}

fn ending(random: &mut Random) -> End {
    match random.below(20) {
        0..5 => End::Well,
        5..15 => End::Badly,
        15 => End::Unspeakable,
        _ => panic!("{SCRIPTED}: a run panics"),
    }
}

/// Panics when it is dropped, if it is told to; gives the lease back before.
struct Whole {
    lease: Option<Lease>,
    panics: bool,
}

impl Drop for Whole {
    fn drop(&mut self) {
        drop(self.lease.take());
        if self.panics && !std::thread::panicking() {
            panic!("{SCRIPTED}: the drop of a run panics");
        }
    }
}

async fn live(ctx: ChildContext, lease: Lease, mut random: Random, habits: Habits) -> End {
    let _whole = Whole { lease: Some(lease.clone()), panics: random.percent(2) };
    if random.percent(15) {
        help(&ctx, &lease, &mut random);
    }
    drop(lease);
    if habits.explicit {
        match random.below(30) {
            0 => {
                ctx.decline("the soak does not want to");
                return End::Well;
            }
            1 => {}
            _ => {
                let late = millis(&mut random, 0, 80);
                if ctx.run_until_stopped(sleep(late)).await.is_none() {
                    return stop(&ctx, &mut random, habits).await;
                }
                ctx.ready();
            }
        }
    }
    let mute = random.percent(15);
    let rounds = if random.percent(10) { u64::MAX } else { 1 + random.below(60) };
    for round in 0..rounds {
        if habits.beats && !mute {
            ctx.heartbeat();
        }
        mischief(&ctx, &mut random, round);
        let pause = millis(&mut random, 1, 25);
        if ctx.run_until_stopped(sleep(pause)).await.is_none() {
            return stop(&ctx, &mut random, habits).await;
        }
    }
    ending(&mut random)
}

/// Now and then, too much of something.
fn mischief(ctx: &ChildContext, random: &mut Random, round: u64) {
    match random.below(2_000) {
        0 => hold_up(millis(random, 100, 1_500)),
        1..10 => {
            for line in 0..200_u32 {
                ctx.log(Severity::Info, "a flood of lines ".repeat(20), [("line", line.to_string())]);
            }
        }
        10..20 => (0..500).for_each(|_| ctx.heartbeat()),
        20..30 => (0..500).for_each(|_| ctx.ready()),
        30..40 => (0..200).for_each(|n| ctx.gauge(format!("gauge {n}"), 1.0)),
        40..60 => ctx.missed("the soak says so"),
        _ => ctx.progress(format!("round {round}")),
    }
}

/// Holds up the thread, as a poll does that forgets to yield.
#[expect(clippy::disallowed_methods, reason = "a run that hangs in a poll is what is tried here")]
fn hold_up(span: Duration) {
    static HANGING: AtomicU32 = AtomicU32::new(0);
    if HANGING.fetch_add(1, Ordering::SeqCst) < HANGS {
        std::thread::sleep(span);
    }
    HANGING.fetch_sub(1, Ordering::SeqCst);
}

/// Spawns tasks that belong to the run.
fn help(ctx: &ChildContext, lease: &Lease, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let (inner, lease, panics, after) =
            (ctx.clone(), lease.clone(), random.percent(10), millis(random, 0, 300));
        ctx.spawn(async move {
            let _lease = lease;
            if panics {
                sleep(after).await;
                panic!("{SCRIPTED}: a spawned task panics");
            }
            inner.stopping().await;
            sleep(after).await;
        });
    }
}

/// What a run does when it is asked to stop.
async fn stop(ctx: &ChildContext, random: &mut Random, habits: Habits) -> End {
    match random.below(20) {
        0..9 => End::Well,
        9..13 => {
            sleep(millis(random, 0, 150)).await;
            End::Well
        }
        13 => End::Badly,
        14 => panic!("{SCRIPTED}: a run panics when it is asked to stop"),
        15 => {
            hold_up(millis(random, 100, 1_000));
            End::Well
        }
        _ if habits.managed => {
            ctx.killed().await;
            // Later than it is waited for, now and then: it is unresponsive meanwhile.
            sleep(millis(random, 0, 600)).await;
            End::Killed
        }
        _ => pending().await,
    }
}
