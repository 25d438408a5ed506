//! Lines that are there already: what is kept of each child, and of the whole tree.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use supervisor_api::SupervisorPath;
use supervisor_api::wire::KeptLogs;
use tokio_supervisor::{Gap, LogItem, LogRecord, SupervisorHandle};

use super::Range;

/// Lines that are given once, in their order.
#[derive(Debug)]
pub(super) struct Kept(VecDeque<LogItem>);

/// What was gathered of several children.
#[derive(Debug, Default)]
struct Gathered {
    lines: Vec<Arc<LogRecord>>,
    /// For each child of which lines are gone: the sequence of the oldest that is left.
    cut: Vec<u64>,
}

impl Kept {
    /// Of the child at `under` and of those below it, the lines from this sequence on. Where lines are no longer kept
    /// comes a gap.
    pub(super) fn of(handle: &SupervisorHandle, under: &SupervisorPath, which: KeptLogs, from: u64) -> Self {
        let gathered = match which {
            KeptLogs::All => all(handle, under),
            KeptLogs::PreviousRun => previous_run(handle, under),
        };
        Self(gathered.in_order(from))
    }

    /// From the first item to the last.
    pub(super) fn range(&self) -> Range {
        let first = self.0.front().map_or(1, |item| bounds(item).0);
        Range { first, last: Some(self.0.back().map_or(0, |item| bounds(item).1)) }
    }

    /// The next item.
    pub(super) fn next(&mut self) -> Option<LogItem> {
        self.0.pop_front()
    }
}

/// What is kept of each child, whatever the others logged meanwhile, and what the tree has beside it: older lines, and
/// those of children that are gone.
fn all(handle: &SupervisorHandle, under: &SupervisorPath) -> Gathered {
    let mut gathered = Gathered::default();
    let now = handle.subscribe_logs().position();
    let mut of_tree = HashMap::<SupervisorPath, Vec<Arc<LogRecord>>>::new();
    for line in shared(handle, now).filter(|line| under.contains(&line.path)) {
        of_tree.entry(line.path.clone()).or_default().push(line);
    }
    for row in handle.snapshot().iter().filter(|row| under.contains(row.path)) {
        let kept = handle.logs(row.path).unwrap_or_default();
        let begin = kept.first().map_or(now + 1, |line| line.sequence);
        let beside = of_tree.remove(row.path).unwrap_or_default();
        let older = beside.iter().take_while(|line| line.sequence < begin).count();
        if dropped(handle, row.path) > older as u64 {
            gathered.cut.push(beside.first().map_or(begin, |line| line.sequence.min(begin)));
        }
        gathered.lines.extend(beside.into_iter().chain(kept));
    }
    gathered.lines.extend(of_tree.into_values().flatten());
    // Of one child later lines were read than of another; whoever goes on from the last one would miss some.
    gathered.lines.retain(|line| line.sequence <= now);
    gathered
}

/// The run before the newest one of each child.
fn previous_run(handle: &SupervisorHandle, under: &SupervisorPath) -> Gathered {
    let mut gathered = Gathered::default();
    for row in handle.snapshot().iter().filter(|row| under.contains(row.path) && row.row.generation > 1) {
        let run = row.row.generation - 1;
        let kept = handle.logs(row.path).unwrap_or_default();
        // Only when what is gone may be of this run.
        let cut = kept.first().filter(|oldest| oldest.generation >= run && dropped(handle, row.path) > 0);
        gathered.cut.extend(cut.map(|oldest| oldest.sequence));
        gathered.lines.extend(kept.into_iter().filter(|line| line.generation == run));
    }
    gathered
}

/// The newest lines of the whole tree, up to a sequence.
fn shared(handle: &SupervisorHandle, last: u64) -> impl Iterator<Item = Arc<LogRecord>> {
    let mut stream = handle.logs_after(0);
    std::iter::from_fn(move || {
        while stream.position() < last {
            if let LogItem::Line(line) = stream.try_next()? {
                return Some(line);
            }
        }
        None
    })
}

/// How many lines of a child are no longer kept. Who is gone by now has none.
fn dropped(handle: &SupervisorHandle, child: &SupervisorPath) -> u64 {
    handle.child(child).map_or(0, |child| child.dropped_logs)
}

impl Gathered {
    /// The lines from this sequence on, each once, with a gap in the last hole before the oldest line of each child of
    /// which some are gone.
    fn in_order(mut self, from: u64) -> VecDeque<LogItem> {
        self.lines.retain(|line| line.sequence >= from);
        self.lines.sort_by_key(|line| line.sequence);
        self.lines.dedup_by_key(|line| line.sequence);
        let holes: BTreeMap<usize, Gap> = self.cut.iter().filter_map(|&left| self.hole(from, left)).collect();
        let mut items = VecDeque::with_capacity(self.lines.len() + holes.len());
        for at in 0..=self.lines.len() {
            items.extend(holes.get(&at).map(|gap| LogItem::Gap(*gap)));
            items.extend(self.lines.get(at).cloned().map(LogItem::Line));
        }
        items
    }

    /// The last hole between these sequences, and before which of the lines it is.
    fn hole(&self, from: u64, to: u64) -> Option<(usize, Gap)> {
        let mut to = to.checked_sub(1)?;
        for at in (0..=self.lines.partition_point(|line| line.sequence <= to)).rev() {
            let before = at.checked_sub(1).map(|before| self.lines[before].sequence);
            let begin = before.map_or(from, |before| before + 1);
            if begin <= to {
                return Some((at, Gap { from: begin, to }));
            }
            to = before?.checked_sub(1)?;
        }
        None
    }
}

fn bounds(item: &LogItem) -> (u64, u64) {
    match item {
        LogItem::Line(line) => (line.sequence, line.sequence),
        LogItem::Gap(gap) => (gap.from, gap.to),
    }
}
