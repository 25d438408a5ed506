//! The local socket server inside a target.

mod audit;
mod caller;
mod ids;
mod registration;

pub use caller::{Caller, Role};
