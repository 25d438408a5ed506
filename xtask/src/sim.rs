//! `cargo xtask sim`: the simulator, built in release.

use crate::{Outcome, shell};

/// The verb `sim`. What it takes is the binary's matter (`cargo xtask sim --help`).
pub(crate) fn sim(arguments: &[String]) -> Outcome {
    let words = ["run", "--release", "--quiet", "--package", "supervisor-testkit", "--bin", "sim", "--"];
    let mut command = shell::cargo(words);
    command.args(arguments);
    if arguments.iter().any(|argument| argument == "--planted") {
        shell::plant(&mut command);
    }
    shell::run(command)
}
