//! A socket of ours at a path.
//!
//! ```text
//!  socket ── fchmod 0600 ── bind .bind ── listen ── rename .bind → NAME ──► it is there, and answers
//!                                 │
//!                 under the lock of the directory, which also covers the look at what was at NAME
//! ```
//!
//! The mode of a socket's file is that of the unbound socket, so it is right before there is a file. The name appears
//! when the socket listens: who finds it can connect, and who cannot connect has found a dead one.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, RenameFlags, Stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use supervisor_api::ChildId;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;

use crate::directory::{Directory, DirectoryError};
use crate::instance::process;
use crate::peer::Peer;
use crate::places::Surroundings;

/// The most bytes that a socket's path may have. The system's own limit is 107, and a path is shown and passed on.
pub const MAX_PATH: usize = 100;
/// What a socket file's name ends with, where the name is ours to choose.
pub(crate) const SUFFIX: &str = ".sock";
/// The name of a socket that does not listen yet. One is enough: the directory is locked meanwhile.
const UNFINISHED: &str = ".tokio-supervisor.bind";
/// How many connections wait to be accepted.
const BACKLOG: i32 = 1024;
/// Another one needs the directory for less than a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Reading and writing by the owner, which a socket is useless without.
const OWNERS: u32 = 0o600;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The directory is not used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The path is too long.
    #[error(
        "the socket's path {} has {bytes} bytes and may have {MAX_PATH}; give a shorter one with `--socket PATH`",
        .path.display()
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// The path names no file.
    #[error("{} names no file; give the path of the socket itself, such as /run/user/1000/my.sock", .path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// The permissions would lock the owner out, or are none that a socket has.
    #[error("a socket cannot have the permissions {permissions:04o}; give 0600, 0660 or 0666")]
    Permissions {
        /// What was asked for.
        permissions: u32,
    },
    /// There is a symbolic link.
    #[error("{} is a symbolic link and is not replaced; remove it, or give another path", .path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// There is something that is no socket.
    #[error("{} is there and is no socket; it is not replaced: move it, or give another path", .path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// There is a socket of somebody else.
    #[error(
        "the socket {} belongs to uid {owner} and not to uid {us}, which this process has; give another path",
        .path.display()
    )]
    NotOurs {
        /// The socket.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Our effective uid.
        us: u32,
    },
    /// There is a socket, and the mode is [`BindMode::CreateNew`].
    #[error("{} exists already; remove it, give another path, or use the bind mode `replace_stale`", .path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// Somebody listens there.
    #[error("{} is in use{}; stop that one, or give another path", .path.display(), process(*.pid))]
    InUse {
        /// The socket.
        path: PathBuf,
        /// Who listens, if that is known.
        pid: Option<u32>,
    },
    /// Another process keeps the directory locked.
    #[error(
        "the directory {} has been locked by another process for {} seconds; give a path in a directory of your own",
        .path.display(), PATIENCE.as_secs()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// `/proc` is not mounted, and the way into an open directory leads through it.
    #[error("cannot bind the socket {}: /proc is not mounted; mount it, or run without a socket (`--no-socket`)", .path.display())]
    NoProc {
        /// The socket.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot {} the socket {}: {error}", .step.as_str(), .path.display())]
    Failed {
        /// What was tried.
        step: BindStep,
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
}

/// What was tried when the system refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindStep {
    /// A look at what is at the path.
    Look,
    /// The replacement of a dead socket.
    Replace,
    /// The permissions.
    Permissions,
    /// The binding itself.
    Bind,
}

impl BindStep {
    fn as_str(self) -> &'static str {
        match self {
            Self::Look => "look at",
            Self::Replace => "replace",
            Self::Permissions => "set the permissions of",
            Self::Bind => "bind",
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Look => "ipc_path_metadata_failed",
            Self::Replace => "ipc_stale_remove_failed",
            Self::Permissions => "ipc_set_permissions_failed",
            Self::Bind => "ipc_bind_failed",
        }
    }
}

impl BindError {
    /// The wire's word for it, of stage `ipc_bind`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Directory(error) => error.code(),
            Self::Symlink { .. } => "ipc_symlink_rejected",
            Self::NotOurs { .. } => "ipc_socket_owner_mismatch",
            Self::Permissions { .. } => "ipc_set_permissions_failed",
            Self::Failed { step, .. } => step.code(),
            _ => "ipc_bind_failed",
        }
    }
}

/// What may be at the path before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BindMode {
    /// Nothing.
    CreateNew,
    /// Nothing, or a socket of ours on which nobody listens.
    #[default]
    ReplaceStale,
}

impl BindMode {
    /// The word in files and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateNew => "create_new",
            Self::ReplaceStale => "replace_stale",
        }
    }
}

/// How a socket is to be bound.
#[derive(Debug, Clone)]
pub struct Bind {
    place: Wanted,
    mode: BindMode,
    permissions: u32,
}

#[derive(Debug, Clone)]
enum Wanted {
    Path(PathBuf),
    Default { name: ChildId, surroundings: Surroundings },
}

impl Bind {
    /// At this path. Its directory must be there, belong to us and be writable by nobody else, and no part of the path
    /// may be a symbolic link. A relative path begins in the current directory.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self::new(Wanted::Path(path.into()))
    }

    /// As `NAME.sock` in the first sound one of the [default places](Surroundings::socket_places), which is created.
    pub fn by_name(name: ChildId, surroundings: Surroundings) -> Self {
        Self::new(Wanted::Default { name, surroundings })
    }

    fn new(place: Wanted) -> Self {
        Self { place, mode: BindMode::default(), permissions: OWNERS }
    }

    /// What may be there before; [`BindMode::ReplaceStale`] unless it is set.
    #[must_use]
    pub fn mode(mut self, mode: BindMode) -> Self {
        self.mode = mode;
        self
    }

    /// The permissions of the socket's file, 0600 unless they are set. Others need 0666, or 0660 and the group, and a
    /// directory that they may enter. The file is born with 0600 and gets more before it has its name.
    #[must_use]
    pub fn permissions(mut self, permissions: u32) -> Self {
        self.permissions = permissions;
        self
    }

    /// Binds and listens. The socket is at its path and answers when this returns; it is removed when the listener is
    /// dropped. Waits up to 5 seconds for others who bind in the same directory.
    ///
    /// Cancelled, it leaves nothing at the path.
    ///
    /// # Errors
    ///
    /// When path or directory fail a check, something is at the path that is not to be replaced, or the system
    /// refuses. A socket that accepts a connection is never replaced.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub async fn listen(self) -> Result<Listener, BindError> {
        if self.permissions & OWNERS != OWNERS || self.permissions & !0o666 != 0 {
            return Err(BindError::Permissions { permissions: self.permissions });
        }
        let spot = self.spot()?;
        let lock = spot.lock().await?;
        let stale = spot.clear(self.mode)?;
        let (socket, bound) = spot.bind(self.permissions, stale)?;
        drop(lock);
        let io =
            UnixListener::from_std(socket.into()).map_err(|error| bound.failed(BindStep::Bind, error))?;
        Ok(Listener { io, bound })
    }

    fn spot(&self) -> Result<Spot, BindError> {
        match &self.place {
            Wanted::Path(path) => {
                let path = std::path::absolute(path).map_err(|_| BindError::NoName { path: path.clone() })?;
                let path = short_enough(path)?;
                let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                    return Err(BindError::NoName { path });
                };
                let directory = Directory::open(parent)?;
                Ok(Spot { directory, name: name.to_owned(), path })
            }
            Wanted::Default { name, surroundings } => {
                let directory = Directory::open_first(surroundings)?;
                let name = OsString::from(format!("{name}{SUFFIX}"));
                let path = short_enough(directory.path().join(&name))?;
                Ok(Spot { directory, name, path })
            }
        }
    }
}

fn short_enough(path: PathBuf) -> Result<PathBuf, BindError> {
    let bytes = path.as_os_str().as_bytes().len();
    if bytes > MAX_PATH { Err(BindError::TooLong { path, bytes }) } else { Ok(path) }
}

/// Where a socket is to be.
#[derive(Debug)]
struct Spot {
    directory: Directory,
    name: OsString,
    path: PathBuf,
}

impl Spot {
    fn failed(&self, step: BindStep, error: impl Into<io::Error>) -> BindError {
        BindError::Failed { step, path: self.path.clone(), error: error.into() }
    }

    async fn lock(&self) -> Result<OwnedFd, BindError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.directory.try_lock().map_err(|error| self.failed(BindStep::Look, error))? {
                Some(lock) => return Ok(lock),
                None if Instant::now() >= deadline => {
                    return Err(BindError::Locked { path: self.directory.path().to_owned() });
                }
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// Whether a dead socket of ours is to be replaced; anything else at the path is an error.
    fn clear(&self, mode: BindMode) -> Result<bool, BindError> {
        let look = self.directory.look(&self.name).map_err(|error| self.failed(BindStep::Look, error))?;
        let Some(stat) = look else { return Ok(false) };
        let path = self.path.clone();
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => return Err(BindError::Symlink { path }),
            FileType::Socket => {}
            _ => return Err(BindError::NotASocket { path }),
        }
        let us = rustix::process::geteuid().as_raw();
        if stat.st_uid != us {
            return Err(BindError::NotOurs { path, owner: stat.st_uid, us });
        }
        match self.probe()? {
            Life::Lives { pid } => Err(BindError::InUse { path, pid }),
            Life::Dead if mode == BindMode::CreateNew => Err(BindError::Exists { path }),
            Life::Dead => Ok(true),
        }
    }

    /// Whether somebody listens on the socket. Does not wait: a full queue of connections is a sign of life.
    fn probe(&self) -> Result<Life, BindError> {
        let failed = |error: Errno| self.failed(BindStep::Look, error);
        let client = stream_socket().map_err(failed)?;
        let address = SocketAddrUnix::new(self.directory.through(&self.name)).map_err(failed)?;
        match rustix::net::connect(&client, &address) {
            Ok(()) => Ok(Life::Lives { pid: listener_of(client) }),
            Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(Life::Dead),
            // Of another type than ours, or too busy to take one more: not dead.
            Err(Errno::AGAIN | Errno::PROTOTYPE) => Ok(Life::Lives { pid: None }),
            Err(error) => Err(failed(error)),
        }
    }

    /// Binds, listens, and gives the socket its name. The directory is locked.
    fn bind(self, permissions: u32, stale: bool) -> Result<(OwnedFd, Bound), BindError> {
        let unfinished = OsStr::new(UNFINISHED);
        self.remove_leftover(unfinished)?;
        let socket = stream_socket().map_err(|error| self.failed(BindStep::Bind, error))?;
        let at_birth = Mode::from_raw_mode(OWNERS);
        rustix::fs::fchmod(&socket, at_birth).map_err(|error| self.failed(BindStep::Permissions, error))?;
        let address = SocketAddrUnix::new(self.directory.through(unfinished));
        address.and_then(|address| rustix::net::bind(&socket, &address)).map_err(|error| match error {
            Errno::NOENT if !Path::new("/proc/self/fd").exists() => {
                BindError::NoProc { path: self.path.clone() }
            }
            error => self.failed(BindStep::Bind, error),
        })?;
        // From here on it is removed on every way out.
        let mut bound = Bound { inode: None, spot: self, name: unfinished.to_owned() };
        let stat = bound.stat()?;
        bound.inode = Some(inode(&stat));
        if stat.st_mode & 0o7777 != permissions {
            // Also when the process's umask took away what the owner needs.
            rustix::fs::chmodat(
                &bound.spot.directory,
                unfinished,
                Mode::from_raw_mode(permissions),
                AtFlags::empty(),
            )
            .map_err(|error| bound.failed(BindStep::Permissions, error))?;
        }
        rustix::net::listen(&socket, BACKLOG).map_err(|error| bound.failed(BindStep::Bind, error))?;
        bound.publish(stale)?;
        Ok((socket, bound))
    }

    /// A process that ended between bind and rename has left its socket behind.
    fn remove_leftover(&self, name: &OsStr) -> Result<(), BindError> {
        match rustix::fs::unlinkat(&self.directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.failed(BindStep::Replace, error)),
        }
    }
}

enum Life {
    Dead,
    Lives { pid: Option<u32> },
}

fn stream_socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// The process that began to listen on the socket to which `client` is connected.
fn listener_of(client: OwnedFd) -> Option<u32> {
    let stream = UnixStream::from_std(StdUnixStream::from(client)).ok()?;
    Peer::of(&stream).ok()?.pid
}

/// Device and number, which no other file has as long as this one exists.
fn inode(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// The name of a bound socket. It is removed with this value, if it is still that socket.
#[derive(Debug)]
pub(crate) struct Bound {
    spot: Spot,
    name: OsString,
    inode: Option<(u64, u64)>,
}

impl Bound {
    pub(crate) fn path(&self) -> &Path {
        &self.spot.path
    }

    fn failed(&self, step: BindStep, error: impl Into<io::Error>) -> BindError {
        self.spot.failed(step, error)
    }

    fn stat(&self) -> Result<Stat, BindError> {
        let stat = rustix::fs::statat(&self.spot.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        stat.map_err(|error| self.failed(BindStep::Look, error))
    }

    fn publish(&mut self, stale: bool) -> Result<(), BindError> {
        let directory = self.spot.directory.as_fd();
        let (from, to) = (&self.name, &self.spot.name);
        let renamed = if stale {
            rustix::fs::renameat(directory, from, directory, to)
        } else {
            // Nothing was there. Should something be there now, it came from one who does not know the lock.
            rustix::fs::renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE)
        };
        match renamed {
            Ok(()) => self.name = self.spot.name.clone(),
            Err(Errno::EXIST) => return Err(BindError::Exists { path: self.spot.path.clone() }),
            Err(error) => {
                return Err(self.failed(if stale { BindStep::Replace } else { BindStep::Bind }, error));
            }
        }
        Ok(())
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let found = rustix::fs::statat(&self.spot.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        if found.is_ok_and(|stat| self.inode == Some(inode(&stat))) {
            // What cannot be removed now is dead, and the next one replaces it.
            let _ = rustix::fs::unlinkat(&self.spot.directory, &self.name, AtFlags::empty());
        }
    }
}

/// A socket that listens. Its file is removed when this is dropped, if it is still that file.
#[derive(Debug)]
pub struct Listener {
    // Fields are dropped in this order: the name goes while somebody still listens, so that nobody takes it for dead
    // and replaces it in between.
    pub(crate) bound: Bound,
    pub(crate) io: UnixListener,
}

impl Listener {
    /// The absolute path of the socket.
    pub fn path(&self) -> &Path {
        self.bound.path()
    }
}
