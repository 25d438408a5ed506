//! The client's end.

use std::fs::FileType;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;

use crate::bind::SUFFIX;
use crate::directory::Directory;
use crate::frame::FrameLimits;
use crate::peer::Peer;
use crate::places::Surroundings;
use crate::read::Deadlines;
use crate::serve::Connection;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct ConnectError {
    /// The socket.
    pub path: PathBuf,
    /// The system's reason.
    #[source]
    pub error: io::Error,
}

impl ConnectError {
    fn sentence(&self) -> String {
        let path = self.path.display();
        match self.error.kind() {
            io::ErrorKind::NotFound => {
                format!("there is no socket {path}; start its target, or give another path")
            }
            io::ErrorKind::ConnectionRefused if self.is_no_socket() => {
                format!("{path} is no socket; give the path of a target's socket, such as NAME.sock")
            }
            io::ErrorKind::ConnectionRefused => {
                format!("nobody listens on {path}: its target has ended; start it, or give another path")
            }
            io::ErrorKind::PermissionDenied => {
                format!(
                    "the socket {path} may not be opened by this user; ask its owner, or run as that user"
                )
            }
            _ => format!("cannot connect to {path}: {}", self.error),
        }
    }

    /// The system refuses a connection to a file or a directory as it does to a socket on which nobody listens.
    fn is_no_socket(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|file| !file.file_type().is_socket())
    }
}

/// Connects to the socket at `path`.
///
/// [`Connection::peer`] is who listens there. Who sends secrets or believes what comes looks at its uid first: the
/// directories above a socket are not judged here.
///
/// # Errors
///
/// When nobody listens there, or this user may not connect.
pub async fn connect(
    path: impl AsRef<Path>,
    limits: FrameLimits,
    deadlines: Deadlines,
) -> Result<Connection, ConnectError> {
    let path = path.as_ref();
    let failed = |error| ConnectError { path: path.to_owned(), error };
    let stream = UnixStream::connect(path).await.map_err(failed)?;
    let peer = Peer::of(&stream).map_err(failed)?;
    Ok(Connection::new(stream, peer, limits, deadlines))
}

/// The sockets in the default places, in the order of the places, then by name. Dead ones are among them. A place that
/// would not be used for a new socket is passed over: what is in there may be anybody's.
pub fn sockets(surroundings: &Surroundings) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for place in surroundings.socket_places() {
        let Ok(directory) = Directory::open_existing(&place) else { continue };
        let mut here = sockets_in(&directory);
        here.sort();
        all.extend(here);
    }
    all
}

fn sockets_in(directory: &Directory) -> Vec<PathBuf> {
    // Read through the open directory, shown by the path that it was opened with.
    let Ok(entries) = directory.through("".as_ref()).read_dir() else { return Vec::new() };
    let names = entries
        .flatten()
        .filter(|entry| entry.file_type().as_ref().is_ok_and(FileType::is_socket))
        .map(|entry| entry.file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(SUFFIX))
        .map(|name| directory.path().join(name))
        .collect()
}
