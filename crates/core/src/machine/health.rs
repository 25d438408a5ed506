//! Heartbeats (D13), and what the states of all children add up to (D21).

use std::sync::Arc;

use supervisor_api::policy::{Criticality, Heartbeat, Role};
use supervisor_api::report::TreeHealth;
use supervisor_api::{Cause, ChildKey, EventKind, Exit, Health, Lifecycle, Next};

use super::Machine;
use super::life::News;
use super::node::{Life, Node, Then};
use super::timers::NEVER;
use crate::resolve::nanos;

/// What the whole tree adds up to; the root itself is not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    by_state: [u32; Lifecycle::ALL.len()],
    critical_down: u32,
    degraded: u32,
    withheld: u32,
}

impl Tally {
    /// How many children are in a state.
    pub fn in_state(&self, state: Lifecycle) -> u32 {
        self.by_state[state as usize]
    }

    /// How many children there are.
    pub fn children(&self) -> u32 {
        self.by_state.iter().sum()
    }

    /// How many children have a live run, supervisors included.
    pub fn live(&self) -> u32 {
        Lifecycle::ALL.iter().filter(|state| state.is_live()).map(|state| self.in_state(*state)).sum()
    }

    /// The health of the whole (D21).
    pub fn tree_health(&self) -> TreeHealth {
        match (self.critical_down, self.degraded) {
            (0, 0) => TreeHealth::Healthy,
            (0, _) => TreeHealth::Degraded,
            _ => TreeHealth::Unhealthy,
        }
    }

    /// Whether a critical child is stale, unhealthy or unresponsive, so that the service manager's ping is
    /// withheld (D21).
    pub fn withholds_ping(&self) -> bool {
        self.withheld > 0
    }

    pub(super) fn count(&mut self, node: &Node, add: bool) {
        let state = node.life.lifecycle();
        let step = |count: &mut u32, yes: bool| {
            if yes {
                *count = if add { *count + 1 } else { *count - 1 };
            }
        };
        step(&mut self.by_state[state as usize], true);
        let unwell = matches!(node.health, Health::Stale | Health::Unhealthy);
        let critical = node.policy.criticality == Criticality::Critical;
        let counts = node.policy.criticality != Criticality::Optional && !is_well(node);
        let shown = matches!(state, Lifecycle::Quarantined | Lifecycle::Unresponsive);
        step(&mut self.critical_down, critical && counts && !fault!(critical_counts_as_standard));
        step(&mut self.degraded, !critical && (counts || shown));
        step(&mut self.withheld, critical && (unwell || state == Lifecycle::Unresponsive));
    }
}

/// Whether nobody has to look at this child.
fn is_well(node: &Node) -> bool {
    match node.life {
        Life::Running => !matches!(node.health, Health::Stale | Health::Unhealthy),
        Life::Completed | Life::Removed => true,
        Life::Declared => node.policy.scheduled,
        // A sidecar rests while its primary does.
        Life::Stopped => node.policy.role == Role::Sidecar || node.policy.scheduled,
        _ => false,
    }
}

impl Machine {
    /// Begins to count the time of the first promised beat. Of a run that has shown life its start period is over.
    pub(super) fn await_beat(&mut self, index: u32, from: u64) {
        let node = self.node(index);
        if let Some(heartbeat) = node.policy.heartbeat {
            let spared = if node.health == Health::Unknown && !fault!(start_period_is_ignored) {
                node.policy.start_period
            } else {
                0
            };
            self.set_due(index, from.saturating_add(spared).saturating_add(patience(&heartbeat)));
        }
    }

    /// Whether the first beat is still awaited and may be missing: the deadline for it is further away than it would
    /// be for any other.
    fn is_spared(&self, index: u32) -> bool {
        let node = self.node(index);
        let awaits_the_first = node.health == Health::Unknown && node.due != NEVER;
        let patience = node.policy.heartbeat.as_ref().map_or(0, patience);
        awaits_the_first && node.policy.start_period > 0 && self.now.saturating_add(patience) < node.due
    }

    pub(super) fn beat(&mut self, index: u32) {
        let node = self.node(index);
        let (Life::Running, Some(heartbeat)) = (node.life, node.policy.heartbeat) else { return };
        let was = node.health;
        if !fault!(beat_forgives_nothing) {
            self.node_mut(index).misses = 0;
        }
        if was != Health::Healthy {
            self.set_health(index, Health::Healthy);
            if !fault!(health_changes_in_silence) {
                self.tell(index, News::new(EventKind::ChildHealthy, Cause::Report));
            }
        }
        if !fault!(beat_moves_nothing) {
            self.set_due(index, self.now.saturating_add(patience(&heartbeat)));
        }
    }

    /// A beat did not come in time, or a probe failed.
    pub(super) fn missed(&mut self, index: u32, why: Option<Arc<str>>) {
        if why.is_some() && self.is_spared(index) {
            return;
        }
        let node = self.node_mut(index);
        let (Life::Running, Some(heartbeat)) = (node.life, node.policy.heartbeat) else { return };
        node.misses += 1;
        let misses = node.misses;
        let why = why.unwrap_or_else(|| {
            format!("no heartbeat for {:?}", heartbeat.interval + heartbeat.timeout).into()
        });
        if misses < heartbeat.max_retries + u32::from(fault!(one_miss_too_many)) {
            self.set_health(index, Health::Stale);
            let news = News::new(EventKind::ChildHeartbeatMissed, Cause::Heartbeat);
            self.tell(index, news.numbers(&[misses, heartbeat.max_retries]).text(why));
            self.set_due(index, self.now.saturating_add(nanos(heartbeat.interval)));
            return;
        }
        let all =
            if misses > 1 { format!("{why}; {misses} misses in a row").into() } else { Arc::clone(&why) };
        self.is_unhealthy(index, [misses, heartbeat.max_retries], why, all);
    }

    /// The run itself says that it has failed: no more misses are waited for. Where nothing is promised there is
    /// nothing to break.
    pub(super) fn unwell(&mut self, index: u32, why: Arc<str>) {
        if fault!(unwell_is_one_miss) {
            self.missed(index, Some(why));
            return;
        }
        let node = self.node_mut(index);
        let (Life::Running, Some(heartbeat)) = (node.life, node.policy.heartbeat) else { return };
        node.misses = heartbeat.max_retries;
        self.is_unhealthy(index, [heartbeat.max_retries; 2], Arc::clone(&why), why);
    }

    /// Has a child stopped because it is not well. `last` is what was found last, `all` what its exit will say.
    fn is_unhealthy(&mut self, index: u32, numbers: [u32; 2], last: Arc<str>, all: Arc<str>) {
        self.set_health(index, Health::Unhealthy);
        let news = News::new(EventKind::ChildUnhealthy, Cause::Heartbeat).numbers(&numbers).text(last);
        self.tell(index, news.next(Next::Nothing));
        self.node_mut(index).complaint = Some(Box::new(Exit::Unhealthy { why: all }));
        self.ask_to_stop(index, Then::Unhealthy, Cause::Heartbeat);
    }

    /// When the last heartbeat of a child came, as far as its next deadline tells: while it is well.
    pub fn last_beat(&self, child: ChildKey) -> Option<u64> {
        let node = self.lookup(child)?;
        let well = node.life == Life::Running && node.health == Health::Healthy && node.misses == 0;
        let heartbeat = node.policy.heartbeat.filter(|_| well && node.due != NEVER)?;
        node.due.checked_sub(patience(&heartbeat))
    }

    fn set_health(&mut self, index: u32, health: Health) {
        self.account(index, false);
        self.node_mut(index).health = health;
        self.account(index, true);
    }
}

/// How long after a beat the next one is missed.
fn patience(heartbeat: &Heartbeat) -> u64 {
    nanos(heartbeat.interval).saturating_add(nanos(heartbeat.timeout))
}
