//! Reading what was recorded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::clock;
use crate::disk::Disk;
use crate::error::Error;
use crate::flaw::{Flaw, TornTail};
use crate::folder::Folder;
use crate::hash::LineHash;
use crate::scan::{Scan, Seen};

/// A record as it was read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Record {
    /// Its place in the ledger, from 1, without gaps.
    pub sequence: u64,
    /// When it was appended, on the wall clock.
    pub recorded_at_unix_nanos: u64,
    /// When it was appended, since the system was booted.
    pub monotonic_nanos: u64,
    /// The hash of its line, which the next line names.
    pub hash: LineHash,
    /// The number of its segment.
    pub segment: u64,
    /// Its line in the file, from 1.
    pub line: u64,
    /// Where the line begins, in bytes from the start of the file.
    pub byte: u64,
    pub(crate) body: Box<RawValue>,
}

impl Record {
    /// What was appended, as the JSON text that was written.
    pub fn body_text(&self) -> &str {
        self.body.get()
    }

    /// How long ago it was appended, by the wall clock. A time that is still to come is 0 old.
    pub fn age(&self) -> Duration {
        clock::age(self.recorded_at_unix_nanos)
    }

    /// What was appended.
    ///
    /// # Errors
    ///
    /// The body is no such value.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.body.get())
    }
}

/// All records of a ledger, oldest first, each checked as [`crate::verify`] does.
///
/// A bad line is an item of its own, and reading goes on behind it; what stands behind is not compared with it. At
/// most one line is held in memory. The ledger may be written to meanwhile: the reader ends where it ends when the
/// reader comes there.
pub struct Reader {
    scan: Scan,
    torn: Option<TornTail>,
}

impl Reader {
    /// Reads the ledger in a directory.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Nothing`] if there is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_on(Arc::new(Folder::for_reading(path)?))
    }

    /// The same for any [`Disk`].
    ///
    /// # Errors
    ///
    /// As [`Reader::open`].
    pub fn open_on(disk: Arc<dyn Disk>) -> Result<Self, Error> {
        let place = disk.place();
        let scan = Scan::new(disk)?;
        if scan.segments().next().is_none() {
            return Err(Error::Nothing { place });
        }
        Ok(Self { scan, torn: None })
    }

    /// The end that was cut short, once the reader has come to it. While somebody writes it can be a line that is
    /// just being written.
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }
}

/// A record with its body read as a value of one type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Entry<T> {
    /// Where and when it was recorded.
    pub record: Record,
    /// What was recorded.
    pub body: T,
}

/// Why an entry could not be read. Reading goes on behind it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// The line is not as it was written.
    #[error("{0}")]
    Flaw(Box<Flaw>),
    /// The line is sound, and its body is something else.
    #[error("record {sequence} is of another kind: {error}")]
    OtherKind {
        /// The record.
        sequence: u64,
        /// What the parser said.
        error: serde_json::Error,
    },
}

impl Reader {
    /// All records, each read as a `T`.
    pub fn entries<T: DeserializeOwned>(&mut self) -> impl Iterator<Item = Result<Entry<T>, Unreadable>> {
        self.map(|item| {
            let record = item.map_err(|flaw| Unreadable::Flaw(Box::new(flaw)))?;
            match record.body() {
                Ok(body) => Ok(Entry { record, body }),
                Err(error) => Err(Unreadable::OtherKind { sequence: record.sequence, error }),
            }
        })
    }
}

impl Iterator for Reader {
    type Item = Result<Record, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.scan.next()? {
                Seen::Segment(..) => {}
                Seen::Record(record) => return Some(Ok(record)),
                Seen::Bad(flaw) => return Some(Err(flaw)),
                Seen::Torn(torn) => self.torn = Some(torn),
            }
        }
    }
}
