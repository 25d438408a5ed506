//! One run of a stack at a time.
//!
//! A run holds `tokio-supervisor/NAME/lock` in the user's runtime directory with `flock`, which the kernel
//! gives back also when the run is killed. The file names the process that holds it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use supervisor_api::ChildId;

/// The folder of everything that runs, inside the user's runtime directory.
const FOLDER: &str = "tokio-supervisor";

/// Why a stack may not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// A stack of this name runs.
    #[error(
        "a stack named '{name}' runs already{}; stop that one, or give this one another `name`",
        .pid.map(|pid| format!(" as process {pid}")).unwrap_or_default()
    )]
    Held {
        /// The name.
        name: String,
        /// Who holds it, when that can be read.
        pid: Option<u32>,
    },
    /// No folder is known that only this user writes to.
    #[error(
        "there is no folder for the lock: neither XDG_RUNTIME_DIR, XDG_STATE_HOME nor HOME is an absolute path; set XDG_RUNTIME_DIR"
    )]
    NoFolder,
    /// A folder on the way belongs to somebody else, or others may write to it.
    #[error("{} is not safe for the lock: {why}; mend it, or set XDG_RUNTIME_DIR to a folder of your own", .path.display())]
    Unsafe {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system refused.
    #[error("cannot lock {}: {error}", .path.display())]
    Refused {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
}

/// The right to run a stack of one name, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the stack called `name`, in `$XDG_RUNTIME_DIR`, for root in `/run`, else in
    /// `$XDG_STATE_HOME` or `~/.local/state`.
    pub fn take(name: &ChildId) -> Result<Self, LockError> {
        let root = rustix::process::geteuid().is_root();
        let (base, below) = place(|key| std::env::var_os(key), is_sound, root)?;
        Self::take_in(&base, below, name)
    }

    fn take_in(base: &Path, below: &[&str], name: &ChildId) -> Result<Self, LockError> {
        std::fs::create_dir_all(base).map_err(|error| LockError::Refused { path: base.to_owned(), error })?;
        let mut path = base.to_owned();
        let mut folder = open_folder(rustix::fs::CWD, base, base)?;
        for step in below.iter().copied().chain([name.as_str()]) {
            path.push(step);
            match rustix::fs::mkdirat(&folder, step, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(refused(&path, error)),
            }
            folder = open_folder(&folder, Path::new(step), &path)?;
        }
        path.push("lock");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&folder, "lock", flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| refused(&path, error))?;
        let mut file = File::from(file);
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(LockError::Held { name: name.to_string(), pid: holder(&mut file) });
            }
            Err(error) => return Err(refused(&path, error)),
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(|error| LockError::Refused { path, error })?;
        Ok(Self { _file: file })
    }
}

/// Where locks live: a folder that is there or may be made, and the folders of ours below it.
fn place(
    variable: impl Fn(&str) -> Option<OsString>,
    sound: impl Fn(&Path) -> bool,
    root: bool,
) -> Result<(PathBuf, &'static [&'static str]), LockError> {
    let absolute = |key| variable(key).map(PathBuf::from).filter(|path| path.is_absolute());
    // After `sudo` it can still be that of another user.
    if let Some(runtime) = absolute("XDG_RUNTIME_DIR").filter(|path| sound(path)) {
        return Ok((runtime, &[FOLDER]));
    }
    if root {
        return Ok((PathBuf::from("/run"), &[FOLDER]));
    }
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    state.map(|state| (state, &[FOLDER, "run"] as &[_])).ok_or(LockError::NoFolder)
}

/// Whether this is a folder of ours that nobody else writes to.
fn is_sound(path: &Path) -> bool {
    open_folder(rustix::fs::CWD, path, path).is_ok()
}

/// Opens a folder without following a link, and refuses one that others could put things into.
fn open_folder(at: impl std::os::fd::AsFd, step: &Path, path: &Path) -> Result<OwnedFd, LockError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(at, step, flags, Mode::empty()).map_err(|error| refused(path, error))?;
    let stat = rustix::fs::fstat(&folder).map_err(|error| refused(path, error))?;
    let us = rustix::process::geteuid().as_raw();
    let why = if stat.st_uid != us {
        format!("it belongs to the user {}", stat.st_uid)
    } else if stat.st_mode & 0o022 != 0 {
        "others may write to it".to_owned()
    } else {
        return Ok(folder);
    };
    Err(LockError::Unsafe { path: path.to_owned(), why })
}

fn refused(path: &Path, error: Errno) -> LockError {
    LockError::Refused { path: path.to_owned(), error: error.into() }
}

/// The process that says it holds the lock.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn name() -> ChildId {
        ChildId::new("demo").unwrap()
    }

    fn take(base: &Path) -> Result<Lock, LockError> {
        Lock::take_in(base, &[FOLDER], &name())
    }

    #[test]
    fn a_second_run_is_refused_and_names_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = take(dir.path()).unwrap();
        let error = take(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("'demo' runs already as process {}", std::process::id())), "{error}");
        let other = ChildId::new("other").unwrap();
        assert!(Lock::take_in(dir.path(), &[FOLDER], &other).is_ok());
        drop(first);
        assert!(take(dir.path()).is_ok());
    }

    #[test]
    fn a_folder_that_others_could_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let ours = dir.path().join(FOLDER);
        std::fs::create_dir(&ours).unwrap();
        std::fs::set_permissions(&ours, PermissionsExt::from_mode(0o777)).unwrap();
        let error = take(dir.path()).unwrap_err().to_string();
        assert!(error.contains("others may write to it"), "{error}");
        std::fs::remove_dir(&ours).unwrap();
        std::os::unix::fs::symlink("/tmp", &ours).unwrap();
        assert!(matches!(take(dir.path()), Err(LockError::Refused { .. })));
    }

    #[test]
    fn a_folder_that_is_made_is_ours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = take(dir.path()).unwrap();
        let mode = dir.path().join(FOLDER).join("demo").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn the_place_follows_the_environment() {
        let place = |set: &'static [(&str, &str)], root| {
            let variable =
                |key: &str| set.iter().find(|(name, _)| *name == key).map(|(_, value)| value.into());
            let sound = |path: &Path| path.starts_with("/run/user/7");
            place(variable, sound, root)
                .map(|(base, below)| below.iter().fold(base, |path, step| path.join(step)))
        };
        let shown = |set, root| place(set, root).unwrap().display().to_string();
        let runtime = &[("XDG_RUNTIME_DIR", "/run/user/7"), ("HOME", "/h")];
        assert_eq!(shown(runtime, false), "/run/user/7/tokio-supervisor");
        assert_eq!(shown(runtime, true), "/run/user/7/tokio-supervisor");
        assert_eq!(shown(&[("HOME", "/h")], true), "/run/tokio-supervisor");
        assert_eq!(shown(&[("XDG_RUNTIME_DIR", "/run/user/8")], true), "/run/tokio-supervisor");
        assert_eq!(shown(&[("HOME", "/h")], false), "/h/.local/state/tokio-supervisor/run");
        assert_eq!(shown(&[("XDG_STATE_HOME", "/s")], false), "/s/tokio-supervisor/run");
        assert!(matches!(place(&[("HOME", "relative")], false), Err(LockError::NoFolder)));
    }
}
