//! `cargo xtask shuttle`: the concurrent cells of the library and of the ledger under a model checker.
//!
//! The crates are built once more with `--cfg shuttle`, into a folder of its own so that nothing else is built again,
//! and only the tests that are made for the checker are run.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::{Outcome, shell};

/// The packages, and the module of their tests.
const PACKAGES: &[&str] = &["tokio-supervisor", "supervisor-ledger"];
const TESTS: &str = "interleavings::";
/// One minute of schedules on an idle machine, with room for a busy one.
const RUN: Duration = Duration::from_secs(10 * 60);
/// The first build.
const BUILD: Duration = Duration::from_secs(20 * 60);

/// The verb `shuttle`.
pub(crate) fn shuttle(arguments: &[String]) -> Outcome {
    let filter = match arguments {
        [] => TESTS.to_owned(),
        [filter] if !filter.starts_with('-') => format!("{TESTS}{filter}"),
        other => {
            let given = other.join(" ");
            return Err(format!(
                "`cargo xtask shuttle` takes the beginning of a test's name, but was given `{given}`"
            ));
        }
    };
    shell::run_within(command(&["--no-run"]), BUILD)?;
    shell::run_within(command(&[&filter]), RUN).map_err(|problem| {
        format!(
            "{problem}. The failing schedule is printed with the test: put it into `shuttle::replay` in place of \
             `explore` to run it again"
        )
    })
}

fn command(arguments: &[&str]) -> Command {
    let mut command = shell::cargo(["test", "--lib"]);
    command.args(PACKAGES.iter().flat_map(|package| ["--package", package])).args(arguments);
    command.env("CARGO_TARGET_DIR", folder()).env("RUSTFLAGS", "--cfg shuttle");
    // A failure is told by its schedule; the stack is the checker's.
    command.env("RUST_BACKTRACE", "0");
    command
}

fn folder() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell::root().join("target"), PathBuf::from);
    target.join("shuttle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_refused() {
        let problem = shuttle(&["--release".into()]).unwrap_err();
        assert!(problem.contains("takes the beginning of a test's name"), "{problem}");
    }

    #[test]
    fn the_checker_is_built_apart() {
        let command = command(&[]);
        let value = |name| command.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
        assert!(value("CARGO_TARGET_DIR").is_some_and(|folder| PathBuf::from(folder).ends_with("shuttle")));
        assert_eq!(value("RUSTFLAGS"), Some("--cfg shuttle".as_ref()));
    }
}
