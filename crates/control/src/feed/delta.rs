//! What changed since the last delta, and when the next one is due.
//!
//! An event is pushed at once. A delta follows when it is quiet, and under load not more often than its size is worth:
//! readers that fold events need none but for the topology.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::wire::{Push, StateDelta};
use supervisor_api::{ChildKey, EventKind, StampedEvent, SupervisorPath};
use tokio::time::Instant;

use super::Pushed;
use super::lines::rendered;
use crate::state;
use crate::target::Target;

/// The pause after a delta, and how much longer it is for each row in it, and for each node.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_PER_ROW: Duration = Duration::from_micros(20);
const PAUSE_PER_NODE: Duration = Duration::from_micros(100);

/// What changed.
#[derive(Debug, Default)]
enum Changed {
    #[default]
    Nothing,
    /// These rows.
    Rows(Rows),
    /// Who is in the tree, or what is not known.
    Everything,
}

/// Rows that changed: of children that events were about, and others.
#[derive(Debug, Default)]
struct Rows {
    children: HashMap<ChildKey, Told>,
    others: Vec<SupervisorPath>,
}

/// What events told of a child.
#[derive(Debug)]
struct Told {
    path: SupervisorPath,
    /// A failure was charged to a budget, which may be that of the supervisor: no event of its own tells that.
    charged: bool,
}

impl Rows {
    fn note(&mut self, event: &StampedEvent) {
        let told = self.children.entry(event.event.child);
        let told = told.or_insert_with(|| Told { path: event.path.clone(), charged: false });
        told.charged = told.charged || event.event.kind.spec().numbers.contains(&"budget_used");
    }

    /// In the order of their paths, each once.
    fn paths(self) -> BTreeSet<SupervisorPath> {
        let above = self.children.values().filter(|told| told.charged).filter_map(|told| told.path.parent());
        let mut paths: BTreeSet<_> = above.chain(self.others).collect();
        paths.extend(self.children.into_values().map(|told| told.path));
        paths
    }
}

/// Collects changes for the next delta.
#[derive(Debug)]
pub(super) struct Changes {
    changed: Changed,
    /// How the target stands with a relay is another than it was.
    connection: bool,
    /// When the first of the changes came, and before when no delta follows the last one.
    since: Instant,
    not_before: Instant,
}

impl Changes {
    /// Nothing changed yet.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { changed: Changed::Nothing, connection: false, since: now, not_before: now }
    }

    /// The reader has to get everything.
    pub(super) fn everything(&mut self) {
        self.begin();
        self.changed = Changed::Everything;
    }

    /// The target stands in another way with a relay.
    pub(super) fn connection(&mut self) {
        self.begin();
        self.connection = true;
    }

    fn begin(&mut self) {
        if self.is_empty() {
            self.since = Instant::now();
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self.changed, Changed::Nothing) && !self.connection
    }

    /// An event was pushed.
    pub(super) fn note(&mut self, event: &StampedEvent) {
        if changes_topology(event) {
            self.everything();
            return;
        }
        self.begin();
        if let Some(rows) = self.some_rows() {
            rows.note(event);
        }
    }

    /// The rows that changed; `None` when everything did.
    fn some_rows(&mut self) -> Option<&mut Rows> {
        if let Changed::Nothing = self.changed {
            self.changed = Changed::Rows(Rows::default());
        }
        match &mut self.changed {
            Changed::Rows(rows) => Some(rows),
            _ => None,
        }
    }

    /// These rows tell something that no event told.
    pub(super) fn rows(&mut self, paths: Vec<SupervisorPath>) {
        if paths.is_empty() {
            return;
        }
        self.begin();
        if let Some(rows) = self.some_rows() {
            rows.others.extend(paths);
        }
    }

    /// When a delta is due, if one is.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.is_empty()).then(|| self.not_before.max(self.since))
    }

    /// Whether a delta is due and has been for a while: events go first, but a storm of them does not put it off for
    /// ever.
    pub(super) fn is_overdue(&self) -> bool {
        self.due().is_some_and(|due| due + PAUSE <= Instant::now())
    }

    /// The delta, of the tree as it is now, whether it is due or not. `None`: nothing changed.
    pub(super) fn take(&mut self, target: &Arc<Target>, under: &SupervisorPath) -> Option<Pushed> {
        if self.is_empty() {
            return None;
        }
        let connection = std::mem::take(&mut self.connection);
        let mut delta = match std::mem::take(&mut self.changed) {
            Changed::Nothing => StateDelta::default(),
            // Whoever looks at a part of the tree is not told of who is above it.
            Changed::Rows(rows) => {
                state::rows(target, rows.paths().iter().filter(|path| under.contains(path)))
            }
            Changed::Everything => {
                // It tells how the target stands with a relay, too.
                let told = state::afresh(target, under);
                self.not_before = Instant::now() + pause(told.rows(), told.rows());
                return Some(Pushed::State(Box::new(told)));
            }
        };
        delta.connection_state = connection.then(|| target.connection().into());
        self.not_before = Instant::now() + pause(delta.runtime_state.as_ref().map_or(0, Vec::len), 0);
        let delta = Push::StateDelta { target_id: target.id.clone(), delta: Box::new(delta) };
        Some(Pushed::Line(rendered(&delta).into()))
    }
}

fn pause(rows: usize, nodes: usize) -> Duration {
    let count = |list: usize| u32::try_from(list).unwrap_or(u32::MAX);
    PAUSE + PAUSE_PER_ROW * count(rows) + PAUSE_PER_NODE * count(nodes)
}

/// Whether a node came, went, or has other diagnostics: that a factory was missing ends with the first run.
fn changes_topology(event: &StampedEvent) -> bool {
    match event.event.kind {
        EventKind::ChildDeclarationAccepted
        | EventKind::ChildRuntimeStateRemoved
        | EventKind::ChildUnbound
        | EventKind::LimitUnenforced
        | EventKind::SpecApplied => true,
        EventKind::ChildStarting | EventKind::ChildRunning => event.event.row.generation == 1,
        _ => false,
    }
}
