//! The log of one child: what is kept, what comes, where one looks, and what is searched for.

use std::collections::VecDeque;

use supervisor_api::wire::{Gap, LogRecord};
use supervisor_api::{Severity, SupervisorPath};

use super::Stage;
use crate::steer::history::Item;
use crate::steer::safe;

/// How many lines are held.
const MOST: usize = 5_000;

/// A line, safe for a terminal.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// 0: the target does not count.
    sequence: u64,
    /// 0: it has no time; it tells of what is not there.
    pub(crate) at_unix_nanos: u64,
    /// From where, when that is somebody below.
    pub(crate) from: Option<String>,
    pub(crate) is_bad: bool,
    pub(crate) text: String,
}

impl Line {
    fn of(record: &LogRecord, of: &SupervisorPath) -> Self {
        let from = record.child_path.as_ref().filter(|path| *path != of);
        Self {
            sequence: record.sequence.unwrap_or(0),
            at_unix_nanos: record.occurred_at_unix_nanos.0,
            from: from.map(ToString::to_string),
            is_bad: record.severity.known().is_some_and(|severity| severity >= Severity::Warning),
            text: safe(&record.message),
        }
    }

    fn gap(Gap { from, to }: Gap) -> Self {
        let text = format!("… logs {from} to {to} are no longer kept by the target");
        Self { sequence: to, at_unix_nanos: 0, from: None, is_bad: true, text }
    }
}

/// The log that is shown. Lines are counted from the first that was ever in it, so that a place in it stays the same
/// while others come and go.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Whose it is.
    pub(crate) of: Option<SupervisorPath>,
    pub(crate) stage: Stage,
    lines: VecDeque<Line>,
    /// How many lines were dropped from the beginning.
    gone: usize,
    /// The line after the last that is shown; `None`: the newest is followed.
    held: Option<usize>,
    /// How many columns are left out at the left.
    pub(crate) shift: usize,
    /// What is searched for, in lower case; empty: nothing.
    sought: String,
    /// The line that was found last.
    hit: Option<usize>,
}

impl Log {
    /// Begins the log of another child. What is searched for stays.
    pub(crate) fn begin(&mut self, of: SupervisorPath) {
        let sought = std::mem::take(&mut self.sought);
        *self = Self { of: Some(of), stage: Stage::Asking, sought, ..Self::default() };
    }

    /// What the target keeps. What came while it was read stands behind it, once.
    pub(crate) fn kept(&mut self, items: Vec<Item>) {
        let Some(of) = self.of.clone() else { return };
        let came = std::mem::take(&mut self.lines);
        let newest = items.last().map_or(0, Item::sequence);
        for item in items {
            match item {
                Item::Log(record) if is_of(&of, &record) => self.push(Line::of(&record, &of)),
                Item::Gap(gap) => self.push(Line::gap(gap)),
                _ => {}
            }
        }
        for line in came {
            if line.sequence == 0 || line.sequence > newest {
                self.push(line);
            }
        }
        self.stage = Stage::Here;
    }

    /// A line came. Says whether it belongs here.
    pub(crate) fn came(&mut self, record: &LogRecord) -> bool {
        let Some(of) = self.of.clone().filter(|of| is_of(of, record)) else { return false };
        self.push(Line::of(record, &of));
        true
    }

    pub(crate) fn lost(&mut self, gap: Gap) {
        if self.of.is_some() {
            self.push(Line::gap(gap));
        }
    }

    fn push(&mut self, line: Line) {
        self.lines.push_back(line);
        if self.lines.len() > MOST {
            self.lines.pop_front();
            self.gone += 1;
        }
    }

    /// The number of the line after the last.
    fn end(&self) -> usize {
        self.gone + self.lines.len()
    }

    fn line(&self, number: usize) -> Option<&Line> {
        self.lines.get(number.checked_sub(self.gone)?)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.held.is_none()
    }

    /// How many lines came after those that are shown.
    pub(crate) fn fresh(&self) -> usize {
        self.held.map_or(0, |held| self.end() - held.clamp(self.gone, self.end()))
    }

    pub(crate) fn sought(&self) -> &str {
        &self.sought
    }

    /// The lines of a window, each with whether it was found last.
    pub(crate) fn window(&self, rows: usize) -> impl Iterator<Item = (&Line, bool)> {
        let end = self.held.unwrap_or_else(|| self.end());
        // What was held may be gone; then the oldest lines are shown.
        let end = end.clamp((self.gone + rows).min(self.end()), self.end());
        let first = end.saturating_sub(rows).max(self.gone);
        (first..end).filter_map(move |number| Some((self.line(number)?, self.hit == Some(number))))
    }

    /// Follows the newest, or holds where one is.
    pub(crate) fn follow(&mut self, follows: bool) {
        self.held = (!follows).then(|| self.held.unwrap_or_else(|| self.end()));
    }

    /// Goes up or down. At the newest line following goes on.
    pub(crate) fn scroll(&mut self, by: isize, rows: usize) {
        let end = self.held.unwrap_or_else(|| self.end());
        let least = (self.gone + rows).min(self.end());
        let end = end.saturating_add_signed(by).clamp(least, self.end());
        self.held = (end < self.end()).then_some(end);
    }

    pub(crate) fn oldest(&mut self, rows: usize) {
        self.scroll(isize::MIN / 2, rows);
    }

    /// Searches for a text from the newest shown line upwards. Says whether it was found.
    pub(crate) fn seek(&mut self, text: &str, rows: usize) -> bool {
        self.sought = text.to_lowercase();
        self.hit = None;
        let from = self.held.unwrap_or_else(|| self.end());
        let found = (self.gone..from).rev().chain((from..self.end()).rev());
        self.found(found.collect(), rows)
    }

    /// Goes to the next line that has it, down or up, and round at the end.
    pub(crate) fn seek_on(&mut self, down: bool, rows: usize) -> bool {
        let from = self.hit.unwrap_or_else(|| self.held.unwrap_or_else(|| self.end()));
        let after = (from + 1).clamp(self.gone, self.end());
        let before = from.clamp(self.gone, self.end());
        let order: Vec<usize> = if down {
            (after..self.end()).chain(self.gone..after).collect()
        } else {
            (self.gone..before).rev().chain((before..self.end()).rev()).collect()
        };
        self.found(order, rows)
    }

    fn found(&mut self, order: Vec<usize>, rows: usize) -> bool {
        if self.sought.is_empty() {
            return false;
        }
        let found = order.into_iter().find(|number| {
            self.line(*number).is_some_and(|line| line.text.to_lowercase().contains(&self.sought))
        });
        let Some(number) = found else { return false };
        self.hit = Some(number);
        let end = self.held.unwrap_or_else(|| self.end());
        if number >= end || number + rows < end {
            // In the middle, where what led to it can be seen.
            self.held = Some((number + 1 + rows / 2).clamp((self.gone + rows).min(self.end()), self.end()));
        } else {
            self.held = Some(end);
        }
        true
    }
}

/// Whether a line is of this child or of somebody below.
fn is_of(of: &SupervisorPath, record: &LogRecord) -> bool {
    record.child_path.as_ref().is_some_and(|path| of.contains(path))
}
