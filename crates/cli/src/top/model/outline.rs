//! The tree as lines: who stands where, who is shown, and what those below a supervisor add up to.

use std::collections::{HashMap, HashSet};

use supervisor_api::wire::{RuntimeRow, Topology, TreeView};
use supervisor_api::{Lifecycle, SupervisorPath};

use crate::top::words::{Rank, is_down, is_supervisor, rank};

/// A supervisor with more children than this is closed at first.
const MANY: usize = 1_000;

/// One line of the whole tree, whether it is shown or not.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) path: SupervisorPath,
    pub(crate) name: String,
    pub(crate) depth: usize,
    pub(crate) is_supervisor: bool,
    /// Where the supervisor above stands.
    pub(crate) above: Option<usize>,
    /// Where the first line stands that is not below this one.
    pub(crate) end: usize,
    children: usize,
}

/// What the rows below a line add up to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    pub(crate) total: usize,
    pub(crate) down: usize,
    pub(crate) completed: usize,
    pub(crate) worst: Rank,
    pub(crate) cpu_percent: u64,
    pub(crate) resident_bytes: u64,
}

impl Sum {
    fn add(&mut self, row: &RuntimeRow) {
        if row.lifecycle_state.is(Lifecycle::Removed) {
            return;
        }
        self.total += 1;
        self.down += usize::from(is_down(row));
        self.completed += usize::from(row.lifecycle_state.is(Lifecycle::Completed));
        self.worst = self.worst.max(rank(row));
        if let Some(usage) = row.more.usage.as_deref() {
            self.cpu_percent += u64::from(usage.cpu_percent);
            self.resident_bytes = self.resident_bytes.saturating_add(usage.resident_bytes);
        }
    }

    fn take(&mut self, other: Self) {
        self.total += other.total;
        self.down += other.down;
        self.completed += other.completed;
        self.worst = self.worst.max(other.worst);
        self.cpu_percent += other.cpu_percent;
        self.resident_bytes = self.resident_bytes.saturating_add(other.resident_bytes);
    }
}

/// Everybody in the order of declaration, parents before their children.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    pub(crate) entries: Vec<Entry>,
    places: HashMap<SupervisorPath, usize>,
    closed: HashSet<SupervisorPath>,
    /// For each entry what stands below it.
    pub(crate) sums: Vec<Sum>,
    /// Which entries are shown.
    pub(crate) shown: Vec<usize>,
}

impl Outline {
    /// Takes another topology. Who was open stays open.
    pub(crate) fn take(&mut self, topology: &Topology) {
        let mut below: HashMap<Option<SupervisorPath>, Vec<usize>> = HashMap::new();
        for (at, node) in topology.nodes.iter().enumerate() {
            below.entry(node.path.parent()).or_default().push(at);
        }
        let known = std::mem::take(&mut self.places);
        self.entries.clear();
        // What is left to do: a node with its depth and who is above, or the end of an entry.
        enum Due {
            Node(usize, usize, Option<usize>),
            End(usize),
        }
        let roots = below.get(&None).into_iter().flatten().rev();
        let mut due: Vec<Due> = roots.map(|at| Due::Node(*at, 0, None)).collect();
        while let Some(next) = due.pop() {
            let (at, depth, above) = match next {
                Due::Node(at, depth, above) => (at, depth, above),
                Due::End(entry) => {
                    self.entries[entry].end = self.entries.len();
                    continue;
                }
            };
            let node = &topology.nodes[at];
            let place = self.entries.len();
            let children = below.get(&Some(node.path.clone())).map_or(&[][..], Vec::as_slice);
            if children.len() > MANY && !known.contains_key(&node.path) {
                self.closed.insert(node.path.clone());
            }
            self.places.insert(node.path.clone(), place);
            self.entries.push(Entry {
                path: node.path.clone(),
                name: node.name.clone(),
                depth,
                is_supervisor: is_supervisor(node) || !children.is_empty(),
                above,
                end: place + 1,
                children: children.len(),
            });
            due.push(Due::End(place));
            due.extend(children.iter().rev().map(|at| Due::Node(*at, depth + 1, Some(place))));
        }
        let places = &self.places;
        self.closed.retain(|path| places.contains_key(path));
    }

    /// Adds up the rows, and finds out who is shown.
    pub(crate) fn look(&mut self, tree: &TreeView, only_problems: bool) {
        self.sums.clear();
        self.sums.resize(self.entries.len(), Sum::default());
        let mut is_bad = vec![false; self.entries.len()];
        for at in (0..self.entries.len()).rev() {
            let row = tree.row(&self.entries[at].path);
            is_bad[at] = row.is_some_and(|row| rank(row) != Rank::Fine);
            if let Some(above) = self.entries[at].above {
                let below = self.sums[at];
                self.sums[above].take(below);
                if let Some(row) = row {
                    self.sums[above].add(row);
                }
            }
        }
        self.shown.clear();
        let mut at = 0;
        while at < self.entries.len() {
            if only_problems && !is_bad[at] && self.sums[at].worst == Rank::Fine {
                at = self.entries[at].end;
                continue;
            }
            self.shown.push(at);
            at = if self.is_closed(at) { self.entries[at].end } else { at + 1 };
        }
    }

    /// Where a path stands.
    pub(crate) fn place(&self, path: &SupervisorPath) -> Option<usize> {
        self.places.get(path).copied()
    }

    /// Where a path stands among those that are shown.
    pub(crate) fn shown_at(&self, path: &SupervisorPath) -> Option<usize> {
        self.shown.binary_search(&self.place(path)?).ok()
    }

    pub(crate) fn is_closed(&self, at: usize) -> bool {
        !self.closed.is_empty() && self.closed.contains(&self.entries[at].path)
    }

    /// Closes a supervisor that has children; says whether it was open.
    pub(crate) fn close(&mut self, at: usize) -> bool {
        let entry = &self.entries[at];
        entry.children > 0 && self.closed.insert(entry.path.clone())
    }

    /// Opens a supervisor; says whether it was closed.
    pub(crate) fn open(&mut self, at: usize) -> bool {
        self.closed.remove(&self.entries[at].path)
    }

    /// Opens everybody above, so that this one can be shown.
    pub(crate) fn reveal(&mut self, at: usize) {
        let mut above = self.entries[at].above;
        while let Some(at) = above {
            self.open(at);
            above = self.entries[at].above;
        }
    }

    /// Closes every supervisor but the root, or opens all if some are closed.
    pub(crate) fn close_or_open_all(&mut self) {
        if !self.closed.is_empty() {
            self.closed.clear();
            return;
        }
        let closed = self.entries.iter().filter(|entry| entry.children > 0 && entry.above.is_some());
        self.closed = closed.map(|entry| entry.path.clone()).collect();
    }
}
