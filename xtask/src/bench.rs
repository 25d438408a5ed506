//! `cargo xtask bench`: what supervision costs, against the same written by hand on bare tokio.
//!
//! | file | subject |
//! |---|---|
//! | `table` | the rows: what is compared with what, what it must come to, and what it should |
//! | `samples` | running the programs of `benches/`, in turn, and what they found out |
//! | `verdict` | medians, spread, noise, and whether a bound is kept |
//! | `page` | `docs/benchmarks.md` |
//! | `peers` | the same rows by what others have made: `--peers` |
//! | `peers_page` | `docs/benchmarks-peers.md` |
//!
//! Speed is never a test: this is not a part of `ci`. What it says depends on what else the machine does.

mod page;
mod peers;
mod peers_page;
mod samples;
mod table;
mod verdict;

use std::time::Duration;

use crate::Outcome;
use crate::shell::{self, Stopwatch};

use samples::Samples;
use table::{ROWS, Row};
use verdict::{Judged, Tally};

/// How often everything is measured.
const ROUNDS: usize = 5;
/// How often, when that leaves in doubt whether it is as it must be.
const MORE_ROUNDS: usize = 15;
const USAGE: &str = "`cargo xtask bench [--peers] [ROW…]`";
/// The word that asks for what others have made.
const PEERS: &str = "--peers";
/// The workspace of the peers.
pub(crate) const PEERS_MANIFEST: &str = "benches/peers/Cargo.toml";

/// A row with what was found out about it.
struct Measured {
    row: &'static Row,
    samples: Samples,
    judged: Vec<Judged>,
}

impl Measured {
    /// Its checks, with its name.
    fn named(&self) -> impl Iterator<Item = (&str, &table::Check, &Judged)> {
        self.row.checks.iter().zip(&self.judged).map(|(check, judged)| (self.row.name, check, judged))
    }
}

/// The verb `bench`. The summary is the last line that it prints.
pub(crate) fn bench(arguments: &[String]) -> Outcome {
    let Asked { rows, of_peers } = asked(arguments)?;
    let mut build = shell::cargo(["build", "--quiet", "--release", "--package", "supervisor-benches"]);
    build.arg("--bins");
    shell::run(build)?;
    if of_peers { peers::bench(&rows) } else { of_ours(&rows) }
}

fn of_ours(rows: &[&'static Row]) -> Outcome {
    let watch = Stopwatch::start();
    let mut measured = Vec::new();
    for row in rows {
        println!("\n{}: {}", row.name, row.about);
        let done = measure(row);
        for (check, judged) in row.checks.iter().zip(&done.judged) {
            println!("  {}", verdict::line(check, judged));
        }
        measured.push(done);
    }
    let tally = Tally::of(measured.iter().flat_map(Measured::named));
    if rows.len() == ROWS.len() {
        page::write(&measured, &tally, watch.elapsed())?;
    }
    println!("\n{}", tally.line(rows.len()));
    tally.verdict()
}

/// What the command line asks for.
struct Asked {
    rows: Vec<&'static Row>,
    /// Whether others are measured, too.
    of_peers: bool,
}

fn asked(arguments: &[String]) -> Result<Asked, String> {
    let of_peers = arguments.iter().any(|word| word == PEERS);
    let named: Vec<_> = arguments.iter().filter(|word| *word != PEERS).collect();
    let offered: Vec<_> = ROWS.iter().filter(|row| !of_peers || peers::ROWS.contains(&row.name)).collect();
    for word in &named {
        if !offered.iter().any(|row| row.name.eq_ignore_ascii_case(word)) {
            let known: Vec<_> = offered.iter().map(|row| row.name).collect();
            let whose = if of_peers { "the rows of peers" } else { "the rows" };
            return Err(format!("there is no row `{word}`: {USAGE}; {whose} are {}", known.join(", ")));
        }
    }
    let wanted =
        |row: &&Row| named.is_empty() || named.iter().any(|word| row.name.eq_ignore_ascii_case(word));
    Ok(Asked { rows: offered.into_iter().filter(wanted).collect(), of_peers })
}

/// Measures a row, and what is in doubt then more often.
fn measure(row: &'static Row) -> Measured {
    let mut samples = Samples::default();
    samples.take(&row.cells(|_| true), ROUNDS);
    let judge = |samples: &Samples| -> Vec<Judged> {
        row.checks.iter().map(|check| verdict::judge(check, samples)).collect()
    };
    let judged = judge(&samples);
    let doubtful = row.cells(|place| judged[place].is_doubtful());
    samples.take(&doubtful, MORE_ROUNDS - ROUNDS);
    let judged = judge(&samples);
    Measured { row, samples, judged }
}

/// Minutes and seconds.
fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[&str]) -> Result<Asked, String> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        asked(&words)
    }

    fn names(words: &[&str]) -> Result<Vec<&'static str>, String> {
        said(words).map(|asked| asked.rows.iter().map(|row| row.name).collect())
    }

    #[test]
    fn all_rows_are_measured_or_those_that_are_named_in_their_own_order() {
        assert_eq!(names(&[]).unwrap().len(), ROWS.len());
        assert_eq!(names(&["w3", "W1"]).unwrap(), ["W1", "W3"]);
        for unknown in ["W0", "--peer", "3"] {
            assert!(names(&[unknown]).unwrap_err().contains("the rows are W1, W2"), "{unknown}");
        }
    }

    #[test]
    fn peers_are_measured_where_they_are_asked_for_and_in_their_rows_only() {
        assert!(!said(&["W1"]).unwrap().of_peers);
        assert!(said(&["W1", "--peers"]).unwrap().of_peers);
        assert_eq!(names(&["--peers"]).unwrap(), peers::ROWS);
        assert_eq!(names(&["w3", "--peers", "W1"]).unwrap(), ["W1", "W3"]);
        let problem = names(&["--peers", "W5"]).unwrap_err();
        assert!(problem.contains("the rows of peers are W1, W2, W3, W4, W7"), "{problem}");
    }
}
