//! What is known of children besides their rows, for whoever reads many of them at once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use supervisor_api::command::BudgetUse;
use supervisor_api::manifest::Kind;
use supervisor_api::policy::{Criticality, Strategy};
use supervisor_api::{ChildKey, Exit, PollTimes, ProgramUsage, SupervisorPath};

use super::SupervisorHandle;
use super::reads::{ReadTime, diagnostics};
use crate::clock::nanos;
use crate::driver::Brain;
use crate::row::SlotRow;
use crate::snapshot::Snapshot;

/// How many children are looked at before the loop may go on.
const AT_ONCE: usize = 256;

/// What is known of a child besides its row in a [`Snapshot`]. What its run said of itself is there while that run is the
/// one in the row. Of a child that is gone since the row was read only the failure is known, and the rest says nothing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Beside {
    /// How the last run that ended badly ended, as of the row.
    pub last_failure: Option<Exit>,
    /// How much the whole suffers when it does. Of a child that is gone: `standard`.
    pub criticality: Criticality,
    /// `supervisor` for one; `process` or `blocking_worker` if a manifest said so. Of other children it is not known.
    pub kind: Option<Kind>,
    /// Of a supervisor, whom a failed child takes with it.
    pub strategy: Option<Strategy>,
    /// Of a supervisor, whether its children are added while it runs.
    pub dynamic: Option<bool>,
    /// The siblings it depends on (D11).
    pub depends_on: Vec<SupervisorPath>,
    /// Its labels.
    pub tags: Vec<Arc<str>>,
    /// What stands in its way, as sentences by name.
    pub diagnostics: BTreeMap<&'static str, String>,
    /// The process that its live run owns, if it said so.
    pub pid: Option<u32>,
    /// When its last heartbeat came, in Unix nanoseconds; known while none is missed.
    pub last_heartbeat_unix_nanos: Option<u64>,
    /// What it is doing, as it said.
    pub phase: Option<Arc<str>>,
    /// Of a supervisor the budget that it applies to its children, of another child its own, as of this read.
    pub budget: Option<BudgetUse>,
    /// What the program that its live run owns uses, once it was measured.
    pub usage: Option<Box<ProgramUsage>>,
    /// How long its live run is being polled, if that is timed.
    pub poll_times: Option<Box<PollTimes>>,
}

/// What the machine says of a child, and what it says that stands in its way.
type Decided = (Beside, Option<Arc<str>>);

impl Beside {
    fn nothing() -> Self {
        Self {
            last_failure: None,
            criticality: Criticality::Standard,
            kind: None,
            strategy: None,
            dynamic: None,
            depends_on: Vec::new(),
            tags: Vec::new(),
            diagnostics: BTreeMap::new(),
            pid: None,
            last_heartbeat_unix_nanos: None,
            phase: None,
            budget: None,
            usage: None,
            poll_times: None,
        }
    }

    fn decided(brain: &Brain, key: ChildKey, time: ReadTime) -> Option<Decided> {
        let machine = &brain.machine;
        let policy = machine.policy(key)?;
        let supervisor = machine.supervisor_policy(key);
        let beside = Self {
            criticality: policy.criticality,
            kind: policy.is_supervisor.then_some(Kind::Supervisor),
            strategy: supervisor.map(|supervisor| supervisor.strategy),
            dynamic: policy
                .is_supervisor
                .then(|| supervisor.is_some_and(|supervisor| supervisor.dynamic.is_some())),
            depends_on: machine.depends_on(key).cloned().collect(),
            last_heartbeat_unix_nanos: machine.last_beat(key).map(|at| time.unix(at)),
            budget: budget(brain, key, time),
            ..Self::nothing()
        };
        Some((beside, brain.unbound(key)))
    }
}

/// How much of the budget of a child is used.
pub(super) fn budget(brain: &Brain, key: ChildKey, time: ReadTime) -> Option<BudgetUse> {
    let budget = brain.machine.budget(key, time.now)?;
    Some(BudgetUse {
        used: budget.used,
        max: budget.max,
        window_nanos: nanos(budget.budget.window),
        clear_at_unix_nanos: budget.clear_at.map(|at| time.unix(at)),
    })
}

impl SupervisorHandle {
    /// What is known besides of the children in a part of a snapshot, in its order: for a reader of many, what
    /// [`child`](Self::child) is for a reader of one. The loop is met once for 256 children.
    ///
    /// # Panics
    ///
    /// If the snapshot has no such part.
    pub fn beside(&self, snapshot: &Snapshot, part: Range<usize>) -> Vec<Beside> {
        let mut all = Vec::with_capacity(part.len());
        let mut decided = Vec::with_capacity(part.len().min(AT_ONCE));
        for from in part.clone().step_by(AT_ONCE) {
            let some = from..part.end.min(from + AT_ONCE);
            let time = self.read_time();
            let brain = self.tree.brain();
            decided
                .extend(snapshot.slot_rows(some.clone()).map(|(key, _)| Beside::decided(&brain, key, time)));
            drop(brain);
            let rows = snapshot.slot_rows(some);
            all.extend(
                rows.zip(decided.drain(..)).map(|((key, row), decided)| self.told(key, &row, decided)),
            );
        }
        all
    }

    /// What the child and its runs said, with what is decided of it.
    fn told(&self, key: ChildKey, row: &SlotRow, decided: Option<Decided>) -> Beside {
        let slot = self.tree.table.slot(key.index);
        let is_live = row.row.lifecycle.is_live();
        let is_same_run =
            is_live && self.tree.table.row(key.index).read().row.generation == row.row.generation;
        let cell = slot.cell();
        // Seen with the cell held: whoever takes the place says so before it empties the cell.
        let is_here = slot.is(key);
        let past = cell.past.as_ref().filter(|_| row.failed && is_here);
        let last_failure = past.and_then(|past| past.failure(row.as_of));
        let Some((mut beside, unbound)) = decided.filter(|_| is_here) else {
            return Beside { last_failure, ..Beside::nothing() };
        };
        beside.last_failure = last_failure;
        let aids = cell.aids.as_ref().filter(|aids| is_live && aids.generation == row.row.generation);
        if let Some(aids) = aids.filter(|_| is_same_run) {
            beside.pid = aids.pid;
            beside.usage = aids.usage.clone();
            beside.poll_times = aids.meter.as_ref().map(|meter| Box::new(meter.read()));
        }
        let kept = cell.kept.as_ref();
        beside.phase = kept.and_then(|kept| kept.phase.clone()).filter(|_| is_same_run);
        let next_run = kept.and_then(|kept| kept.next_run.clone());
        drop(cell);
        beside.last_heartbeat_unix_nanos = beside.last_heartbeat_unix_nanos.filter(|_| is_same_run);
        let extras = slot.extras();
        if let Some(extras) = &extras {
            beside.kind = beside.kind.or(extras.kind);
            beside.tags.clone_from(&extras.tags);
        }
        beside.diagnostics = diagnostics(unbound, next_run.as_deref(), extras.as_deref());
        beside
    }
}
