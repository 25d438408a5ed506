//! How children run: one task per child for its life, and what goes with a run.

mod blocking;
mod crew;
mod host;
mod meter;
mod probe;

use std::future::Future;
use std::sync::Arc;

use supervisor_api::ChildKey;

use crate::context::ChildContext;
use crate::exit::IntoExit;
use crate::sync::spawn;
use crate::tree::Tree;

pub(crate) use blocking::blocking;
pub(crate) use crew::Crew;
pub(crate) use meter::{Meter, Metering};

/// The place a task takes when it begins to host the runs of a child.
pub(crate) struct Seat {
    pub(crate) tree: Arc<Tree>,
    pub(crate) key: ChildKey,
    /// Which task of this child; see [`crate::slot::Slot::host`].
    pub(crate) number: u32,
}

/// Which child of which tree a task hosts, for itself and for all its runs: each child has one of its own, so that runs that
/// begin at the same time share nothing.
pub(crate) struct Place {
    pub(crate) tree: Arc<Tree>,
    pub(crate) key: ChildKey,
}

/// Something that can be run again and again.
pub(crate) trait Run: Send + Sync {
    /// Starts the task that hosts all runs of the child in `seat`, until the child is forgotten.
    fn host(self: Arc<Self>, seat: Seat);
}

struct Task<F> {
    factory: F,
    managed: bool,
}

impl<F, Fut> Run for Task<F>
where
    F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoExit> + Send + 'static,
{
    fn host(self: Arc<Self>, seat: Seat) {
        let runtime = seat.tree.runtime.clone();
        spawn(&runtime, host::host(seat, self));
    }
}

/// Runs that are dropped when they are killed.
pub(crate) fn task<F, Fut>(factory: F) -> Arc<dyn Run>
where
    F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoExit> + Send + 'static,
{
    Arc::new(Task { factory, managed: false })
}

/// Runs that are told when they are killed.
pub(crate) fn managed<F, Fut>(factory: F) -> Arc<dyn Run>
where
    F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoExit> + Send + 'static,
{
    Arc::new(Task { factory, managed: true })
}
