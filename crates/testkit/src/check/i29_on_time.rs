//! Invariants 12, 16 and 29: what has its time is not overdue when the machine says that it has done all that is due.

use supervisor_api::Lifecycle;
use supervisor_api::policy::Strategy;
use supervisor_core::Machine;

use super::Checker;
use super::model::{Live, Node};
use super::violation::{Check, must};

impl Checker {
    /// Invariants 12, 16 and 29. No start takes longer than it may, no back-off, grace or heartbeat is over unnoticed,
    /// and nobody who was killed is waited for beyond `abort_wait`. Costs a pass over the tree.
    pub(super) fn i29_nothing_is_overdue(&self, machine: &Machine) -> Check {
        let behind = machine.next_deadline().is_some_and(|due| due <= self.now);
        if self.done || behind || machine.has_open_plan() {
            return Ok(());
        }
        self.model.there().skip(1).try_for_each(|at| {
            let node = self.model.node(at);
            match (node.state(), node.life.live) {
                (Lifecycle::Starting, _) => self.i29_start_in_time(node),
                (Lifecycle::Backoff, _) => self.i29_restart_in_time(node),
                (Lifecycle::Running, Some(_)) => self.i29_beat_in_time(node),
                (Lifecycle::Stopping, Some(live)) => {
                    if live.killed.is_none() {
                        self.i12_nobody_is_spared(at)?;
                    }
                    self.i12_stop_in_time(node, live)
                }
                _ => Ok(()),
            }
        })
    }

    fn i29_start_in_time(&self, node: &Node) -> Check {
        let limit = node.policy.ready_within.unwrap_or(u64::MAX);
        must!(
            self,
            node.life.spawned_at.saturating_add(limit) > self.now,
            NoDelay,
            "{} was to be started within {limit} ns from {} ns on, is still starting, and nobody minds",
            node.path,
            node.life.spawned_at
        );
        Ok(())
    }

    fn i29_restart_in_time(&self, node: &Node) -> Check {
        let sup = self.model.sup_of(node.parent);
        let alone = sup.policy().strategy == Strategy::OneForOne && sup.group.is_none() && !self.reloaded;
        must!(
            self,
            !alone || self.model.is_closing(node.parent) || node.life.due > self.now,
            NoDelay,
            "{} was due to start at {} ns, is still in back-off, and nobody minds",
            node.path,
            node.life.due
        );
        Ok(())
    }

    /// A heartbeat that did not come is noticed when it is due, whatever else there is to do (D13).
    fn i29_beat_in_time(&self, node: &Node) -> Check {
        must!(
            self,
            node.policy.heartbeat.is_none() || node.life.beat_due > self.now,
            Heartbeats,
            "{} missed a heartbeat that was due by {} ns, and nobody minds",
            node.path,
            node.life.beat_due
        );
        Ok(())
    }

    fn i12_stop_in_time(&self, node: &Node, live: Live) -> Check {
        let (what, until) = match (live.asked, live.killed) {
            (_, Some(_)) => ("killed", live.given_up_at),
            (Some((at, Some(grace))), None) => ("asked to stop", at.saturating_add(grace)),
            _ => return Ok(()),
        };
        must!(
            self,
            until > self.now,
            StopBound,
            "{} was {what}, the time for that was over at {until} ns, and nothing follows",
            node.path
        );
        Ok(())
    }
}
