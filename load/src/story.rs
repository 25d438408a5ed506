//! What happens in a target: one child after the other fails and is restarted, for ever.
//!
//! An event is a function of its sequence and its time, so a target keeps no text of what it has told.
//!
//! | sequence | event | the child after it |
//! |---|---|---|
//! | 4n + 1 | `ChildFailed` | in back-off |
//! | 4n + 2 | `ChildRestarting` | starting, in its next generation |
//! | 4n + 3 | `ChildRestarted` | running, not ready |
//! | 4n + 4 | `ChildReady` | running, ready |

use std::sync::Arc;

use serde_json::{Value, json};
use supervisor_api::manifest::Kind;
use supervisor_api::wire::{
    ConnectionState, DashboardState, Edge, EventRecord, Node, NodeCriticality, NodeKind, RegistrationState,
    RowMore, RuntimeRow, TargetInfo, Topology, UnixNanos,
};
use supervisor_api::{EventKind, Exit, Health, Lifecycle, Readiness, ShutdownState, SupervisorPath};

/// The events of one failure.
const STEPS: u64 = 4;

/// A target's children and what happens to them.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) id: Arc<str>,
    version: Arc<str>,
    children: Vec<SupervisorPath>,
    began: u64,
}

impl Story {
    /// A target with so many children, of which each has a name like `worker-0042`.
    pub(crate) fn new(id: &str, children: usize, began: u64) -> Result<Self, String> {
        let path = |at| {
            let text = format!("/worker-{at:04}");
            SupervisorPath::parse(&text).map_err(|error| format!("{text} is no path: {error}"))
        };
        let children = (0..children).map(path).collect::<Result<_, _>>()?;
        Ok(Self { id: id.into(), version: "9f86d081884c7d65".into(), children, began })
    }

    /// The event with this sequence, from 1 on.
    pub(crate) fn event(&self, sequence: u64, at: u64) -> EventRecord {
        let (failure, step) = ((sequence - 1) / STEPS, (sequence - 1) % STEPS);
        let children = self.children.len() as u64;
        let path = &self.children[(failure % children) as usize];
        // How often the child was restarted before.
        let before = failure / children;
        let (kind, state, readiness) = match step {
            0 => (EventKind::ChildFailed, Lifecycle::Backoff, Readiness::Unreported),
            1 => (EventKind::ChildRestarting, Lifecycle::Starting, Readiness::NotReady),
            2 => (EventKind::ChildRestarted, Lifecycle::Running, Readiness::NotReady),
            _ => (EventKind::ChildReady, Lifecycle::Running, Readiness::Ready),
        };
        let restarts = before + u64::from(step > 0);
        let mut payload = json!({
            "state": state, "health": Health::Unknown, "readiness": readiness, "generation": restarts + 1,
            "attempt": u64::from(step < 3), "restart_count": restarts,
            "cause": if step == 3 { "report" } else { "exit" }, "next": "nothing",
        });
        match step {
            0 => {
                payload["exit"] = json!(Exit::failed("the connection to 10.0.0.7:5432 was reset"));
                payload["next"] = json!("start_at");
                payload["next_in_ms"] = json!(100);
                payload["ran_ms"] = json!(20_000);
                payload["budget_used"] = json!(1);
                payload["budget_max"] = json!(5);
            }
            3 => payload["took_ms"] = json!(40),
            _ => {}
        }
        let Value::Object(payload) = payload else { unreachable!("it was written as an object") };
        EventRecord {
            target_id: Arc::clone(&self.id),
            sequence,
            correlation_id: None,
            event_type: kind.into(),
            severity: kind.severity().into(),
            child_id: path.last_segment().map(str::to_owned),
            target_path: path.clone(),
            occurred_at_unix_nanos: UnixNanos(at),
            config_version: Arc::clone(&self.version),
            payload,
        }
    }

    /// The state before the first event: everything runs.
    pub(crate) fn state(&self) -> Result<DashboardState, String> {
        let root = SupervisorPath::root();
        let all = || std::iter::once(&root).chain(&self.children);
        let edge = |(order, child)| Edge::parent(&root, child, order);
        let health = json!({
            "alive": true, "state": "alive", "tree": "healthy", "started_at_unix_nanos": self.began,
            "last_observed_at_unix_nanos": self.began,
        });
        Ok(DashboardState {
            target: TargetInfo {
                target_id: Arc::clone(&self.id),
                display_name: self.id.to_string(),
                registration_state: RegistrationState::Active.into(),
                connection_state: ConnectionState::Registered.into(),
            },
            topology: Topology {
                root: root.clone(),
                nodes: all().map(node).collect(),
                edges: (0..).zip(&self.children).map(edge).collect(),
                declaration_order: self.children.iter().map(SupervisorPath::to_string).collect(),
            },
            runtime_state: all().map(row).collect(),
            recent_events: Vec::new(),
            recent_logs: Vec::new(),
            dropped_event_count: 0,
            dropped_log_count: 0,
            config_version: Arc::clone(&self.version),
            generated_at_unix_nanos: UnixNanos(self.began),
            state_generation: 0,
            health: Some(
                serde_json::from_value(health).map_err(|error| format!("no report of health: {error}"))?,
            ),
            next_after: None,
        })
    }
}

fn node(path: &SupervisorPath) -> Node {
    let is_root = path.is_root();
    let (kind, node_type) = if is_root {
        (NodeKind::RootSupervisor, Kind::Supervisor)
    } else {
        (NodeKind::ChildTask, Kind::AsyncWorker)
    };
    Node {
        node_id: path.to_string(),
        child_id: path.last_segment().map(str::to_owned),
        name: path.last_segment().unwrap_or("root").to_owned(),
        path: path.clone(),
        kind: kind.into(),
        node_type: Some(node_type.into()),
        tags: Vec::new(),
        criticality: NodeCriticality::Standard.into(),
        state_summary: Lifecycle::Running.into(),
        diagnostics: Default::default(),
        strategy: None,
        dynamic: None,
    }
}

fn row(path: &SupervisorPath) -> RuntimeRow {
    RuntimeRow {
        child_path: path.clone(),
        lifecycle_state: Lifecycle::Running.into(),
        health: Health::Unknown.into(),
        readiness: Readiness::Ready.into(),
        generation: 1,
        attempt: 0,
        restart_count: 0,
        last_failure: None,
        last_policy_decision: None,
        shutdown_state: ShutdownState::Running.into(),
        as_of: Some(0),
        more: RowMore::default(),
    }
}

#[cfg(test)]
mod tests {
    use supervisor_api::wire::TreeView;

    use super::*;

    #[test]
    fn every_child_fails_and_runs_again_and_the_view_follows() {
        let story = Story::new("shop", 3, 7).unwrap();
        let mut view = TreeView::new(story.state().unwrap());
        let mut seen = Vec::new();
        for sequence in 1..=16 {
            let event = story.event(sequence, sequence);
            let path = event.target_path.clone();
            view.apply_event(event);
            let row = view.row(&path).unwrap();
            seen.push((path.to_string(), row.lifecycle_state.to_string(), row.generation, row.restart_count));
        }
        let of = |at: usize| (&*seen[at].0, &*seen[at].1, seen[at].2, seen[at].3);
        assert_eq!(of(0), ("/worker-0000", "backoff", 1, 0));
        assert_eq!(of(1), ("/worker-0000", "starting", 2, 1));
        assert_eq!(of(3), ("/worker-0000", "running", 2, 1));
        assert_eq!(of(4).0, "/worker-0001");
        assert_eq!(of(15), ("/worker-0000", "running", 3, 2));
    }
}
