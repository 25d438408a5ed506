//! Running the programs of `benches/`, in turn, and what they found out.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::table::{Cell, Figure, Subject};
use crate::shell::{self, Ended};

/// No measurement of ours takes so long.
const LIMIT: Duration = Duration::from_secs(120);

/// What was found out, by measurement.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<(Cell, Taken)>);

/// The lines of a measurement, or why it was given up.
#[derive(Debug, Default)]
struct Taken {
    figures: Vec<BTreeMap<String, f64>>,
    problem: Option<Missing>,
}

/// Why there is no figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Missing {
    /// The subject has no means to do the row, and says why.
    Cannot(String),
    /// It was still running then.
    TooLate(Cell, Duration),
    /// It failed, or was not run, or says what is not understood.
    Broken(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cannot(why) => write!(f, "cannot: {why}"),
            Self::TooLate(cell, limit) => write!(f, "{} took over {} s", spoken(*cell), limit.as_secs()),
            Self::Broken(problem) => f.write_str(problem),
        }
    }
}

impl From<Missing> for String {
    fn from(missing: Missing) -> Self {
        missing.to_string()
    }
}

/// What a program prints: what was measured, or why it cannot do the row.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Said {
    Figures(BTreeMap<String, f64>),
    Cannot(String),
}

#[derive(Deserialize)]
struct Line {
    #[serde(flatten)]
    said: Said,
}

impl Samples {
    /// Measures each of these so often: all of them once, then all of them again. One that fails is not tried again.
    pub(super) fn take(&mut self, cells: &[Cell], rounds: usize) {
        for _ in 0..rounds {
            for &cell in cells {
                self.take_once(cell, LIMIT);
            }
        }
    }

    /// Measures once more, unless it has failed before.
    pub(super) fn take_once(&mut self, cell: Cell, limit: Duration) {
        if self.taken(cell).problem.is_none() {
            match run(cell, limit) {
                Ok(figures) => self.taken(cell).figures.push(figures),
                Err(problem) => self.taken(cell).problem = Some(problem),
            }
        }
    }

    fn taken(&mut self, cell: Cell) -> &mut Taken {
        let place = self.0.iter().position(|(known, _)| *known == cell).unwrap_or_else(|| {
            self.0.push((cell, Taken::default()));
            self.0.len() - 1
        });
        &mut self.0[place].1
    }

    /// What was measured of a figure, in the order in which it was, or why it was not.
    pub(super) fn of(&self, figure: Figure) -> Result<Vec<f64>, Missing> {
        let Some((_, taken)) = self.0.iter().find(|(cell, _)| *cell == figure.cell) else {
            return Err(Missing::Broken(format!("{} was not run", spoken(figure.cell))));
        };
        if let Some(problem) = &taken.problem {
            return Err(problem.clone());
        }
        let value = |figures: &BTreeMap<String, f64>| figures.get(figure.name).copied();
        let values: Option<Vec<f64>> = taken.figures.iter().map(value).collect();
        values
            .filter(|values| !values.is_empty())
            .ok_or_else(|| Missing::Broken(format!("{} tells no `{}`", spoken(figure.cell), figure.name)))
    }

    #[cfg(test)]
    pub(super) fn put(&mut self, figure: Figure, values: &[f64]) {
        let taken = self.taken(figure.cell);
        taken.figures.resize_with(values.len(), BTreeMap::new);
        for (figures, value) in taken.figures.iter_mut().zip(values) {
            figures.insert(figure.name.to_owned(), *value);
        }
    }

    #[cfg(test)]
    pub(super) fn lack(&mut self, cell: Cell, missing: Missing) {
        self.taken(cell).problem = Some(missing);
    }
}

/// One measurement in a process of its own.
fn run(cell: Cell, limit: Duration) -> Result<BTreeMap<String, f64>, Missing> {
    let folder = shell::target().join("bench");
    let (out, err) = (folder.join("out"), folder.join("err"));
    let ended = fs::create_dir_all(&folder)
        .map_err(|error| format!("{} cannot be made: {error}", folder.display()))
        .and_then(|()| end(cell, limit, file(&out)?, file(&err)?))
        .map_err(Missing::Broken)?;
    match ended {
        Ended::Well => heard(cell, &read(&out).map_err(Missing::Broken)?),
        Ended::TooLate => Err(Missing::TooLate(cell, limit)),
        Ended::Badly => {
            let why = read(&err).map_err(Missing::Broken)?;
            Err(Missing::Broken(format!("{} failed: {}", spoken(cell), why.trim())))
        }
    }
}

fn end(cell: Cell, limit: Duration, out: File, err: File) -> Result<Ended, String> {
    let mut command = shell::program(path(cell.subject));
    command.args([cell.row, &cell.n.to_string()]).stdout(out).stderr(err);
    shell::end_quietly(command, limit)
}

/// What a program has printed.
fn heard(cell: Cell, text: &str) -> Result<BTreeMap<String, f64>, Missing> {
    match serde_json::from_str(text) {
        Ok(Line { said: Said::Figures(figures) }) => Ok(figures),
        Ok(Line { said: Said::Cannot(why) }) => Err(Missing::Cannot(why)),
        Err(error) => {
            Err(Missing::Broken(format!("{} printed what is not understood: {error}: {text}", spoken(cell))))
        }
    }
}

/// Where a subject's program is.
fn path(subject: Subject) -> PathBuf {
    match subject {
        Subject::Raw | Subject::Ours => shell::target().join("release").join(program(subject)),
        Subject::Peer(peer) => peer.path(),
    }
}

fn program(subject: Subject) -> String {
    match subject {
        Subject::Raw => "bench-raw".to_owned(),
        Subject::Ours => "bench-ours".to_owned(),
        Subject::Peer(peer) => peer.program(),
    }
}

/// A measurement as one would type it.
pub(super) fn spoken(cell: Cell) -> String {
    format!("`{} {} {}`", program(cell.subject), cell.row, cell.n)
}

fn file(path: &Path) -> Result<File, String> {
    File::create(path).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: Cell = Cell { subject: Subject::Raw, row: "W0", n: 7 };

    #[test]
    fn a_program_says_figures_or_that_it_cannot_or_what_is_not_understood() {
        let figures = heard(CELL, r#"{"figures":{"wall_ns":7.0},"n":7,"row":"W0","subject":"raw"}"#).unwrap();
        assert_eq!(figures["wall_ns"], 7.0);
        let cannot = heard(CELL, r#"{"cannot":"it has no children","n":7,"row":"W0","subject":"raw"}"#);
        assert_eq!(cannot, Err(Missing::Cannot("it has no children".into())));
        for other in ["", "{}", r#"{"n":7}"#, r#"{"figures":"many"}"#] {
            let Err(Missing::Broken(problem)) = heard(CELL, other) else { panic!("{other}") };
            assert!(problem.starts_with("`bench-raw W0 7` printed what is not understood"), "{problem}");
        }
    }

    #[test]
    fn why_there_is_no_figure_is_told_in_a_sentence() {
        assert_eq!(
            Missing::TooLate(CELL, Duration::from_secs(60)).to_string(),
            "`bench-raw W0 7` took over 60 s"
        );
        assert_eq!(Missing::Cannot("it has no children".into()).to_string(), "cannot: it has no children");
    }
}
