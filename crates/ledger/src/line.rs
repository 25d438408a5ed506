//! What a line looks like: its fields, its CRC, and how it is read back.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::Stamp;
use crate::flaw::Reason;
use crate::hash::LineHash;
use crate::verify::Start;

/// The version of the format, in every header.
const FORMAT: u32 = 1;

/// The longest line that is written or read, in bytes: 16 MiB.
pub const MAX_LINE: usize = 16 << 20;

/// At most this much of a line is not the record's body.
pub(crate) const ENVELOPE: usize = 256;

/// The first line of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The version of the format.
    pub(crate) ledger: u32,
    /// The number of this segment.
    pub(crate) segment: u64,
    /// The number of the segment that this one follows.
    pub(crate) follows: Option<u64>,
    /// The sequence of the first record that can stand in this segment.
    pub(crate) first_sequence: u64,
    #[serde(flatten)]
    pub(crate) stamp: Stamp,
    /// The hash of the last line of the segment that this one follows.
    pub(crate) previous: LineHash,
}

impl Header {
    pub(crate) fn new(segment: u64, follows: Option<u64>, first_sequence: u64, previous: LineHash) -> Self {
        Self { ledger: FORMAT, segment, follows, first_sequence, stamp: Stamp::now(), previous }
    }

    /// Where a chain begins whose oldest segment has this header.
    pub(crate) fn start(&self) -> Start {
        match self.follows {
            None => Start::Origin,
            Some(_) => Start::Anchored {
                segment: self.segment,
                first_sequence: self.first_sequence,
                previous: self.previous,
            },
        }
    }

    /// The line, without its line feed.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_string(self).map(seal)
    }

    /// Reads a line whose CRC is right.
    pub(crate) fn decode(line: &[u8]) -> Result<Self, Reason> {
        let header: Self =
            serde_json::from_slice(line).map_err(|error| Reason::NoHeader { why: error.to_string() })?;
        if header.ledger != FORMAT {
            return Err(Reason::Format { found: header.ledger, known: FORMAT });
        }
        Ok(header)
    }
}

/// Every other line.
#[derive(Debug, Serialize)]
pub(crate) struct RecordLine<'a> {
    pub(crate) sequence: u64,
    #[serde(flatten)]
    pub(crate) stamp: Stamp,
    /// The hash of the line before, be it a record or the header.
    pub(crate) previous: LineHash,
    pub(crate) body: &'a RawValue,
}

impl RecordLine<'_> {
    /// The line, without its line feed.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_string(self).map(seal)
    }
}

/// A record as it is read. The fields of [`Stamp`] stand here one by one: serde cannot keep raw JSON beside a
/// flattened struct.
#[derive(Debug, Deserialize)]
pub(crate) struct ReadLine {
    pub(crate) sequence: u64,
    pub(crate) recorded_at_unix_nanos: u64,
    pub(crate) monotonic_nanos: u64,
    pub(crate) previous: LineHash,
    pub(crate) body: Box<RawValue>,
}

impl ReadLine {
    /// Reads a line whose CRC is right.
    pub(crate) fn decode(line: &[u8]) -> Result<Self, Reason> {
        serde_json::from_slice(line).map_err(|error| Reason::NoRecord { why: error.to_string() })
    }
}

const CRC_KEY: &str = ",\"crc\":\"";
const CRC_LENGTH: usize = CRC_KEY.len() + 8 + 2;

/// Puts the CRC of all that stands before it as the last key into an object.
fn seal(mut object: String) -> Vec<u8> {
    object.pop();
    let crc = crc32fast::hash(object.as_bytes());
    object.push_str(CRC_KEY);
    // Writing to a string cannot fail.
    let _ = write!(object, "{crc:08x}\"}}");
    object.into_bytes()
}

/// Whether the CRC at the end of a line is that of the line.
pub(crate) fn check_crc(line: &[u8]) -> Result<(), Reason> {
    let (content, tail) = line.split_at(line.len().saturating_sub(CRC_LENGTH));
    let stated = tail
        .strip_prefix(CRC_KEY.as_bytes())
        .and_then(|tail| tail.strip_suffix(b"\"}"))
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .ok_or(Reason::NoCrc)?;
    let computed = format!("{:08x}", crc32fast::hash(content));
    if stated == computed {
        Ok(())
    } else {
        Err(Reason::Crc { stated: stated.escape_debug().to_string(), computed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.into()).unwrap()
    }

    fn stamp() -> Stamp {
        Stamp { recorded_at_unix_nanos: 1_700_000_000_000_000_000, monotonic_nanos: 42 }
    }

    fn record(body: &RawValue) -> Vec<u8> {
        RecordLine { sequence: 7, stamp: stamp(), previous: LineHash::NONE, body }.encode().unwrap()
    }

    #[test]
    fn the_line_of_a_record_is_the_documented_one() {
        let zeros = "0".repeat(64);
        let content = format!(
            r#"{{"sequence":7,"recorded_at_unix_nanos":1700000000000000000,"monotonic_nanos":42,"previous":"{zeros}","body":{{"a":"ä"}}"#
        );
        let crc = crc32fast::hash(content.as_bytes());
        let line = String::from_utf8(record(&raw(r#"{"a":"ä"}"#))).unwrap();
        assert_eq!(line, format!(r#"{content},"crc":"{crc:08x}"}}"#));
    }

    #[test]
    fn the_line_of_a_header_is_the_documented_one() {
        let header = Header { stamp: stamp(), ..Header::new(3, Some(2), 101, LineHash::NONE) };
        let zeros = "0".repeat(64);
        let content = format!(
            r#"{{"ledger":1,"segment":3,"follows":2,"first_sequence":101,"recorded_at_unix_nanos":1700000000000000000,"monotonic_nanos":42,"previous":"{zeros}""#
        );
        let crc = crc32fast::hash(content.as_bytes());
        let line = header.encode().unwrap();
        assert_eq!(String::from_utf8_lossy(&line), format!(r#"{content},"crc":"{crc:08x}"}}"#));
        assert_eq!(Header::decode(&line).unwrap(), header);
    }

    #[test]
    fn what_is_read_back_is_what_was_written_down_to_the_bytes_of_the_body() {
        for body in
            ["null", "1e400", r#"[1,  2]"#, r#""\n""#, &format!("{}{}", "[".repeat(500), "]".repeat(500))]
        {
            let line = record(&raw(body));
            check_crc(&line).unwrap();
            let read = ReadLine::decode(&line).unwrap();
            assert_eq!((read.sequence, read.monotonic_nanos, read.body.get()), (7, 42, body));
        }
    }

    #[test]
    fn the_envelope_is_no_longer_than_it_is_said_to_be() {
        let last = Stamp { recorded_at_unix_nanos: u64::MAX, monotonic_nanos: u64::MAX };
        let null = raw("0");
        let line = RecordLine { sequence: u64::MAX, stamp: last, previous: LineHash::NONE, body: &null };
        assert!(line.encode().unwrap().len() < ENVELOPE);
    }

    #[test]
    fn every_flipped_bit_of_a_line_is_found_by_its_crc() {
        let line = record(&raw(r#"{"action":"restart"}"#));
        for bit in 0..line.len() * 8 {
            let mut flipped = line.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(check_crc(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_line_too_short_for_a_crc_has_none() {
        for line in ["", "{}", r#"{"crc":"0"}"#] {
            assert!(matches!(check_crc(line.as_bytes()), Err(Reason::NoCrc)), "{line}");
        }
    }

    #[test]
    fn a_header_of_a_later_format_is_refused_by_its_number() {
        let later = Header { ledger: 2, ..Header::new(1, None, 1, LineHash::NONE) };
        let reason = Header::decode(&later.encode().unwrap()).unwrap_err();
        assert!(matches!(reason, Reason::Format { found: 2, known: 1 }), "{reason}");
    }
}
