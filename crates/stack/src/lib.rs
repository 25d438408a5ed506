//! A YAML file becomes a running tree.
//!
//! [`Stack::read`] reads a file and reports everything that is wrong with it at once, each mistake
//! with its line and column, what stands there and what was meant. [`schema`] is the JSON Schema of
//! such a file. [`Stack::launch`] runs it, [`Instance`] sees to it that it runs once, and [`Stack::prepare`] makes its
//! control socket and its health endpoint.
//!
//! ```
//! use supervisor_stack::Stack;
//!
//! let text = "version: 1\nname: demo\nchildren:\n  - {name: web, kind: proces, command: [sleep, 1]}\n";
//! let error = Stack::parse("demo.yaml", text).unwrap_err().to_string();
//! assert!(error.starts_with("demo.yaml:4:23: error: /web: `kind` must be one of"));
//! assert!(error.contains("did you mean `process`?"));
//! ```

mod accounts;
mod control;
mod expect;
mod file;
mod finding;
mod health;
mod launch;
mod masked;
mod respec;
mod schema;
mod serve;
mod shape;
mod source;
mod tree;
mod walk;
mod yaml;

pub use file::{Stack, StackError};
pub use finding::{FileFinding, Findings, printable};
pub use health::{HealthEndpoint, HealthError};
pub use schema::schema;
pub use serve::{PrepareError, Prepared, Serving, SocketAt};
pub use source::{Place, UnreadableFile};

/// The control socket of a run, where that is, and that there is one run at a time.
pub use supervisor_control::{
    AuditPlaceError, Control, Counts, Instance, InstanceError, ServeError, Surroundings,
};
/// The process that kills programs when the supervisor is killed.
pub use supervisor_process::guardian;
/// The library that runs the tree.
pub use tokio_supervisor;
