//! Whether a tree is alive, and whether it can be used (`semantics.md` D21). Probes and the service manager are told the
//! same.

use tokio_supervisor::{
    ChildKey, Lifecycle, RuntimeControlPlaneState, RuntimeHealthReport, SupervisorHandle, TreeHealth,
};

/// As which the part that supervises is named when it is stuck.
const LOOP: &str = "loop";

/// Whether the part that supervises moves.
pub fn moves(health: &RuntimeHealthReport) -> bool {
    !health.stuck.iter().any(|stuck| &*stuck.name == LOOP)
}

/// Whether all is in hand, so that starting the supervisor anew would help nobody.
///
/// # Errors
///
/// A line that says why not.
pub fn alive(health: &RuntimeHealthReport) -> Result<(), &'static str> {
    match health {
        _ if !health.alive => Err("not alive: the tree has ended\n"),
        _ if !moves(health) => Err("not alive: the part that supervises does not move\n"),
        _ if health.ping_withheld => Err(
            "not alive: a critical child is stale, unhealthy or unresponsive; `supervisor status` names it\n",
        ),
        _ => Ok(()),
    }
}

/// Whether the tree can be used. Once it has started, a standard child that is not as it should be only degrades it;
/// until then such a child is one that has not come up yet.
///
/// # Errors
///
/// A line that says why not.
pub fn ready(handle: &SupervisorHandle) -> Result<(), &'static str> {
    let health = handle.health();
    let started = || handle.row(ChildKey::ROOT).is_some_and(|root| root.lifecycle == Lifecycle::Running);
    match (health.state, health.tree) {
        (RuntimeControlPlaneState::Starting, _) => Err("not ready: it starts\n"),
        (RuntimeControlPlaneState::Alive, TreeHealth::Healthy) => Ok(()),
        (RuntimeControlPlaneState::Alive, _) if !started() => {
            Err("not ready: it starts; `supervisor status` names who is not up yet\n")
        }
        (RuntimeControlPlaneState::Alive, TreeHealth::Degraded) => Ok(()),
        (RuntimeControlPlaneState::Alive, TreeHealth::Unhealthy) => {
            Err("not ready: a critical child is not as it should be; `supervisor status` names it\n")
        }
        (RuntimeControlPlaneState::ShuttingDown, _) => Err("not ready: it is being stopped\n"),
        (RuntimeControlPlaneState::Completed | RuntimeControlPlaneState::Failed, _) => {
            Err("not ready: the tree has ended\n")
        }
    }
}
