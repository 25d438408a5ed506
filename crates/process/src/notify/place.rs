//! Where the sockets are: in a directory that nobody else can enter, or, for programs of other users, that nobody else
//! can list and in which each socket is for its program's user.
//!
//! One directory of each sort per process, made when the first socket is wanted and removed with the last. It is locked as long as
//! it is used, and whoever makes one removes those of this user that nobody holds locked: a supervisor that was killed
//! could not.

use std::ffi::OsStr;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{FlockOperation, Mode, OFlags};

use crate::identity::RunsAs;
use crate::start_error::reason;

const PREFIX: &str = "supervisor-notify-";
/// The longest path of a socket that the system takes, in bytes.
const MAX_PATH: usize = 107;
/// Names that are tried for the directory.
const TRIES: u32 = 8;
/// What is remedied when there is no good directory.
const REMEDY: &str = "set XDG_RUNTIME_DIR to a short path of a directory that this user can write to";

/// The socket of one run. Its file goes with it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    _dir: Arc<Dir>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The directory of this process.
#[derive(Debug)]
struct Dir {
    path: PathBuf,
    _lock: OwnedFd,
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

/// Makes a socket of which the kernel tells the senders, for a program of this user or of another.
///
/// # Errors
///
/// A sentence that names the path and the remedy.
pub(crate) fn bind(other: Option<&RunsAs>) -> Result<(UnixDatagram, Place), String> {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let dir = if other.is_some() { others_dir()? } else { own_dir()? };
    let path = dir.path.join(COUNT.fetch_add(1, Ordering::Relaxed).to_string());
    let length = path.as_os_str().len();
    if length > MAX_PATH {
        let shown = path.display();
        return Err(format!(
            "notify: the path {shown} has {length} bytes, and that of a socket at most {MAX_PATH}; {REMEDY}"
        ));
    }
    let bound = UnixDatagram::bind(&path).and_then(|socket| {
        rustix::net::sockopt::set_socket_passcred(&socket, true)?;
        socket.set_nonblocking(true)?;
        if let Some(other) = other {
            rustix::fs::chown(&path, other.user, Some(other.group))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o660))?;
        }
        Ok(socket)
    });
    let place = Place { path, _dir: dir };
    match bound {
        Ok(socket) => Ok((socket, place)),
        Err(error) => {
            let (shown, why) = (place.path.display(), reason(&error));
            Err(format!("notify: cannot make the socket {shown}: {why}; {REMEDY}"))
        }
    }
}

/// The directory of this process for programs of its own user.
fn own_dir() -> Result<Arc<Dir>, String> {
    static DIR: Mutex<Weak<Dir>> = Mutex::new(Weak::new());
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    dir(&DIR, runtime, 0o700)
}

/// The directory of this process for programs of others, which cannot enter that of its own user.
fn others_dir() -> Result<Arc<Dir>, String> {
    static DIR: Mutex<Weak<Dir>> = Mutex::new(Weak::new());
    dir(&DIR, Some("/run".into()), 0o711)
}

/// A directory in the first place where one can be, which is made if there is none.
fn dir(kept: &Mutex<Weak<Dir>>, first: Option<PathBuf>, mode: u32) -> Result<Arc<Dir>, String> {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(dir) = kept.upgrade().filter(|dir| dir.path.is_dir()) {
        return Ok(dir);
    }
    let mut problem = String::new();
    for above in first.into_iter().chain([std::env::temp_dir()]) {
        match make(&above, mode) {
            Ok(dir) => {
                let dir = Arc::new(dir);
                *kept = Arc::downgrade(&dir);
                return Ok(dir);
            }
            Err(why) => {
                problem = format!("notify: cannot make a directory in {}: {why}; {REMEDY}", above.display())
            }
        }
    }
    Err(problem)
}

fn make(above: &Path, bits: u32) -> Result<Dir, String> {
    let why = |error: io::Error| reason(&error);
    let mode = fs::metadata(above).map_err(why)?.mode();
    if mode & 0o002 != 0 && mode & 0o1000 == 0 {
        return Err("everybody can rename what is in it".into());
    }
    sweep(above);
    for _ in 0..TRIES {
        let path = above.join(format!("{PREFIX}{:016x}", random()));
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made.map_err(why)?,
        }
        // Whatever this process's umask takes away.
        fs::set_permissions(&path, fs::Permissions::from_mode(bits)).map_err(why)?;
        // Somebody who sweeps may have had it in between.
        if let Some(lock) = lock(&path).filter(|_| path.is_dir()) {
            return Ok(Dir { path, _lock: lock });
        }
    }
    Err("every name that was tried is taken".into())
}

/// Another number each time, from the randomness of the system, and without `/proc`.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Locks a directory, unless somebody else has.
fn lock(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let dir = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(dir)
}

/// Removes what supervisors of this user that were killed have left.
fn sweep(above: &Path) {
    let user = rustix::process::geteuid().as_raw();
    let is_one = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    for entry in
        fs::read_dir(above).into_iter().flatten().flatten().filter(|entry| is_one(&entry.file_name()))
    {
        let is_ours = entry.metadata().is_ok_and(|about| about.is_dir() && about.uid() == user);
        let Some(_lock) = is_ours.then(|| lock(&entry.path())).flatten() else { continue };
        for socket in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            let _ = fs::remove_file(socket.path());
        }
        let _ = fs::remove_dir(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ones(above: &Path) -> usize {
        fs::read_dir(above).unwrap().count()
    }

    #[test]
    fn what_nobody_holds_is_removed_and_what_somebody_uses_stays() {
        let above = tempfile::tempdir().unwrap();
        let first = make(above.path(), 0o700).unwrap();
        assert_eq!(fs::metadata(&first.path).unwrap().mode() & 0o777, 0o700);
        let (left, other) = (above.path().join(format!("{PREFIX}left")), above.path().join("other"));
        fs::create_dir(&left).unwrap();
        fs::create_dir(&other).unwrap();
        let _socket = UnixDatagram::bind(left.join("1")).unwrap();
        let second = make(above.path(), 0o700).unwrap();
        assert!(first.path.is_dir() && other.is_dir() && !left.exists());
        drop((first, second));
        assert_eq!(ones(above.path()), 1, "each goes with its last user");
    }

    #[test]
    fn a_place_that_is_not_safe_is_refused_with_the_reason() {
        let above = tempfile::tempdir().unwrap();
        fs::set_permissions(above.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(make(above.path(), 0o700).unwrap_err().contains("everybody can rename"));
        assert!(make(&above.path().join("none"), 0o700).unwrap_err().contains("no such file"));
        assert_eq!(ones(above.path()), 0);
    }

    #[test]
    fn a_socket_goes_with_its_run() {
        let (socket, place) = bind(None).unwrap();
        let (dir, path) = (place.path.parent().unwrap().to_owned(), place.path.clone());
        assert!(path.exists() && fs::metadata(&dir).unwrap().mode() & 0o077 == 0);
        drop((socket, place));
        assert!(!path.exists());
    }
}
