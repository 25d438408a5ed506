//! Ports for tests that give them to a program of their own.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// A port of this machine that nobody has, and that nobody gets by chance: it is below those that the system gives to
/// connections and to who asks for any, and each test gets another one.
pub(crate) fn free() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(64).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + (number % 20_000) as u16;
        // Nobody has it, in either family, if it can be had at all addresses.
        let taken = match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
            Err(error) if error.kind() != ErrorKind::AddrInUse => {
                TcpListener::bind(("0.0.0.0", port)).is_err()
            }
            tried => tried.is_err(),
        };
        if !taken {
            return SocketAddr::from(([127, 0, 0, 1], port));
        }
    }
}
