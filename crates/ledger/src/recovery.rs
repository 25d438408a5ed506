//! What is done to a directory before its ledger is written to again.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::disk::{Access, Disk, DiskFile, segment_name, write_all_at};
use crate::error::Error;
use crate::flaw::{Flaw, TornTail};
use crate::head::Head;
use crate::reader::Record;
use crate::scan::{Scan, Seen};
use crate::segments::{Extent, Segments};

/// What was found in a directory.
pub(crate) struct Found {
    /// The segments, oldest first.
    segments: Vec<u64>,
    /// The last good line.
    pub(crate) head: Head,
    torn: Option<TornTail>,
    /// The first one.
    pub(crate) flaw: Option<Flaw>,
}

/// A ledger that can be written to.
pub(crate) struct Recovered {
    pub(crate) segments: Segments,
    pub(crate) head: Head,
    pub(crate) torn: Option<TornTail>,
}

/// Reads everything, and hands out each record on the way. Stops at the first flaw if `stop` says so.
pub(crate) fn read(disk: &Arc<dyn Disk>, stop: bool, mut visit: impl FnMut(Record)) -> Result<Found, Error> {
    let scan = Scan::new(Arc::clone(disk))?;
    let segments = scan.segments().collect();
    let mut found = Found { segments, head: Head::START, torn: None, flaw: None };
    for seen in scan {
        match seen {
            Seen::Segment(header, hash) => {
                let sequence = header.first_sequence.saturating_sub(1);
                found.head =
                    Head { segment: header.segment, bytes: 0, records: false, closed: false, sequence, hash };
            }
            Seen::Record(record) => {
                found.head =
                    Head { records: true, sequence: record.sequence, hash: record.hash, ..found.head };
                visit(record);
            }
            Seen::Bad(flaw) => {
                found.flaw.get_or_insert(flaw);
                if stop {
                    break;
                }
            }
            Seen::Torn(torn) => found.torn = Some(torn),
        }
    }
    Ok(found)
}

impl Found {
    /// Removes an end that was cut short, and makes sure that everything before it, and nothing else, is on the disk.
    pub(crate) fn recover(mut self, disk: Arc<dyn Disk>) -> Result<Recovered, Error> {
        let failed = |action, segment| {
            let place = format!("{}/{}", disk.place(), segment_name(segment));
            move |error: io::Error| Error::io(action, place, error)
        };
        let mut cut = self.torn.as_ref().map(|torn| (torn.flaw.segment, torn.flaw.byte));
        if let Some((segment, 0)) = cut {
            // Not even its header was written.
            disk.remove(&segment_name(segment)).map_err(failed("remove", segment))?;
            self.segments.pop();
            cut = None;
        }
        // Also what a killed program had removed must stay away: it does not follow what is written now.
        disk.sync().map_err(|error| Error::io("sync the directory", disk.place(), error))?;
        let mut extents = VecDeque::new();
        for segment in self.segments {
            let file = disk.open(&segment_name(segment), Access::Read);
            let bytes = file.and_then(|file| file.length()).map_err(failed("examine", segment))?;
            extents.push_back(Extent { segment, bytes });
        }
        if let Some(last) = extents.back_mut() {
            last.bytes = cut.map_or(last.bytes, |(_, byte)| byte);
            let file = disk.open(&segment_name(last.segment), Access::Write);
            let again = file.and_then(|file| write_again(&*file, last.bytes));
            again.map_err(failed("make durable", last.segment))?;
            self.head.bytes = last.bytes;
        }
        Ok(Recovered { segments: Segments::new(disk, extents), head: self.head, torn: self.torn })
    }
}

/// Cuts a file off after `length` bytes, writes the same bytes over those before, and syncs.
///
/// Why: what was read can be in memory only, and so can a cut. After a failed sync the kernel believes that a page
/// is clean, and a sync by a new process would not write it. A page that is written to is dirty again. The bytes are
/// the same, so a crash meanwhile changes nothing.
fn write_again(file: &dyn DiskFile, length: u64) -> io::Result<()> {
    file.truncate(length)?;
    let mut buffer = vec![0; 64 << 10];
    let mut offset = 0;
    while offset < length {
        let want = usize::try_from(length - offset).map_or(buffer.len(), |left| left.min(buffer.len()));
        match file.read_at(offset, &mut buffer[..want]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                write_all_at(file, offset, &buffer[..read])?;
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.sync()
}
