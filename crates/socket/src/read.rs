//! Frames from a connection, with deadlines.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::frame::{FrameError, FrameLimits, Framer};

/// How long a peer may take. Measured by tokio's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From the first byte of a frame to its newline, as long as it is waited for. Default: 10 seconds.
    pub frame: Duration,
    /// Between a call of [`FrameReader::next`] and the first byte; `None`: for ever. Default: 5 minutes.
    pub idle: Option<Duration>,
    /// For each 64 KiB that are written, or what is left of them. Default: 10 seconds.
    pub write: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            frame: Duration::from_secs(10),
            idle: Some(Duration::from_secs(5 * 60)),
            write: Duration::from_secs(10),
        }
    }
}

/// Why no frame came. The connection is to be closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// What came is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame began and did not end in time.
    #[error("a frame was not complete after {} seconds; send each at once and end it with a newline", .after.as_secs_f32())]
    Stalled {
        /// The time it had.
        after: Duration,
    },
    /// Nothing came.
    #[error("nothing came for {} seconds", .after.as_secs_f32())]
    Idle {
        /// The time it had.
        after: Duration,
    },
    /// The connection failed.
    #[error("the connection cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl ReadError {
    /// The wire's word for it, of stage `ipc_read`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Frame(error) => error.code(),
            Self::Stalled { .. } => "incomplete_frame",
            Self::Idle { .. } | Self::Io(_) => "ipc_read_failed",
        }
    }

    /// Whether the peer is owed one answer with this error before the connection is closed. Silence and a broken
    /// connection are logged and answered with nothing.
    pub fn is_answered(&self) -> bool {
        matches!(self, Self::Frame(_) | Self::Stalled { .. })
    }
}

/// Reads frames. See [`Framer`](crate::Framer) for what a frame is.
#[derive(Debug)]
pub struct FrameReader<R> {
    io: R,
    framer: Framer,
    deadlines: Deadlines,
    waiting: Option<Waiting>,
    /// Made when it is waited for the first time, and set anew only when it is too late or has gone off: most frames
    /// come long before their deadline.
    timer: Option<Pin<Box<Sleep>>>,
    closing: Option<Closing>,
}

/// Whether the server closes.
struct Closing {
    now: watch::Receiver<bool>,
    /// Resolves when it does. It is waited for all the time, and so kept.
    then: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Closing {
    fn new(now: watch::Receiver<bool>) -> Self {
        let mut then = now.clone();
        // An error means that the server is gone, which is a close, too.
        let then = Box::pin(async move { drop(then.wait_for(|closing| *closing).await) });
        Self { now, then }
    }

    fn has_begun(&self) -> bool {
        // The one change that there is.
        !matches!(self.now.has_changed(), Ok(false))
    }
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").field("has_begun", &self.has_begun()).finish_non_exhaustive()
    }
}

/// What is being waited for, since when. It lives longer than a call, so that cancelling calls buys no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    FirstByte(Instant),
    Newline(Instant),
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// A reader of `io`.
    pub fn new(io: R, limits: FrameLimits, deadlines: Deadlines) -> Self {
        Self { io, framer: Framer::new(limits), deadlines, waiting: None, timer: None, closing: None }
    }

    /// Also ends when the server closes.
    pub(crate) fn until(mut self, closing: watch::Receiver<bool>) -> Self {
        self.closing = Some(Closing::new(closing));
        self
    }

    /// Sets how long the peer may be silent from now on; `None`: for ever, as a subscriber may.
    pub fn set_idle(&mut self, idle: Option<Duration>) {
        self.deadlines.idle = idle;
        if matches!(self.waiting, Some(Waiting::FirstByte(_))) {
            self.waiting = None;
        }
    }

    /// The next frame. `None` when there will be no more: the peer has closed its end, or the server closes, in which
    /// case frames that have come but are not taken are dropped.
    ///
    /// Time passes for the peer only while this is waited for: it is not charged for the time that an answer takes.
    ///
    /// Cancel safe: no byte is lost, and the deadlines go on.
    ///
    /// # Errors
    ///
    /// When the frame is not acceptable, does not come in time, or the connection fails. After an error the connection
    /// is to be closed.
    pub async fn next(&mut self) -> Result<Option<String>, ReadError> {
        loop {
            if self.is_closing() {
                return Ok(None);
            }
            if let Some(frame) = self.framer.take()? {
                self.waiting = None;
                return Ok(Some(frame));
            }
            match self.more().await? {
                More::Bytes => {}
                More::End => return Ok(self.framer.end().map(|()| None)?),
                More::Closing => return Ok(None),
            }
        }
    }

    async fn more(&mut self) -> Result<More, ReadError> {
        let waiting = self.wait();
        let deadline = match waiting {
            Waiting::FirstByte(since) => self.deadlines.idle.map(|idle| since + idle),
            Waiting::Newline(since) => Some(since + self.deadlines.frame),
        };
        let Self { io, framer, timer, closing, .. } = self;
        let mut read = pin!(io.read_buf(framer.space()));
        let more = poll_fn(|context| {
            if let Some(closing) = closing
                && closing.then.as_mut().poll(context).is_ready()
            {
                return Poll::Ready(Some(Ok(More::Closing)));
            }
            if let Poll::Ready(read) = read.as_mut().poll(context) {
                let more = |bytes| if bytes == 0 { More::End } else { More::Bytes };
                return Poll::Ready(Some(read.map(more)));
            }
            let late = deadline.map_or(Poll::Pending, |deadline| wait_until(timer, deadline, context));
            late.map(|()| None)
        });
        match more.await {
            Some(more) => Ok(more?),
            None => Err(self.late(waiting)),
        }
    }

    /// Begins to wait, or goes on with it.
    fn wait(&mut self) -> Waiting {
        let waiting = match (self.waiting, self.framer.has_begun()) {
            (Some(Waiting::Newline(since)), true) => Waiting::Newline(since),
            (_, true) => Waiting::Newline(Instant::now()),
            (Some(waiting), false) => waiting,
            (None, false) => Waiting::FirstByte(Instant::now()),
        };
        self.waiting = Some(waiting);
        waiting
    }

    fn late(&self, waiting: Waiting) -> ReadError {
        match waiting {
            Waiting::FirstByte(_) => ReadError::Idle { after: self.deadlines.idle.unwrap_or_default() },
            Waiting::Newline(_) => ReadError::Stalled { after: self.deadlines.frame },
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.as_ref().is_some_and(Closing::has_begun)
    }
}

enum More {
    Bytes,
    End,
    Closing,
}

/// Waits for a deadline by a timer that may be set to an earlier one, of another frame.
fn wait_until(timer: &mut Option<Pin<Box<Sleep>>>, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
    if timer.deadline() > deadline {
        timer.as_mut().reset(deadline);
    }
    while timer.as_mut().poll(context).is_ready() {
        if timer.deadline() >= deadline {
            return Poll::Ready(());
        }
        timer.as_mut().reset(deadline);
    }
    Poll::Pending
}
