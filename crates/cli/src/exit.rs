//! The exit codes, in one table. 2 is clap's, too.

use std::process::ExitCode;

/// How the binary ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Good,
    /// The stack ran and did not end well, a command was refused or failed, or the output could not be written.
    Failed,
    /// Several targets run and none was named, or a dangerous command cannot be asked about.
    Usage,
    /// There is no target.
    NoTarget,
    /// This user may not.
    NotPermitted,
    /// It took too long.
    TimedOut,
    /// The file could not be read.
    NoInput,
    /// The lock of the stack is not to be had.
    NoLock,
    /// The file is invalid.
    Invalid,
}

impl Exit {
    /// The code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NoTarget => 3,
            Self::NotPermitted => 4,
            Self::TimedOut => 5,
            Self::NoInput => 66,
            Self::NoLock => 73,
            Self::Invalid => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
