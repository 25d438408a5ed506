//! A relay's file: YAML in, everything that is wrong with it or what a relay does by it out.
//!
//! | file | subject |
//! |---|---|
//! | `said` | the keys |
//! | `text` | texts that follow a grammar |
//! | `agree` | keys that each make sense and together do not |
//! | `effect` | what a relay does by it |

mod agree;
mod effect;
mod said;
#[cfg(test)]
mod tests;
mod text;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use supervisor_socket::Surroundings;
use supervisor_yaml::{Dialect, FileFinding, Findings, Node, Place, Shapes, Source, UnreadableFile};

use said::RelayFile;

pub use effect::NoPlace;

const RELAY: Dialect = Dialect {
    name: "a relay's file",
    needs: "a relay needs `version: 1`",
    instead_of_aliases: "",
    keys_are_in: "`supervisor relay schema` lists the keys",
    root: "RelayFile",
    child: None,
    key_aliases: &[],
    word_aliases: &[],
    example,
    placeholders: || vec![("version", json!(1))],
    text: text::check,
};

/// What a relay's file says, checked.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    said: RelayFile,
    warnings: Findings,
    /// Where relative paths begin.
    directory: PathBuf,
    surroundings: Surroundings,
}

/// Why a relay's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableFile),
    /// It is not valid. `Display` shows every finding with its line.
    #[error("{0}")]
    Invalid(Findings),
}

impl ConfigFile {
    /// Reads and checks a file. Reports every mistake, not only the first.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or something is wrong in it.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let bytes = supervisor_yaml::read(path)?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let directory = absolute.parent().unwrap_or(Path::new("/"));
        Self::parse(&path.display().to_string(), bytes, directory, &Surroundings::of_this_process())
    }

    /// Checks the text of a file that messages call `name`. Its relative paths begin at `directory`, and the places of
    /// what it does not name follow from `surroundings`.
    ///
    /// # Errors
    ///
    /// When something is wrong in it.
    pub fn parse(
        name: &str,
        bytes: impl Into<Vec<u8>>,
        directory: &Path,
        surroundings: &Surroundings,
    ) -> Result<Self, ConfigError> {
        let source = match Source::new(name.to_owned(), bytes.into()) {
            Ok(source) => source,
            Err((source, place, message)) => {
                return Err(ConfigError::Invalid(Findings::new(&source, vec![error(place, message)])));
            }
        };
        let (said, findings) = read(&source.text);
        let findings = Findings::new(&source, findings);
        match said {
            Some(said) if findings.errors() == 0 => Ok(Self {
                said,
                warnings: findings,
                directory: directory.to_owned(),
                surroundings: surroundings.clone(),
            }),
            _ => Err(ConfigError::Invalid(findings)),
        }
    }

    /// The JSON Schema of such a file, for editors and other tools. It says what a file may hold, not everything that
    /// makes it valid.
    pub fn schema() -> Value {
        let mut schema = supervisor_yaml::schema_of::<RelayFile>();
        schema["title"] = json!("Relay file");
        schema
    }

    /// What is doubtful in it.
    pub fn warnings(&self) -> &Findings {
        &self.warnings
    }
}

fn error(place: Place, message: String) -> FileFinding {
    FileFinding { place, path: None, message, warning: false }
}

fn read(text: &str) -> (Option<RelayFile>, Vec<FileFinding>) {
    let (root, mistakes) = supervisor_yaml::parse(text, &RELAY);
    let mut findings: Vec<_> = mistakes.into_iter().map(|(place, message)| error(place, message)).collect();
    let Some(root) = root else { return (None, findings) };
    match said(&root, &mut findings) {
        Ok(said) => (said, findings),
        Err(problem) => {
            findings.push(error(Place::START, format!("the file cannot be used: {problem}")));
            (None, findings)
        }
    }
}

/// The error says that the schema and the types differ.
fn said(root: &Node, findings: &mut Vec<FileFinding>) -> Result<Option<RelayFile>, String> {
    let mut walked = supervisor_yaml::walk(&RELAY, shapes()?, root);
    findings.append(&mut walked.findings);
    // What was left out would be missed in what is looked at further.
    if !findings.is_empty() {
        return Ok(None);
    }
    let said: RelayFile = serde_json::from_value(walked.json).map_err(|error| error.to_string())?;
    findings.extend(agree::findings(&said, root));
    Ok(Some(said))
}

/// They follow from the types, so they are made once.
fn shapes() -> Result<&'static Shapes, String> {
    static SHAPES: OnceLock<Result<Shapes, String>> = OnceLock::new();
    let make = || Shapes::of(&supervisor_yaml::schema_of::<RelayFile>());
    SHAPES.get_or_init(make).as_ref().map_err(Clone::clone)
}

fn example(_: &str, key: &str) -> &'static str {
    match key {
        "version" => ", for example `version: 1`",
        "expires" => ", for example `expires: 2027-01-31`",
        "sha256" => "; `supervisor relay token NAME` prints one",
        "role" => ": `viewer`, `operator` or `admin`",
        _ => "",
    }
}
