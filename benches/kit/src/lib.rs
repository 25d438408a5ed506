//! What all programs of the benchmark share, whatever they measure: `bench-raw`, `bench-ours`, and the peers of
//! `benches/peers`, which is a workspace of its own and sees nothing of the library.
//!
//! A row is the same for all of them: what a child does ([`Pulse`], [`Storm`]), and where the clock is read
//! ([`Starting`], [`Stopping`], [`watched`]), stand here. How children are started, kept and stopped is the subject's;
//! the rows of the peers, which differ in nothing else, are in [`peer`].

mod figures;
pub mod gauge;
mod idle;
mod latch;
pub mod peer;
pub mod program;
mod pulse;
mod starting;
mod stopping;
mod storm;

pub use figures::Figures;
pub use idle::watched;
pub use latch::Latch;
pub use pulse::Pulse;
pub use starting::Starting;
pub use stopping::Stopping;
pub use storm::Storm;

/// How a run ends.
pub type End = Result<(), String>;

/// The name of the child in a place.
#[must_use]
pub fn name(place: usize) -> String {
    format!("child-{place}")
}

/// A failed run's text.
#[must_use]
pub fn failure() -> String {
    "connection reset by peer".to_owned()
}
