//! Bytes become lines, with a bound on each.

use std::fmt;
use std::sync::Arc;

/// The most bytes a request may have, without its newline, unless more is granted.
pub const ORDINARY_FRAME: usize = 64 * 1024;
/// The most that can be granted to a request.
pub const LARGEST_FRAME: usize = 8 * 1024 * 1024;
/// How much is read at once, and so how much of an idle connection's memory is kept.
pub(crate) const CHUNK: usize = 8 * 1024;

/// How long a frame may be.
#[derive(Clone)]
pub struct FrameLimits {
    ordinary: usize,
    raise: Option<Arc<Raise>>,
}

type Raise = dyn Fn(&[u8]) -> usize + Send + Sync;

impl FrameLimits {
    /// Those of a server: [`ORDINARY_FRAME`] for each request.
    pub fn requests() -> Self {
        Self { ordinary: ORDINARY_FRAME, raise: None }
    }

    /// Grants more to single requests. `raise` is asked once for each frame that outgrows [`ORDINARY_FRAME`]: it gets
    /// that many bytes, the beginning of the frame, and returns how many bytes the whole may have. An answer over
    /// [`LARGEST_FRAME`] counts as that.
    ///
    /// The keys of a JSON object come in any order, so the beginning need not tell what is asked for. Grant what the
    /// peer may need at most, and look again when the frame is read.
    #[must_use]
    pub fn raised_by(mut self, raise: impl Fn(&[u8]) -> usize + Send + Sync + 'static) -> Self {
        self.raise = Some(Arc::new(move |beginning| raise(beginning).min(LARGEST_FRAME)));
        self
    }

    /// Those of a client: replies of up to `most` bytes. The client chooses whom it connects to, and how much memory
    /// that is worth.
    pub fn replies(most: usize) -> Self {
        Self { ordinary: most, raise: None }
    }
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self::requests()
    }
}

impl fmt::Debug for FrameLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameLimits")
            .field("ordinary", &self.ordinary)
            .field("raised", &self.raise.is_some())
            .finish()
    }
}

/// What is wrong with a frame. The connection cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// It is too long.
    #[error("the frame is longer than {limit} bytes; send less at once")]
    TooLarge {
        /// What this frame may have.
        limit: usize,
    },
    /// It is not UTF-8.
    #[error("the frame is not UTF-8: byte {at} begins no character; send UTF-8")]
    InvalidUtf8 {
        /// The first byte that is wrong, from 0.
        at: usize,
    },
    /// The connection ended within it.
    #[error("the connection ended after {bytes} bytes of a frame; end each frame with a newline")]
    Incomplete {
        /// How much of it came.
        bytes: usize,
    },
}

impl FrameError {
    /// The wire's word for it, of stage `ipc_read`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "frame_too_large",
            Self::InvalidUtf8 { .. } => "invalid_utf8",
            Self::Incomplete { .. } => "incomplete_frame",
        }
    }
}

/// Cuts bytes into frames: lines of UTF-8, each ended by a newline (`\n`).
///
/// A frame is what is between two newlines, byte for byte: blank lines, carriage returns, NUL and a byte order mark
/// are left to whoever parses it. How the bytes are cut into chunks makes no difference. After an error there is
/// nothing more: every further call returns it again.
///
/// It holds at most one frame's limit and what was put in at once.
#[derive(Debug)]
pub struct Framer {
    limits: FrameLimits,
    /// `buffer[start..]` is not yet taken, and its first `scanned` bytes have no newline.
    buffer: Vec<u8>,
    start: usize,
    scanned: usize,
    /// What the frame at `start` may have, if it was asked for.
    granted: Option<usize>,
    broken: Option<FrameError>,
}

impl Framer {
    /// A framer that has seen nothing.
    pub fn new(limits: FrameLimits) -> Self {
        Self { limits, buffer: Vec::new(), start: 0, scanned: 0, granted: None, broken: None }
    }

    /// Puts in what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Where a reader may put a chunk without a copy. It must only add.
    pub(crate) fn space(&mut self) -> &mut Vec<u8> {
        self.buffer.reserve(CHUNK);
        &mut self.buffer
    }

    /// Takes the next whole frame, without its newline. `None`: more bytes are needed.
    ///
    /// # Errors
    ///
    /// When the frame at the front is too long or not UTF-8.
    pub fn take(&mut self) -> Result<Option<String>, FrameError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let cut = self.cut();
        if let Err(error) = &cut {
            self.broken = Some(error.clone());
            self.buffer = Vec::new();
            (self.start, self.scanned) = (0, 0);
        }
        cut
    }

    /// Whether the beginning of a frame is there, and not its end. Of meaning after [`take`](Self::take) has returned
    /// `None`.
    pub fn has_begun(&self) -> bool {
        self.start < self.buffer.len()
    }

    /// What the end of the bytes means now.
    ///
    /// # Errors
    ///
    /// [`FrameError::Incomplete`] within a frame, and any earlier error.
    pub fn end(&self) -> Result<(), FrameError> {
        match &self.broken {
            Some(error) => Err(error.clone()),
            None if self.has_begun() => Err(FrameError::Incomplete { bytes: self.buffer.len() - self.start }),
            None => Ok(()),
        }
    }

    fn cut(&mut self) -> Result<Option<String>, FrameError> {
        let pending = &self.buffer[self.start..];
        let newline = pending[self.scanned..].iter().position(|byte| *byte == b'\n');
        let end = newline.map(|more| self.scanned + more);
        let length = end.unwrap_or(pending.len());
        let limit = self.allowed(length);
        if length > limit {
            return Err(FrameError::TooLarge { limit });
        }
        let Some(end) = end else {
            self.scanned = length;
            self.tidy();
            return Ok(None);
        };
        let frame = self.buffer[self.start..self.start + end].to_vec();
        let frame = String::from_utf8(frame)
            .map_err(|error| FrameError::InvalidUtf8 { at: error.utf8_error().valid_up_to() })?;
        self.start += end + 1;
        (self.scanned, self.granted) = (0, None);
        Ok(Some(frame))
    }

    /// What the frame at the front may have, given that it has at least `length` bytes.
    fn allowed(&mut self, length: usize) -> usize {
        let ordinary = self.limits.ordinary;
        let Some(raise) = self.limits.raise.as_ref().filter(|_| length > ordinary) else { return ordinary };
        let beginning = &self.buffer[self.start..self.start + ordinary];
        *self.granted.get_or_insert_with(|| raise(beginning).max(ordinary))
    }

    /// Forgets what is taken, and gives back the memory of a frame that was larger than usual.
    fn tidy(&mut self) {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.capacity() > 2 * CHUNK && self.buffer.len() < CHUNK {
            self.buffer.shrink_to(CHUNK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framer(bytes: &[u8]) -> Framer {
        let mut framer = Framer::new(FrameLimits::requests());
        framer.push(bytes);
        framer
    }

    /// A frame of this length that begins with `word`.
    fn line(word: &str, length: usize) -> String {
        format!("{word}{}\n", "x".repeat(length - word.len()))
    }

    #[test]
    fn s06_a_frame_is_what_is_between_newlines_byte_for_byte() {
        let mut framer = framer("a\n\n \r\n\u{feff}b\nc\0d\nrest".as_bytes());
        for expected in ["a", "", " \r", "\u{feff}b", "c\0d"] {
            assert_eq!(framer.take().unwrap().as_deref(), Some(expected));
        }
        assert_eq!(framer.take(), Ok(None));
        assert_eq!(framer.end(), Err(FrameError::Incomplete { bytes: 4 }));
    }

    #[test]
    fn s06_a_frame_of_the_limit_is_taken_and_one_byte_more_is_not_with_or_without_a_newline() {
        let mut most = vec![b'x'; ORDINARY_FRAME];
        most.push(b'\n');
        assert_eq!(framer(&most).take().unwrap().unwrap().len(), ORDINARY_FRAME);
        let long = vec![b'x'; ORDINARY_FRAME + 1];
        let too_large = Err(FrameError::TooLarge { limit: ORDINARY_FRAME });
        assert_eq!(framer(&long).take(), too_large);
        assert_eq!(framer(&[&long[..], b"\n"].concat()).take(), too_large);
    }

    #[test]
    fn s06_what_is_not_utf8_is_an_error_with_its_place_and_the_end_of_the_connection() {
        for (bytes, at) in [
            (&b"\xff\n"[..], 0),
            (b"ab\xc0\xaf\n", 2),       // an overlong form
            (b"a\xed\xa0\x80\n", 1),    // half of a surrogate pair
            (b"abc\xe2\x82\n", 3),      // a character cut off
            (b"\xf4\x90\x80\x80\n", 0), // beyond the last character
        ] {
            let mut framer = framer(bytes);
            let error = Err(FrameError::InvalidUtf8 { at });
            assert_eq!(framer.take(), error, "{bytes:?}");
            framer.push(b"good\n");
            assert_eq!(framer.take(), error, "and no frame after it");
            assert_eq!(framer.end().map(|()| None), error);
        }
    }

    #[test]
    fn s06_more_is_granted_to_single_frames_by_their_beginning_and_never_over_the_largest() {
        let limits = FrameLimits::requests().raised_by(|beginning| {
            assert_eq!(beginning.len(), ORDINARY_FRAME, "it is asked only for a frame that needs more");
            if beginning.starts_with(b"all") { usize::MAX } else { 100_000 }
        });
        let mut framer = Framer::new(limits);
        for (word, length) in [("some", 100_000), ("all", LARGEST_FRAME), ("some", 4)] {
            framer.push(line(word, length).as_bytes());
            assert_eq!(framer.take().unwrap().unwrap().len(), length);
        }
        framer.push(line("some", 100_001).as_bytes());
        assert_eq!(framer.take(), Err(FrameError::TooLarge { limit: 100_000 }));
        let mut framer = Framer::new(FrameLimits::requests().raised_by(|_| usize::MAX));
        framer.push(line("all", LARGEST_FRAME + 1).as_bytes());
        assert_eq!(framer.take(), Err(FrameError::TooLarge { limit: LARGEST_FRAME }));
    }

    #[test]
    fn s06_a_grant_cannot_take_away_the_ordinary_limit() {
        let mut framer = Framer::new(FrameLimits::requests().raised_by(|_| 0));
        framer.push(&[b'x'; ORDINARY_FRAME + 1]);
        assert_eq!(framer.take(), Err(FrameError::TooLarge { limit: ORDINARY_FRAME }));
    }

    #[test]
    fn s06_memory_is_that_of_a_frame_and_a_chunk_and_goes_back_after_a_large_one() {
        let mut framer = Framer::new(FrameLimits::requests().raised_by(|_| usize::MAX));
        let mut most = 0;
        for round in 0..2_000 {
            let size = if round == 1_000 { 1_000_000 } else { 1_000 };
            framer.push(line("", size).as_bytes());
            while framer.take().unwrap().is_some() {}
            if size == 1_000 {
                most = most.max(framer.buffer.capacity());
            }
        }
        assert!(most <= 4 * CHUNK, "{most}");
        assert_eq!(framer.buffer.len(), 0);
    }
}
