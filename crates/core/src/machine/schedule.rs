//! Children that start when their time has come (D20). The driver knows the times; what comes of one is decided here.

use supervisor_api::{Cause, ChildKey, EventKind, Lifecycle};

use super::Machine;
use super::life::News;
use super::node::Life;

impl Machine {
    /// The time of a scheduled child has come: it starts, unless its last run is not over, it waits already, somebody
    /// holds it, or its supervisor is not up.
    pub(super) fn time_has_come(&mut self, key: ChildKey) {
        if self.lookup(key).is_none() {
            return;
        }
        let index = key.index;
        let node = self.node(index);
        let rests = matches!(node.life, Life::Declared | Life::Stopped | Life::Completed | Life::Failed);
        let leaves = node.is_dropped() || node.flags.doomed;
        if !node.policy.scheduled || !rests || leaves || !self.is_open(node.parent) {
            return;
        }
        self.forgive(index);
        self.is_due_now(index);
        self.node_mut(index).why = Cause::Schedule;
        if self.plan_is_ahead(index) {
            self.rejoin_plan(index);
        } else {
            // A job that had its run has another one.
            self.node_mut(index).flags.once_more = true;
            self.try_start(index, Cause::Schedule);
        }
    }

    /// Nothing has to come before its next start any more.
    pub(super) fn is_due_now(&mut self, index: u32) {
        if !self.node(index).flags.due {
            self.account(index, false);
            let node = self.node_mut(index);
            node.flags.due = true;
            if node.life == Life::Declared {
                node.why = Cause::Operator;
            }
            self.account(index, true);
        }
    }

    /// A scheduled child that somebody else would start, or that an operator lets go, rests until its time comes.
    pub(super) fn rest_until_due(&mut self, index: u32, cause: Cause) {
        let life = self.node(index).life.lifecycle();
        if matches!(life, Lifecycle::Paused | Lifecycle::Quarantined) {
            self.node_mut(index).flags.rests_unasked = true;
            let news = News::new(EventKind::ChildStopped, cause).text("rests until its time comes");
            self.shift(index, Life::Stopped, news);
        } else if self.node(index).flags.awaited {
            self.settle_waits(index);
        }
    }

    /// A new spec gives a child a schedule, or takes it away; its counts are being taken anew.
    pub(super) fn take_up_schedule(&mut self, index: u32, had: bool) {
        let node = self.node_mut(index);
        if node.policy.scheduled == had {
            return;
        }
        // Who is about to start does.
        let comes = matches!(node.life, Life::Waiting { .. } | Life::Backoff { .. });
        if node.life == Life::Declared && had {
            node.why = Cause::Reload;
        }
        node.flags.due = !node.policy.scheduled || comes;
    }
}
