//! The local socket server inside a target.

mod audit;
mod caller;
mod command;
mod config;
mod dispatch;
mod feed;
mod gate;
mod ids;
mod programs;
mod registration;
mod roles;
#[cfg(test)]
mod scene;
mod serve;
mod session;
mod state;
mod target;
mod why;

pub use audit::{AuditConfig, AuditOptions};
pub use caller::{Caller, Role};
pub use config::{Config, ConfigError};
pub use dispatch::{Answer, Dispatcher};
pub use programs::{AllowedPrograms, ProgramError};
pub use registration::RegistrationConfig;
pub use roles::Roles;
pub use serve::{Control, ServeError};
