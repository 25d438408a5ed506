//! A reader's copy of a target's state, kept current by what is pushed.
//!
//! A state is a cut: it holds everything up to some event, and what is pushed later is folded over it. Each row
//! says by `as_of` which event is its last, so whatever arrives twice, or late, or both as an event
//! and as a row, is folded once. A row without `as_of` (another kind of target) is always taken. One as of the
//! same event is taken for what events do not tell: a budget, a process.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::method::Stream;
use super::push::{Push, StateDelta};
use super::record::{EventRecord, LogRecord};
use super::state::{DashboardState, Node, RowMore, RuntimeRow};
use super::word::{UnixNanos, Word};
use crate::{
    EventKind, Health, Lifecycle, Moments, PolicyDecision, Readiness, ShutdownState, SupervisorPath,
};

/// How many events, and how many lines of logs, a state holds.
pub const RECENT: usize = 128;

/// Records that a reader did not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first lost sequence.
    pub from: u64,
    /// The last lost sequence.
    pub to: u64,
}

/// What a push did to a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The view is another than before.
    Changed,
    /// The view had it already, or something newer.
    Stale,
    /// It does not concern this view: another target, a type that is unknown, an error.
    Foreign,
}

impl Change {
    fn when(changed: bool) -> Self {
        if changed { Self::Changed } else { Self::Stale }
    }
}

/// A target's state, and what is missing in it.
#[derive(Debug, Clone)]
pub struct TreeView {
    state: DashboardState,
    /// Where the row of a path stands.
    rows: HashMap<SupervisorPath, usize>,
    /// Where the node of a path stands.
    nodes: HashMap<SupervisorPath, usize>,
    lost_events: Option<Gap>,
    lost_logs: Option<Gap>,
}

impl TreeView {
    /// A view that begins with this state. Of several rows for one path the newest stays.
    pub fn new(mut state: DashboardState) -> Self {
        let given = std::mem::take(&mut state.runtime_state);
        let (rows, nodes) = Default::default();
        let mut view = Self { state, rows, nodes, lost_events: None, lost_logs: None };
        view.replace_rows(given);
        view
    }

    /// The state, as current as what was folded.
    pub fn state(&self) -> &DashboardState {
        &self.state
    }

    /// The target.
    pub fn target_id(&self) -> &Arc<str> {
        &self.state.target.target_id
    }

    /// The row of a path, in constant time.
    pub fn row(&self, path: &SupervisorPath) -> Option<&RuntimeRow> {
        self.rows.get(path).map(|at| &self.state.runtime_state[*at])
    }

    /// The node of a path, in constant time.
    pub fn node(&self, path: &SupervisorPath) -> Option<&Node> {
        self.nodes.get(path).map(|at| &self.state.topology.nodes[*at])
    }

    /// What was lost of a stream since the last whole state: from the first record to the last. After a loss of
    /// events rows may be old; a new state makes the view whole.
    pub fn gap(&self, stream: Stream) -> Option<Gap> {
        match stream {
            Stream::Events => self.lost_events,
            Stream::Logs => self.lost_logs,
        }
    }

    /// Takes a new state instead of all there is, and forgets the gaps. A target that was started again begins
    /// its sequences anew, so nothing of the old state can be compared with the new one.
    pub fn replace(&mut self, state: DashboardState) {
        *self = Self::new(state);
    }

    /// Folds what a target pushed.
    pub fn apply(&mut self, push: Push) -> Change {
        match push {
            Push::Event { target_id, event } if target_id == *self.target_id() => self.apply_event(*event),
            Push::Log { target_id, log } if target_id == *self.target_id() => {
                Change::when(self.remember_log(*log))
            }
            Push::StateDelta { target_id, delta } if target_id == *self.target_id() => {
                self.apply_delta(*delta)
            }
            Push::Gap { target_id, stream, from, to } if target_id == *self.target_id() => {
                self.note_gap(&stream, Gap { from, to })
            }
            _ => Change::Foreign,
        }
    }

    /// Folds an event: its payload is the row after it. A row whose child was removed stays, `removed`, until a
    /// topology comes without it.
    pub fn apply_event(&mut self, event: EventRecord) -> Change {
        let row = RowNews::of(&event).is_some_and(|news| self.fold(news));
        let remembered = self.remember_event(event);
        Change::when(row || remembered)
    }

    /// Folds a change of the state. One that brings a topology older than the view's is taken for its rows
    /// only, each by its own age.
    pub fn apply_delta(&mut self, delta: StateDelta) -> Change {
        let ours = self.state.state_generation;
        let old = delta.state_generation.is_some_and(|theirs| theirs < ours);
        let mut changed = false;
        if let Some(topology) = delta.topology.filter(|_| !old) {
            let rows = delta.runtime_state.unwrap_or_default();
            self.state.topology = topology;
            self.replace_rows(rows);
            changed = true;
        } else {
            for row in delta.runtime_state.unwrap_or_default() {
                changed |= self.upsert(row);
            }
        }
        for event in delta.recent_events.unwrap_or_default() {
            changed |= self.remember_event(event);
        }
        for log in delta.recent_logs.unwrap_or_default() {
            changed |= self.remember_log(log);
        }
        changed |= !old && set(&mut self.state.dropped_event_count, delta.dropped_event_count);
        changed |= !old && set(&mut self.state.dropped_log_count, delta.dropped_log_count);
        changed |= !old && set(&mut self.state.target.connection_state, delta.connection_state);
        changed |= !old && set(&mut self.state.state_generation, delta.state_generation);
        Change::when(changed)
    }

    fn note_gap(&mut self, stream: &Word<Stream>, gap: Gap) -> Change {
        let noted = match stream.known() {
            Some(Stream::Events) => &mut self.lost_events,
            Some(Stream::Logs) => &mut self.lost_logs,
            None => return Change::Foreign,
        };
        let both = noted.map_or(gap, |old| Gap { from: old.from.min(gap.from), to: old.to.max(gap.to) });
        Change::when(noted.replace(both) != Some(both))
    }

    /// All rows are these, but that a row which is newer in the view stays. The topology is new too.
    fn replace_rows(&mut self, rows: Vec<RuntimeRow>) {
        let nodes = self.state.topology.nodes.iter().enumerate();
        self.nodes = nodes.map(|(at, node)| (node.path.clone(), at)).collect();
        let old = std::mem::take(&mut self.state.runtime_state);
        let places = std::mem::take(&mut self.rows);
        for row in rows {
            let known = places.get(&row.child_path).map(|at| &old[*at]);
            match known {
                Some(known) => self.upsert(newest(known, row).unwrap_or_else(|| known.clone())),
                None => self.upsert(row),
            };
        }
    }

    /// Takes the row if it is newer than the one there is, or tells more.
    fn upsert(&mut self, row: RuntimeRow) -> bool {
        let at = match self.rows.get(&row.child_path) {
            Some(&at) => {
                let known = &mut self.state.runtime_state[at];
                let Some(newest) = newest(known, row) else { return false };
                *known = newest;
                at
            }
            None => self.add(row),
        };
        self.summarise(at);
        true
    }

    /// Folds the row in an event if it is newer than the one there is.
    fn fold(&mut self, news: RowNews) -> bool {
        let at = match self.rows.get(&news.path) {
            Some(&at) if !is_newer(Some(news.sequence), self.state.runtime_state[at].as_of) => return false,
            Some(&at) => at,
            None => self.add(news.first()),
        };
        news.write(&mut self.state.runtime_state[at]);
        self.summarise(at);
        true
    }

    fn add(&mut self, row: RuntimeRow) -> usize {
        let at = self.state.runtime_state.len();
        self.rows.insert(row.child_path.clone(), at);
        self.state.runtime_state.push(row);
        at
    }

    /// The node says what its row says.
    fn summarise(&mut self, at: usize) {
        let row = &self.state.runtime_state[at];
        if let Some(node) = self.nodes.get(&row.child_path) {
            self.state.topology.nodes[*node].state_summary = row.lifecycle_state.clone();
        }
    }

    fn remember_event(&mut self, event: EventRecord) -> bool {
        let known = &mut self.state.recent_events;
        if known.last().is_some_and(|last| event.sequence <= last.sequence) {
            return false;
        }
        remember(known, event);
        true
    }

    fn remember_log(&mut self, log: LogRecord) -> bool {
        let known = &mut self.state.recent_logs;
        let last = known.iter().rev().find_map(|log| log.sequence);
        let had = match log.sequence {
            Some(sequence) => last.is_some_and(|last| sequence <= last),
            None => known.contains(&log),
        };
        if !had {
            remember(known, log);
        }
        !had
    }
}

/// Whether a row as of `new` replaces one as of `old`. What does not say how old it is counts as new.
fn is_newer(new: Option<u64>, old: Option<u64>) -> bool {
    match (new, old) {
        (Some(new), Some(old)) => new > old,
        _ => true,
    }
}

/// The row that holds when one comes where another is; `None` when nothing is new in it. One that is as old tells only
/// what no event does.
fn newest(known: &RuntimeRow, row: RuntimeRow) -> Option<RuntimeRow> {
    if is_newer(row.as_of, known.as_of) {
        return (*known != row).then_some(row);
    }
    let tells_more = row.as_of == known.as_of && row.more != known.more;
    tells_more.then(|| RuntimeRow { more: row.more, ..known.clone() })
}

fn remember<T>(known: &mut Vec<T>, record: T) {
    if known.len() >= RECENT {
        known.drain(..=known.len() - RECENT);
    }
    known.push(record);
}

fn set<T: PartialEq>(place: &mut T, value: Option<T>) -> bool {
    let Some(value) = value.filter(|value| value != place) else { return false };
    *place = value;
    true
}

/// The row that an event tells in its payload.
struct RowNews {
    path: SupervisorPath,
    sequence: u64,
    kind: Word<EventKind>,
    state: Word<Lifecycle>,
    health: Word<Health>,
    readiness: Word<Readiness>,
    generation: u64,
    attempt: u64,
    restart_count: u64,
    /// How a run ended, and what was decided about it.
    end: Option<(Value, Option<Value>)>,
    /// When it happened.
    at: u64,
    /// In how many milliseconds it is to be started.
    next_in_ms: Option<u64>,
}

impl RowNews {
    /// `None` when the payload is not one of ours.
    fn of(event: &EventRecord) -> Option<Self> {
        let payload = &event.payload;
        let number = |key: &str| payload.get(key).and_then(Value::as_u64);
        let exit = payload.get("exit").filter(|exit| !exit.is_null());
        let next = payload.get("next").and_then(word::<Word<PolicyDecision>>);
        let starts =
            next.is_some_and(|next| next.is(PolicyDecision::StartAt) || next.is(PolicyDecision::WithGroup));
        Some(Self {
            path: event.target_path.clone(),
            sequence: event.sequence,
            kind: event.event_type.clone(),
            state: word(payload.get("state")?)?,
            health: word(payload.get("health")?)?,
            readiness: word(payload.get("readiness")?)?,
            generation: number("generation")?,
            attempt: number("attempt")?,
            restart_count: number("restart_count")?,
            end: exit.map(|exit| (exit.clone(), payload.get("next").cloned())),
            at: event.occurred_at_unix_nanos.0,
            next_in_ms: number("next_in_ms").filter(|_| starts),
        })
    }

    /// The row of a path that had none.
    fn first(&self) -> RuntimeRow {
        RuntimeRow {
            child_path: self.path.clone(),
            lifecycle_state: self.state.clone(),
            health: self.health.clone(),
            readiness: self.readiness.clone(),
            generation: self.generation,
            attempt: self.attempt,
            restart_count: self.restart_count,
            last_failure: None,
            last_policy_decision: None,
            shutdown_state: ShutdownState::Running.into(),
            as_of: None,
            more: RowMore::default(),
        }
    }

    fn write(self, row: &mut RuntimeRow) {
        self.write_times(row);
        let killing = self.kind.is(EventKind::ChildKilling) || row.shutdown_state.is(ShutdownState::Stopping);
        if let Some(state) = self.state.known() {
            row.shutdown_state = ShutdownState::of(state, killing).into();
        }
        if let Some((exit, next)) = self.end {
            if self.kind.known().is_some_and(EventKind::tells_failure) {
                row.last_failure = Some(exit);
            }
            row.last_policy_decision = next;
        }
        // A child that was removed and added again under the same path is another one.
        if self.kind.is(EventKind::ChildDeclarationAccepted) {
            (row.last_failure, row.last_policy_decision) = (None, None);
        }
        row.lifecycle_state = self.state;
        row.health = self.health;
        row.readiness = self.readiness;
        row.generation = self.generation;
        row.attempt = self.attempt;
        row.restart_count = self.restart_count;
        row.as_of = Some(self.sequence);
    }

    /// Keeps current what the row tells beyond the contract. Of a row that does not say since when it is so, nothing is
    /// made up.
    fn write_times(&self, row: &mut RuntimeRow) {
        let more = &mut row.more;
        // It was of another moment, and no event tells of it.
        more.phase = None;
        let Some(since) = more.since_unix_nanos else { return };
        let (Some(before), Some(state)) = (row.lifecycle_state.known(), self.state.known()) else {
            // A state that only a later version knows.
            let stays = row.lifecycle_state == self.state && row.generation == self.generation;
            let since = if stays { since } else { UnixNanos(self.at) };
            *more = RowMore { since_unix_nanos: Some(since), budget: more.budget, ..RowMore::default() };
            return;
        };
        let run = more.next_start_at_unix_nanos.or(more.started_at_unix_nanos);
        let known = Moments { since: since.0, run: run.map_or(0, |run| run.0) };
        let next_in = self.next_in_ms.map(|ms| ms.saturating_mul(1_000_000));
        let now = known.after((before, row.generation), (state, self.generation), self.at, next_in);
        more.since_unix_nanos = now.known_since().map(UnixNanos);
        more.started_at_unix_nanos = now.started_at(state).map(UnixNanos);
        more.next_start_at_unix_nanos = now.next_start_at(state).map(UnixNanos);
        let same_run = state.is_live() && self.generation == row.generation;
        more.pid = more.pid.filter(|_| same_run);
        more.usage = more.usage.take().filter(|_| same_run);
        more.poll_times = more.poll_times.take().filter(|_| same_run);
        let well = same_run && state == Lifecycle::Running && self.health.is(Health::Healthy);
        more.last_heartbeat_unix_nanos = more.last_heartbeat_unix_nanos.filter(|_| well);
    }
}

fn word<T: serde::de::DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}
