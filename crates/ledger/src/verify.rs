//! Whether a ledger is what was written.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::Error;
use crate::flaw::TornTail;
use crate::folder::Folder;
use crate::hash::LineHash;
use crate::scan::{Scan, Seen};

/// A ledger without a flaw. `Display` says it in sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many segments there are.
    pub segments: u64,
    /// How many records.
    pub records: u64,
    /// Where the chain begins.
    pub start: Start,
    /// Where it ends. Whoever notes this elsewhere can tell later whether the ledger was cut off before it.
    pub end: Mark,
    /// An end that was cut short, which does not count. While somebody writes it can be a line that is just being
    /// written.
    pub torn: Option<TornTail>,
}

/// A place in the chain: a record and the hash of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mark {
    /// The last record; 0: there is none yet.
    pub sequence: u64,
    /// The hash of the last line, be it a record or a header.
    pub hash: LineHash,
}

/// Where a chain begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// With the first record ever.
    Origin,
    /// In the header of the oldest segment that was kept: older ones were dropped, or somebody removed them.
    Anchored {
        /// The oldest segment.
        segment: u64,
        /// The sequence of its first record.
        first_sequence: u64,
        /// What its header says is the hash of the line before.
        previous: LineHash,
    },
}

impl fmt::Display for Verified {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted =
            |number: u64, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        let (records, segments) = (counted(self.records, "record"), counted(self.segments, "segment"));
        write!(out, "{records} in {segments}, each in its place. ")?;
        match self.start {
            Start::Origin => write!(out, "The chain is whole from the first record on.")?,
            Start::Anchored { segment, first_sequence, previous } => write!(
                out,
                "Older segments were dropped: the chain begins at record {first_sequence}, anchored in the header of \
                 segment {segment}, which follows a line with the hash {previous}."
            )?,
        }
        write!(out, " It ends at record {} with the hash {}.", self.end.sequence, self.end.hash)?;
        self.torn.iter().try_for_each(|torn| write!(out, " Not counted: {torn}."))
    }
}

/// Checks the ledger in a directory: every CRC, every sequence and the whole chain across all segments.
///
/// It can be written to meanwhile. What a chain cannot show: that records were cut off at the end, or whole segments
/// at the beginning, or that everything from some line on was written afresh. Compare [`Verified::end`] with what
/// was noted before.
///
/// # Errors
///
/// [`Error::Damaged`] with the first bad line; [`Error::Nothing`] if there is no ledger; [`Error::Io`].
pub fn verify(path: impl AsRef<Path>) -> Result<Verified, Error> {
    verify_on(Arc::new(Folder::for_reading(path)?))
}

/// [`verify`] for any [`Disk`].
///
/// # Errors
///
/// As [`verify`].
pub fn verify_on(disk: Arc<dyn Disk>) -> Result<Verified, Error> {
    let place = disk.place();
    let mut found = Verified {
        segments: 0,
        records: 0,
        start: Start::Origin,
        end: Mark { sequence: 0, hash: LineHash::NONE },
        torn: None,
    };
    for seen in Scan::new(disk)? {
        match seen {
            Seen::Segment(header, hash) => {
                if found.segments == 0 {
                    found.start = header.start();
                }
                found.segments += 1;
                found.end = Mark { sequence: header.first_sequence.saturating_sub(1), hash };
            }
            Seen::Record(record) => {
                found.records += 1;
                found.end = Mark { sequence: record.sequence, hash: record.hash };
            }
            Seen::Bad(flaw) => return Err(Error::Damaged(Box::new(flaw))),
            Seen::Torn(torn) => found.torn = Some(torn),
        }
    }
    if found.segments == 0 && found.torn.is_none() {
        return Err(Error::Nothing { place });
    }
    Ok(found)
}
