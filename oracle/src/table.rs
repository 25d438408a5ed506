//! The table of scenarios in `scenarios/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::canon::canonical;
use crate::model::{Line, Scenario, Side, Trace};
use crate::text;

/// One file of the table.
pub struct File {
    /// Where it stands.
    pub path: PathBuf,
    /// The lines before the first scenario.
    head: String,
    /// What is in it.
    pub scenarios: Vec<Scenario>,
}

/// The whole table, file by file.
///
/// # Errors
/// A sentence that names the file and the line that cannot be read, or two scenarios that are the same.
pub fn load() -> Result<Vec<File>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let listed =
        fs::read_dir(&folder).map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let content = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let scenarios = text::read(&content).map_err(|problem| format!("{}: {problem}", path.display()))?;
        let head = content.split("scenario ").next().unwrap_or_default().to_owned();
        files.push(File { path, head, scenarios });
    }
    refuse_duplicates(&files)?;
    Ok(files)
}

fn refuse_duplicates(files: &[File]) -> Result<(), String> {
    let mut stories: BTreeMap<String, &str> = BTreeMap::new();
    let mut names: BTreeMap<&str, ()> = BTreeMap::new();
    for scenario in files.iter().flat_map(|file| &file.scenarios) {
        if let Some(other) = stories.insert(canonical(scenario), &scenario.name) {
            return Err(format!("`{}` and `{other}` tell the same story; remove one", scenario.name));
        }
        if names.insert(&scenario.name, ()).is_some() {
            return Err(format!("two scenarios are called `{}`; rename one", scenario.name));
        }
    }
    Ok(())
}

impl File {
    /// The file as its scenarios say it.
    pub fn text(&self) -> String {
        let scenarios: Vec<String> = self.scenarios.iter().map(text::write).collect();
        format!("{}{}", self.head, scenarios.join("\n"))
    }

    /// Writes the file again with what its scenarios say now.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn save(&self) -> Result<(), String> {
        fs::write(&self.path, self.text()).map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

/// Writes what was seen on both sides into a scenario. Where they differ each line says on which side it is seen.
pub fn record(scenario: &mut Scenario, otp: &Trace, ours: &Trace) {
    let differing = scenario.differing(otp, ours);
    for (at, step) in scenario.steps.iter_mut().enumerate() {
        let side = |side: Side, trace: &Trace| -> Vec<Line> {
            trace[at].iter().map(|text| Line { side, text: text.clone() }).collect()
        };
        step.trace = if differing.contains(&at) {
            let mut lines = side(Side::Otp, otp);
            lines.extend(side(Side::Ours, ours));
            lines
        } else {
            side(Side::Both, otp)
        };
    }
}
