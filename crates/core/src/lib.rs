//! The machine that decides everything, and nothing else.
//!
//! # Theory of operation
//!
//! A [`Machine`] holds one whole tree. Somebody who owns a clock and the children (the *driver*) hands it
//! an [`Input`] with the time, and carries out the [`Effect`]s it answers with, in order. The machine has
//! no clock, no randomness of its own, no tasks and no locks: the same inputs at the same times give the
//! same effects, byte for byte. [`Machine::next_deadline`] says when it wants to be woken.
//!
//! ```text
//!    commands ──┐                      ┌── Declared, Forget     what is in the tree
//!    exits    ──┤    ┌─────────────┐   ├── Spawn, Stop, Kill    what to do to runs
//!    ready    ──┼──► │   Machine   │ ──┼── Emit                 what happened, and why
//!    beats    ──┤    └─────────────┘   ├── Reply                exactly one per command
//!    tick     ──┘     next_deadline    └── Started, Done        the tree as a whole
//! ```
//!
//! A specification is checked once, by [`resolve`], where defaults are filled in and mistakes are found;
//! what comes out of it is trusted.

#[cfg(planted)]
#[macro_use]
pub mod faults;
#[cfg(not(planted))]
#[macro_use]
mod faults;

mod face;
mod lint;
mod machine;
mod names;
mod resolve;
mod spec;
mod stop_bound;

pub use face::{Address, Applied, Command, Effect, End, Input, Reply, Requester, Ticket};
pub use lint::lint;
pub use machine::{BudgetAt, ChildCounts, Machine, Tally};
pub use resolve::{
    ChildPolicy, Context, Filled, Inherited, Key, Keys, Resolved, ResolvedChild, ResolvedSupervisor,
    SupervisorPolicy, resolve,
};
pub use spec::{Body, ChildDecl, ChildSettings, Limit, SupervisorDecl, SupervisorSettings};
pub use stop_bound::{StopBound, stop_bound};
