//! Invariants 1 and 2: one life, one number (D5, D6), and what may be done to a run.

use supervisor_api::policy::ReadinessMode;
use supervisor_api::{ChildKey, Event, EventKind};
use supervisor_core::Effect;

use super::Checker;
use super::model::{Live, NONE};
use super::violation::{Check, must};

impl Checker {
    pub(super) fn spawned(&mut self, key: ChildKey, generation: u64, attempt: u32) -> Check {
        let Some(at) = self.model.find(key) else {
            must!(self, false, NoStart, "{key:?} is spawned, which is not there");
            return Ok(());
        };
        self.i01_one_life(at)?;
        self.i02_generation(at, generation)?;
        self.may_start(at)?;
        self.i10_not_early(at, attempt)?;
        let (now, call) = (self.now, self.call);
        let node = &mut self.model.nodes[at as usize];
        node.came = !node.policy.scheduled;
        let life = &mut node.life;
        life.live = Some(Live { generation, asked: None, killed: None, given_up_at: u64::MAX });
        (life.spawned_at, life.spawned_call) = (now, call);
        self.turn.told_next = Some(at);
        self.touch(at);
        Ok(())
    }

    /// Invariant 1. Neither this child nor another of the same path has a live run.
    fn i01_one_life(&self, at: u32) -> Check {
        let node = self.model.node(at);
        let twin = self.model.twin_of(at).map(|twin| self.model.node(twin));
        let alive = node.life.live.or_else(|| twin.and_then(|twin| twin.life.live));
        must!(
            self,
            alive.is_none(),
            OneLife,
            "{} is spawned while generation {} of that path lives",
            node.path,
            alive.map_or(0, |live| live.generation)
        );
        must!(self, node.policy_is_of_a_run(), OneLife, "{} is spawned, but it is a supervisor", node.path);
        Ok(())
    }

    /// Invariant 2. Each run has a higher number than all before it.
    fn i02_generation(&self, at: u32, generation: u64) -> Check {
        let node = self.model.node(at);
        must!(
            self,
            generation > node.life.row.generation,
            Generations,
            "{} is spawned as generation {generation} after generation {}",
            node.path,
            node.life.row.generation
        );
        Ok(())
    }

    /// Invariant 2. What is told of a child carries the number of its last run, and counts each automatic restart once.
    pub(super) fn i02_row(&self, at: u32, event: &Event) -> Check {
        let node = self.model.node(at);
        let (old, new) = (node.life.row, event.row);
        let spawned = node.life.spawned_call == self.call && self.turn.told_next == Some(at);
        let begins = node.sup != NONE && self.begins(at, event);
        let last = match node.life.live {
            Some(live) if spawned => live.generation,
            _ if begins => old.generation + 1,
            _ => old.generation,
        };
        must!(
            self,
            new.generation == last,
            Generations,
            "{} of {} says generation {}, but its last run is generation {last}",
            event.kind,
            node.path,
            new.generation
        );
        let automatic = matches!(event.kind, EventKind::ChildRestarting)
            || (event.kind == EventKind::ChildRestarted && node.policy.readiness == ReadinessMode::Immediate);
        let restarts = u32::from(automatic && (spawned || begins));
        must!(
            self,
            new.restart_count == old.restart_count.saturating_add(restarts),
            Generations,
            "{} of {} counts {} automatic restarts after {}",
            event.kind,
            node.path,
            new.restart_count,
            old.restart_count
        );
        Ok(())
    }

    pub(super) fn asked_to_stop(&mut self, key: ChildKey, grace: Option<u64>) -> Check {
        let (at, live) = self.run_of(key, "asked to stop")?;
        must!(
            self,
            live.asked.is_none() && live.killed.is_none(),
            Scope,
            "{} is asked to stop twice",
            self.model.node(at).path
        );
        let now = self.now;
        self.model.life(at).live = Some(Live { asked: Some((now, grace)), ..live });
        self.turn.told_next = Some(at);
        self.touch(at);
        Ok(())
    }

    pub(super) fn killed(&mut self, key: ChildKey) -> Check {
        let (at, live) = self.run_of(key, "killed")?;
        must!(self, live.killed.is_none(), Scope, "{} is killed twice", self.model.node(at).path);
        self.i12_kill_is_not_early(at, live)?;
        let now = self.now;
        let given_up_at = now.saturating_add(self.model.node(at).policy.abort_wait);
        self.model.life(at).live = Some(Live { killed: Some(now), given_up_at, ..live });
        if !self.is_hard() {
            self.turn.told_next = Some(at);
        }
        self.touch(at);
        Ok(())
    }

    fn run_of(&self, key: ChildKey, what: &str) -> Check<(u32, Live)> {
        let found = self.model.find(key);
        if let Some((at, live)) = found.and_then(|at| Some((at, self.model.node(at).life.live?))) {
            return Ok((at, live));
        }
        match found {
            Some(at) => must!(self, false, Scope, "{} is {what} but has no run", self.model.node(at).path),
            None => must!(self, false, Scope, "{key:?} is {what}, which is not there"),
        }
        unreachable!("one of the two complained")
    }

    /// Invariant 6. A `Spawn`, `Stop` or `Kill` is told of by the very next event, which says why.
    pub(super) fn i06_event_follows(&mut self, effect: &Effect) -> Check {
        let Some(at) = self.turn.told_next else { return Ok(()) };
        let explained = matches!(effect, Effect::Emit(event) if self.model.find(event.child) == Some(at));
        must!(
            self,
            explained,
            Scope,
            "{} is started, stopped or killed, and no event says so",
            self.model.node(at).path
        );
        Ok(())
    }

    /// Whether the owner is gone, so that everything is killed without a word.
    pub(super) fn is_hard(&self) -> bool {
        self.ending.is_some_and(|ending| ending.hard)
    }
}
