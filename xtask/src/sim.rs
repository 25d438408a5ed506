//! `cargo xtask sim`: the simulator, built in release.

use crate::{Outcome, shell};

/// Where a build with planted faults goes, so that it does not mix with others.
const PLANTED: &str = "target/planted";

/// The verb `sim`. What it takes is the binary's matter (`cargo xtask sim --help`).
pub(crate) fn sim(arguments: &[String]) -> Outcome {
    let words = ["run", "--release", "--quiet", "--package", "supervisor-testkit", "--bin", "sim", "--"];
    let mut command = shell::cargo(words);
    command.args(arguments);
    if arguments.iter().any(|argument| argument == "--planted") {
        command.env("RUSTFLAGS", "--cfg planted");
        command.env("CARGO_TARGET_DIR", shell::root().join(PLANTED));
    }
    shell::run(command)
}
