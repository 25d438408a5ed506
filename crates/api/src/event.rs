//! The one event type.
//!
//! An [`Event`] is born in the machine, once per decision. The journal stamps it with a sequence, a time
//! and the child's path ([`StampedEvent`]), and so it reaches every reader. It says what happened to whom,
//! why ([`Cause`]), the numbers that led to the decision, what happens next ([`Next`]), and the state of
//! the child's row right after it ([`Row`]), so that a reader can fold a view from events alone.

use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::life::words;
use crate::{Exit, Health, Lifecycle, Readiness, SupervisorPath};

words! {
    /// How much an event matters to somebody who only glances.
    Severity {
        /// Of interest when reading the code.
        Trace = "trace",
        /// Of interest when looking for a fault.
        Debug = "debug",
        /// The normal course of things.
        Info = "info",
        /// Something is not as it should be, and is being dealt with.
        Warning = "warning",
        /// Something is broken and will not mend itself.
        Error = "error",
    }
}

/// What the catalogue says of one kind of event.
#[derive(Debug, Clone, Copy)]
pub struct EventSpec {
    /// The word on the wire (`event_type`).
    pub name: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Names of [`Event::numbers`], in order; they are keys of the payload.
    pub numbers: &'static [&'static str],
    /// What it means.
    pub meaning: &'static str,
}

macro_rules! catalogue {
    ($($name:ident $severity:ident [$($number:literal),*] $meaning:literal;)+) => {
        /// What happened. The catalogue ([`EventKind::spec`]) gives severity, payload keys and meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum EventKind { $(#[doc = $meaning] $name),+ }

        impl EventKind {
            /// Every kind, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The catalogue's entry.
            pub const fn spec(self) -> &'static EventSpec {
                match self {
                    $(Self::$name => &EventSpec {
                        name: stringify!($name),
                        severity: Severity::$severity,
                        numbers: &[$($number),*],
                        meaning: $meaning,
                    }),+
                }
            }
        }
    };
}

catalogue! {
    ChildDeclarationAccepted Info [] "A child was added to the running tree.";
    ChildDeclarationRejected Warning [] "A child could not be added; the text says why.";
    ChildUnbound Warning [] "The child's factory is not registered; it starts when it is.";
    ChildWaiting Info [] "The child is due to start and waits for a sibling that is not ready.";
    ChildStarting Info [] "A run was spawned and is not started yet.";
    ChildRunning Info [] "A run is started, other than by an automatic restart.";
    ChildReady Info ["took_ms"] "The run reported ready.";
    ChildRestarting Info [] "An automatic restart was spawned and is not started yet.";
    ChildRestarted Info [] "An automatic restart is started.";
    ChildDeclined Info [] "The run declined to start; the child stays, stopped.";
    ChildCompleted Info ["ran_ms"] "The child ended well and is not started again.";
    ChildFailed Warning ["ran_ms", "budget_used", "budget_max"] "A run ended badly, or ended where it should not have.";
    ChildPanicked Warning ["ran_ms", "budget_used", "budget_max"] "A run panicked.";
    ChildStartFailed Warning ["ran_ms", "budget_used", "budget_max"] "A run ended before it was started.";
    BackoffScheduled Info ["delay_ms", "budget_used", "budget_max"] "The next start has a time.";
    ChildHeartbeatMissed Warning ["misses", "allowed"] "A promised heartbeat or probe was missed.";
    ChildHealthy Info [] "A heartbeat came after one was missed.";
    ChildUnhealthy Warning ["misses", "allowed"] "Too many heartbeats were missed in a row; the child is being stopped for it.";
    ChildStopping Info ["grace_ms"] "The child was asked to stop.";
    ChildKilling Warning ["waited_ms"] "The grace is over; the run is being aborted or killed.";
    ChildUnresponsive Error ["waited_ms"] "The run did not end even after it was killed; nothing starts in its place.";
    ChildStopped Info ["took_ms"] "The child is gone and is not started by itself.";
    ChildStopError Warning ["took_ms"] "The child ended badly after it was asked to stop.";
    Paused Info ["took_ms"] "An operator holds the child.";
    Resumed Info [] "An operator let the child go on.";
    ChildQuarantined Error ["budget_used", "budget_max"] "The child is parked, by an exhausted budget or by an operator.";
    BudgetExhausted Error ["budget_used", "budget_max", "window_ms"] "One failure more than the budget allows.";
    BudgetUnreachable Warning ["max_restarts", "window_ms"] "The back-off is so slow that the budget can never be exhausted; failures in a row are counted instead.";
    Escalated Error [] "The supervisor gave up; its parent decides.";
    SupervisorEnding Info [] "The supervisor ends by itself and stops its children.";
    ShutdownRequested Info [] "The tree was asked to stop.";
    ShutdownPhaseChanged Info [] "The remaining graces were cut to zero.";
    ShutdownCompleted Info ["took_ms"] "Every child is gone or named as unresponsive.";
    CommandAccepted Debug [] "A command was accepted and goes on.";
    CommandCompleted Debug [] "A command has its outcome.";
    SubscriberLagged Warning ["missed"] "A reader was too slow and missed events.";
    ChildControlOperationChanged Debug [] "What happens when the child is gone was changed by a later command.";
    ChildRuntimeStateRemoved Info [] "The child is no longer in the tree.";
    LimitUnenforced Warning [] "A limit cannot be enforced here.";
    SpecApplied Info ["added", "removed", "changed", "unchanged"] "A new spec was applied.";
}

impl EventKind {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        self.spec().name
    }

    /// How much events of this kind matter.
    pub const fn severity(self) -> Severity {
        self.spec().severity
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which child, among all that ever were (D5). The index is reused only with another epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey {
    /// The place in the machine's table.
    pub index: u32,
    /// Which child of that place, from 0.
    pub epoch: u32,
}

impl ChildKey {
    /// The root supervisor.
    pub const ROOT: Self = Self { index: 0, epoch: 0 };
}

/// Why something happened. A number is the index of the child that caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The initial start of its supervisor.
    Start,
    /// Its own end; the exit is in the detail.
    Exit,
    /// Its own report: ready, declined, a heartbeat.
    Report,
    /// The time of its back-off came.
    Backoff,
    /// `ready_within` passed.
    Deadline,
    /// A missed heartbeat or a failed probe.
    Heartbeat,
    /// A sibling it depends on.
    Dependency(u32),
    /// A group restart caused by this sibling.
    Group(u32),
    /// This supervisor gave up.
    Escalation(u32),
    /// The initial start was unwound because this child failed.
    Unwind(u32),
    /// The primary it belongs to.
    Primary(u32),
    /// Its supervisor is being stopped or started.
    Supervisor(u32),
    /// A significant child ended.
    Significant(u32),
    /// An exhausted budget.
    Budget,
    /// An operator's command; who and why are in the detail.
    Operator,
    /// The shutdown of the tree.
    Shutdown,
    /// A new spec was applied.
    Reload,
}

impl Cause {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Exit => "exit",
            Self::Report => "report",
            Self::Backoff => "backoff",
            Self::Deadline => "deadline",
            Self::Heartbeat => "heartbeat",
            Self::Dependency(_) => "dependency",
            Self::Group(_) => "group_restart",
            Self::Escalation(_) => "escalation",
            Self::Unwind(_) => "unwind",
            Self::Primary(_) => "primary",
            Self::Supervisor(_) => "supervisor",
            Self::Significant(_) => "significant_child",
            Self::Budget => "budget",
            Self::Operator => "operator",
            Self::Shutdown => "shutdown",
            Self::Reload => "reload",
        }
    }

    /// The child that caused it, by index.
    pub const fn child(self) -> Option<u32> {
        match self {
            Self::Dependency(i)
            | Self::Group(i)
            | Self::Escalation(i)
            | Self::Unwind(i)
            | Self::Primary(i)
            | Self::Supervisor(i)
            | Self::Significant(i) => Some(i),
            _ => None,
        }
    }
}

/// What happens next, and when. Times are nanoseconds since the machine's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Next {
    /// Nothing that is known.
    Nothing,
    /// It is started now.
    StartNow,
    /// It is started at this time.
    StartAt(u64),
    /// It is started with its group, not before this time.
    WithGroup(u64),
    /// It is started when this sibling, by index, is ready.
    WaitsFor(u32),
    /// It is started when its old run is gone.
    WhenGone,
    /// It is killed at this time unless it ends before.
    KillAt(u64),
    /// It stays until an operator resumes or restarts it.
    Operator,
    /// Its supervisor gives up.
    Escalate,
}

impl Next {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::StartNow => "start_now",
            Self::StartAt(_) => "start_at",
            Self::WithGroup(_) => "start_with_group",
            Self::WaitsFor(_) => "waits_for",
            Self::WhenGone => "start_when_gone",
            Self::KillAt(_) => "kill_at",
            Self::Operator => "until_operator",
            Self::Escalate => "escalate",
        }
    }
}

/// The state of a child's row right after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Row {
    /// The state.
    pub lifecycle: Lifecycle,
    /// What heartbeats say.
    pub health: Health,
    /// Whether the live run is ready.
    pub readiness: Readiness,
    /// The number of the live or last run, from 1; 0 before the first (D5).
    pub generation: u64,
    /// Which restart of the streak of failures the run is; 0 for a first run (D3).
    pub attempt: u32,
    /// Automatic restarts of this child so far (D5).
    pub restart_count: u32,
}

impl Row {
    /// The row of a child that was never started.
    pub const DECLARED: Self = Self {
        lifecycle: Lifecycle::Declared,
        health: Health::Unknown,
        readiness: Readiness::Unreported,
        generation: 0,
        attempt: 0,
        restart_count: 0,
    };
}

/// The text that belongs to an event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Detail {
    /// How the run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// Who asked for it, as they said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Arc<str>>,
    /// Why they asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
    /// A sentence: why a run declined, which limit, what was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Arc<str>>,
    /// What led to an escalation, the first cause first; each line names a path and what happened there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Arc<str>>,
    /// The command this event belongs to, as numbered by the library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<u64>,
}

/// One decision of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To whom.
    pub child: ChildKey,
    /// The row right after it.
    pub row: Row,
    /// Why.
    pub cause: Cause,
    /// What happens next.
    pub next: Next,
    /// The numbers that led to it; [`EventSpec::numbers`] names them.
    pub numbers: [u32; 4],
    /// The text that belongs to it, if any.
    pub detail: Option<Arc<Detail>>,
}

/// An event as the journal gives it out: with its place in the order, its time and its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampedEvent {
    /// The place in the tree's order of events, from 1, without holes.
    pub sequence: u64,
    /// Wall-clock time, Unix nanoseconds.
    pub occurred_at_unix_nanos: u64,
    /// Nanoseconds since the machine's start; the scale of the times in [`Next`].
    pub at: u64,
    /// The child's path.
    pub path: SupervisorPath,
    /// The path of the child that [`Cause::child`] names.
    pub cause_path: Option<SupervisorPath>,
    /// The path of the child that [`Next::WaitsFor`] names.
    pub next_path: Option<SupervisorPath>,
    /// The event.
    pub event: Event,
}

impl StampedEvent {
    /// How long from the event until what happens next, in nanoseconds; `None` when it has no time.
    pub fn next_in_nanos(&self) -> Option<u64> {
        match self.event.next {
            Next::StartAt(at) | Next::WithGroup(at) | Next::KillAt(at) => Some(at.saturating_sub(self.at)),
            _ => None,
        }
    }
}

/// The payload of an event: always an object, numbers under their names from the catalogue.
struct Payload<'a>(&'a StampedEvent);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let stamped = self.0;
        let event = &stamped.event;
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("state", &event.row.lifecycle)?;
        map.serialize_entry("health", &event.row.health)?;
        map.serialize_entry("readiness", &event.row.readiness)?;
        map.serialize_entry("generation", &event.row.generation)?;
        map.serialize_entry("attempt", &event.row.attempt)?;
        map.serialize_entry("restart_count", &event.row.restart_count)?;
        map.serialize_entry("cause", event.cause.word())?;
        if let Some(path) = &stamped.cause_path {
            map.serialize_entry("cause_path", path)?;
        }
        map.serialize_entry("next", event.next.word())?;
        if let Some(path) = &stamped.next_path {
            map.serialize_entry("next_path", path)?;
        }
        if let Some(nanos) = stamped.next_in_nanos() {
            map.serialize_entry("next_in_ms", &(nanos / 1_000_000))?;
        }
        for (name, value) in event.kind.spec().numbers.iter().zip(event.numbers) {
            map.serialize_entry(name, &value)?;
        }
        if let Some(detail) = &event.detail {
            if let Some(exit) = &detail.exit {
                map.serialize_entry("exit", exit)?;
            }
            for (key, value) in
                [("requested_by", &detail.requested_by), ("reason", &detail.reason), ("text", &detail.text)]
            {
                if let Some(value) = value {
                    map.serialize_entry(key, value)?;
                }
            }
            if !detail.chain.is_empty() {
                map.serialize_entry("chain", &detail.chain)?;
            }
        }
        map.end()
    }
}

impl Serialize for StampedEvent {
    /// The keys of the wire's `EventRecord`, without the two that only a target knows (`target_id`,
    /// `config_version`).
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(8))?;
        map.serialize_entry("sequence", &self.sequence)?;
        let correlation = self.event.detail.as_ref().and_then(|d| d.command).map(|n| n.to_string());
        map.serialize_entry("correlation_id", &correlation)?;
        map.serialize_entry("event_type", &self.event.kind)?;
        map.serialize_entry("severity", &self.event.kind.severity())?;
        map.serialize_entry("target_path", &self.path)?;
        map.serialize_entry("child_id", &self.path.last_segment())?;
        map.serialize_entry("occurred_at_unix_nanos", &self.occurred_at_unix_nanos)?;
        map.serialize_entry("payload", &Payload(self))?;
        map.end()
    }
}

impl fmt::Display for StampedEvent {
    /// One line: path, what happened, why, what happens next.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, sentence(self.event.kind))?;
        let detail = self.event.detail.as_deref();
        if let Some(exit) = detail.and_then(|d| d.exit.as_ref()) {
            write!(f, ": {exit}")?;
        } else if let Some(text) = detail.and_then(|d| d.text.as_ref()) {
            write!(f, ": {text}")?;
        }
        if self.event.cause == Cause::Operator {
            if let Some(by) = detail.and_then(|d| d.requested_by.as_ref()) {
                write!(f, " by {by}")?;
            }
            if let Some(reason) = detail.and_then(|d| d.reason.as_ref()) {
                write!(f, " ({reason})")?;
            }
        }
        if let Some(cause) = &self.cause_path {
            write!(f, ", because of {cause} ({})", self.event.cause.word().replace('_', " "))?;
        }
        self.write_numbers(f)?;
        self.write_next(f)?;
        if let Some(chain) = detail.map(|d| &d.chain).filter(|c| !c.is_empty()) {
            write!(f, "; chain: {}", chain.join(" -> "))?;
        }
        Ok(())
    }
}

impl StampedEvent {
    fn write_numbers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut open = false;
        for (name, value) in self.event.kind.spec().numbers.iter().zip(self.event.numbers) {
            if *name == "budget_max" {
                continue;
            }
            write!(f, "{}", if open { ", " } else { " [" })?;
            open = true;
            match name.strip_suffix("_ms") {
                Some(name) => write!(f, "{} {}", name.replace('_', " "), millis(u64::from(value)))?,
                None if *name == "budget_used" => match self.event.numbers.get(self.budget_max_at()) {
                    Some(&u32::MAX) | None => write!(f, "budget {value} of unlimited")?,
                    Some(max) => write!(f, "budget {value} of {max}")?,
                },
                None => write!(f, "{} {value}", name.replace('_', " "))?,
            }
        }
        if open { f.write_str("]") } else { Ok(()) }
    }

    fn budget_max_at(&self) -> usize {
        let names = self.event.kind.spec().numbers;
        names.iter().position(|name| *name == "budget_max").unwrap_or(usize::MAX)
    }

    fn write_next(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wait = millis(self.next_in_nanos().unwrap_or(0) / 1_000_000);
        match self.event.next {
            Next::Nothing => Ok(()),
            Next::StartNow => f.write_str("; starts again now"),
            Next::StartAt(_) => {
                write!(f, "; starts again in {wait} (attempt {})", self.event.row.attempt + 1)
            }
            Next::WithGroup(_) => write!(f, "; starts with its group in {wait}"),
            Next::WaitsFor(_) => match &self.next_path {
                Some(path) => write!(f, "; waits for {path}"),
                None => f.write_str("; waits for a sibling"),
            },
            Next::WhenGone => f.write_str("; starts when its old run is gone"),
            Next::KillAt(_) => write!(f, "; killed in {wait} unless it ends before"),
            Next::Operator => f.write_str("; stays until an operator resumes or restarts it"),
            Next::Escalate => f.write_str("; its supervisor gives up"),
        }
    }
}

/// Milliseconds as a person reads them.
fn millis(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

fn sentence(kind: EventKind) -> &'static str {
    use EventKind::*;
    match kind {
        ChildDeclarationAccepted => "added",
        ChildDeclarationRejected => "refused",
        ChildUnbound => "has no factory yet",
        ChildWaiting => "waits",
        ChildStarting => "starting",
        ChildRunning => "running",
        ChildReady => "ready",
        ChildRestarting => "restarting",
        ChildRestarted => "restarted",
        ChildDeclined => "declined to start",
        ChildCompleted => "completed",
        ChildFailed => "ended",
        ChildPanicked => "ended",
        ChildStartFailed => "did not start",
        BackoffScheduled => "backs off",
        ChildHeartbeatMissed => "missed a heartbeat",
        ChildHealthy => "healthy again",
        ChildUnhealthy => "unhealthy",
        ChildStopping => "stopping",
        ChildKilling => "did not stop in time and is killed",
        ChildUnresponsive => "is unresponsive",
        ChildStopped => "stopped",
        ChildStopError => "ended badly while stopping",
        Paused => "paused",
        Resumed => "resumed",
        ChildQuarantined => "quarantined",
        BudgetExhausted => "exhausted its budget",
        BudgetUnreachable => "has a budget that cannot be reached",
        Escalated => "gave up",
        SupervisorEnding => "ends by itself",
        ShutdownRequested => "shutting down",
        ShutdownPhaseChanged => "cuts the remaining graces",
        ShutdownCompleted => "is down",
        CommandAccepted => "accepted a command",
        CommandCompleted => "completed a command",
        SubscriberLagged => "lost events for a slow reader",
        ChildControlOperationChanged => "changed what comes next",
        ChildRuntimeStateRemoved => "removed",
        LimitUnenforced => "has a limit that is not enforced",
        SpecApplied => "has a new spec",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(kind: EventKind) -> StampedEvent {
        StampedEvent {
            sequence: 7,
            occurred_at_unix_nanos: 1,
            at: 1_000_000_000,
            path: SupervisorPath::parse("/a/b").unwrap(),
            cause_path: None,
            next_path: None,
            event: Event {
                kind,
                child: ChildKey { index: 2, epoch: 0 },
                row: Row { lifecycle: Lifecycle::Backoff, generation: 3, attempt: 2, ..Row::DECLARED },
                cause: Cause::Exit,
                next: Next::StartAt(1_400_000_000),
                numbers: [1500, 2, 5, 0],
                detail: Some(Arc::new(Detail { exit: Some(Exit::failed("boom")), ..Detail::default() })),
            },
        }
    }

    #[test]
    fn d9_a_line_says_what_why_and_what_next() {
        assert_eq!(
            stamped(EventKind::ChildFailed).to_string(),
            "/a/b ended: failed: boom [ran 1.5 s, budget 2 of 5]; starts again in 400 ms (attempt 3)"
        );
    }

    #[test]
    fn the_payload_is_an_object_with_the_catalogues_keys() {
        let json = serde_json::to_value(stamped(EventKind::ChildFailed)).unwrap();
        assert_eq!(json["event_type"], "ChildFailed");
        assert_eq!(json["severity"], "warning");
        assert_eq!(json["target_path"], "/a/b");
        assert_eq!(json["child_id"], "b");
        assert_eq!(json["payload"]["budget_used"], 2);
        assert_eq!(json["payload"]["next_in_ms"], 400);
        assert_eq!(json["payload"]["exit"]["error"], "boom");
    }

    #[test]
    fn the_catalogue_has_every_name_of_the_contract() {
        let contract = "ChildStarting ChildRunning ChildReady ChildFailed ChildPanicked ChildUnhealthy \
            BackoffScheduled ChildRestarting ChildRestarted ChildStopped ChildQuarantined Paused Resumed \
            BudgetExhausted ShutdownRequested ShutdownPhaseChanged ShutdownCompleted CommandAccepted \
            CommandCompleted ChildDeclarationAccepted ChildDeclarationRejected SubscriberLagged \
            ChildControlOperationChanged ChildRuntimeStateRemoved";
        for name in contract.split_whitespace() {
            assert!(EventKind::ALL.iter().any(|kind| kind.as_str() == name), "{name}");
        }
        for kind in EventKind::ALL {
            assert!(kind.spec().numbers.len() <= 4 && !kind.spec().meaning.is_empty());
        }
    }
}
