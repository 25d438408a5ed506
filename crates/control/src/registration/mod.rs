//! The target makes itself known to a relay (`wire.md` 3).
//!
//! Each registration and each renewal is a connection of its own: one line, the answer, the end. A relay that is
//! absent, silent, or closes without an answer is tried again, sooner at first and at last once a heartbeat. One that
//! says no, and that trying again is of no use, is tried again every few minutes all the same: whoever mends the
//! relay need not start its targets anew.
//!
//! The protocol has no word for leaving; a lease that is not renewed runs out. A target that ends in order asks once
//! more for the shortest lease there is, one second, and so is gone at once from a relay that grants it. Otherwise
//! its last lease runs out.

mod attempt;
mod config;
mod registrar;
mod status;
#[cfg(test)]
mod tests;

pub use config::RegistrationConfig;
pub(crate) use registrar::Registrar;
