//! Sockets that the supervisor listens on for a program: bound before its first run, given to every run, and held by the
//! child in between.
//!
//! ```text
//!  first start: bound ──► given ──► run ──► held by the child ──► given to the next run ──► …
//!        │                                        │
//!        │                                        ├─ child removed: file removed, closed
//!        └─ cannot be bound: a failed start       └─ the next run wants it no more, or it was shut down: the same, before
//!                                                    any other is bound
//! ```

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use supervisor_api::ChildId;
use supervisor_api::manifest::{ListenAddress, SocketManifest, SocketPermissions};
use tokio::time::Instant;

use crate::passed::Passed;
use crate::run::Orders;
use crate::spec::ProgramSpec;
use crate::start_error::{StartError, reason};
use crate::worker::SPAWNER;

/// How many connections wait to be accepted. The system has a limit of its own, `net.core.somaxconn`, which is 4096.
const BACKLOG: i32 = 4096;
/// How long a start waits for the lock of a directory. Who binds there needs it for less than a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

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
///
/// Waits up to 5 seconds for others who bind a Unix socket in the same directory.
pub(crate) async fn given<O: Orders>(
    spec: &Arc<ProgramSpec>,
    orders: &O,
) -> Result<Arc<ProgramSpec>, StartError> {
    let mut given = Arc::clone(spec);
    let held = orders.held();
    if spec.sockets.is_empty() && held.is_none() {
        return Ok(given);
    }
    let wanted = spec.sockets.clone();
    let kept = SPAWNER.run(move || keep(&wanted, held.as_deref())).await.ok_or(StartError::NoThread)?;
    // The others are let go before any is bound: an address that is wanted now can overlap one that no longer is.
    orders.holds(Arc::new(Sockets(kept.clone())));
    let deadline = Instant::now() + PATIENCE;
    let mut sockets = Vec::new();
    for wanted in &spec.sockets {
        let held = kept.iter().find(|socket| socket.at == wanted.at);
        let socket = open(wanted, held, deadline, orders).await.map_err(|refusal| match refusal {
            Refusal::NoThread => StartError::NoThread,
            refusal => {
                let program = spec.program.to_string_lossy().into_owned();
                StartError::System { program, what: "sockets", why: refusal.to_string() }
            }
        })?;
        let descriptor = Arc::clone(&socket.descriptor);
        Arc::make_mut(&mut given).passed.push(Passed { name: wanted.name.clone(), descriptor });
        sockets.push(socket);
    }
    orders.holds(Arc::new(Sockets(sockets)));
    Ok(given)
}

/// Those that are held, still wanted, and of use.
fn keep(wanted: &[Wanted], held: Option<&Sockets>) -> Vec<Arc<Socket>> {
    let is_wanted = |socket: &Socket| wanted.iter().any(|wanted| wanted.at == socket.at);
    let held = held.into_iter().flat_map(|held| &held.0);
    held.filter(|socket| is_wanted(socket) && socket.is_of_use()).cloned().collect()
}

/// Why there is no socket: a sentence that names the address or the directory.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(
        "the directory {} has been locked for {} seconds, by another process or another start; take a directory of your \
         own, or let nobody else read this one (`chmod go-r`: who may not read it cannot lock it, and can connect)",
        .0.display(), PATIENCE.as_secs()
    )]
    Locked(PathBuf),
    #[error("there is no thread for it")]
    NoThread,
    #[error("{0}")]
    Said(String),
}

impl From<String> for Refusal {
    fn from(sentence: String) -> Self {
        Self::Said(sentence)
    }
}

async fn open<O: Orders>(
    wanted: &Wanted,
    held: Option<&Arc<Socket>>,
    deadline: Instant,
    orders: &O,
) -> Result<Arc<Socket>, Refusal> {
    let mut waits = false;
    let opened = loop {
        let (wanted, held) = (wanted.clone(), held.cloned());
        match SPAWNER.run(move || open_now(&wanted, held)).await.unwrap_or(Err(Refusal::NoThread)) {
            // The wait is here and not on the thread: others need that.
            Err(Refusal::Locked(folder)) if Instant::now() < deadline => {
                if !waits {
                    orders.phase(&format!("the directory {} is locked; waiting to bind", folder.display()));
                }
                waits = true;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            opened => break opened,
        }
    };
    if waits {
        orders.phase("");
    }
    opened
}

fn open_now(wanted: &Wanted, held: Option<Arc<Socket>>) -> Result<Arc<Socket>, Refusal> {
    if let Some(socket) = held {
        socket
            .make_ready(wanted.mode)
            .map_err(|error| format!("{}: {}", show(&wanted.at), reason(&error)))?;
        return Ok(socket);
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
    /// Whether who connects comes to this one: its file may have been removed, and a run may have shut it down for good.
    fn is_of_use(&self) -> bool {
        self.file.as_ref().is_none_or(SocketFile::is_still_there) && self.is_open()
    }

    /// Whether it was not shut down. Of a Unix socket only this tells: it counts as one that listens even then.
    fn is_open(&self) -> bool {
        let mut looked = [PollFd::new(&*self.descriptor, PollFlags::RDHUP)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        // What cannot be looked at counts as open: a socket that is closed in error loses those that wait.
        let _ = rustix::io::retry_on_intr(|| rustix::event::poll(&mut looked, Some(&at_once)));
        !looked[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP)
    }

    /// As it was when it was bound: an earlier run may have changed what all of them share.
    fn make_ready(&self, mode: u32) -> io::Result<()> {
        let flags = rustix::fs::fcntl_getfl(&*self.descriptor)?;
        rustix::fs::fcntl_setfl(&*self.descriptor, flags.difference(OFlags::NONBLOCK))?;
        // Said again, it sets the limit anew and lets nobody go.
        rustix::net::listen(&*self.descriptor, BACKLOG)?;
        self.file.as_ref().map_or(Ok(()), |file| file.set_mode(mode))
    }
}

fn bind_port(address: SocketAddr) -> Result<OwnedFd, String> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let bound = || {
        let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // Connections of a supervisor that was there before may still be closing.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        if address.is_ipv6() {
            // `[::]` is every address of IPv6 and none of IPv4, whatever `net.ipv6.bindv6only` says.
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
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

    /// Sets its permissions, and of no other file that has come into its place: that is an error.
    fn set_mode(&self, mode: u32) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::open(&self.path, flags, Mode::empty())?;
        if inode(&rustix::fs::fstat(file.as_fd())?) != self.inode {
            return Err(io::Error::other("another file has come into its place; remove that one"));
        }
        let through = format!("/proc/self/fd/{}", file.as_raw_fd());
        rustix::fs::chmod(through, Mode::from_raw_mode(mode)).map_err(|error| match error {
            Errno::NOENT if !Path::new("/proc/self/fd").exists() => {
                io::Error::other("/proc is not mounted; mount it: its permissions are set through it")
            }
            error => error.into(),
        })
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

/// Binds a Unix socket. A dead one of ours is removed first; anything else at the path stays.
///
/// Who may write to the directory can put another file there between the bind and the first look at it; that one is then
/// taken for ours. Whoever may do that can as well remove ours at any time.
fn bind_path(path: &Path, mode: u32) -> Result<(SocketFile, OwnedFd), Refusal> {
    let shown = path.display();
    let folder = path.parent().unwrap_or(Path::new("/"));
    let _lock = lock(folder)?;
    clear(path)?;
    let bound = || -> io::Result<_> {
        let socket = unix_socket(SocketFlags::empty())?;
        // The file is born with the mode of the socket, less what the umask says.
        rustix::fs::fchmod(&socket, Mode::from_raw_mode(0o600))?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        let stat = look(path)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
            return Err(Errno::NOTSOCK.into());
        }
        let file = SocketFile { path: path.to_owned(), inode: inode(&stat) };
        file.set_mode(mode)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok((file, socket))
    };
    bound().map_err(|error| Refusal::Said(format!("unix:{shown}: {}", reason(&error))))
}

fn unix_socket(more: SocketFlags) -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | more, None)
}

/// Nobody else who knows this lock looks at the sockets of the directory meanwhile, or removes any. Does not wait.
fn lock(folder: &Path) -> Result<OwnedFd, Refusal> {
    let failed = |error: Errno| {
        let remedy = if error == Errno::NOENT { "; make the directory, or write another path" } else { "" };
        format!("the directory {}: {}{remedy}", folder.display(), reason(&error.into()))
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(folder, flags, Mode::empty()).map_err(failed)?;
    match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(opened),
        Err(Errno::WOULDBLOCK) => Err(Refusal::Locked(folder.to_owned())),
        Err(error) => Err(failed(error).into()),
    }
}

/// Removes a dead socket of this user or of root. The error is a sentence about what is there instead.
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
        Err(Errno::CONNREFUSED) if is_foreign(&stat) => Err(format!(
            "the dead socket {shown} belongs to uid {} and is not replaced; remove it, or write another path",
            stat.st_uid
        )),
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

/// Whether it belongs neither to this user nor to root.
fn is_foreign(stat: &Stat) -> bool {
    let us = rustix::process::geteuid();
    stat.st_uid != us.as_raw() && stat.st_uid != 0
}

fn look(path: &Path) -> io::Result<Stat> {
    Ok(rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Device and number, which no other file has as long as this one exists.
fn inode(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_file_that_has_come_into_the_place_of_ours_keeps_its_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let (file, _listens) = bind_path(&path, 0o600).unwrap();
        let other = dir.path().join("b.sock");
        let _other = UnixListener::bind(&other).unwrap();
        std::fs::set_permissions(&other, Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(&other, &path).unwrap();
        let said = file.set_mode(0o666).unwrap_err().to_string();
        assert!(said.contains("come into its place"), "{said}");
        assert_eq!(look(&path).unwrap().st_mode & 0o777, 0o600);
    }
}
