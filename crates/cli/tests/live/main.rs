//! The verbs as an operator uses them: the real binary against a real `supervisor run`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod follow;
mod json;
mod reads;
mod refusals;
#[path = "../common/said.rs"]
mod said;
mod shop;
#[path = "../../../socket/tests/common/skip.rs"]
mod skip;
