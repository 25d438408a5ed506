//! How the tree is as a whole (D21).

use supervisor_api::wire::{DashboardState, Node, NodeCriticality, RuntimeRow};
use supervisor_api::{Health, Lifecycle, Readiness};

/// One word, and who is to blame for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Healthy,
    Degraded,
    Unhealthy,
}

impl Verdict {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The tree, and each child that makes it worse than healthy, as a path and a reason.
pub(super) fn verdict(state: &DashboardState) -> (Verdict, Vec<(String, String)>) {
    let mut worst = Verdict::Healthy;
    let mut because = Vec::new();
    for row in &state.runtime_state {
        let node = state.topology.nodes.iter().find(|node| node.path == row.child_path);
        if let Some((verdict, reason)) = of_row(node, row) {
            worst = worst.max(verdict);
            because.push((row.child_path.to_string(), reason));
        }
    }
    (worst, because)
}

fn of_row(node: Option<&Node>, row: &RuntimeRow) -> Option<(Verdict, String)> {
    if row.child_path.is_root() {
        let up = row.lifecycle_state.is(Lifecycle::Running);
        return (!up).then(|| (Verdict::Unhealthy, row.lifecycle_state.to_string()));
    }
    let problem = problem(row)?;
    let state = row.lifecycle_state.known();
    // It rests until its time comes.
    let scheduled = node.is_some_and(|node| node.diagnostics.contains_key("schedule"));
    if scheduled && matches!(state, Some(Lifecycle::Declared | Lifecycle::Stopped)) {
        return None;
    }
    let how = node.and_then(|node| node.criticality.known()).unwrap_or(NodeCriticality::Standard);
    let is_stuck = matches!(state, Some(Lifecycle::Quarantined | Lifecycle::Unresponsive));
    match how {
        NodeCriticality::Critical => Some((Verdict::Unhealthy, problem)),
        NodeCriticality::Standard => Some((Verdict::Degraded, problem)),
        NodeCriticality::BestEffort => is_stuck.then_some((Verdict::Degraded, problem)),
    }
}

/// What is wrong with a child: not ready, parked or stale. One that ended well is not waited for.
fn problem(row: &RuntimeRow) -> Option<String> {
    let state = &row.lifecycle_state;
    match (state.known(), row.health.known()) {
        (Some(Lifecycle::Completed | Lifecycle::Removed), _) => None,
        (Some(Lifecycle::Running), Some(Health::Stale | Health::Unhealthy)) => Some(row.health.to_string()),
        (Some(Lifecycle::Running), _) if row.readiness.is(Readiness::Ready) => None,
        (Some(Lifecycle::Running), _) => Some("running and not ready".to_owned()),
        _ => Some(state.to_string()),
    }
}
