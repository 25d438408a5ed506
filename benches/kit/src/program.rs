//! The command line of a subject: `ROW N`, and one line of JSON out: what was measured, or why this subject cannot do
//! the row.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what this program finds out is its output")]

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::Figures;

/// What a row gives, or why it could not be measured.
pub type Outcome = Result<Figures, String>;

/// One measurement of a row, of a size.
pub type Measure = fn(usize) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The rows of a subject by name.
pub type Rows = &'static [(&'static str, Measure)];

/// The rows that a subject cannot do, with a sentence that says why.
pub type Refusals = &'static [(&'static str, &'static str)];

/// Measures the row that the command line names.
pub fn main(subject: &str, rows: Rows) -> ExitCode {
    peer(subject, rows, &[])
}

/// The same for a subject that cannot do all rows.
pub fn peer(subject: &str, rows: Rows, cannot: Refusals) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match said(subject, rows, cannot, &arguments) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("bench-{subject}: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn said(subject: &str, rows: Rows, cannot: Refusals, arguments: &[String]) -> Result<String, String> {
    let (row, n) = words(rows, cannot, arguments)?;
    if let Some((_, why)) = cannot.iter().find(|(name, _)| *name == row) {
        return Ok(json!({ "subject": subject, "row": row, "n": n, "cannot": why }).to_string());
    }
    let measure = rows.iter().find(|(name, _)| *name == row).map(|(_, measure)| measure);
    let measure = measure.ok_or_else(|| unknown(row, rows, cannot))?;
    let figures = measured(row, n, *measure)?;
    Ok(json!({ "subject": subject, "row": row, "n": n, "figures": figures }).to_string())
}

fn measured(row: &str, n: usize, measure: Measure) -> Outcome {
    let runtime = runtime()?;
    let figures = runtime
        .block_on(async { tokio::spawn(measure(n)).await })
        .map_err(|panic| format!("{row} broke: {panic}"))??;
    // What is left is a million idle tasks at most; nobody waits for them.
    runtime.shutdown_background();
    Ok(figures)
}

fn words(rows: Rows, cannot: Refusals, arguments: &[String]) -> Result<(&str, usize), String> {
    let [row, n] = arguments else {
        return Err(format!("say a row and its size: ROW N; the rows are {}", known(rows, cannot)));
    };
    let n = n.parse().map_err(|_| format!("`{n}` is not a size"))?;
    Ok((row, n))
}

fn unknown(row: &str, rows: Rows, cannot: Refusals) -> String {
    format!("there is no row `{row}`; the rows are {}", known(rows, cannot))
}

fn known(rows: Rows, cannot: Refusals) -> String {
    let names = rows.iter().map(|(name, _)| *name).chain(cannot.iter().map(|(name, _)| *name));
    names.collect::<Vec<_>>().join(", ")
}

fn runtime() -> Result<Runtime, String> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: Rows = &[("W0", |n| Box::pin(async move { Ok(Figures::default().with("n", n as f64)) }))];

    const CANNOT: Refusals = &[("W1", "it has no children")];

    fn said(words: &[&str]) -> Result<String, String> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        super::said("raw", ROWS, CANNOT, &words)
    }

    #[test]
    fn a_row_is_measured_and_told_in_one_line() {
        assert_eq!(said(&["W0", "7"]).unwrap(), r#"{"figures":{"n":7.0},"n":7,"row":"W0","subject":"raw"}"#);
    }

    #[test]
    fn a_row_that_a_subject_cannot_do_is_told_with_the_reason() {
        assert_eq!(
            said(&["W1", "7"]).unwrap(),
            r#"{"cannot":"it has no children","n":7,"row":"W1","subject":"raw"}"#
        );
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_can_be_said() {
        for words in [&[][..], &["W0"], &["W9", "7"], &["W0", "7", "8"]] {
            assert!(said(words).unwrap_err().contains("the rows are W0, W1"), "{words:?}");
        }
        for size in ["-1", "many"] {
            assert!(said(&["W0", size]).unwrap_err().contains("is not a size"), "{size}");
        }
    }
}
