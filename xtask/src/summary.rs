//! What a test run came to: the totals over all test binaries, the tests that failed, the tests that were skipped.
//!
//! A test that lacks a tool must not pass in silence. It appends one line, `NAME: needs TOOL; install with COMMAND`,
//! to the file that the environment variable [`SKIP_REPORT`] names, and returns. The run shows these lines at its
//! end, and where `CI=true` each of them is a failure.

use std::collections::BTreeSet;

use crate::Outcome;

/// The environment variable that names the file to which a test appends its skip line.
pub(crate) const SKIP_REPORT: &str = "TEST_SKIP_REPORT";

/// The totals of a run, gathered from the lines that the test binaries print.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    passed: u64,
    ignored: u64,
    failed: BTreeSet<String>,
    failures: u64,
    skipped: BTreeSet<String>,
}

impl Summary {
    /// Takes in one line of a test binary's output.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(totals) = line.strip_prefix("test result: ") {
            self.passed += count(totals, "passed");
            self.failures += count(totals, "failed");
            self.ignored += count(totals, "ignored");
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failed.insert(name.to_owned());
        }
    }

    /// Takes in one test that passed.
    pub(crate) fn passed(&mut self) {
        self.passed += 1;
    }

    /// Takes in one test that failed.
    pub(crate) fn failed(&mut self, name: &str) {
        self.failures += 1;
        self.failed.insert(name.to_owned());
    }

    /// Takes in one test that was not run.
    pub(crate) fn ignored(&mut self) {
        self.ignored += 1;
    }

    /// Takes in the skip report: each line that is not blank is one skipped test.
    pub(crate) fn skips(&mut self, report: &str) {
        self.skipped.extend(report.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }

    /// The text that closes a run.
    pub(crate) fn closing(&self) -> String {
        let mut text = format!(
            "\ntests: {} passed, {} failed, {} ignored, {} skipped\n",
            self.passed,
            self.failures,
            self.ignored,
            self.skipped.len()
        );
        for name in &self.failed {
            text += &format!("FAILED {name}\n");
        }
        for skip in &self.skipped {
            text += &format!("SKIP {skip}\n");
        }
        text
    }

    /// Whether the run is good. `strict` (continuous integration) does not forgive a skip; `whole` says that nothing
    /// was filtered, so that a run without a single test is itself a failure.
    pub(crate) fn verdict(&self, cargo: Outcome, strict: bool, whole: bool) -> Outcome {
        cargo?;
        if self.failures > 0 {
            return Err(format!("{} tests failed", self.failures));
        }
        if whole && self.passed == 0 {
            return Err("not one test ran; a run that proves nothing is no success".into());
        }
        if strict && !self.skipped.is_empty() {
            return Err(format!(
                "{} tests were skipped, which CI=true forbids; install what the SKIP lines above name",
                self.skipped.len()
            ));
        }
        Ok(())
    }
}

/// The number before `word` in `ok. 3 passed; 0 failed; …`.
fn count(totals: &str, word: &str) -> u64 {
    let part = totals.split(['.', ';']).map(str::trim).find_map(|part| part.strip_suffix(word));
    part.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(lines: &[&str], skips: &str) -> Summary {
        let mut summary = Summary::default();
        lines.iter().for_each(|line| summary.line(line));
        summary.skips(skips);
        summary
    }

    const GOOD: &str =
        "test result: ok. 3 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
    const BAD: &str =
        "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s\n";

    #[test]
    fn totals_are_summed_over_the_test_binaries() {
        let closing = summary(&["test a ... ok", GOOD, GOOD], "").closing();
        assert_eq!(closing, "\ntests: 6 passed, 0 failed, 4 ignored, 0 skipped\n");
    }

    #[test]
    fn a_failed_test_is_named_at_the_end_and_fails_the_run() {
        let run = summary(&["test budget::r40_stops ... FAILED\n", BAD], "");
        assert!(run.closing().contains("FAILED budget::r40_stops"), "{}", run.closing());
        assert_eq!(run.verdict(Ok(()), false, true), Err("1 tests failed".into()));
    }

    #[test]
    fn a_skip_is_named_and_fails_only_a_strict_run() {
        let run = summary(&[GOOD], "otp_oracle: needs erl; install with `apt-get install erlang-base`\n\n");
        assert!(run.closing().contains("SKIP otp_oracle: needs erl; install with"), "{}", run.closing());
        assert_eq!(run.verdict(Ok(()), false, true), Ok(()));
        assert!(run.verdict(Ok(()), true, true).unwrap_err().contains("1 tests were skipped"));
    }

    #[test]
    fn a_test_that_reports_its_skip_twice_is_one_skip() {
        assert!(summary(&[GOOD], "a: needs b\na: needs b\n").closing().contains("1 skipped"));
    }

    #[test]
    fn a_run_without_a_test_fails_unless_it_was_filtered() {
        assert!(summary(&[], "").verdict(Ok(()), false, true).unwrap_err().contains("not one test ran"));
        assert_eq!(summary(&[], "").verdict(Ok(()), false, false), Ok(()));
    }

    #[test]
    fn the_failure_of_cargo_itself_is_kept() {
        assert_eq!(summary(&[GOOD], "").verdict(Err("no build".into()), false, true), Err("no build".into()));
    }
}
