//! Invariant 25: what is added up for people, as the rows say it: the counts of a supervisor (R73) and the health of the
//! whole (D21).

use supervisor_api::policy::{Criticality, Role};
use supervisor_api::report::TreeHealth;
use supervisor_api::{Health, Lifecycle};
use supervisor_core::Machine;

use super::Checker;
use super::model::{NONE, Node};
use super::violation::{Check, must};

impl Checker {
    /// Invariant 25. Every supervisor's counts are those of its children.
    pub(super) fn i25_counts_of_supervisors(&self, machine: &Machine) -> Check {
        let sups = self.model.there().filter(|at| self.announced && self.model.node(*at).sup != NONE);
        for at in sups {
            let children = self.model.sup_of(at).children.iter().map(|child| self.model.node(*child));
            let children = children.filter(|child| child.is_there());
            let (mut specs, mut active, mut supervisors) = (0, 0, 0);
            for child in children {
                specs += 1;
                active += u32::from(child.state().is_live());
                supervisors += u32::from(child.sup != NONE);
            }
            let node = self.model.node(at);
            let said = machine.count_children(node.key);
            let said = said.map(|said| (said.specs, said.active, said.supervisors, said.workers));
            let counted = (specs, active, supervisors, specs - supervisors);
            must!(
                self,
                said == Some(counted),
                Lifecycle,
                "{} has {counted:?} children, active ones, supervisors and others; the machine says {said:?}",
                node.path
            );
        }
        Ok(())
    }

    /// Invariant 25. The health of the whole is what its children make it, and so is the ping.
    pub(super) fn i25_health(&self, machine: &Machine) -> Check {
        if !self.announced {
            return Ok(());
        }
        let mut health = TreeHealth::Healthy;
        let mut withheld = false;
        for node in self.model.there().skip(1).map(|at| self.model.node(at)) {
            let critical = node.policy.criticality == Criticality::Critical;
            let stuck = node.is(Lifecycle::Unresponsive);
            let unwell = matches!(node.life.row.health, Health::Stale | Health::Unhealthy);
            withheld |= critical && (unwell || stuck);
            health = worse(health, weight_of(node, unwell));
        }
        let said = (machine.tally().tree_health(), machine.tally().withholds_ping());
        must!(
            self,
            said == (health, withheld),
            Lifecycle,
            "the rows make the tree {health} (ping withheld: {withheld}), but the machine says {} ({})",
            said.0,
            said.1
        );
        Ok(())
    }
}

/// What one child makes of the whole.
fn weight_of(node: &Node, unwell: bool) -> TreeHealth {
    let well = match node.state() {
        Lifecycle::Running => !unwell,
        Lifecycle::Completed => true,
        // It rests until its time comes.
        Lifecycle::Declared => node.policy.scheduled,
        // A sidecar rests while its primary does.
        Lifecycle::Stopped => node.policy.role == Role::Sidecar || node.policy.scheduled,
        _ => false,
    };
    let shown = matches!(node.state(), Lifecycle::Quarantined | Lifecycle::Unresponsive);
    match node.policy.criticality {
        Criticality::Critical if !well => TreeHealth::Unhealthy,
        Criticality::Standard if !well => TreeHealth::Degraded,
        _ if shown => TreeHealth::Degraded,
        _ => TreeHealth::Healthy,
    }
}

fn worse(one: TreeHealth, other: TreeHealth) -> TreeHealth {
    match (one, other) {
        (TreeHealth::Unhealthy, _) | (_, TreeHealth::Unhealthy) => TreeHealth::Unhealthy,
        (TreeHealth::Degraded, _) | (_, TreeHealth::Degraded) => TreeHealth::Degraded,
        _ => TreeHealth::Healthy,
    }
}
