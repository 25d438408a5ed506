//! What the end of a run leads to: the table of `semantics.md` 1.2, and what was planned for a child that
//! was asked to stop.

use std::sync::Arc;

use supervisor_api::policy::{OnStartFailure, RestartType};
use supervisor_api::{Cause, EventKind, Exit, ExitClass, Next, SupervisorError};

use super::Machine;
use super::failure::Failure;
use super::life::News;
use super::node::{Down, Ending, Flow, Life, NONE, Step, Then, Trial};
use super::start::millis;

impl Machine {
    /// A run is gone.
    pub(super) fn gone(&mut self, index: u32, exit: Exit) {
        if self.end_in_line(index, &exit) {
            return;
        }
        match self.node(index).life {
            Life::Starting => {
                let job = self.node(index).policy.keeps_row || fault!(clean_end_completes_a_start);
                if fault!(panic_while_starting_is_a_crash) && matches!(exit, Exit::Panicked { .. }) {
                    self.ended(index, exit);
                } else if exit.is_clean() && job {
                    self.finish(index, EventKind::ChildCompleted, exit, Vec::new());
                } else {
                    self.start_failed(index, &Failure::start(exit));
                }
            }
            Life::Running => self.ended(index, exit),
            Life::Stopping { then, step } => self.stopped(index, then, step, exit),
            Life::Unresponsive { then } => self.gone_at_last(index, then, exit),
            _ => self.stale_messages += 1,
        }
    }

    /// What is done with a child when it ends by itself while something that was asked of it waits for its turn. Whom
    /// a new spec restarts starts for its own failure instead, and takes up what the spec says.
    pub(super) fn taken_from_line(&self, index: u32) -> Option<Then> {
        let node = self.node(index);
        let then = self.planned_in_line(index).filter(|_| self.is_open(node.parent))?;
        if node.flags.reload && then != Then::Remove {
            return None;
        }
        Some(then)
    }

    /// A child ended while a command on it, or its removal, waited for its turn: that is done now, by the child's
    /// own hand, and nothing is charged. Says whether it was so.
    fn end_in_line(&mut self, index: u32, exit: &Exit) -> bool {
        let Some(then) = self.taken_from_line(index) else { return false };
        let node = self.node(index);
        match node.life {
            Life::Starting | Life::Running => {}
            Life::Stopping { then: Then::Unhealthy | Then::TimedOut, step } => {
                self.leave_line(index);
                self.stopped(index, then, step, exit.clone());
                return true;
            }
            Life::Unresponsive { then: Then::Unhealthy | Then::TimedOut } => {
                self.leave_line(index);
                self.gone_at_last(index, then, exit.clone());
                return true;
            }
            _ => return false,
        }
        let (clean, start) = (exit.is_clean(), node.life == Life::Starting);
        let kind = if clean { EventKind::ChildCompleted } else { failure_kind(exit, start) };
        let ran = millis(self.now - node.ran_since);
        let numbers: &[u32] = if clean { &[ran] } else { &[ran, 0, u32::MAX] };
        let news = News::new(kind, Cause::Exit).numbers(numbers).exit(exit.clone());
        self.leave_line(index);
        self.node_mut(index).took = 0;
        self.shift(index, Life::Stopping { then, step: Step::Asked }, news);
        self.carry_out(index, then, exit.clone(), true);
        true
    }

    /// A started child ended by itself.
    fn ended(&mut self, index: u32, exit: Exit) {
        if self.report_overtaken(index, &exit, false) {
            return;
        }
        let class = match exit {
            Exit::Killed { .. } if fault!(killed_counts_as_clean) => ExitClass::Clean,
            Exit::Panicked { .. } if fault!(panic_counts_as_clean) => ExitClass::Clean,
            Exit::Aborted if fault!(cancelled_counts_as_clean) => ExitClass::Clean,
            _ => exit.class(),
        };
        self.decide(index, &Failure::crash(exit), class);
    }

    /// The table: restart type × class of the exit.
    fn decide(&mut self, index: u32, failure: &Failure, class: ExitClass) {
        let restarts = match self.node(index).policy.restart {
            RestartType::Permanent => class == ExitClass::Abnormal || !fault!(clean_end_rests),
            RestartType::Transient => class == ExitClass::Abnormal || fault!(transient_always_restarts),
            RestartType::Temporary => class == ExitClass::Abnormal && fault!(temporary_is_restarted),
        };
        if restarts {
            self.fail(index, failure);
        } else {
            let kind = if class == ExitClass::Clean && failure.exit.is_clean() {
                EventKind::ChildCompleted
            } else {
                failure.kind()
            };
            self.finish(index, kind, failure.exit.clone(), failure.chain.clone());
        }
    }

    /// A child ended by itself and is not started again.
    fn finish(&mut self, index: u32, kind: EventKind, exit: Exit, chain: Vec<Arc<str>>) {
        let node = self.node(index);
        let (sup, significant) = (node.parent, node.policy.significant);
        let ran = millis(self.now - node.ran_since);
        let clean = kind == EventKind::ChildCompleted;
        let numbers: &[u32] = if clean { &[ran] } else { &[ran, 0, u32::MAX] };
        let news = News::new(kind, Cause::Exit).numbers(numbers).exit(exit).chain(chain);
        if self.leaves_no_trace(index) || self.is_dynamic(index) {
            self.remove(index, news);
        } else {
            if clean && !fault!(completion_keeps_the_streak) {
                self.node_mut(index).flags.forgiven = true;
            }
            self.shift(index, if clean { Life::Completed } else { Life::Failed }, news);
            if !clean {
                self.stop_dependants(index);
            }
        }
        if significant || fault!(anybody_fires) {
            self.significant_ended(sup, index);
        }
    }

    /// Reports the end of a child that its supervisor is already taking down, uncharged (R28, R59). Says
    /// whether it was so.
    fn report_overtaken(&mut self, index: u32, exit: &Exit, start: bool) -> bool {
        let node = self.node(index);
        let closes = self.is_closing(node.parent) && !fault!(late_end_is_acted_upon);
        // Whoever waits for a first start learns that it failed, whatever the group does (R11, R68).
        let awaited = start && node.flags.trial != Trial::No;
        if !closes && (self.group_takes(index).is_none() || awaited || fault!(absorbed_end_is_charged)) {
            return false;
        }
        let ran = millis(self.now - node.ran_since);
        let clean = exit.is_clean() && !start;
        // A permanent child should not have ended by itself, however well (R20, R58).
        let permanent = node.policy.restart == RestartType::Permanent;
        let silent = clean && (!permanent || matches!(exit, Exit::Stopped));
        let kind = if silent { EventKind::ChildCompleted } else { failure_kind(exit, start) };
        let numbers: &[u32] = if silent { &[ran] } else { &[ran, 0, u32::MAX] };
        let news = News::new(kind, Cause::Exit).numbers(numbers).exit(exit.clone());
        if closes {
            self.shift(index, if clean { Life::Completed } else { Life::Failed }, news);
        } else if self.leaves_no_trace(index) {
            self.remove(index, news);
        } else if node_is_done(self.node(index), clean, self.retries(index)) {
            self.node_mut(index).flags.forgiven |= clean;
            self.shift(index, if clean { Life::Completed } else { Life::Failed }, news);
        } else {
            // It ended while its group goes down, so it is stopped with it, by its own hand.
            let next = self.next_of(index, Then::Group);
            self.shift(index, Life::Stopping { then: Then::Group, step: Step::Asked }, news.next(next));
            let stopped = News::new(EventKind::ChildStopped, self.cause_of(index, Then::Group));
            self.node_mut(index).flags.rests_unasked = true;
            self.shift(index, Life::Stopped, stopped.next(next));
        }
        true
    }

    /// A run ended before it was started.
    pub(super) fn start_failed(&mut self, index: u32, failure: &Failure) {
        if self.report_overtaken(index, &failure.exit, true) {
            return;
        }
        let node = self.node(index);
        let sup = self.sup(node.parent);
        let (path, ran) = (node.path.clone(), millis(self.now - node.ran_since));
        let news = || {
            News::new(EventKind::ChildStartFailed, Cause::Exit)
                .numbers(&[ran, 0, u32::MAX])
                .exit(failure.exit.clone())
                .chain(failure.chain.clone())
        };
        let refusal = SupervisorError::StartFailed { path: path.clone(), exit: failure.exit.clone() };
        match node.flags.trial {
            Trial::Added if !fault!(failed_addition_is_kept) => {
                self.refuse_waits(index, &refusal);
                self.remove(index, news());
                return;
            }
            Trial::Again if !fault!(failed_start_again_is_retried) => {
                self.node_mut(index).flags.trial = Trial::No;
                self.refuse_waits(index, &refusal);
                self.shift(index, Life::Failed, news());
                return;
            }
            Trial::Added | Trial::Again | Trial::No => {}
        }
        let first = sup.initial && node.started_in != sup.incarnation && node.flags.declared;
        if first
            && !fault!(initial_start_is_retried)
            && sup.context.policy.on_start_failure == OnStartFailure::Unwind
        {
            let sup = node.parent;
            self.shift(index, Life::Failed, news());
            let ending = Ending::Unwind { child: index, path, exit: failure.exit.clone() };
            let news = News::new(EventKind::SupervisorEnding, Cause::Unwind(index));
            self.end_itself(sup, ending, news.text("its initial start failed"));
            return;
        }
        if node.policy.restart == RestartType::Temporary {
            let (exit, chain) = (failure.exit.clone(), failure.chain.clone());
            self.finish(index, EventKind::ChildStartFailed, exit, chain);
        } else {
            if fault!(failed_start_clears_the_log) {
                let sup = node.parent;
                self.sup_mut(sup).charges.clear();
            }
            self.fail(index, failure);
        }
    }

    /// A child that was asked to stop is gone.
    pub(super) fn stopped(&mut self, index: u32, then: Then, step: Step, exit: Exit) {
        let took = self.now - self.node(index).since;
        self.node_mut(index).took = took;
        match then {
            Then::Unhealthy if !fault!(unhealthy_is_let_be) => {
                let exit = self.take_complaint(index, exit);
                self.decide_or_rest(index, &Failure::crash(exit));
            }
            Then::TimedOut => {
                let exit = self.take_complaint(index, exit);
                self.start_failed(index, &Failure::start(exit));
            }
            then => {
                let brutal = matches!(step, Step::Killed { brutal: true })
                    && matches!(exit, Exit::Aborted | Exit::Killed { by_us: true, .. });
                self.carry_out(index, then, exit, brutal);
            }
        }
    }

    fn decide_or_rest(&mut self, index: u32, failure: &Failure) {
        if !self.report_overtaken(index, &failure.exit, false) {
            self.decide(index, failure, ExitClass::Abnormal);
        }
    }

    /// What the end of a run counts as that was stopped for being unhealthy, or for not starting in time.
    fn take_complaint(&mut self, index: u32, exit: Exit) -> Exit {
        self.node_mut(index).complaint.take().map_or(exit, |counts_as| *counts_as)
    }

    /// An unresponsive run is gone: what the plan wanted is done, uncharged (D8).
    fn gone_at_last(&mut self, index: u32, then: Then, exit: Exit) {
        self.node_mut(index).took = self.now - self.node(index).since;
        let temporary = self.node(index).policy.restart == RestartType::Temporary;
        let failed = matches!(then, Then::Unhealthy | Then::TimedOut);
        if failed && temporary {
            self.finish(index, failure_kind(&exit, false), exit, Vec::new());
        } else if failed {
            self.node_mut(index).flags.again = true;
            if fault!(unresponsive_is_charged) {
                self.charge(index);
            }
            self.node_mut(index).why = Cause::Exit;
            self.carry_out(index, Then::Start, exit, false);
        } else if then == Then::Group && self.retries(index) && !self.plan_is_ahead(index) {
            // Its group went up without it because it was to run once, and a new spec wants it to run on.
            self.carry_out(index, Then::Start, exit, false);
        } else {
            self.carry_out(index, then, exit, false);
        }
        self.release_above(index);
    }

    /// Supervisors above were kept only for somebody unresponsive below them: does what waited for that.
    fn release_above(&mut self, index: u32) {
        let mut parent = self.node(index).parent;
        while parent != NONE {
            let above = self.sup(parent).node;
            parent = self.node(above).parent;
            if self.unresponsive_below(above).is_some() {
                return;
            }
            match self.node(above).life {
                Life::Unresponsive { then } => self.carry_out(above, then, Exit::Stopped, false),
                _ if self.node(above).flags.doomed => {
                    let why = self.node(above).why;
                    self.remove(above, News::new(EventKind::ChildRuntimeStateRemoved, why));
                }
                _ => {}
            }
        }
    }

    /// Does what was planned for a child that is gone now. `expected`: a brutal kill ends as it should.
    pub(super) fn carry_out(&mut self, index: u32, then: Then, exit: Exit, expected: bool) {
        let exit = if fault!(every_stop_is_well) { Exit::Stopped } else { exit };
        let took = millis(self.node(index).took);
        let cause = self.cause_of(index, then);
        let permanent = self.node(index).policy.restart == RestartType::Permanent;
        // `completed` is an end by itself, before the request came (D22, R59).
        let unasked = matches!(exit, Exit::Completed | Exit::StoppedWith { .. });
        let accepted = exit.is_clean() && !(permanent && unasked);
        if !accepted && !expected && !fault!(stop_error_is_not_told) {
            // A shutdown error (R58), whatever comes next.
            let news = News::new(EventKind::ChildStopError, cause).numbers(&[took]).exit(exit.clone());
            self.tell(index, news);
        }
        let stopped = News::new(EventKind::ChildStopped, cause).numbers(&[took]).exit(exit);
        match then {
            // Its group is down, or on its way: it starts with that, not before (R27), also if whom it waited for was
            // removed.
            Then::Start | Then::WaitDependency
                if self.group_takes(index).is_some()
                    && (then == Then::Start || self.node(index).depends_on().is_empty()) =>
            {
                self.rejoin_plan(index);
                self.node_mut(index).flags.rests_unasked = true;
                self.shift(index, Life::Stopped, stopped.next(self.next_of(index, Then::Group)));
            }
            Then::WaitDependency if self.is_open(self.node(index).parent) => self.await_line(index),
            Then::Start if self.is_open(self.node(index).parent) => {
                self.try_start(index, cause);
            }
            Then::Group if self.leaves_no_trace(index) && !fault!(temporary_sibling_comes_back) => {
                self.remove(index, stopped)
            }
            Then::Group if self.node(index).policy.keeps_row && !self.retries(index) => {
                // Whoever waits for its first start is refused, so nothing of it is kept (R11).
                match self.node(index).flags.trial {
                    Trial::Added => self.remove(index, stopped),
                    Trial::Again | Trial::No => {
                        self.node_mut(index).flags.trial = Trial::No;
                        self.shift(index, Life::Failed, stopped);
                    }
                }
            }
            Then::Rest
                if (self.leaves_no_trace(index) && !fault!(terminated_temporary_stays))
                    || self.is_dynamic(index) =>
            {
                self.remove(index, stopped)
            }
            Then::Pause | Then::Quarantine if fault!(hold_is_a_rest) => {
                self.shift(index, Life::Stopped, stopped)
            }
            Then::Pause | Then::Quarantine | Then::Remove => self.settle_idle(index, then),
            _ => {
                let next = self.next_of(index, then);
                // Its group or its primary starts it, or, when a new spec has taken its body by then, whoever binds it.
                self.node_mut(index).flags.rests_unasked = matches!(then, Then::Group | Then::WithPrimary);
                self.shift(index, Life::Stopped, stopped.next(next));
                if fault!(terminate_fires) && then == Then::Rest && self.node(index).policy.significant {
                    self.significant_ended(self.node(index).parent, index);
                }
                // Its primary may have been told to start again meanwhile.
                if then == Then::WithPrimary
                    && let Some(primary) = self.node(index).primary()
                {
                    self.wake_soon(primary);
                }
            }
        }
    }

    /// A child that went down with a sibling waits for it, at least until the whole line is down (D11).
    fn await_line(&mut self, index: u32) {
        let node = self.node_mut(index);
        node.flags.again = true;
        let sup = node.parent;
        match self.goes_down_with(index) {
            Some(with) => {
                let on = self.unsatisfied(index).unwrap_or(with);
                self.wait_for(index, on);
                self.sup_mut(sup).taken.push(index);
                self.queue_flow(sup);
            }
            // A new spec says so, or an operator took its sidecar away.
            None if self.node(index).flags.reload => self.try_start(index, Cause::Reload),
            None => self.try_start(index, Cause::Operator),
        }
    }

    /// Puts a child without a run where a command wants it.
    pub(super) fn settle_idle(&mut self, index: u32, then: Then) {
        let took = millis(self.node(index).took);
        self.node_mut(index).flags.rests_unasked &= then == Then::Start;
        match then {
            Then::Pause => {
                self.node_mut(index).flags.trial = Trial::No;
                let news =
                    News::new(EventKind::Paused, Cause::Operator).numbers(&[took]).next(Next::Operator);
                self.shift(index, Life::Paused, news);
            }
            Then::Quarantine => {
                self.node_mut(index).flags.trial = Trial::No;
                let news = News::new(EventKind::ChildQuarantined, Cause::Operator)
                    .numbers(&[0, u32::MAX])
                    .next(Next::Operator);
                self.shift(index, Life::Quarantined, news);
            }
            Then::Remove => {
                let cause = self.cause_of(index, then);
                self.remove(index, News::new(EventKind::ChildRuntimeStateRemoved, cause));
            }
            Then::Start => {
                self.node_mut(index).flags.again = false;
                self.try_start(index, Cause::Operator);
            }
            _ => self.shift(index, Life::Stopped, News::new(EventKind::ChildStopped, Cause::Operator)),
        }
    }

    /// A nested supervisor has stopped all its children.
    pub(super) fn supervisor_gone(&mut self, index: u32, ending: Ending) {
        let Life::Stopping { then, step } = self.node(index).life else { return };
        let killed = matches!(step, Step::Killed { .. });
        let exit = if killed { Exit::Aborted } else { Exit::Stopped };
        // It gave up, or did not start in time: what waits for its turn is done with that.
        let failed = matches!(then, Then::Itself | Then::TimedOut);
        if let Some(then) = self.taken_from_line(index).filter(|_| failed) {
            self.leave_line(index);
            self.stopped(index, then, step, exit);
            return;
        }
        if then != Then::Itself {
            self.stopped(index, then, step, exit);
            return;
        }
        // A supervisor that never was ready failed to start, whatever ended it.
        let started = self.node(index).readiness == supervisor_api::Readiness::Ready;
        let failure = match ending {
            Ending::GaveUp { chain, .. } => {
                let exit = Exit::failed(chain.last().cloned().unwrap_or_else(|| "gave up".into()));
                Failure { exit, chain, start: !started }
            }
            Ending::Unwind { path, exit, .. } => {
                let why = format!("failed to start child {path}: {exit}");
                let chain = vec![format!("{path}: {exit}").into()];
                Failure { exit: Exit::failed(why), chain, start: !fault!(unwound_supervisor_crashes) }
            }
            Ending::Significant { .. } if fault!(auto_shutdown_is_final) => {
                self.finish(index, EventKind::ChildCompleted, Exit::Stopped, Vec::new());
                return;
            }
            _ => Failure::crash(Exit::Stopped),
        };
        if failure.start {
            self.start_failed(index, &failure);
        } else if !self.report_overtaken(index, &failure.exit, false) {
            // Giving up is an end of the clean class (R46), though not a clean end (D9).
            if fault!(escalation_is_free) && !failure.chain.is_empty() {
                let above = self.node(index).parent;
                self.sup_mut(above).charges.clear();
            }
            let class = if fault!(escalation_is_a_crash) { ExitClass::Abnormal } else { ExitClass::Clean };
            self.decide(index, &failure, class);
        }
    }

    /// Whether nothing of a child stays when it ended: temporary, and no job (R19, D18).
    pub(super) fn leaves_no_trace(&self, index: u32) -> bool {
        let policy = &self.node(index).policy;
        policy.restart == RestartType::Temporary && !policy.keeps_row
    }

    /// Whether a job is tried again (D15).
    pub(super) fn retries(&self, index: u32) -> bool {
        self.node(index).policy.restart != RestartType::Temporary
    }

    pub(super) fn is_dynamic(&self, index: u32) -> bool {
        self.sup(self.node(index).parent).context.policy.dynamic.is_some()
    }

    /// What happens next to a child that rests for a plan.
    pub(super) fn next_of(&self, index: u32, then: Then) -> Next {
        let sup = self.node(index).parent;
        match (then, &self.sup(sup).flow) {
            (Then::Group, Flow::Delay { due, .. }) => Next::WithGroup(*due),
            (Then::Group, Flow::Down { why: Down::Group { .. }, .. } | Flow::Up { .. }) => {
                Next::WithGroup(self.now)
            }
            _ => Next::Nothing,
        }
    }
}

/// Whether a job that ended while its group goes down has had its run (D18).
fn node_is_done(node: &super::node::Node, clean: bool, retries: bool) -> bool {
    node.policy.keeps_row && (clean || !retries)
}

/// The event for a bad end.
pub(super) fn failure_kind(exit: &Exit, start: bool) -> EventKind {
    match exit {
        _ if start => EventKind::ChildStartFailed,
        _ if fault!(clean_end_is_not_reported) && exit.is_clean() => EventKind::ChildCompleted,
        Exit::Panicked { .. } => EventKind::ChildPanicked,
        _ => EventKind::ChildFailed,
    }
}
