//! A state on its way out: written portion by portion from what was read, without a copy of its parts.
//!
//! ```text
//!  head ─► nodes ─► parents ─► needs ─► order ─► rows ─► tail
//! ```
//!
//! What is read is read at once, before the first portion: the rows are exact at one sequence, however slowly the
//! reader takes them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use supervisor_api::wire::{EdgeOnWire, NodeCriticality, NodeKind, NodeOnWire, RowOnWire};
use supervisor_api::{PolicyDecision, SupervisorPath};
use tokio_supervisor::{Beside, Snapshot, SnapshotRow};

use crate::json::put;
use crate::target::Target;

/// How many bytes are written at a time, and somewhat more.
const PORTION: usize = 64 * 1024;

/// The topology and the rows of a part of the tree, with what stands before and after them.
pub(crate) struct Telling {
    target: Arc<Target>,
    snapshot: Snapshot,
    range: Range<usize>,
    /// What is known of each child of the range besides its row.
    beside: Vec<Beside>,
    /// The highest node that the reader ever sees; no edge leads to it.
    top: SupervisorPath,
    head: Vec<u8>,
    tail: Vec<u8>,
    part: Part,
    /// Whose turn it is in this part.
    at: usize,
    /// Whether the list that is being written is empty so far.
    is_first: bool,
}

/// A list that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Nodes,
    Parents,
    Needs,
    Order,
    Rows,
    Over,
}

impl Part {
    /// The one after it, and what stands between the two.
    fn next(self) -> (Self, &'static str) {
        match self {
            Self::Nodes => (Self::Parents, r#"],"edges":["#),
            // One list: who is above whom, and then who needs whom.
            Self::Parents => (Self::Needs, ""),
            Self::Needs => (Self::Order, r#"],"declaration_order":["#),
            Self::Order => (Self::Rows, r#"]},"runtime_state":["#),
            Self::Rows | Self::Over => (Self::Over, "]"),
        }
    }
}

impl Telling {
    /// What there is to tell of a part of a snapshot. `head` comes before `topology`, within an object that has begun;
    /// `tail` is what follows the rows, a comma included.
    pub(super) fn of(
        target: &Arc<Target>,
        snapshot: Snapshot,
        range: Range<usize>,
        beside: Vec<Beside>,
        mut head: Vec<u8>,
        tail: Vec<u8>,
    ) -> Self {
        head.extend_from_slice(br#""topology":{"root":"/","nodes":["#);
        Self {
            target: Arc::clone(target),
            beside,
            snapshot,
            at: range.start,
            range,
            top: SupervisorPath::root(),
            head,
            tail,
            part: Part::Nodes,
            is_first: true,
        }
    }

    /// The same for a reader that sees nothing above `top`.
    pub(super) fn below(self, top: SupervisorPath) -> Self {
        Self { top, ..self }
    }

    /// How many rows it has, and as many nodes.
    pub(crate) fn rows(&self) -> usize {
        self.range.len()
    }

    /// Adds a portion; whether there is more.
    pub(crate) fn portion(&mut self, out: &mut Vec<u8>) -> bool {
        let enough = out.len() + PORTION;
        out.append(&mut self.head);
        while self.part != Part::Over {
            while self.at < self.range.end {
                self.item(out);
                self.at += 1;
                if out.len() >= enough {
                    return true;
                }
            }
            let (next, between) = self.part.next();
            out.extend_from_slice(between.as_bytes());
            (self.part, self.at) = (next, self.range.start);
            self.is_first |= !between.is_empty();
        }
        out.append(&mut self.tail);
        false
    }

    /// What the child whose turn it is has in this part.
    fn item(&mut self, out: &mut Vec<u8>) {
        let (Some(path), Some(beside)) =
            (self.snapshot.path(self.at), self.beside.get(self.at - self.range.start))
        else {
            return;
        };
        let mut list = List { out, is_first: &mut self.is_first };
        if self.part == Part::Order {
            return if !path.is_root() {
                list.push(path)
            };
        }
        let Some(row) = self.snapshot.get(self.at) else { return };
        let is_below = *path != self.top;
        match self.part {
            Part::Nodes => list.push(&node(&self.target, &row, beside)),
            Part::Parents if is_below => {
                EdgeOnWire::parent(row.path, row.place.into()).into_iter().for_each(|edge| list.push(&edge));
            }
            Part::Needs if is_below => {
                for (on, order) in beside.depends_on.iter().zip(0..) {
                    list.push(&EdgeOnWire::dependency(row.path, on, order));
                }
            }
            Part::Rows => list.push(&row_on_wire(&row, beside)),
            Part::Parents | Part::Needs | Part::Order | Part::Over => {}
        }
    }
}

impl fmt::Debug for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telling").field("part", &self.part).field("at", &self.at).finish_non_exhaustive()
    }
}

/// A list of JSON that is being written.
struct List<'a> {
    out: &'a mut Vec<u8>,
    is_first: &'a mut bool,
}

impl List<'_> {
    fn push(&mut self, item: &impl Serialize) {
        if !std::mem::take(self.is_first) {
            self.out.push(b',');
        }
        put(self.out, item);
    }
}

fn node<'a>(
    target: &'a Target,
    row: &SnapshotRow<'a>,
    beside: &'a Beside,
) -> NodeOnWire<'a, Vec<Arc<str>>, impl Serialize> {
    let child_id = row.path.last_segment();
    NodeOnWire {
        node_id: row.path,
        child_id,
        path: row.path,
        name: child_id.unwrap_or(&target.id),
        kind: if row.path.is_root() { NodeKind::RootSupervisor } else { NodeKind::ChildTask },
        node_type: beside.kind,
        strategy: beside.strategy,
        dynamic: beside.dynamic,
        tags: &beside.tags,
        criticality: NodeCriticality::from(beside.criticality),
        state_summary: row.row.lifecycle.into(),
        diagnostics: &beside.diagnostics,
    }
}

fn row_on_wire<'a>(
    row: &SnapshotRow<'a>,
    beside: &'a Beside,
) -> RowOnWire<'a, impl Serialize, PolicyDecision> {
    RowOnWire {
        child_path: row.path,
        lifecycle_state: row.row.lifecycle.into(),
        health: row.row.health.into(),
        readiness: row.row.readiness.into(),
        generation: row.row.generation,
        attempt: row.row.attempt.into(),
        child_start_count: row.row.attempt.into(),
        restart_count: row.row.restart_count.into(),
        last_failure: beside.last_failure.as_ref(),
        last_policy_decision: row.last_policy_decision,
        shutdown_state: row.shutdown_state.into(),
        as_of: Some(row.as_of),
        since_unix_nanos: row.since_unix_nanos,
        started_at_unix_nanos: row.started_at_unix_nanos,
        next_start_at_unix_nanos: row.next_start_at_unix_nanos,
        last_heartbeat_unix_nanos: beside.last_heartbeat_unix_nanos,
        pid: beside.pid,
        phase: beside.phase.as_deref().filter(|phase| !phase.is_empty()),
        budget: beside.budget.as_ref(),
        usage: beside.usage.as_deref(),
        poll_times: beside.poll_times.as_deref(),
    }
}
