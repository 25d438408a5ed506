//! `cargo xtask sim`: the simulator, built in release.

use std::path::PathBuf;

use crate::{Outcome, shell};

/// The verb `sim`. What it takes is the binary's matter (`cargo xtask sim --help`).
pub(crate) fn sim(arguments: &[String]) -> Outcome {
    let words = ["run", "--release", "--quiet", "--package", "supervisor-testkit", "--bin", "sim", "--"];
    let mut command = shell::cargo(words);
    command.args(arguments);
    if arguments.iter().any(|argument| argument == "--planted") {
        // A folder of its own, so that it does not undo other builds.
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        command.env("RUSTFLAGS", "--cfg planted").env("CARGO_TARGET_DIR", target.join("planted"));
    }
    shell::run(command)
}
