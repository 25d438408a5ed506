//! `cargo xtask bench --peers`: what others make of the rows that they can do, by turns with raw and with ours.
//!
//! Each peer is a package of `benches/peers`, and is built by itself: what one asks of tokio would else be in all of
//! them. Erlang/OTP is an escript, and is left out where it is not installed. A peer says itself which rows it cannot
//! do, and why; that is shown, too.

use std::path::PathBuf;
use std::time::Duration;

use super::samples::{Missing, Samples, spoken};
use super::table::{Cell, Figure, Row, Subject, Yardstick};
use super::verdict::{median, with_unit};
use super::{PEERS_MANIFEST, peers_page};
use crate::shell::{self, Stopwatch};
use crate::{Outcome, tools};

/// The rows that are about what others have, too.
pub(super) const ROWS: &[&str] = &["W1", "W2", "W3", "W4", "W7"];
/// How often everything is measured.
pub(super) const ROUNDS: usize = 3;
/// What takes so long is measured once: the machine's noise is small beside it.
pub(super) const LONG: Duration = Duration::from_secs(10);
/// Nobody is waited for longer.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
/// No more children than that are asked of others.
const MOST: usize = 100_000;

/// Somebody else's supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// Of OTP.
    Erlang,
    /// A package of the registry, by its name.
    Package(&'static str),
}

/// All of them, in the order in which they are shown.
pub(super) const ALL: &[Peer] = &[
    Peer::Erlang,
    Peer::Package("kameo"),
    Peer::Package("ractor"),
    Peer::Package("rust-tokio-supervisor"),
    Peer::Package("task-supervisor"),
    Peer::Package("tokio-graceful-shutdown"),
];

impl Peer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Erlang => "erlang",
            Self::Package(name) => name,
        }
    }

    /// Its program's name.
    pub(super) fn program(self) -> String {
        format!("bench-{}", self.name())
    }

    /// Where its program is.
    pub(super) fn path(self) -> PathBuf {
        match self {
            Self::Erlang => shell::root().join("benches/erlang").join(self.program()),
            Self::Package(_) => target().join("release").join(self.program()),
        }
    }

    fn build(self) -> Outcome {
        let Self::Package(_) = self else { return Ok(()) };
        let program = self.program();
        let mut build = shell::cargo(["build", "--quiet", "--release", "--locked"]);
        build
            .args(["--manifest-path", PEERS_MANIFEST, "--package", &program])
            .arg("--target-dir")
            .arg(target());
        shell::run(build)
    }
}

/// The peers are built beside what is ours.
fn target() -> PathBuf {
    shell::target().join("peers")
}

/// A column of a row's table: what is measured of whoever does it, beside raw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) says: &'static str,
    figure: Figure,
    /// What the figure is a multiple of.
    to: Figure,
}

impl Column {
    /// The figures that are measured of ours and can be of others.
    pub(super) fn all(row: &Row) -> Vec<Self> {
        let columns = row.checks.iter().filter_map(|check| match check.yardstick {
            Yardstick::Ratio(figure, to) | Yardstick::Beyond(figure, to) => {
                Some(Self { says: check.says, figure, to })
            }
            Yardstick::Itself(figure) => {
                Some(Self { says: check.says, figure, to: of(figure, Subject::Raw) })
            }
            Yardstick::Growth { .. } => None,
        });
        columns.filter(|column| column.figure.cell.n <= MOST).collect()
    }

    /// What a subject comes to, with its unit and as a multiple of raw.
    pub(super) fn value(&self, subject: Subject, samples: &Samples) -> Result<String, Missing> {
        let value = median(&samples.of(of(self.figure, subject))?);
        let value_text = with_unit(self.figure.name, value);
        Ok(match samples.of(self.to) {
            Ok(raw) => format!("{value_text}, {:.2}x", value / median(&raw)),
            Err(_) => value_text,
        })
    }
}

/// The same figure of another subject.
fn of(figure: Figure, subject: Subject) -> Figure {
    Figure { cell: Cell { subject, ..figure.cell }, ..figure }
}

/// A row with what was found out about it.
pub(super) struct Compared {
    pub(super) row: &'static Row,
    pub(super) samples: Samples,
}

/// Measures these rows. The page is written when they are all that there are.
pub(super) fn bench(rows: &[&'static Row]) -> Outcome {
    let subjects = subjects(tools::has("escript"));
    for subject in &subjects {
        if let Subject::Peer(peer) = subject {
            peer.build()?;
        }
    }
    let watch = Stopwatch::start();
    let mut compared = Vec::new();
    for row in rows {
        println!("\n{}: {}", row.name, row.about);
        let done = Compared { row, samples: measured(&cells(row, &subjects)) };
        print!("{}", peers_page::table(&done, &subjects));
        compared.push(done);
    }
    if rows.len() == ROWS.len() {
        peers_page::write(&compared, &subjects, watch.elapsed())?;
    }
    println!("\nbench: rows={} subjects={}", rows.len(), subjects.len());
    Ok(())
}

/// Raw, ours, and the peers that are there.
fn subjects(erlang: bool) -> Vec<Subject> {
    if !erlang {
        println!(
            "Erlang/OTP is left out: escript is not installed; install it with `apt-get install erlang-base`"
        );
    }
    let peers = ALL.iter().filter(|peer| erlang || **peer != Peer::Erlang);
    [Subject::Raw, Subject::Ours].into_iter().chain(peers.map(|peer| Subject::Peer(*peer))).collect()
}

/// What is measured for a row: at each size all subjects, one after the other.
fn cells(row: &Row, subjects: &[Subject]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for column in Column::all(row) {
        for subject in subjects {
            let cell = of(column.figure, *subject).cell;
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
    }
    cells
}

fn measured(cells: &[Cell]) -> Samples {
    let mut samples = Samples::default();
    let mut long = Vec::new();
    for _ in 0..ROUNDS {
        for &cell in cells {
            if !long.contains(&cell) {
                let watch = Stopwatch::start();
                samples.take_once(cell, LIMIT);
                if watch.elapsed() > LONG {
                    println!("  {} takes {} s", spoken(cell), watch.elapsed().as_secs());
                    long.push(cell);
                }
            }
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::table;

    fn row(name: &str) -> &'static Row {
        table::ROWS.iter().find(|row| row.name == name).unwrap()
    }

    #[test]
    fn erlang_is_left_out_where_it_is_not_installed() {
        assert_eq!(subjects(true).len(), 2 + ALL.len());
        assert_eq!(subjects(false).len(), 1 + ALL.len());
        assert!(!subjects(false).contains(&Subject::Peer(Peer::Erlang)));
    }

    #[test]
    fn at_each_size_of_a_row_up_to_the_most_each_subject_is_measured_once() {
        let subjects = subjects(true);
        let cells = cells(row("W1"), &subjects);
        let sizes: Vec<_> = cells.iter().step_by(subjects.len()).map(|cell| cell.n).collect();
        assert_eq!(sizes, [10, 1_000, 10_000, 100_000]);
        assert_eq!(cells.len(), sizes.len() * subjects.len());
        assert_eq!(cells[..subjects.len()].iter().map(|cell| cell.subject).collect::<Vec<_>>(), subjects);
    }

    #[test]
    fn a_figure_is_told_beside_raw_also_where_ours_is_not_compared_with_it() {
        let kameo = Subject::Peer(Peer::Package("kameo"));
        let column = Column::all(row("W7"))[0];
        let mut samples = Samples::default();
        samples.put(of(column.figure, kameo), &[500.0, 300.0, 400.0]);
        assert_eq!(column.value(kameo, &samples).unwrap(), "400 ns");
        samples.put(of(column.figure, Subject::Raw), &[200.0]);
        assert_eq!(column.value(kameo, &samples).unwrap(), "400 ns, 2.00x");
        assert!(matches!(column.value(Subject::Ours, &samples), Err(Missing::Broken(_))));
    }

    #[test]
    fn each_package_is_one_of_the_workspace_of_peers() {
        let manifest = std::fs::read_to_string(shell::root().join(PEERS_MANIFEST)).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let members = manifest["workspace"]["members"].as_array().unwrap();
        let members: Vec<_> = members.iter().filter_map(toml::Value::as_str).collect();
        let ours: Vec<_> = ALL.iter().filter(|peer| **peer != Peer::Erlang).map(|peer| peer.name()).collect();
        assert_eq!(members, ours);
    }
}
