//! What a program prints, in a file of its own.
//!
//! ```text
//!  reader of the pipe ──► lines, at most 1 MiB ──► a thread of the file ──► web.log ─ full or old ─► web.log.000007
//!      never waits            full: counted                                                              │
//!                                                             one thread for all files: web.log.000007.gz ◄
//! ```
//!
//! Whoever has a line gives it away and goes on. A file has a thread of its own while there is something to write, so
//! that a disk that stands still holds up neither a program, nor the tree, nor the file of another program. A silent
//! program has no thread.
//!
//! A file is opened, and looked at, by its name before each portion of lines: one that was renamed or removed is made
//! anew, and nobody has to send a signal for that. Rotated files have numbers that grow: none is renamed again, so a
//! reader, the compression and the removal of old ones do not get into each other's way.

mod rotated;
mod target;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use writer::Writer;
pub use writer::flush_log_files;

/// A file for the output of a program, and when it is rotated.
///
/// ```
/// use supervisor_process::{LogFile, ProgramSpec};
///
/// let file = LogFile::at("/var/log/shop/web.log").max_size(50 << 20).keep(9).total(200 << 20);
/// let web = ProgramSpec::new("./web").log_file(file);
/// ```
///
/// Lines are appended as they are shown: both streams, made safe for a terminal, cut at 16 KiB. The file, and
/// directories that are missing, are made for this user alone. A symbolic link is not followed. What is no regular
/// file, such as a FIFO, is written to and never rotated.
///
/// Two programs can have one file: their lines do not mix, and the rules of the one that was started last hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    pub(crate) path: PathBuf,
    pub(crate) max_size: u64,
    pub(crate) max_age: Option<Duration>,
    pub(crate) keep: u32,
    pub(crate) compress: bool,
    pub(crate) total: Option<u64>,
    pub(crate) timestamps: bool,
}

impl LogFile {
    /// A file that is rotated at 10 MiB. Five rotated ones are kept, compressed.
    ///
    /// A relative path is relative to the working directory of this process when it is written to.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            max_size: 10 << 20,
            max_age: None,
            keep: 5,
            compress: true,
            total: None,
            timestamps: false,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Rotates it before it would have more bytes than this. A line is never cut, so a line that is longer than this has
    /// a file of its own.
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = bytes;
        self
    }

    /// Rotates it when a line comes and it is older than this. Default: however old it is.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Keeps so many rotated files; older ones are removed. 0: none.
    pub fn keep(mut self, files: u32) -> Self {
        self.keep = files;
        self
    }

    /// Whether rotated files are compressed with gzip, in the background.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Removes the oldest rotated files while all of them together have more bytes than this. Default: no limit but
    /// that of [`Self::keep`].
    pub fn total(mut self, bytes: u64) -> Self {
        self.total = Some(bytes);
        self
    }

    /// Writes the time before each line, as `2026-11-22T19:23:56.123Z `. Default: the lines alone.
    pub fn timestamps(mut self, timestamps: bool) -> Self {
        self.timestamps = timestamps;
        self
    }
}
