//! One target, as sessions see it.
//!
//! ```text
//!            one task                          any number of sessions
//!   follower ──► take_in ──► ring ────────────► place, place, place
//!       └────── state, when somebody wants it ─────┘
//! ```
//!
//! The task is the only writer, but for what the audit tells. A session reads at its own pace and keeps its place; it holds nothing that is of the
//! target but that.

mod frame;
mod ring;
mod task;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use supervisor_api::wire::{
    AuditEvent, ConnectionState, DashboardState, EventFacts, EventRecord, ListedTarget, LogFacts, LogRecord,
    Registration, RegistrationState, ServerMessage, StateDelta, Stream, SupportedCommand, TargetInfo,
};
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::hub::Bell;

pub(crate) use frame::written;
pub(crate) use ring::{Due, Ring, What};
pub(crate) use task::follow;

/// A state is rendered anew for who would have to read more entries than this after an older one.
const OLD: u64 = 256;

/// What sessions read of a target, and what its task writes.
#[derive(Debug)]
pub(crate) struct Target {
    id: Arc<str>,
    seen: Mutex<Seen>,
    bell: Arc<Bell>,
    /// A session waits for a state.
    wanted: Notify,
}

/// All that is known of a target.
#[derive(Debug)]
pub(crate) struct Seen {
    id: Arc<str>,
    listed: Listed,
    pub(crate) ring: Ring,
    state: Option<Rendered>,
    is_wanted: bool,
}

/// What the list of targets says of it.
#[derive(Debug, Clone)]
struct Listed {
    display_name: String,
    supported_commands: Vec<SupportedCommand>,
    registration: RegistrationState,
    connection: ConnectionState,
}

/// A state as text, and what is in it.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    pub(crate) frame: Arc<str>,
    pub(crate) life: u32,
    /// Everything before this position is in it.
    pub(crate) at: u64,
    /// What is due after it.
    pub(crate) due: Due,
}

#[derive(Serialize)]
struct StateFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    target_id: &'a str,
    state: &'a DashboardState,
    stream_epoch: Option<&'a str>,
}

impl Target {
    /// A target that has just registered; its ring has at most so many bytes.
    pub(crate) fn new(registration: &Registration, ring_bytes: usize, bell: Arc<Bell>) -> Self {
        let id: Arc<str> = registration.target_id.as_str().into();
        let listed = Listed {
            display_name: registration.display_name.clone(),
            supported_commands: registration.supported_commands.clone(),
            registration: RegistrationState::Active,
            connection: ConnectionState::Registered,
        };
        let ring = Ring::new(ring_bytes);
        let seen = Seen { id: Arc::clone(&id), listed, ring, state: None, is_wanted: false };
        Self { id, seen: Mutex::new(seen), bell, wanted: Notify::new() }
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// What is known of it now. To be held for a short time: the target's task waits for it.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known, and tells every session to look.
    fn change<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        let changed = change(&mut self.seen());
        self.bell.ring();
        changed
    }

    /// Changes what the list of targets says of it, if `change` says so.
    fn relist(&self, change: impl FnOnce(&mut Seen) -> bool) {
        if self.change(change) {
            self.bell.ring_for_list();
        }
    }

    /// It has registered, for the first time or again.
    pub(crate) fn registered(&self, registration: &Registration) {
        self.relist(|seen| {
            let Listed { display_name, supported_commands, registration: state, .. } = &mut seen.listed;
            let is_new = *display_name != registration.display_name
                || *supported_commands != registration.supported_commands
                || *state != RegistrationState::Active;
            display_name.clone_from(&registration.display_name);
            supported_commands.clone_from(&registration.supported_commands);
            *state = RegistrationState::Active;
            if is_new {
                seen.ring.new_state();
            }
            is_new
        });
    }

    /// Its lease ran out: whatever is known of it is old from now on. Its task ends the connection, and shows what was
    /// known last.
    pub(crate) fn expire(&self) {
        self.relist(|seen| {
            seen.listed.registration = RegistrationState::Expired;
            seen.listed.connection = ConnectionState::Expired;
            seen.ring.new_state();
            true
        });
        self.wanted.notify_one();
    }

    /// Whether its lease ran out.
    pub(crate) fn is_expired(&self) -> bool {
        self.seen().listed.registration == RegistrationState::Expired
    }

    /// How the connection is now. After the end of its lease it is that and nothing else.
    pub(crate) fn connection(&self, state: ConnectionState) {
        self.relist(|seen| {
            let is_active = seen.listed.registration == RegistrationState::Active;
            is_active && std::mem::replace(&mut seen.listed.connection, state) != state
        });
    }

    /// There is a connection to this life of the target. `epoch` names the life, if the target does; `is_same`:
    /// the connection is known to go on where the last one ended.
    pub(crate) fn connected(&self, epoch: Option<Arc<str>>, is_same: bool) {
        self.change(|seen| {
            let known = seen.ring.epoch();
            if known.is_some() && (is_same || epoch.as_ref() == known) {
                seen.ring.new_state();
            } else {
                seen.ring.begin(epoch.unwrap_or_else(nameless));
            }
        });
    }

    /// An event, with the line that it came in.
    pub(crate) fn event(&self, event: &EventRecord, line: Option<&str>) {
        let frame = frame::event(&self.id, event, line);
        self.change(|seen| seen.ring.event(EventFacts::of(event), frame));
    }

    /// A line of the logs, with the line that it came in.
    pub(crate) fn log(&self, log: &LogRecord, line: Option<&str>) {
        let frame = frame::log(&self.id, log, line);
        self.change(|seen| seen.ring.log(LogFacts::of(log), frame));
    }

    /// A change of the state.
    pub(crate) fn delta(&self, delta: &StateDelta) {
        let frame = frame::delta(&self.id, delta);
        self.change(|seen| seen.ring.delta(frame));
    }

    /// Somebody asked for something, as it was recorded.
    pub(crate) fn audited(&self, audit: AuditEvent) {
        let target_id = Arc::clone(&self.id);
        let frame = written(&ServerMessage::AuditEvent { target_id, audit: Box::new(audit) });
        self.change(|seen| seen.ring.audit(frame));
    }

    /// Everything of a stream up to `to` will never come.
    pub(crate) fn lost(&self, stream: Stream, to: u64) {
        self.change(|seen| seen.ring.lost(stream, to));
    }

    /// The state is another, as a whole.
    pub(crate) fn new_state(&self) {
        self.change(|seen| seen.ring.new_state());
    }

    /// Until somebody wants a state. Cancel safe.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Whether somebody wants a state.
    pub(crate) fn is_wanted(&self) -> bool {
        self.seen().is_wanted
    }

    /// A turn to render a state: who wants something small is not to wait until all targets are rendered.
    pub(crate) fn turn(&self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send + use<> {
        self.bell.turn()
    }

    /// Renders a state if somebody wants one. It is the task's, so everything in the ring is in it.
    pub(crate) fn render(&self, state: &DashboardState) {
        let (info, epoch, life, at, due) = {
            let mut seen = self.seen();
            if !std::mem::take(&mut seen.is_wanted) {
                return;
            }
            let (life, at, due) = (seen.ring.life(), seen.ring.head(), seen.ring.due());
            (seen.info(), seen.ring.epoch().cloned(), life, at, due.after(state))
        };
        // A large state takes a while, in which sessions go on.
        let state = DashboardState { target: info, ..state.clone() };
        let epoch = epoch.as_deref();
        let frame =
            written(&StateFrame { kind: "state", target_id: &self.id, state: &state, stream_epoch: epoch });
        self.change(|seen| seen.state = Some(Rendered { frame, life, at, due }));
    }

    /// The state, if there is one that is new enough, and not from before a position; otherwise it is asked for, and
    /// told when it is there.
    pub(crate) fn state(&self, seen: &mut Seen, from: u64) -> Option<Rendered> {
        let ring = &seen.ring;
        ring.epoch()?;
        let useful = |state: &&Rendered| {
            state.life == ring.life()
                && state.at >= ring.state_from().max(from)
                && ring.head() - state.at <= OLD
        };
        let state = seen.state.as_ref().filter(useful).cloned();
        if state.is_none() && !std::mem::replace(&mut seen.is_wanted, true) {
            self.wanted.notify_one();
        }
        state
    }
}

impl Seen {
    /// How it stands in the list of targets.
    pub(crate) fn listed(&self) -> ListedTarget {
        let Listed { display_name, supported_commands, registration, connection } = self.listed.clone();
        ListedTarget {
            target_id: Arc::clone(&self.id),
            display_name,
            registration_state: registration.into(),
            connection_state: connection.into(),
            supported_commands,
            role: None,
        }
    }

    fn info(&self) -> TargetInfo {
        let ListedTarget { target_id, display_name, registration_state, connection_state, .. } =
            self.listed();
        TargetInfo { target_id, display_name, registration_state, connection_state }
    }

    /// How the connection is.
    pub(crate) fn connection(&self) -> ConnectionState {
        self.listed.connection
    }
}

/// The name of a life that has none of its own. No other has it, in this relay or in another.
fn nameless() -> Arc<str> {
    let mut random = RandomState::new().build_hasher();
    random.write_u8(0);
    format!("relay-{:016x}", random.finish()).into()
}
