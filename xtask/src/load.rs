//! `cargo xtask load`: how much a relay bears, and how a page looks meanwhile.

use std::process::Command;
use std::time::Duration;

use crate::{Outcome, shell, ui};

/// What is built: the load, and the binary whose relay is loaded.
const PACKAGES: [&str; 2] = ["supervisor-load", "supervisor-cli"];
/// For how long sessions count unless it is said.
const SECONDS: u64 = 60;
/// How long the warm-up, the last words and the browser may take beside that.
const BESIDE: Duration = Duration::from_secs(15 * 60);
/// What goes on to the program as it is, each with a number.
const NUMBERS: [&str; 6] =
    ["--seconds", "--targets", "--children", "--events-per-second", "--sessions", "--hang"];
const USAGE: &str = "`cargo xtask load [--seconds N] [--targets N] [--children N] [--events-per-second N] \
                     [--sessions N] [--hang N] [--no-browser]`";

/// What was asked for on the command line.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    seconds: u64,
    browser: bool,
    /// For the program.
    numbers: Vec<String>,
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut plan = Self { seconds: SECONDS, browser: true, numbers: Vec::new() };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--no-browser" {
                plan.browser = false;
                continue;
            }
            if !NUMBERS.contains(&word.as_str()) {
                return Err(format!("`{word}` is not understood: {USAGE}"));
            }
            let number: Option<u64> = words.next().and_then(|number| number.parse().ok());
            let number = number.ok_or_else(|| format!("`{word}` wants a number after it: {USAGE}"))?;
            if word == "--seconds" {
                plan.seconds = number;
            }
            plan.numbers.extend([word.clone(), number.to_string()]);
        }
        Ok(plan)
    }

    /// `page`: what looks at the pages meanwhile, if anything does.
    fn command(&self, page: &[String]) -> Command {
        let mut command = shell::program(shell::target().join("release").join(PACKAGES[0]));
        command.args(&self.numbers);
        if !page.is_empty() {
            command.arg("--").args(page);
        }
        command
    }
}

/// The verb `load`. The summary is the last line that the load prints.
pub(crate) fn load(arguments: &[String]) -> Outcome {
    let plan = Plan::parse(arguments)?;
    let page = match plan.browser.then(ui::measuring) {
        Some(Ok(page)) => page,
        Some(Err(why)) => {
            println!("SKIP the pages in a browser: {why}");
            Vec::new()
        }
        None => Vec::new(),
    };
    let mut build = shell::cargo(["build", "--quiet", "--release"]);
    build.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    shell::run(build)?;
    shell::run_within(plan.command(&page), BESIDE + Duration::from_secs(plan.seconds))
        .map_err(|problem| format!("{problem}; what did not hold is above, beginning with `failed:`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Plan, String> {
        Plan::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_load_lasts_a_minute_or_as_long_as_is_said_and_looks_at_the_pages() {
        assert_eq!(parse(&[]), Ok(Plan { seconds: 60, browser: true, numbers: vec![] }));
        let plan = parse(&["--seconds", "600", "--no-browser", "--hang", "3"]).unwrap();
        assert_eq!((plan.seconds, plan.browser), (600, false));
        assert!(shell::spoken(&plan.command(&[])).ends_with("supervisor-load --seconds 600 --hang 3"));
        let page = ["npm".to_owned(), "test".to_owned()];
        assert!(shell::spoken(&plan.command(&page)).ends_with("--hang 3 -- npm test"));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_can_be_said() {
        for words in [&["--second", "5"][..], &["--seconds"], &["--targets", "x"], &["5"]] {
            assert!(parse(words).unwrap_err().contains("cargo xtask load"), "{words:?}");
        }
    }
}
