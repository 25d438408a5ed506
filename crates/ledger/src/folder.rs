//! The ledger's directory in the file system: opened without following links, ours alone, locked.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::disk::{Access, Disk, DiskFile};
use crate::error::Error;

/// The file that is locked. It names the process that holds it.
const LOCK: &str = "lock";

/// A directory of the file system. Files are found from its descriptor: a directory that is moved or replaced
/// later does not lead the ledger astray.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    directory: OwnedFd,
    /// Held as long as the folder is open for writing.
    _lock: Option<Lock>,
}

impl Folder {
    /// Opens a directory to keep a ledger in, and locks it. What is missing of the path is made, for this user
    /// only (0700).
    ///
    /// The path's last part is never followed if it is a link. The directory must belong to this user, and nobody
    /// else may have any right to it. Those above it must belong to this user or root, and not everybody may
    /// write to them, unless they are sticky. A link above is followed once, and the place it led to is checked.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] while somebody else has it open for writing, be it this process; [`Error::Unsafe`];
    /// [`Error::Io`].
    pub fn for_writing(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = real_path(path.as_ref())?;
        let directory = walk(&path)?;
        let stat = rustix::fs::fstat(&directory).map_err(|errno| io_error("examine", &path, errno))?;
        check_own(&path, &stat, "chmod 700")?;
        let lock = Lock::take(&directory, &path)?;
        Ok(Self { path, directory, _lock: Some(lock) })
    }

    /// Opens a directory to read the ledger in it, also while somebody writes to it. Nothing is made, locked or
    /// checked: who may read it may.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn for_reading(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&path, flags, Mode::empty());
        let directory = directory.map_err(|errno| io_error("open the directory", &path, errno))?;
        Ok(Self { path, directory, _lock: None })
    }

    fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        // A pipe under the name of a segment must not make anybody wait.
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&self.directory, name, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::LOOP) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a link")),
            opened => opened?,
        };
        if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(file.into())
    }
}

impl Disk for Folder {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.directory)? {
            // A name that is no text is none of ours.
            names.extend(entry?.file_name().to_str().map(str::to_owned));
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.open_file(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let file = match access {
            Access::Read => self.open_file(name, OFlags::RDONLY)?,
            Access::Write => {
                let file = self.open_file(name, OFlags::RDWR)?;
                check_own(&self.path.join(name), &rustix::fs::fstat(&file)?, "chmod 600")
                    .map_err(|error| io::Error::new(io::ErrorKind::PermissionDenied, error))?;
                file
            }
        };
        Ok(Box::new(file))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.directory)?)
    }
}

impl DiskFile for File {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, into, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

fn io_error(action: &'static str, path: &Path, error: impl Into<io::Error>) -> Error {
    Error::io(action, path.display().to_string(), error)
}

/// The path with the links in what exists of it resolved, all but a last part that is a link.
fn real_path(path: &Path) -> Result<PathBuf, Error> {
    let path = std::path::absolute(path).map_err(|error| io_error("find", path, error))?;
    let not_a_name = || Error::Unsafe {
        place: path.display().to_string(),
        why: "it must end with the name of a directory; give its full path".into(),
    };
    let mut missing = vec![path.file_name().ok_or_else(not_a_name)?];
    let mut above = path.parent().ok_or_else(not_a_name)?;
    let mut real = loop {
        match above.canonicalize() {
            Ok(real) => break real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing.push(above.file_name().ok_or_else(not_a_name)?);
                above = above.parent().ok_or_else(not_a_name)?;
            }
            Err(error) => return Err(io_error("find", above, error)),
        }
    };
    real.extend(missing.into_iter().rev());
    Ok(real)
}

/// Goes down a path from the root, follows no link, checks each directory and makes those that are missing.
fn walk(path: &Path) -> Result<OwnedFd, Error> {
    let mut so_far = PathBuf::from("/");
    let mut directory = step(rustix::fs::CWD, OsStr::new("/"), &so_far)?;
    for part in path.components() {
        let Component::Normal(name) = part else { continue };
        so_far.push(name);
        directory = match step(&directory, name, &so_far) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                make(&directory, name, &so_far)?;
                step(&directory, name, &so_far)?
            }
            other => other?,
        };
    }
    Ok(directory)
}

fn step(at: impl AsFd, name: &OsStr, path: &Path) -> Result<OwnedFd, Error> {
    let unsafe_because = |why: String| Error::Unsafe { place: path.display().to_string(), why };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&at, name, flags, Mode::empty()).or_else(|errno| match errno {
        // Who may pass through a directory need not be allowed to list it.
        Errno::ACCESS => rustix::fs::openat(&at, name, flags | OFlags::PATH, Mode::empty()),
        errno => Err(errno),
    });
    let directory = opened.map_err(|errno| match errno {
        Errno::NOTDIR | Errno::LOOP => {
            unsafe_because("it is a link or a file, not a directory; give the path of a directory".into())
        }
        errno => io_error("open the directory", path, errno),
    })?;
    let stat = rustix::fs::fstat(&directory).map_err(|errno| io_error("examine", path, errno))?;
    let us = rustix::process::geteuid().as_raw();
    if stat.st_uid != us && stat.st_uid != 0 {
        let owner = stat.st_uid;
        return Err(unsafe_because(format!(
            "it belongs to user {owner}; use a directory of user {us} or root"
        )));
    }
    if stat.st_mode & 0o1002 == 0o002 {
        return Err(unsafe_because("everybody may write to it; take that right away (chmod o-w)".into()));
    }
    Ok(directory)
}

fn make(at: impl AsFd, name: &OsStr, path: &Path) -> Result<(), Error> {
    match rustix::fs::mkdirat(&at, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(io_error("make the directory", path, errno)),
    }
    rustix::fs::fsync(&at).map_err(|errno| io_error("sync the directory above", path, errno))
}

/// Refuses what belongs to somebody else, or what somebody else has a right to.
fn check_own(path: &Path, stat: &Stat, mend: &str) -> Result<(), Error> {
    let us = rustix::process::geteuid().as_raw();
    let place = path.display().to_string();
    let why = if stat.st_uid != us {
        format!("it belongs to user {}; it must belong to user {us}", stat.st_uid)
    } else if stat.st_mode & 0o077 != 0 {
        format!("others have rights to it (mode {:o}); take them away ({mend} {place})", stat.st_mode & 0o777)
    } else {
        return Ok(());
    };
    Err(Error::Unsafe { place, why })
}

/// The right to write, until it is dropped.
#[derive(Debug)]
struct Lock(File);

impl Lock {
    fn take(directory: &OwnedFd, path: &Path) -> Result<Self, Error> {
        let place = path.join(LOCK);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = rustix::fs::openat(directory, LOCK, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(file.map_err(|errno| io_error("open the lock", &place, errno))?);
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(Error::InUse { place: path.display().to_string(), holder: holder(&mut file) });
            }
            Err(errno) => return Err(io_error("lock", &place, errno)),
        }
        // The number only helps whoever is refused. On a full disk the lock holds without it.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self(file))
    }
}

/// Given back by word, not by closing the file: a program that is just being started has a copy of the descriptor
/// until it is executed.
impl Drop for Lock {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_given_back_although_a_program_that_is_being_started_has_a_copy_of_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("audit");
        let folder = Folder::for_writing(&path).unwrap();
        let copy = folder._lock.as_ref().unwrap().0.try_clone().unwrap();
        assert!(matches!(Folder::for_writing(&path), Err(Error::InUse { .. })));
        drop(folder);
        Folder::for_writing(&path).unwrap();
        drop(copy);
    }
}
