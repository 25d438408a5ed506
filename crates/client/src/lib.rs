//! A connection to a running tree, from another process.
//!
//! A [`Session`] is one connection with typed calls. A [`Follower`] sees everything that happens, over as many
//! connections as that takes, and keeps a view of the tree that says when it is old.
//!
//! ```no_run
//! use supervisor_client::{Follower, Happening, Session, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut session = Session::connect("/run/tokio-supervisor/shop.sock", &Settings::default()).await?;
//! let state = session.state(Default::default()).await?;
//! println!("{} has {} children", session.hello().target_id(), state.runtime_state.len());
//!
//! let mut follower = Follower::new("/run/tokio-supervisor/shop.sock", Settings::default());
//! loop {
//!     match follower.next().await {
//!         Happening::Event(event) => println!("{event}"),
//!         Happening::Gap { gap, .. } => println!("{} to {} are lost", gap.from, gap.to),
//!         Happening::Disconnected { why, retry_in } => println!("{why}; again in {retry_in:?}"),
//!         _ => {}
//!     }
//! }
//! # }
//! ```
//!
//! # Guarantees
//!
//! - **Every call has a deadline**, and a call that is cancelled buys the target no time. A target that does not answer
//!   is left: its answers come in order, so nothing behind that call would come either.
//! - **Nothing is lost in silence.** After a loss of the connection the streams go on where they ended; what the target
//!   no longer keeps is told as [`Happening::Gap`]. Nothing is told twice.
//! - **Another life is not taken for the old one.** A target that was started again is seen as such, and told as
//!   [`Happening::Restarted`]; `src/past.rs` says by which signs.
//! - **The view is never silently old**: [`View`] says whether it is current.
//! - **A target cannot make its client grow**: a line has at most [`Settings::largest_reply`], and at most 4096 pushes
//!   are kept.
//!
//! # Limits
//!
//! - Who listens is told ([`Session::peer`]) and not judged.
//! - Text from a target may hold anything; [`supervisor_api::wire::plain`] makes it safe for a terminal.
//! - A state is read as one answer.

mod backoff;
mod error;
mod follow;
mod happening;
mod hello;
mod past;
mod session;
mod settings;
mod targets;
mod way;
mod wire;

pub use backoff::Backoff;
pub use error::{CallError, ConnectError, Lost, is_denial};
pub use follow::Follower;
pub use happening::{Happening, Stale, View};
pub use hello::Hello;
pub use session::Session;
pub use settings::Settings;
pub use supervisor_socket::{Peer, Surroundings};
pub use targets::targets;
pub use way::Way;
