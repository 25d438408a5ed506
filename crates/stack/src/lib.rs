//! A YAML file becomes a running tree.
//!
//! [`Stack::read`] reads a file and reports everything that is wrong with it at once, each mistake
//! with its line and column, what stands there and what was meant. [`schema`] is the JSON Schema of
//! such a file. What a file takes from elsewhere, such as the values of its variables, is chosen with
//! [`Choices`] ([`Stack::read_as`]). [`Stack::launch`] runs it, [`Instance`] sees to it that it runs once, and [`Stack::prepare`] makes its
//! control socket, its dashboard and its health endpoint.
//!
//! ```
//! use supervisor_stack::Stack;
//!
//! let text = "version: 1\nname: demo\nchildren:\n  - {name: web, kind: proces, command: [sleep, 1]}\n";
//! let error = Stack::parse("demo.yaml", text).unwrap_err().to_string();
//! assert!(error.starts_with("demo.yaml:4:23: error: /web: `kind` must be one of"));
//! assert!(error.contains("did you mean `process`?"));
//! ```

mod belongs;
mod control;
mod dashboard;
mod dialect;
mod expand;
mod file;
mod health;
mod import;
mod launch;
mod logs;
mod places;
mod respec;
mod schema;
mod secrets;
mod serve;
mod sockets;
mod tree;

pub use belongs::RunOf;
pub use dashboard::{Dashboard, DashboardAt, DashboardError, LoginLink, login_links};
pub use expand::{Choices, Sight};
pub use file::{Stack, StackError};
pub use health::{HealthEndpoint, HealthError, alive, moves, ready};
pub use import::{Foreign, Format, ImportError, Imported, Left, import};
pub use launch::begins_the_end;
pub use schema::schema;
pub use serve::{Doors, PrepareError, Prepared, Serving, SocketAt};

/// The control socket of a run, where that is, and that there is one run at a time.
pub use supervisor_control::{
    AuditPlaceError, Control, Counts, Instance, InstanceError, ServeError, Surroundings,
};
/// The ends of processes that this one has adopted, as the first program of a container does.
pub use supervisor_process::Adopted;
/// Waits for the log files of programs, before the process ends.
pub use supervisor_process::flush_log_files;
/// More open files for this process: each program takes three.
pub use supervisor_process::raise_descriptors;
/// The process that kills programs when the supervisor is killed; and a cgroup for each program.
pub use supervisor_process::{cgroup, guardian};
/// What is wrong in a file, and where.
pub use supervisor_yaml::{FileFinding, Findings, Place, UnreadableFile, printable, read as read_file};
/// The library that runs the tree.
pub use tokio_supervisor;
