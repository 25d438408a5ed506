//! Prints what happens, on a thread of its own.
//!
//! A pipe that is not read, or a terminal that was stopped with Ctrl-S, makes a write wait. Here it makes
//! nobody else wait: the tree goes on, and what came meanwhile is printed later or counted as lost.

use std::io;

use supervisor_stack::tokio_supervisor::{EventItem, EventStream, LogItem, LogStream, SupervisorHandle};
use tokio::sync::oneshot;

use super::ending::Ending;
use super::form::{Form, Lost};
use crate::print;

/// How many lines are put in order and written at a time.
const BATCH: usize = 512;

/// Starts to print. The receiver resolves when the tree has ended and everything is written.
pub(super) fn start(handle: SupervisorHandle, form: Form) -> io::Result<oneshot::Receiver<()>> {
    let (done, printed) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new().name("printer".into()).spawn(move || {
        runtime.block_on(print(&handle, &form));
        // Nobody may wait any more.
        let _ = done.send(());
    })?;
    Ok(printed)
}

async fn print(handle: &SupervisorHandle, form: &Form) {
    let mut batch = Batch::new(handle);
    print::out(&form.opening(handle.health().started_at_unix_nanos));
    while batch.fill().await {
        let mut text = String::new();
        for item in batch.in_order() {
            text += &match item {
                Item::Event(EventItem::Event(event)) => form.event(&event),
                Item::Event(EventItem::Gap(gap)) => form.gap(Lost::Events, gap),
                Item::Line(LogItem::Line(line)) => form.line(&line),
                Item::Line(LogItem::Gap(gap)) => form.gap(Lost::Logs, gap),
            };
        }
        print::out(&text);
    }
    let ending = Ending::of(handle).await;
    print::out(&form.ending(&ending));
    for problem in &ending.problems {
        print::err(&format!("supervisor: {}\n", printable_lines(problem)));
    }
}

/// Text of programs may be in a problem; its line breaks are ours.
fn printable_lines(problem: &str) -> String {
    let lines: Vec<String> = problem.lines().map(supervisor_stack::printable).collect();
    lines.join("\n")
}

enum Item {
    Event(EventItem),
    Line(LogItem),
}

impl Item {
    /// When it happened. A gap stands before what follows it.
    fn at(&self) -> Option<u64> {
        match self {
            Self::Event(item) => item.event().map(|event| event.occurred_at_unix_nanos),
            Self::Line(LogItem::Line(line)) => Some(line.occurred_at_unix_nanos),
            Self::Line(LogItem::Gap(_)) => None,
        }
    }
}

/// Events and lines that are there, to be put in the order of their times.
struct Batch {
    events: EventStream,
    lines: LogStream,
    found_events: Vec<Item>,
    found_lines: Vec<Item>,
}

impl Batch {
    fn new(handle: &SupervisorHandle) -> Self {
        let (events, lines) = (handle.events_after(0), handle.logs_after(0));
        Self { events, lines, found_events: Vec::new(), found_lines: Vec::new() }
    }

    /// Waits for something, then takes what else is there. Says whether anything can follow.
    async fn fill(&mut self) -> bool {
        tokio::select! {
            Some(event) = self.events.next() => self.found_events.push(Item::Event(event)),
            Some(line) = self.lines.next() => self.found_lines.push(Item::Line(line)),
            else => return false,
        }
        let events = std::iter::from_fn(|| self.events.try_next());
        self.found_events.extend(events.take(BATCH).map(Item::Event));
        let lines = std::iter::from_fn(|| self.lines.try_next());
        self.found_lines.extend(lines.take(BATCH).map(Item::Line));
        true
    }

    /// What was found, merged by time; each stream keeps its own order.
    fn in_order(&mut self) -> Vec<Item> {
        let mut events = std::mem::take(&mut self.found_events).into_iter().peekable();
        let mut lines = std::mem::take(&mut self.found_lines).into_iter().peekable();
        let mut out = Vec::with_capacity(events.len() + lines.len());
        loop {
            let line_first = match (events.peek(), lines.peek()) {
                (None, None) => return out,
                (Some(_), None) => false,
                (None, Some(_)) => true,
                // What a program wrote comes before the event of the same instant: often its end.
                (Some(event), Some(line)) => line.at() <= event.at(),
            };
            out.extend(if line_first { lines.next() } else { events.next() });
        }
    }
}
