//! A directory that nobody but us can write to, held open.
//!
//! ```text
//!  /run/user/7/tokio-supervisor
//!  └┬┘ └┬─┘└┬┘ └──────┬───────┘
//!   O_PATH | O_NOFOLLOW, one step at a time     then: ours? written by nobody else?
//! ```
//!
//! Everything that happens inside is done relative to the open directory: what is checked is what is used, also when
//! somebody moves a directory above it meanwhile.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::places::{Place, Surroundings};

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// It is not there.
    #[error("the directory {} is not there; create it with `mkdir -m 700 {}`", .path.display(), .path.display())]
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// A part of the path is a symbolic link.
    #[error(
        "{} is a symbolic link, and links are not followed on the way to a socket; give the path without links",
        .path.display()
    )]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// A part of the path is no directory.
    #[error("{} is not a directory; give a path in a directory of your own", .path.display())]
    NotADirectory {
        /// The part.
        path: PathBuf,
    },
    /// It belongs to another user.
    #[error(
        "the directory {} belongs to uid {owner} and not to uid {us}, which this process has; \
         use a directory of your own",
        .path.display()
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Our effective uid.
        us: u32,
    },
    /// Its group or everybody may write to it.
    #[error(
        "others may write to the directory {} (mode {mode:04o}); take that away with `chmod go-w {}`",
        .path.display(), .path.display()
    )]
    Writable {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system refuses a look at it, or its creation.
    #[error("the directory {} cannot be used: {error}", .path.display())]
    Failed {
        /// The directory, or the part of its path at which it failed.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// No default place can be used.
    #[error("there is no directory for the socket: {}; give a path with `--socket PATH`", .reasons.join("; "))]
    NoPlace {
        /// Why, for each place in order.
        reasons: Vec<String>,
    },
}

impl DirectoryError {
    /// The wire's word for it, of stage `ipc_bind`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Symlink { .. } => "ipc_symlink_rejected",
            Self::NotOurs { .. } => "ipc_socket_owner_mismatch",
            _ => "ipc_path_metadata_failed",
        }
    }

    fn failed(path: &Path, error: impl Into<io::Error>) -> Self {
        Self::Failed { path: path.to_owned(), error: error.into() }
    }
}

/// An open directory that has passed the checks.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens what is there. `path` is absolute.
    pub(crate) fn open(path: &Path) -> Result<Self, DirectoryError> {
        Self::sound(walk(path, path)?, path)
    }

    /// Opens a place and creates below its base what is absent.
    pub(crate) fn open_place(place: &Place) -> Result<Self, DirectoryError> {
        place.usable()?;
        let ours = place.ours();
        if ours != place.path() {
            // Whoever may write to what is above could put another directory in the place of ours.
            judge(&walk(&ours, &place.base)?, &ours)?;
        }
        Self::sound(walk(&place.path(), &place.base)?, &place.path())
    }

    /// Opens a place if it is there; creates nothing.
    pub(crate) fn open_existing(place: &Place) -> Result<Self, DirectoryError> {
        place.usable()?;
        Self::open(&place.path())
    }

    /// Opens the first place whose base is there and sound. Whatever is wrong below it is an error: a place that
    /// somebody has tampered with is not passed over in silence.
    pub(crate) fn open_first(surroundings: &Surroundings) -> Result<Self, DirectoryError> {
        let mut reasons = Vec::new();
        for place in surroundings.socket_places() {
            match place.usable() {
                Ok(()) => return Self::open_place(&place),
                Err(reason) => reasons.push(reason.to_string()),
            }
        }
        if reasons.is_empty() {
            reasons.push(
                "neither XDG_RUNTIME_DIR nor XDG_STATE_HOME nor HOME is set to an absolute path".into(),
            );
        }
        Err(DirectoryError::NoPlace { reasons })
    }

    fn sound(fd: OwnedFd, path: &Path) -> Result<Self, DirectoryError> {
        judge(&fd, path)?;
        Ok(Self { fd, path: path.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A path of `name` that leads through the open directory, and is short.
    pub(crate) fn through(&self, name: &OsStr) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.fd.as_raw_fd())).join(name)
    }

    /// What has this name, without following it.
    pub(crate) fn look(&self, name: &OsStr) -> Result<Option<Stat>, io::Error> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Tries to be the only one who changes names in here. The lock ends with the returned descriptor.
    pub(crate) fn try_lock(&self) -> Result<Option<OwnedFd>, io::Error> {
        let own = rustix::fs::openat(
            &self.fd,
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        match rustix::fs::flock(&own, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(own)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Place {
    /// Whether its base is there and, where it must be, sound.
    fn usable(&self) -> Result<(), DirectoryError> {
        let base = walk(&self.base, &self.base)?;
        if self.sound_base { judge(&base, &self.base) } else { Ok(()) }
    }
}

/// Ours, and written by nobody else.
fn judge(fd: &OwnedFd, path: &Path) -> Result<(), DirectoryError> {
    let stat = rustix::fs::fstat(fd).map_err(|error| DirectoryError::failed(path, error))?;
    let (us, mode, path) = (rustix::process::geteuid().as_raw(), stat.st_mode & 0o7777, path.to_owned());
    if stat.st_uid != us {
        return Err(DirectoryError::NotOurs { path, owner: stat.st_uid, us });
    }
    if mode & 0o022 != 0 {
        return Err(DirectoryError::Writable { path, mode });
    }
    Ok(())
}

/// Opens `path` step by step and follows no link. What is absent below `existing` is created, mode 0700.
fn walk(path: &Path, existing: &Path) -> Result<OwnedFd, DirectoryError> {
    let mut at = PathBuf::from("/");
    let mut fd = open_step(CWD, at.as_os_str()).map_err(|error| DirectoryError::failed(&at, error))?;
    for component in path.components() {
        let name = match component {
            Component::Normal(name) => name,
            Component::ParentDir => OsStr::new(".."),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
        };
        at.push(name);
        // Equal lengths and less are inside of `existing`, since `path` begins with it.
        let create = at.components().count() > existing.components().count();
        fd = step(fd.as_fd(), name, &at, create)?;
    }
    // Until here it could only be walked through; now it is to be read and locked, too.
    let readable = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(&fd, ".", readable, Mode::empty()).map_err(|error| DirectoryError::failed(path, error))
}

fn step(from: BorrowedFd<'_>, name: &OsStr, at: &Path, create: bool) -> Result<OwnedFd, DirectoryError> {
    let mut opened = open_step(from, name);
    if create && matches!(opened, Err(Errno::NOENT)) {
        match rustix::fs::mkdirat(from, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => opened = open_step(from, name),
            Err(error) => return Err(DirectoryError::failed(at, error)),
        }
    }
    opened.map_err(|error| match error {
        Errno::NOENT => DirectoryError::Missing { path: at.to_owned() },
        Errno::NOTDIR | Errno::LOOP if is_link(from, name) => DirectoryError::Symlink { path: at.to_owned() },
        Errno::NOTDIR => DirectoryError::NotADirectory { path: at.to_owned() },
        error => DirectoryError::failed(at, error),
    })
}

fn open_step(from: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(from, name, flags, Mode::empty())
}

fn is_link(from: BorrowedFd<'_>, name: &OsStr) -> bool {
    rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_symlink())
}
