//! The verbs on a running target: the real binary against a small target that speaks the real protocol.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod commands;
mod exit_codes;
mod files;
#[path = "../common/said.rs"]
mod said;
mod shop;
#[path = "../../../client/tests/target/mod.rs"]
mod target;
mod terminal;
mod why;
