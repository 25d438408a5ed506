//! Reading a stack file, and saying what is wrong with it.

use std::fmt::Display;
use std::path::Path;

use supervisor_stack::tokio_supervisor::Registry;
use supervisor_stack::{Choices, Stack, StackError};

use crate::exit::Exit;
use crate::print;

/// Reads the file; warnings and mistakes go to standard error.
pub(crate) fn stack(file: &Path, choices: Choices) -> Result<Stack, Exit> {
    match Stack::read_as(file, Registry::new(), choices) {
        Ok(stack) => {
            print::err(&stack.warnings.to_string());
            Ok(stack)
        }
        Err(StackError::Invalid(findings)) => Err(mistakes(file, &findings, findings.errors())),
        Err(error) => {
            print::err(&format!("{error}\n"));
            Err(Exit::NoInput)
        }
    }
}

/// Says what is wrong with a file, and how much that is.
pub(crate) fn mistakes(file: &Path, findings: &impl Display, errors: usize) -> Exit {
    print::err(&format!("{findings}{}: {}\n", file.display(), counted(errors, "error")));
    Exit::Invalid
}

/// A number with its word, in the plural where that is due.
pub(crate) fn counted(number: usize, word: &str) -> String {
    match (number, word) {
        (1, _) => format!("1 {word}"),
        (_, "child") => format!("{number} children"),
        (_, "process") => format!("{number} processes"),
        _ => format!("{number} {word}s"),
    }
}
