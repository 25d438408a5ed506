//! The output of a program: read as fast as it is written, kept within a bound.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Notify, watch};

use crate::text::Splitter;

/// How much unread output is kept for one program, in bytes.
pub const BUDGET: usize = 256 * 1024;

/// What a line costs beside its text: empty lines are not free.
const LINE_COST: usize = 64;

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

/// The most that a pipe holds, unless root has raised the system's limit.
const LARGEST_PIPE: usize = 1024 * 1024;

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One line that a program wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputLine {
    /// Where it was written.
    pub stream: Stream,
    /// The line without its end, safe to show: bytes that are not UTF-8 are U+FFFD, control characters
    /// are escaped (`\x1b`).
    pub text: String,
    /// The line was longer than [`MAX_LINE`](crate::MAX_LINE) and this is its beginning.
    pub truncated: bool,
}

impl fmt::Display for OutputLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.truncated { f.write_str(" … (line cut at 16 KiB)") } else { Ok(()) }
    }
}

/// A bounded way from a program's output to a reader who may be slow.
///
/// The sink never waits. When [`BUDGET`] bytes are unread the oldest lines are dropped, and the reader is
/// told how many.
pub fn output() -> (OutputSink, OutputLines) {
    let shared = Arc::new(Shared { queue: Mutex::default(), changed: Notify::new() });
    (OutputSink { shared: Arc::new(Writer(shared.clone())) }, OutputLines { shared })
}

/// Takes the lines of one program or of several. Clones write to the same reader.
#[derive(Clone)]
pub struct OutputSink {
    shared: Arc<Writer>,
}

/// The reader of an [`OutputSink`].
pub struct OutputLines {
    shared: Arc<Shared>,
}

/// What an [`OutputLines`] yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A line.
    Line(OutputLine),
    /// So many lines, older than the next one, were dropped because nobody read them in time.
    Dropped(u64),
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<OutputLine>,
    bytes: usize,
    dropped: u64,
    closed: bool,
}

/// Closes the queue when the last sink is gone.
struct Writer(Arc<Shared>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutputSink {
    /// Adds a line. Never waits; drops the oldest lines when there is no room.
    pub fn push(&self, line: OutputLine) {
        let shared = &self.shared.0;
        let mut queue = shared.lock();
        queue.bytes += cost(&line);
        queue.lines.push_back(line);
        while queue.bytes > BUDGET
            && let Some(oldest) = queue.lines.pop_front()
        {
            queue.bytes -= cost(&oldest);
            queue.dropped += 1;
        }
        drop(queue);
        shared.changed.notify_one();
    }
}

impl OutputLines {
    /// The next line, or how many were lost before it; `None` when every sink is gone and all is read.
    ///
    /// Cancel safe: a line is taken only when it is returned.
    pub async fn next(&mut self) -> Option<Output> {
        loop {
            if let Some(ready) = self.take() {
                return ready;
            }
            self.shared.changed.notified().await;
        }
    }

    /// `None`: wait. `Some(None)`: the end.
    fn take(&self) -> Option<Option<Output>> {
        let mut queue = self.shared.lock();
        if queue.dropped > 0 {
            return Some(Some(Output::Dropped(std::mem::take(&mut queue.dropped))));
        }
        match queue.lines.pop_front() {
            Some(line) => {
                queue.bytes -= cost(&line);
                Some(Some(Output::Line(line)))
            }
            None if queue.closed => Some(None),
            None => None,
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl fmt::Debug for OutputSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputSink").field("unread_bytes", &self.shared.0.lock().bytes).finish()
    }
}

impl fmt::Debug for OutputLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputLines").field("unread_bytes", &self.shared.lock().bytes).finish()
    }
}

fn cost(line: &OutputLine) -> usize {
    line.text.len() + LINE_COST
}

/// Who gets what a program writes to one of its streams. It must not block.
pub(crate) trait Take: Send + 'static {
    /// The next bytes.
    fn take(&mut self, bytes: &[u8]);

    /// There are no more.
    fn end(&mut self) {}
}

/// Gives each line on.
pub(crate) struct Lines<F> {
    stream: Stream,
    splitter: Splitter,
    each: F,
}

impl<F: FnMut(OutputLine) + Send + 'static> Lines<F> {
    pub(crate) fn new(stream: Stream, each: F) -> Self {
        Self { stream, splitter: Splitter::default(), each }
    }
}

impl<F: FnMut(OutputLine) + Send + 'static> Take for Lines<F> {
    fn take(&mut self, bytes: &[u8]) {
        let Self { stream, splitter, each } = self;
        splitter.feed(bytes, |text, truncated| each(OutputLine { stream: *stream, text, truncated }));
    }

    fn end(&mut self) {
        let Self { stream, splitter, each } = self;
        splitter.finish(|text, truncated| each(OutputLine { stream: *stream, text, truncated }));
    }
}

/// Reads `pipe` until its last writer is gone and gives all of it to `take`. When `over` is set
/// or dropped it reads what is there and waits for no more.
///
/// It reads whether anybody keeps the bytes or not, so the program never waits for us.
pub(crate) async fn pump(pipe: Receiver, mut take: impl Take, mut over: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => break,
            readable = pipe.readable() => if readable.is_err() { break },
        }
        match read_once(|chunk| pipe.try_read(chunk), &mut take) {
            Read::All | Read::Short => {}
            // A pipe that is never empty is always readable. A flood has its turn like everybody else.
            Read::Part => tokio::task::yield_now().await,
            Read::End => return take.end(),
        }
    }
    // Somebody may hold the pipe and write on, so no more is read than it can hold. The system is asked itself: the
    // runtime may not have heard yet that there is something.
    for _ in 0..LARGEST_PIPE / CHUNK {
        match read_once(|chunk| Ok(rustix::io::read(&pipe, chunk)?), &mut take) {
            Read::Part | Read::Short => tokio::task::yield_now().await,
            Read::All | Read::End => break,
        }
    }
    take.end();
}

enum Read {
    /// Nothing is left for now.
    All,
    /// Less than there was room for. A pipe has no more for now; a terminal gives no more than a page at a time.
    Short,
    /// There may be more.
    Part,
    /// There will be no more.
    End,
}

fn read_once(read: impl FnOnce(&mut [u8]) -> io::Result<usize>, take: &mut impl Take) -> Read {
    // On the stack for the length of this turn: a silent program costs no buffer.
    let mut chunk = [0; CHUNK];
    match read(&mut chunk) {
        Ok(0) => Read::End,
        Ok(read) => {
            take.take(&chunk[..read]);
            if read == chunk.len() { Read::Part } else { Read::Short }
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Read::All
        }
        Err(_) => Read::End,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[tokio::test]
    async fn a_flood_has_its_turn_like_everybody_else() {
        use std::io::Write;

        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&b"x\n".repeat(32 * 1024)).unwrap();
        drop(writer);
        let lines = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&lines);
        let pipe = Receiver::from_owned_fd(reader.into()).unwrap();
        let (_keep, over) = watch::channel(false);
        let take = Lines::new(Stream::Stdout, move |_| {
            count.fetch_add(1, Relaxed);
        });
        let mut pump = Box::pin(pump(pipe, take, over));
        let mut turns = Vec::new();
        // Each turn of the loop is one poll, as a runtime would do it between other tasks.
        while std::future::poll_fn(|cx| std::task::Poll::Ready(pump.as_mut().poll(cx).is_pending())).await {
            turns.push(lines.swap(0, Relaxed));
            tokio::task::yield_now().await;
        }
        assert_eq!(turns.iter().sum::<u32>() + lines.load(Relaxed), 32 * 1024);
        assert!(turns.iter().all(|lines| *lines <= 8 * 1024), "{turns:?}");
    }

    #[tokio::test]
    async fn who_comes_late_reads_what_was_written_and_does_not_wait_for_a_pipe_that_somebody_holds() {
        use std::io::Write;

        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&b"x\n".repeat(32 * 1024)).unwrap();
        let pipe = Receiver::from_owned_fd(reader.into()).unwrap();
        let lines = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&lines);
        let take = Lines::new(Stream::Stdout, move |_| {
            count.fetch_add(1, Relaxed);
        });
        pump(pipe, take, watch::channel(true).1).await;
        assert_eq!(lines.load(Relaxed), 32 * 1024);
        drop(writer);
    }

    fn line(text: &str) -> OutputLine {
        OutputLine { stream: Stream::Stdout, text: text.into(), truncated: false }
    }

    #[tokio::test]
    async fn a_reader_gets_every_line_and_then_the_end() {
        let (sink, mut lines) = output();
        let other = sink.clone();
        sink.push(line("one"));
        drop(sink);
        other.push(line("two"));
        drop(other);
        assert_eq!(lines.next().await, Some(Output::Line(line("one"))));
        assert_eq!(lines.next().await, Some(Output::Line(line("two"))));
        assert_eq!(lines.next().await, None);
    }

    #[tokio::test]
    async fn what_a_slow_reader_loses_is_the_oldest_and_is_counted() {
        let (sink, mut lines) = output();
        let total = 100_000_u64;
        for number in 0..total {
            sink.push(line(&number.to_string()));
        }
        drop(sink);
        let Some(Output::Dropped(dropped)) = lines.next().await else { panic!("nothing was dropped") };
        let mut next = dropped;
        while let Some(output) = lines.next().await {
            assert_eq!(output, Output::Line(line(&next.to_string())));
            next += 1;
        }
        assert_eq!(next, total);
        assert!(total - dropped <= (BUDGET / LINE_COST) as u64, "{dropped}");
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let (sink, mut lines) = output();
        let reader = tokio::spawn(async move { lines.next().await });
        tokio::task::yield_now().await;
        sink.push(line("x"));
        assert_eq!(reader.await.unwrap(), Some(Output::Line(line("x"))));
    }
}
