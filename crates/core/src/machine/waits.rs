//! Who waits for which answer. Every command gets exactly one.

use std::sync::Arc;

use supervisor_api::command::{ChildControlOutcome, NotAsPlanned, Plan};
use supervisor_api::{Cause, Detail, Lifecycle, SupervisorError};

use super::Machine;
use super::node::{Flow, Life, NONE};
use crate::face::{Applied, Effect, Reply, Requester, Ticket};

/// A command that is being carried out.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) ticket: Ticket,
    /// What is told of it: who asked, why, and under which number. Events that tell nothing else share it.
    pub(super) told: Arc<Detail>,
}

impl Current {
    pub(super) fn new(ticket: Ticket, requester: Requester) -> Self {
        let Requester { by, reason, command_id } = requester;
        let command = Some(ticket).filter(|ticket| *ticket != 0);
        let told =
            Detail { requested_by: by, reason, command, correlation_id: command_id, ..Detail::default() };
        Self { ticket, told: Arc::new(told) }
    }

    pub(super) fn requester(&self) -> Requester {
        let Detail { requested_by, reason, correlation_id, .. } = &*self.told;
        Requester { by: requested_by.clone(), reason: reason.clone(), command_id: correlation_id.clone() }
    }
}

/// What a command waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// That the child is started, or cannot be for now.
    Started,
    /// The same, for a child that was added.
    Added,
    /// That it is held in this state.
    Held(Lifecycle),
    /// That it rests.
    Rest,
    /// That it is no longer in the tree.
    Gone,
}

/// Somebody who waits.
#[derive(Debug, Clone)]
pub(super) struct Wait {
    pub(super) current: Current,
    pub(super) goal: Goal,
    pub(super) before: Lifecycle,
    /// The run that the child had then.
    pub(super) generation: u64,
    /// A run was asked to stop for it.
    pub(super) cancelled: bool,
    /// The command applies a spec, and waits for others besides.
    pub(super) of_apply: bool,
}

/// A spec that was applied, until everybody is as it says, or cannot be.
#[derive(Debug, Clone)]
pub(super) struct Applying {
    applied: Applied,
    /// How many are waited for.
    left: usize,
}

/// How far a wait is.
enum Verdict {
    Pending,
    Done,
    Failed(String),
}

impl Machine {
    pub(super) fn reply(&mut self, ticket: Ticket, result: Result<Reply, SupervisorError>) {
        if ticket != 0 {
            self.out.push(Effect::Reply { ticket, result });
        }
    }

    /// Lets the present command wait for a child.
    pub(super) fn wait(&mut self, index: u32, goal: Goal, before: Lifecycle, cancelled: bool) {
        let Some(current) = self.command.clone() else { return };
        let generation = self.node(index).generation;
        let wait = Wait { current, goal, before, generation, cancelled, of_apply: false };
        self.wait_more(index, wait);
    }

    fn wait_more(&mut self, index: u32, wait: Wait) {
        self.waits.entry(index).or_default().push(wait);
        self.node_mut(index).flags.awaited = true;
    }

    /// Lets the present command wait until everybody is as the spec that was just applied says.
    pub(super) fn wait_for_all(&mut self, plan: Plan) {
        let Some(current) = self.command.clone().filter(|current| current.ticket != 0) else { return };
        let starts = plan.added.iter().chain(&plan.restarted).map(|path| (path, Goal::Started));
        let goals = starts.chain(plan.removed.iter().map(|path| (path, Goal::Gone)));
        let found = goals.filter_map(|(path, goal)| Some((self.find_index(path.as_str())?, goal)));
        let found: Vec<(u32, Goal)> = found.collect();
        let applied = Applied { plan, not_as_planned: Vec::new() };
        let ticket = current.ticket;
        // One more than there are, until all are looked at.
        self.applies.insert(ticket, Applying { applied, left: found.len() + 1 });
        for &(index, goal) in &found {
            let node = self.node(index);
            let (before, generation) = (node.life.lifecycle(), node.generation);
            let current = current.clone();
            let wait = Wait { current, goal, before, generation, cancelled: false, of_apply: true };
            self.wait_more(index, wait);
        }
        for (index, _) in found {
            self.settle_waits(index);
        }
        self.one_less(ticket);
    }

    fn one_less(&mut self, ticket: Ticket) {
        let Some(applying) = self.applies.get_mut(&ticket) else { return };
        applying.left -= 1;
        if applying.left == 0
            && let Some(applying) = self.applies.remove(&ticket)
        {
            self.reply(ticket, Ok(Reply::Applied(Box::new(applying.applied))));
        }
    }

    /// A child of an applied spec is as far as it comes for now.
    fn applied_to(&mut self, index: u32, wait: &Wait) {
        let node = self.node(index);
        let state = node.life.lifecycle();
        let as_planned = match wait.goal {
            Goal::Gone => state == Lifecycle::Removed,
            // One that has a time to start waits for that.
            _ => {
                matches!(state, Lifecycle::Running | Lifecycle::Completed)
                    || state == Lifecycle::Declared && node.awaits_its_time()
            }
        };
        // Where the tree ends, nobody waits for anything any more.
        let failed = self.sup(0).is_ending()
            || matches!(
                state,
                Lifecycle::Backoff | Lifecycle::Failed | Lifecycle::Unresponsive | Lifecycle::Quarantined
            );
        let path = node.path.clone();
        if !as_planned && let Some(applying) = self.applies.get_mut(&wait.current.ticket) {
            let child = NotAsPlanned { child_path: path, lifecycle_state: state, failed };
            applying.applied.not_as_planned.push(child);
        }
        self.one_less(wait.current.ticket);
    }

    /// Who waits for a child that comes to a start is looked at again, and who waits for those.
    fn settle_dependants(&mut self, index: u32) {
        for dependant in self.node(index).dependants().to_vec() {
            let node = self.node(dependant);
            if matches!(node.life, Life::Waiting { .. }) {
                if node.flags.awaited {
                    self.settle_waits_of_applies(dependant);
                }
                self.settle_dependants(dependant);
            }
        }
    }

    /// Whether a child that waits for siblings starts without anybody doing anything about it.
    fn comes_to_a_start(&self, index: u32) -> bool {
        let Some(on) = self.unsatisfied(index) else { return true };
        match self.node(on).life {
            Life::Starting | Life::Stopping { .. } => true,
            // A job, which may run for long before it satisfies anybody.
            Life::Running => false,
            Life::Waiting { .. } => self.comes_to_a_start(on),
            Life::Declared => self.will_be_started(on),
            _ => self.plan_will_start(on),
        }
    }

    /// A declared child has its turn as long as its supervisor is up, unless one before it does not get started.
    fn will_be_started(&self, index: u32) -> bool {
        let node = self.node(index);
        let sup = self.sup(node.parent);
        let held_up = match sup.flow {
            Flow::Up { cursor, .. } if cursor != NONE => {
                matches!(self.node(cursor).life, Life::Backoff { .. })
            }
            _ => false,
        };
        node.flags.bound && !node.awaits_its_time() && sup.is_up() && !held_up
    }

    /// The command that stands behind what happens to a child now.
    pub(super) fn command_behind(&self, index: u32, cause: Cause) -> Option<&Current> {
        let later = || match cause {
            Cause::Operator => {
                let waits = self.waits.get(&index);
                waits.and_then(|waits| waits.iter().rfind(|wait| !wait.of_apply)).map(|wait| &wait.current)
            }
            Cause::Shutdown => self.shutdown_by.as_ref(),
            Cause::Reload => self.reload_by.as_ref(),
            _ => None,
        };
        let commanded = matches!(cause, Cause::Operator | Cause::Shutdown | Cause::Reload);
        self.command.as_ref().filter(|_| commanded).or_else(later)
    }

    /// The state of a child changed: answers those who have what they waited for.
    pub(super) fn settle_waits(&mut self, index: u32) {
        self.settle(index, |_| true);
    }

    /// Somebody else's state changed: looks only at those who wait for an applied spec. What others wait for shows in
    /// the child's own state.
    fn settle_waits_of_applies(&mut self, index: u32) {
        self.settle(index, |wait| wait.of_apply);
    }

    fn settle(&mut self, index: u32, concerned: impl Fn(&Wait) -> bool) {
        let Some(waits) = self.waits.remove(&index) else { return };
        let mut left = Vec::new();
        for wait in waits {
            if !concerned(&wait) {
                left.push(wait);
                continue;
            }
            match self.verdict(index, &wait) {
                Verdict::Pending => left.push(wait),
                Verdict::Done => self.answer(index, &wait, None),
                Verdict::Failed(_) if fault!(reply_is_lost) => {}
                Verdict::Failed(why) => self.answer(index, &wait, Some(why)),
            }
        }
        self.node_mut(index).flags.awaited = !left.is_empty();
        if !left.is_empty() {
            self.waits.insert(index, left);
        }
    }

    /// The state of a child changed: who waits for an applied spec may wait for those that depend on it.
    pub(super) fn settle_applies(&mut self, index: u32, life: Life) {
        if self.applies.is_empty() {
            return;
        }
        self.settle_dependants(index);
        let parent = self.node(index).parent;
        if parent != NONE && matches!(life, Life::Backoff { .. }) {
            // Those behind it have no turn for now.
            for sibling in self.indices(parent).collect::<Vec<_>>() {
                let node = self.node(sibling);
                if node.flags.awaited && node.life == Life::Declared {
                    self.settle_waits_of_applies(sibling);
                }
            }
        }
    }

    fn verdict(&self, index: u32, wait: &Wait) -> Verdict {
        let life = self.node(index).life;
        let state = life.lifecycle();
        let pending = match life {
            Life::Stopping { .. } => true,
            Life::Starting | Life::Running => self.planned_in_line(index).is_some(),
            _ => false,
        };
        if pending {
            return Verdict::Pending;
        }
        let otherwise = || Verdict::Failed(format!("it is {state} now"));
        let stuck = || {
            Verdict::Failed("its run did not end when it was killed; the rest follows when it does".into())
        };
        match (wait.goal, life) {
            (_, Life::Unresponsive { .. }) => stuck(),
            (Goal::Started | Goal::Added, Life::Starting) => Verdict::Pending,
            (Goal::Started, Life::Declared) if wait.of_apply => {
                if self.will_be_started(index) {
                    Verdict::Pending
                } else {
                    otherwise()
                }
            }
            (Goal::Started, Life::Waiting { .. }) if wait.of_apply && self.comes_to_a_start(index) => {
                Verdict::Pending
            }
            // It is as it was when it was asked for.
            (Goal::Started, Life::Running | Life::Completed)
                if self.node(index).generation == wait.generation && !self.plan_will_start(index) =>
            {
                Verdict::Failed("its supervisor ends before its turn came".into())
            }
            (Goal::Started, Life::Completed) if self.node(index).generation == wait.generation => {
                Verdict::Pending
            }
            (Goal::Started | Goal::Added, Life::Running | Life::Waiting { .. } | Life::Completed) => {
                Verdict::Done
            }
            (Goal::Started | Goal::Added, _) if self.plan_will_start(index) => Verdict::Pending,
            (Goal::Started, Life::Backoff { .. }) => {
                Verdict::Failed("it did not start; it is tried again".into())
            }
            (Goal::Held(wanted), _) if state == wanted => Verdict::Done,
            (Goal::Rest, Life::Stopped | Life::Removed | Life::Completed | Life::Failed) => Verdict::Done,
            (Goal::Gone, Life::Removed) => Verdict::Done,
            (Goal::Gone, _) if self.node(index).flags.doomed => stuck(),
            _ => otherwise(),
        }
    }

    /// A supervisor begins to end: nothing it had planned for its children will be done.
    pub(super) fn settle_waits_below(&mut self, sup: u32) {
        let below = |&&index: &&u32| self.node(index).parent == sup;
        for index in self.waits.keys().filter(below).copied().collect::<Vec<_>>() {
            self.settle_waits(index);
        }
    }

    /// Answers somebody who waited for the start of a child that declined (R4).
    pub(super) fn answer_declined(&mut self, index: u32, wait: &Wait) {
        if wait.of_apply {
            return self.applied_to(index, wait);
        }
        let result = match wait.goal {
            Goal::Added => Ok(self.added_as(index, Lifecycle::Stopped)),
            _ => self.outcome(index, wait, None),
        };
        self.reply(wait.current.ticket, result);
    }

    /// Answers everybody who waits for a child with a refusal.
    pub(super) fn refuse_waits(&mut self, index: u32, refusal: &SupervisorError) {
        for wait in self.take_waits(index) {
            if wait.of_apply {
                self.applied_to(index, &wait);
            } else {
                self.reply(wait.current.ticket, Err(refusal.clone()));
            }
        }
    }

    pub(super) fn refuse_all_waits(&mut self) {
        for ticket in std::mem::take(&mut self.applies).into_keys() {
            let message = "the tree ended before everybody was as the new spec says".to_owned();
            self.reply(ticket, Err(SupervisorError::InvalidTransition { message }));
        }
        while let Some((&index, _)) = self.waits.first_key_value() {
            let message = "the tree ended before this was done".to_owned();
            self.refuse_waits(index, &SupervisorError::InvalidTransition { message });
        }
    }

    /// Takes those out who wait for the start of a child.
    pub(super) fn take_waits_for_start(&mut self, index: u32) -> Vec<Wait> {
        let waits = self.take_waits(index).into_iter();
        let (starts, others): (Vec<_>, Vec<_>) =
            waits.partition(|wait| matches!(wait.goal, Goal::Started | Goal::Added));
        if !others.is_empty() {
            self.node_mut(index).flags.awaited = true;
            self.waits.insert(index, others);
        }
        starts
    }

    pub(super) fn take_waits(&mut self, index: u32) -> Vec<Wait> {
        self.node_mut(index).flags.awaited = false;
        self.waits.remove(&index).unwrap_or_default()
    }

    fn answer(&mut self, index: u32, wait: &Wait, failure: Option<String>) {
        if wait.of_apply {
            return self.applied_to(index, wait);
        }
        let result =
            if wait.goal == Goal::Added { self.added(index) } else { self.outcome(index, wait, failure) };
        self.reply(wait.current.ticket, result);
    }

    /// The answer about a child that was added: an error when it did not come to a start.
    pub(super) fn added(&self, index: u32) -> Result<Reply, SupervisorError> {
        let node = self.node(index);
        let state = node.life.lifecycle();
        let came_to_nothing =
            matches!(
                state,
                Lifecycle::Removed
                    | Lifecycle::Unresponsive
                    | Lifecycle::Stopped
                    | Lifecycle::Paused
                    | Lifecycle::Quarantined
                    | Lifecycle::Failed
            ) || (state == Lifecycle::Declared && node.flags.bound && !node.awaits_its_time());
        if came_to_nothing {
            let message = format!("{} was not started: it is {state} now", node.path);
            return Err(SupervisorError::InvalidTransition { message });
        }
        Ok(self.added_as(index, state))
    }

    fn added_as(&self, index: u32, state: Lifecycle) -> Reply {
        let node = self.node(index);
        Reply::Added { key: node.key(index), path: node.path.clone(), state, generation: node.generation }
    }

    fn outcome(&self, index: u32, wait: &Wait, failure: Option<String>) -> Result<Reply, SupervisorError> {
        let mut outcome = self.outcome_now(index, wait.before, wait.cancelled);
        outcome.failure = failure.filter(|_| !fault!(failure_is_not_answered));
        Ok(Reply::Control(outcome))
    }

    /// The outcome of a command that is done.
    pub(super) fn outcome_now(&self, index: u32, before: Lifecycle, cancelled: bool) -> ChildControlOutcome {
        let node = self.node(index);
        ChildControlOutcome {
            child_id: Arc::from(node.path.last_segment().unwrap_or("/")),
            path: node.path.clone(),
            generation: node.generation,
            attempt: node.attempt,
            restart_count: node.restart_count,
            state_before: before,
            state_after: node.life.lifecycle(),
            idempotent: false,
            cancel_delivered: cancelled,
            failure: None,
        }
    }
}
