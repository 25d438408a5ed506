//! Who asks, as proved by the transport.

use std::fmt;

use supervisor_socket::Peer;

/// What a caller may do. A later one includes those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Commands on children that are there.
    Operator,
    /// Everything: adding and removing children, shutting down.
    Admin,
}

impl Role {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who asks. None of it comes from what the caller says (`security.md` 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Who the kernel says it is.
    pub peer: Peer,
    /// What it may do here.
    pub role: Role,
    /// The number of its connection, from 1.
    pub connection: u64,
    /// How many bytes the frame of its request had.
    pub frame_bytes: usize,
}
