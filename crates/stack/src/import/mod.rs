//! The files of other tools, as a stack file.
//!
//! ```text
//!   supervisord.conf ┐                      ┌─► the text of a stack file
//!   process-compose  ├─► programs, in our ──┤
//!   Procfile         │   own words          └─► everything that could not be carried over, by line and key
//!   NAME.service     ┘
//! ```
//!
//! Each key of the other file ends in one of the two: nothing is dropped without a word. What has the same meaning by
//! default is carried over by saying nothing; what the other tool does by default, and we do not, is said.
//!
//! | file | subject |
//! |---|---|
//! | `supervisord` `compose` `procfile` `systemd` | one format each: what its keys are with us |
//! | `ini` `words` `amount` | how such files are written |
//! | `sheet` `text` `settle` `write` | the stack file that is made |

mod amount;
mod compose;
mod ini;
mod procfile;
mod settle;
mod sheet;
mod supervisord;
mod systemd;
mod text;
mod words;
mod write;

use std::fmt;

use supervisor_yaml::printable;

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `supervisord.conf`, an INI file with `[program:NAME]`.
    Supervisord,
    /// `process-compose.yaml`.
    ProcessCompose,
    /// A line `NAME: COMMAND` for each program, as foreman and Heroku have it.
    Procfile,
    /// A `.service` unit of systemd.
    Systemd,
}

impl Format {
    /// Every format, with the word for it.
    pub const ALL: [(&'static str, Self); 4] = [
        ("supervisord", Self::Supervisord),
        ("process-compose", Self::ProcessCompose),
        ("procfile", Self::Procfile),
        ("systemd", Self::Systemd),
    ];

    /// The format of a file that is called so, by its last part.
    pub fn of(file_name: &str) -> Option<Self> {
        let name = file_name.to_ascii_lowercase();
        let ends = |with: &[&str]| with.iter().any(|end| name.ends_with(end));
        if name == "procfile" || name.starts_with("procfile.") {
            Some(Self::Procfile)
        } else if ends(&[".service"]) {
            Some(Self::Systemd)
        } else if ends(&[".conf", ".ini"]) {
            Some(Self::Supervisord)
        } else if ends(&[".yaml", ".yml"]) {
            Some(Self::ProcessCompose)
        } else {
            None
        }
    }

    /// Whether several files of it make one stack.
    pub fn takes_several(self) -> bool {
        matches!(self, Self::Supervisord | Self::Systemd)
    }
}

/// A file of another tool.
#[derive(Debug, Clone, Copy)]
pub struct Foreign<'a> {
    /// Its name, without a folder. A unit of systemd is called by it.
    pub name: &'a str,
    /// The absolute path of the folder in which it is.
    pub folder: &'a str,
    /// What is in it.
    pub text: &'a str,
}

/// A stack file that was made of other files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The stack file.
    pub text: String,
    /// Variables of it that have no value: they are given where it is read.
    pub needs: Vec<String>,
    /// What could not be carried over, in the order of the files.
    pub left: Vec<Left>,
}

/// Something of another file that is not in the stack file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Of which file, from 0.
    pub file: usize,
    /// Its line, from 1.
    pub line: usize,
    /// The key, with its section: `program:web.stdout_syslog`.
    pub key: String,
    /// Why, and what there is instead. A sentence without its point.
    pub why: String,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.line, printable(&self.key), printable(&self.why))
    }
}

/// Why a file could not be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {message}")]
pub struct ImportError {
    /// Which file, from 0.
    pub file: usize,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there, and what to do.
    pub message: String,
}

/// A place in one of the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    file: usize,
    line: usize,
}

impl At {
    fn error(self, message: impl Into<String>) -> ImportError {
        ImportError { file: self.file, line: self.line, message: message.into() }
    }
}

/// Makes one stack file out of the files of another tool.
///
/// It is called `name`; without one as the other file calls itself, else `otherwise`. The text that is made can be read, unless
/// the other file says what no program can be, such as a working directory with a NUL in it.
///
/// # Errors
///
/// When a text cannot be read as a file of that format, or there is no program in any.
pub fn import(
    format: Format,
    files: &[Foreign<'_>],
    name: Option<&str>,
    otherwise: &str,
) -> Result<Imported, ImportError> {
    let files: Vec<Foreign<'_>> =
        files.iter().map(|file| Foreign { text: plain(file.text), ..*file }).collect();
    if files.len() > 1 && !format.takes_several() {
        let at = At { file: 1, line: 1 };
        return Err(
            at.error("a stack file is made of one such file; import each, and put together what comes out")
        );
    }
    let mut sheet = match format {
        Format::Supervisord => supervisord::read(&files),
        Format::ProcessCompose => compose::read(files.first().map_or("", |file| file.text)),
        Format::Procfile => procfile::read(files.first().map_or("", |file| file.text)),
        Format::Systemd => systemd::read(&files),
    }?;
    if sheet.children.is_empty() {
        if let Some(error) = sheet.nothing_else {
            return Err(error);
        }
        let looked_for = match format {
            Format::Supervisord => "a section `[program:NAME]`",
            Format::ProcessCompose => "a process under `processes`",
            Format::Procfile => "a line `NAME: COMMAND`",
            Format::Systemd => "a section `[Service]`",
        };
        let first = At { file: 0, line: 1 };
        return Err(first.error(format!("there is no program in it: {looked_for} was looked for")));
    }
    sheet.settle();
    let name = name.or(sheet.name.as_deref()).unwrap_or(otherwise);
    let name = if name.trim().is_empty() { "stack" } else { name };
    let text = write::stack(&sheet, &sheet::name(name));
    sheet.left.sort();
    sheet.left.dedup();
    let left = |(at, key, why): (At, String, String)| Left { file: at.file, line: at.line, key, why };
    let unset = sheet.variables.iter().filter(|(_, default)| default.is_none());
    let needs = unset.map(|(name, _)| name.clone()).collect();
    Ok(Imported { text, needs, left: sheet.left.into_iter().map(left).collect() })
}

/// Without the mark that some editors put before a text.
fn plain(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Why a value is not taken.
type Refusal = String;

/// What becomes of a key.
type Carried = Result<(), Refusal>;
