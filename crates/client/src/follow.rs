//! Seeing all that happens in a target, whatever becomes of the connection.
//!
//! ```text
//!            ┌────────────────────── back-off ◄───────────────┐
//!            ▼                                                │ lost, or no answer
//!   connect, hello ──► subscribe from the last seen ──► state ──► pushes
//!            ▲                                            │
//!            └──────── another life: forget what was seen ┘
//! ```
//!
//! The subscription comes before the state, so nothing falls between them; what is pushed and already in the state is
//! folded without effect, because each row says how old it is.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use supervisor_api::wire::{
    Call, DashboardState, EventRecord, Gap, LogRecord, Push, ResultBody, StateParams, Stream, TreeView,
    WireError,
};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::backoff::Waits;
use crate::error::{CallError, ConnectError, Lost};
use crate::happening::{Happening, Stale, View};
use crate::past::{Cursor, Past};
use crate::session::Session;
use crate::settings::Settings;
use crate::wire::Came;

/// Follows one target: connects, resumes by sequence, and connects again with back-off until it is dropped.
///
/// Nothing runs by itself: [`next`](Self::next) does it all, and the view is as new as what was taken with it. Who does
/// not take pushes is cut off by the target after a while; the follower then resumes.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    settings: Settings,
    wants: Wants,
    link: Link,
    past: Option<Past>,
    view: Option<TreeView>,
    /// Since when the view may be old.
    stale: Option<(Instant, Stale)>,
    told: VecDeque<Happening>,
    waits: Waits,
}

/// What is subscribed to.
#[derive(Debug, Clone, Copy, Default)]
struct Wants {
    events_from: Option<u64>,
    logs: bool,
    logs_from: Option<u64>,
}

#[derive(Debug)]
enum Link {
    /// Nothing is tried before then.
    Down(Instant),
    Connecting(Connecting),
    Up(Box<Up>),
}

/// Boxed and kept, so that cancelling `next` does not begin it anew.
struct Connecting(Pin<Box<dyn Future<Output = Result<Linked, ConnectError>> + Send + Sync>>);

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connecting")
    }
}

#[derive(Debug)]
struct Up {
    session: Session,
    since: Instant,
    /// When to ask whether the target still answers.
    ask_at: Instant,
    /// The request that asks so.
    asked: Option<u64>,
    /// The request for a new state, after a gap.
    refresh: Option<u64>,
}

/// A connection that is subscribed, with the state at its beginning.
struct Linked {
    session: Session,
    state: DashboardState,
    how: How,
    events: Subscribed,
    logs: Subscribed,
}

/// A subscription: the first sequence that was asked for, and the first that is pushed, as the target says.
#[derive(Debug, Clone, Copy, Default)]
struct Subscribed {
    asked: Option<u64>,
    from: Option<u64>,
}

impl Subscribed {
    async fn to(session: &mut Session, stream: Stream, asked: Option<u64>) -> Result<Self, CallError> {
        Ok(Self { asked, from: session.subscribe(stream, asked).await? })
    }

    /// What comes next for who has this behind him.
    fn go_on(self, cursor: Cursor) -> Cursor {
        Cursor { next: cursor.next.or(self.asked).or(self.from), ..cursor }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    First,
    Same,
    Other,
}

impl Follower {
    /// A follower of the target whose socket is at `path`. The first [`next`](Self::next) connects.
    pub fn new(path: impl Into<PathBuf>, settings: Settings) -> Self {
        let waits = Waits::new(settings.backoff.clone());
        Self {
            path: path.into(),
            settings,
            wants: Wants::default(),
            link: Link::Down(Instant::now()),
            past: None,
            view: None,
            stale: None,
            told: VecDeque::new(),
            waits,
        }
    }

    /// The first event that is wanted; what is no longer kept is told as a gap. From now on unless it is set.
    #[must_use]
    pub fn events_from(mut self, sequence: u64) -> Self {
        self.wants.events_from = Some(sequence);
        self
    }

    /// Lines of logs are wanted, too: from this sequence on, or from now on.
    #[must_use]
    pub fn logs(mut self, from: Option<u64>) -> Self {
        (self.wants.logs, self.wants.logs_from) = (true, from);
        self
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tree with all that was taken.
    pub fn view(&self) -> View<'_> {
        match (&self.view, self.stale) {
            (None, _) => View::Unknown,
            (Some(tree), None) => View::Current(tree),
            (Some(tree), Some((since, why))) => View::Stale { tree, since, why },
        }
    }

    /// What happens next. Waits as long as it takes, and goes on after every failure; who does not want to try again
    /// drops the follower. Cancel safe: nothing is lost, and neither deadlines nor attempts begin anew.
    pub async fn next(&mut self) -> Happening {
        loop {
            if let Some(happening) = self.told.pop_front() {
                return happening;
            }
            match &mut self.link {
                Link::Down(until) => {
                    sleep_until(*until).await;
                    self.link = Link::Connecting(self.connect());
                }
                Link::Connecting(connecting) => {
                    let linked = connecting.0.as_mut().await;
                    self.linked(linked);
                }
                Link::Up(up) => {
                    let came = up.came(self.settings.quiet).await;
                    self.came(came);
                }
            }
        }
    }

    fn connect(&self) -> Connecting {
        let (path, settings) = (self.path.clone(), self.settings.clone());
        Connecting(Box::pin(link(path, settings, self.wants, self.past.clone())))
    }

    fn linked(&mut self, linked: Result<Linked, ConnectError>) {
        let linked = match linked {
            Ok(linked) => linked,
            Err(why) => {
                let retry_in = self.wait();
                self.told.push_back(Happening::Unreachable { why, retry_in });
                return;
            }
        };
        let Linked { session, state, how, events, logs } = linked;
        let kept = self.past.take().filter(|_| how == How::Same);
        let (seen_events, seen_logs) = kept.map(|past| (past.events, past.logs)).unwrap_or_default();
        let hello = Box::new(session.hello().clone());
        let mut cursor = events.go_on(seen_events);
        cursor.recall(&state.recent_events);
        self.past = Some(Past {
            target_id: hello.target_id().to_owned(),
            pid: session.peer().pid,
            generation: state.state_generation,
            events: cursor,
            logs: logs.go_on(seen_logs),
        });
        self.view = Some(TreeView::new(state));
        self.stale = None;
        self.told.push_back(match how {
            How::First => Happening::Connected(hello),
            How::Same => Happening::Resumed(hello),
            How::Other => Happening::Restarted(hello),
        });
        let now = Instant::now();
        let ask_at = now + self.settings.quiet;
        self.link = Link::Up(Box::new(Up { session, since: now, ask_at, asked: None, refresh: None }));
        for (stream, from) in [(Stream::Events, events.from), (Stream::Logs, logs.from)] {
            if let Some(before) = from.and_then(|from| from.checked_sub(1)) {
                self.lost_until(stream, 0, before);
            }
        }
    }

    fn came(&mut self, came: Result<News, Lost>) {
        match came {
            Ok(News::Silent) => {
                self.stale.get_or_insert((Instant::now(), Stale::Silent));
            }
            Ok(News::Answers) => self.is_heard(),
            Ok(News::State(state)) => self.refreshed(*state),
            Ok(News::Push(push)) => {
                self.is_heard();
                self.pushed(push);
            }
            Err(why) => self.lose(why),
        }
    }

    /// A sign of life ends the doubt that silence has raised.
    fn is_heard(&mut self) {
        self.stale = self.stale.filter(|(_, why)| *why != Stale::Silent);
    }

    fn refreshed(&mut self, state: DashboardState) {
        if let Some(past) = &mut self.past {
            past.generation = past.generation.max(state.state_generation);
            past.events.recall(&state.recent_events);
        }
        if let Some(view) = &mut self.view {
            view.replace(state);
        }
        self.stale = None;
        self.told.push_back(Happening::Refreshed);
    }

    fn pushed(&mut self, push: Push) {
        let Some(view) = &mut self.view else { return };
        let is_ours = match &push {
            Push::Event { target_id, .. }
            | Push::Log { target_id, .. }
            | Push::StateDelta { target_id, .. }
            | Push::Gap { target_id, .. } => target_id == view.target_id(),
            _ => true,
        };
        match push {
            _ if !is_ours => {}
            Push::Event { event, .. } => self.event(event),
            Push::Log { log, .. } => self.log(log),
            Push::StateDelta { delta, .. } => {
                view.apply_delta((*delta).clone());
                let generation = view.state().state_generation;
                if let Some(past) = &mut self.past {
                    past.generation = past.generation.max(generation);
                }
                self.told.push_back(Happening::Delta(delta));
            }
            Push::Gap { stream, from, to, .. } => {
                // Of a stream that this version does not know nothing can be missed.
                if let Some(stream) = stream.known() {
                    self.lost_until(stream, from, to);
                }
            }
            Push::Error { error } => self.told.push_back(Happening::Problem(error)),
            _ => {}
        }
    }

    fn event(&mut self, event: Box<EventRecord>) {
        let (Some(view), Some(past)) = (&mut self.view, &mut self.past) else { return };
        let cursor = &mut past.events;
        if cursor.next.is_some_and(|next| event.sequence < next) {
            let known = cursor.last.as_ref().is_none_or(|last| **last == *event);
            if !known {
                self.is_another_life();
            }
            return;
        }
        *cursor = Cursor { next: event.sequence.checked_add(1), last: Some(event.clone()) };
        view.apply_event((*event).clone());
        self.told.push_back(Happening::Event(event));
    }

    fn log(&mut self, log: Box<LogRecord>) {
        let (Some(view), Some(past)) = (&mut self.view, &mut self.past) else { return };
        if let Some(sequence) = log.sequence {
            if past.logs.next.is_some_and(|next| sequence < next) {
                return;
            }
            past.logs.next = sequence.checked_add(1);
        }
        let push = Push::Log { target_id: view.target_id().clone(), log: log.clone() };
        view.apply(push);
        self.told.push_back(Happening::Log(log));
    }

    /// Everything up to `to` that has not been seen is lost. A gap is told once, by the answer to the subscription, by
    /// a push, or by both.
    fn lost_until(&mut self, stream: Stream, from: u64, to: u64) {
        let (Some(view), Some(past)) = (&mut self.view, &mut self.past) else { return };
        let cursor = match stream {
            Stream::Events => &mut past.events,
            Stream::Logs => &mut past.logs,
        };
        let gap = Gap { from: from.max(cursor.next.unwrap_or(from)), to };
        if gap.from > gap.to {
            return;
        }
        *cursor = Cursor { next: to.checked_add(1), last: None };
        let target_id = view.target_id().clone();
        view.apply(Push::Gap { target_id, stream: stream.into(), from: gap.from, to: gap.to });
        self.told.push_back(Happening::Gap { stream, gap });
        if stream == Stream::Events {
            self.stale = Some((Instant::now(), Stale::Gap));
            if let Link::Up(up) = &mut self.link {
                up.refresh = Some(up.session.ask(Call::State(StateParams::default())));
            }
        }
    }

    /// What was seen is not of the life that speaks now.
    fn is_another_life(&mut self) {
        if let Some(past) = &mut self.past {
            // A generation that no state reaches: the next one contradicts it.
            past.generation = u64::MAX;
        }
        self.lose(Lost::AnotherLife);
    }

    fn lose(&mut self, why: Lost) {
        let stale = self.stale.filter(|(_, why)| *why != Stale::Silent);
        let since = stale.map_or_else(Instant::now, |(since, _)| since);
        self.stale = Some((since, Stale::Disconnected));
        if let Link::Up(up) = &self.link {
            self.waits.held(up.since.elapsed());
        }
        let retry_in = self.wait();
        self.told.push_back(Happening::Disconnected { why, retry_in });
    }

    fn wait(&mut self) -> Duration {
        let wait = self.waits.next();
        self.link = Link::Down(Instant::now() + wait);
        wait
    }
}

/// What a connection brought.
enum News {
    Push(Push),
    /// The state that was asked for after a gap.
    State(Box<DashboardState>),
    /// It answers.
    Answers,
    /// It has said nothing for a while.
    Silent,
}

impl Up {
    async fn came(&mut self, quiet: Duration) -> Result<News, Lost> {
        let came = if self.asked.is_some() {
            self.session.came().await?
        } else {
            match timeout_at(self.ask_at, self.session.came()).await {
                Ok(came) => came?,
                Err(_) => {
                    self.asked = Some(self.session.ask(Call::Hello));
                    return Ok(News::Silent);
                }
            }
        };
        self.ask_at = Instant::now() + quiet;
        match came {
            Came::Push(push) => Ok(News::Push(push)),
            Came::Answer { to, answer } if self.refresh == Some(to) => {
                self.refresh = None;
                state_of(answer)
            }
            Came::Answer { to, .. } => {
                self.asked = self.asked.filter(|asked| *asked != to);
                Ok(News::Answers)
            }
        }
    }
}

/// The state in an answer. A target that does not give it is left: the view could not be mended.
fn state_of(answer: Result<ResultBody, WireError>) -> Result<News, Lost> {
    match answer {
        Ok(ResultBody::State { state, .. }) => Ok(News::State(state)),
        Ok(_) => Err(Lost::Confused("state".to_owned())),
        Err(error) => Err(Lost::Refused(error)),
    }
}

/// Connects, subscribes and reads the state. What shows another life makes it forget the past, and begin anew if the
/// subscription was made for the past.
async fn link(
    path: PathBuf,
    settings: Settings,
    wants: Wants,
    past: Option<Past>,
) -> Result<Linked, ConnectError> {
    let mut how = if past.is_some() { How::Same } else { How::First };
    let mut past = past;
    loop {
        let mut session = Session::connect(&path, &settings).await?;
        if past.as_ref().is_some_and(|past| past.is_other(session.hello().target_id(), session.peer().pid)) {
            (how, past) = (How::Other, None);
        }
        // Of another life everything is new.
        let first = |wanted| if how == How::First { wanted } else { Some(1) };
        let asked = past.as_ref().map_or_else(|| first(wants.events_from), |past| past.events.resume());
        let events = Subscribed::to(&mut session, Stream::Events, asked).await?;
        let mut logs = Subscribed::default();
        if wants.logs {
            let asked = past.as_ref().map_or_else(|| first(wants.logs_from), |past| past.logs.resume());
            logs = Subscribed::to(&mut session, Stream::Logs, asked).await?;
        }
        let state = session.state(StateParams::default()).await?;
        if past.as_ref().is_some_and(|past| past.contradicts(events.from, &state)) {
            (how, past) = (How::Other, None);
            continue;
        }
        return Ok(Linked { session, state, how, events, logs });
    }
}
