//! `supervisor import FILE…`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use supervisor_stack::{Choices, Foreign, Format, Imported, Stack, StackError};

use crate::args::{ImportArgs, ImportFormat};
use crate::exit::Exit;
use crate::print;
use crate::read::{self, counted};

/// A file that was read.
struct Read {
    name: String,
    folder: PathBuf,
    text: String,
}

/// Makes a stack file of the other files, and says what is not in it.
pub(crate) fn import(args: &ImportArgs) -> Exit {
    let format = match format(args) {
        Ok(format) => format,
        Err(why) => {
            print::err(&format!("supervisor: {why}\n"));
            return Exit::Usage;
        }
    };
    let mut files = Vec::new();
    for path in &args.files {
        match read_one(path) {
            Ok(file) => files.push(file),
            Err((exit, why)) => {
                print::err(&format!("{why}\n"));
                return exit;
            }
        }
    }
    let folders: Vec<_> = files.iter().map(|file| file.folder.to_string_lossy()).collect();
    let foreign: Vec<Foreign<'_>> = files
        .iter()
        .zip(&folders)
        .map(|(file, folder)| Foreign { name: &file.name, folder, text: &file.text })
        .collect();
    match supervisor_stack::import(format, &foreign, args.name.as_deref(), &otherwise(format, &files)) {
        Ok(made) => give(args, &made),
        Err(error) => {
            print::err(&format!("{}:{error}\n", shown(args, error.file)));
            Exit::Invalid
        }
    }
}

/// What all of the files are files of.
fn format(args: &ImportArgs) -> Result<Format, String> {
    if let Some(said) = args.format {
        return Ok(said.into());
    }
    let mut all = args.files.iter().map(|path| {
        let name = name(path);
        Format::of(&name).ok_or_else(|| {
            let known: Vec<&str> = Format::ALL.iter().map(|(word, _)| *word).collect();
            format!("the name '{name}' does not say what it is a file of; say --format {}", known.join("|"))
        })
    });
    let first = all.next().unwrap_or_else(|| Err("no file is named".to_owned()))?;
    for other in all {
        if other? != first {
            return Err("the files are not of one format; import those of each, or say --format".to_owned());
        }
    }
    if args.files.len() > 1 && !first.takes_several() {
        return Err(
            "a stack file is made of one such file; import each, and put together what comes out".to_owned()
        );
    }
    Ok(first)
}

fn read_one(path: &Path) -> Result<Read, (Exit, String)> {
    let bytes = supervisor_stack::read_file(path).map_err(|error| (Exit::NoInput, error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        (Exit::Invalid, format!("{}:{line}: it is not UTF-8; save it as UTF-8", path.display()))
    })?;
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = whole.parent().unwrap_or(Path::new("/")).to_owned();
    Ok(Read { name: name(path), folder, text })
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the stack is called, if nobody says it: as its one unit, or as the folder.
fn otherwise(format: Format, files: &[Read]) -> String {
    match files {
        [unit] if format == Format::Systemd => unit.name.trim_end_matches(".service").to_owned(),
        [file, ..] => name(&file.folder),
        [] => String::new(),
    }
}

fn shown(args: &ImportArgs, file: usize) -> String {
    args.files.get(file).map(|path| path.display().to_string()).unwrap_or_default()
}

fn give(args: &ImportArgs, made: &Imported) -> Exit {
    let path = match &args.output {
        None => {
            print::out(&made.text);
            PathBuf::from("the stack file")
        }
        Some(path) => match write_new(path, &made.text) {
            Ok(()) => path.clone(),
            Err(error) => {
                print::err(&format!("supervisor: cannot write {}: {error}\n", path.display()));
                return Exit::Failed;
            }
        },
    };
    for left in &made.left {
        print::err(&format!("{}:{left}\n", shown(args, left.file)));
    }
    if !made.left.is_empty() {
        print::err(&format!("{} not carried over\n", counted(made.left.len(), "key")));
    }
    checked(&path, made)
}

/// What was made of a file that is wrong in itself can be wrong, too. Variables that have to be given are given: they are
/// not there before it is run.
fn checked(path: &Path, made: &Imported) -> Exit {
    let choices = made.needs.iter().fold(Choices::default(), |choices, name| choices.set(name, "1"));
    match Stack::parse_as(&path.display().to_string(), made.text.as_str(), None, &choices) {
        Ok(stack) => {
            print::err(&stack.warnings.to_string());
            Exit::Good
        }
        Err(StackError::Invalid(findings)) => read::mistakes(path, &findings, findings.errors()),
        Err(error) => {
            print::err(&format!("{error}\n"));
            Exit::Invalid
        }
    }
}

fn write_new(path: &Path, text: &str) -> Result<(), String> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    made.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => "it is there already; name another file, or remove it".to_owned(),
        _ => error.to_string(),
    })
}

impl From<ImportFormat> for Format {
    fn from(said: ImportFormat) -> Self {
        match said {
            ImportFormat::Supervisord => Self::Supervisord,
            ImportFormat::ProcessCompose => Self::ProcessCompose,
            ImportFormat::Procfile => Self::Procfile,
            ImportFormat::Systemd => Self::Systemd,
        }
    }
}
