//! What the dashboard's test runner reports, as JSON.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::summary::Summary;

/// A run, as far as the summary needs it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    test_results: Vec<File>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    name: String,
    status: String,
    assertion_results: Vec<Test>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    full_name: String,
    status: String,
}

impl Report {
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        Self::parse(&text).map_err(|problem| format!("{}: {problem}", file.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("it is no report of tests: {error}"))
    }

    /// Adds what was counted. A test that was not run is an ignored one.
    pub(super) fn count_into(&self, summary: &mut Summary) {
        for file in &self.test_results {
            let failed = |test: &Test| test.status == "failed";
            for test in &file.assertion_results {
                match test.status.as_str() {
                    "passed" => summary.passed(),
                    "failed" => summary.failed(&test.full_name),
                    _ => summary.ignored(),
                }
            }
            // A file that cannot be loaded, or whose set-up fails, names no test.
            if file.status == "failed" && !file.assertion_results.iter().any(failed) {
                summary.failed(&file.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_failed_and_left_out_tests_are_counted_and_failed_ones_are_named() {
        let report = r#"{"numTotalTests": 3, "testResults": [
            {"name": "a.test.ts", "status": "failed", "assertionResults": [
                {"fullName": "the page opens", "status": "passed", "title": "opens"},
                {"fullName": "the page closes", "status": "failed", "failureMessages": ["no"]},
                {"fullName": "the page waits", "status": "skipped"}]},
            {"name": "broken.test.ts", "status": "failed", "assertionResults": []}]}"#;
        let mut summary = Summary::default();
        Report::parse(report).unwrap().count_into(&mut summary);
        assert_eq!(
            summary.closing(),
            "\ntests: 1 passed, 2 failed, 1 ignored, 0 skipped\nFAILED broken.test.ts\nFAILED the page closes\n"
        );
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert!(Report::parse("{}").unwrap_err().contains("no report of tests"));
    }
}
