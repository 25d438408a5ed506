//! Invariants 15, 22, 23 and 25: rows, edges and counts.

use supervisor_api::policy::ReadinessMode;
use supervisor_api::{Event, Lifecycle, Next, Readiness};
use supervisor_core::Machine;

use super::Checker;
use super::violation::{Check, must};

impl Checker {
    /// Invariant 25. The state changes along an edge of table 0.1. A start that is acknowledged at once passes
    /// through `starting`, which its `Spawn` stands for.
    pub(super) fn i25_edge(&self, at: u32, event: &Event) -> Check {
        let node = self.model.node(at);
        let (from, to) = (node.state(), event.row.lifecycle);
        let spawned = node.life.spawned_call == self.call && self.turn.told_next == Some(at);
        let edge = from == to
            || from.may_become(to)
            || (spawned && to == Lifecycle::Running && from.may_become(Lifecycle::Starting));
        must!(self, edge, Lifecycle, "{} goes from {from} to {to} with {}", node.path, event.kind);
        must!(
            self,
            !event.row.lifecycle.is_live() || node.policy.is_supervisor || self.lives_or_starts(at, event),
            Lifecycle,
            "{} is told to be {to}, but it has no run",
            node.path
        );
        Ok(())
    }

    /// Whether a child whose row says that it lives has a run, has just lost it, or gets one in this call.
    fn lives_or_starts(&self, at: u32, event: &Event) -> bool {
        let just_ended = self.turn.ended.is_some_and(|ended| ended.node == at);
        self.model.node(at).life.live.is_some() || just_ended || event.row.lifecycle == Lifecycle::Starting
    }

    /// Invariant 15. Readiness of one run changes to ready once, and never back.
    pub(super) fn i15_ready_once(&self, at: u32, event: &Event) -> Check {
        let node = self.model.node(at);
        let (old, new) = (node.life.row, event.row);
        let same_run = old.generation == new.generation && node.state() != Lifecycle::Stopped;
        let back = old.readiness == Readiness::Ready && new.readiness == Readiness::NotReady;
        // A restart at once has no state between: the event about the old run says `starting` already.
        let restarts = new.lifecycle == Lifecycle::Starting && event.next == Next::StartNow;
        must!(
            self,
            !(same_run && back) || restarts,
            Readiness,
            "generation {} of {} was ready and is not ready any more, says {}",
            new.generation,
            node.path,
            event.kind
        );
        let itself = !node.policy.is_supervisor && node.policy.readiness == ReadinessMode::Explicit;
        let becomes = new.lifecycle == Lifecycle::Running && old.lifecycle != Lifecycle::Running;
        must!(
            self,
            !(itself && becomes) || node.life.reported == new.generation,
            Readiness,
            "generation {} of {} is told to run with {}, and it has not reported ready",
            new.generation,
            node.path,
            event.kind
        );
        if event.kind == supervisor_api::EventKind::ChildReady {
            must!(
                self,
                old.readiness == Readiness::NotReady && old.lifecycle == Lifecycle::Starting,
                Readiness,
                "generation {} of {} becomes ready while it is {} and {}",
                new.generation,
                node.path,
                old.lifecycle,
                old.readiness
            );
        }
        Ok(())
    }

    /// Invariant 22, 23. What was told about whom this call touched is what the machine shows.
    pub(super) fn i23_touched_rows(&mut self, machine: &Machine) -> Check {
        let mut touched = std::mem::take(&mut self.touched);
        let outcome = touched.iter().try_for_each(|at| self.i23_row(*at, machine));
        touched.clear();
        self.touched = touched;
        outcome
    }

    /// Invariant 23. All rows, not only those that were touched.
    pub(super) fn i23_every_row(&self, machine: &Machine) -> Check {
        (0..self.model.nodes.len() as u32).try_for_each(|at| self.i23_row(at, machine))
    }

    pub(super) fn i23_row(&self, at: u32, machine: &Machine) -> Check {
        let node = self.model.node(at);
        if !node.seen {
            return Ok(());
        }
        let shown = machine.row(node.key);
        if !node.is_there() {
            must!(self, shown.is_none(), Fold, "{} is removed, but the machine shows {shown:?}", node.path);
            return Ok(());
        }
        must!(
            self,
            shown == Some(node.life.row),
            Fold,
            "the events about {} add up to {:?}, but the machine shows {shown:?}",
            node.path,
            node.life.row
        );
        Ok(())
    }

    /// Invariant 25. The machine's running count of states is that of the events.
    pub(super) fn i25_counts(&self, machine: &Machine) -> Check {
        // Those that are not announced yet are counted by the machine as declared.
        let unannounced = machine.tally().children().saturating_sub(self.counts.iter().sum());
        for state in Lifecycle::ALL {
            let told = self.counts[*state as usize];
            let silent = if *state == Lifecycle::Declared && !self.announced { unannounced } else { 0 };
            let counted = machine.tally().in_state(*state);
            must!(
                self,
                *state == Lifecycle::Removed || counted == told + silent,
                Lifecycle,
                "the machine counts {counted} children that are {state}, but the events say {told}"
            );
        }
        Ok(())
    }

    /// Invariant 25. A count from the rows is the same.
    pub(super) fn i25_recount(&self, machine: &Machine) -> Check {
        let mut counts = [0; Lifecycle::ALL.len()];
        for at in self.model.there().filter(|at| *at != 0) {
            counts[self.model.node(at).state() as usize] += 1;
        }
        for state in Lifecycle::ALL.iter().filter(|state| **state != Lifecycle::Removed) {
            let (recount, counted) = (counts[*state as usize], machine.tally().in_state(*state));
            must!(
                self,
                recount == counted || !self.announced,
                Lifecycle,
                "{recount} children are {state}, but the machine counts {counted}"
            );
        }
        Ok(())
    }
}
