//! Sockets that the supervisor listens on for a program: bound before its first run, given to every run, and held by the
//! child in between.
//!
//! ```text
//!  first start: bound ──► given ──► run ──► held by the child ──► given to the next run ──► …
//!        │                                        │
//!        └─ cannot be bound: a failed start       └─ child removed, or listed no more: file removed, closed
//! ```

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use supervisor_api::ChildId;
use supervisor_api::manifest::{ListenAddress, SocketManifest, SocketPermissions};

use crate::passed::Passed;
use crate::run::Orders;
use crate::spec::ProgramSpec;
use crate::start_error::{StartError, reason};
use crate::worker::SPAWNER;

/// How many connections wait to be accepted. The system has a limit of its own, `net.core.somaxconn`, which is 4096.
const BACKLOG: i32 = 4096;

/// A socket that a program wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// By which name the program finds it.
    pub(crate) name: String,
    at: ListenAddress,
    /// The permissions of its file, if it has one.
    mode: u32,
}

impl Wanted {
    /// What a manifest says. The error is a sentence that names the key.
    pub(crate) fn of(said: &SocketManifest, child: &ChildId) -> Result<Self, String> {
        let at = ListenAddress::parse(&said.listen).map_err(|why| format!("sockets: {why}"))?;
        let mode = said.mode.unwrap_or(SocketPermissions::User).mode();
        Ok(Self { name: said.name(child.as_str()).to_owned(), at, mode })
    }
}

/// Sockets that listen for a program between its runs. Whoever a program runs for holds them
/// ([`Orders::holds`]); dropped, they are closed, and their files are removed.
#[derive(Debug, Default)]
pub struct Sockets(Vec<Arc<Socket>>);

/// One socket that listens.
#[derive(Debug)]
struct Socket {
    at: ListenAddress,
    // Dropped in this order: the name goes while somebody still listens, so that nobody takes it for dead meanwhile.
    file: Option<SocketFile>,
    descriptor: Arc<OwnedFd>,
}

/// The spec with its sockets as descriptors that are passed: those that are held, and others that are bound now.
pub(crate) async fn given<O: Orders>(spec: &ProgramSpec, orders: &O) -> Result<ProgramSpec, StartError> {
    let mut given = spec.clone();
    let held = orders.held();
    if spec.sockets.is_empty() && held.is_none() {
        return Ok(given);
    }
    let wanted = spec.sockets.clone();
    let program = || spec.program.to_string_lossy().into_owned();
    let opened = SPAWNER.run(move || open(&wanted, held.as_deref())).await.ok_or(StartError::NoThread)?;
    let sockets = opened.map_err(|why| StartError::System { program: program(), what: "sockets", why })?;
    for (wanted, socket) in spec.sockets.iter().zip(&sockets.0) {
        let descriptor = Arc::clone(&socket.descriptor);
        given.passed.push(Passed { name: wanted.name.clone(), descriptor });
    }
    orders.holds(Arc::new(sockets));
    Ok(given)
}

/// All that are wanted, in order. The error is a sentence that names the address.
fn open(wanted: &[Wanted], held: Option<&Sockets>) -> Result<Sockets, String> {
    wanted.iter().map(|wanted| open_one(wanted, held)).collect::<Result<_, _>>().map(Sockets)
}

fn open_one(wanted: &Wanted, held: Option<&Sockets>) -> Result<Arc<Socket>, String> {
    let held = held.into_iter().flat_map(|held| &held.0).find(|socket| socket.at == wanted.at);
    if let Some(socket) = held.filter(|socket| socket.is_still_there()) {
        socket
            .make_ready(wanted.mode)
            .map_err(|error| format!("{}: {}", show(&wanted.at), reason(&error)))?;
        return Ok(Arc::clone(socket));
    }
    let (file, descriptor) = match &wanted.at {
        ListenAddress::Tcp(address) => (None, bind_port(*address)?),
        ListenAddress::Unix(path) => {
            let (file, descriptor) = bind_path(path, wanted.mode)?;
            (Some(file), descriptor)
        }
    };
    Ok(Arc::new(Socket { at: wanted.at.clone(), file, descriptor: Arc::new(descriptor) }))
}

fn show(at: &ListenAddress) -> String {
    match at {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

impl Socket {
    /// Whether who connects comes to this one: the file of a Unix socket may have been removed.
    fn is_still_there(&self) -> bool {
        self.file.as_ref().is_none_or(SocketFile::is_still_there)
    }

    /// As it was when it was bound: an earlier run may have changed what all of them share.
    fn make_ready(&self, mode: u32) -> io::Result<()> {
        let flags = rustix::fs::fcntl_getfl(&*self.descriptor)?;
        rustix::fs::fcntl_setfl(&*self.descriptor, flags.difference(OFlags::NONBLOCK))?;
        match &self.file {
            Some(file) => set_mode(&file.path, mode).map(drop),
            None => Ok(()),
        }
    }
}

fn bind_port(address: SocketAddr) -> Result<OwnedFd, String> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let bound = || {
        let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // Connections of a supervisor that was there before may still be closing.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &address)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    bound().map_err(|error: Errno| {
        let remedy = match error {
            Errno::ADDRINUSE => {
                "; another process listens there, and `ss -ltnp` names it: stop it, or write another port"
            }
            Errno::ACCESS => {
                "; only root may have this port (`sysctl net.ipv4.ip_unprivileged_port_start`): write a higher one, or \
                 start the supervisor as root"
            }
            Errno::ADDRNOTAVAIL => "; this machine has no such address: write one that `ip address` shows",
            _ => "",
        };
        format!("{address}: {}{remedy}", reason(&error.into()))
    })
}

/// The file of a socket of ours.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl SocketFile {
    fn is_still_there(&self) -> bool {
        look(&self.path).is_ok_and(|stat| inode(&stat) == self.inode)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_still_there() {
            // What cannot be removed now is dead, and the next one who binds removes it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Binds a Unix socket. One at which nobody listens is removed first; anything else at the path stays.
fn bind_path(path: &Path, mode: u32) -> Result<(SocketFile, OwnedFd), String> {
    let shown = path.display();
    let folder = path.parent().unwrap_or(Path::new("/"));
    let _lock = lock(folder)?;
    clear(path)?;
    let bound = || -> io::Result<_> {
        let socket = unix_socket(SocketFlags::empty())?;
        // The file is born with the mode of the socket, less what the umask says.
        rustix::fs::fchmod(&socket, Mode::from_raw_mode(0o600))?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        let file = SocketFile { path: path.to_owned(), inode: inode(&look(path)?) };
        set_mode(path, mode)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok((file, socket))
    };
    bound().map_err(|error| format!("unix:{shown}: {}", reason(&error)))
}

fn unix_socket(more: SocketFlags) -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | more, None)
}

/// Nobody else who knows this lock looks at the sockets of the directory meanwhile, or removes any.
fn lock(folder: &Path) -> Result<OwnedFd, String> {
    let shown = folder.display();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty()).map_err(|error| {
        let remedy = if error == Errno::NOENT { "; make the directory, or write another path" } else { "" };
        format!("the directory {shown}: {}{remedy}", reason(&error.into()))
    })?;
    match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(folder),
        Err(_) => {
            Err(format!("the directory {shown} is locked by another process that binds a socket there"))
        }
    }
}

/// Removes a dead socket. The error is a sentence about what is there instead.
fn clear(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let stat = match look(path) {
        Ok(stat) => stat,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("unix:{shown}: {}", reason(&error))),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(format!(
            "{shown} is there and is no socket; it is not replaced: move it, or write another path"
        ));
    }
    let asked = || {
        let client = unix_socket(SocketFlags::NONBLOCK)?;
        rustix::net::connect(&client, &SocketAddrUnix::new(path)?)
    };
    match asked() {
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path)
            .map_err(|error| format!("the dead socket {shown} cannot be removed: {}", reason(&error))),
        Err(Errno::NOENT) => Ok(()),
        // Of another type than ours, or too busy to take one more: not dead.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(format!(
            "unix:{shown}: another process listens there, and `ss -lxp` names it: stop it, or write another path"
        )),
        Err(error) => Err(format!("unix:{shown}: {}", reason(&error.into()))),
    }
}

fn look(path: &Path) -> io::Result<Stat> {
    Ok(rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Sets the permissions of the socket's file, and of no other one that has come into its place.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(rustix::fs::fstat(file.as_fd())?.st_mode) != FileType::Socket {
        return Err(Errno::NOTSOCK.into());
    }
    let through = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::chmod(through, Mode::from_raw_mode(mode))?)
}

/// Device and number, which no other file has as long as this one exists.
fn inode(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}
