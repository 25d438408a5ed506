//! Running the programs of `benches/`, in turn, and what they found out.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::table::{Cell, Figure, Subject};
use crate::shell::{self, Ended};

/// No measurement takes so long.
const LIMIT: Duration = Duration::from_secs(120);

/// What was found out, by measurement.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<(Cell, Taken)>);

/// The lines of a measurement, or why it was given up.
#[derive(Debug, Default)]
struct Taken {
    figures: Vec<BTreeMap<String, f64>>,
    problem: Option<String>,
}

/// What a program prints.
#[derive(Deserialize)]
struct Line {
    figures: BTreeMap<String, f64>,
}

impl Samples {
    /// Measures each of these so often: all of them once, then all of them again. One that fails is not tried again.
    pub(super) fn take(&mut self, cells: &[Cell], rounds: usize) {
        for _ in 0..rounds {
            for &cell in cells {
                if self.taken(cell).problem.is_none() {
                    match run(cell) {
                        Ok(figures) => self.taken(cell).figures.push(figures),
                        Err(problem) => self.taken(cell).problem = Some(problem),
                    }
                }
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
    pub(super) fn of(&self, figure: Figure) -> Result<Vec<f64>, String> {
        let Some((_, taken)) = self.0.iter().find(|(cell, _)| *cell == figure.cell) else {
            return Err(format!("{} was not run", spoken(figure.cell)));
        };
        if let Some(problem) = &taken.problem {
            return Err(problem.clone());
        }
        let value = |figures: &BTreeMap<String, f64>| figures.get(figure.name).copied();
        let values: Option<Vec<f64>> = taken.figures.iter().map(value).collect();
        values
            .filter(|values| !values.is_empty())
            .ok_or_else(|| format!("{} tells no `{}`", spoken(figure.cell), figure.name))
    }

    #[cfg(test)]
    pub(super) fn put(&mut self, figure: Figure, values: &[f64]) {
        let taken = self.taken(figure.cell);
        taken.figures.resize_with(values.len(), BTreeMap::new);
        for (figures, value) in taken.figures.iter_mut().zip(values) {
            figures.insert(figure.name.to_owned(), *value);
        }
    }
}

/// One measurement in a process of its own.
fn run(cell: Cell) -> Result<BTreeMap<String, f64>, String> {
    let folder = shell::target().join("bench");
    fs::create_dir_all(&folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    let (out, err) = (folder.join("out"), folder.join("err"));
    let mut command = shell::program(shell::target().join("release").join(program(cell.subject)));
    command.args([cell.row, &cell.n.to_string()]).stdout(file(&out)?).stderr(file(&err)?);
    match shell::end_quietly(command, LIMIT)? {
        Ended::Well => {}
        Ended::Badly => return Err(format!("{} failed: {}", spoken(cell), read(&err)?.trim())),
        Ended::TooLate => return Err(format!("{} took over {} s", spoken(cell), LIMIT.as_secs())),
    }
    let text = read(&out)?;
    let line: Line = serde_json::from_str(&text)
        .map_err(|error| format!("{} printed what is not understood: {error}: {text}", spoken(cell)))?;
    Ok(line.figures)
}

fn program(subject: Subject) -> &'static str {
    match subject {
        Subject::Raw => "bench-raw",
        Subject::Ours => "bench-ours",
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
