//! The one event type.
//!
//! An [`Event`] is born in the machine, once per decision. The journal stamps it with a sequence, a time
//! and the child's path ([`StampedEvent`]), and so it reaches every reader. It says what happened to whom,
//! why ([`Cause`]), the numbers that led to the decision, what happens next ([`Next`]), and the state of
//! the child's row right after it ([`Row`]), so that a reader can fold a view from events alone.

mod catalogue;
mod json;
mod text;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::life::words;
use crate::{Exit, Health, Lifecycle, Readiness, SupervisorPath};

pub use catalogue::{EventKind, EventSpec, Severity};
#[cfg(feature = "wire")]
pub(crate) use text::Line;

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
    /// The time of its schedule came.
    Schedule,
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
            Self::Schedule => "schedule",
        }
    }

    /// Why something happens to a child that another one caused, as the end of a sentence; `None` when no other did.
    pub fn because_of(self, other: &SupervisorPath) -> Option<String> {
        Some(match self {
            Self::Dependency(_) => format!("it depends on {other}"),
            Self::Group(_) => format!("{other} restarts its group"),
            Self::Escalation(_) => format!("{other} gives up"),
            Self::Unwind(_) => format!("{other} did not start"),
            Self::Primary(_) => format!("it belongs to {other}"),
            Self::Supervisor(_) => format!("it is below {other}"),
            Self::Significant(_) => format!("{other} is significant and ends"),
            _ => return None,
        })
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
    /// What it says without the numbers.
    pub const fn decision(self) -> PolicyDecision {
        match self {
            Self::Nothing => PolicyDecision::Nothing,
            Self::StartNow => PolicyDecision::StartNow,
            Self::StartAt(_) => PolicyDecision::StartAt,
            Self::WithGroup(_) => PolicyDecision::WithGroup,
            Self::WaitsFor(_) => PolicyDecision::WaitsFor,
            Self::WhenGone => PolicyDecision::WhenGone,
            Self::KillAt(_) => PolicyDecision::KillAt,
            Self::Operator => PolicyDecision::Operator,
            Self::Escalate => PolicyDecision::Escalate,
        }
    }

    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        self.decision().as_str()
    }

    /// When it is started, if that has a time.
    pub const fn start_at(self) -> Option<u64> {
        match self {
            Self::StartAt(at) | Self::WithGroup(at) => Some(at),
            _ => None,
        }
    }
}

words! {
    /// What was decided about a child when a run of it ended: the word of [`Next`].
    PolicyDecision {
        /// Nothing follows by itself.
        Nothing = "nothing",
        /// It is started at once.
        StartNow = "start_now",
        /// It is started at a time.
        StartAt = "start_at",
        /// It is started with its group.
        WithGroup = "start_with_group",
        /// It is started when a sibling is ready.
        WaitsFor = "waits_for",
        /// It is started when its old run is gone.
        WhenGone = "start_when_gone",
        /// It is killed at a time.
        KillAt = "kill_at",
        /// It stays until an operator resumes or restarts it.
        Operator = "until_operator",
        /// Its supervisor gives up.
        Escalate = "escalate",
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
    /// The caller's own id of that command, if it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Arc<str>>,
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
    /// The caller's id of the command behind the event, if there is one and it has one.
    pub fn correlation_id(&self) -> Option<&str> {
        self.event.detail.as_ref()?.correlation_id.as_deref()
    }

    /// How long from the event until what happens next, in nanoseconds; `None` when it has no time.
    pub fn next_in_nanos(&self) -> Option<u64> {
        match self.event.next {
            Next::StartAt(at) | Next::WithGroup(at) | Next::KillAt(at) => Some(at.saturating_sub(self.at)),
            _ => None,
        }
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
