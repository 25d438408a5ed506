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
use std::path::Path;
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
use crate::hello::Hello;
use crate::past::{Cursor, Past};
use crate::session::Session;
use crate::settings::Settings;
use crate::way::Way;
use crate::wire::{Came, Pushed};

/// Follows one target: connects, resumes by sequence, and connects again with back-off until it is dropped.
///
/// Nothing runs by itself: [`next`](Self::next) does it all, and the view is as new as what was taken with it. Who does
/// not take pushes is cut off by the target after a while; the follower then resumes.
#[derive(Debug)]
pub struct Follower {
    way: Way,
    settings: Settings,
    wants: Wants,
    link: Link,
    past: Option<Past>,
    view: Option<TreeView>,
    /// Since when the view may be old.
    stale: Option<(Instant, Stale)>,
    told: VecDeque<Happening>,
    /// The line of the happening that was told last, or, until it is told, the line that is being taken in.
    line: Option<String>,
    waits: Waits,
}

/// What is subscribed to.
#[derive(Debug, Clone, Copy, Default)]
struct Wants {
    events_from: Option<u64>,
    logs: bool,
    logs_from: Option<u64>,
    /// How often who pushes nothing is asked.
    poll: Option<Duration>,
    /// Who has to listen.
    uid: Option<u32>,
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
    /// Whether the state is asked for in every silence.
    polls: bool,
    /// The silence after which it is asked.
    patience: Duration,
    /// When to ask whether the target still answers, or how it is.
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
    /// `tolerant`: a refusal is no failure; the records are looked for elsewhere.
    async fn to(
        session: &mut Session,
        stream: Stream,
        asked: Option<u64>,
        tolerant: bool,
    ) -> Result<Self, CallError> {
        match session.subscribe(stream, asked).await {
            Ok(from) => Ok(Self { asked, from }),
            Err(CallError::Refused(_) | CallError::Unexpected { .. }) if tolerant => {
                Ok(Self { asked, from: None })
            }
            Err(error) => Err(error),
        }
    }

    /// What comes next for who has this behind him.
    fn go_on(self, cursor: Cursor) -> Cursor {
        Cursor { next: cursor.next.or(self.asked).or(self.from), ..cursor }
    }
}

/// Whether a target may be of a kind that only answers. One that tells capabilities pushes.
fn may_be_silent(hello: &Hello) -> bool {
    hello.capabilities.is_empty()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    First,
    Same,
    Other,
}

impl Follower {
    /// A follower of the target that is reached so, mostly by the path of its socket. The first [`next`](Self::next)
    /// connects.
    pub fn new(way: impl Into<Way>, settings: Settings) -> Self {
        let waits = Waits::new(settings.backoff.clone());
        Self {
            way: way.into(),
            settings,
            wants: Wants::default(),
            link: Link::Down(Instant::now()),
            past: None,
            view: None,
            stale: None,
            told: VecDeque::new(),
            line: None,
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

    /// A target of another kind is asked for its state after each such silence: one that tells no capabilities, may
    /// refuse a subscription, or grants it and pushes nothing. What its state shows as new is told as if it had been
    /// pushed. Without this a refused subscription is a failed attempt to connect.
    #[must_use]
    pub fn polled(mut self, every: Duration) -> Self {
        self.wants.poll = Some(every);
        self
    }

    /// Only a process of this user is believed: another one that listens on the socket is
    /// [unreachable](Happening::Unreachable).
    #[must_use]
    pub fn listened_by(mut self, uid: u32) -> Self {
        self.wants.uid = Some(uid);
        self
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        self.way.path()
    }

    /// The line that the target pushed, if that is how the happening came that [`next`](Self::next) gave last. It is
    /// one JSON object without a key that stands there twice, and nothing else was changed or checked in it.
    pub fn line(&self) -> Option<&str> {
        self.line.as_deref()
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
            self.line = None;
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
                    let came = up.came().await;
                    self.came(came);
                }
            }
        }
    }

    fn connect(&self) -> Connecting {
        let (way, settings) = (self.way.clone(), self.settings.clone());
        Connecting(Box::pin(link(way, settings, self.wants, self.past.clone())))
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
        let poll = self.wants.poll.filter(|_| may_be_silent(&hello));
        let mut cursor = events.go_on(seen_events);
        if poll.is_some() && cursor.next.is_none() {
            cursor.next = state.recent_events.last().map_or(Some(1), |last| last.sequence.checked_add(1));
        }
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
        // Who pushes is asked after a silence. Who may not push is asked at once, for what its state shows as new.
        let (patience, ask_at) = match poll {
            Some(every) => (every, now),
            None => (self.settings.quiet, now + self.settings.quiet),
        };
        let polls = poll.is_some();
        let up = Up { session, since: now, polls, patience, ask_at, asked: None, refresh: None };
        self.link = Link::Up(Box::new(up));
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
            Ok(News::Polled(state)) => self.polled_state(*state),
            Ok(News::Push(pushed)) => {
                self.is_heard();
                self.pushed(pushed);
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

    /// What a target that pushes nothing shows when it is asked. Its recent events and lines that are new are told as
    /// if they had been pushed, and a hole before them as a gap.
    fn polled_state(&mut self, state: DashboardState) {
        let (Some(view), Some(past)) = (&mut self.view, &mut self.past) else { return };
        if past.contradicts(None, &state) {
            return self.is_another_life();
        }
        past.generation = past.generation.max(state.state_generation);
        for event in &state.recent_events {
            let lost = past.events.hole_before(event.sequence);
            self.told.extend(lost.map(|gap| Happening::Gap { stream: Stream::Events, gap }));
            if past.events.next.is_none_or(|next| event.sequence >= next) {
                let event = Box::new(event.clone());
                past.events = Cursor { next: event.sequence.checked_add(1), last: Some(event.clone()) };
                self.told.push_back(Happening::Event(event));
            }
        }
        for log in &state.recent_logs {
            let lost = log.sequence.and_then(|sequence| past.logs.hole_before(sequence));
            self.told.extend(lost.map(|gap| Happening::Gap { stream: Stream::Logs, gap }));
            let is_new = match log.sequence {
                Some(sequence) => past.logs.next.is_none_or(|next| sequence >= next),
                None => !view.state().recent_logs.contains(log),
            };
            if is_new {
                past.logs.next = log.sequence.map_or(past.logs.next, |sequence| sequence.checked_add(1));
                self.told.push_back(Happening::Log(Box::new(log.clone())));
            }
        }
        if view.state().state_generation != state.state_generation {
            self.told.push_back(Happening::Refreshed);
        }
        view.replace(state);
        self.stale = None;
    }

    fn pushed(&mut self, Pushed { push, line }: Pushed) {
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
            Push::Event { event, .. } => self.event(event, line),
            Push::Log { log, .. } => self.log(log, line),
            Push::StateDelta { delta, .. } => {
                view.apply_delta((*delta).clone());
                let generation = view.state().state_generation;
                if let Some(past) = &mut self.past {
                    past.generation = past.generation.max(generation);
                }
                self.line = Some(line);
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

    fn event(&mut self, event: Box<EventRecord>, line: String) {
        let (Some(view), Some(past)) = (&mut self.view, &mut self.past) else { return };
        let cursor = &mut past.events;
        if cursor.next.is_some_and(|next| event.sequence < next) {
            let is_last = cursor.last.as_ref().is_none_or(|last| **last == *event);
            let known = is_last || view.state().recent_events.contains(&event);
            if !known {
                self.is_another_life();
            }
            return;
        }
        *cursor = Cursor { next: event.sequence.checked_add(1), last: Some(event.clone()) };
        view.apply_event((*event).clone());
        self.line = Some(line);
        self.told.push_back(Happening::Event(event));
    }

    fn log(&mut self, log: Box<LogRecord>, line: String) {
        let (Some(view), Some(past)) = (&mut self.view, &mut self.past) else { return };
        if let Some(sequence) = log.sequence {
            if past.logs.next.is_some_and(|next| sequence < next) {
                return;
            }
            past.logs.next = sequence.checked_add(1);
        }
        let push = Push::Log { target_id: view.target_id().clone(), log: log.clone() };
        view.apply(push);
        self.line = Some(line);
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
    Push(Pushed),
    /// The state that was asked for after a gap.
    State(Box<DashboardState>),
    /// The state that a target is asked for again and again.
    Polled(Box<DashboardState>),
    /// It answers.
    Answers,
    /// It has said nothing for a while.
    Silent,
}

impl Up {
    async fn came(&mut self) -> Result<News, Lost> {
        let came = if self.asked.is_some() {
            self.session.came().await?
        } else {
            match timeout_at(self.ask_at, self.session.came()).await {
                Ok(came) => came?,
                Err(_) if self.polls => {
                    self.asked = Some(self.session.ask(Call::State(StateParams::default())));
                    self.session.came().await?
                }
                Err(_) => {
                    self.asked = Some(self.session.ask(Call::Hello));
                    return Ok(News::Silent);
                }
            }
        };
        self.ask_at = Instant::now() + self.patience;
        match came {
            Came::Push(pushed) => Ok(News::Push(pushed)),
            Came::Answer { to, answer } if self.refresh == Some(to) => {
                self.refresh = None;
                state_of(answer)
            }
            Came::Answer { to, answer } if self.asked == Some(to) => {
                self.asked = None;
                if self.polls { state_of(answer).map(News::polled) } else { Ok(News::Answers) }
            }
            Came::Answer { .. } => Ok(News::Answers),
        }
    }
}

impl News {
    /// A state that is asked for again and again is told otherwise than one that mends a gap.
    fn polled(self) -> Self {
        match self {
            Self::State(state) => Self::Polled(state),
            other => other,
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
    way: Way,
    settings: Settings,
    wants: Wants,
    past: Option<Past>,
) -> Result<Linked, ConnectError> {
    let mut how = if past.is_some() { How::Same } else { How::First };
    let mut past = past;
    loop {
        let mut session = Session::connect(way.clone(), &settings).await?;
        let listens = session.peer().uid;
        if let Some(uid) = wants.uid.filter(|uid| *uid != listens) {
            return Err(ConnectError::Stranger { path: way.path().to_owned(), listens, uid });
        }
        if past.as_ref().is_some_and(|past| past.is_other(session.hello().target_id(), session.peer().pid)) {
            (how, past) = (How::Other, None);
        }
        // Of another life everything is new.
        let first = |wanted| if how == How::First { wanted } else { Some(1) };
        let asked = past.as_ref().map_or_else(|| first(wants.events_from), |past| past.events.resume());
        let tolerant = wants.poll.is_some() && may_be_silent(session.hello());
        let events = Subscribed::to(&mut session, Stream::Events, asked, tolerant).await?;
        let mut logs = Subscribed::default();
        if wants.logs {
            let asked = past.as_ref().map_or_else(|| first(wants.logs_from), |past| past.logs.resume());
            logs = Subscribed::to(&mut session, Stream::Logs, asked, tolerant).await?;
        }
        let state = session.state(StateParams::default()).await?;
        if past.as_ref().is_some_and(|past| past.contradicts(events.from, &state)) {
            (how, past) = (How::Other, None);
            continue;
        }
        return Ok(Linked { session, state, how, events, logs });
    }
}
