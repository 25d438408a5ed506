//! `cargo xtask servers`: nginx, Redis and PostgreSQL as one stack, killed at random for minutes while clients ask them.

use std::process::Command;

use crate::{Outcome, shell, test, tools};

/// How long the storm lasts unless it is said.
const SECONDS: u64 = 120;
const USAGE: &str = "`cargo xtask servers [--seconds N] [--seed S]`, with N from 10";

/// What was asked for on the command line.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    seconds: u64,
    seed: Option<u64>,
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut plan = Self { seconds: SECONDS, seed: None };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let number = words.next().and_then(|number| number.parse().ok());
                number.ok_or_else(|| format!("`{word}` wants a number after it: {USAGE}"))
            };
            match word.as_str() {
                "--seconds" => plan.seconds = number()?,
                "--seed" => plan.seed = Some(number()?),
                other => return Err(format!("`{other}` is not understood: {USAGE}")),
            }
        }
        if plan.seconds < 10 {
            return Err(format!("in {} s not every server is killed: {USAGE}", plan.seconds));
        }
        Ok(plan)
    }

    /// The test of the suite that is ignored there because of its length.
    fn command(&self) -> Command {
        let name = "real_servers_survive_random_kills_for_minutes";
        // With the features of the whole suite, so that nothing is built twice.
        let mut command = shell::cargo(["test", "--workspace", "--all-features", "--test", "servers"]);
        command.args(["--", "--ignored", "--exact", "--nocapture", name]);
        command.env("SERVERS_SECONDS", self.seconds.to_string());
        if let Some(seed) = self.seed {
            command.env("SERVERS_SEED", seed.to_string());
        }
        command
    }
}

/// The verb `servers`.
pub(crate) fn servers(arguments: &[String]) -> Outcome {
    let plan = Plan::parse(arguments)?;
    tools::set_up();
    test::alone(plan.command())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Plan, String> {
        Plan::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_storm_lasts_two_minutes_or_as_long_as_is_said() {
        assert_eq!(parse(&[]), Ok(Plan { seconds: 120, seed: None }));
        let plan = parse(&["--seconds", "20", "--seed", "7"]).unwrap();
        let command = plan.command();
        let said: Vec<_> = command.get_envs().filter_map(|(name, value)| Some((name, value?))).collect();
        assert!(said.contains(&("SERVERS_SECONDS".as_ref(), "20".as_ref())), "{said:?}");
        assert!(said.contains(&("SERVERS_SEED".as_ref(), "7".as_ref())), "{said:?}");
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_can_be_said() {
        for words in [&["--second", "20"][..], &["--seconds"], &["--seed", "x"], &["--seconds", "9"], &["20"]]
        {
            assert!(parse(words).unwrap_err().contains("cargo xtask servers"), "{words:?}");
        }
    }
}
