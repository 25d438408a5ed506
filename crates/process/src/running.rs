//! A program that runs, with its output being read.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

use crate::cgroup::{Ended, Held};
use crate::group::{self, Group, Program, Started};
use crate::output::{Stream, Take, pump};
use crate::signal::Signal;
use crate::start_error::{StartError, reason};
use crate::streams::{Ends, Output};

/// How long the end of the output is waited for when the whole group is gone. Its pipes close with the last member, so
/// this passes only when a process that left the group holds them, or when this process was held up. What the group
/// had written is read in either case.
const DRAIN: Duration = Duration::from_millis(500);

/// What it prints is read whenever its end is waited for, by whoever waits: tasks of their own would wake other threads, for
/// which a program that has just begun would have to wait.
struct Readers(Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>);

/// A program that runs. Dropping it kills the group and stops reading.
pub(crate) struct Running {
    group: Group,
    /// Held open: its end would be the end of what the program reads, or hang up its terminal.
    _stdin: Option<OwnedFd>,
    readers: Readers,
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
        let Started { group, ends: Ends { stdin, output } } = group::spawn(prepare).await?;
        let mut readers: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
        let over = watch::Sender::new(false);
        let sources = match output {
            Output::Pipes { stdout, stderr } => {
                vec![(stdout, Stream::Stdout), (stderr, Stream::Stderr)]
            }
            // No pipe, but read like one: when nobody has the other side any more it gives an error, which is its end.
            Output::Terminal(ours) => vec![(ours, Stream::Stdout)],
        };
        for (source, stream) in sources {
            let source = Receiver::from_owned_fd_unchecked(source).map_err(|error| StartError::System {
                program: format!("process {}", group.id()),
                what: "reading its output",
                why: reason(&error),
            })?;
            readers.push(Box::pin(pump(source, take(stream), over.subscribe())));
        }
        Ok(Self { group, _stdin: stdin, readers: Readers(Mutex::new(readers)), over })
    }

    /// The program's process id, which is also its group's number.
    pub(crate) fn id(&self) -> u32 {
        self.group.id()
    }

    /// See [`Group::held`].
    pub(crate) fn held(&self) -> Held {
        self.group.held()
    }

    /// See [`Group::exited`]. Reads meanwhile what the program prints, so it must be waited for all the time.
    pub(crate) async fn exited(&self) -> io::Result<()> {
        self.readers.reading(self.group.exited()).await
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
        let Self { group, _stdin, readers, over } = self;
        let ended = readers.reading(group.finish()).await;
        if tokio::time::timeout(DRAIN, readers.read()).await.is_err() {
            over.send_replace(true);
            readers.read().await;
        }
        ended
    }
}

impl Readers {
    /// Does `work`, and reads meanwhile.
    async fn reading<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let done = work.as_mut().poll(cx);
            if done.is_pending() {
                let _ = self.poll(cx);
            }
            done
        })
        .await
    }

    /// Reads to the end.
    async fn read(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain_mut(|reader| reader.as_mut().poll(cx).is_pending());
        if readers.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}
