//! What probes and scrapers of the same machine read over HTTP: `/livez`, `/readyz`, `/metrics`.
//!
//! The tree has no part in it. An answer is made from what the tree has published already.

mod answers;
mod judge;

pub use judge::{alive, moves, ready};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use supervisor_relay::ProbePort;
use tokio::net::TcpListener;
use tokio_supervisor::SupervisorHandle;

use crate::launch::Live;

/// Why there is no health endpoint.
#[derive(Debug, thiserror::Error)]
#[error("health cannot listen on {address}: {error}; {remedy}", remedy = remedy(.error))]
pub struct HealthError {
    /// Where it was to listen.
    pub address: SocketAddr,
    /// The system's reason.
    #[source]
    pub error: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program has that port, and `ss -ltnp` names it: stop it, or write another port in \
             `health: {listen: …}`"
        }
        io::ErrorKind::PermissionDenied => "write a port from 1024 on in `health: {listen: …}`",
        _ => "write another address in `health: {listen: …}`",
    }
}

/// A port that is bound before there is a tree to speak of. Who connects waits until it is served.
#[derive(Debug)]
pub(crate) struct HealthPort {
    io: TcpListener,
    address: SocketAddr,
}

impl HealthPort {
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, HealthError> {
        let refused = |error| HealthError { address, error };
        let io = TcpListener::bind(address).await.map_err(refused)?;
        let address = io.local_addr().map_err(refused)?;
        Ok(Self { io, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn serve(self, handle: &SupervisorHandle, live: Arc<Live>) -> io::Result<HealthEndpoint> {
        ProbePort::serve(self.io, answers::router(handle, live)).map(HealthEndpoint)
    }
}

/// The health endpoint of a running tree. It answers also while the tree starts and stops. Dropping it closes the port
/// and every connection.
#[derive(Debug)]
pub struct HealthEndpoint(ProbePort);

impl HealthEndpoint {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}
