//! The text of a file, and where things are in it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The largest file that is read. A hundred thousand children are about a tenth of it.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableFile {
    /// The system refused to open or read it.
    #[error("cannot read {}: {error}", shown(.path))]
    Refused {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// It is a directory, a pipe, a socket or a device.
    #[error("cannot read {}: it is {found}, not a file", shown(.path))]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// It is larger than such a file may be.
    #[error("cannot read {}: it is larger than {} MiB, the most such a file may be", shown(.path), MAX_BYTES / 1024 / 1024)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

fn shown(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}

/// Reads a regular file, whole. A pipe never makes it wait.
pub fn read(path: &Path) -> Result<Vec<u8>, UnreadableFile> {
    let refused = |error| UnreadableFile::Refused { path: path.to_owned(), error };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| refused(error.into()))?;
    let file = File::from(file);
    let kind = file.metadata().map_err(refused)?.file_type();
    if !kind.is_file() {
        return Err(UnreadableFile::NotAFile { path: path.to_owned(), found: kind_words(kind) });
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(UnreadableFile::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

fn kind_words(kind: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

/// A place in a text: line and column count from 1, in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which of the texts that were read together: 0 is the one that was asked for.
    pub file: u16,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// How many characters are meant, at least 1. They may go beyond the line.
    pub length: u32,
}

impl Place {
    /// The first character of the text.
    pub const START: Self = Self { file: 0, line: 1, column: 1, length: 1 };
}

/// The text of a file, with the name it is known by.
#[derive(Debug)]
pub struct Source {
    /// What messages call it.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

impl Source {
    /// Checks that `bytes` are text that YAML allows. The error says what and where.
    pub fn new(name: String, bytes: Vec<u8>) -> Result<Self, (Self, Place, String)> {
        let mut problem = None;
        let mut text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                problem = Some((at, not_utf8(error.as_bytes(), at)));
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            }
        };
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let control = text.char_indices().find(|(_, c)| c.is_control() && !matches!(c, '\t' | '\n' | '\r'));
        if let (None, Some((at, c))) = (&problem, control) {
            let message = format!(
                "the character U+{:04X} is not allowed in YAML; remove it, or write it as an escape in \"…\"",
                u32::from(c)
            );
            problem = Some((at, message));
        }
        let source = Self { name, text };
        match problem {
            None => Ok(source),
            Some((at, message)) => {
                let place = source.place_of(at);
                Err((source, place, message))
            }
        }
    }

    /// The place of the byte at `at`.
    fn place_of(&self, at: usize) -> Place {
        let at = (0..=at.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
        let mut place = Place::START;
        let mut before = '\0';
        for c in self.text[..at].chars() {
            match c {
                '\n' if before == '\r' => {}
                '\n' | '\r' => place = Place { line: place.line + 1, ..Place::START },
                _ => place.column += 1,
            }
            before = c;
        }
        place
    }

    /// The lines of the text, as YAML counts them.
    pub(crate) fn lines(&self) -> Vec<&str> {
        let mut lines = Vec::new();
        let mut rest = self.text.as_str();
        while let Some(end) = rest.find(['\n', '\r']) {
            lines.push(&rest[..end]);
            let long = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
            rest = &rest[end + long..];
        }
        lines.push(rest);
        lines
    }
}

fn not_utf8(bytes: &[u8], at: usize) -> String {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return "the file is UTF-16; save it as UTF-8".to_owned();
    }
    format!("the byte 0x{:02x} is not UTF-8; save the file as UTF-8", bytes[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bytes: &[u8]) -> Result<Source, (Source, Place, String)> {
        Source::new("f".to_owned(), bytes.to_vec())
    }

    #[test]
    fn lines_end_as_yaml_ends_them() {
        assert_eq!(source(b"a\nb\r\nc\rd").unwrap().lines(), ["a", "b", "c", "d"]);
        assert_eq!(source(b"").unwrap().lines(), [""]);
    }

    #[test]
    fn what_is_no_text_is_refused_where_it_is() {
        for (bytes, line, column, words) in [
            (&b"a: 1\nb: \xff"[..], 2, 4, "0xff"),
            (b"\xff\xfea\0", 1, 1, "UTF-16"),
            (b"a\r\nbc\0", 2, 3, "U+0000"),
            (b"a: \x1b[31m", 1, 4, "U+001B"),
        ] {
            let (_, place, message) = source(bytes).unwrap_err();
            assert_eq!((place.line, place.column), (line, column), "{message}");
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(source(b"\xef\xbb\xbfa: 1").unwrap().text, "a: 1");
    }

    #[test]
    fn only_a_regular_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        for (path, words) in [
            (dir.path(), "it is a directory, not a file"),
            (fifo.as_path(), "it is a named pipe, not a file"),
            (Path::new("/dev/null"), "it is a device, not a file"),
            (&dir.path().join("absent"), "No such file"),
        ] {
            let error = read(path).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_and_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("larger than 64 MiB"), "{error}");
    }
}
