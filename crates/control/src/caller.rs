//! Who asks, as proved by the transport.

use supervisor_socket::Peer;

/// What a caller may do. A later one includes those before.
pub use supervisor_api::manifest::ControlRole as Role;

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
