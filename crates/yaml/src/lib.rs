//! Files that people write, read strictly: a subset of YAML, held against the schema of the types it is read into.
//!
//! ```text
//!   bytes ──► Source ──► parse ──► Node with places ──► walk, by the Shapes of a schema ──► JSON, and every mistake
//! ```
//!
//! What kind of file it is says a [`Dialect`]. Each mistake has its line and column, says what stands there and what was
//! meant, and does not hide the next. What may be secret is not shown.

mod dialect;
mod expect;
mod finding;
mod masked;
mod schema;
mod shape;
mod source;
mod walk;
mod write;
mod yaml;

pub use dialect::Dialect;
pub use finding::{FileFinding, Findings, printable};
pub use schema::schema_of;
pub use shape::Shapes;
pub use source::{Place, Source, UnreadableFile, read};
pub use walk::{Broken, Walked, walk};
pub use write::{quoted, write};
pub use yaml::{Entry, Mistake, Node, Value, parse};
