//! What happened, as lines, and what a test expects of them.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use supervisor_api::{ChildKey, Lifecycle, StampedEvent};
use tokio_supervisor::EventItem;

use super::line::{line, span};

/// Lines of what happened since the start, each with its time.
///
/// `Display` gives all of them, times included; that is what a failed expectation prints.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    lines: Vec<(Duration, String)>,
    /// How many lines a test has looked at.
    taken: usize,
    states: HashMap<ChildKey, Lifecycle>,
}

impl Trace {
    /// Every line, without times.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|(_, line)| line.as_str())
    }

    /// Where the first line stands that was not taken yet and has this text.
    pub(super) fn find(&self, text: &str) -> Option<usize> {
        (self.taken..self.lines.len()).find(|&at| self.lines[at].1.contains(text))
    }

    /// Takes the lines until one that has this text.
    pub(super) fn take_until(&mut self, text: &str) {
        self.taken = self.find(text).map_or(self.taken, |at| at + 1);
    }

    /// Takes the lines that were not taken yet.
    pub(super) fn take(&mut self) -> Vec<String> {
        let fresh = self.lines().skip(self.taken).map(str::to_owned).collect();
        self.taken = self.lines.len();
        fresh
    }

    pub(super) fn record(&mut self, item: &EventItem, now: Duration) {
        match item {
            EventItem::Event(event) => self.event(event),
            EventItem::Gap(gap) => self.lines.push((now, gap.to_string())),
        }
    }

    fn event(&mut self, event: &StampedEvent) {
        let state = self.states.entry(event.event.child).or_insert(Lifecycle::Declared);
        let before = std::mem::replace(state, event.event.row.lifecycle);
        if let Some(line) = line(event, before) {
            self.lines.push((Duration::from_nanos(event.at), line));
        }
    }

    /// Exactly these lines are new. Takes them.
    #[track_caller]
    pub(super) fn expect(&mut self, wanted: &[&str]) {
        let from = self.taken;
        let fresh = self.take();
        let Some(at) = (0..fresh.len().max(wanted.len()))
            .find(|&at| fresh.get(at).map(String::as_str) != wanted.get(at).copied())
        else {
            return;
        };
        let nothing = "nothing more";
        let seen = fresh.get(at).map_or(nothing, String::as_str);
        let wanted = wanted.get(at).copied().unwrap_or(nothing);
        let number = at + 1;
        let shown = self.marked(from, Some(from + at));
        panic!("line {number} is not as expected\n  wanted: {wanted}\n    seen: {seen}\n{shown}");
    }

    /// The new lines have these pieces of text in this order, one line each. Takes all of them.
    #[track_caller]
    pub(super) fn expect_in_order(&mut self, wanted: &[&str]) {
        let from = self.taken;
        let fresh = self.take();
        let mut lines = fresh.iter().enumerate();
        let mut last = None;
        for (number, wanted) in wanted.iter().enumerate() {
            match lines.find(|(_, line)| line.contains(wanted)) {
                Some((at, _)) => last = Some(from + at),
                None => {
                    let after = if number == 0 { "" } else { " after the line that is marked" };
                    let shown = self.marked(from, last);
                    panic!("this did not happen{after}\n  wanted: {wanted}\n{shown}");
                }
            }
        }
    }

    /// No line has this text.
    #[track_caller]
    pub(super) fn expect_never(&self, unwanted: &str) {
        if let Some(at) = self.lines().position(|line| line.contains(unwanted)) {
            panic!("this was not to happen\n  unwanted: {unwanted}\n{}", self.marked(0, Some(at)));
        }
    }

    /// All lines, with a rule where the new ones begin, and a mark at one of them.
    fn marked(&self, fresh: usize, mark: Option<usize>) -> String {
        let mut text = String::from("what happened since the start:\n");
        for (at, (time, line)) in self.lines.iter().enumerate() {
            if at == fresh && at > 0 {
                text.push_str("            -- looked at until here --\n");
            }
            let sign = if mark == Some(at) { '>' } else { ' ' };
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{sign}{:>10}  {line}", span(*time));
        }
        text
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.marked(0, None))
    }
}
