//! What can be wrong with a ledger, and where.

use std::fmt;

use crate::hash::LineHash;

/// A line that is not as it was written, or not where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flaw {
    /// The file, with its directory.
    pub file: String,
    /// The number of the segment.
    pub segment: u64,
    /// The line in the file, from 1. The header is line 1.
    pub line: u64,
    /// Where the line begins, in bytes from the start of the file.
    pub byte: u64,
    /// The sequence of the record that belongs there. `None`: that is not known, or a header belongs there.
    pub sequence: Option<u64>,
    /// What is wrong.
    pub reason: Reason,
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} line {} (byte {}", self.file, self.line, self.byte)?;
        if let Some(sequence) = self.sequence {
            write!(out, ", record {sequence}")?;
        }
        write!(out, "): {}", self.reason)
    }
}

impl std::error::Error for Flaw {}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The file ends inside the line.
    #[error("the file ends inside the line")]
    Unended,
    /// The line is longer than any that is written.
    #[error("the line has {bytes} bytes, more than the longest that is written")]
    TooLong {
        /// Its length.
        bytes: u64,
    },
    /// The line does not end with a CRC.
    #[error("the line does not end with a CRC")]
    NoCrc,
    /// The CRC at the end is not that of the line.
    #[error("the line was changed: it says crc {stated}, but has {computed}")]
    Crc {
        /// The CRC in the line.
        stated: String,
        /// The CRC of the line.
        computed: String,
    },
    /// The first line of a segment is not a header.
    #[error("the segment does not begin with a header: {why}")]
    NoHeader {
        /// What the parser said.
        why: String,
    },
    /// The line is not a record.
    #[error("the line is not a record: {why}")]
    NoRecord {
        /// What the parser said.
        why: String,
    },
    /// The header is of another version of the format.
    #[error("the segment has format {found}, this program knows format {known}")]
    Format {
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The header belongs to another file.
    #[error("the file holds the header of segment {found}: it was renamed or copied")]
    OtherSegment {
        /// The number in the header.
        found: u64,
    },
    /// The segment before this one is missing, or there is one too many.
    #[error(
        "the segment follows {}, but the one before it is {}: a segment is missing, or was put in",
        .stated.map_or("none".into(), |number| format!("segment {number}")),
        .found.map_or("none".into(), |number| format!("segment {number}"))
    )]
    Follows {
        /// What the header says.
        stated: Option<u64>,
        /// What was read before.
        found: Option<u64>,
    },
    /// Another record belongs here.
    #[error("record {found} stands where record {expected} belongs: lines are missing, swapped or put in")]
    Sequence {
        /// What belongs here.
        expected: u64,
        /// What is here.
        found: u64,
    },
    /// The line does not follow the one before it.
    #[error(
        "the line follows one with the hash {stated}, but the line before it has {found}: that one was changed, or this one was put in"
    )]
    Previous {
        /// The hash in this line.
        stated: LineHash,
        /// The hash of the line before.
        found: LineHash,
    },
    /// The file cannot be read.
    #[error("the file cannot be read: {error}")]
    Unreadable {
        /// What the system said.
        error: String,
    },
}

impl Reason {
    /// What helps.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Format { .. } => "use a program that knows this format, or another directory",
            Self::Unreadable { .. } => "see the kernel's log, and whether somebody replaced the file",
            _ => {
                "nothing was removed: keep a copy of the directory, find out what changed it, and begin in a new one"
            }
        }
    }

    /// Whether a write that was cut short can leave this behind at the end of the last segment.
    pub(crate) fn is_torn(&self) -> bool {
        matches!(self, Self::Unended | Self::TooLong { .. } | Self::NoCrc | Self::Crc { .. })
    }
}

/// The end of the last segment that a crash cut short: a last line that has no line feed, or a wrong CRC.
///
/// It was never acknowledged. [`crate::Ledger::open`] removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornTail {
    /// Where it is and how it shows.
    pub flaw: Flaw,
    /// Its length in bytes, from the beginning of the bad line.
    pub bytes: u64,
}

impl fmt::Display for TornTail {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the last {} bytes are an unsynced end that a crash cut short: {}", self.bytes, self.flaw)
    }
}
