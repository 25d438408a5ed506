//! Why something could not be done, and what helps.

use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use crate::flaw::Flaw;
use crate::line::MAX_LINE;

/// Why the ledger refuses or fails. Cloned, because everybody whose record shared a failed sync gets it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused an operation on a file.
    #[error("cannot {action} {place}: {source}; {}", remedy(.source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        place: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Somebody else writes to this ledger.
    #[error(
        "{place} is in use{}; one process writes to a ledger at a time: stop that one, or use another directory",
        .holder.map(|pid| format!(" by process {pid}")).unwrap_or_default()
    )]
    InUse {
        /// The directory.
        place: String,
        /// The process, when that can be read.
        holder: Option<u32>,
    },
    /// The directory or a file in it could be changed by somebody else.
    #[error("{place} is not safe for a ledger: {why}")]
    Unsafe {
        /// What is not safe.
        place: String,
        /// What is wrong, and what helps.
        why: String,
    },
    /// There is no ledger.
    #[error(
        "{place} holds no ledger: there is no file segment-*.jsonl in it; name the directory of a ledger"
    )]
    Nothing {
        /// The directory.
        place: String,
    },
    /// A line in the middle is bad. Nothing was changed.
    #[error("{flaw}; {remedy}", flaw = .0, remedy = .0.reason.remedy())]
    Damaged(Box<Flaw>),
    /// The ledger was opened although it is damaged, to be read only.
    #[error("the ledger is read-only because it is damaged: {0}")]
    ReadOnly(Box<Flaw>),
    /// The record cannot be written as JSON.
    #[error("the record cannot be written as JSON: {why}")]
    NotJson {
        /// What the serialiser said.
        why: String,
    },
    /// The record is too long.
    #[error("the record has {bytes} bytes; a line holds at most {MAX_LINE}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Too much waits to be written. Nothing was appended; try again when the disk has caught up.
    #[error("{bytes} bytes wait to be written: the disk does not keep up; try again later")]
    Behind {
        /// What waits.
        bytes: usize,
    },
    /// An option makes no sense.
    #[error("{0}")]
    Options(&'static str),
    /// The thread that writes has ended, which it does only when it has panicked.
    #[error("the ledger's writer has ended; open the ledger again")]
    Ended,
}

impl Error {
    pub(crate) fn io(action: &'static str, place: impl Into<String>, error: impl Into<io::Error>) -> Self {
        Self::Io { action, place: place.into(), source: Arc::new(error.into()) }
    }

    /// Whether the same call can succeed later without anybody opening the ledger again.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::InUse { .. } | Self::Behind { .. })
    }
}

/// What helps against an error of the system.
const REMEDIES: &[(Errno, &str)] = &[
    (Errno::NOSPC, "make room on that file system, or give the ledger a smaller total size"),
    (Errno::DQUOT, "raise the quota, or give the ledger a smaller total size"),
    (
        Errno::ROFS,
        "mount that file system writable; the kernel's log says whether an error made it read-only",
    ),
    (Errno::IO, "the device is failing: see the kernel's log, and move the ledger to another one"),
    (Errno::ACCESS, "give this user the rights to it"),
    (Errno::PERM, "give this user the rights to it; an immutable file shows in lsattr"),
    (Errno::MFILE, "raise the limit of open files (ulimit -n)"),
    (Errno::NFILE, "the whole system has too many open files; close some"),
    (Errno::FBIG, "raise the limit of file sizes (ulimit -f), or make segments smaller"),
    (Errno::NOENT, "it is not there: look whether the path is right, and whether somebody removed it"),
];

fn remedy(error: &io::Error) -> &'static str {
    let known =
        Errno::from_io_error(error).and_then(|errno| REMEDIES.iter().find(|(with, _)| *with == errno));
    known.map_or("see the kernel's log", |(_, remedy)| remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_names_what_was_tried_the_file_and_the_remedy() {
        let error = Error::io("write", "/l/segment-0000000001.jsonl", Errno::NOSPC);
        let text = error.to_string();
        assert!(
            text.starts_with("cannot write /l/segment-0000000001.jsonl: No space left on device"),
            "{text}"
        );
        assert!(
            text.ends_with("make room on that file system, or give the ledger a smaller total size"),
            "{text}"
        );
    }
}
