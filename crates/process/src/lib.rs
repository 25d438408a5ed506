//! OS programs as children of a supervision tree.
//!
//! A [`ProgramSpec`] says what to run and how. [`run`] runs it once, for somebody who asks it to stop and
//! is told how it fares ([`Orders`]).
//!
//! # Theory of operation
//!
//! **One group, one run.** A program leads a process group of its own. It is asked to stop by a signal to the
//! whole group, and what has not ended when the grace is over gets SIGKILL, again the whole group. When the
//! program ends by itself the rest of its group is killed too. A run returns when the last member is gone:
//! the next run meets no leftover that holds its port.
//!
//! **The order of the end.** The end of a program is *seen* through a pidfd and not taken: as long as the
//! dead leader is not reaped, no other process can get its number. The group is killed, the guardian is told,
//! and only then the leader is reaped. Nothing else is ever reaped, since a process may have children that are not
//! ours, unless the binary asks for it: as the first program of a container it has to ([`Adopted`]).
//!
//! **No shell, no inheritance.** The words of the command are passed on as they are. The environment is made
//! from empty, of [`INHERITED`] and the spec. Descriptors, ignored signals and blocked signals of the
//! supervisor do not reach the program, and it cannot gain privileges unless the spec allows that.
//!
//! **Output never waits.** Both streams are read as fast as they are written, cut into lines of at most 16
//! KiB, and made safe to show. A reader that is too slow loses the oldest lines and is told how many
//! ([`output()`]). A line of JSON that a logger wrote, with a level and a message, has that level in the child's log; the
//! line itself stays as it is.
//!
//! **A file never blocks.** Lines for a [`LogFile`] wait in memory, within 1 MiB, for a thread of that file. What is
//! more is counted and told, in the file too. [`flush_log_files`] waits for the last ones before the process ends.
//!
//! # When the supervisor is killed
//!
//! | | [`guardian::start`] was called | it was not |
//! |---|---|---|
//! | the program itself | killed | killed (`PR_SET_PDEATHSIG`) |
//! | its children, in its group | killed | **live on** |
//! | what left the group | **lives on** | **lives on** |
//!
//! What lives on in a cgroup ([`cgroup`]) is killed when the next supervisor is started in the same place.
//!
//! # Unconfined processes
//!
//! A process can leave its group: with `setsid`, as daemons do, or `setpgid`, as an interactive shell does
//! for its jobs. No signal to the group reaches it then. Such processes are not ended. They are found by a
//! variable of their environment (`SUPERVISOR_RUN`, another value for each run) when the run is over, and
//! reported as [`Unconfined`]. Where programs have cgroups ([`cgroup::start`]) such processes are killed with the rest, and
//! none is left to be reported. One that cleared its environment or runs as another user is not found.
//! Configure programs not to put themselves into the background.

#[cfg(not(target_os = "linux"))]
compile_error!("supervisor-process needs Linux: pidfd, /proc and PR_SET_PDEATHSIG");

pub mod accounts;
mod adopted;
mod aside;
mod between;
pub mod cgroup;
mod checks;
mod child;
mod cron;
mod descriptors;
mod env_file;
mod environment;
mod exit;
mod group;
pub mod guardian;
mod hook;
mod http;
mod identity;
mod input;
mod level;
mod limits;
mod log_file;
mod manifest;
mod notify;
mod output;
mod passed;
mod prepare;
mod probe;
mod processes;
mod progress;
mod run;
mod running;
mod schedule;
pub mod secrets;
mod signal;
mod small_file;
mod sockets;
mod spec;
mod start_error;
mod step;
mod stopping;
mod streams;
mod terminal;
mod text;
mod usage;
mod watch;
mod worker;

pub use adopted::Adopted;
pub use checks::{Check, Readiness};
pub use child::kind;
pub use descriptors::raise_descriptors;
pub use environment::INHERITED;
pub use http::Http;
pub use input::Input;
pub use limits::Limit;
pub use log_file::{LogFile, flush_log_files};
pub use output::{BUDGET, Output, OutputLine, OutputLines, OutputSink, Stream, output};
pub use probe::Probe;
pub use processes::Unconfined;
pub use run::{Orders, Whom, run};
pub use signal::Signal;
pub use sockets::Sockets;
pub use spec::ProgramSpec;
pub use start_error::StartError;
pub use text::MAX_LINE;
