//! A program that runs, with its output being read.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cgroup::{Ended, Held};
use crate::group::{self, Group, Output, Program, Started};
use crate::output::{Stream, Take, pump};
use crate::signal::Signal;
use crate::start_error::{StartError, reason};

/// How long the end of the output is waited for when the whole group is gone. Its pipes close with the last member, so
/// this passes only when a process that left the group holds them, or when this process was held up. What the group
/// had written is read in either case.
const DRAIN: Duration = Duration::from_millis(500);

/// A program that runs. Dropping it kills the group and stops reading.
pub(crate) struct Running {
    group: Group,
    /// Held open: its end would be the end of what the program reads, or hang up its terminal.
    _stdin: Option<OwnedFd>,
    readers: JoinSet<()>,
    /// Set when no more output is waited for.
    over: watch::Sender<bool>,
}

impl Running {
    /// Starts the program that `prepare` gives, see [`group::spawn`]. What it writes goes to what `take` makes for each of
    /// its streams.
    pub(crate) async fn start<T: Take>(
        prepare: impl FnOnce() -> Result<Program, StartError> + Send + 'static,
        take: impl Fn(Stream) -> T,
    ) -> Result<Self, StartError> {
        let Started { group, stdin, output } = group::spawn(prepare).await?;
        let mut readers = JoinSet::new();
        let over = watch::Sender::new(false);
        let sources = match output {
            Output::Pipes { stdout, stderr } => {
                let pipe = Receiver::from_owned_fd;
                vec![(pipe(stdout), Stream::Stdout), (pipe(stderr), Stream::Stderr)]
            }
            // No pipe, but read like one: when nobody has the other side any more it gives an error, which is its end.
            Output::Terminal(ours) => vec![(Receiver::from_owned_fd_unchecked(ours), Stream::Stdout)],
        };
        for (source, stream) in sources {
            let source = source.map_err(|error| StartError::System {
                program: format!("process {}", group.id()),
                what: "reading its output",
                why: reason(&error),
            })?;
            readers.spawn(pump(source, take(stream), over.subscribe()));
        }
        Ok(Self { group, _stdin: stdin, readers, over })
    }

    /// The program's process id, which is also its group's number.
    pub(crate) fn id(&self) -> u32 {
        self.group.id()
    }

    /// See [`Group::held`].
    pub(crate) fn held(&self) -> Held {
        self.group.held()
    }

    /// See [`Group::exited`].
    pub(crate) async fn exited(&self) -> io::Result<()> {
        self.group.exited().await
    }

    /// See [`Group::signal`].
    pub(crate) fn signal(&self, signal: Signal) {
        self.group.signal(signal);
    }

    /// See [`Group::signal_leader`].
    pub(crate) fn signal_program(&self, signal: Signal) {
        self.group.signal_leader(signal);
    }

    /// See [`Group::kill`].
    pub(crate) fn kill(&self) {
        self.group.kill();
    }

    /// Ends the group as [`Group::finish`] does, and reads what it had written.
    pub(crate) async fn finish(self) -> (io::Result<ExitStatus>, Ended) {
        let Self { group, _stdin, mut readers, over } = self;
        let ended = group.finish().await;
        let mut drained = pin!(async { while readers.join_next().await.is_some() {} });
        if tokio::time::timeout(DRAIN, &mut drained).await.is_err() {
            over.send_replace(true);
            drained.await;
        }
        ended
    }
}
