//! The words of tokio-supervisor, shared by the machine, the library, the wire and the tools.
//!
//! This crate decides nothing and runs nothing. It says what a child is called ([`ChildId`],
//! [`SupervisorPath`]), what can be asked of it ([`policy`]), which states it passes through
//! ([`Lifecycle`]), how a run can end ([`Exit`]), what is told about it ([`Event`]) and what an
//! operator can ask for ([`command`]). Every word is the same in code, on the wire, on the command
//! line and on the dashboard.
//!
//! With feature `wire` it has the messages between target, relay and browser too (`wire`), and reads their frames;
//! that brings `serde_json`. Without it nothing beyond `serde` is compiled, which is what the machine and the
//! library need.

mod error;
mod event;
mod exit;
mod hidden;
mod id;
mod life;
mod moments;
mod nearest;
mod rules;
#[cfg(feature = "schema")]
mod schema;
mod usage;

pub mod command;
pub mod manifest;
pub mod policy;
pub mod report;
#[cfg(feature = "wire")]
pub mod wire;

pub use error::{Finding, SupervisorError};
pub use event::{
    Cause, ChildKey, Detail, Event, EventKind, EventSpec, Next, PolicyDecision, Row, Severity, StampedEvent,
};
pub use exit::{Exit, ExitClass};
pub use id::{ChildId, IdError, SupervisorPath};
pub use life::{Health, Lifecycle, Readiness, ShutdownState, Vocabulary};
pub use moments::{Moments, Stage};
pub use nearest::nearest;
pub use rules::{Rule, RuleSource, Rules};
#[cfg(feature = "schema")]
pub use schema::words_schema;
pub use usage::{PollTimes, ProgramUsage};
