//! What is fuzzed. Each function takes any bytes, makes something structured of them, runs it and asserts
//! what must hold; it panics when that does not.
//!
//! | function | the bytes become | what must hold |
//! |---|---|---|
//! | [`frame`] | one line, read as every kind of message | no panic; a refusal is one line; what is accepted reads back the same |
//! | [`session`] | the frames of one connection to a small tree | every request has its answer, every answer reads; the tree goes on |
//! | [`machine`] | a tree and operations on it | all invariants of the test bench; every command is answered; the tree ends |
//! | [`manifest`] | a child's manifest and a stack file | no panic; refusals name a place; what is accepted reads back the same |
//! | [`paths`] | a text, and steps up and down a tree | the grammar of ids and paths; what is printed reads back the same |
//!
//! The same functions are fuzzed (`fuzz/targets`), replayed on the committed seeds, and run on random bytes
//! as plain property tests (`tests/properties.rs`), so that every test run covers them.

mod bytes;
mod frame;
mod machine;
mod manifest;
mod paths;
mod session;
mod tree;

pub use frame::frame;
pub use machine::machine;
pub use manifest::manifest;
pub use paths::paths;
pub use session::session;
