//! Disks that fail, callers, commands; and the tests of the audit.

mod broken;
mod common;
mod content;
mod files;

pub(crate) use common::*;
