//! Invariants 8, 9 and 10: what a failure costs, what follows when nobody can pay, and when the restart comes.

use std::collections::VecDeque;

use supervisor_api::policy::{Backoff, Budget, OnExhausted, Strategy};
use supervisor_api::{Event, EventKind, Lifecycle, Next};

use super::Checker;
use super::model::{Order, nanos};
use super::violation::{Check, must};

impl Checker {
    /// Invariant 8. Charges a failure in the checker's own logs, and compares (D4, R40-R45).
    pub(super) fn i08_charge(&mut self, at: u32, event: &Event, start: bool) -> Check {
        let now = self.now;
        let node = self.model.node(at);
        let (policy, parent) = (std::sync::Arc::clone(&node.policy), node.parent);
        let life = self.model.life(at);
        // A run that lasted long enough ends the streak of failures before it (D3).
        if !start && now - life.started_at >= nanos(policy.backoff.reset_after) {
            life.forgiven = true;
        }
        let streak = life.streak();
        let over = |limit: Option<u32>| limit.is_some_and(|limit| streak >= limit);
        let own_out = policy
            .budget
            .is_some_and(|budget| is_full(&mut life.charges, &budget, now) || over(policy.own_streak_limit));
        let own_used = life.charges.len();

        let shared_counts = policy.on_exhausted != OnExhausted::Quarantine;
        let sup = self.model.sup_of_mut(parent);
        let shared = sup.policy().budget;
        let supervisors_word = sup.policy().on_exhausted;
        let shared_out =
            shared_counts && (is_full(&mut sup.charges, &shared, now) || over(policy.streak_limit));
        let shared_used = sup.charges.len();

        let exhausted = shared_out || own_out;
        let (used, budget) = match policy.budget {
            Some(own) if own_out || !shared_counts => (own_used, own),
            _ => (shared_used, shared),
        };
        self.i08_compare(at, event, exhausted, used, &budget)?;
        if exhausted {
            let action = if shared_out && own_out {
                stronger(policy.on_exhausted, supervisors_word)
            } else {
                policy.on_exhausted
            };
            return self.i09_exhausted(at, event, action);
        }
        if policy.budget.is_some_and(|own| own.max_restarts.is_some()) {
            self.model.life(at).charges.push_back(now);
        }
        if shared_counts && shared.max_restarts.is_some() {
            self.model.sup_of_mut(parent).charges.push_back(now);
        }
        self.model.life(at).grows = true;
        self.i10_delay(at, event, streak + 1, start)?;
        if self.model.sup_of(parent).policy().strategy != Strategy::OneForOne {
            self.group_begins(at);
        }
        Ok(())
    }

    fn i08_compare(&self, at: u32, event: &Event, exhausted: bool, used: usize, budget: &Budget) -> Check {
        let path = &self.model.node(at).path;
        let max = budget.max_restarts.unwrap_or(u32::MAX);
        let gives_up = matches!(event.next, Next::Operator | Next::Escalate);
        must!(
            self,
            gives_up == exhausted,
            Budgets,
            "{path} failed with {used} of {max} restarts charged within {:?}, streak {}, and then {:?} follows",
            budget.window,
            self.model.node(at).life.streak(),
            event.next
        );
        let charged = used + usize::from(!exhausted);
        let [_, said, said_max, _] = event.numbers;
        must!(
            self,
            said_max == max && (max == u32::MAX || said as usize == charged),
            Budgets,
            "{path} failed and says that {said} of {said_max} restarts are charged; they are {charged} of {max}"
        );
        Ok(())
    }

    /// Invariant 9. What an exhausted budget leads to, and to whom it is told.
    fn i09_exhausted(&mut self, at: u32, event: &Event, action: OnExhausted) -> Check {
        let node = self.model.node(at);
        let parked = event.row.lifecycle == Lifecycle::Quarantined;
        must!(
            self,
            parked == (action == OnExhausted::Quarantine),
            Escalation,
            "{} exhausted its budget, which means {action:?}, but it becomes {}",
            node.path,
            event.row.lifecycle
        );
        self.turn.escalates = match action {
            OnExhausted::Quarantine => None,
            OnExhausted::Escalate => Some(node.parent),
            OnExhausted::ShutdownTree => Some(0),
        };
        (self.turn.exhausts, self.turn.exhausted) = (Some(at), true);
        Ok(())
    }

    /// Invariant 9. A supervisor gives up when, and only when, a child of its exhausted the budget just now.
    pub(super) fn i09_escalated(&mut self, at: u32, event: &Event) -> Check {
        if event.kind == EventKind::BudgetExhausted {
            let by = self.turn.exhausts.take();
            let path = &self.model.node(at).path;
            must!(
                self,
                by == Some(at),
                Escalation,
                "{path} is said to have exhausted its budget and has not"
            );
        }
        if event.kind != EventKind::Escalated {
            return Ok(());
        }
        let expected = self.turn.escalates.take();
        let node = self.model.node(at);
        must!(
            self,
            expected == Some(at) && event.row.lifecycle == Lifecycle::Stopping,
            Escalation,
            "{} gives up while it is {}, but {}",
            node.path,
            node.state(),
            if expected.is_some() { "somebody else has to" } else { "no budget was exhausted just now" }
        );
        Ok(())
    }

    /// Invariant 9. An exhausted budget was told, and reached the supervisor it concerns, in the same call.
    pub(super) fn i09_none_is_lost(&self) -> Check {
        if let Some(at) = self.turn.escalates.or(self.turn.exhausts) {
            let path = &self.model.node(at).path;
            must!(self, false, Escalation, "an exhausted budget was to be told of {path}, and was not");
        }
        Ok(())
    }

    /// Invariant 10. The delay is that of the streak, within its jitter (D3).
    fn i10_delay(&self, at: u32, event: &Event, attempt: u32, start: bool) -> Check {
        let node = self.model.node(at);
        let alone = self.model.above(at).policy().strategy == Strategy::OneForOne;
        let (least, most) = delay_bounds(&node.policy.backoff, attempt);
        let (due, grouped, right) = match event.next {
            Next::StartNow => (self.now, false, !start),
            Next::StartAt(due) => (due, false, start || due > self.now),
            Next::WithGroup(due) => (due, true, true),
            _ => (self.now, false, false),
        };
        must!(
            self,
            grouped != alone,
            Scope,
            "{} starts again {}, and the strategy of its supervisor is {}",
            node.path,
            if grouped { "with its group" } else { "alone" },
            self.model.above(at).policy().strategy
        );
        let delay = due.saturating_sub(self.now);
        must!(
            self,
            right && due >= self.now && (least..=most).contains(&delay),
            Backoff,
            "{} starts again in {delay} ns ({:?}), but restart {attempt} of its streak comes after {least} to {most} ns",
            node.path,
            event.next
        );
        Ok(())
    }

    /// Invariant 10. Nothing starts before its delay is over, unless an operator asked for it; and its attempt is
    /// that of its streak.
    pub(super) fn i10_not_early(&self, at: u32, attempt: u32) -> Check {
        let node = self.model.node(at);
        let life = &node.life;
        let wanted = life.streak().saturating_add(u32::from(life.grows));
        must!(
            self,
            // An operator's start is the first of another streak (D17).
            attempt == wanted || attempt == 0 && life.order == Some(Order::Start),
            Backoff,
            "{} is started as restart {attempt} of its streak, but it is the {wanted}th",
            node.path
        );
        let asked = life.order.is_some() || node.concerned.is_some() || self.is_hurried(at);
        must!(
            self,
            !node.is(Lifecycle::Backoff) || life.due <= self.now || asked,
            Backoff,
            "{} is started at {} ns and was due at {} ns only",
            node.path,
            self.now,
            life.due
        );
        Ok(())
    }
}

/// Whether no charge more fits into the budget. A charge at c counts at t when t − window < c ≤ t (D2).
fn is_full(charges: &mut VecDeque<u64>, budget: &Budget, now: u64) -> bool {
    let Some(max) = budget.max_restarts else { return false };
    let window = nanos(budget.window);
    while charges.front().is_some_and(|at| at.saturating_add(window) <= now) {
        charges.pop_front();
    }
    charges.len() >= max as usize
}

/// The least and the most that the delay before this restart of a streak may be.
fn delay_bounds(backoff: &Backoff, attempt: u32) -> (u64, u64) {
    if attempt <= 1 {
        return (0, 0);
    }
    let doubled = nanos(backoff.initial) as f64 * 2f64.powi((attempt - 2).min(1_000) as i32);
    let base = doubled.min(nanos(backoff.max) as f64);
    let off = base * f64::from(backoff.jitter_ratio);
    // Floating point rounds; a nanosecond more or less is no matter.
    ((base - off - 1.0).max(0.0) as u64, (base + off + 1.0) as u64)
}

/// `shutdown_tree` over `escalate` over `quarantine` (D4).
fn stronger(one: OnExhausted, other: OnExhausted) -> OnExhausted {
    let strength = |action: OnExhausted| match action {
        OnExhausted::Quarantine => 0,
        OnExhausted::Escalate => 1,
        OnExhausted::ShutdownTree => 2,
    };
    if strength(one) >= strength(other) { one } else { other }
}
