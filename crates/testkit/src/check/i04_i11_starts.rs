//! Invariants 4 and 11: when a child may start at all.

use supervisor_api::policy::{Condition, ReadinessMode};
use supervisor_api::{Cause, Event, Lifecycle};
use supervisor_core::Machine;

use super::Checker;
use super::model::{NONE, Node, Order};
use super::violation::{Check, must};

impl Checker {
    /// Whether a child, or a supervisor, may be started now.
    pub(super) fn may_start(&self, at: u32) -> Check {
        self.i11_nothing_starts_where_it_must_not(at)?;
        self.i04_dependencies(at)
    }

    /// Invariant 4. Everything it depends on is ready, or a job that completed in this incarnation (D11, D18).
    fn i04_dependencies(&self, at: u32) -> Check {
        if let Some(on) = self.unmet(at) {
            let (node, on) = (self.model.node(at), self.model.node(on));
            must!(
                self,
                false,
                Dependencies,
                "{} is started while {}, which it depends on, is {} and not satisfied",
                node.path,
                on.path,
                on.state()
            );
        }
        Ok(())
    }

    /// The first of those a child depends on that is neither ready nor completed.
    pub(super) fn unmet(&self, at: u32) -> Option<u32> {
        let node = self.model.node(at);
        node.needs.iter().copied().find(|on| !self.satisfies(at, *on))
    }

    /// What of another one a child waits for.
    pub(super) fn condition(&self, at: u32, on: u32) -> Condition {
        let name = self.model.node(on).path.last_segment();
        name.map_or(Condition::Ready, |name| self.model.node(at).policy.condition(name))
    }

    /// Whether a child need not wait for another one any longer.
    pub(super) fn satisfies(&self, at: u32, on: u32) -> bool {
        let (until, node) = (self.condition(at, on), self.model.node(on));
        let ended = || node.life.spawned_in == self.model.above(on).incarnation;
        match (until, node.state()) {
            (Condition::Started, Lifecycle::Starting | Lifecycle::Running) => return true,
            (Condition::Completed, Lifecycle::Failed) => return ended(),
            (Condition::Completed | Condition::CompletedOk, Lifecycle::Running) => return false,
            _ => {}
        }
        match node.state() {
            // A job that does not report ready satisfies nobody before it completed (D19).
            Lifecycle::Running => {
                !(node.policy.keeps_row && node.policy.readiness == ReadinessMode::Immediate)
            }
            Lifecycle::Completed => ended(),
            _ => false,
        }
    }

    /// Invariant 4. A supervisor is ready, for those who depend on it, when its initial start is over and not before:
    /// nobody is being started, or in back-off (D11, D19).
    pub(super) fn i04_initial_start_is_over(&self, at: u32, event: &Event) -> Check {
        let node = self.model.node(at);
        if node.sup == NONE || event.row.lifecycle != Lifecycle::Running || !node.is(Lifecycle::Starting) {
            return Ok(());
        }
        let children = self.model.sup_of(at).children.iter().map(|child| self.model.node(*child));
        let under_way = |child: &&Node| {
            let due = child.is(Lifecycle::Declared) && child.can_start() && child.is_there();
            due || matches!(child.state(), Lifecycle::Starting | Lifecycle::Backoff)
        };
        if let Some(child) = { children }.find(under_way) {
            must!(
                self,
                false,
                Dependencies,
                "the initial start of {} is said to be over, but {} is {}",
                node.path,
                child.path,
                child.state()
            );
        }
        Ok(())
    }

    /// Invariant 11. Who is parked stays so across an operator's restart of its supervisor, and not across an automatic
    /// one (R48, D10).
    pub(super) fn i11_is_let_go(&self, at: u32, event: &Event) -> Check {
        let node = self.model.node(at);
        let let_go = matches!(event.cause, Cause::Supervisor(_)) && event.row.lifecycle == Lifecycle::Stopped;
        must!(
            self,
            !(let_go && node.state().is_parked()) || self.model.above(at).automatic,
            NoStart,
            "{} was {}, and an operator's restart of its supervisor makes it stopped",
            node.path,
            node.state()
        );
        Ok(())
    }

    /// The same, for who was parked in an earlier incarnation. Costs a pass over the supervisors, and over the children
    /// of those that were restarted by themselves.
    pub(super) fn i11_none_outlives_its_supervisor(&self, machine: &Machine) -> Check {
        if self.done || machine.has_open_plan() {
            return Ok(());
        }
        let restarted = self.model.sups.iter().filter(|sup| sup.automatic);
        for (sup, at) in restarted.flat_map(|sup| sup.children.iter().map(move |at| (sup, *at))) {
            let node = self.model.node(at);
            must!(
                self,
                !node.is_there() || !node.state().is_parked() || node.life.parked_in == sup.incarnation,
                NoStart,
                "{} is still {}, though its supervisor was restarted by itself since",
                node.path,
                node.state()
            );
        }
        Ok(())
    }

    /// Invariant 11. Nothing starts after the end began, below a supervisor that does not run, or while it is held,
    /// stopping or gone.
    fn i11_nothing_starts_where_it_must_not(&self, at: u32) -> Check {
        let node = self.model.node(at);
        let path = &node.path;
        must!(self, !self.done, NoStart, "{path} is started after the end of the tree");
        must!(self, self.ending.is_none(), NoStart, "{path} is started although the tree is ending");
        let state = node.state();
        must!(self, node.is_there(), NoStart, "{path} is started although it was removed");
        must!(
            self,
            !matches!(state, Lifecycle::Stopping | Lifecycle::Unresponsive) || node.life.live.is_none(),
            NoStart,
            "{path} is started while it is {state}"
        );
        if at != 0 {
            let above = self.model.node(node.parent);
            must!(
                self,
                matches!(above.state(), Lifecycle::Starting | Lifecycle::Running),
                NoStart,
                "{path} is started while its supervisor {} is {}",
                above.path,
                above.state()
            );
            must!(
                self,
                !self.model.is_closing(node.parent),
                NoStart,
                "{path} is started while a supervisor above {} is stopping",
                above.path
            );
        }
        let ordered = node.life.order == Some(Order::Start);
        must!(self, !state.is_parked() || ordered, NoStart, "{path} is started while it is {state}");
        let held = matches!(node.life.order, Some(Order::Pause | Order::Quarantine | Order::Remove));
        must!(
            self,
            !(held && matches!(state, Lifecycle::Stopping | Lifecycle::Unresponsive)),
            NoStart,
            "{path} is started although an operator holds it: {:?}",
            node.life.order
        );
        must!(self, node.bound, NoStart, "{path} is started although nobody registered what it runs");
        must!(self, !node.awaits_its_time(), NoStart, "{path} is started although its time has not come");
        Ok(())
    }
}
