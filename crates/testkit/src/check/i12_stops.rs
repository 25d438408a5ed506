//! Invariant 12: a stop keeps to grace and abort_wait, and a shutdown to their sum.

use supervisor_api::Lifecycle;
use supervisor_core::Machine;

use super::Checker;
use super::violation::{Check, must};

impl Checker {
    /// Invariant 12. A tree that is asked to end begins to.
    pub(super) fn i12_shutdown_begins(&self) -> Check {
        let begun = !self.turn.shuts_down || self.ending.is_some() || self.done;
        must!(self, begun, StopBound, "the tree was asked to end and does not begin to");
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
