//! Invariant 6: every start and every stop has its reason, and a strategy touches exactly its scope.

use supervisor_api::Lifecycle;

use super::Checker;
use super::model::NONE;

impl Checker {
    /// Whether a start of a whole group includes a child that does not run: every kept spec (R29), but for
    /// jobs that had their run (D18) and sidecars of a primary that rests (D15).
    pub(super) fn is_revivable(&self, at: u32) -> bool {
        let node = self.model.node(at);
        if node.primary != NONE {
            let primary = self.model.node(node.primary);
            if primary.state().is_parked() || !self.is_revivable(node.primary) {
                return false;
            }
        }
        if !node.policy.keeps_row || node.life.spawned_in != self.model.above(at).incarnation {
            return true;
        }
        match node.state() {
            Lifecycle::Completed => false,
            Lifecycle::Stopped | Lifecycle::Failed => node.retries(),
            _ => true,
        }
    }
}
