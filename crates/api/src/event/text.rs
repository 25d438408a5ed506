//! An event as a line of text.

use std::fmt;

use super::{Cause, EventKind, Next, StampedEvent};
use crate::{Exit, SupervisorPath};

impl fmt::Display for StampedEvent {
    /// One line: path, what happened, why, what happens next.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, sentence(self.event.kind))?;
        let detail = self.event.detail.as_deref();
        if let Some(exit) = detail.and_then(|d| d.exit.as_ref()) {
            if !says_it_all(self.event.kind, exit) {
                write!(f, ": {exit}")?;
            }
        } else if let Some(text) = detail.and_then(|d| d.text.as_ref()) {
            write!(f, ": {text}")?;
        }
        if self.event.cause == Cause::Operator || is_asked(self.event.kind) {
            if let Some(by) = detail.and_then(|d| d.requested_by.as_ref()) {
                write!(f, " by {by}")?;
            }
            if let Some(reason) = detail.and_then(|d| d.reason.as_ref()) {
                write!(f, " ({reason})")?;
            }
        }
        if let Some(cause) = self.cause_elsewhere() {
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
    /// The child that caused it, when the line does not name it anyway.
    fn cause_elsewhere(&self) -> Option<&SupervisorPath> {
        self.cause_path
            .as_ref()
            .filter(|cause| **cause != self.path && self.next_path.as_ref() != Some(*cause))
    }

    fn write_numbers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut open = false;
        for (name, value) in self.event.kind.spec().numbers.iter().zip(self.event.numbers) {
            // What is killed at a time says the grace already.
            let said = *name == "grace_ms" && matches!(self.event.next, Next::KillAt(_));
            // Without a limit nothing is counted.
            let uncounted = *name == "budget_used" && self.budget_max() == Some(u32::MAX);
            if *name == "budget_max" || said || uncounted {
                continue;
            }
            write!(f, "{}", if open { ", " } else { " [" })?;
            open = true;
            match name.strip_suffix("_ms") {
                Some(name) if value == u32::MAX => write!(f, "{} without end", name.replace('_', " "))?,
                Some(name) => write!(f, "{} {}", name.replace('_', " "), millis(u64::from(value)))?,
                None if *name == "budget_used" => {
                    write!(f, "budget {value} of {}", self.budget_max().unwrap_or(u32::MAX))?;
                }
                None => write!(f, "{} {value}", name.replace('_', " "))?,
            }
        }
        if open { f.write_str("]") } else { Ok(()) }
    }

    fn budget_max(&self) -> Option<u32> {
        let names = self.event.kind.spec().numbers;
        let at = names.iter().position(|name| *name == "budget_max")?;
        self.event.numbers.get(at).copied()
    }

    fn write_next(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wait = match self.next_in_nanos().unwrap_or(0) / 1_000_000 {
            0 => "now".to_owned(),
            ms => format!("in {}", millis(ms)),
        };
        match self.event.next {
            Next::Nothing => Ok(()),
            Next::StartNow => f.write_str("; starts again now"),
            Next::StartAt(_) => {
                write!(f, "; starts again {wait} (attempt {})", self.event.row.attempt + 1)
            }
            Next::WithGroup(_) => write!(f, "; starts with its group {wait}"),
            Next::WaitsFor(_) => match &self.next_path {
                Some(path) if self.event.kind == EventKind::ChildWaiting => write!(f, " for {path}"),
                Some(path) => write!(f, "; waits for {path}"),
                None => f.write_str("; waits for a sibling"),
            },
            Next::WhenGone => f.write_str("; starts when its old run is gone"),
            Next::KillAt(_) => write!(f, "; killed {wait} unless it ends before"),
            Next::Operator => f.write_str("; stays until an operator resumes or restarts it"),
            Next::Escalate => f.write_str("; its supervisor gives up"),
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
        ChildSignalled => "was sent a signal",
        SpecApplied => "has a new spec",
    }
}
