//! Invariant 31: what is refused changes nothing, and neither does a command that has nothing to do.
//!
//! Nobody can look into the machine before a call, so its state after a refusal is held against what the events before
//! it add up to: rows, order, policies, deadlines. What cannot be read, such as budgets and streaks, shows in what follows.

use std::sync::Arc;

use supervisor_core::{Command, Effect, Input, Machine};

use super::model::NONE;
use super::violation::{Check, must};
use super::{Checker, Did};

impl Checker {
    /// A refused command has its reply for its only effect, and the tree is as it was.
    pub(super) fn i31_refusals_change_nothing(
        &self,
        did: Did<'_>,
        effects: &[Effect],
        machine: &Machine,
    ) -> Check {
        let Did::Input(Input::Command { ticket, command, .. }) = did else { return Ok(()) };
        // What was left to do before goes on in the same call.
        if !self.turn.refused || self.open_before {
            return Ok(());
        }
        let is_reply = |effect: &&Effect| matches!(effect, Effect::Reply { ticket: to, .. } if to == ticket);
        if let Some(effect) = effects.iter().find(|effect| !is_reply(effect)) {
            must!(
                self,
                false,
                Apply,
                "command {ticket} is refused, or has nothing to do, and leads to {effect:?}"
            );
        }
        must!(
            self,
            !machine.has_open_plan() && machine.next_deadline() == self.deadline_before,
            Apply,
            "command {ticket} is refused, or has nothing to do, and the next deadline goes from {:?} to {:?}",
            self.deadline_before,
            machine.next_deadline()
        );
        match command {
            Command::Apply(_) => {
                self.i23_every_row(machine)?;
                self.i31_spec_is_as_told(machine)
            }
            Command::Control(_, address) | Command::Otp(_, address) => match self.meant(address) {
                Some(at) => self.i23_row(at, machine),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Whether a new spec is a reason to start a child: it made it, or changed it, or named it again, or took away whom
    /// it rested or waited for.
    pub(super) fn i31_is_new_or_changed(&self, at: u32) -> bool {
        let node = self.model.node(at);
        let named = node.life.added_by_spec || node.life.kept;
        named || node.concerned.is_some() || self.reloaded && self.is_freed(at)
    }

    /// Every child is decided by what was told of it, every supervisor by its spec, and children stand in their order.
    pub(super) fn i31_spec_is_as_told(&self, machine: &Machine) -> Check {
        for at in self.model.there().filter(|_| self.announced) {
            let node = self.model.node(at);
            let policy = machine.policy(node.key);
            must!(
                self,
                at == 0
                    || policy
                        .is_some_and(|policy| Arc::ptr_eq(policy, &node.policy) || *policy == node.policy),
                Apply,
                "{} is decided by something else than was told",
                node.path
            );
            if node.sup == NONE {
                continue;
            }
            let sup = self.model.sup_of(at);
            must!(
                self,
                machine.supervisor_policy(node.key) == Some(sup.policy()),
                Apply,
                "{} is decided by something else than its spec says",
                node.path
            );
            let children = sup.children.iter().map(|child| self.model.node(*child));
            let told = children.filter(|child| child.is_there()).map(|child| child.key);
            must!(
                self,
                told.eq(machine.children(node.key)),
                Apply,
                "the children of {} stand in another order than its spec has",
                node.path
            );
        }
        Ok(())
    }
}
