//! `cargo xtask oracle`: the same scenarios in a real OTP and in our machine, built in release.

use std::process::Command;
use std::time::Duration;

use crate::{Outcome, shell, tools};

/// The package of the oracle.
const PACKAGE: &str = "supervisor-oracle";
/// How long the build and all scenarios may take together.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// The verb `oracle`. What it takes is the binary's matter (`cargo xtask oracle --help`).
pub(crate) fn oracle(arguments: &[String]) -> Outcome {
    let needs_erlang = !arguments.iter().any(|word| matches!(word.as_str(), "-h" | "--help" | "--planted"));
    if needs_erlang {
        tools::set_up();
    }
    shell::run_within(command(arguments), LIMIT)
}

fn command(arguments: &[String]) -> Command {
    let mut command = shell::cargo(["run", "--release", "--quiet", "--package", PACKAGE, "--"]);
    command.args(arguments);
    if arguments.iter().any(|argument| argument == "--planted") {
        shell::plant(&mut command);
    }
    command
}
