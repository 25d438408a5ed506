//! Reads a whole ledger, segment by segment, and checks every line against the one before it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::disk::{Access, Disk, segment_name, segment_number};
use crate::error::Error;
use crate::flaw::{Flaw, Reason, TornTail};
use crate::hash::LineHash;
use crate::line::{Header, ReadLine, check_crc};
use crate::lines::{Line, Lines};
use crate::reader::Record;

/// What a scan comes by.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A segment begins: its header, and the hash of that line.
    Segment(Header, LineHash),
    /// A record in its place.
    Record(Record),
    /// A bad line, or a segment that cannot be read. The scan goes on behind it; what follows a bad line is not
    /// compared with it.
    Bad(Flaw),
    /// The last segment ends in a line that was cut short.
    Torn(TornTail),
}

/// A pass over a ledger.
pub(crate) struct Scan {
    disk: Arc<dyn Disk>,
    /// The segments that are still to be read.
    numbers: VecDeque<u64>,
    open: Option<Open>,
    link: Link,
}

struct Open {
    number: u64,
    lines: Lines,
}

/// What the next line is compared with.
#[derive(Debug, Clone, Copy)]
enum Link {
    /// Nothing was read yet: whatever the first header says is the beginning.
    Beginning,
    /// The line before was good.
    Known(Known),
    /// The line before was bad, or a segment was.
    Lost,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// The segment of the line before.
    segment: u64,
    hash: LineHash,
    /// The sequence that the next record must have.
    next: u64,
}

impl Scan {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Result<Self, Error> {
        let names = disk.list().map_err(|error| Error::io("list", disk.place(), error))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
        numbers.sort_unstable();
        Ok(Self { disk, numbers: numbers.into(), open: None, link: Link::Beginning })
    }

    /// The segments that are still to be read.
    pub(crate) fn segments(&self) -> impl Iterator<Item = u64> {
        self.numbers.iter().copied()
    }

    fn open_next(&mut self) -> Option<Result<(), Flaw>> {
        loop {
            let number = self.numbers.pop_front()?;
            match self.disk.open(&segment_name(number), Access::Read) {
                Ok(file) => {
                    self.open = Some(Open { number, lines: Lines::new(file) });
                    return Some(Ok(()));
                }
                // It was dropped since the files were listed. If it was not the first, the next one says so.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.link = Link::Lost;
                    return Some(Err(self.flaw(number, (1, 0), unreadable(&error))));
                }
            }
        }
    }

    fn look_at(&mut self, number: u64, line: Line) -> Result<Seen, Reason> {
        let text = line.text?;
        check_crc(&text)?;
        let (seen, known) = if line.number == 1 {
            let (header, known) = header(number, &text, self.link)?;
            (Seen::Segment(header, known.hash), known)
        } else {
            let (record, known) = record(number, &text, self.link, (line.number, line.byte))?;
            (Seen::Record(record), known)
        };
        self.link = Link::Known(known);
        Ok(seen)
    }

    fn flaw(&self, segment: u64, (line, byte): (u64, u64), reason: Reason) -> Flaw {
        let sequence = match self.link {
            Link::Known(known) if line > 1 => Some(known.next),
            _ => None,
        };
        let file = format!("{}/{}", self.disk.place(), segment_name(segment));
        Flaw { file, segment, line, byte, sequence, reason }
    }
}

impl Iterator for Scan {
    type Item = Seen;

    fn next(&mut self) -> Option<Seen> {
        loop {
            let Some(open) = &mut self.open else {
                match self.open_next()? {
                    Ok(()) => continue,
                    Err(flaw) => return Some(Seen::Bad(flaw)),
                }
            };
            let number = open.number;
            let line = match open.lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => {
                    let at = open.lines.position();
                    self.open = None;
                    match self.without_header(number, at) {
                        Some(seen) => return Some(seen),
                        None => continue,
                    }
                }
                Err(error) => {
                    let at = open.lines.position();
                    self.open = None;
                    let flaw = self.flaw(number, at, unreadable(&error));
                    self.link = Link::Lost;
                    return Some(Seen::Bad(flaw));
                }
            };
            // The file may have grown since a line without an end was read: it was the end then. What cannot be
            // told counts as more to come: nothing is removed on a guess.
            let at_end = line.text == Err(Reason::Unended) || open.lines.at_end().unwrap_or(false);
            let last = at_end && self.numbers.is_empty();
            let (at, bytes) = ((line.number, line.byte), line.length);
            return Some(match self.look_at(number, line) {
                Ok(seen) => seen,
                Err(reason) if last && reason.is_torn() => {
                    self.open = None;
                    Seen::Torn(TornTail { flaw: self.flaw(number, at, reason), bytes })
                }
                Err(reason) => {
                    let flaw = self.flaw(number, at, reason);
                    self.link = Link::Lost;
                    Seen::Bad(flaw)
                }
            });
        }
    }
}

impl Scan {
    /// An empty file was never written to: at the end that is a torn tail, elsewhere a segment without content.
    fn without_header(&mut self, number: u64, at: (u64, u64)) -> Option<Seen> {
        if at != (1, 0) {
            return None;
        }
        let flaw = self.flaw(number, at, Reason::Unended);
        if self.numbers.is_empty() {
            return Some(Seen::Torn(TornTail { flaw, bytes: 0 }));
        }
        self.link = Link::Lost;
        Some(Seen::Bad(flaw))
    }
}

fn unreadable(error: &io::Error) -> Reason {
    Reason::Unreadable { error: error.to_string() }
}

fn header(number: u64, text: &[u8], link: Link) -> Result<(Header, Known), Reason> {
    let header = Header::decode(text)?;
    if header.segment != number {
        return Err(Reason::OtherSegment { found: header.segment });
    }
    match link {
        Link::Known(before) if header.follows != Some(before.segment) => {
            return Err(Reason::Follows { stated: header.follows, found: Some(before.segment) });
        }
        Link::Known(before) => {
            compare((header.previous, before.hash), (header.first_sequence, before.next))?;
        }
        // What follows nothing is the beginning of all.
        Link::Beginning if header.follows.is_none() => {
            compare((header.previous, LineHash::NONE), (header.first_sequence, 1))?;
        }
        Link::Beginning | Link::Lost => {}
    }
    let known = Known { segment: number, hash: LineHash::of(text), next: header.first_sequence };
    Ok((header, known))
}

fn record(number: u64, text: &[u8], link: Link, (line, byte): (u64, u64)) -> Result<(Record, Known), Reason> {
    let read = ReadLine::decode(text)?;
    if let Link::Known(before) = link {
        compare((read.previous, before.hash), (read.sequence, before.next))?;
    }
    let hash = LineHash::of(text);
    let next = read.sequence.saturating_add(1);
    let record = Record {
        sequence: read.sequence,
        recorded_at_unix_nanos: read.recorded_at_unix_nanos,
        monotonic_nanos: read.monotonic_nanos,
        hash,
        segment: number,
        line,
        byte,
        body: read.body,
    };
    Ok((record, Known { segment: number, hash, next }))
}

/// The sequence first: a missing line is better named than the hash that follows from it.
fn compare((stated, hash): (LineHash, LineHash), (found, expected): (u64, u64)) -> Result<(), Reason> {
    if found != expected {
        return Err(Reason::Sequence { expected, found });
    }
    if stated != hash {
        return Err(Reason::Previous { stated, found: hash });
    }
    Ok(())
}
