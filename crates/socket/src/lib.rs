//! A local socket that outsiders cannot abuse, and that cannot hurt the process it is in.
//!
//! This crate carries lines of text between processes of one machine. It knows who is at the other end and nothing of
//! what is said. A server is four steps:
//!
//! ```
//! use std::sync::Arc;
//! use supervisor_socket::{Bind, Connection, Peer, Refusal, Service, Settings, Standing};
//!
//! struct Echo;
//!
//! impl Service for Echo {
//!     fn standing(&self, peer: &Peer) -> Standing {
//!         if peer.uid == 0 { Standing::Admin } else { Standing::Ordinary }
//!     }
//!
//!     fn refused(&self, _: Option<&Peer>, refusal: Refusal) -> Option<Vec<u8>> {
//!         Some(refusal.to_string().into_bytes())
//!     }
//!
//!     async fn session(self: Arc<Self>, _number: u64, mut connection: Connection) {
//!         while let Ok(Some(frame)) = connection.reader.next().await {
//!             if connection.writer.send(frame.as_bytes()).await.is_err() {
//!                 break;
//!             }
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use supervisor_socket::{Deadlines, FrameLimits};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("echo.sock");
//! let server = Bind::at(&path).listen().await?.serve(Settings::default(), Arc::new(Echo));
//! let mut client = supervisor_socket::connect(&path, FrameLimits::replies(1 << 20), Deadlines::default()).await?;
//! client.writer.send(b"hello").await?;
//! assert_eq!(client.reader.next().await?.as_deref(), Some("hello"));
//! server.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! The numbers are those of the security rules; a test of each is named for its number (`s01_…`).
//!
//! 1. **Directory.** A socket lies in a directory that belongs to us, that nobody else may write to, and that was
//!    reached without following a link. Default places: [`Surroundings::socket_places`]; they are created with mode
//!    0700. A path of more than 100 bytes is refused.
//! 2. **One instance.** A name is held by one process at a time ([`Instance`]). A socket that accepts a connection is
//!    never replaced. Two processes that bind in one directory at the same time take turns.
//! 3. **Bind.** The file has mode 0600 when it comes into being, and its final name when it listens. Only a dead socket
//!    of our own is replaced, and only our own file is removed in the end: device and number are compared.
//! 4. **Peer.** uid, gid and process are known before a byte is read ([`Peer`]), from the kernel.
//! 6. **Frames.** A frame has at most 64 KiB, or what the user of this crate grants to it, up to 8 MiB. A longer one,
//!    or one that is not UTF-8, gives one error, and nothing is read after it ([`Framer`]).
//! 7. **Deadlines.** A frame that has begun is complete within 10 seconds, a silent peer is cut after 5 minutes, and one
//!    that does not read after 10 seconds ([`Deadlines`]). All time is tokio's.
//! 8. **Caps.** Connections are counted per uid and in total, and some places are kept for admins ([`Caps`]).
//! 9. **Rates.** A token bucket per uid, which says when to retry ([`RateLimit`]).
//! 10. **Accept.** Running out of descriptors makes the accept loop wait, longer each time and at most a second. It does
//!     not end and does not spin.
//!
//! # Limits
//!
//! - The directories above that of the socket are not judged. Who may rename one of them can lead clients elsewhere;
//!   a client sees by [`Connection::peer`] who listens.
//! - In a directory that others may open (mode 0755), they can lock it, and so keep a server from starting: that is
//!   told after 5 seconds. In one with mode 0700 they cannot.
//! - A client that is turned away or sends what is no frame is told so in one line. Bytes that it has sent and nobody
//!   has read make its system report a reset connection after that line.
//! - Memory of a server: at most a frame's limit and what a session queues for each connection, plus 8 KiB. Of what was
//!   queued up to 128 KiB are kept for the next frames, until little is queued.
//! - Places, locks and binding need `/proc`.

#[cfg(not(target_os = "linux"))]
compile_error!("supervisor-socket needs Linux: SO_PEERCRED, /proc and the mode of an unbound socket");

mod bind;
mod caps;
mod connect;
mod directory;
mod frame;
mod instance;
mod peer;
mod places;
mod rate;
mod read;
mod serve;
mod write;

pub use bind::{Bind, BindError, BindMode, BindStep, Listener, MAX_PATH};
pub use caps::Caps;
pub use connect::{ConnectError, connect, sockets};
pub use directory::DirectoryError;
pub use frame::{FrameError, FrameLimits, Framer, LARGEST_FRAME, ORDINARY_FRAME};
pub use instance::{Instance, InstanceError};
pub use peer::Peer;
pub use places::{Place, Surroundings};
pub use rate::{Rate, RateLimit, TooOften, UIDS};
pub use read::{Deadlines, FrameReader, ReadError};
pub use serve::{Connection, Connector, Counts, Refusal, Server, Service, Settings, Standing};
pub use write::{FrameWriter, WriteError};
