//! What the runs before the newest ones logged, out of what is kept of each child.

use std::collections::VecDeque;

use supervisor_api::SupervisorPath;
use tokio_supervisor::{Gap, LogItem, SupervisorHandle};

use super::Range;

/// Lines that are given once, in their order.
#[derive(Debug)]
pub(super) struct Previous(VecDeque<LogItem>);

impl Previous {
    /// Of the child at `under` and of those below it, the lines from this sequence on. Before them comes a gap when the
    /// beginning of such a run is no longer kept.
    pub(super) fn of(handle: &SupervisorHandle, under: &SupervisorPath, from: u64) -> Self {
        let (mut lines, mut lost_before) = (Vec::new(), 0);
        for row in handle.snapshot().iter().filter(|row| under.contains(row.path) && row.row.generation > 1) {
            let run = row.row.generation - 1;
            // Who is gone by now has no lines.
            let kept = handle.logs(row.path).unwrap_or_default();
            let cut = kept.first().filter(|oldest| oldest.generation >= run);
            if let Some(oldest) = cut
                && handle.child(row.path).is_ok_and(|child| child.dropped_logs > 0)
            {
                lost_before = lost_before.max(oldest.sequence);
            }
            lines.extend(kept.into_iter().filter(|line| line.generation == run && line.sequence >= from));
        }
        lines.sort_by_key(|line| line.sequence);
        // Several children may have lost something; where the first line is, the gap ends.
        let end = lines.first().map_or(lost_before, |line| line.sequence).min(lost_before);
        let lost = (end > from).then_some(LogItem::Gap(Gap { from, to: end.saturating_sub(1) }));
        Self(lost.into_iter().chain(lines.into_iter().map(LogItem::Line)).collect())
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

fn bounds(item: &LogItem) -> (u64, u64) {
    match item {
        LogItem::Line(line) => (line.sequence, line.sequence),
        LogItem::Gap(gap) => (gap.from, gap.to),
    }
}
