//! The rows, a file for each; see `docs/benchmarks.md` for what they come to.

pub mod all_states;
pub mod burst;
mod desk;
pub mod events;
pub mod idle;
pub mod latency;
pub mod one_state;
pub mod programs;
pub mod socket;
pub mod start;
pub mod stop;
pub mod storm;

use std::time::Duration;

use tokio_supervisor::{Supervisor, SupervisorHandle, SupervisorSpec};

use crate::program::Rows;

/// The rows that are measured by hand on bare tokio.
pub const RAW: Rows = &[
    ("W1", |n| Box::pin(start::raw(n))),
    ("W2", |n| Box::pin(latency::raw(n))),
    ("W3", |n| Box::pin(storm::raw(n))),
    ("W4-in-order", |n| Box::pin(stop::raw_in_order(n))),
    ("W4-at-once", |n| Box::pin(stop::raw_at_once(n))),
    ("W5-state", |n| Box::pin(one_state::raw(n))),
    ("W5-restart", |n| Box::pin(one_state::raw_restart(n))),
    ("W5-all", |n| Box::pin(all_states::raw_idle(n))),
    ("W5-all-in-storm", |n| Box::pin(all_states::raw_storm(n))),
    ("W6", |n| Box::pin(events::raw(n))),
    ("W7", |n| Box::pin(idle::raw(n))),
    ("W8", |n| Box::pin(burst::raw(n))),
    ("W9-hello", |n| Box::pin(socket::raw_hello(n))),
    ("W9-state", |n| Box::pin(socket::raw_state(n))),
    ("W9-events", |n| Box::pin(socket::raw_events(n))),
    ("P1", |n| Box::pin(programs::raw_restart(n))),
    ("P2", |n| Box::pin(programs::raw_many(n))),
];

/// The rows that are measured with the library.
pub const OURS: Rows = &[
    ("W1", |n| Box::pin(start::ours(n))),
    ("W2", |n| Box::pin(latency::ours(n))),
    ("W3", |n| Box::pin(storm::ours(n))),
    ("W4-in-order", |n| Box::pin(stop::ours_in_order(n))),
    ("W4-at-once", |n| Box::pin(stop::ours_at_once(n))),
    ("W5-key", |n| Box::pin(one_state::ours_by_key(n))),
    ("W5-path", |n| Box::pin(one_state::ours_by_path(n))),
    ("W5-restart", |n| Box::pin(one_state::ours_restart(n))),
    ("W5-all", |n| Box::pin(all_states::ours_idle(n))),
    ("W5-all-in-storm", |n| Box::pin(all_states::ours_storm(n))),
    ("W6", |n| Box::pin(events::ours(n))),
    ("W7", |n| Box::pin(idle::ours(n))),
    ("W8", |n| Box::pin(burst::ours(n))),
    ("W9-hello", |n| Box::pin(socket::ours_hello(n))),
    ("W9-state", |n| Box::pin(socket::ours_state(n))),
    ("W9-events", |n| Box::pin(socket::ours_events(n))),
    ("P1", |n| Box::pin(programs::ours_restart(n))),
    ("P2", |n| Box::pin(programs::ours_many(n))),
];

/// A budget that is kept and never exhausted in a row: so many restarts in a minute.
const HIGH: u32 = 100_000_000;

/// Launches a tree; its children may start later.
fn launched(spec: SupervisorSpec) -> Result<SupervisorHandle, String> {
    Supervisor::launch(spec).map_err(|error| format!("the tree is not launched: {error}"))
}

/// A window of a budget.
const WINDOW: Duration = Duration::from_secs(60);
