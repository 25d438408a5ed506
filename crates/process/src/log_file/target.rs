//! The file that lines are appended to now.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::LogFile;
use super::rotated::{folder, rotate};

/// The most that is written between two looks at the file.
const PORTION: usize = 64 * 1024;

/// Whole lines, and how many bytes of them are written.
pub(super) struct Batch {
    lines: Vec<u8>,
    written: usize,
}

impl Batch {
    pub(super) fn new(lines: Vec<u8>) -> Self {
        Self { lines, written: 0 }
    }

    fn left(&self) -> &[u8] {
        self.lines.get(self.written..).unwrap_or_default()
    }

    /// The lines to write next to a file with this room: at least one, and no half.
    fn portion(&self, room: u64) -> &[u8] {
        let left = self.left();
        let most = usize::try_from(room).unwrap_or(usize::MAX).min(PORTION).min(left.len());
        let whole = left[..most].iter().rposition(|&byte| byte == b'\n');
        let first = || left.iter().position(|&byte| byte == b'\n');
        let end = whole.or_else(first).map_or(left.len(), |at| at + 1);
        &left[..end]
    }
}

/// The open file, if it is open.
#[derive(Default)]
pub(super) struct Target(Option<File>);

impl Target {
    /// Writes what is left of `batch`. Says whether a file was rotated for it. After an error what is left can be written
    /// again later: it begins with a whole line.
    pub(super) fn write(&mut self, batch: &mut Batch, rules: &LogFile) -> io::Result<bool> {
        let mut rotated = false;
        while !batch.left().is_empty() {
            let mut metadata = self.reopen(&rules.path)?;
            if is_due(&metadata, batch, rules) {
                self.0 = None;
                rotate(rules)?;
                rotated = true;
                metadata = self.reopen(&rules.path)?;
            }
            let room =
                if metadata.is_file() { rules.max_size.saturating_sub(metadata.size()) } else { u64::MAX };
            let portion = batch.portion(room);
            let (length, written) = (portion.len(), self.append(portion, &metadata));
            match written {
                Ok(()) => batch.written += length,
                Err(error) => {
                    self.0 = None;
                    return Err(error);
                }
            }
        }
        Ok(rotated)
    }

    /// The file that has the name now: another one than before if somebody renamed or removed that.
    fn reopen(&mut self, path: &Path) -> io::Result<Metadata> {
        if let Some(file) = &self.0 {
            let own = file.metadata()?;
            let named = std::fs::symlink_metadata(path);
            if named.is_ok_and(|named| (named.dev(), named.ino()) == (own.dev(), own.ino())) {
                return Ok(own);
            }
            self.0 = None;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(folder(path))?;
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY);
        let mut file = options.open(path).map_err(plainly)?;
        if ends_in_a_half(path, &file.metadata()?) {
            // A process was killed in the middle of it.
            file.write_all(b"\n")?;
        }
        let metadata = file.metadata()?;
        self.0 = Some(file);
        Ok(metadata)
    }

    /// Appends whole lines, or nothing: of a regular file a half is taken back.
    fn append(&self, lines: &[u8], before: &Metadata) -> io::Result<()> {
        let Some(mut file) = self.0.as_ref() else { return Err(io::ErrorKind::NotFound.into()) };
        let written = file.write_all(lines);
        if written.is_err() && before.is_file() {
            // Where even that fails, the next one to open the file ends the half.
            let _ = file.set_len(before.size());
        }
        written
    }
}

/// Whether the next line belongs into a new file.
fn is_due(metadata: &Metadata, batch: &Batch, rules: &LogFile) -> bool {
    if !metadata.is_file() || metadata.size() == 0 {
        return false;
    }
    let first = batch.portion(0).len() as u64;
    metadata.size().saturating_add(first) > rules.max_size
        || rules.max_age.is_some_and(|max| age(metadata).is_some_and(|age| age > max))
}

/// How long ago the file was made. Where the file system does not know that, how long nothing was written to it.
fn age(metadata: &Metadata) -> Option<Duration> {
    let made = metadata.created().or_else(|_| metadata.modified()).ok()?;
    (UNIX_EPOCH + Duration::from_nanos(tokio_supervisor::unix_nanos())).duration_since(made).ok()
}

fn ends_in_a_half(path: &Path, metadata: &Metadata) -> bool {
    let last = || -> io::Result<u8> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        Ok(last[0])
    };
    metadata.is_file() && metadata.size() > 0 && last().is_ok_and(|last| last != b'\n')
}

/// "Too many levels of symbolic links" says nothing of the one link that is not followed.
fn plainly(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ELOOP) => {
            io::Error::other("it is a symbolic link, which is not followed; name the file itself")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_is_whole_lines_and_at_least_one() {
        let mut batch = Batch::new(b"one\ntwo\nthree\n".to_vec());
        assert_eq!(batch.portion(0), b"one\n");
        assert_eq!(batch.portion(7), b"one\n");
        assert_eq!(batch.portion(8), b"one\ntwo\n");
        assert_eq!(batch.portion(u64::MAX), b"one\ntwo\nthree\n");
        batch.written = 4;
        assert_eq!(batch.portion(1), b"two\n");
    }
}
