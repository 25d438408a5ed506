//! Who is at the other end.

use std::fmt;
use std::io;

use tokio::net::UnixStream;

/// What the kernel says of the process that connected, or, seen from a client, of the one that listens.
///
/// It is taken from the connection (`SO_PEERCRED`), not from anything the peer sends, and holds for the instant of
/// `connect` or `listen`: a program may hand an open connection on to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The effective uid. One that has no counterpart in our user namespace is the overflow uid, 65534 as a rule, so
    /// give that one no rights.
    pub uid: u32,
    /// The effective gid; supplementary groups are not known.
    pub gid: u32,
    /// The process; `None` if it is not in our pid namespace.
    pub pid: Option<u32>,
}

impl Peer {
    /// Who is at the other end of `stream`.
    ///
    /// # Errors
    ///
    /// The system's; the wire's word is `peer_cred_unavailable`.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid().and_then(number) })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}, gid {}", self.uid, self.gid)?;
        self.pid.map_or(Ok(()), |pid| write!(f, ", process {pid}"))
    }
}

/// A process id; the kernel gives 0 for a process that has none in our namespace.
fn number(pid: i32) -> Option<u32> {
    u32::try_from(pid).ok().filter(|pid| *pid != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s04_a_process_of_another_namespace_has_no_number_and_is_not_process_0() {
        assert_eq!([0, -1, 42, i32::MAX].map(number), [None, None, Some(42), Some(i32::MAX as u32)]);
        let peer = Peer { uid: 7, gid: 8, pid: None };
        assert_eq!(peer.to_string(), "uid 7, gid 8");
    }
}
