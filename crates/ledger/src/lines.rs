//! A file, line by line, in bounded memory.

use std::io::{self, BufRead, BufReader, Read as _};

use crate::disk::{DiskFile, FromStart};
use crate::flaw::Reason;
use crate::line::MAX_LINE;

/// One line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: u64,
    /// Where it begins.
    pub(crate) byte: u64,
    /// Its length, with the line feed if it has one.
    pub(crate) length: u64,
    /// Its text without the line feed, or why that cannot be had.
    pub(crate) text: Result<Vec<u8>, Reason>,
}

/// The lines of a file.
pub(crate) struct Lines {
    file: BufReader<FromStart>,
    number: u64,
    byte: u64,
}

impl Lines {
    pub(crate) fn new(file: Box<dyn DiskFile>) -> Self {
        Self { file: BufReader::with_capacity(64 << 10, FromStart::new(file)), number: 1, byte: 0 }
    }

    /// The next line. Of one longer than [`MAX_LINE`] only the length is kept.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut text = Vec::new();
        let mut length = (&mut self.file).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut text)? as u64;
        if length == 0 {
            return Ok(None);
        }
        let text = if text.last() == Some(&b'\n') {
            text.pop();
            Ok(text)
        } else if length <= MAX_LINE as u64 {
            Err(Reason::Unended)
        } else {
            length += self.file.skip_until(b'\n')? as u64;
            Err(Reason::TooLong { bytes: length })
        };
        let line = Line { number: self.number, byte: self.byte, length, text };
        self.number += 1;
        self.byte += length;
        Ok(Some(line))
    }

    /// Whether the file ends here.
    pub(crate) fn at_end(&mut self) -> io::Result<bool> {
        Ok(self.file.fill_buf()?.is_empty())
    }

    /// Where the next line begins: its number and its byte.
    pub(crate) fn position(&self) -> (u64, u64) {
        (self.number, self.byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn lines(content: &[u8]) -> Vec<Line> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let mut lines = Lines::new(Box::new(file));
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    fn line(number: u64, byte: u64, length: u64, text: Result<&str, Reason>) -> Line {
        Line { number, byte, length, text: text.map(|text| text.as_bytes().to_vec()) }
    }

    #[test]
    fn a_file_is_read_line_by_line_with_the_place_of_each() {
        assert_eq!(lines(b""), []);
        assert_eq!(
            lines(b"one\n\nthree"),
            [line(1, 0, 4, Ok("one")), line(2, 4, 1, Ok("")), line(3, 5, 5, Err(Reason::Unended))]
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_measured_and_the_next_one_is_read() {
        let mut content = vec![b'x'; MAX_LINE + 7];
        content.extend(b"\nnext\n");
        let bytes = MAX_LINE as u64 + 8;
        let expected = [line(1, 0, bytes, Err(Reason::TooLong { bytes })), line(2, bytes, 5, Ok("next"))];
        assert_eq!(lines(&content), expected);
    }
}
