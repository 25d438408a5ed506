//! Invariants 3 and 28: what one call may do.

use supervisor_api::Lifecycle;
use supervisor_core::{Effect, Input, Machine};

use super::model::Node;
use super::violation::{Check, must};
use super::{Checker, Did};

/// A plan stops for breath after about 256 effects; the last stretch may double that.
const STARTS_AND_STOPS: usize = 512;

impl Checker {
    /// Invariant 3. A message about an older run has no effect and is counted; so has a refused command none but its
    /// reply. What was left to do before may go on.
    pub(super) fn i03_stale_changes_nothing(&mut self, effects: &[Effect], machine: &Machine) -> Check {
        let expected = self.stale + u64::from(self.turn.stale && !self.turn.unheard);
        let counted = std::mem::replace(&mut self.stale, machine.stale_messages());
        must!(
            self,
            machine.stale_messages() == expected,
            StaleMessages,
            "the machine counts {} messages about older runs after {counted}, and there are {expected}",
            machine.stale_messages()
        );
        if !self.turn.stale || self.open_before {
            return Ok(());
        }
        must!(
            self,
            effects.is_empty(),
            StaleMessages,
            "a message about an older run leads to {} effects, first {:?}",
            effects.len(),
            effects[0]
        );
        Ok(())
    }

    /// Invariant 28. Who was removed and will not come back is forgotten, so that the driver's tables do not grow (D23).
    pub(super) fn i28_the_gone_are_forgotten(&self, machine: &Machine) -> Check {
        if self.done || machine.has_open_plan() {
            return Ok(());
        }
        let kept = |node: &&Node| {
            let gone = node.seen && node.is(Lifecycle::Removed) && node.life.live.is_none();
            gone && !node.in_spec && !node.forgotten
        };
        if let Some(node) = self.model.nodes.iter().find(kept) {
            must!(self, false, Caps, "{} is removed for good, and the driver is not told so", node.path);
        }
        Ok(())
    }

    /// Invariant 28. A call starts and stops no more than one plan may at once.
    pub(super) fn i28_one_call_is_bounded(&self, did: Did<'_>, effects: &[Effect]) -> Check {
        if effects.len() <= STARTS_AND_STOPS || matches!(did, Did::Input(Input::HardStop)) {
            return Ok(());
        }
        let works = |effect: &&Effect| matches!(effect, Effect::Spawn { .. } | Effect::Stop { .. });
        let work = effects.iter().filter(works).count();
        must!(
            self,
            work <= STARTS_AND_STOPS,
            Caps,
            "one call starts and stops {work} children; a plan stops for breath after about 256 effects"
        );
        Ok(())
    }
}
