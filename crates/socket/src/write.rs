//! Frames to a connection, with a deadline.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

/// How much a peer has to take within one deadline. A reader of a byte now and then does not hold a session for ever.
const PORTION: usize = 64 * 1024;
/// What is kept of the buffer when little is written, and when much is.
const KEPT: usize = 16 * 1024;
const KEPT_BUSY: usize = 2 * PORTION;

/// Why a frame was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The peer does not read.
    #[error("the peer read less than 64 KiB in {} seconds", .after.as_secs_f32())]
    Stalled {
        /// The time it had.
        after: Duration,
    },
    /// The connection failed.
    #[error("the connection cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl WriteError {
    /// The wire's word for it, of stage `ipc_write`. It is logged, never sent.
    pub fn code(&self) -> &'static str {
        "ipc_write_failed"
    }
}

/// Writes frames. What is queued goes out with the next flush, in as few writes as possible.
///
/// A frame is given as bytes that were rendered once and may be shared by many connections.
#[derive(Debug)]
pub struct FrameWriter<W> {
    io: W,
    queued: Vec<u8>,
    /// How much of `queued` is written.
    written: usize,
    /// How far `written` has to come by when.
    portion: Option<(usize, Instant)>,
    patience: Duration,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// A writer to `io`, whose peer has to take each 64 KiB within `patience`.
    pub fn new(io: W, patience: Duration) -> Self {
        Self { io, queued: Vec::new(), written: 0, portion: None, patience }
    }

    /// Queues a frame, given without its newline. Nothing bounds the queue: flush when [`queued`](Self::queued) says
    /// that it is long.
    ///
    /// # Panics
    ///
    /// If `frame` holds a newline: the peer would read two frames. JSON in one line never does.
    pub fn queue(&mut self, frame: &[u8]) {
        assert!(!frame.contains(&b'\n'), "a frame holds no newline");
        self.queued.reserve(frame.len() + 1);
        self.queued.extend_from_slice(frame);
        self.queued.push(b'\n');
    }

    /// Queues a part of a frame, written where it is queued: `write` adds to the bytes that are there. A frame in parts
    /// is ended by [`end_frame`](Self::end_frame), and nothing else is queued before.
    ///
    /// What is added must hold no newline, or the peer reads two frames. JSON in one line never does.
    pub fn queue_part<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let from = self.queued.len();
        let value = write(&mut self.queued);
        debug_assert!(!self.queued[from..].contains(&b'\n'), "a frame holds no newline");
        value
    }

    /// Ends a frame that was queued in parts.
    pub fn end_frame(&mut self) {
        self.queued.push(b'\n');
    }

    /// How many bytes are queued and not written.
    pub fn queued(&self) -> usize {
        self.queued.len() - self.written
    }

    /// Writes what is queued.
    ///
    /// Cancel safe: the next flush goes on where this one was, with the same deadline.
    ///
    /// # Errors
    ///
    /// When the peer does not read in time, or the connection fails. The connection is to be closed.
    pub async fn flush(&mut self) -> Result<(), WriteError> {
        while self.written < self.queued.len() {
            let (end, deadline) = *self.portion.get_or_insert_with(|| {
                (self.queued.len().min(self.written + PORTION), Instant::now() + self.patience)
            });
            let write = self.io.write(&self.queued[self.written..end]);
            let written = timeout_at(deadline, write).await;
            match written.map_err(|_| WriteError::Stalled { after: self.patience })?? {
                0 => return Err(WriteError::Io(io::ErrorKind::WriteZero.into())),
                more => self.written += more,
            }
            if self.written == end {
                self.portion = None;
            }
        }
        let used = self.queued.len();
        self.queued.clear();
        self.queued.shrink_to(used.clamp(KEPT, KEPT_BUSY));
        self.written = 0;
        Ok(self.io.flush().await?)
    }

    /// Queues a frame and flushes.
    ///
    /// Cancelled, the frame stays queued.
    ///
    /// # Errors
    ///
    /// Those of [`flush`](Self::flush).
    ///
    /// # Panics
    ///
    /// As [`queue`](Self::queue).
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), WriteError> {
        self.queue(frame);
        self.flush().await
    }
}
