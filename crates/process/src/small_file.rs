//! A file that is read whole.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::start_error::reason;

/// The bytes of the regular file at `path`, or nothing when there is no such file.
///
/// # Errors
///
/// A sentence: it cannot be opened or read, is no regular file, or has more than `largest` bytes.
pub(crate) fn read(path: &Path, largest: u64) -> Result<Option<Vec<u8>>, String> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    // A pipe in the file system would wait for somebody who writes.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = match File::options().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(None),
        Err(error) => return Err(reason(&error)),
    };
    if !file.metadata().map_err(|error| reason(&error))?.is_file() {
        return Err("it is no regular file; name one".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    if bytes.len() as u64 > largest {
        return Err(format!("it is larger than {largest} bytes"));
    }
    Ok(Some(bytes))
}
