//! The rows, a file for each; see `docs/benchmarks.md` for what they come to.

pub mod start;
pub mod storm;

use std::time::Duration;

use tokio_supervisor::{Supervisor, SupervisorHandle, SupervisorSpec};

use crate::program::Rows;

/// The rows that are measured by hand on bare tokio.
pub const RAW: Rows = &[("W1", |n| Box::pin(start::raw(n))), ("W3", |n| Box::pin(storm::raw(n)))];

/// The rows that are measured with the library.
pub const OURS: Rows = &[("W1", |n| Box::pin(start::ours(n))), ("W3", |n| Box::pin(storm::ours(n)))];

/// A budget that is kept and never exhausted in a row: so many restarts in a minute.
const HIGH: u32 = 100_000_000;

/// The name of the child in a place.
fn name(place: usize) -> String {
    format!("child-{place}")
}

/// A failed run's text.
fn failure() -> String {
    "connection reset by peer".to_owned()
}

/// Launches a tree; its children may start later.
fn launched(spec: SupervisorSpec) -> Result<SupervisorHandle, String> {
    Supervisor::launch(spec).map_err(|error| format!("the tree is not launched: {error}"))
}

/// A window of a budget.
const WINDOW: Duration = Duration::from_secs(60);
