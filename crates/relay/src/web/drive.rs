//! A session over a connection: when to read, write, ping and close.
//!
//! ```text
//!   ┌─► write what there is, at most a portion ──► wait for: a message, the bell, the next ping ──┐
//!   └────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! After the bell a pause follows, in which more is gathered: a busy relay looks through its targets a hundred times a
//! second for each browser, not once for each event.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::wire::{ErrorCode, Stage, WireError};
use tokio::sync::watch;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::pages::{Page, Pages};
use crate::clock;
use crate::orders::{Answer, Found};
use crate::session::{Close, Order, Question, Session};

/// How long a browser may take to say `client_hello`.
const HELLO: Duration = Duration::from_secs(10);
/// How long one frame may take to be taken.
const STALL: Duration = Duration::from_secs(10);
/// How often a browser is asked whether it is still there, and after how long a silence it is left.
const PING: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(45);
/// How often a browser is told that the relay is there: a page does not see pings.
const BEAT: Duration = Duration::from_secs(4);
/// How long a browser is still told things when the relay ends.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The least time between two looks through all targets.
const PACE: Duration = Duration::from_millis(10);
/// How many bytes go out before a message of the browser has its turn.
const PORTION: usize = 256 << 10;
/// How many commands of one browser are carried out at a time.
const COMMANDS: usize = 16;

/// What a browser sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Text(String),
    /// It is there.
    Pong,
    /// What is no text, or too long.
    Bad,
    /// It has gone.
    Gone,
}

/// A connection that carries messages. `hear` is cancel safe; after another method was cancelled it can only be closed.
pub(crate) trait Carrier: Send {
    fn hear(&mut self) -> impl Future<Output = Heard> + Send;
    fn say(&mut self, frame: Arc<str>) -> impl Future<Output = Result<(), Gone>> + Send;
    fn flush(&mut self) -> impl Future<Output = Result<(), Gone>> + Send;
    fn ping(&mut self) -> impl Future<Output = Result<(), Gone>> + Send;
    fn close(&mut self, why: Close) -> impl Future<Output = ()> + Send;
}

/// The browser has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// Whoever carries commands out. An answer is dropped when the browser leaves; what was begun is to be finished all the
/// same.
pub(crate) trait Commands: Send + Sync + 'static {
    /// Carries out a command that this identity may give, and says how it went.
    fn carry_out(self: Arc<Self>, order: Order) -> impl Future<Output = Answer> + Send;
    /// Answers a question: looks it up in the audit, or asks the target.
    fn look_up(self: Arc<Self>, question: Question) -> impl Future<Output = Found> + Send;
}

/// Why a session ended: closed by us, or left by the browser.
type End = Result<Close, Gone>;

/// Serves one browser until it leaves or is closed, `ended` at the latest: then it is not who it was.
pub(crate) async fn drive(
    session: Session,
    mut carrier: impl Carrier,
    commands: Arc<impl Commands>,
    closing: watch::Receiver<bool>,
    pages: Arc<Pages>,
    ended: impl Future<Output = Close> + Send,
) -> End {
    let end = Driver::new(session, &mut carrier, commands, closing, pages).run(ended).await;
    if let Ok(why) = end {
        // Who does not read is not waited for.
        let _ = timeout(Duration::from_secs(1), carrier.close(why)).await;
    }
    end
}

/// What is carried out beside.
enum Done {
    Command(Box<Answer>),
    Question(Found),
}

struct Driver<'a, C, K> {
    session: Session,
    carrier: &'a mut C,
    commands: Arc<K>,
    closing: watch::Receiver<bool>,
    pages: Arc<Pages>,
    page: Option<Page>,
    began: Instant,
    heard_at: Instant,
    ping_at: Instant,
    beat_at: Instant,
    running: JoinSet<Done>,
    /// What is being answered, or was: a question about the audit, one about a child.
    looking: [Option<task::Id>; 2],
    /// Which commands and questions those are.
    ids: HashMap<task::Id, Arc<str>>,
}

impl<'a, C: Carrier, K: Commands> Driver<'a, C, K> {
    fn new(
        session: Session,
        carrier: &'a mut C,
        commands: Arc<K>,
        closing: watch::Receiver<bool>,
        pages: Arc<Pages>,
    ) -> Self {
        let now = Instant::now();
        Self {
            session,
            carrier,
            commands,
            closing,
            pages,
            page: None,
            began: now,
            heard_at: now,
            ping_at: now + PING,
            beat_at: now + BEAT,
            running: JoinSet::new(),
            looking: [None; 2],
            ids: HashMap::new(),
        }
    }

    async fn run(mut self, ended: impl Future<Output = Close>) -> End {
        let mut ended = pin!(ended);
        let mut bell = self.session.bell();
        let mut closing = self.closing.clone();
        loop {
            bell.borrow_and_update();
            let looked_at = Instant::now();
            let is_all = match self.write().await {
                Ok(is_all) => is_all,
                Err(end) => return end,
            };
            let hello_by = self.began + HELLO;
            let is_new = !self.session.is_established();
            let news = async {
                if is_all {
                    // It is rung by what outlives us.
                    let _ = bell.changed().await;
                    sleep_until(looked_at + PACE).await;
                }
            };
            tokio::select! {
                biased;
                () = asked(&mut closing) => return self.last_words().await,
                why = &mut ended => return Ok(why),
                () = replaced(&mut self.page) => return Ok(Close::Replaced),
                heard = self.carrier.hear() => {
                    self.heard_at = Instant::now();
                    if let Some(end) = self.take(heard) {
                        return end;
                    }
                }
                () = sleep_until(hello_by), if is_new => return Ok(Close::HelloTimeout),
                () = sleep_until(self.ping_at) => {
                    if self.heard_at.elapsed() >= SILENCE {
                        return Ok(Close::TooSlow);
                    }
                    self.ping_at = Instant::now() + PING;
                    if let Err(end) = judged(timeout(STALL, self.carrier.ping()).await) {
                        return end;
                    }
                }
                () = sleep_until(self.beat_at) => {
                    self.beat_at = Instant::now() + BEAT;
                    if let Err(close) = self.session.beat(clock::now()) {
                        return Ok(close);
                    }
                }
                Some(done) = self.running.join_next_with_id() => {
                    if let Err(close) = self.done(done) {
                        return Ok(close);
                    }
                }
                () = news => {}
            }
        }
    }

    /// The relay ends. What happened until now is still told, and so is what came of commands, as far as that is soon.
    async fn last_words(&mut self) -> End {
        let all = async {
            loop {
                while !self.write().await? {}
                match self.running.join_next_with_id().await {
                    Some(done) => self.done(done).map_err(Ok)?,
                    None => return Ok(()),
                }
            }
        };
        match timeout(LAST_WORDS, all).await {
            Ok(Err(end)) => end,
            Ok(Ok(())) | Err(_) => Ok(Close::GoingAway),
        }
    }

    /// Writes what there is, up to a portion; whether that was all.
    async fn write(&mut self) -> Result<bool, End> {
        let mut portion = 0;
        while portion < PORTION {
            let Some(frame) = self.session.next() else {
                return self.flush().await.map(|()| true);
            };
            portion += frame.len();
            let sent = timeout(STALL, self.carrier.say(frame)).await;
            judged(sent)?;
        }
        self.flush().await.map(|()| false)
    }

    async fn flush(&mut self) -> Result<(), End> {
        judged(timeout(STALL, self.carrier.flush()).await)
    }

    fn take(&mut self, heard: Heard) -> Option<End> {
        let text = match heard {
            Heard::Text(text) => text,
            Heard::Pong => return None,
            Heard::Bad => return Some(Ok(Close::BadMessage)),
            Heard::Gone => return Some(Err(Gone)),
        };
        match self.session.heard(text.as_bytes()) {
            Ok(None) => {
                self.say_which_page();
                self.look_up().err().map(Ok)
            }
            Ok(Some(order)) => self.begin(order).err().map(Ok),
            Err(close) => Some(Ok(close)),
        }
    }

    fn say_which_page(&mut self) {
        // A page that has no name for itself is no other's.
        let page = self.session.page().filter(|(_, store)| self.page.is_none() && !store.is_empty());
        if let Some((identity, store)) = page {
            self.page = Some(self.pages.open(identity, store));
        }
    }

    /// Has answered what was asked, if something was: one question of a kind at a time.
    fn look_up(&mut self) -> Result<(), Close> {
        let Some(question) = self.session.question() else { return Ok(()) };
        let id: Arc<str> = question.id().into();
        let kind = usize::from(matches!(question, Question::Why(_)));
        if self.looking[kind].is_some_and(|task| self.ids.contains_key(&task)) {
            let message = "another question of this kind is being answered; ask when it is";
            let error = WireError::new(ErrorCode::RateLimitExceeded, message).at(Stage::RateLimit);
            return self.session.refused(&id, error.retry_after(1_000));
        }
        let commands = Arc::clone(&self.commands);
        let task = self.running.spawn(async move { Done::Question(commands.look_up(question).await) });
        self.looking[kind] = Some(task.id());
        self.ids.insert(task.id(), id);
        Ok(())
    }

    fn begin(&mut self, order: Order) -> Result<(), Close> {
        let id = Arc::clone(&order.command.command_id);
        if self.running.len() >= COMMANDS {
            let message = format!("{COMMANDS} commands of this session are being carried out; wait for one");
            let error = WireError::new(ErrorCode::RateLimitExceeded, message).at(Stage::RateLimit);
            return self.session.refused(&id, error.on(order.command.target_id));
        }
        let commands = Arc::clone(&self.commands);
        let task =
            self.running.spawn(async move { Done::Command(Box::new(commands.carry_out(order).await)) });
        self.ids.insert(task.id(), id);
        Ok(())
    }

    fn done(&mut self, done: Result<(task::Id, Done), JoinError>) -> Result<(), Close> {
        let task = done.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
        let Some(id) = self.ids.remove(&task) else { return Ok(()) };
        match done {
            Ok((_, Done::Command(answer))) => match *answer {
                Ok(result) => self.session.answered(result),
                Err(error) => self.session.refused(&id, error),
            },
            Ok((_, Done::Question(Ok(answer)))) => self.session.told(&answer),
            Ok((_, Done::Question(Err(error)))) => self.session.refused(&id, error),
            Err(_) => {
                let message = "the relay failed while the command was carried out; look how the target is";
                self.session.refused(&id, WireError::new(ErrorCode::CommandFailed, message))
            }
        }
    }
}

/// Until the relay ends.
async fn asked(closing: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is an end, too.
    drop(closing.wait_for(|closing| *closing).await);
}

/// Until another session has taken the place of this one.
async fn replaced(page: &mut Option<Page>) {
    match page {
        Some(page) => page.replaced().await,
        None => std::future::pending().await,
    }
}

/// Who does not take a frame in time is too slow; who cannot is gone.
fn judged(sent: Result<Result<(), Gone>, tokio::time::error::Elapsed>) -> Result<(), End> {
    match sent {
        Ok(sent) => sent.map_err(Err),
        Err(_) => Err(Ok(Close::TooSlow)),
    }
}

#[cfg(test)]
mod tests;
