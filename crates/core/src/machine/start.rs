//! Starting a child: what is waited for before, spawning, and what happens when it is started.

use std::sync::Arc;

use supervisor_api::policy::{Condition, ReadinessMode};
use supervisor_api::{Cause, ChildKey, EventKind, Exit, Next};

use super::Machine;
use super::life::News;
use super::node::{Flow, Life, NONE, Step, Then, Trial, Wave};
use crate::face::Effect;

impl Machine {
    /// Starts a child that has no run, or lets it wait for whom it depends on (D11).
    pub(super) fn try_start(&mut self, index: u32, cause: Cause) {
        let node = self.node(index);
        if !self.is_open(node.parent) && !fault!(retry_beats_shutdown) {
            return;
        }
        if !node.flags.bound {
            self.rest_unbound(index, cause);
            return;
        }
        if node.awaits_its_time() {
            self.rest_until_due(index, cause);
            return;
        }
        if self.unsatisfied(index).is_some() {
            self.start_resting_sidecars(index);
            if let Some(on) = self.unsatisfied(index) {
                self.wait_for(index, on);
                self.wait_for_line(index, on);
                return;
            }
        }
        if self.node(index).is_supervisor() {
            let automatic = self.node(index).flags.again;
            self.begin_incarnation(index, cause, automatic);
        } else {
            self.spawn(index, cause);
        }
    }

    /// A child that is due to start, and whose body a new spec took away, rests until it has one again.
    fn rest_unbound(&mut self, index: u32, cause: Cause) {
        if !self.node(index).life.is_at_rest() {
            self.node_mut(index).flags.rests_unasked = true;
            self.shift(index, Life::Stopped, News::new(EventKind::ChildUnbound, cause));
        } else if self.node(index).flags.awaited {
            self.settle_waits(index);
        }
    }

    /// The first sibling that has to be ready, or done, before this child may start.
    pub(super) fn unsatisfied(&self, index: u32) -> Option<u32> {
        let node = self.node(index);
        let incarnation = self.sup(node.parent).incarnation;
        let looked_at = if fault!(second_need_is_ignored) { 1 } else { usize::MAX };
        node.depends_on().iter().copied().take(looked_at).find(|&at| {
            let on = self.node(at);
            let until =
                if fault!(conditions_are_ignored) { Condition::Ready } else { self.condition(index, at) };
            match on.life {
                Life::Starting | Life::Running
                    if self.takes_dependants_down(at) && !fault!(starts_on_who_goes_down) =>
                {
                    true
                }
                Life::Starting | Life::Running if until == Condition::Started => false,
                Life::Running if until != Condition::Ready => true,
                // Only of this incarnation, as below.
                Life::Failed if until == Condition::Completed => on.spawned_in != incarnation,
                // A job that runs has not done anything yet, unless it says so (D19).
                Life::Running if fault!(running_job_satisfies) => false,
                Life::Running => on.policy.keeps_row && on.policy.readiness == ReadinessMode::Immediate,
                // A completion in an earlier incarnation satisfies nobody (D18).
                Life::Completed => on.spawned_in != incarnation && !fault!(earlier_completion_satisfies),
                Life::Unresponsive { .. } if fault!(unresponsive_satisfies) => false,
                Life::Starting if fault!(dependant_does_not_wait) => false,
                Life::Failed if fault!(failed_job_satisfies) => false,
                _ => true,
            }
        })
    }

    /// What of another one a child waits for.
    pub(super) fn condition(&self, index: u32, on: u32) -> Condition {
        let policy = &self.node(index).policy;
        // Nearly nobody says one.
        if policy.conditions.is_empty() {
            return Condition::Ready;
        }
        self.node(on).path.last_segment().map_or(Condition::Ready, |name| policy.condition(name))
    }

    /// Whether a child is about to go down, and who depends on it goes before it (D11). Nobody starts on it any more.
    fn takes_dependants_down(&self, index: u32) -> bool {
        let node = self.node(index);
        let line = &self.sup(node.parent).line;
        node.policy.restart_dependants && line.iter().any(|(in_line, _)| *in_line == index)
    }

    /// Whoever waits for a child that is about to go down is looked at again when all in that line are down.
    fn wait_for_line(&mut self, index: u32, on: u32) {
        if self.node(on).life == Life::Running && self.takes_dependants_down(on) {
            let sup = self.node(index).parent;
            let taken = &mut self.sup_mut(sup).taken;
            if !taken.contains(&index) {
                taken.push(index);
            }
        }
    }

    /// A sidecar that was stopped with its primary starts before it again (D15).
    fn start_resting_sidecars(&mut self, index: u32) {
        for sidecar in self.node(index).sidecars().to_vec() {
            let rests = matches!(self.node(sidecar).life, Life::Stopped | Life::Completed);
            // Its group starts it when that is down (R27).
            if rests && self.group_takes(sidecar).is_none() {
                self.try_start(sidecar, Cause::Primary(index));
            }
        }
    }

    pub(super) fn wait_for(&mut self, index: u32, on: u32) {
        let node = self.node(index);
        if matches!(node.life, Life::Waiting { .. }) {
            return;
        }
        let after_failure = node.flags.grow;
        self.node_mut(index).flags.trial = Trial::No;
        let first = self.node(index).depends_on().first().copied();
        let on = first.filter(|_| fault!(wait_names_the_first)).unwrap_or(on);
        let news = News::new(EventKind::ChildWaiting, Cause::Dependency(on)).next(Next::WaitsFor(on));
        self.shift(index, Life::Waiting { after_failure }, news);
    }

    /// Somebody a waiting child depends on is ready now.
    pub(super) fn wake(&mut self, index: u32) {
        let sup = self.node(index).parent;
        let record = self.sup_mut(sup);
        record.waking = record.waking.saturating_sub(1);
        self.queue_flow(sup);
        let node = self.node(index);
        // Who went down with a sibling is looked at again when all that did are down (D11).
        let taken = self.sup(sup).taken.contains(&index);
        // A group that goes down takes it along; nothing of the new generation starts before (R27).
        if matches!(node.life, Life::Waiting { .. }) && !taken && self.group_takes(index).is_none() {
            let cause = node.depends_on().first().map_or(Cause::Start, |&on| Cause::Dependency(on));
            self.try_start(index, cause);
        }
    }

    fn spawn(&mut self, index: u32, cause: Cause) {
        let incarnation = self.sup(self.node(index).parent).incarnation;
        let again = self.begin_run(index);
        let node = self.node_mut(index);
        node.spawned_in = incarnation;
        let spawn =
            Effect::Spawn { key: node.key(index), generation: node.generation, attempt: node.attempt };
        let (immediate, ready_within) =
            (node.policy.readiness == ReadinessMode::Immediate, node.policy.ready_within);
        self.out.push(spawn);
        if immediate || fault!(ready_means_spawned) {
            self.started(index, again, cause);
            return;
        }
        let kind = if again { EventKind::ChildRestarting } else { EventKind::ChildStarting };
        self.shift(index, Life::Starting, News::new(kind, cause));
        if let Some(limit) = ready_within.filter(|_| !fault!(no_start_timeout)) {
            self.set_due(index, self.now.saturating_add(limit));
        }
    }

    /// The run that begins is the one for which the time of a scheduled child has come.
    fn use_up_its_time(&mut self, index: u32) {
        if self.node(index).policy.scheduled {
            self.account(index, false);
            self.node_mut(index).flags.due = false;
            self.account(index, true);
        }
    }

    /// Gives the next run its number (D5). Says whether it is an automatic restart.
    fn begin_run(&mut self, index: u32) -> bool {
        let node = self.node(index);
        if fault!(restart_takes_another_body) && node.flags.again {
            self.out.push(Effect::Changed {
                key: node.key(index),
                body: Some(0),
                policy: node.policy.clone(),
            });
        }
        self.take_up_restart(index);
        self.use_up_its_time(index);
        let node = self.node_mut(index);
        if !(fault!(generation_is_reused) && node.flags.again) {
            node.generation += 1;
        }
        let counts = node.flags.again || fault!(restarts_by_hand_are_counted) && node.generation > 1;
        node.restart_count = node.restart_count.saturating_add(u32::from(counts));
        node.attempt = node.streak().saturating_add(u32::from(node.flags.grow));
        (node.flags.forgiven, node.flags.rests_unasked) = (false, false);
        (node.flags.grow, node.flags.left_out, node.flags.once_more) = (false, false, false);
        node.flags.again
    }

    /// The new run is what a new spec, or an operator, waited for in line, so it is not restarted for that again. Nor does
    /// it go down for a sibling for which the run before was to: nobody starts on one that is about to (D11). Who is to
    /// leave the tree still is.
    fn take_up_restart(&mut self, index: u32) {
        let node = self.node(index);
        let sup = node.parent;
        if sup == NONE {
            return;
        }
        if node.flags.declared {
            self.node_mut(index).flags.reload = false;
        }
        let goes_anew = fault!(new_run_goes_down_for_the_old);
        let done = |then: Then| then == Then::Start || then == Then::WaitDependency && !goes_anew;
        self.sup_mut(sup).line.retain(|&(other, then)| other != index || !done(then));
    }

    /// A run reported ready: that is what started means for it (D19).
    pub(super) fn reported_ready(&mut self, index: u32) {
        let node = self.node(index);
        if node.life != Life::Starting && !(fault!(ready_is_told_again) && node.life == Life::Running) {
            return;
        }
        let again = node.flags.again;
        let awaited_from = if fault!(beat_counts_from_spawn) { node.since } else { self.now };
        let took = millis(self.now - node.since);
        self.mark_started(index);
        self.shift(index, Life::Running, News::new(EventKind::ChildReady, Cause::Report).numbers(&[took]));
        self.tell(index, News::new(running_kind(again), Cause::Report));
        self.await_beat(index, awaited_from);
    }

    /// A run is started by being spawned, or a supervisor by the end of its initial start.
    pub(super) fn started(&mut self, index: u32, again: bool, cause: Cause) {
        self.mark_started(index);
        self.shift(index, Life::Running, News::new(running_kind(again), cause));
        self.await_beat(index, self.now);
    }

    fn mark_started(&mut self, index: u32) {
        let parent = self.node(index).parent;
        let incarnation = if parent == NONE { 0 } else { self.sup(parent).incarnation };
        let node = self.node_mut(index);
        node.started_in = incarnation;
        node.flags.trial = Trial::No;
        node.flags.again = false;
    }

    /// A run declined to start and is gone (R4, R38): success without a run.
    pub(super) fn declined(&mut self, index: u32, reason: Arc<str>) {
        if self.node(index).life != Life::Starting {
            self.gone(index, Exit::Stopped);
            return;
        }
        if fault!(declining_is_failing) {
            self.gone(index, Exit::failed(reason));
            return;
        }
        let news = News::new(EventKind::ChildDeclined, Cause::Report).text(reason);
        self.node_mut(index).flags.trial = Trial::No;
        let waits = self.take_waits_for_start(index);
        if let Some(then) = self.taken_from_line(index).filter(|then| *then != Then::Start) {
            self.decline_in_line(index, then, news);
        } else if self.leaves_no_trace(index)
            || (self.is_dynamic(index) && !fault!(declined_dynamic_child_stays))
        {
            self.remove(index, news);
        } else {
            self.shift(index, Life::Stopped, news);
        }
        // Declining is success without a run.
        for wait in waits {
            self.answer_declined(index, &wait);
        }
    }

    /// A child declines whom an operator, or a new spec, wants to be held or gone, and who waited for its turn: that is
    /// done now.
    fn decline_in_line(&mut self, index: u32, then: Then, news: News) {
        self.leave_line(index);
        self.node_mut(index).took = 0;
        self.shift(index, Life::Stopping { then, step: Step::Asked }, news);
        self.carry_out(index, then, Exit::Stopped, true);
    }

    /// A factory was registered for an unbound child.
    pub(super) fn bound(&mut self, key: ChildKey) {
        if self.lookup(key).is_none() || self.node(key.index).flags.bound {
            return;
        }
        self.account(key.index, false);
        let flags = &mut self.node_mut(key.index).flags;
        (flags.bound, flags.bound_late) = (true, true);
        if self.node(key.index).life == Life::Declared {
            self.node_mut(key.index).why = Cause::Operator;
        }
        self.account(key.index, true);
        let node = self.node(key.index);
        // A plan that is under way reaches it by itself, unless it has passed it over.
        let passed = !self.plan_is_ahead(key.index);
        let wanted = match node.life {
            Life::Declared | Life::Waiting { .. } => true,
            Life::Stopped => node.flags.rests_unasked && self.is_revivable(key.index),
            _ => false,
        };
        if wanted && passed {
            self.try_start(key.index, Cause::Operator);
        }
    }

    /// Begins a new incarnation of a supervisor: its declared children, an empty budget (R48).
    pub(super) fn begin_incarnation(&mut self, index: u32, cause: Cause, automatic: bool) {
        let sup = self.node(index).supervisor;
        let parent = self.node(index).parent;
        let again = self.begin_run(index);
        if parent != NONE {
            self.node_mut(index).spawned_in = self.sup(parent).incarnation;
        }
        let kind = if again { EventKind::ChildRestarting } else { EventKind::ChildStarting };
        self.shift(index, Life::Starting, News::new(kind, cause));
        if let Some(limit) = self.node(index).policy.ready_within {
            self.set_due(index, self.now.saturating_add(limit));
        }
        let record = self.sup_mut(sup);
        record.incarnation += 1;
        record.ending = None;
        record.initial = true;
        if !fault!(incarnation_keeps_its_charges) {
            record.charges.clear();
        }
        record.pending = 0;
        record.ended_early = None;
        (record.retry, record.hard, record.more_added, record.reordered) = (false, false, false, false);
        record.line.clear();
        record.taken.clear();
        record.in_line = NONE;
        let again = record.incarnation > 1 || !record.dormant.is_empty();
        // Also below a supervisor that never ran: somebody above it was restarted.
        let unparks = std::mem::take(&mut self.node_mut(index).flags.unpark);
        if again || unparks {
            self.renew_children(sup);
            self.begin_anew(sup, automatic || unparks);
        }
        let first = self.sup(sup).first;
        self.sup_mut(sup).flow = Flow::Up { cursor: first, begun: false, wave: Wave::Initial };
        self.queue_flow(sup);
    }

    /// Streaks and budgets of children end with the incarnation. Parked children stay parked only when an
    /// operator restarts their supervisor (D10).
    fn begin_anew(&mut self, sup: u32, automatic: bool) {
        let supervisor = self.sup(sup).node;
        for child in self.indices(sup).collect::<Vec<_>>() {
            let node = self.node_mut(child);
            node.flags.forgiven = true;
            node.own_charges = None;
            (node.flags.again, node.flags.grow, node.flags.trial) = (false, false, Trial::No);
            // What was to be left out by a start of the former incarnation has its turn in this one (R48).
            node.flags.left_out &= fault!(new_incarnation_leaves_out);
            node.flags.unpark = automatic && node.is_supervisor();
            if let Life::Unresponsive { then } = &mut node.life {
                // It is a declared child of the new incarnation; only an operator's hold outlives an operator's restart.
                let held = matches!(then, Then::Pause | Then::Quarantine) && !automatic;
                if node.flags.declared && !held {
                    *then = Then::Start;
                    node.why = Cause::Supervisor(supervisor);
                }
            }
            let unparks = if fault!(operators_restart_unparks) { true } else { automatic };
            let unparks = if fault!(parked_outlives_the_supervisor) { false } else { unparks };
            if unparks && matches!(node.life, Life::Paused | Life::Quarantined) {
                let word = node.life.lifecycle();
                let news = News::new(EventKind::ChildStopped, Cause::Supervisor(supervisor))
                    .text(format!("no longer {word}: its supervisor was restarted"));
                self.shift(child, Life::Stopped, news);
            }
        }
    }
}

fn running_kind(again: bool) -> EventKind {
    if again { EventKind::ChildRestarted } else { EventKind::ChildRunning }
}

/// Nanoseconds as the whole milliseconds of an event's number.
pub(super) fn millis(nanos: u64) -> u32 {
    u32::try_from(nanos / 1_000_000).unwrap_or(u32::MAX)
}
