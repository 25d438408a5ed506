//! The exit codes, in one table. 2 is clap's.

use std::process::ExitCode;

/// How the binary ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Good,
    /// The file could not be read, or the output not be written.
    NoInput,
    /// The file is invalid.
    Invalid,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Good => 0,
            Exit::NoInput => 66,
            Exit::Invalid => 78,
        })
    }
}
