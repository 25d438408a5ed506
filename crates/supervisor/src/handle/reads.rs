//! Reads. None of them stops the loop; most do not even meet it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use supervisor_api::command::{BudgetUse, ChildState, CommandResult};
use supervisor_api::manifest::{Kind, StopSignal};
use supervisor_api::policy::{Criticality, Permissions, RestartType, Role, Strategy};
use supervisor_api::{ChildKey, PollTimes, ProgramUsage, Row, Rules, SupervisorError, SupervisorPath};
use supervisor_core::{Address, ChildPolicy};

use super::beside::budget;
use super::{ChildAddress, SupervisorHandle};
use crate::clock::unix_nanos;
use crate::driver::Brain;
use crate::journal::EventStream;
use crate::kept::{LogRecord, LogStream, PastExit};
use crate::snapshot::Snapshot;
use crate::spec::Extras;

pub use supervisor_core::ChildCounts;

/// Everything there is to see of one child.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChildView {
    /// Exactly this child.
    pub key: ChildKey,
    /// Its row.
    pub state: ChildState,
    /// What it is for.
    pub role: Role,
    /// When its end leads to a new start.
    pub restart: RestartType,
    /// How much the whole suffers when it does.
    pub criticality: Criticality,
    /// What it lets nobody do with it. Of the root: everything is allowed.
    pub permissions: Permissions,
    /// The signal at which what it owns reads its configuration again.
    pub reload_signal: Option<StopSignal>,
    /// Whether it is a nested supervisor.
    pub is_supervisor: bool,
    /// The siblings it depends on (D11).
    pub depends_on: Vec<SupervisorPath>,
    /// `supervisor` for one; `process` or `blocking_worker` if a manifest said so. Of other children it is not known.
    pub kind: Option<Kind>,
    /// Its labels.
    pub tags: Vec<Arc<str>>,
    /// What it is doing, as it said.
    pub phase: Option<Arc<str>>,
    /// How far it is, as it said.
    pub progress: Option<Arc<str>>,
    /// Its gauges.
    pub gauges: BTreeMap<String, f64>,
    /// What stands in its way, as sentences by name: `unbound`, when nobody has
    /// registered its factory; a key of its manifest, when that is doubtful; `unenforced` for a limit that nothing holds
    /// it to.
    pub diagnostics: BTreeMap<&'static str, String>,
    /// Lines of its log that were dropped for want of room.
    pub dropped_logs: u64,
    /// The process that its live run owns, if it said so.
    pub pid: Option<u32>,
    /// What the program that its live run owns uses, once it was measured.
    pub usage: Option<ProgramUsage>,
    /// How long its live run is being polled, if that is timed.
    pub poll_times: Option<PollTimes>,
    /// When its last heartbeat came, or its last probe succeeded, in Unix nanoseconds; known while none is missed.
    pub last_heartbeat_unix_nanos: Option<u64>,
    /// Of a supervisor the budget that it applies to its children, of another child its own, as of this read; `None`
    /// when it has none, or one without a limit.
    pub budget: Option<BudgetUse>,
    /// Of a supervisor, whom a failed child takes with it.
    pub strategy: Option<Strategy>,
    /// Whether it is a supervisor whose children are added while it runs.
    pub is_dynamic: bool,
}

/// What the machine knows of a child, copied so that nobody waits for the rest.
struct Known {
    key: ChildKey,
    policy: Arc<ChildPolicy>,
    depends_on: Vec<SupervisorPath>,
    unbound: Option<Arc<str>>,
    last_heartbeat_unix_nanos: Option<u64>,
    budget: Option<BudgetUse>,
    strategy: Option<Strategy>,
    is_dynamic: bool,
}

impl Known {
    fn of(brain: &Brain, key: ChildKey, time: ReadTime) -> Option<Self> {
        let machine = &brain.machine;
        let supervisor = machine.supervisor_policy(key);
        Some(Self {
            key,
            policy: Arc::clone(machine.policy(key)?),
            depends_on: machine.depends_on(key).cloned().collect(),
            unbound: brain.unbound(key),
            last_heartbeat_unix_nanos: machine.last_beat(key).map(|at| time.unix(at)),
            budget: budget(brain, key, time),
            strategy: supervisor.map(|supervisor| supervisor.strategy),
            is_dynamic: supervisor.is_some_and(|supervisor| supervisor.dynamic.is_some()),
        })
    }
}

/// What stands in the way of a child, as sentences by name.
pub(super) fn diagnostics(
    unbound: Option<Arc<str>>,
    next_run: Option<&str>,
    extras: Option<&Extras>,
) -> BTreeMap<&'static str, String> {
    let unbound = unbound.map(|factory| ("unbound", format!("no factory named {factory}")));
    let next_run = next_run.map(|text| ("schedule", text.to_owned()));
    let notes = extras.into_iter().flat_map(|extras| extras.notes.iter().cloned());
    let unenforced = extras.into_iter().flat_map(|extras| &extras.unenforced);
    let unenforced = unenforced.map(|key| (*key, "unenforced".to_owned()));
    unbound.into_iter().chain(next_run).chain(notes).chain(unenforced).collect()
}

/// The time of a read by both clocks: what the machine knows is shown as Unix nanoseconds.
#[derive(Clone, Copy)]
pub(super) struct ReadTime {
    pub(super) now: u64,
    unix: u64,
}

impl ReadTime {
    pub(super) fn unix(self, at: u64) -> u64 {
        if at < self.now {
            self.unix.saturating_sub(self.now - at)
        } else {
            self.unix.saturating_add(at - self.now)
        }
    }
}

impl SupervisorHandle {
    /// A read of the whole tree, exact at one sequence: `CommandResult::CurrentState`. The root comes
    /// first, parents before their children, siblings in effective order. Answers after the end too.
    pub fn current_state(&self) -> CommandResult {
        CommandResult::CurrentState { state: self.tree.state() }
    }

    /// A read of the whole tree that lends names instead of copying them.
    pub fn snapshot(&self) -> Snapshot {
        self.tree.snapshot()
    }

    /// Which child is meant. A path is found in constant time, an id by a pass over all children.
    pub fn find(&self, child: impl Into<ChildAddress>) -> Result<ChildKey, SupervisorError> {
        let ChildAddress(address) = child.into();
        self.tree.brain().machine.locate(&address)
    }

    /// The row of exactly this child, in constant time and without meeting the loop; `None` when another
    /// child has its place. A child that was removed keeps its last row until then.
    pub fn row(&self, key: ChildKey) -> Option<Row> {
        let row = self.tree.table.row(key.index).read().row;
        self.tree.table.slot(key.index).is(key).then_some(row)
    }

    /// Everything there is to see of one child.
    pub fn child(&self, child: impl Into<ChildAddress>) -> Result<ChildView, SupervisorError> {
        let ChildAddress(address) = child.into();
        let brain = self.tree.brain();
        let key = brain.machine.locate(&address)?;
        let gone = || SupervisorError::ChildNotFound { asked: format!("{address:?}"), nearest: Vec::new() };
        let known = Known::of(&brain, key, self.read_time()).ok_or_else(gone)?;
        drop(brain);
        Ok(self.view(known))
    }

    /// What a child is looked after by in effect, and the supervisor that it is: value by value, with who said each.
    ///
    /// It is worked out at each call, in constant time.
    pub fn rules(&self, child: impl Into<ChildAddress>) -> Result<Rules, SupervisorError> {
        let ChildAddress(address) = child.into();
        let brain = self.tree.brain();
        let key = brain.machine.locate(&address)?;
        let gone = || SupervisorError::ChildNotFound { asked: format!("{address:?}"), nearest: Vec::new() };
        brain.machine.rules(key).ok_or_else(gone)
    }

    /// The children of a supervisor, in effective order.
    pub fn children(&self, supervisor: impl Into<ChildAddress>) -> Result<Vec<ChildView>, SupervisorError> {
        let ChildAddress(address) = supervisor.into();
        let brain = self.tree.brain();
        let above = brain.machine.locate(&address)?;
        self.check_supervisor(&brain, above, &address)?;
        let time = self.read_time();
        let found: Vec<_> =
            brain.machine.children(above).filter_map(|key| Known::of(&brain, key, time)).collect();
        drop(brain);
        Ok(found.into_iter().map(|known| self.view(known)).collect())
    }

    /// How many children a supervisor has, as OTP counts them (R73).
    pub fn count_children(
        &self,
        supervisor: impl Into<ChildAddress>,
    ) -> Result<ChildCounts, SupervisorError> {
        let ChildAddress(address) = supervisor.into();
        let brain = self.tree.brain();
        let key = brain.machine.locate(&address)?;
        self.check_supervisor(&brain, key, &address)?;
        Ok(brain.machine.count_children(key).unwrap_or_default())
    }

    fn check_supervisor(
        &self,
        brain: &Brain,
        key: ChildKey,
        address: &Address,
    ) -> Result<(), SupervisorError> {
        let policy = brain.machine.policy(key);
        if policy.is_some_and(|policy| policy.is_supervisor) {
            return Ok(());
        }
        let path = brain.machine.path(key).map_or_else(|| format!("{address:?}"), ToString::to_string);
        Err(SupervisorError::NoSuchSupervisor { path })
    }

    pub(super) fn read_time(&self) -> ReadTime {
        ReadTime { now: self.tree.clock.now(), unix: unix_nanos() }
    }

    fn view(&self, known: Known) -> ChildView {
        let Known {
            key,
            policy,
            depends_on,
            unbound,
            last_heartbeat_unix_nanos,
            budget,
            strategy,
            is_dynamic,
        } = known;
        let slot = self.tree.table.slot(key.index);
        let about = slot.about();
        let path = about.path.unwrap_or_else(SupervisorPath::root);
        let state = self.tree.child_state(key, path, &self.tree.table.row(key.index).read());
        let cell = slot.cell();
        let kept = cell.kept.as_ref();
        let is_live = state.lifecycle_state.is_live();
        let aids = cell.aids.as_ref().filter(|aids| is_live && aids.generation == state.generation);
        let declared = about.extras.as_ref().and_then(|extras| extras.kind);
        let kind = if policy.is_supervisor { Some(Kind::Supervisor) } else { declared };
        let next_run = kept.and_then(|kept| kept.next_run.as_deref());
        let diagnostics = diagnostics(unbound, next_run, about.extras.as_deref());
        ChildView {
            key,
            state,
            role: policy.role,
            restart: policy.restart,
            criticality: policy.criticality,
            permissions: policy.permissions,
            reload_signal: about.extras.as_ref().and_then(|extras| extras.reload_signal),
            is_supervisor: policy.is_supervisor,
            depends_on,
            kind,
            tags: about.extras.as_ref().map(|extras| extras.tags.clone()).unwrap_or_default(),
            phase: kept.and_then(|kept| kept.phase.clone()),
            progress: kept.and_then(|kept| kept.progress.clone()),
            gauges: kept.map(|kept| kept.gauges.clone()).unwrap_or_default(),
            diagnostics,
            dropped_logs: kept.map_or(0, |kept| kept.dropped),
            pid: aids.and_then(|aids| aids.pid),
            usage: aids.and_then(|aids| aids.usage.as_deref().copied()),
            poll_times: aids.and_then(|aids| aids.meter.as_ref()).map(|meter| meter.read()),
            last_heartbeat_unix_nanos,
            budget,
            strategy,
            is_dynamic,
        }
    }

    /// How the last runs of a child ended, oldest first; at most 100.
    pub fn exits(&self, child: impl Into<ChildAddress>) -> Result<Vec<PastExit>, SupervisorError> {
        let key = self.find(child)?;
        let cell = self.tree.table.slot(key.index).cell();
        Ok(cell.past.as_ref().map(|past| past.exits().collect()).unwrap_or_default())
    }

    /// The lines that a child logged, oldest first; at most 256 KiB of them.
    pub fn logs(&self, child: impl Into<ChildAddress>) -> Result<Vec<Arc<LogRecord>>, SupervisorError> {
        let key = self.find(child)?;
        let cell = self.tree.table.slot(key.index).cell();
        Ok(cell.kept.as_ref().map(|kept| kept.lines()).unwrap_or_default())
    }

    /// Lines of the whole tree that were dropped for want of room.
    pub fn dropped_logs(&self) -> u64 {
        self.tree.logs.dropped.load(Ordering::Relaxed)
    }

    /// The lines of all children, from now on.
    pub fn subscribe_logs(&self) -> LogStream {
        LogStream::new(Arc::clone(&self.tree), self.tree.logs.head())
    }

    /// The lines of all children after the one with this sequence, as far as they are still there.
    pub fn logs_after(&self, sequence: u64) -> LogStream {
        LogStream::new(Arc::clone(&self.tree), sequence)
    }

    /// The events from now on. What was before is in a [`Self::snapshot`]; to have both cut at one point
    /// use [`Self::subscribe`].
    pub fn subscribe_events(&self) -> EventStream {
        EventStream::new(Arc::clone(&self.tree), self.tree.journal.head())
    }

    /// The events after the one with this sequence. Those that are not kept any more come as one gap.
    pub fn events_after(&self, sequence: u64) -> EventStream {
        EventStream::new(Arc::clone(&self.tree), sequence)
    }

    /// Events that are kept no more, because newer ones needed the room.
    pub fn dropped_events(&self) -> u64 {
        self.tree.journal.lost()
    }

    /// Events that readers of this tree were too slow for, all readers together.
    pub fn missed_events(&self) -> u64 {
        self.tree.missed.load(Ordering::Relaxed)
    }

    /// A snapshot and the events after it, cut at one point.
    pub fn subscribe(&self) -> (Snapshot, EventStream) {
        let snapshot = self.tree.snapshot();
        let events = self.events_after(snapshot.sequence());
        (snapshot, events)
    }

    /// Reports of older runs that changed nothing (D5).
    pub fn stale_messages(&self) -> u64 {
        self.tree.stale.load(Ordering::Relaxed) + self.tree.brain().machine.stale_messages()
    }
}
