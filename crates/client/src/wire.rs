//! Lines to and from one target: questions, their answers in order, and what is pushed between them.
//!
//! ```text
//!   ask ──► [3][4][5] ──► target          due: 3 4 5
//!           answers 3, 4, 5 in this order; the deadline of 3 runs, that of 4 begins when 3 is answered
//!           pushes come at any time
//! ```
//!
//! Questions and deadlines live here and not in the futures of those who ask. A call that is cancelled buys the target
//! no time, and its answer is passed by when it comes.

use std::collections::VecDeque;
use std::time::Duration;

use supervisor_api::wire::{
    Call, INVALID_REQUEST, Method, Push, Request, Response, ResultBody, TargetLine, WireError,
};
use supervisor_socket::{Connection, WriteError};
use tokio::time::{Instant, timeout_at};

use crate::error::Lost;

/// How many pushes are kept while an answer is waited for.
pub(crate) const MOST_PUSHES: usize = 4096;

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    connection: Connection,
    /// The number of the last request.
    asked: u64,
    /// Requests without an answer, the oldest first.
    due: VecDeque<Due>,
    /// When the oldest has to be answered.
    deadline: Option<Instant>,
    /// The target takes nothing any more. What it has said before is still read.
    deaf: bool,
    lost: Option<Lost>,
}

#[derive(Debug)]
struct Due {
    id: u64,
    method: Method,
    patience: Duration,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Came {
    Answer { to: u64, answer: Result<ResultBody, WireError> },
    Push(Pushed),
}

/// What was pushed, and the line that it came in.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) push: Push,
    pub(crate) line: String,
}

impl Wire {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, asked: 0, due: VecDeque::new(), deadline: None, deaf: false, lost: None }
    }

    /// Queues a request; it goes out while something is waited for. Returns its number.
    pub(crate) fn ask(&mut self, call: Call, patience: Duration) -> u64 {
        self.asked += 1;
        let (id, method) = (self.asked, call.method());
        let request = Request { request_id: id.to_string(), call };
        // What serde_json cannot write has keys that are no text; a request has none.
        if let Ok(line) = serde_json::to_vec(&request) {
            self.connection.writer.queue(&line);
        }
        self.due.push_back(Due { id, method, patience });
        if self.due.len() == 1 {
            self.deadline = Some(Instant::now() + patience);
        }
        id
    }

    /// What comes next. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Came, Lost> {
        loop {
            if let Some(lost) = &self.lost {
                return Err(lost.clone());
            }
            let line = match self.deadline {
                Some(deadline) => {
                    timeout_at(deadline, self.line()).await.unwrap_or_else(|_| Err(self.silent()))
                }
                None => self.line().await,
            };
            let came = line.and_then(|line| self.judge(line));
            match came {
                Ok(Some(came)) => return Ok(came),
                Ok(None) => {}
                Err(lost) => return Err(self.lose(lost)),
            }
        }
    }

    /// Ends the connection for this reason.
    pub(crate) fn lose(&mut self, lost: Lost) -> Lost {
        self.lost.get_or_insert(lost).clone()
    }

    /// The next line. What is queued is written meanwhile: a target that waits for us to read is no deadlock. It is
    /// written first: whoever pushes without a pause would otherwise be asked only when it has nothing more to say.
    async fn line(&mut self) -> Result<String, Lost> {
        let Connection { reader, writer, .. } = &mut self.connection;
        let frame = loop {
            if self.deaf || writer.queued() == 0 {
                break reader.next().await;
            }
            tokio::select! {
                biased;
                written = writer.flush() => match written {
                    Ok(()) => {}
                    Err(stalled @ WriteError::Stalled { .. }) => return Err(Lost::Broken(stalled.to_string())),
                    // It may have said why before it hung up.
                    Err(_) => self.deaf = true,
                },
                frame = reader.next() => break frame,
            }
        };
        match frame {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(Lost::Closed),
            // Who hangs up while we write is seen as a reset.
            Err(_) if self.deaf => Err(Lost::Closed),
            Err(error) => Err(Lost::Broken(error.to_string())),
        }
    }

    fn silent(&self) -> Lost {
        let oldest = self.due.front().map(|due| (due.method, due.patience));
        let (method, after) = oldest.unwrap_or((Method::Hello, Duration::ZERO));
        Lost::Silent { method, after }
    }

    /// What a line means; `None` for what a later version pushes.
    fn judge(&mut self, line: String) -> Result<Option<Came>, Lost> {
        match TargetLine::read(line.as_bytes()).map_err(Lost::Garbage)? {
            TargetLine::Push(push) if *push == Push::Unknown => Ok(None),
            TargetLine::Push(push) => Ok(Some(Came::Push(Pushed { push: *push, line }))),
            TargetLine::Response(response) => self.answer(*response).map(Some),
        }
    }

    fn answer(&mut self, response: Response) -> Result<Came, Lost> {
        let id = response.request_id.clone();
        let Some(answer) = response.into_result() else { return Err(Lost::Confused(id)) };
        let nobodys = id == INVALID_REQUEST;
        match (self.due.front(), answer) {
            (Some(due), answer) if nobodys || due.id.to_string() == id => {
                let to = due.id;
                self.due.pop_front();
                self.deadline = self.due.front().map(|next| Instant::now() + next.patience);
                Ok(Came::Answer { to, answer })
            }
            (None, Err(error)) if nobodys => Err(Lost::Refused(error)),
            _ => Err(Lost::Confused(id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use supervisor_socket::{Deadlines, FrameLimits};
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn a_target_that_always_has_more_to_push_is_asked_all_the_same() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let push = r#"{"type":"gap","target_id":"shop","stream":"events","from":1,"to":2}"#;
        theirs.write_all(format!("{push}\n").repeat(3).as_bytes()).await.unwrap();
        let limits = FrameLimits::replies(1 << 16);
        let mut wire = Wire::new(Connection::over(ours, limits, Deadlines::default()).unwrap());
        // With the first one the others have been read, too.
        assert!(matches!(wire.next().await.unwrap(), Came::Push(_)));
        wire.ask(Call::Hello, Duration::from_secs(5));
        assert!(matches!(wire.next().await.unwrap(), Came::Push(_)));
        // Nobody waits here: what was asked is there already, or it is not.
        let mut asked = [0; 1024];
        let mut theirs = theirs.into_std().unwrap();
        let bytes = theirs.read(&mut asked).map_err(|error| error.kind());
        assert!(matches!(bytes, Ok(bytes) if asked[..bytes].ends_with(b"\n")), "{bytes:?}");
    }
}
