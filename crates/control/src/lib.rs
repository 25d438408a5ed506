//! The local socket server inside a target.

mod audit;
mod caller;
mod ids;
mod registration;

pub use audit::{AuditConfig, AuditOptions};
pub use caller::{Caller, Role};
pub use registration::RegistrationConfig;
