//! Invariant 12: a stop keeps to grace and abort_wait, and a shutdown to their sum.

use supervisor_api::policy::Grace;
use supervisor_api::{Event, EventKind, Lifecycle};
use supervisor_core::Machine;

use super::Checker;
use super::model::{Live, NONE, Stop};
use super::violation::{Check, must};

impl Checker {
    /// Invariant 12. A tree that is asked to end begins to.
    pub(super) fn i12_shutdown_begins(&self) -> Check {
        let begun = !self.turn.shuts_down || self.ending.is_some() || self.done;
        must!(self, begun, StopBound, "the tree was asked to end and does not begin to");
        Ok(())
    }

    /// Invariant 12. Nobody is killed who has time left (D8), unless a supervisor above has none (R63), the graces were
    /// cut (D20), or the owner is gone (D16); nor without a word who was promised one.
    pub(super) fn i12_kill_is_not_early(&self, at: u32, live: Live) -> Check {
        if self.is_hard() || self.is_killed_from_above(at) {
            return Ok(());
        }
        let node = self.model.node(at);
        let over = match live.asked {
            None => node.policy.grace == Grace::Brutal,
            Some((at, grace)) => {
                self.skipped.is_some() || grace.is_some_and(|grace| at.saturating_add(grace) <= self.now)
            }
        };
        must!(
            self,
            over,
            StopBound,
            "{} is killed before its time: it was asked to stop {:?}, with a grace of {:?}",
            node.path,
            live.asked,
            node.policy.grace
        );
        Ok(())
    }

    /// Invariant 12. Nobody who was killed is given up on before `abort_wait` is over (D8).
    pub(super) fn i12_given_up_in_time(&self, at: u32, event: &Event) -> Check {
        let node = self.model.node(at);
        if event.kind != EventKind::ChildUnresponsive || node.sup != NONE {
            return Ok(());
        }
        must!(
            self,
            node.life.live.is_some_and(|live| live.given_up_at <= self.now),
            StopBound,
            "{} is given up on before its time, at {} ns; its run: {:?}",
            node.path,
            self.now,
            node.life.live
        );
        Ok(())
    }

    /// Invariant 12. Below a supervisor whose own grace is over nobody has a grace (R62, R63).
    pub(super) fn i12_nobody_is_spared(&self, at: u32) -> Check {
        let node = self.model.node(at);
        let mut above = at;
        while above != 0 {
            above = self.model.node(above).parent;
            let sup = self.model.node(above);
            let brutal = sup.policy.grace == Grace::Brutal && !self.reloaded;
            let asked = sup.is(Lifecycle::Stopping) && sup.life.stop == Stop::Planned;
            must!(
                self,
                above == 0 || !asked || !brutal && sup.life.due > self.now,
                StopBound,
                "{} has a grace, though {} above it has none left since {} ns",
                node.path,
                sup.path,
                sup.life.due
            );
        }
        Ok(())
    }

    /// Looks at a tree that was asked to end, after its bound has passed.
    ///
    /// # Errors
    /// As [`Checker::step`].
    pub fn stopped(&mut self, now: u64, machine: &Machine) -> Check {
        self.sweep(now, machine)?;
        must!(self, self.done, StopBound, "the tree was asked to end and has not ended");
        self.i18_nobody_is_forgotten()?;
        for at in self.model.there() {
            let node = self.model.node(at);
            must!(
                self,
                node.life.live.is_none() || node.is(Lifecycle::Unresponsive) || self.is_hard(),
                StopBound,
                "the tree has ended, and {} still has a run although it is {}",
                node.path,
                node.state()
            );
        }
        Ok(())
    }
}
