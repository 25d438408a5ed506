//! Planted faults: wrong decisions that are built in on purpose, to see that the checks find them.
//!
//! `fault!(name)` stands where a right decision stands and is `false`, a constant, in every normal build. Under
//! `--cfg planted` it is true while that fault is switched on: for one thread by [`plant`], as the simulator
//! does, or for a whole process by the environment variable `SUPERVISOR_FAULT`, as `cargo xtask rules --planted`
//! does for the tests of the rules. The catalogue says of each fault what is wrong, which rules that breaks, and
//! which invariants of the simulator name it.

#[cfg(planted)]
mod catalogue;
#[cfg(planted)]
mod switch;

#[cfg(planted)]
pub use catalogue::{CATALOGUE, Fault};
#[cfg(planted)]
pub use switch::{is_on, plant};

/// Whether a planted fault is switched on: never in a normal build.
#[cfg(not(planted))]
#[macro_export]
macro_rules! fault {
    ($name:ident) => {
        false
    };
}

/// Whether a planted fault is switched on. A name that is not in the catalogue does not compile.
#[cfg(planted)]
#[macro_export]
macro_rules! fault {
    ($name:ident) => {
        $crate::faults::is_on($crate::faults::Fault::$name)
    };
}

/// What is known of one fault.
#[cfg(planted)]
#[derive(Debug, Clone, Copy)]
pub struct Planted {
    /// Which it is; [`plant`] takes it.
    pub fault: Fault,
    /// Its name, as `SUPERVISOR_FAULT` takes it.
    pub name: &'static str,
    /// What is wrong, as a sentence.
    pub wrong: &'static str,
    /// The rules it breaks (`R40`, `D3`). A test of each fails under it.
    pub breaks: &'static [&'static str],
    /// How the simulator finds it; `None` when only tests of rules do.
    pub found: Option<Found>,
}

/// How the simulator finds a fault.
#[cfg(planted)]
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// The numbers of the invariants that may name it.
    pub invariants: &'static [u8],
    /// In how many seeds, whatever the first one is.
    pub within: u32,
}
