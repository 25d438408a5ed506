//! The ordered work of a supervisor: starting its children up, and stopping them down.

use supervisor_api::policy::{StartOrder, StopOrder};
use supervisor_api::{Cause, EventKind};

use super::life::News;
use super::node::{Down, Ending, Flow, Life, NONE, Then, Trial, Wave};
use super::{CUT, Machine};
use crate::face::Effect;

impl Machine {
    /// Goes on with the ordered work of a supervisor as far as it gets.
    pub(super) fn advance(&mut self, sup: u32) {
        self.sup_mut(sup).queued = false;
        if !self.sup(sup).is_ending() {
            self.advance_line(sup);
        }
        let cut = self.out.len() + CUT;
        loop {
            if self.out.len() >= cut {
                self.queue_flow(sup);
                return;
            }
            let goes_on = match self.sup(sup).flow {
                Flow::Idle | Flow::Steady => false,
                Flow::Up { cursor, begun, wave } => self.step_up(sup, cursor, begun, wave),
                Flow::Down { from, cursor, .. } => self.step_down(sup, from, cursor),
                Flow::Delay { from, trigger, .. } => self.check_delay(sup, from, trigger),
            };
            if !goes_on {
                break;
            }
        }
        self.end_initial_start(sup);
    }

    // Up.

    /// Starts the child at the cursor, and says whether the next one may follow (R1, D19).
    fn step_up(&mut self, sup: u32, cursor: u32, begun: bool, wave: Wave) -> bool {
        if cursor == NONE {
            let record = self.sup_mut(sup);
            if std::mem::take(&mut record.more_added) {
                (record.flow, record.reordered) =
                    (Flow::Up { cursor: record.first, begun: false, wave: Wave::Added }, false);
                return true;
            }
            (record.flow, record.reordered) = (Flow::Steady, false);
            return false;
        }
        if !begun
            && wave == Wave::Added
            && self.awaits_removals(cursor)
            && !fault!(apply_starts_before_it_stops)
        {
            return false;
        }
        if !begun {
            // Once only: a child that declined, or was stopped meanwhile, is passed over.
            self.set_cursor(sup, cursor, true);
            self.start_in_wave(cursor, wave);
        }
        let node = self.node(cursor);
        let in_turn = self.sup(sup).context.policy.order == StartOrder::Declared;
        let passed_over = fault!(half_failed_group_goes_on) && matches!(node.life, Life::Backoff { .. });
        let under_way = matches!(node.life, Life::Starting | Life::Backoff { .. } | Life::Stopping { .. });
        if in_turn && under_way && !passed_over {
            return false;
        }
        let next = node.next;
        self.set_cursor(sup, next, false);
        true
    }

    /// Whether a child that a new spec brings stands back for those that it drops: what these hold, such as a port, is
    /// free when they are gone (D12).
    fn awaits_removals(&self, index: u32) -> bool {
        let node = self.node(index);
        if node.life != Life::Declared || node.why != Cause::Reload || !node.flags.declared {
            return false;
        }
        let sup = self.sup(node.parent);
        let goes = sup.in_line != NONE && {
            let going = self.node(sup.in_line);
            going.is_dropped() && matches!(going.life, Life::Stopping { then: Then::Remove, .. })
        };
        goes || sup.line.iter().any(|&(other, then)| then == Then::Remove && self.node(other).is_dropped())
    }

    fn set_cursor(&mut self, sup: u32, to: u32, now_begun: bool) {
        if let Flow::Up { cursor, begun, .. } = &mut self.sup_mut(sup).flow {
            (*cursor, *begun) = (to, now_begun);
        }
    }

    fn start_in_wave(&mut self, index: u32, wave: Wave) {
        let ahead = std::mem::take(&mut self.node_mut(index).flags.ahead);
        let node = self.node(index);
        if self.sup(node.parent).reordered && !ahead {
            return;
        }
        let left_out = std::mem::take(&mut self.node_mut(index).flags.left_out);
        let node = self.node(index);
        let unbound = node.life == Life::Declared && !node.flags.bound;
        if left_out || node.flags.doomed || unbound || node.awaits_its_time() || !self.is_revivable(index) {
            self.pass_over(index);
            return;
        }
        let node = self.node(index);
        let again = matches!(wave, Wave::Group(_)) && node.generation > 0;
        let cause = match wave {
            Wave::Initial => Cause::Start,
            Wave::Group(trigger) => Cause::Group(trigger),
            Wave::Added if self.sup(node.parent).initial => Cause::Start,
            Wave::Added if node.life == Life::Declared => node.why,
            Wave::Added => Cause::Reload,
        };
        let all = wave != Wave::Added;
        match self.node(index).life {
            Life::Declared => self.try_start(index, cause),
            Life::Completed if fault!(group_forgets_the_finished) && again => {}
            Life::Stopped | Life::Completed | Life::Failed if all => {
                self.node_mut(index).flags.again = again;
                self.try_start(index, cause);
            }
            // Outside a group restart a failed child has a time of its own; also one that failed alone since,
            // because a new spec changed the strategy.
            Life::Backoff { due, at_once }
                if matches!(wave, Wave::Group(_)) && (at_once || due <= self.now) =>
            {
                self.try_start(index, cause);
            }
            Life::Waiting { .. } => {
                let on = self.node(index).depends_on().first();
                let cause = on.map_or(cause, |&on| Cause::Dependency(on));
                self.try_start(index, cause);
                // It may wait on; whoever asked for its start since is answered with that.
                if self.node(index).flags.awaited && !self.node(index).life.is_live() {
                    self.settle_waits(index);
                }
            }
            Life::Paused | Life::Quarantined if fault!(group_revives_paused) => self.try_start(index, cause),
            Life::Unresponsive { .. } if fault!(unresponsive_is_started) => self.try_start(index, cause),
            Life::Unresponsive { then } if all && !then.is_commanded() && !self.had_its_run(index) => {
                self.node_mut(index).flags.again = again;
                self.redirect(index, Then::Start, cause);
            }
            _ => {}
        }
    }

    /// Leaves a child as it is, or lets a sidecar rest with its primary; whoever waits for it learns that.
    fn pass_over(&mut self, index: u32) {
        let node = self.node(index);
        let rests = node.primary().is_some() && !self.is_revivable(index);
        let bound = node.flags.bound;
        let cause = self.cause_of(index, Then::WithPrimary);
        match node.life {
            // Nobody else comes by one that has a time to start, or waits, also if nobody knows what it runs.
            Life::Declared | Life::Backoff { .. } | Life::Waiting { .. }
                if rests
                    && (bound || node.life != Life::Declared && !fault!(unbound_sidecar_is_due_for_ever)) =>
            {
                self.node_mut(index).flags.rests_unasked = true;
                self.shift(index, Life::Stopped, News::new(EventKind::ChildStopped, cause));
            }
            Life::Unresponsive { then } if rests && bound && !then.is_commanded() => {
                self.redirect(index, Then::WithPrimary, cause);
            }
            _ => {}
        }
        self.node_mut(index).flags.once_more = false;
        if self.node(index).flags.awaited {
            self.settle_waits(index);
        }
    }

    /// Whether a wave of starts includes a child that does not run: every kept spec does (R29), but for
    /// jobs that had their run (D18) and sidecars of a primary that rests (D15).
    pub(super) fn is_revivable(&self, index: u32) -> bool {
        let node = self.node(index);
        if let Some(primary) = node.primary()
            && !self.has_its_primary(primary)
        {
            return false;
        }
        if fault!(group_revives_jobs)
            || !node.policy.keeps_row
            || node.flags.once_more
            || node.spawned_in != self.sup(node.parent).incarnation
        {
            return true;
        }
        match node.life {
            Life::Completed => false,
            Life::Stopped | Life::Failed => self.retries(index),
            _ => !self.had_its_run(index),
        }
    }

    /// Whether a primary is up, or comes with the others: one that an operator has started is up also when the primary
    /// that it belongs to itself is parked.
    fn has_its_primary(&self, primary: u32) -> bool {
        let life = self.node(primary).life;
        let up = matches!(life, Life::Starting | Life::Running) && !fault!(sidecar_rests_with_the_highest);
        up || !life.lifecycle().is_parked() && self.is_revivable(primary)
    }

    /// Whether somebody unresponsive runs once, and that run was stopped for its group or failed (R19, D18).
    fn had_its_run(&self, index: u32) -> bool {
        let life = self.node(index).life;
        let over =
            matches!(life, Life::Unresponsive { then: Then::Group | Then::Unhealthy | Then::TimedOut });
        over && !self.retries(index)
    }

    /// Ends the initial start when nobody is left to wait for (D19).
    fn end_initial_start(&mut self, sup: u32) {
        let record = self.sup(sup);
        if !record.initial
            || record.flow != Flow::Steady
            || (record.unsettled > 0 && !fault!(initial_start_is_over_early))
            || record.waking > 0
            || record.is_ending()
        {
            return;
        }
        if record.waiting > 0 && self.somebody_waits_for_a_run(sup) {
            return;
        }
        let node = self.sup(sup).node;
        self.sup_mut(sup).initial = false;
        if self.node(node).life == Life::Starting {
            let again = self.node(node).flags.again;
            self.started(node, again, Cause::Start);
            if node == 0 {
                self.out.push(Effect::Started);
            }
        }
        if let Some(child) = self.sup_mut(sup).ended_early.take() {
            self.significant_ended(sup, child);
        }
    }

    /// Whether a child waits for a job that runs: it will be started, so the initial start is not over.
    fn somebody_waits_for_a_run(&self, sup: u32) -> bool {
        self.indices(sup).any(|index| {
            matches!(self.node(index).life, Life::Waiting { .. })
                && self.unsatisfied(index).is_some_and(|on| self.node(on).life == Life::Running)
        })
    }

    // Down.

    /// Asks the child at the cursor to stop; one at a time unless the supervisor says otherwise.
    fn step_down(&mut self, sup: u32, from: u32, cursor: u32) -> bool {
        let mut pending = self.sup(sup).pending;
        if fault!(group_starts_early) && cursor == NONE && !self.sup(sup).is_ending() {
            pending = 0;
        }
        if pending > 0 && !self.stops_at_once(sup) {
            return false;
        }
        if cursor == NONE || self.node(cursor).rank < from {
            if pending == 0 {
                self.is_down(sup);
            }
            return pending == 0;
        }
        if fault!(shutdown_waits_for_the_retry) && matches!(self.node(cursor).life, Life::Backoff { .. }) {
            return false;
        }
        let node = self.node(cursor);
        let before = if fault!(stops_forward) { node.next } else { node.prev };
        if let Flow::Down { cursor, .. } = &mut self.sup_mut(sup).flow {
            *cursor = before;
        }
        self.sweep(cursor);
        true
    }

    fn stops_at_once(&self, sup: u32) -> bool {
        let policy = &self.sup(sup).context.policy;
        let dynamic = policy.dynamic.is_some() && !fault!(dynamic_stops_in_turn);
        dynamic || policy.stop == StopOrder::Concurrent || fault!(stops_all_at_once)
    }

    /// Takes one child down for the plan of its supervisor.
    fn sweep(&mut self, index: u32) {
        let sup = self.node(index).parent;
        if self.sup(sup).reordered && !self.node(index).flags.ahead {
            return;
        }
        let then = match self.sup(sup).flow {
            Flow::Down { why: Down::Group { .. }, .. } => Then::Group,
            _ => Then::Teardown,
        };
        let cause = self.cause_of(index, then);
        match self.node(index).life {
            Life::Starting | Life::Running if self.is_needed(index) => {}
            Life::Starting | Life::Running => {
                if then == Then::Teardown {
                    self.node_mut(index).flags.trial = Trial::No;
                }
                self.mark_swept(index);
                self.node_mut(index).flags.grow |= then == Then::Group && fault!(group_grows_every_streak);
                let then = self.or_commanded_in_line(index, then);
                self.ask_to_stop(index, then, cause);
            }
            Life::Stopping { then: old, .. } => {
                self.mark_swept(index);
                if then == Then::Teardown {
                    self.node_mut(index).flags.trial = Trial::No;
                }
                // Who runs once and is to start again does that with the group, which would not start it by itself.
                let runs_again = then == Then::Group && old == Then::Start && !self.retries(index);
                if !self.is_decided(index, old) && !runs_again {
                    let then = self.or_commanded_in_line(index, then);
                    self.redirect(index, then, cause);
                }
            }
            Life::Unresponsive { then: old } => {
                // As above: it starts again when it is gone, and its group would not start it by itself.
                let runs_again = then == Then::Group && old == Then::Start && !self.retries(index);
                if !old.is_commanded() && !runs_again {
                    let then = self.or_commanded_in_line(index, then);
                    self.redirect(index, then, cause);
                }
            }
            Life::Backoff { .. } if then == Then::Teardown => {
                self.shift(index, Life::Stopped, News::new(EventKind::ChildStopped, cause));
            }
            Life::Waiting { .. } => {
                let news = News::new(EventKind::ChildStopped, cause).next(self.next_of(index, then));
                self.node_mut(index).flags.rests_unasked = then == Then::Group;
                // It was to run, and has that run with its group, also if it is a job that had one before (D18), or one
                // whose next time is not yet (D20).
                if then == Then::Group {
                    self.node_mut(index).flags.once_more = true;
                    self.is_due_now(index);
                }
                self.shift(index, Life::Stopped, news);
            }
            _ => {}
        }
    }

    /// What a command wants of a child, and had to wait for its turn, is done with this stop.
    pub(super) fn or_commanded_in_line(&mut self, index: u32, then: Then) -> Then {
        match self.planned_in_line(index).filter(|planned| planned.is_commanded()) {
            Some(planned) => {
                self.leave_line(index);
                planned
            }
            None => then,
        }
    }

    fn mark_swept(&mut self, index: u32) {
        let sup = self.node(index).parent;
        let flags = &mut self.node_mut(index).flags;
        if !flags.swept {
            flags.swept = true;
            self.sup_mut(sup).pending += 1;
        }
    }

    /// Under a concurrent stop nobody is asked while somebody who runs depends on it. A dynamic supervisor asks all at
    /// once (R54), also those that were added, with dependencies, before a new spec made it dynamic.
    fn is_needed(&self, index: u32) -> bool {
        let node = self.node(index);
        let policy = &self.sup(node.parent).context.policy;
        if policy.dynamic.is_some() && !fault!(dynamic_spares_the_needed) {
            return false;
        }
        // Who is no member of a group that goes down stays, whoever it depends on.
        let ends = self.sup(node.parent).is_ending();
        let goes = |dependant: u32| ends || self.group_takes(dependant).is_some();
        let waits = |dependant: u32| self.node(dependant).life.can_be_waited_for() && goes(dependant);
        self.stops_at_once(node.parent)
            && !fault!(needed_is_stopped)
            && node.dependants().iter().any(|&dependant| waits(dependant))
    }

    /// A child no longer runs: a concurrent stop may go on to those it depended on, if it has passed them.
    pub(super) fn sweep_dependencies(&mut self, index: u32) {
        let sup = self.node(index).parent;
        let Flow::Down { from, cursor, .. } = self.sup(sup).flow else { return };
        if !self.stops_at_once(sup) || fault!(needed_is_never_asked) {
            return;
        }
        let passed = if cursor == NONE { 0 } else { self.node(cursor).rank + 1 };
        for on in self.node(index).depends_on().to_vec() {
            let node = self.node(on);
            if node.rank >= from.max(passed) && node.life.can_be_waited_for() && !node.flags.swept {
                self.sweep(on);
            }
        }
    }

    /// A child the plan waited for is gone, or given up on.
    pub(super) fn unsweep(&mut self, index: u32) {
        let sup = self.node(index).parent;
        self.node_mut(index).flags.swept = false;
        self.sup_mut(sup).pending -= 1;
        self.queue_flow(sup);
    }

    fn is_down(&mut self, sup: u32) {
        match self.sup(sup).flow {
            Flow::Down { from, why: Down::Group { trigger }, .. } => self.delay_group(sup, from, trigger),
            _ => self.supervisor_is_down(sup),
        }
    }

    // Ending.

    /// Begins to stop all children of a supervisor, for good.
    pub(super) fn end_supervisor(&mut self, sup: u32, ending: Ending) {
        if self.sup(sup).is_ending() {
            return;
        }
        let mut last = self.sup(sup).last;
        if fault!(escalation_leaves_an_orphan) && matches!(ending, Ending::GaveUp { .. }) {
            last = self.node(last).prev;
        }
        if fault!(unwind_leaves_what_had_started) && matches!(ending, Ending::Unwind { .. }) {
            last = NONE;
        }
        if fault!(stops_forward) {
            last = self.sup(sup).first;
        }
        let record = self.sup_mut(sup);
        record.ending = Some(ending);
        record.reordered = false;
        // Who was to be held or removed at its turn is, with its stop.
        record.line.retain(|(_, then)| then.is_commanded());
        record.taken.clear();
        record.in_line = NONE;
        record.flow = Flow::Down { from: 0, cursor: last, why: Down::End };
        self.queue_flow(sup);
        self.settle_waits_below(sup);
    }

    /// Why the plan of its supervisor, or a command, stops or starts a child.
    pub(super) fn cause_of(&self, index: u32, then: Then) -> Cause {
        let node = self.node(index);
        match then {
            Then::Group => match self.sup(node.parent).flow {
                Flow::Down { why: Down::Group { trigger }, .. } | Flow::Delay { trigger, .. } => {
                    Cause::Group(if fault!(group_names_nobody) { index } else { trigger })
                }
                _ => node.why,
            },
            Then::Teardown => self.cause_of_ending(node.parent),
            Then::WaitDependency => self.goes_down_with(index).map_or(Cause::Operator, Cause::Dependency),
            Then::WithPrimary => node.primary().map_or(node.why, Cause::Primary),
            Then::Unhealthy => Cause::Heartbeat,
            Then::TimedOut => Cause::Deadline,
            Then::Start | Then::Remove if node.flags.reload => Cause::Reload,
            Then::Start if fault!(late_starts_are_commands) => Cause::Operator,
            Then::Start | Then::Remove | Then::Rest => node.why,
            Then::Pause | Then::Quarantine | Then::Itself => Cause::Operator,
        }
    }

    fn cause_of_ending(&self, sup: u32) -> Cause {
        let record = self.sup(sup);
        match &record.ending {
            Some(Ending::Shutdown(_) | Ending::AllDone) => Cause::Shutdown,
            Some(Ending::GaveUp { child, .. }) if fault!(escalation_names_the_child) => {
                Cause::Escalation(*child)
            }
            Some(Ending::GaveUp { .. }) => Cause::Escalation(record.node),
            Some(Ending::Significant { child }) => Cause::Significant(*child),
            Some(Ending::Unwind { child, .. }) => Cause::Unwind(*child),
            Some(Ending::Asked) | None => Cause::Supervisor(record.node),
        }
    }
}
