//! The text of a stack file that a run is to have.

use std::path::{Path, PathBuf};

use supervisor_stack::{Choices, Stack, StackError};

use super::command::{MANIFEST, read_text};
use super::fault::Fault;
use crate::args::ChoiceArgs;

/// A stack file, and what of it is sent.
pub(super) struct StackText {
    name: String,
    /// As it was read.
    typed: String,
    /// Where it was read from, if that is a file.
    file: Option<PathBuf>,
    choices: Choices,
    /// With everything in it that it takes from elsewhere: a run reads nothing beside it.
    pub(super) sent: String,
}

impl StackText {
    /// Reads a file, or standard input, and puts into it what it takes from elsewhere.
    pub(super) fn read(path: &Path, args: &ChoiceArgs) -> Result<Self, Fault> {
        let (typed, choices) = (read_text(path)?, args.choices());
        let name = path.display().to_string();
        let file = (path.as_os_str() != "-").then(|| std::path::absolute(path)).transpose();
        let file = file.map_err(|error| Fault::usage(format!("cannot read {name}: {error}")))?;
        let sent = match Stack::expand(&name, typed.clone(), file.as_deref(), &choices) {
            Ok(sent) if sent.len() as u64 > MANIFEST => {
                return Err(Fault::usage(format!(
                    "{name} is longer than 1 MiB with all that it takes from elsewhere; that is the most that a target takes"
                )));
            }
            Ok(sent) => sent,
            Err(error) => return Err(Fault::failed(nothing_changed(&error))),
        };
        Ok(Self { name, typed, file, choices, sent })
    }

    /// What this binary finds wrong with the file, with its lines.
    pub(super) fn mistakes(&self) -> Option<String> {
        match Stack::parse_as(&self.name, self.typed.clone(), self.file.as_deref(), &self.choices) {
            Err(error @ StackError::Invalid(_)) => Some(nothing_changed(&error)),
            _ => None,
        }
    }
}

fn nothing_changed(error: &StackError) -> String {
    format!("the file has mistakes, and nothing was changed\n{}", error.to_string().trim_end())
}
