//! A relay: many targets on one side, many browsers on the other.
//!
//! ```text
//!   targets ──► registration socket ──► lease ──► one task for each, which follows it
//!                                                        │ the same bytes
//!                                                        ▼
//!                                                 ring, view, connection
//!                                                        ▲
//!   browsers ◄── frames ◄── session: a place in each target, rights, a filter
//! ```
//!
//! A [`Session`] is the protocol of a browser without its transport: text frames go in and come out.
//!
//! # Guarantees
//!
//! - **Nothing is lost in silence.** Every record of every life of a target comes to a session once, or lies in a gap
//!   that it is told, wherever the record was lost: in the target, on the way, or here.
//! - **One target delays nobody.** Each has a task, deadlines and a ring of its own; sessions read them in turn.
//! - **A slow browser costs no memory.** A session keeps a place in each ring and no messages.
//! - **Nothing old is shown as new.** A lease that ends is told, and the state says so; what was known last stays to be
//!   seen for a day.
//! - **An event is not converted.** The line that a target pushed is the frame that a browser gets. Only what is not
//!   as this project writes it is written anew.
//! - **No command without a record.** An intent is on the disk before the target is asked, and an outcome before it is
//!   told. A command that was begun is finished, whatever becomes of the browser, and an id is carried out once.
//! - **Nobody comes in unproved**: by a token, of which only the digest is kept; by the certificate of a client; or by a
//!   link that is good once. A session ends when its proof does. See [`Identities`] and [`Tls`].
//! - **A registration proves nothing but its user**, as the kernel tells it: the socket must be that user's, in a
//!   directory that is allowed when links are followed, and a process of that user must listen on it.
//!
//! # Limits
//!
//! - Memory: for each target its ring ([`Config::ring_bytes`]), its view, and its state as text once somebody has asked
//!   for it; for each session some 200 bytes for each target, and at most 1 MiB of answers to its own messages.
//! - 4096 connections of browsers, 256 from one address; when all are taken the oldest goes that has proved nothing. So
//!   many need as many descriptors.
//! - What the audit tells comes to a session as long as it is in the ring of its target; all of it is in the audit.
//! - After a restart a relay that keeps its state ([`Config::state`]) follows its targets at once; one that does not, when
//!   they renew their registrations.

mod audit;
#[cfg(test)]
mod bench;
mod clock;
mod config;
mod counts;
mod embedded;
mod hub;
mod identity;
mod orders;
#[cfg(test)]
#[path = "../../client/tests/target/mod.rs"]
mod played;
mod registry;
mod relay;
mod rights;
mod session;
mod target;
mod web;

pub mod file;

pub use config::{ConfigError, ConfigFile, NoPlace};
pub use embedded::Embedded;
pub use identity::{
    DevCertificateError, DevCertificates, DevIdentity, Identities, KeptLogins, LoginCode, Mapping,
    MappingError, Secret, dev_certificates,
};
pub use orders::{Answer, Found};
pub use relay::{Config, Relay, StartError};
pub use rights::{Principal, Role};
pub use session::{Close, Order, Question, Session};
/// How the target of an embedded relay is reached.
pub use supervisor_client::Way;
pub use web::{
    ClientAuthorities, ClientCertificates, Door, Names, ProbePort, Tls, TlsError, TlsFiles, Web, listen,
};
