//! `cargo xtask fuzz`: a fuzz target for a while, with cargo-fuzz.
//!
//! The compiler of `rust-toolchain` or the default one is used with its unstable flags unlocked, so no nightly
//! toolchain is needed. What the fuzzer learns stays in `fuzz/targets/corpus`, what it finds in
//! `fuzz/targets/artifacts`; neither is committed.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Outcome, shell};

/// The package of the targets, apart from the workspace.
const FOLDER: &str = "fuzz/targets";
/// Each target with the longest input that shows something new, in bytes.
const TARGETS: &[(&str, u32)] =
    &[("frame", 256), ("machine", 1024), ("manifest", 512), ("paths", 256), ("session", 512)];
/// How long a target runs unless it is said.
const SECONDS: u64 = 60;
/// How long the first build of a target may take beside that.
const BUILD: Duration = Duration::from_secs(30 * 60);

/// What was asked for on the command line.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    target: &'static str,
    longest: u32,
    seconds: u64,
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
        let usage = format!("`cargo xtask fuzz TARGET [--seconds N]`, where TARGET is {}", names.join(", "));
        let (first, rest) = arguments.split_first().ok_or_else(|| format!("say what to fuzz: {usage}"))?;
        let target = TARGETS.iter().find(|(name, _)| name == first);
        let &(target, longest) = target.ok_or_else(|| format!("there is no target `{first}`: {usage}"))?;
        let seconds = match rest {
            [] => SECONDS,
            [flag, number] if flag == "--seconds" => {
                let number = number.parse().ok().filter(|number| *number > 0);
                number.ok_or_else(|| format!("`--seconds` wants a number from 1: {usage}"))?
            }
            other => return Err(format!("`{}` is not understood: {usage}", other.join(" "))),
        };
        Ok(Self { target, longest, seconds })
    }

    fn command(&self) -> Command {
        let Self { target, longest, seconds } = self;
        let corpus = format!("{FOLDER}/corpus/{target}");
        let mut command = shell::cargo(["fuzz", "run", "--fuzz-dir", FOLDER, target, &corpus]);
        command.arg(format!("fuzz/seeds/{target}"));
        command.args(["--".to_owned(), format!("-max_total_time={seconds}"), format!("-max_len={longest}")]);
        // An input that takes this long is a finding too.
        command.args(["-timeout=20", "-print_final_stats=1"]);
        command.env("RUSTC_BOOTSTRAP", "1");
        command
    }
}

/// The verb `fuzz`.
pub(crate) fn fuzz(arguments: &[String]) -> Outcome {
    let plan = Plan::parse(arguments)?;
    if shell::cargo(["fuzz", "--version"]).output().is_ok_and(|done| !done.status.success()) {
        return Err("cargo-fuzz is not installed; install it with `cargo install cargo-fuzz`. It needs a C++ \
                    compiler (`apt-get install g++`). Without it `cargo test -p supervisor-fuzz` runs the same \
                    functions on random bytes"
            .into());
    }
    let corpus = shell::root().join(Path::new(FOLDER)).join("corpus").join(plan.target);
    std::fs::create_dir_all(&corpus)
        .map_err(|error| format!("cannot make the folder {}: {error}", corpus.display()))?;
    shell::run_within(plan.command(), BUILD + Duration::from_secs(plan.seconds))
        .map_err(|problem| format!("{problem}; fuzz/README.md says what to do with a finding"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Plan, String> {
        Plan::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_target_runs_for_a_minute_or_as_long_as_is_said() {
        assert_eq!(parse(&["paths"]), Ok(Plan { target: "paths", longest: 256, seconds: 60 }));
        assert_eq!(parse(&["machine", "--seconds", "300"]).map(|plan| plan.seconds), Ok(300));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_can_be_said() {
        for words in
            [&[][..], &["path"], &["paths", "--seconds"], &["paths", "--seconds", "0"], &["paths", "5"]]
        {
            let problem = parse(words).unwrap_err();
            assert!(problem.contains("frame, machine, manifest, paths, session"), "{problem}");
        }
    }

    #[test]
    fn every_target_has_a_program_and_seeds() {
        for (target, _) in TARGETS {
            assert!(shell::root().join(FOLDER).join(format!("{target}.rs")).is_file(), "{target}");
            assert!(shell::root().join("fuzz/seeds").join(target).is_dir(), "{target}");
        }
    }
}
