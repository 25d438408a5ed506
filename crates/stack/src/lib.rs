//! A YAML file becomes a running tree.
//!
//! [`Stack::read`] reads a file and reports everything that is wrong with it at once, each mistake
//! with its line and column, what stands there and what was meant. [`schema`] is the JSON Schema of
//! such a file.
//!
//! ```
//! use supervisor_stack::Stack;
//!
//! let text = "version: 1\nname: demo\nchildren:\n  - {name: web, kind: proces, command: [sleep, 1]}\n";
//! let error = Stack::parse("demo.yaml", text).unwrap_err().to_string();
//! assert!(error.starts_with("demo.yaml:4:23: error: /web: `kind` must be one of"));
//! assert!(error.contains("did you mean `process`?"));
//! ```

mod expect;
mod file;
mod finding;
mod schema;
mod shape;
mod source;
mod walk;
mod yaml;

pub use file::{Stack, StackError};
pub use finding::{FileFinding, Findings};
pub use schema::schema;
pub use source::{Place, UnreadableFile};
