//! What a program writes, as lines of text that can be kept and shown.

/// The longest line that is kept, in bytes of text. The rest of a longer one is dropped.
pub const MAX_LINE: usize = 16 * 1024;

/// `raw` as text of at most `limit` bytes that a terminal shows and does not obey, and whether it was cut.
///
/// Bytes that are not UTF-8 become U+FFFD. Control characters but the tab, and those that turn the direction
/// of writing, become escapes such as `\x1b`.
pub(crate) fn printable(raw: &[u8], limit: usize) -> (String, bool) {
    let mut text = String::with_capacity(raw.len().min(limit));
    for chunk in raw.utf8_chunks() {
        let invalid = if chunk.invalid().is_empty() { "" } else { "\u{fffd}" };
        for char in chunk.valid().chars().chain(invalid.chars()) {
            let before = text.len();
            push(&mut text, char);
            if text.len() > limit {
                text.truncate(before);
                return (text, true);
            }
        }
    }
    (text, false)
}

fn push(text: &mut String, char: char) {
    // Embeddings, overrides and isolates can make a line read as another one.
    let turns = matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match char {
        '\t' => text.push(char),
        _ if char.is_ascii_control() => text.push_str(&format!("\\x{:02x}", char as u32)),
        _ if turns || char.is_control() => text.extend(char.escape_unicode()),
        _ => text.push(char),
    }
}

/// Cuts a stream of bytes into lines. Holds at most one line of [`MAX_LINE`] bytes, however long it is.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    line: Vec<u8>,
    /// The line was given away already, cut; what follows until its end is dropped.
    skipping: bool,
}

/// Raw bytes that are kept of a line: a little more than the limit, so that a character on the limit is whole
/// and it is seen that there is more.
const KEPT: usize = MAX_LINE + 4;

impl Splitter {
    /// Takes the next bytes and gives each line they complete to `each`, with whether it was cut.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(String, bool)) {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let (part, rest) = match end {
                Some(at) => (&bytes[..at], &bytes[at + 1..]),
                None => (bytes, &[][..]),
            };
            if !self.skipping {
                let room = KEPT - self.line.len();
                self.line.extend_from_slice(&part[..part.len().min(room)]);
                if end.is_some() || self.line.len() == KEPT {
                    self.emit(&mut each);
                    self.skipping = end.is_none();
                }
            } else if end.is_some() {
                self.skipping = false;
            }
            bytes = rest;
        }
    }

    /// Gives the last line, if the stream ended without ending it.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(String, bool)) {
        if !self.line.is_empty() {
            self.emit(&mut each);
        }
    }

    fn emit(&mut self, each: &mut impl FnMut(String, bool)) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let (text, cut) = printable(line, MAX_LINE);
        each(text, cut);
        self.line.clear();
        // A program that wrote one long line once does not hold its memory for ever.
        self.line.shrink_to(1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<(String, bool)> {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk, |text, cut| lines.push((text, cut)));
        }
        splitter.finish(|text, cut| lines.push((text, cut)));
        lines
    }

    fn whole(text: &str) -> (String, bool) {
        (text.into(), false)
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        let text = b"one\n\ntwo\r\nthree";
        let expected = [whole("one"), whole(""), whole("two"), whole("three")];
        assert_eq!(lines(&[text]), expected);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(lines(&bytes), expected);
    }

    #[test]
    fn a_long_line_is_cut_once_and_the_next_one_is_whole() {
        let long = vec![b'x'; 5 * MAX_LINE];
        let lines = lines(&[&long, &long, b"tail\nnext\n"]);
        assert_eq!(lines, [("x".repeat(MAX_LINE), true), whole("next")]);
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_whole_and_one_byte_more_is_cut() {
        for (length, cut) in
            [(MAX_LINE, false), (MAX_LINE + 1, true), (MAX_LINE + 4, true), (MAX_LINE + 5, true)]
        {
            let line = vec![b'x'; length];
            assert_eq!(lines(&[&line, b"\nnext"]), [("x".repeat(MAX_LINE), cut), whole("next")], "{length}");
        }
    }

    #[test]
    fn a_character_on_the_limit_is_left_out_and_not_torn() {
        let line = "é".repeat(MAX_LINE);
        let (text, cut) = lines(&[b"x", line.as_bytes()]).remove(0);
        assert!(cut);
        assert_eq!(text.len(), MAX_LINE - 1);
        assert!(!text.contains('\u{fffd}'));
    }

    #[test]
    fn text_that_grows_by_escaping_stays_within_the_limit() {
        let (text, cut) = lines(&[&vec![0_u8; MAX_LINE]]).remove(0);
        assert!(cut);
        assert!(text.len() <= MAX_LINE && text.starts_with("\\x00\\x00"));
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let (text, cut) = printable(b"a\tb\x1b[31mred\x07\x7f\xc2\x85 \xe2\x80\xae", 100);
        assert_eq!(text, "a\tb\\x1b[31mred\\x07\\x7f\\u{85} \\u{202e}");
        assert!(!cut);
    }

    #[test]
    fn bytes_that_are_no_text_are_marked_and_lose_nothing_else() {
        assert_eq!(printable(b"\xff\xfeok\xc3\xa9\xe2\x82", 100).0, "\u{fffd}\u{fffd}ok\u{e9}\u{fffd}");
    }
}
