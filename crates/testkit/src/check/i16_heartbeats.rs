//! Invariant 16: heartbeats are judged by the machine's time alone (D13).

use supervisor_api::policy::Heartbeat;
use supervisor_api::{Event, EventKind, Health, Lifecycle};

use super::Checker;
use super::model::nanos;
use super::violation::{Check, must};

impl Checker {
    /// A run showed that it is alive.
    pub(super) fn beaten(&mut self, at: u32) {
        let (now, node) = (self.now, self.model.node(at));
        let Some(heartbeat) = node.policy.heartbeat.filter(|_| node.is(Lifecycle::Running)) else { return };
        let life = self.model.life(at);
        (life.misses, life.beat_due) = (0, now.saturating_add(patience(&heartbeat)));
    }

    /// Invariant 16. A miss is told when its time has come or a probe failed, and too many in a row are the
    /// end of the run's health.
    pub(super) fn i16_heartbeat(&mut self, at: u32, event: &Event) -> Check {
        let (now, node) = (self.now, self.model.node(at));
        let health = event.row.health;
        if event.kind == EventKind::ChildHealthy {
            must!(
                self,
                health == Health::Healthy && node.life.misses == 0,
                Heartbeats,
                "{} is told healthy with {} misses",
                node.path,
                node.life.misses
            );
        }
        if !matches!(event.kind, EventKind::ChildHeartbeatMissed | EventKind::ChildUnhealthy) {
            let worse = health != node.life.row.health && matches!(health, Health::Stale | Health::Unhealthy);
            must!(self, !worse, Heartbeats, "{} becomes {health} with {}", node.path, event.kind);
            return Ok(());
        }
        let Some(heartbeat) = node.policy.heartbeat else {
            must!(self, false, Heartbeats, "{} promised no heartbeat, and one was missed", node.path);
            return Ok(());
        };
        // In the start period only the run itself can say that it has failed.
        let spared = node.life.row.health == Health::Unknown
            && node.policy.start_period > 0
            && now.saturating_add(patience(&heartbeat)) < node.life.beat_due;
        let said = self.turn.probed == at && (self.turn.unwell || !spared);
        must!(
            self,
            node.is(Lifecycle::Running) && (said || node.life.beat_due <= now),
            Heartbeats,
            "{} is {} and misses a heartbeat at {now} ns that is due by {} ns",
            node.path,
            node.state(),
            node.life.beat_due
        );
        let misses = if self.turn.unwell { heartbeat.max_retries } else { node.life.misses + 1 };
        let [said, allowed, ..] = event.numbers;
        let unhealthy = misses >= heartbeat.max_retries;
        let wanted = if unhealthy { Health::Unhealthy } else { Health::Stale };
        let kind = if unhealthy { EventKind::ChildUnhealthy } else { EventKind::ChildHeartbeatMissed };
        must!(
            self,
            said == misses && allowed == heartbeat.max_retries && event.kind == kind && health == wanted,
            Heartbeats,
            "{} missed {misses} of {} in a row and is {health}: {} says {said} of {allowed}",
            node.path,
            heartbeat.max_retries,
            event.kind
        );
        let life = self.model.life(at);
        (life.misses, life.beat_due) = (misses, now.saturating_add(nanos(heartbeat.interval)));
        Ok(())
    }

    /// The first beat is promised from the start on, or from when the promise was made.
    pub(super) fn await_beats(&mut self, at: u32) {
        let (now, policy) = (self.now, std::sync::Arc::clone(&self.model.node(at).policy));
        let unknown = self.model.node(at).life.row.health == Health::Unknown;
        let from = now.saturating_add(if unknown { policy.start_period } else { 0 });
        let due = policy.heartbeat.map_or(u64::MAX, |heartbeat| from.saturating_add(patience(&heartbeat)));
        let life = self.model.life(at);
        (life.misses, life.beat_due) = (0, due);
    }
}

/// How long after a beat the next one is missed.
fn patience(heartbeat: &Heartbeat) -> u64 {
    nanos(heartbeat.interval).saturating_add(nanos(heartbeat.timeout))
}
