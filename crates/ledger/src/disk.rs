//! The seam between the ledger and the file system.

use std::fmt;
use std::io;

/// The files of one directory. [`crate::Folder`] is the real one; another can hold them elsewhere, watch, or fail.
///
/// Everything the ledger does to files goes through this trait and [`DiskFile`]. Only one thread changes anything; a
/// [`crate::Reader`] on the same disk can read meanwhile.
pub trait Disk: Send + Sync {
    /// How the directory is called in messages.
    fn place(&self) -> String;

    /// The names of the files in it, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new file. A name that exists is an error.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file.
    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Removes a file. It is gone for good after the next [`Disk::sync`].
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes durable which files there are.
    fn sync(&self) -> io::Result<()>;
}

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// An open file.
pub trait DiskFile: Send {
    /// Reads from `offset` on. Fewer bytes than asked for may come; none means the end of the file.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes at `offset`. Fewer bytes than given may be written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts the file off after `length` bytes.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes the content durable (`fdatasync`).
    fn sync(&self) -> io::Result<()>;

    /// How many bytes the file has.
    fn length(&self) -> io::Result<u64>;
}

impl fmt::Debug for dyn Disk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Disk({})", self.place())
    }
}

/// Writes all of `bytes` at `offset`, in as many steps as it takes.
pub(crate) fn write_all_at(file: &dyn DiskFile, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(offset, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                offset += written as u64;
                bytes = &bytes[written..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A file read from its beginning.
pub(crate) struct FromStart {
    file: Box<dyn DiskFile>,
    offset: u64,
}

impl FromStart {
    pub(crate) fn new(file: Box<dyn DiskFile>) -> Self {
        Self { file, offset: 0 }
    }
}

impl io::Read for FromStart {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.offset, into)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// The name of a segment's file.
pub(crate) fn segment_name(number: u64) -> String {
    format!("segment-{number:010}.jsonl")
}

/// The number of a segment, if this is the name of one as [`segment_name`] writes it.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("segment-")?.strip_suffix(".jsonl")?.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_segments_are_read_back_and_no_others() {
        for number in [0, 1, 9_999_999_999, 10_000_000_000, u64::MAX] {
            assert_eq!(segment_number(&segment_name(number)), Some(number));
        }
        for name in ["lock", "segment-1.jsonl", "segment-+000000001.jsonl", "segment-0000000001.jsonl~"] {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }
}
