//! What is written to the guardian's pipe: eight bytes for a group that began or ended.
//!
//! A pipe takes so few bytes as one piece, so records of many writers never mix.

use rustix::process::Pid;

/// The size of a record.
pub(crate) const SIZE: usize = 8;

const BEGAN: [u8; 4] = *b"+sg1";
const ENDED: [u8; 4] = *b"-sg1";

/// One line of the guardian's book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    Began(Pid),
    Ended(Pid),
}

/// The group lives from now on.
pub(crate) const fn began(group: Pid) -> [u8; SIZE] {
    encode(BEGAN, group)
}

/// The group was killed, and its number is about to be given back.
pub(crate) const fn ended(group: Pid) -> [u8; SIZE] {
    encode(ENDED, group)
}

const fn encode(word: [u8; 4], group: Pid) -> [u8; SIZE] {
    let [a, b, c, d] = word;
    let [e, f, g, h] = group.as_raw_nonzero().get().to_le_bytes();
    [a, b, c, d, e, f, g, h]
}

/// The record in these bytes; `None` for what is no record, or for a number that is no program's group.
pub(crate) fn decode(bytes: [u8; SIZE]) -> Option<Record> {
    let [a, b, c, d, e, f, g, h] = bytes;
    let number = i32::from_le_bytes([e, f, g, h]);
    // 1 is init: as a group number it would mean "everything".
    let group = if number > 1 { Pid::from_raw(number)? } else { return None };
    match [a, b, c, d] {
        BEGAN => Some(Record::Began(group)),
        ENDED => Some(Record::Ended(group)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back() {
        let group = Pid::from_raw(4_194_303).unwrap();
        assert_eq!(decode(began(group)), Some(Record::Began(group)));
        assert_eq!(decode(ended(group)), Some(Record::Ended(group)));
    }

    #[test]
    fn a_number_that_would_kill_more_than_a_group_is_no_record() {
        for number in [0_i32, 1, -1, -5, i32::MIN] {
            let mut bytes = began(Pid::from_raw(7).unwrap());
            bytes[4..].copy_from_slice(&number.to_le_bytes());
            assert_eq!(decode(bytes), None, "{number}");
        }
        assert_eq!(decode(*b"garbage!"), None);
    }
}
