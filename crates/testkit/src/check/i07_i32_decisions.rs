//! Invariants 7 and 32: what follows the end of a run is what the table of exits says (1.2), and a panic is a
//! failure like any other.

use supervisor_api::policy::{OnStartFailure, RestartType};
use supervisor_api::{Cause, Event, EventKind, Lifecycle, Next, Readiness};

use super::Checker;
use super::adopt::Concerns;
use super::inputs::How;
use super::model::{Itself, NONE, Order, Stop, Trial};
use super::violation::{Check, must};

/// What must follow an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is charged and started again, or its exhausted budget acts.
    Restart,
    /// It is not started again by itself, and not charged.
    Rest,
    /// Its supervisor is taking it down already: reported, not charged (R28, R59).
    Overtaken,
    /// The first start failed, and the child is not kept (R11).
    NotKept,
    /// The start failed, and the child rests (R2, R68).
    Failed,
    /// It declined (R4).
    Declined,
    /// It was asked to stop: what was planned happens, uncharged.
    Planned,
}

/// An end as the table sees it.
#[derive(Debug, Clone, Copy)]
struct End {
    /// It ended before it was started.
    start: bool,
    /// The class of its exit.
    clean: bool,
    how: How,
}

impl Checker {
    /// Holds the first event after an end against the table.
    pub(super) fn i07_decision(&mut self, at: u32, event: &Event) -> Check {
        let node = self.model.node(at);
        let ended = self.turn.ended.filter(|ended| ended.node == at);
        let (from, how) = match ended {
            Some(ended) => (ended.from, ended.how),
            None if node.sup != NONE
                && node.is(Lifecycle::Stopping)
                && event.row.lifecycle != Lifecycle::Stopping =>
            {
                (Lifecycle::Stopping, How::Clean)
            }
            None => return self.i07_no_end_without_a_run(at, event),
        };
        let end = self.end_of(at, from, how);
        let verdict = self.verdict(at, from, end);
        self.i07_compare(at, event, end, verdict)?;
        let late = from == Lifecycle::Unresponsive && self.i07_is_late_failure(at, event);
        if verdict == Verdict::Rest || late {
            self.i07_rested(at, event.row.lifecycle == Lifecycle::Removed);
        }
        if verdict == Verdict::Restart && restarts(event) {
            self.i08_charge(at, event, end.start)?;
        }
        Ok(())
    }

    /// Nobody completes or fails who had no run that ended.
    fn i07_no_end_without_a_run(&self, at: u32, event: &Event) -> Check {
        let node = self.model.node(at);
        let to = event.row.lifecycle;
        let ends = matches!(to, Lifecycle::Completed | Lifecycle::Failed | Lifecycle::Backoff);
        let (path, state) = (&node.path, node.state());
        must!(
            self,
            !(ends && to != state && node.life.live.is_some()),
            Decisions,
            "{path} goes from {state} to {to} with {}, and its run has not ended",
            event.kind
        );
        Ok(())
    }

    fn end_of(&self, at: u32, from: Lifecycle, how: How) -> End {
        let node = self.model.node(at);
        let start = from == Lifecycle::Starting;
        let clean = how == How::Clean || how == How::Declined;
        if from != Lifecycle::Stopping {
            return End { start, clean, how };
        }
        match node.life.stop {
            Stop::Unhealthy => End { start: false, clean: false, how: How::Abnormal },
            Stop::TimedOut => End { start: true, clean: false, how: How::Abnormal },
            // Giving up is of the clean class, though no clean end (R46, D9).
            Stop::Itself(Itself::GaveUp) => {
                let start = node.life.row.readiness != Readiness::Ready;
                End { start, clean: !start, how: How::Abnormal }
            }
            Stop::Itself(Itself::Unwind) => End { start: true, clean: false, how: How::Abnormal },
            Stop::Itself(_) | Stop::Planned => End { start: false, clean, how },
        }
    }

    fn verdict(&self, at: u32, from: Lifecycle, end: End) -> Verdict {
        let node = self.model.node(at);
        if at == 0 || from == Lifecycle::Unresponsive {
            return Verdict::Planned;
        }
        if from == Lifecycle::Stopping && (node.life.stop == Stop::Planned || self.was_redirected(at)) {
            return Verdict::Planned;
        }
        // A command on it waits for its turn: it is done now.
        if matches!(from, Lifecycle::Starting | Lifecycle::Running) && self.waits_in_line(at) {
            return Verdict::Planned;
        }
        let exited = matches!(from, Lifecycle::Starting);
        if exited && end.how == How::Declined {
            return Verdict::Declined;
        }
        // A job that ends well before it reports ready has done its work (D19).
        if exited && end.clean && node.policy.keeps_row {
            return Verdict::Rest;
        }
        // Whoever waits for a first start learns that it failed, whatever the group does (R11, R68).
        let awaited = end.start && node.life.trial != Trial::No;
        if self.model.is_closing(node.parent) || self.group_takes(at) && !awaited || self.is_hard() {
            return Verdict::Overtaken;
        }
        if end.start {
            return self.verdict_of_start(at);
        }
        match node.policy.restart {
            RestartType::Permanent => Verdict::Restart,
            RestartType::Transient if !end.clean => Verdict::Restart,
            RestartType::Transient | RestartType::Temporary => Verdict::Rest,
        }
    }

    fn verdict_of_start(&self, at: u32) -> Verdict {
        let node = self.model.node(at);
        let sup = self.model.above(at);
        match node.life.trial {
            Trial::Added => return Verdict::NotKept,
            Trial::Again => return Verdict::Failed,
            Trial::No => {}
        }
        let first = sup.initial && node.life.started_in != sup.incarnation && node.in_spec;
        if first && sup.policy().on_start_failure == OnStartFailure::Unwind {
            return Verdict::Failed;
        }
        match node.policy.restart {
            RestartType::Temporary => Verdict::Rest,
            RestartType::Permanent | RestartType::Transient => Verdict::Restart,
        }
    }

    /// Whether somebody asked for a child that runs, or a new spec drops it, and it was not asked to stop yet because
    /// of a sibling.
    fn waits_in_line(&self, at: u32) -> bool {
        let node = self.model.node(at);
        let wanted = node.life.order.is_some() || node.concerned == Some(Concerns::Dropped);
        wanted && !self.model.is_closing(node.parent)
    }

    /// Whether something else was wanted of a stopping child since it was asked to stop.
    fn was_redirected(&self, at: u32) -> bool {
        let node = self.model.node(at);
        node.life.reordered
            || self.waits_in_line(at)
            || self.model.is_closing(node.parent)
            // A start that somebody waits for has failed, whatever the group does (R11, R68).
            || self.group_takes(at) && node.life.trial == Trial::No
            || self.is_hard()
    }

    fn i07_compare(&self, at: u32, event: &Event, end: End, verdict: Verdict) -> Check {
        let node = self.model.node(at);
        let to = event.row.lifecycle;
        let failure = match end.how {
            _ if end.start => EventKind::ChildStartFailed,
            How::Panicked => EventKind::ChildPanicked,
            _ => EventKind::ChildFailed,
        };
        let well = end.clean && end.how != How::Abnormal && (!end.start || node.policy.keeps_row);
        let told = if well { EventKind::ChildCompleted } else { failure };
        let kept_below = to == Lifecycle::Unresponsive && node.sup != NONE;
        let rests = if node.leaves_no_trace() || self.model.above(at).policy().dynamic.is_some() {
            Lifecycle::Removed
        } else if well {
            Lifecycle::Completed
        } else {
            Lifecycle::Failed
        };
        // A permanent child's end is reported whatever it is (R20, R58), and never charged here.
        let overtaken = || {
            let reported = node.policy.restart == RestartType::Permanent && event.kind == failure;
            kept_below || (event.kind == told || reported) && uncharged(event)
        };
        let right = match verdict {
            _ if self.has_its_turn(at, event) => true,
            Verdict::Restart | Verdict::Rest if self.group_may_take(at) && overtaken() => true,
            Verdict::Restart => event.kind == failure && restarts(event),
            Verdict::Rest => kept_below || event.kind == told && to == rests && event.next == Next::Nothing,
            Verdict::Overtaken => overtaken(),
            Verdict::NotKept => {
                kept_below || event.kind == EventKind::ChildStartFailed && to == Lifecycle::Removed
            }
            Verdict::Failed => event.kind == EventKind::ChildStartFailed && to == Lifecycle::Failed,
            // A child of a dynamic supervisor, and a temporary one, are dropped (R4, R38).
            Verdict::Declined => {
                let gone = rests == Lifecycle::Removed;
                event.kind == EventKind::ChildDeclined && (to == Lifecycle::Removed) == gone
            }
            // Terminated, and it leaves nothing (R67).
            Verdict::Planned if self.is_terminated_for_good(at) && rests == Lifecycle::Removed => {
                to == Lifecycle::Removed || event.kind == EventKind::ChildStopError
            }
            // Stopped for its group, and it leaves nothing (R26).
            Verdict::Planned if self.leaves_with_its_group(at) => {
                to == Lifecycle::Removed || event.kind == EventKind::ChildStopError
            }
            Verdict::Planned => to != Lifecycle::Backoff && !restarts(event),
        };
        if right {
            return Ok(());
        }
        let text = format!(
            "{} ({:?}) ended ({:?}{}) and this should follow: {verdict:?} ({:?} was asked for, {:?}); but {} makes it {to}, next {:?}",
            node.path,
            node.policy.restart,
            end.how,
            if end.start { ", before it was started" } else { "" },
            node.life.order,
            node.concerned,
            event.kind,
            event.next
        );
        must!(self, end.how != How::Panicked, Panics, "{text}");
        must!(self, false, Decisions, "{text}");
        Ok(())
    }

    /// Invariant 7. A child that is down at last is where it was wanted: by its supervisor that ends, by an operator, by
    /// the new spec, or by its group (D10, D12, D17).
    pub(super) fn i07_is_where_it_was_wanted(&self, at: u32, event: &Event) -> Check {
        let (node, to) = (self.model.node(at), event.row.lifecycle);
        let goes = |state| matches!(state, Lifecycle::Stopping | Lifecycle::Unresponsive);
        if at == 0 || !goes(node.state()) || goes(to) || restarts(event) {
            return Ok(());
        }
        let rests =
            matches!(to, Lifecycle::Stopped | Lifecycle::Completed | Lifecycle::Failed | Lifecycle::Removed);
        let begins = matches!(to, Lifecycle::Starting | Lifecycle::Running | Lifecycle::Waiting);
        let dropped = node.concerned == Some(Concerns::Dropped);
        // It may be on its way out.
        if self.model.is_outlived(at) {
            return Ok(());
        }
        let right = match node.life.order {
            _ if self.done || self.is_hard() || !self.model.node(node.parent).state().is_live() => !begins,
            _ if self.model.is_closing(node.parent) => !begins,
            // Its supervisor is kept only for somebody unresponsive.
            _ if self.model.node(node.parent).is(Lifecycle::Unresponsive) => !begins,
            _ if dropped => to == Lifecycle::Removed,
            Some(Order::Pause) => to == Lifecycle::Paused,
            Some(Order::Quarantine) => to == Lifecycle::Quarantined,
            Some(Order::Remove) => to == Lifecycle::Removed,
            Some(Order::Rest) => rests || node.life.kept && begins,
            // Its group, or the start that is under way, has it still to do.
            Some(Order::Start) => begins || rests,
            // It waits if it goes down with a sibling that it depends on, too.
            None if self.group_takes(at) => rests || to == Lifecycle::Waiting,
            None => begins || rests,
        };
        must!(
            self,
            right,
            Decisions,
            "{} was {}, {:?} was asked for ({:?}), and {} makes it {to}",
            node.path,
            node.state(),
            node.life.order,
            node.concerned,
            event.kind
        );
        Ok(())
    }

    /// Whether the only thing that is wanted of a child is that it rests.
    fn is_terminated_for_good(&self, at: u32) -> bool {
        let node = self.model.node(at);
        let overruled = self.model.is_closing(node.parent) || self.group_takes(at) || self.is_hard();
        at != 0 && node.sup == NONE && node.life.order == Some(Order::Rest) && !overruled
    }

    /// Whether a group that goes down takes a child with it that it will not start again.
    fn leaves_with_its_group(&self, at: u32) -> bool {
        let node = self.model.node(at);
        let swept = matches!(node.life.cause, Cause::Group(_)) && self.group_takes(at);
        let asked = node.life.order.is_some() || node.concerned.is_some() || node.life.reordered;
        let closing = self.model.is_closing(node.parent) || self.is_hard();
        // A job whose first start somebody waits for is not kept either (R11).
        let job = node.policy.keeps_row && !node.retries();
        let leaves = node.leaves_no_trace() || job && node.life.trial == Trial::Added;
        at != 0 && node.sup == NONE && leaves && swept && !asked && !closing
    }

    /// 7. A child in back-off that is terminated is not started again (R36).
    pub(super) fn i07_retry_is_void(&self) -> Check {
        let Some((at, incarnation)) = self.turn.voided else { return Ok(()) };
        let node = self.model.node(at);
        // It may have been the last that its supervisor waited for before it could end and be restarted.
        let anew = self.model.above(at).incarnation != incarnation;
        // A primary that starts in the same call wants its sidecar (D15).
        let wanted = node.primary != NONE && self.model.node(node.primary).is(Lifecycle::Waiting);
        must!(
            self,
            wanted || anew || !matches!(node.state(), Lifecycle::Backoff | Lifecycle::Waiting),
            Decisions,
            "{} was terminated, and is still {}",
            node.path,
            node.state()
        );
        Ok(())
    }

    /// Whether what a new spec wants of a child is done with this end: its turn has come while it was stopping.
    fn has_its_turn(&self, at: u32, event: &Event) -> bool {
        let node = self.model.node(at);
        let done = match node.concerned {
            Some(Concerns::Dropped) => {
                matches!(event.row.lifecycle, Lifecycle::Removed | Lifecycle::Unresponsive)
            }
            Some(Concerns::Body) => event.cause == Cause::Reload && !restarts(event),
            None => false,
        };
        done && node.is(Lifecycle::Stopping)
    }

    /// 7. An end that was reported has a consequence.
    pub(super) fn i07_every_end_counts(&self) -> Check {
        if let Some(ended) = self.turn.ended {
            let path = &self.model.node(ended.node).path;
            must!(self, false, Decisions, "the run of {path} ended, and nothing follows");
        }
        Ok(())
    }
}

/// Whether an event tells of a failure that was charged, or would have been one too many.
fn restarts(event: &Event) -> bool {
    let failed =
        matches!(event.kind, EventKind::ChildFailed | EventKind::ChildPanicked | EventKind::ChildStartFailed);
    let again = matches!(event.next, Next::StartNow | Next::StartAt(_) | Next::WithGroup(_));
    let exhausted = matches!(event.next, Next::Operator | Next::Escalate);
    match event.row.lifecycle {
        Lifecycle::Backoff | Lifecycle::Starting => failed && again,
        Lifecycle::Quarantined | Lifecycle::Failed => failed && exhausted,
        _ => false,
    }
}

fn uncharged(event: &Event) -> bool {
    !restarts(event)
        && !matches!(event.row.lifecycle, Lifecycle::Backoff | Lifecycle::Starting | Lifecycle::Quarantined)
}
