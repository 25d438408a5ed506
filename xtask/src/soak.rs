//! `cargo xtask soak`: a real tree of tasks and programs under random faults, for a while.

use std::process::Command;
use std::time::Duration;

use crate::{Outcome, shell};

/// The package of the soak.
const PACKAGE: &str = "supervisor-chaos";
/// How long the storm lasts unless it is said.
const SECONDS: u64 = 30;
/// How long the build, the warm-up and the shutdown may take beside that.
const BESIDE: Duration = Duration::from_secs(10 * 60);
const USAGE: &str = "`cargo xtask soak [--seconds N] [--seed S] [--release]`, with N from 2";

/// What was asked for on the command line.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    seconds: u64,
    seed: Option<u64>,
    release: bool,
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut plan = Self { seconds: SECONDS, seed: None, release: false };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let number = words.next().and_then(|number| number.parse().ok());
                number.ok_or_else(|| format!("`{word}` wants a number after it: {USAGE}"))
            };
            match word.as_str() {
                "--seconds" => plan.seconds = number()?,
                "--seed" => plan.seed = Some(number()?),
                "--release" => plan.release = true,
                other => return Err(format!("`{other}` is not understood: {USAGE}")),
            }
        }
        if plan.seconds < 2 {
            return Err(format!("a storm of {} s is too short to warm up: {USAGE}", plan.seconds));
        }
        Ok(plan)
    }

    fn command(&self) -> Command {
        let mut command = shell::cargo(["run", "--quiet", "--package", PACKAGE]);
        if self.release {
            command.arg("--release");
        }
        command.args(["--", "--seconds"]).arg(self.seconds.to_string());
        if let Some(seed) = self.seed {
            command.arg("--seed").arg(seed.to_string());
        }
        command
    }
}

/// The verb `soak`. The summary is the last line that the soak prints.
pub(crate) fn soak(arguments: &[String]) -> Outcome {
    let plan = Plan::parse(arguments)?;
    shell::run_within(plan.command(), BESIDE + Duration::from_secs(plan.seconds))
        .map_err(|problem| format!("{problem}; what did not hold is above, beginning with `violated:`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Plan, String> {
        Plan::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_soak_lasts_half_a_minute_or_as_long_as_is_said() {
        assert_eq!(parse(&[]), Ok(Plan { seconds: 30, seed: None, release: false }));
        let plan = parse(&["--seconds", "600", "--release", "--seed", "7"]).unwrap();
        assert_eq!(plan, Plan { seconds: 600, seed: Some(7), release: true });
        assert!(shell::spoken(&plan.command()).ends_with("--release -- --seconds 600 --seed 7"));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_can_be_said() {
        for words in
            [&["--second", "5"][..], &["--seconds"], &["--seconds", "x"], &["--seconds", "1"], &["5"]]
        {
            assert!(parse(words).unwrap_err().contains("cargo xtask soak"), "{words:?}");
        }
    }
}
