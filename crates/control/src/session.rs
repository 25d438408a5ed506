//! One connection: requests are answered in order, and between the answers is pushed what was subscribed to.
//!
//! ```text
//!             ┌── frame ──► request ──► being answered ──┐
//!   reading ──┤                              │           ├──► written, whole
//!             └── no frame: refused, closed  └── lines ──┘
//! ```
//!
//! One request is answered at a time; the next is read when it has its answer. Lines are pushed meanwhile. Whoever does
//! not read what it gets is cut by the deadline of the writer, and nothing is kept for it but one portion.

use std::fmt;
use std::pin::Pin;

use supervisor_api::Vocabulary as _;
use supervisor_api::wire::{ErrorCode, INVALID_REQUEST, Request, Response, WireError};
use supervisor_socket::{FrameReader, FrameWriter, ReadError, WriteError};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::caller::Caller;
use crate::dispatch::{Answer, Dispatcher};
use crate::feed::{Feeds, Pushed, rendered};

/// How many bytes of lines are gathered before they are written.
const PORTION: usize = 64 * 1024;

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A connection that is served.
pub(crate) struct Session<R, W> {
    dispatcher: Dispatcher,
    caller: Caller,
    reader: FrameReader<R>,
    writer: FrameWriter<W>,
    feeds: Feeds,
}

/// Why a session is over.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer has said everything, or the server closes.
    Done,
    /// What the peer sends is no frame, or it sends nothing.
    Read(ReadError),
    /// The peer does not read, or is gone.
    Write(WriteError),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("everything is said"),
            Self::Read(error) => error.fmt(f),
            Self::Write(error) => error.fmt(f),
        }
    }
}

impl From<WriteError> for End {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Session<R, W> {
    pub(crate) fn new(
        dispatcher: Dispatcher,
        caller: Caller,
        reader: FrameReader<R>,
        writer: FrameWriter<W>,
    ) -> Self {
        Self { dispatcher, caller, reader, writer, feeds: Feeds::default() }
    }

    /// Serves until the connection is over.
    pub(crate) async fn run(mut self) -> End {
        match self.serve().await {
            Ok(()) => self.last_lines().await.err().unwrap_or(End::Done),
            Err(End::Read(error)) if error.is_answered() => {
                let response = Response::refused(INVALID_REQUEST, unreadable(&error));
                // It is closed in either case.
                let _ = self.writer.send(&rendered(&response)).await;
                End::Read(error)
            }
            Err(end) => end,
        }
    }

    async fn serve(&mut self) -> Result<(), End> {
        let mut answering: Option<Answering> = None;
        loop {
            tokio::select! {
                answer = answer_of(&mut answering) => {
                    answering = None;
                    self.tell(answer).await?;
                }
                line = self.feeds.next() => self.push(line).await?,
                frame = self.reader.next(), if answering.is_none() => match frame.map_err(End::Read)? {
                    Some(frame) => answering = self.begin(frame).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Nothing more is read. What has happened so far is still pushed: how a shutdown ended, to whoever asked for it.
    async fn last_lines(&mut self) -> Result<(), End> {
        while let Some(line) = self.feeds.last() {
            self.push(line).await?;
        }
        Ok(())
    }

    /// Begins to answer a request; what is none is refused at once.
    async fn begin(&mut self, frame: String) -> Result<Option<Answering>, End> {
        let request = match Request::read(frame.as_bytes()) {
            Ok(request) => request,
            Err(refusal) => {
                self.writer.send(&rendered(&refusal.response())).await?;
                return Ok(None);
            }
        };
        let caller = Caller { frame_bytes: frame.len(), ..self.caller };
        match self.dispatcher.answer_read(&caller, request) {
            Ok(answer) => {
                self.tell(answer).await?;
                Ok(None)
            }
            Err(request) => {
                let dispatcher = self.dispatcher.clone();
                Ok(Some(Box::pin(async move { dispatcher.answer(&caller, request).await })))
            }
        }
    }

    async fn tell(&mut self, mut answer: Answer) -> Result<(), End> {
        self.write(|out| answer.portion(out)).await?;
        self.writer.flush().await?;
        if let Some(feed) = answer.feed {
            self.feeds.add(feed);
            // Who listens need not speak.
            self.reader.set_idle(None);
        }
        Ok(())
    }

    /// Writes a line, and what else happened already. What that changed is told when it is on its way.
    async fn push(&mut self, pushed: Pushed) -> Result<(), End> {
        match pushed {
            Pushed::Line(line) => self.writer.queue(&line),
            Pushed::State(mut state) => self.write(|out| state.portion(out)).await?,
        }
        self.feeds.gather(&mut self.writer, PORTION);
        Ok(self.writer.flush().await?)
    }

    /// Queues a line that comes in portions, and writes all of them but the last.
    async fn write(&mut self, mut portion: impl FnMut(&mut Vec<u8>) -> bool) -> Result<(), End> {
        while self.writer.queue_part(&mut portion) {
            self.writer.flush().await?;
        }
        self.writer.end_frame();
        Ok(())
    }
}

/// The answer that is being made; waits for ever when none is.
async fn answer_of(answering: &mut Option<Answering>) -> Answer {
    match answering {
        Some(answering) => answering.await,
        None => std::future::pending().await,
    }
}

fn unreadable(error: &ReadError) -> WireError {
    WireError::new(ErrorCode::find(error.code()).unwrap_or(ErrorCode::IncompleteFrame), error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use supervisor_socket::{Deadlines, FrameLimits};
    use tokio::io::{
        AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex,
    };
    use tokio::task::JoinHandle;
    use tokio::time::Instant;
    use tokio_supervisor::{SupervisorHandle, SupervisorSpec};

    use super::*;
    use crate::scene::{admin, restart, serve, service};

    const MINUTE: Duration = Duration::from_secs(60);

    /// A session over a pipe that holds so many bytes.
    async fn session(holds: usize) -> (SupervisorHandle, BufReader<DuplexStream>, JoinHandle<End>) {
        let (handle, dispatcher) = serve(SupervisorSpec::root([service("db")])).await;
        let (ours, theirs) = duplex(holds);
        let (read, write) = tokio::io::split(theirs);
        let deadlines = Deadlines::default();
        let reader = FrameReader::new(read, FrameLimits::requests(), deadlines);
        let writer = FrameWriter::new(write, deadlines.write);
        let session = tokio::spawn(Session::new(dispatcher, admin(), reader, writer).run());
        (handle, BufReader::new(ours), session)
    }

    async fn subscribe(client: &mut BufReader<DuplexStream>) {
        let params = json!({"session_established": true});
        let request = json!({"request_id": "1", "method": "events.subscribe", "params": params});
        client.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        assert_eq!(line(client).await["ok"], true);
    }

    async fn line(client: &mut BufReader<DuplexStream>) -> Value {
        let mut line = String::new();
        client.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn s07_whoever_does_not_read_is_cut_after_10_seconds() {
        let (handle, mut client, session) = session(1024).await;
        subscribe(&mut client).await;
        let began = Instant::now();
        restart(&handle, "db").await;
        restart(&handle, "db").await;
        let end = session.await.unwrap();
        assert!(matches!(end, End::Write(WriteError::Stalled { .. })), "{end}");
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        assert!(handle.is_alive());
    }

    #[tokio::test(start_paused = true)]
    async fn s07_silence_ends_a_session_after_5_minutes_unless_it_has_subscribed() {
        let (_handle, _client, silent) = session(1024).await;
        let began = Instant::now();
        let end = silent.await.unwrap();
        assert!(matches!(end, End::Read(ReadError::Idle { .. })), "{end}");
        assert_eq!(began.elapsed(), 5 * MINUTE);

        let (handle, mut client, listening) = session(64 * 1024).await;
        subscribe(&mut client).await;
        tokio::time::advance(60 * MINUTE).await;
        restart(&handle, "db").await;
        assert_eq!(line(&mut client).await["type"], "event");
        assert!(!listening.is_finished());
    }

    /// Who says nothing more still hears what happened until then. The order of the two is left to chance, so it is tried
    /// often.
    #[tokio::test(start_paused = true)]
    async fn what_happened_before_the_end_of_a_session_is_pushed() {
        for _ in 0..32 {
            // It is held up in the middle of the first line.
            let (handle, mut client, session) = session(64).await;
            subscribe(&mut client).await;
            restart(&handle, "db").await;
            client.shutdown().await.unwrap();
            let mut told = String::new();
            client.read_to_string(&mut told).await.unwrap();
            let end = session.await.unwrap();
            assert!(matches!(end, End::Done), "{end}");
            assert!(told.contains("ChildRunning"), "{told}");
        }
    }

    /// A delta comes not too soon after the one before. A session that ends has no later.
    #[tokio::test(start_paused = true)]
    async fn the_last_change_of_the_state_is_pushed_before_the_session_ends() {
        let (handle, mut client, session) = session(64 * 1024).await;
        subscribe(&mut client).await;
        restart(&handle, "db").await;
        while line(&mut client).await["type"] != "state_delta" {}
        let began = Instant::now();
        restart(&handle, "db").await;
        client.shutdown().await.unwrap();
        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        assert_eq!(last["type"], "state_delta", "{told}");
        assert_eq!(last["delta"]["runtime_state"][0]["generation"], 3);
        assert_eq!(began.elapsed(), Duration::ZERO, "nobody waits for it");
        assert!(matches!(session.await.unwrap(), End::Done));
    }

    /// A command that takes long holds up nothing but the answers after it.
    #[tokio::test(start_paused = true)]
    async fn lines_are_pushed_while_a_command_is_carried_out() {
        let (handle, mut client, _session) = session(64 * 1024).await;
        let slow = tokio_supervisor::ChildSpec::service("slow", |ctx| async move {
            ctx.stopping().await;
            tokio::time::sleep(MINUTE / 3).await;
        });
        handle.add_child_spec("/", slow.grace_infinity(), "test", "slow").await.unwrap();
        subscribe(&mut client).await;
        let params = json!({"command_id": "c", "target_id": "shop", "command": "pause_child",
            "target": {"child_path": "/slow"}, "reason": "x", "requested_by": "x"});
        let request = json!({"request_id": "2", "method": "command.pause_child", "params": params});
        client.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let began = Instant::now();
        assert_eq!(line(&mut client).await["event"]["event_type"], "ChildStopping");
        assert_eq!(began.elapsed(), Duration::ZERO);
        while line(&mut client).await["request_id"] != "2" {}
        assert_eq!(began.elapsed(), MINUTE / 3);
    }
}
