//! One browser's session (`wire.md` 4), without a socket: frames in, frames out.
//!
//! ```text
//!   server_hello ──► client_hello ──► target_list ──► state, event, log, state_delta, gap …   per target, in turn
//!                                        ▲ again when it changes
//! ```
//!
//! A session is pulled: whoever can write asks for the next frame, and gets one, or nothing until the bell rings. It
//! queues nothing of a target, so a slow browser costs the same memory as a fast one: it reads the rings later, is told
//! what it lost, and gets the state anew. What answers its own messages is queued, and bounded.

mod place;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use supervisor_api::wire::{
    AuditQuery, BrowserCommand, BrowserCommandResult, ClientMessage, ErrorCode, FilterConditions,
    ListedTarget, RELAY_PROTOCOL, RegistrationState, ResumeCursor, ServerHello, ServerMessage, Stage, Token,
    UnixNanos, WhyQuery, WireError, canonical_json, config_version,
};
use supervisor_socket::{Rate, RateLimit};
use tokio::sync::watch;

use crate::audit::denial;
use crate::hub::Hub;
use crate::rights::{Principal, Role};
use crate::target::{Target, written};

pub(crate) use place::{Place, Told};

/// What it can beyond `wire.md` 4; pages of the audit only where the relay has one.
const CAPABILITIES: [&str; 6] = [AUDIT, "filter_applied", "gap", "heartbeat", "stream_began", "why"];
const AUDIT: &str = "audit";
/// How many frames of one target go out before the next has its turn.
const BURST: u32 = 64;
/// The most bytes of answers that wait for a browser that does not read.
const OUTBOX: usize = 1 << 20;
/// How fast a browser may talk.
const TALK: Rate = Rate { every: Duration::from_millis(20), burst: 200 };
/// How fast it may ask questions: one about the audit looks through all of it.
const QUESTIONS: Rate = Rate { every: Duration::from_millis(200), burst: 20 };

/// Why a session is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Close {
    /// The relay ends.
    GoingAway,
    /// The browser does not read.
    TooSlow,
    /// What came is no text frame, or too long.
    BadMessage,
    /// Nobody has proved who it is.
    NoIdentity,
    /// Who it is may not.
    Forbidden,
    /// There was no `client_hello` in time.
    HelloTimeout,
    /// Another session took its place.
    Replaced,
    /// The browser talks too much.
    TooFast,
}

impl Close {
    /// The close code of the WebSocket.
    pub const fn code(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::TooSlow => 1013,
            Self::BadMessage => 4400,
            Self::NoIdentity => 4401,
            Self::Forbidden => 4403,
            Self::HelloTimeout => 4408,
            Self::Replaced => 4409,
            Self::TooFast => 4429,
        }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GoingAway => "the relay ends; connect again",
            Self::TooSlow => "too little was read; connect again and resume",
            Self::BadMessage => "send text frames of at most 1 MiB",
            Self::NoIdentity => "prove who you are",
            Self::Forbidden => "you may not connect here",
            Self::HelloTimeout => "client_hello did not come in time",
            Self::Replaced => "another session took the place of this one",
            Self::TooFast => "too many messages; connect again later",
        })
    }
}

/// A command that was looked at and may be carried out, by whoever drives the session. It is owed one answer:
/// [`Session::answered`] or [`Session::refused`].
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Who asks, as proved.
    pub identity: String,
    /// What it may do with the target; `None`: nothing.
    pub role: Option<Role>,
    /// The number of the session; in hexadecimal it is the id in its hello.
    pub session: u64,
    /// How long the message was, in bytes.
    pub frame_bytes: usize,
    /// What for.
    pub command: BrowserCommand,
}

/// A question that may be answered, by whoever drives the session. It is owed one answer: [`Session::told`] or
/// [`Session::refused`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Question {
    /// About the audit.
    Audit {
        /// Who asks, and which targets it may see.
        who: Principal,
        /// What for.
        query: AuditQuery,
    },
    /// About a child of a target that the session may see.
    Why(WhyQuery),
}

impl Question {
    /// The browser's id of it.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Audit { query, .. } => &query.query_id,
            Self::Why(query) => &query.query_id,
        }
    }
}

/// One browser.
#[derive(Debug)]
pub struct Session {
    hub: Arc<Hub>,
    /// Tells it from others, also of another relay.
    number: u64,
    who: Principal,
    phase: Phase,
    filter: FilterConditions,
    /// The version of the list that was told; 0 before the first.
    list: u64,
    seats: Vec<Seat>,
    /// Whose turn it is, and how many frames it has had.
    turn: (usize, u32),
    outbox: VecDeque<Arc<str>>,
    outbox_bytes: usize,
    talk: RateLimit,
    questions: RateLimit,
    /// What was asked and is not taken yet.
    asked: Option<Question>,
}

#[derive(Debug)]
enum Phase {
    AwaitsHello,
    Live {
        resume: Arc<ResumeCursor>,
        /// What the page calls what it keeps.
        store: String,
    },
}

/// A target of the session, and where the session stands in it.
#[derive(Debug)]
struct Seat {
    target: Arc<Target>,
    place: Place,
}

impl Session {
    pub(crate) fn new(hub: Arc<Hub>, who: Principal) -> Self {
        let mut session = Self {
            hub,
            number: RandomState::new().hash_one(()),
            phase: Phase::AwaitsHello,
            filter: FilterConditions::default(),
            list: 0,
            seats: Vec::new(),
            turn: (0, 0),
            outbox: VecDeque::new(),
            outbox_bytes: 0,
            talk: RateLimit::new(TALK),
            questions: RateLimit::new(QUESTIONS),
            asked: None,
            who,
        };
        session.hub.counts().sessions.inc();
        let hello = session.hello();
        session.queue(&ServerMessage::ServerHello(Box::new(hello)));
        session
    }

    fn hello(&self) -> ServerHello {
        ServerHello {
            session_id: format!("{:016x}", self.number),
            client_identity: self.who.identity().to_owned(),
            log_event_filter_mode: "server".to_owned(),
            log_event_filter_conditions: self.filter.clone(),
            filter_config_version: version(&self.filter),
            protocol_version: Some(RELAY_PROTOCOL.to_owned()),
            role: self.who.highest().map(|role| role.to_string()),
            capabilities: CAPABILITIES
                .into_iter()
                .filter(|name| *name != AUDIT || self.hub.has_audit())
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Rings when [`next`](Self::next) may have something. To be taken before the first call of it.
    pub fn bell(&self) -> watch::Receiver<()> {
        self.hub.bell().hear()
    }

    /// Whether the browser has said hello.
    pub fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Live { .. })
    }

    /// Whose page it is, and what the page calls what it keeps, once it has said hello.
    pub(crate) fn page(&self) -> Option<(&str, &str)> {
        match &self.phase {
            Phase::AwaitsHello => None,
            Phase::Live { store, .. } => Some((self.who.identity(), store)),
        }
    }

    /// Takes in a text frame of the browser. A command that may be carried out is given back; a question waits in [`question`](Self::question).
    ///
    /// # Errors
    ///
    /// When the session is to be closed.
    pub fn heard(&mut self, frame: &[u8]) -> Result<Option<Order>, Close> {
        if self.talk.take(0).is_err() {
            return Err(Close::TooFast);
        }
        match ClientMessage::read(frame) {
            Ok(message) => self.take(message, frame.len()),
            Err(error) => {
                self.error(error, ClientMessage::command_id_in(frame));
                Ok(None)
            }
        }
        .and_then(|order| self.bounded().map(|()| order))
    }

    fn take(&mut self, message: ClientMessage, bytes: usize) -> Result<Option<Order>, Close> {
        match (message, &self.phase) {
            (ClientMessage::ClientHello(hello), Phase::AwaitsHello) => {
                let (resume, store) = (Arc::new(hello.resume_cursor), hello.client_store_id);
                self.phase = Phase::Live { resume, store };
            }
            (ClientMessage::ClientHello(_), Phase::Live { .. }) => {
                let again = "client_hello comes once, at the beginning; connect again to say it again";
                self.error(WireError::new(ErrorCode::ProtocolError, again), None);
            }
            (ClientMessage::Command(command), Phase::Live { .. }) => return Ok(self.ordered(command, bytes)),
            (ClientMessage::LogEventFilterConditions(filter), Phase::Live { .. }) => {
                let applied = ServerMessage::FilterApplied {
                    filter_config_version: version(&filter),
                    log_event_filter_conditions: filter.clone(),
                };
                self.filter = filter;
                self.queue(&applied);
            }
            (ClientMessage::AuditQuery(query), Phase::Live { .. }) => {
                self.ask(Question::Audit { who: self.who.clone(), query });
            }
            (ClientMessage::WhyQuery(query), Phase::Live { .. }) => self.ask_why(query),
            (message, Phase::AwaitsHello) => {
                let first = "say client_hello first";
                let id = match message {
                    ClientMessage::Command(command) => Some(command.command_id.to_string()),
                    ClientMessage::AuditQuery(query) => Some(query.query_id),
                    ClientMessage::WhyQuery(query) => Some(query.query_id),
                    _ => None,
                };
                self.error(WireError::new(ErrorCode::SessionNotEstablished, first), id);
            }
            (_, Phase::Live { .. }) => {
                let unknown = "there is no such message here";
                self.error(WireError::new(ErrorCode::UnsupportedMessageType, unknown), None);
            }
        }
        Ok(None)
    }

    /// Takes a question, one at a time and not too many. Rights are those of this moment.
    fn ask(&mut self, question: Question) {
        let refused = match (&self.asked, self.questions.take(0)) {
            (Some(_), _) => Some("another question waits; ask when it is answered"),
            (None, Err(_)) => Some("too many questions; ask again in a second"),
            (None, Ok(())) => None,
        };
        match refused {
            Some(why) => {
                let error = WireError::new(ErrorCode::RateLimitExceeded, why).at(Stage::RateLimit);
                self.error(error.retry_after(1_000), Some(question.id().to_owned()));
            }
            None => self.asked = Some(question),
        }
    }

    /// Whoever may see a target may ask why its children are as they are.
    fn ask_why(&mut self, query: WhyQuery) {
        match self.registered(&query.target_id, self.who.role_on(&query.target_id)) {
            Ok(_) => self.ask(Question::Why(query)),
            Err(error) => self.error(error.on(query.target_id), Some(query.query_id)),
        }
    }

    /// The question that [`heard`](Self::heard) has taken in and nobody has taken yet.
    pub fn question(&mut self) -> Option<Question> {
        self.asked.take()
    }

    /// A question has its answer.
    ///
    /// # Errors
    ///
    /// When the session is to be closed.
    pub fn told(&mut self, answer: &ServerMessage) -> Result<(), Close> {
        self.queue(answer);
        self.bounded()
    }

    /// The command, if it may be carried out; otherwise the refusal is queued. Rights are those of this moment.
    fn ordered(&mut self, command: BrowserCommand, frame_bytes: usize) -> Option<Order> {
        let role = self.who.role_on(&command.target_id);
        let problem = self.problem(&command, role);
        let order = Order {
            identity: self.who.identity().to_owned(),
            role,
            session: self.number,
            frame_bytes,
            command,
        };
        let Some(error) = problem else { return Some(order) };
        self.hub.counts().denials.inc();
        self.hub.denials().add(denial(&order, &error));
        let error = error.on(Arc::clone(&order.command.target_id));
        self.error(error, Some(order.command.command_id.to_string()));
        None
    }

    fn problem(&self, command: &BrowserCommand, role: Option<Role>) -> Option<WireError> {
        let (role, listed) = match self.registered(&command.target_id, role) {
            Ok(registered) => registered,
            Err(error) => return Some(error),
        };
        if !listed.supported_commands.iter().any(|known| known.name == command.command.as_str()) {
            let message = format!("the target does not take {}", command.command);
            return Some(WireError::new(ErrorCode::UnsupportedCommand, message));
        }
        let needed = Role::needed_for(command.command);
        (role < needed).then(|| {
            let message =
                format!("{} needs the role {needed} on this target, and yours is {role}", command.command);
            WireError::new(ErrorCode::AuthzDenied, message).at(Stage::Authorization)
        })
    }

    /// A target that this session may see and that can be asked now.
    fn registered(&self, id: &str, role: Option<Role>) -> Result<(Role, ListedTarget), WireError> {
        let Some(role) = role else {
            let message = "this session does not have that target";
            return Err(WireError::new(ErrorCode::TargetNotBound, message));
        };
        let listed = self.hub.get(id).map(|target| target.seen().listed());
        let active = listed.filter(|listed| listed.registration_state.is(RegistrationState::Active));
        let message = "no target with this id is registered now";
        active
            .map(|listed| (role, listed))
            .ok_or_else(|| WireError::new(ErrorCode::TargetNotRegistered, message))
    }

    /// A command has its outcome.
    ///
    /// # Errors
    ///
    /// When the session is to be closed.
    pub fn answered(&mut self, result: BrowserCommandResult) -> Result<(), Close> {
        let target_id = Arc::clone(&result.target_id);
        self.show_again(&target_id);
        self.queue(&ServerMessage::CommandResult { target_id, result: Box::new(result) });
        self.bounded()
    }

    /// A command has no outcome.
    ///
    /// # Errors
    ///
    /// When the session is to be closed.
    pub fn refused(&mut self, command_id: &str, error: WireError) -> Result<(), Close> {
        if let Some(target_id) = &error.target_id {
            self.show_again(target_id);
        }
        self.error(error, Some(command_id.to_owned()));
        self.bounded()
    }

    /// The state of a target follows what is queued: its deltas may have come before the answer to a command.
    fn show_again(&mut self, target_id: &str) {
        let mut seats = self.seats.iter_mut();
        if let Some(seat) = seats.find(|seat| **seat.target.id() == *target_id) {
            seat.place.show_again();
        }
    }

    /// Tells the browser that the relay is there, and what time it is here.
    ///
    /// # Errors
    ///
    /// When the session is to be closed.
    pub(crate) fn beat(&mut self, at: UnixNanos) -> Result<(), Close> {
        self.queue(&ServerMessage::Heartbeat { at_unix_nanos: at });
        self.bounded()
    }

    /// The next text frame to write; `None`: nothing until the bell rings.
    #[expect(clippy::should_implement_trait, reason = "a session has no end of its own")]
    pub fn next(&mut self) -> Option<Arc<str>> {
        if let Some(frame) = self.outbox.pop_front() {
            self.outbox_bytes -= frame.len();
            return Some(frame);
        }
        let Phase::Live { resume, .. } = &self.phase else { return None };
        let list = self.hub.bell().list();
        if self.list != list {
            self.list = list;
            let resume = Arc::clone(resume);
            return Some(self.sit_down(&resume));
        }
        (0..=self.seats.len()).find_map(|_| self.next_of_turn())
    }

    /// Takes a place in every target that is new, and gives the list of all.
    fn sit_down(&mut self, resume: &Arc<ResumeCursor>) -> Arc<str> {
        let mut before = std::mem::take(&mut self.seats).into_iter().peekable();
        let mut targets = Vec::new();
        for target in self.hub.all() {
            let Some(role) = self.who.role_on(target.id()) else { continue };
            // Both are in the order of the ids.
            while before.next_if(|seat| seat.target.id() < target.id()).is_some() {}
            let had = before.next_if(|seat| Arc::ptr_eq(&seat.target, &target));
            let seen = target.seen();
            targets.push(ListedTarget { role: Some(role.to_string()), ..seen.listed() });
            let seat = had.unwrap_or_else(|| Seat {
                place: Place::new(&seen, Arc::clone(resume)),
                target: Arc::clone(&target),
            });
            drop(seen);
            self.seats.push(seat);
        }
        written(&ServerMessage::TargetList { targets })
    }

    fn next_of_turn(&mut self) -> Option<Arc<str>> {
        let (at, frames) = self.turn;
        let at = if at < self.seats.len() { at } else { 0 };
        let Seat { target, place } = self.seats.get_mut(at)?;
        let told = place.next(target, &self.filter);
        let is_over = told.is_none() || frames + 1 >= BURST;
        self.turn = if is_over { (at + 1, 0) } else { (at, frames + 1) };
        let target_id = Arc::clone(target.id());
        Some(match told? {
            Told::Frame(frame) => frame,
            Told::Began(epoch) => written(&ServerMessage::StreamBegan {
                target_id,
                stream_epoch: Token::Text(epoch.to_string()),
            }),
            Told::Connection(state) => {
                written(&ServerMessage::ConnectionState { target_id, state: state.into() })
            }
            Told::Gap { stream, gap, lost } => {
                self.queue(&ServerMessage::DroppedCount {
                    target_id: Arc::clone(&target_id),
                    dropped_event_count: lost.events,
                    dropped_log_count: Some(lost.logs).filter(|logs| *logs > 0),
                });
                written(&ServerMessage::Gap { target_id, stream: stream.into(), from: gap.from, to: gap.to })
            }
        })
    }

    fn error(&mut self, error: WireError, command_id: Option<String>) {
        self.queue(&ServerMessage::Error { error, command_id });
    }

    fn queue(&mut self, message: &ServerMessage) {
        let frame = written(message);
        self.outbox_bytes += frame.len();
        self.outbox.push_back(frame);
    }

    fn bounded(&self) -> Result<(), Close> {
        if self.outbox_bytes > OUTBOX { Err(Close::TooSlow) } else { Ok(()) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hub.counts().sessions.dec();
    }
}

/// The version of conditions: the same for the same conditions, in every session and every relay.
fn version(filter: &FilterConditions) -> Token {
    let digest = Sha256::digest(canonical_json(filter));
    Token::Text(config_version(&digest.into()).to_string())
}
