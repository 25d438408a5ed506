//! Lines for people: time, path, what happened.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::Path;

use jiff::tz::TimeZone;
use supervisor_api::report::ChildShutdownOutcome;
use supervisor_api::{EventKind, Exit, Lifecycle, Severity, SupervisorPath};
use supervisor_stack::tokio_supervisor::{Gap, LogRecord, StampedEvent};
use supervisor_stack::{Stack, printable};

use super::ending::{Ending, how};
use super::form::{Lost, Ways};
use crate::paint::{CYAN, DIM, PLAIN, Paint, RED, YELLOW};
use crate::print;
use crate::read::counted;
use crate::span::span;

/// The widest column of paths; longer ones move their line.
const MAX_PATH: usize = 28;

/// Lines for people.
pub(crate) struct Text {
    name: String,
    /// Lines.
    opening: Vec<String>,
    /// The column of paths.
    width: usize,
    /// A terminal shows the time of day; what is kept needs the date and the offset.
    terminal: bool,
    /// The journal is told how much a line matters.
    journal: bool,
    paint: Paint,
    zone: TimeZone,
    last_second: RefCell<Second>,
}

/// The text of one second. Lines come in bursts, and asking a time zone takes longer than all the rest.
#[derive(Default)]
struct Second {
    /// Since 1970; `None` before the first line.
    second: Option<u64>,
    time: String,
    offset: String,
}

impl Text {
    pub(super) fn new(file: &Path, stack: &Stack, ways: &Ways, terminal: bool, paint: Paint) -> Self {
        let name = stack.manifest.name.to_string();
        let children = counted(stack.manifest.count(), "child");
        let file = printable(&file.display().to_string());
        let hint = if terminal { "; Ctrl-C stops it" } else { "" };
        let first = format!("{name}: {children} from {file}{}{hint}", printable(&doors(ways)));
        let opening = [first].into_iter().chain(dashboard(&name, ways)).collect();
        Self {
            name,
            opening,
            width: longest_path(stack),
            terminal,
            journal: print::is_journal(std::io::stdout()),
            paint,
            zone: TimeZone::system(),
            last_second: RefCell::default(),
        }
    }

    pub(super) fn opening(&self, at: u64) -> String {
        self.opening.iter().map(|line| self.plain(at, line)).collect()
    }

    /// One line, or nothing for what another line says too.
    pub(super) fn event(&self, event: &StampedEvent) -> String {
        let severity = event.event.kind.severity();
        if severity < Severity::Info || is_said_elsewhere(event.event.kind) {
            return String::new();
        }
        let text = event.to_string();
        let text = text.strip_prefix(event.path.as_str()).unwrap_or(&text).trim_start();
        let colour = match severity {
            Severity::Error => RED,
            Severity::Warning => YELLOW,
            _ => PLAIN,
        };
        let text = self.painted(colour, &printable(text));
        self.level(severity).to_owned() + &self.of(event.occurred_at_unix_nanos, event.path.as_str(), &text)
    }

    /// One line of a program's output.
    pub(super) fn line(&self, line: &LogRecord) -> String {
        let is_cut = line.fields.iter().any(|(name, value)| name == "truncated" && value == "true");
        let cut = if is_cut { " … (line cut at 16 KiB)" } else { "" };
        let mut text = format!("{} {}{cut}", self.painted(DIM, "|"), line.message);
        if line.severity >= Severity::Warning {
            text = self.painted(YELLOW, &text);
        }
        self.level(line.severity).to_owned()
            + &self.of(line.occurred_at_unix_nanos, line.path.as_str(), &text)
    }

    pub(super) fn gap(&self, lost: Lost, gap: Gap) -> String {
        let what = match lost {
            Lost::Events => "events",
            Lost::Logs => "lines of output",
        };
        let text = format!("… {what} not shown because they came too fast: {}", gap.missed());
        format!("{}{}\n", self.level(Severity::Warning), self.painted(YELLOW, &text))
    }

    pub(super) fn ending(&self, ending: &Ending) -> String {
        let report = &ending.report;
        let why = match &*report.phase {
            "shutdown" => "it was asked to stop",
            "all_done" => "nothing is left to do",
            "auto_shutdown" => "a significant child ended",
            "start" => "its start failed",
            "escalation" => "it gave up",
            _ => "the supervisor itself failed",
        };
        let ran = span(ending.ran_nanos / 1_000);
        let head = format!("{} is down after {ran}: {why}", self.name);
        let mut out = self.plain(report.completed_at_unix_nanos, &head);
        let outcomes = &ending.result.outcomes;
        let width = outcomes.iter().map(|outcome| outcome.path.as_str().len()).max().unwrap_or(0);
        for outcome in outcomes {
            let text = row(outcome);
            let (severity, colour) = match outcome.state {
                Lifecycle::Unresponsive => (Severity::Error, RED),
                Lifecycle::Failed | Lifecycle::Quarantined => (Severity::Warning, YELLOW),
                _ => (Severity::Info, PLAIN),
            };
            let level = self.level(severity);
            let path = format!("{:width$}", outcome.path.as_str());
            // Writing to a `String` cannot fail.
            let _ = writeln!(out, "{level}  {}  {}", self.painted(CYAN, &path), self.painted(colour, &text));
        }
        out
    }

    /// A line about a child.
    fn of(&self, at: u64, path: &str, text: &str) -> String {
        let path = format!("{path:width$}", width = self.width);
        format!("{} {} {text}\n", self.time(at), self.painted(CYAN, &path))
    }

    /// A line about the whole.
    fn plain(&self, at: u64, text: &str) -> String {
        format!("{}{} {text}\n", self.level(Severity::Info), self.time(at))
    }

    /// What goes before a line that matters so much.
    fn level(&self, severity: Severity) -> &'static str {
        if self.journal { print::level(severity) } else { "" }
    }

    fn time(&self, unix_nanos: u64) -> String {
        let second = unix_nanos / 1_000_000_000;
        let mut last = self.last_second.borrow_mut();
        if last.second != Some(second) {
            *last = self.second(second);
        }
        let text = format!("{}.{:03}{}", last.time, unix_nanos / 1_000_000 % 1_000, last.offset);
        self.painted(DIM, &text)
    }

    fn second(&self, second: u64) -> Second {
        let time = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
        let time = time.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_zoned(self.zone.clone());
        let (form, offset) = if self.terminal { ("%H:%M:%S", "") } else { ("%Y-%m-%dT%H:%M:%S", "%:z") };
        let shown = |form: &str| time.strftime(form).to_string();
        Second { second: Some(second), time: shown(form), offset: shown(offset) }
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        self.paint.paint(colour, text)
    }
}

/// Where a run can be looked into by programs, as the end of its first line.
fn doors(ways: &Ways) -> String {
    let socket = ways.socket.as_ref().map(|path| format!("; control socket {}", path.display()));
    let health = ways.health.as_ref().map(|url| format!("; health on {url}"));
    socket.into_iter().chain(health).collect()
}

/// Where it can be looked into by people.
fn dashboard(name: &str, ways: &Ways) -> Option<String> {
    let url = ways.dashboard.as_ref()?;
    Some(match &ways.login_link {
        Some(link) => format!(
            "dashboard: {link} (good once, for 10 minutes; `supervisor dashboard {name}` prints another)"
        ),
        None => format!("dashboard: {url} (`supervisor dashboard {name}` prints a link to sign in)"),
    })
}

/// A program that is ready is `running`, or `restarted`; one that ended badly while it stopped is `stopped`,
/// with its exit; and an end says when the next start is.
fn is_said_elsewhere(kind: EventKind) -> bool {
    matches!(kind, EventKind::ChildReady | EventKind::ChildStopError | EventKind::BackoffScheduled)
}

/// How one child ended.
fn row(outcome: &ChildShutdownOutcome) -> String {
    let mut text = outcome.state.to_string();
    if outcome.took_micros > 0 {
        let _ = write!(text, " in {}", span(outcome.took_micros));
    }
    match &outcome.exit {
        None | Some(Exit::Stopped | Exit::Completed) => {}
        Some(exit) => {
            let _ = write!(text, ": {}", printable(&how(exit)));
        }
    }
    text
}

/// The column that fits the paths of the file.
fn longest_path(stack: &Stack) -> usize {
    let mut longest = 1;
    let mut due = vec![(SupervisorPath::root(), &stack.manifest.children)];
    while let Some((above, children)) = due.pop() {
        for child in children {
            let path = above.child(&child.name);
            longest = longest.max(path.as_str().len());
            due.extend(child.children.as_ref().map(|children| (path, children)));
        }
    }
    longest.min(MAX_PATH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_the_time_of_day_and_a_file_the_date() {
        let file = "version: 1\nname: demo\nchildren:\n  - {name: web, kind: process, command: [x]}\n";
        let stack = Stack::parse("f", file).unwrap();
        let link = "http://127.0.0.1:9900/#code=12";
        let ways = |login_link: Option<&str>| Ways {
            socket: None,
            health: None,
            dashboard: Some("http://127.0.0.1:9900".to_owned()),
            login_link: login_link.map(str::to_owned),
        };
        let mut text = Text::new(Path::new("f"), &stack, &ways(Some(link)), true, Paint::NEVER);
        text.zone = TimeZone::UTC;
        assert_eq!(
            text.opening(1_500_000_000),
            "00:00:01.500 demo: 1 child from f; Ctrl-C stops it\n00:00:01.500 dashboard: \
             http://127.0.0.1:9900/#code=12 (good once, for 10 minutes; `supervisor dashboard demo` prints another)\n"
        );
        let mut text = Text::new(Path::new("f"), &stack, &ways(None), false, Paint::ALWAYS);
        text.zone = TimeZone::UTC;
        let lines = text.opening(1_500_000_000);
        assert_eq!(
            lines,
            "\x1b[2m1970-01-01T00:00:01.500+00:00\x1b[0m demo: 1 child from f\n\
             \x1b[2m1970-01-01T00:00:01.500+00:00\x1b[0m dashboard: http://127.0.0.1:9900 \
             (`supervisor dashboard demo` prints a link to sign in)\n"
        );
    }
}
