//! A failure that calls for a restart: charging it, exhaustion, and when and with whom the child starts.

use std::sync::Arc;

use supervisor_api::policy::{Budget, OnExhausted, Strategy};
use supervisor_api::{Cause, EventKind, Exit, Next, SupervisorPath};

use super::Machine;
use super::backoff;
use super::ends::failure_kind;
use super::life::News;
use super::node::{Ending, Life};
use super::start::millis;
use crate::resolve::nanos;

/// How a child failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    /// What led to it, when a supervisor gave up.
    pub(super) chain: Vec<Arc<str>>,
    /// It ended before it was started.
    pub(super) start: bool,
}

impl Failure {
    pub(super) fn crash(exit: Exit) -> Self {
        Self { exit, chain: Vec::new(), start: false }
    }

    pub(super) fn start(exit: Exit) -> Self {
        Self { exit, chain: Vec::new(), start: true }
    }

    pub(super) fn kind(&self) -> EventKind {
        failure_kind(&self.exit, self.start)
    }

    /// Adds how it failed, and what led to it, to what is told of it.
    fn tell(&self, news: News) -> News {
        let exit = if fault!(every_failure_reads_alike) { Exit::failed("failed") } else { self.exit.clone() };
        news.exit(exit).chain(self.chain.clone())
    }
}

/// What a charge left of a budget.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    used: u32,
    budget: Budget,
}

impl Account {
    fn numbers(&self) -> [u32; 2] {
        [self.used, self.budget.max_restarts.unwrap_or(u32::MAX)]
    }
}

impl Machine {
    /// Charges a failure and restarts the child, or does what its exhausted budget leads to.
    pub(super) fn fail(&mut self, index: u32, failure: &Failure) {
        let node = self.node(index);
        // A run that lasted long enough ends the streak of failures before it (D3).
        let lasted = self.now - node.ran_since >= nanos(node.policy.backoff.reset_after);
        if !failure.start && lasted && !fault!(lasting_run_keeps_the_streak) {
            self.node_mut(index).flags.forgiven = true;
        }
        let (account, exhausted) = self.charge(index);
        let ran_ms = millis(self.now - self.node(index).ran_since);
        let [used, max] = account.numbers();
        let news = failure.tell(News::new(failure.kind(), Cause::Exit).numbers(&[ran_ms, used, max]));
        match exhausted {
            None => self.restart(index, failure.start, account, news),
            Some(action) => self.exhaust(index, failure, account, action, news),
        }
    }

    /// Charges one failure to the budgets it counts against (D4). An exhausting failure is charged to none.
    pub(super) fn charge(&mut self, index: u32) -> (Account, Option<OnExhausted>) {
        let now = self.now;
        let node = &mut self.nodes[index as usize];
        let sup = &mut self.sups[node.parent as usize];
        let policy = &node.policy;
        let shared_counts =
            policy.on_exhausted != OnExhausted::Quarantine || fault!(quarantine_charges_the_supervisor);
        let shared_counts =
            shared_counts && !(fault!(dynamic_children_are_free) && sup.context.policy.dynamic.is_some());
        let shared_counts = shared_counts && !(fault!(own_budget_is_the_only_one) && policy.budget.is_some());
        let shared = sup.context.policy.budget;
        let streak = node.streak();
        let over = |limit: Option<u32>| limit.is_some_and(|limit| streak >= limit);

        let shared_out = shared_counts && (!sup.charges.allow(&shared, now) || over(policy.streak_limit));
        let own_out = policy.budget.is_some_and(|own| {
            let charges = node.own_charges.get_or_insert_with(Default::default);
            !charges.allow(&own, now) || over(policy.own_streak_limit)
        });
        let exhausted = match (shared_out, own_out) {
            (false, false) => None,
            (true, true) if !fault!(weaker_action_wins) => {
                Some(policy.on_exhausted.max(sup.context.policy.on_exhausted))
            }
            _ => Some(policy.on_exhausted),
        };
        if exhausted.is_none() {
            if shared_counts {
                sup.charges.charge(&shared, now);
            }
            if let (Some(own), Some(charges)) = (policy.budget, node.own_charges.as_mut()) {
                charges.charge(&own, now);
            }
        }
        // The budget that decided is the one people are told of.
        let account = match (policy.budget, node.own_charges.as_ref()) {
            (Some(budget), Some(charges)) if own_out || !shared_counts => {
                Account { used: charges.used(), budget }
            }
            _ => Account { used: sup.charges.used(), budget: shared },
        };
        (account, exhausted)
    }

    /// Starts the child again: alone and after its own delay, or with its group (R22-R24, D3).
    fn restart(&mut self, index: u32, start: bool, account: Account, news: News) {
        let node = self.node(index);
        let sup = node.parent;
        let attempt = node.streak().saturating_add(1);
        let seed =
            if fault!(jitter_without_seed) { Box::leak(Box::new(0)) as *mut _ as u64 } else { self.seed };
        let delay =
            backoff::delay(&node.policy.backoff, attempt, backoff::dice(seed, index, node.generation));
        let due = self.now.saturating_add(delay);
        let mut alone = self.sup(sup).context.policy.strategy == Strategy::OneForOne;
        alone &= !fault!(one_for_one_takes_the_later);
        alone |= fault!(siblings_stay_up);
        alone |= fault!(half_failed_group_goes_on) && start;
        let flags = &mut self.node_mut(index).flags;
        (flags.again, flags.grow) = (true, true);
        if alone && delay == 0 && !start {
            self.restart_at_once(index, news);
        } else {
            let next = if alone { Next::StartAt(due) } else { Next::WithGroup(due) };
            self.shift(index, Life::Backoff { due, at_once: delay == 0 && !start }, news.next(next));
            if delay > 0 {
                let [used, max] = account.numbers();
                let news = News::new(EventKind::BackoffScheduled, Cause::Exit);
                self.tell(index, news.numbers(&[millis(delay), used, max]).next(next));
            }
            if alone {
                self.set_due(index, due);
            } else {
                self.sup_mut(sup).retry |= start;
                self.begin_group(sup, index);
            }
        }
        if alone {
            // A group that goes down takes them with it, in order.
            self.stop_dependants(index);
        }
    }

    /// The first restart of a streak, without delay and without waiting for a turn.
    fn restart_at_once(&mut self, index: u32, news: News) {
        let news = news.next(Next::StartNow);
        let node = self.node(index);
        if node.is_supervisor() || !node.flags.bound || self.unsatisfied(index).is_some() {
            self.shift(index, Life::Backoff { due: self.now, at_once: true }, news);
        } else {
            self.shift(index, Life::Starting, news);
        }
        self.try_start(index, Cause::Exit);
    }

    fn exhaust(&mut self, index: u32, failure: &Failure, account: Account, action: OnExhausted, news: News) {
        let sup = self.node(index).parent;
        let [used, max] = account.numbers();
        let window = millis(nanos(account.budget.window));
        let exhausted = News::new(EventKind::BudgetExhausted, Cause::Budget).numbers(&[used, max, window]);
        if action == OnExhausted::Quarantine {
            self.shift(index, Life::Quarantined, news.next(Next::Operator));
            self.tell(index, exhausted.next(Next::Operator));
            let parked = News::new(EventKind::ChildQuarantined, Cause::Budget);
            self.tell(index, parked.numbers(&[used, max]).next(Next::Operator));
            if fault!(quarantine_stops_siblings)
                && self.sup(sup).context.policy.strategy != Strategy::OneForOne
            {
                self.begin_group(sup, index);
            }
            return;
        }
        self.shift(index, Life::Failed, news.next(Next::Escalate));
        self.tell(index, exhausted.next(Next::Escalate));
        let child = &self.node(index).path;
        let chain = chain_of(child, &self.node(self.sup(sup).node).path, failure, account.budget);
        let ends = if action == OnExhausted::ShutdownTree { 0 } else { sup };
        let news = News::new(EventKind::Escalated, Cause::Budget).chain(chain.clone());
        if fault!(escalation_comes_twice) {
            self.tell(self.sup(ends).node, news.clone());
        }
        self.end_itself(ends, Ending::GaveUp { chain, child: index }, news);
    }
}

/// The causes so far, and what this exhaustion adds to them.
fn chain_of(
    child: &SupervisorPath,
    sup: &SupervisorPath,
    failure: &Failure,
    budget: Budget,
) -> Vec<Arc<str>> {
    let mut chain = failure.chain.clone();
    if chain.is_empty() {
        chain.push(format!("{child}: {}", failure.exit).into());
    }
    let max = budget.max_restarts.unwrap_or(u32::MAX);
    let restarts = if max == 1 { "restart" } else { "restarts" };
    chain.push(format!("{sup}: gave up after {max} {restarts} within {:?}", budget.window).into());
    chain
}
