//! Small files of a state: whose links are good, who signed in, which targets there are. Each is the old one or the new
//! one, and none is synced. They lie in a directory that nobody else may write in.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Writes a file that only its owner may read, beside the one that is there, and puts it in its place. Blocks.
///
/// # Errors
///
/// Those of the disk; then what was there is there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // What an earlier relay did not come to rename is nothing.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    std::fs::rename(&new, path)
}

/// Reads a regular file of this user, and not more of it than this many bytes. A link is not followed. Blocks.
///
/// # Errors
///
/// When it is not there, is another's, or is no regular file; and those of the disk.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"));
    }
    if about.uid() != rustix::process::geteuid().as_raw() {
        let message = format!("it belongs to uid {}", about.uid());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// That a file has another format than this relay writes.
pub(crate) fn of_another_version(found: u32, known: u32) -> io::Error {
    let message = format!("it has the format {found}, and this relay knows {known}");
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_for_its_owner_alone_also_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        // What was killed between writing and renaming.
        std::fs::write(folder.path().join("state.new"), "half").unwrap();
        for text in ["one", "another"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(read(&path, 100).unwrap(), text.as_bytes());
        }
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(read(&path, 3).unwrap(), b"ano");
    }

    #[test]
    fn what_is_no_file_of_ours_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let kind = |path: &Path| read(path, 100).unwrap_err().kind();
        assert_eq!(kind(&path), io::ErrorKind::NotFound);
        assert_eq!(kind(folder.path()), io::ErrorKind::InvalidData);
        replace(&path, b"x").unwrap();
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(read(&link, 100).is_err());
        // Only root can give a file away.
        if rustix::process::geteuid().is_root() {
            chown(&path, Some(1), None).unwrap();
            assert_eq!(kind(&path), io::ErrorKind::PermissionDenied);
        }
    }
}
