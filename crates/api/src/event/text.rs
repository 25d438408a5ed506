//! An event as a line of text.

use std::fmt;

use super::{EventKind, StampedEvent};
use crate::{Exit, SupervisorPath};

/// What a line says, whether the event is at hand or was read from the wire.
pub(crate) struct Line<'a> {
    pub(crate) path: &'a SupervisorPath,
    /// `None`: a kind that this version does not know; `word` says it.
    pub(crate) kind: Option<EventKind>,
    pub(crate) word: &'a str,
    pub(crate) exit: Option<&'a Exit>,
    pub(crate) text: Option<&'a str>,
    pub(crate) requested_by: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    /// The word of the cause, and the child that caused it.
    pub(crate) cause: &'a str,
    pub(crate) cause_path: Option<&'a SupervisorPath>,
    /// The catalogue's numbers, under their names.
    pub(crate) numbers: Vec<(&'a str, u64)>,
    /// The word of what happens next, with whom, and in how many milliseconds.
    pub(crate) next: &'a str,
    pub(crate) next_path: Option<&'a SupervisorPath>,
    pub(crate) next_in_ms: Option<u64>,
    pub(crate) attempt: u64,
    pub(crate) chain: Vec<&'a str>,
}

impl fmt::Display for StampedEvent {
    /// One line: path, what happened, why, what happens next.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = self.event.detail.as_deref();
        let names = self.event.kind.spec().numbers.iter();
        let line = Line {
            path: &self.path,
            kind: Some(self.event.kind),
            word: self.event.kind.as_str(),
            exit: detail.and_then(|d| d.exit.as_ref()),
            text: detail.and_then(|d| d.text.as_deref()),
            requested_by: detail.and_then(|d| d.requested_by.as_deref()),
            reason: detail.and_then(|d| d.reason.as_deref()),
            cause: self.event.cause.word(),
            cause_path: self.cause_path.as_ref(),
            numbers: names.zip(self.event.numbers).map(|(name, value)| (*name, value.into())).collect(),
            next: self.event.next.word(),
            next_path: self.next_path.as_ref(),
            next_in_ms: self.next_in_nanos().map(|nanos| nanos / 1_000_000),
            attempt: self.event.row.attempt.into(),
            chain: detail.map(|d| d.chain.iter().map(|link| &**link).collect()).unwrap_or_default(),
        };
        line.fmt(f)
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.kind.map_or(self.word, |kind| kind.phrase()))?;
        if let Some(exit) = self.exit {
            if self.kind == Some(EventKind::ChildStartFailed) && *exit == Exit::Completed {
                // An end that is good at any other time.
                f.write_str(": ended well before it was ready")?;
            } else if !self.kind.is_some_and(|kind| says_it_all(kind, exit)) {
                write!(f, ": {exit}")?;
            }
        } else if let Some(text) = self.text {
            write!(f, ": {text}")?;
        }
        if self.cause == "operator" || self.kind.is_some_and(is_asked) {
            if let Some(by) = self.requested_by {
                write!(f, " by {by}")?;
            }
            if let Some(reason) = self.reason {
                write!(f, " ({reason})")?;
            }
        }
        if let Some(cause) = self.cause_elsewhere() {
            write!(f, ", because of {cause} ({})", self.cause.replace('_', " "))?;
        }
        self.write_numbers(f)?;
        self.write_next(f)?;
        if !self.chain.is_empty() {
            write!(f, "; chain: {}", self.chain.join(" -> "))?;
        }
        Ok(())
    }
}

impl Line<'_> {
    /// The child that caused it, when the line does not name it anyway.
    fn cause_elsewhere(&self) -> Option<&SupervisorPath> {
        self.cause_path.filter(|cause| *cause != self.path && self.next_path != Some(*cause))
    }

    fn write_numbers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ENDLESS: u64 = u32::MAX as u64;
        let budget_max = self.numbers.iter().find(|(name, _)| *name == "budget_max").map(|(_, max)| *max);
        let mut open = false;
        for (name, value) in &self.numbers {
            // What is killed at a time says the grace already.
            let said = *name == "grace_ms" && self.next == "kill_at";
            // Without a limit nothing is counted.
            let uncounted = *name == "budget_used" && budget_max == Some(ENDLESS);
            if *name == "budget_max" || said || uncounted {
                continue;
            }
            write!(f, "{}", if open { ", " } else { " [" })?;
            open = true;
            match name.strip_suffix("_ms") {
                Some(name) if *value == ENDLESS => write!(f, "{} without end", name.replace('_', " "))?,
                Some(name) => write!(f, "{} {}", name.replace('_', " "), millis(*value))?,
                None if *name == "budget_used" => {
                    write!(f, "budget {value} of {}", budget_max.unwrap_or(ENDLESS))?;
                }
                None => write!(f, "{} {value}", name.replace('_', " "))?,
            }
        }
        if open { f.write_str("]") } else { Ok(()) }
    }

    fn write_next(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wait = match self.next_in_ms.unwrap_or(0) {
            0 => "now".to_owned(),
            ms => format!("in {}", millis(ms)),
        };
        match self.next {
            "start_now" => f.write_str("; starts again now"),
            "start_at" => write!(f, "; starts again {wait} (attempt {})", self.attempt.saturating_add(1)),
            "start_with_group" => write!(f, "; starts with its group {wait}"),
            "waits_for" => match self.next_path {
                Some(path) if self.kind == Some(EventKind::ChildWaiting) => write!(f, " for {path}"),
                Some(path) => write!(f, "; waits for {path}"),
                None => f.write_str("; waits for a sibling"),
            },
            "start_when_gone" => f.write_str("; starts when its old run is gone"),
            "kill_at" => write!(f, "; killed {wait} unless it ends before"),
            "until_operator" => f.write_str("; stays until an operator resumes or restarts it"),
            "escalate" => f.write_str("; its supervisor gives up"),
            // Nothing, or a word of a later version.
            _ => Ok(()),
        }
    }
}

/// Whether the exit is the one that the kind of event means.
fn says_it_all(kind: EventKind, exit: &Exit) -> bool {
    matches!(
        (kind, exit),
        (EventKind::ChildCompleted, Exit::Completed) | (EventKind::ChildStopped, Exit::Stopped)
    )
}

/// Whether somebody asks here for what many events follow from.
fn is_asked(kind: EventKind) -> bool {
    matches!(kind, EventKind::ShutdownRequested | EventKind::ShutdownPhaseChanged)
}

/// Milliseconds as a person reads them.
fn millis(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

impl EventKind {
    /// What happened, as the end of a sentence that begins with the child: `/db` *ended*.
    pub const fn phrase(self) -> &'static str {
        use EventKind::*;
        match self {
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
            ChildSignalled => "was sent a signal",
            TargetRegistered => "is registered",
            TargetUnregistered => "is not registered",
            SpecApplied => "has a new spec",
        }
    }
}
