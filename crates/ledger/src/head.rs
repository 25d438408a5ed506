//! Where the chain ends, and how it goes on. Pure: lines in memory, no files.

use serde_json::value::RawValue;

use crate::clock::Stamp;
use crate::error::Error;
use crate::hash::LineHash;
use crate::line::{ENVELOPE, Header, RecordLine};

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The segment of the last line. 0: there is none yet.
    pub(crate) segment: u64,
    /// How many bytes it has.
    pub(crate) bytes: u64,
    /// Whether it has records.
    pub(crate) records: bool,
    /// Whether nothing may be added to it, because a write or sync in it failed.
    pub(crate) closed: bool,
    /// The last record. 0: there is none yet.
    pub(crate) sequence: u64,
    /// The last line.
    pub(crate) hash: LineHash,
}

/// Lines of one segment, ready to be written.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) segment: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Head {
    /// Before the first segment.
    pub(crate) const START: Self =
        Self { segment: 0, bytes: 0, records: false, closed: true, sequence: 0, hash: LineHash::NONE };

    /// Adds a record, after the header of a new segment if this one is closed or would become longer than
    /// `segment_bytes`. Returns its stamp.
    pub(crate) fn add_record(
        &mut self,
        body: &RawValue,
        segment_bytes: u64,
        chunks: &mut Vec<Chunk>,
    ) -> Result<Stamp, Error> {
        let length = (body.get().len() + ENVELOPE) as u64;
        if self.closed || (self.records && self.bytes + length > segment_bytes) {
            self.add_header(chunks)?;
        }
        let sequence = self.sequence + 1;
        let stamp = Stamp::now();
        let line = RecordLine { sequence, stamp, previous: self.hash, body };
        self.add_line(line.encode().map_err(not_json)?, chunks);
        self.sequence = sequence;
        self.records = true;
        Ok(stamp)
    }

    /// Begins a new segment.
    pub(crate) fn add_header(&mut self, chunks: &mut Vec<Chunk>) -> Result<(), Error> {
        let follows = (self.segment > 0).then_some(self.segment);
        let header = Header::new(self.segment + 1, follows, self.sequence + 1, self.hash);
        let line = header.encode().map_err(not_json)?;
        *self = Self { segment: header.segment, bytes: 0, records: false, closed: false, ..*self };
        self.add_line(line, chunks);
        Ok(())
    }

    fn add_line(&mut self, mut line: Vec<u8>, chunks: &mut Vec<Chunk>) {
        self.hash = LineHash::of(&line);
        line.push(b'\n');
        self.bytes += line.len() as u64;
        match chunks.last_mut() {
            Some(chunk) if chunk.segment == self.segment => chunk.bytes.extend(line),
            _ => chunks.push(Chunk { segment: self.segment, bytes: line }),
        }
    }
}

pub(crate) fn not_json(error: serde_json::Error) -> Error {
    Error::NotJson { why: error.to_string() }
}
