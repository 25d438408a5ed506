//! The concurrent cells under the model checker: many schedules, each one repeatable.
//!
//! `cargo xtask shuttle` builds the crate with `--cfg shuttle` and runs these. A deadlock, which is what a lost
//! wake-up leads to, fails a test as an assertion does. Time stands still, so no deadline rescues whoever was
//! forgotten. What the checker cannot see is said in [`crate::sync`]. Not covered are the watchdog's marks, which
//! decide nothing, and threads of blocking children, which talk to the rest through a `oneshot` alone.

mod cells;
mod commands;
mod journal;
mod reports;
mod runs;

use std::future::Future;
use std::sync::{Arc, LazyLock};

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};
use tokio::runtime::Runtime;

use crate::driver::drive;
use crate::handle::SupervisorHandle;
use crate::registry::Registry;
use crate::supervisor::prepare;
use crate::tree::{Bounds, Tree};
use crate::{ChildSpec, SupervisorSpec};

/// Where the schedules begin.
const SEED: u64 = 3;

/// A runtime whose time stands still. Nothing is spawned on it: tasks are the checker's.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("a runtime is made")
});

/// Runs `code` under so many random schedules, and under half as many that stop somebody for long at up to
/// three places.
fn explore(schedules: usize, code: impl Fn() + Send + Sync + 'static) {
    let code = Arc::new(code);
    let stubborn = PctScheduler::new_from_seed(SEED, 3, schedules / 2);
    run(RandomScheduler::new_from_seed(SEED, schedules), Arc::clone(&code));
    run(stubborn, code);
}

/// Runs `code` under every schedule there is, which must be fewer than `limit`.
fn exhaust(limit: usize, code: impl Fn() + Send + Sync + 'static) {
    let schedules = run(DfsScheduler::new(Some(limit), false), Arc::new(code));
    assert!(schedules < limit, "there are more than {limit} schedules");
}

fn run(scheduler: impl Scheduler + 'static, code: Arc<impl Fn() + Send + Sync + 'static>) -> usize {
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(move || {
        let _inside = RUNTIME.enter();
        code();
    })
}

fn thread(code: impl FnOnce() + Send + 'static) -> shuttle::thread::JoinHandle<()> {
    shuttle::thread::spawn(code)
}

fn block_on<F: Future>(future: F) -> F::Output {
    shuttle::future::block_on(future)
}

/// A tree of these children that nobody drives.
fn bare(children: impl IntoIterator<Item = ChildSpec>, bounds: &Bounds) -> Arc<Tree> {
    let spec = SupervisorSpec::root(children).panic_hook(false).seed(SEED);
    let (tree, _) = prepare(spec, Registry::new(), bounds).expect("the spec is sound");
    tree
}

/// A tree that runs, and the task that drives it.
fn running(
    children: impl IntoIterator<Item = ChildSpec>,
    bounds: &Bounds,
) -> (SupervisorHandle, shuttle::future::JoinHandle<()>) {
    let tree = bare(children, bounds);
    tree.launch();
    let driver = shuttle::future::spawn(drive(Arc::clone(&tree)));
    (SupervisorHandle::new(tree), driver)
}

/// Few of everything, so that bounds are met.
const SMALL: Bounds = Bounds { commands: 1, events: 64, page: 8 };
