//! An append-only ledger of JSON lines: what was recorded stays, and nobody changes it unnoticed.
//!
//! The audit of the control plane is kept in one, and so is whatever must survive a crash in the order in which it
//! happened. After a disaster it is read with `grep` and `jq`. A database is better when records are looked up by
//! anything but their order, or changed.
//!
//! ```
//! # let home = tempfile::tempdir()?;
//! # let directory = home.path().join("audit");
//! use supervisor_ledger::{Ledger, Options, Reader, verify};
//!
//! #[derive(serde::Serialize)]
//! struct Command<'a> { action: &'a str, target: &'a str }
//!
//! let ledger = Ledger::open(&directory, &Options::default())?;
//! // Durable when this returns:
//! ledger.commit(&Command { action: "restart", target: "/web" })?;
//! // Not yet: the ticket tells when, to a thread that waits or a task that awaits.
//! let ticket = ledger.append(&Command { action: "pause", target: "/web" })?;
//! assert_eq!(ticket.wait()?, 2);
//! ledger.close()?;
//!
//! println!("{}", verify(&directory)?);
//! for record in Reader::open(&directory)? {
//!     println!("{}", record?.body_text());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The files
//!
//! A ledger is a directory. `segment-0000000001.jsonl`, `segment-0000000002.jsonl` and so on hold the lines, `lock`
//! holds the number of the process that writes. Other files are left alone.
//!
//! Each line is one JSON object. The first line of a segment is its header:
//!
//! ```json
//! {"ledger":1,"segment":2,"follows":1,"first_sequence":26371,"recorded_at_unix_nanos":1795287995308685117,
//!  "monotonic_nanos":38433700210585,"previous":"79ad…e2e0","crc":"c9bff973"}
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `ledger` | version of the format: 1 |
//! | `segment` | the number in the file's name |
//! | `follows` | the segment before; `null` in the first of all |
//! | `first_sequence` | the sequence of the first record that stands here, or would |
//!
//! Every other line is a record:
//!
//! ```json
//! {"sequence":26371,"recorded_at_unix_nanos":1795287995322868273,"monotonic_nanos":38433714398809,
//!  "previous":"8c67…2dca","body":{"action":"restart","target":"/web"},"crc":"39bd98ef"}
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `sequence` | 1, 2, 3 and so on, without gaps, across all segments |
//! | `recorded_at_unix_nanos` | the wall clock when it was appended; 0: the clock was before 1970 |
//! | `monotonic_nanos` | time since the system was booted; within one boot it does not go back |
//! | `previous` | SHA-256 of the line before, without its line feed, be it a record, this segment's header or, in a header, the last line of the segment before; zeros in the first line of all |
//! | `body` | what was appended |
//! | `crc` | CRC-32 (IEEE) of all bytes of the line before `,"crc"` |
//!
//! The order of the keys is fixed. Lines are shown broken here; in the file they are not.
//!
//! # What is promised
//!
//! - **What was acknowledged is there**, after `kill -9` and after a power failure, as long as the device keeps what
//!   it has synced. A record is acknowledged when its [`Ticket`] resolves well, or [`Ledger::commit`] returns.
//! - **Few syncs.** One thread writes. While it syncs, others append; all they appended shares the next sync.
//! - **The order stays.** A record is durable only if every record before it is.
//! - **A failure is told, and ends nothing for good.** After a failed write or sync everything that was not
//!   acknowledged is lost: those who wait are told so, and it is cut off the file before anything else is written.
//!   What the kernel holds in memory after a failed sync is never trusted: the ledger goes on in a new segment. The
//!   next append or [`Ledger::sync`] tries that; until it works [`Ledger::health`] says [`Health::Broken`].
//! - **Recovery removes only what was never acknowledged**: a last line of the last segment without a line feed or
//!   with a wrong CRC. A bad line anywhere else is [`Error::Damaged`], and nothing is removed.
//! - **Change shows.** [`verify`] finds each changed, missing, added or moved line and names the first.
//! - **One writer.** The directory is locked with `flock`, belongs to this user, has mode 0700, and is opened without
//!   following a link; files have mode 0600.
//!
//! # Limits
//!
//! - A chain cannot show that its end was cut off, or that somebody wrote all of it afresh from some line on. Note
//!   [`Ledger::durable`] elsewhere from time to time, and compare. Nor can it tell whether the owner or somebody else
//!   dropped the oldest segments; verification says where the chain begins ([`Start`]).
//! - A last line that was acknowledged and later damaged looks like one that a crash cut short. It is removed, and
//!   [`Ledger::removed`] tells.
//! - After a power failure some file systems show zeros in the middle of what was not synced. In a batch of more than
//!   a few kilobytes that can look like damage in the middle; then the ledger is not opened.
//! - A record whose sync failed can turn up after a crash that comes before it could be cut off.
//! - A line has at most 16 MiB ([`MAX_LINE`]). At most 32 MiB wait while others are written; then appends are
//!   refused with [`Error::Behind`] and never wait.
//! - Opening and verifying read everything: some 3 s for 256 MiB.
//! - `flock` on a network file system is as good as that file system makes it.

#[cfg(not(target_os = "linux"))]
compile_error!("supervisor-ledger needs Linux: flock, openat and fdatasync as Linux has them");

mod batch;
mod clock;
mod disk;
mod error;
mod flaw;
mod folder;
mod hash;
mod head;
#[cfg(all(test, shuttle))]
mod interleavings;
mod ledger;
mod line;
mod lines;
mod options;
mod queue;
mod reader;
mod recovery;
mod scan;
mod segments;
mod sync;
mod verify;

pub use disk::{Access, Disk, DiskFile};
pub use error::Error;
pub use flaw::{Flaw, Reason, TornTail};
pub use folder::Folder;
pub use hash::LineHash;
pub use ledger::{Ledger, Ticket};
pub use line::MAX_LINE;
pub use options::{OnDamage, Options};
pub use queue::Health;
pub use reader::{Entry, Reader, Record, Unreadable};
pub use verify::{Mark, Start, Verified, verify, verify_on};
