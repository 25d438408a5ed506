//! What a tree is made of, as a program says it.

mod child;
mod extras;
mod lower;
mod name;
mod supervisor;

pub use child::ChildSpec;
pub use supervisor::SupervisorSpec;

pub(crate) use child::{What, probed};
pub(crate) use extras::{Extras, Probe, ProbeTimes, ProbeUse, SecretSource, Tries, Variable};
pub(crate) use lower::{Bodies, Body, Bound, Lowered, OnStuck, Options, Wanted, lower_child, lower_root};
pub(crate) use name::Name;
