//! The control socket of a tree: people look into a running tree and act on it from another process, and the tree
//! never notices.
//!
//! A socket in the file system speaks `dashboard-ipc.v1`: one JSON object on a line, requests and their answers, and
//! lines that are pushed after a subscription. The words of it are [`supervisor_api::wire`].
//!
//! ```
//! use supervisor_control::{Bind, Config, Control};
//! use tokio_supervisor::{ChildContext, ChildSpec, Supervisor, SupervisorSpec};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("shop.sock");
//! let web = ChildSpec::service("web", |ctx: ChildContext| async move { ctx.stopping().await; });
//! let handle = Supervisor::start(SupervisorSpec::root([web])).await?;
//! let control = Control::serve(handle.clone(), Config::new("shop", "0123456789abcdef", Bind::at(&path))).await?;
//!
//! // What a client does, here with nothing but the standard library:
//! let ask = std::thread::spawn(move || -> std::io::Result<String> {
//!   use std::io::{BufRead, BufReader, Write};
//!   let stream = std::os::unix::net::UnixStream::connect(path)?;
//!   writeln!(&stream, r#"{{"request_id":"1","method":"state","params":{{}}}}"#)?;
//!   let mut answer = String::new();
//!   BufReader::new(&stream).read_line(&mut answer)?;
//!   Ok(answer)
//! });
//! # while !ask.is_finished() { tokio::time::sleep(std::time::Duration::from_millis(1)).await; }
//! # let answer = ask.join().unwrap()?;
//! assert!(answer.contains(r#""child_path":"/web","lifecycle_state":"running""#));
//!
//! control.close().await;
//! handle.shutdown("example", "done").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! ```text
//!  socket ──► session ──► dispatcher ──┬──► reads: hello, state, why ───────► the handle's reads
//!                ▲                     ├──► plan, what_if ──────────────────► the handle's foresight
//!                │                     ├──► subscriptions: a feed ──────────► the handle's streams
//!                │ lines               └──► commands: gate ─► once ─► audit ► the handle's commands
//!                └─────────────────────────────┘
//! ```
//!
//! The crate is an ordinary user of the library: everything goes through the public [`SupervisorHandle`]
//! (`tokio_supervisor`). Nothing is copied at the start and kept beside the tree: a state is read when it is asked for,
//! and what is pushed comes from the rings of the library, which wait for no reader.
//!
//! The process of the tree itself connects without a file ([`Control::connector`]), also where there is no socket at all:
//! so does the dashboard of a run.
//!
//! A [`Dispatcher`] answers one parsed request for a given [`Caller`] and knows no socket; tests and fuzzers use it
//! bare. A session answers the requests of one connection in order and pushes lines between the answers.
//!
//! The generation of a state is the sequence of the last event in it: every change is an event.
//!
//! # Guarantees
//!
//! The numbers are those of the security rules; a test of each is named for its number (`s05_…`). Rules 1 to 4, 7, 8 and
//! 10 are those of [`supervisor_socket`].
//!
//! - **5. Who acted** is what the kernel proved. What a request says of its author is recorded beside it as claimed, and
//!   shown alone only for the owner of the process and for relays ([`Roles::relay`]). Rights never come from it.
//! - **6. Size.** A request has at most 64 KiB, one that brings a child or a stack text 1 MiB
//!   ([`Config::manifest_bytes`]).
//! - **9. Rates.** 50 commands in a second and 200 at once for each user; a user that may not connect is told so 5 times in
//!   a minute.
//! - **11. At most once.** A command id is carried out once for each user, across connections, and with an audit across
//!   restarts of the target.
//! - **12. Order.** Values, role, confirmation, rate, manifest, programs, duplicate, intent on the disk, the command itself,
//!   outcome on the disk, answer. Denials are recorded too. Without a record there is no command, unless `fail_open` was
//!   asked for. Restarts by the tree itself never wait for any of this.
//! - **13. What is looked at is what is used.** A manifest is read once, and a child is looked up once.
//! - **14. Roles.** Viewers read, operators act on children that are there, admins add, remove and shut down
//!   ([`Roles`]). A child's own `command_permissions` hold for all of them.
//! - **15. Programs** are named by the owner of the process; by others only out of a list ([`AllowedPrograms`]).
//!
//! # Limits
//!
//! - What waits for the disk does so on a thread of the runtime's blocking pool. Where the system gives no more threads, and
//!   the pool has given up all of its own, commands are refused, because they cannot be recorded; a runtime with a long
//!   `thread_keep_alive` keeps the one it has.
//! - A command is waited for 30 seconds. Then the answer is `accepted`; the event `CommandCompleted` with its id tells the
//!   outcome, and so does the same command sent again.
//! - `expect_state_generation` is compared just before the command is given to the tree, not within it.
//! - A state without `limit` has every row. It is written in portions, and what they are made of is in memory until the
//!   last is written: some 300 bytes for each row. Ask a large tree for pages.
//! - Rows are pushed at most 20 times in a second, large changes less often; events at once.
//! - `plan`, `command.apply` and `command.reload` need somebody who makes a spec out of a stack text ([`Config::specs`]);
//!   `capabilities` in the answer to `hello` says what is there.
//!
//! [`SupervisorHandle`]: tokio_supervisor::SupervisorHandle

mod audit;
mod caller;
mod command;
mod config;
mod differ;
mod dispatch;
mod feed;
mod foresee;
mod gate;
mod ids;
mod json;
mod permissions;
mod programs;
mod registration;
mod roles;
#[cfg(test)]
mod scene;
mod serve;
mod session;
mod specs;
mod state;
mod target;
mod why;

pub use audit::{AuditConfig, AuditOptions, AuditPlaceError, Audited};
pub use caller::{Caller, Role};
pub use config::{Config, ConfigError};
pub use dispatch::{Answer, Dispatcher};
pub use programs::{AllowedPrograms, ProgramError};
pub use registration::RegistrationConfig;
pub use roles::Roles;
pub use serve::{Control, Prepared, ServeError};
pub use specs::{Declared, SpecSource, Specs};
pub use supervisor_socket::{
    Bind, BindMode, Caps, Connector, Counts, Deadlines, Instance, InstanceError, Peer, Rate, Surroundings,
};
