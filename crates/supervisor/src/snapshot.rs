//! A read of the whole tree, exact at one sequence, without stopping anybody.
//!
//! The rows are copied while the driver works on. If a window was open meanwhile, the events between the
//! two heads are folded over the copy: each row says which event is its last, so none is folded twice.
//! Only when the tree changes faster than it can be copied is the driver held for the time of one copy.
//! Names are lent from the layout, which is made anew only after children came or went.

use std::ops::Range;
use std::sync::{Arc, PoisonError};

use supervisor_api::command::{ChildState, TreeState};
use supervisor_api::{ChildKey, Exit, PolicyDecision, Row, ShutdownState, SupervisorPath};

use crate::driver::{Brain, fold};
use crate::row::{RowCell, RowWords, SlotRow};
use crate::sync::atomic::{Ordering, fence};
use crate::tree::Tree;

/// How often a copy is tried beside the driver before it is made in its place.
const TRIES: usize = 6;

/// Who is in the tree, in the order of the tree, as of one version.
pub(crate) struct Layout {
    version: u64,
    entries: Vec<Entry>,
    /// Where the child with an index stands; `u32::MAX` is nowhere.
    positions: Vec<u32>,
}

/// One child of a layout.
struct Entry {
    key: ChildKey,
    path: SupervisorPath,
    /// Its place among its siblings.
    place: u32,
}

/// A read of the whole tree, exact at one sequence.
///
/// The root comes first, parents before their children, siblings in effective order.
#[derive(Clone)]
pub struct Snapshot {
    sequence: u64,
    layout: Arc<Layout>,
    rows: Vec<RowWords>,
}

/// One child in a [`Snapshot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotRow<'a> {
    /// Which child.
    pub key: ChildKey,
    /// Its path.
    pub path: &'a SupervisorPath,
    /// Its place among its siblings, from 0.
    pub place: u32,
    /// Its row.
    pub row: Row,
    /// How far a stop of it is.
    pub shutdown_state: ShutdownState,
    /// What was decided when a run last ended; `None` when none has.
    pub last_policy_decision: Option<PolicyDecision>,
    /// The sequence of the last event in the row; 0 before the first.
    pub as_of: u64,
    /// When it came into its state, when its live run began, and when it is to be started, in Unix nanoseconds, as far as
    /// that is known.
    pub since_unix_nanos: Option<u64>,
    /// See [`since_unix_nanos`](Self::since_unix_nanos).
    pub started_at_unix_nanos: Option<u64>,
    /// See [`since_unix_nanos`](Self::since_unix_nanos).
    pub next_start_at_unix_nanos: Option<u64>,
}

impl Snapshot {
    /// The sequence of the last event in it.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many rows there are, the root's included.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row; a tree always has its root's.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = SnapshotRow<'_>> {
        self.layout.entries.iter().zip(&self.rows).map(|(entry, words)| shown(entry, &words.row()))
    }

    /// The row at this place of [`iter`](Self::iter), in constant time.
    pub fn get(&self, at: usize) -> Option<SnapshotRow<'_>> {
        Some(shown(self.layout.entries.get(at)?, &self.rows.get(at)?.row()))
    }

    /// The path of that row alone.
    pub fn path(&self, at: usize) -> Option<&SupervisorPath> {
        self.layout.entries.get(at).map(|entry| &entry.path)
    }

    /// Who it is about, with the whole row of each.
    pub(crate) fn slot_rows(&self, range: Range<usize>) -> impl Iterator<Item = (ChildKey, SlotRow)> {
        let entries = self.layout.entries[range.clone()].iter();
        entries.zip(&self.rows[range]).map(|(entry, words)| (entry.key, words.row()))
    }
}

fn shown<'a>(entry: &'a Entry, row: &SlotRow) -> SnapshotRow<'a> {
    let state = row.row.lifecycle;
    SnapshotRow {
        key: entry.key,
        path: &entry.path,
        place: entry.place,
        row: row.row,
        shutdown_state: shutdown_state(row),
        last_policy_decision: row.decision,
        as_of: row.as_of,
        since_unix_nanos: row.moments.known_since(),
        started_at_unix_nanos: row.moments.started_at(state),
        next_start_at_unix_nanos: row.moments.next_start_at(state),
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("sequence", &self.sequence).field("rows", &self.len()).finish()
    }
}

/// How far the stop of a child is, in the wire's words.
pub(crate) fn shutdown_state(row: &SlotRow) -> ShutdownState {
    ShutdownState::of(row.row.lifecycle, row.killing)
}

impl Tree {
    /// A read of the whole tree.
    pub(crate) fn snapshot(&self) -> Snapshot {
        for _ in 0..TRIES {
            if let Some(snapshot) = self.try_snapshot() {
                return snapshot;
            }
        }
        let brain = self.brain();
        let layout = self.layout_of(&brain);
        let rows = layout.entries.iter().map(|entry| self.table.row(entry.key.index).words()).collect();
        Snapshot { sequence: self.journal.head(), layout, rows }
    }

    fn try_snapshot(&self) -> Option<Snapshot> {
        let layout = self.current_layout();
        let (epoch, head) = self.journal.settled();
        if self.layout_version.load(Ordering::Acquire) != layout.version {
            return None;
        }
        let places = layout.entries.iter().map(|entry| entry.key.index);
        let rows: Vec<RowWords> = self.table.rows(places).map(RowCell::glance).collect();
        fence(Ordering::Acquire);
        if self.layout_version.load(Ordering::Acquire) != layout.version {
            return None;
        }
        if self.journal.epoch() == epoch {
            return Some(Snapshot { sequence: head, layout, rows });
        }
        // Something changed meanwhile, so half of a row may be among them.
        self.try_in_motion(layout, rows)
    }

    /// A read while the driver works: whole rows, and then the events that came meanwhile.
    fn try_in_motion(&self, layout: Arc<Layout>, mut rows: Vec<RowWords>) -> Option<Snapshot> {
        let (epoch, head) = self.journal.settled();
        let places = layout.entries.iter().map(|entry| entry.key.index);
        for (words, row) in rows.iter_mut().zip(self.table.rows(places)) {
            *words = row.words();
        }
        let (epoch_after, head_after) = self.journal.settled();
        if self.layout_version.load(Ordering::Acquire) != layout.version {
            return None;
        }
        if epoch_after != epoch {
            self.replay(&layout, &mut rows, head, head_after)?;
        }
        Some(Snapshot { sequence: head_after, layout, rows })
    }

    /// Folds the events after `from`, up to `to`, over a copy; `None` when one of them is lost already.
    fn replay(&self, layout: &Layout, rows: &mut [RowWords], from: u64, to: u64) -> Option<()> {
        for sequence in from + 1..=to {
            let (record, _) = self.journal.read(sequence)?;
            let position = layout.positions.get(record.child.index as usize).copied().unwrap_or(u32::MAX);
            let Some(row) = rows.get_mut(position as usize) else { continue };
            if row.as_of() < sequence {
                *row = RowWords::of(fold(row.row(), &record, sequence));
            }
        }
        Some(())
    }

    fn current_layout(&self) -> Arc<Layout> {
        let version = self.layout_version.load(Ordering::Acquire);
        let kept = self.layout.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match kept {
            Some(layout) if layout.version == version => layout,
            _ => self.layout_of(&self.brain()),
        }
    }

    /// The layout that holds while the brain is held.
    fn layout_of(&self, brain: &Brain) -> Arc<Layout> {
        let version = self.layout_version.load(Ordering::Acquire);
        let mut kept = self.layout.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = kept.as_ref().filter(|layout| layout.version == version) {
            return Arc::clone(layout);
        }
        let layout = Arc::new(lay_out(brain, version));
        *kept = Some(Arc::clone(&layout));
        layout
    }

    /// A snapshot in the words of the wire.
    pub(crate) fn state(&self) -> TreeState {
        let snapshot = self.snapshot();
        let children = snapshot.layout.entries.iter().zip(&snapshot.rows);
        let children = children
            .map(|(entry, row)| self.child_state(entry.key, entry.path.clone(), &row.row()))
            .collect();
        TreeState { sequence: snapshot.sequence, children }
    }

    /// A row in the words of the wire.
    pub(crate) fn child_state(&self, key: ChildKey, path: SupervisorPath, row: &SlotRow) -> ChildState {
        ChildState {
            child_path: path,
            lifecycle_state: row.row.lifecycle,
            health: row.row.health,
            readiness: row.row.readiness,
            generation: row.row.generation,
            attempt: row.row.attempt,
            restart_count: row.row.restart_count,
            last_failure: self.last_failure(key, row),
            last_policy_decision: row.decision,
            shutdown_state: shutdown_state(row),
            as_of: row.as_of,
            since_unix_nanos: row.moments.known_since(),
            started_at_unix_nanos: row.moments.started_at(row.row.lifecycle),
            next_start_at_unix_nanos: row.moments.next_start_at(row.row.lifecycle),
        }
    }

    /// The last bad end, as of the row: one that came after it belongs to a later row.
    fn last_failure(&self, key: ChildKey, row: &SlotRow) -> Option<Exit> {
        if !row.failed {
            return None;
        }
        let cell = self.table.slot(key.index).cell();
        cell.past.as_ref()?.failure(row.as_of)
    }
}

fn lay_out(brain: &Brain, version: u64) -> Layout {
    let machine = &brain.machine;
    let mut layout = Layout { version, entries: Vec::new(), positions: Vec::new() };
    let mut open = vec![(ChildKey::ROOT, 0)];
    while let Some((key, place)) = open.pop() {
        let Some(path) = machine.path(key) else { continue };
        let index = key.index as usize;
        if layout.positions.len() <= index {
            layout.positions.resize(index + 1, u32::MAX);
        }
        layout.positions[index] = u32::try_from(layout.entries.len()).unwrap_or(u32::MAX);
        layout.entries.push(Entry { key, path: path.clone(), place });
        let from = open.len();
        open.extend(machine.children(key).zip(0..));
        open[from..].reverse();
    }
    layout
}
