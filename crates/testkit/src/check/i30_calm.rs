//! Invariant 30: in the calm, all that should run runs, and whoever does not says what it waits for.

use supervisor_api::{Cause, Lifecycle};
use supervisor_core::Machine;

use super::Checker;
use super::adopt::Concerns;
use super::model::NONE;
use super::violation::{Check, must};

impl Checker {
    /// Looks at a tree after a calm that was long enough for every delay, start and stop to be over. Ends the
    /// calm phase of a schedule; a tree that has ended has nothing to answer for.
    ///
    /// # Errors
    /// As [`Checker::step`].
    pub fn calm(&mut self, now: u64, machine: &Machine) -> Check {
        self.sweep(now, machine)?;
        if self.done || self.ending.is_some() {
            return Ok(());
        }
        must!(self, !machine.has_open_plan(), Convergence, "something is left to do, and nobody asks for it");
        for at in self.model.there().skip(1) {
            self.i30_is_as_it_should_be(at)?;
            self.i31_the_dropped_are_gone(at)?;
        }
        self.i30_everybody_is_answered()
    }

    fn i30_is_as_it_should_be(&self, at: u32) -> Check {
        let node = self.model.node(at);
        let above = self.model.node(node.parent);
        let fine = match node.state() {
            // Only somebody who is given for ever may take for ever.
            Lifecycle::Stopping => self.may_stop_for_ever(at),
            // A supervisor may fail again and again with what is below it.
            Lifecycle::Backoff => node.life.due > self.now || node.sup_or_held(self.sibling_holds(at)),
            Lifecycle::Starting | Lifecycle::Running => node.policy.is_supervisor || node.life.live.is_some(),
            Lifecycle::Waiting => self.unmet(at).is_some(),
            Lifecycle::Declared => {
                !node.can_start() || !above.is(Lifecycle::Running) || self.sibling_holds(at)
            }
            Lifecycle::Stopped => !self.was_left_behind(at),
            _ => true,
        };
        must!(
            self,
            fine,
            Convergence,
            "{} is still {} long after the last fault (spawned at {} ns, due at {} ns; {} is {})",
            node.path,
            node.state(),
            node.life.spawned_at,
            node.life.due,
            above.path,
            above.state()
        );
        Ok(())
    }

    /// Invariant 31. Nobody runs on whom the spec does not name any more.
    fn i31_the_dropped_are_gone(&self, at: u32) -> Check {
        let node = self.model.node(at);
        let dropped = node.concerned == Some(Concerns::Dropped);
        must!(
            self,
            !dropped || !node.is(Lifecycle::Running) || self.sibling_holds(at),
            Apply,
            "{} is not in the spec any more, and runs on",
            node.path
        );
        Ok(())
    }

    fn may_stop_for_ever(&self, at: u32) -> bool {
        let node = self.model.node(at);
        if node.policy.is_supervisor {
            let children = &self.model.sup_of(at).children;
            return children.iter().any(|child| self.model.node(*child).is(Lifecycle::Stopping));
        }
        let asked = node.life.live.and_then(|live| live.asked);
        asked.is_some_and(|(_, grace)| grace.is_none()) && self.skipped.is_none()
    }

    /// Whether a sibling is being started or stopped, so that those after it have not had their turn.
    fn sibling_holds(&self, at: u32) -> bool {
        let mut siblings = self.model.above(at).children.iter().map(|sibling| self.model.node(*sibling));
        siblings.any(|sibling| sibling.is(Lifecycle::Starting) || sibling.is(Lifecycle::Stopping))
    }

    /// Whether a child was stopped for its group, and its group started without it. A sidecar rests with its primary
    /// (D15).
    fn was_left_behind(&self, at: u32) -> bool {
        let node = self.model.node(at);
        matches!(node.life.cause, Cause::Group(_))
            && node.can_start()
            && !node.life.left_out
            && !node.life.alone
            && !self.rests_with_its_primary(at)
            && !self.sibling_holds(at)
            && self.model.node(node.parent).is(Lifecycle::Running)
            && self.model.above(at).group.is_none()
            && self.is_revivable(at)
    }

    /// Whether the primary of a sidecar rests, or rests with its own.
    fn rests_with_its_primary(&self, at: u32) -> bool {
        let primary = self.model.node(at).primary;
        let stopped = |primary: u32| self.model.node(primary).is(Lifecycle::Stopped);
        primary != NONE && (self.is_at_rest(primary) || stopped(primary) && !self.was_left_behind(primary))
    }

    /// Invariant 18. Nobody waits for an answer when nobody is being started or stopped.
    fn i30_everybody_is_answered(&self) -> Check {
        let held_up = |at: u32| {
            let node = self.model.node(at);
            matches!(node.state(), Lifecycle::Unresponsive | Lifecycle::Starting | Lifecycle::Stopping)
        };
        let busy = self.model.there().skip(1).any(held_up);
        must!(
            self,
            busy || self.asked.is_empty(),
            Replies,
            "the commands {:?} have no reply, and nobody is being started or stopped",
            self.unanswered()
        );
        Ok(())
    }
}
