//! A target without a task, for tests: what its task would write is written by hand.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use supervisor_api::wire::*;
use supervisor_api::{EventKind, Severity, SupervisorPath};

use crate::session::{Place, Told};
use crate::target::{Due, Target};

pub(crate) fn registration(id: &str) -> Registration {
    Registration {
        target_id: id.to_owned(),
        display_name: id.to_uppercase(),
        ipc_path: format!("/nowhere/{id}.sock"),
        lease_seconds: 30,
        supported_commands: SupportedCommand::contract(),
    }
}

/// A target that tells what the test says. Its lives are named by their numbers.
pub(crate) struct Shop {
    pub(crate) target: Arc<Target>,
    state: Mutex<DashboardState>,
    /// What is due in each life.
    told: Vec<Due>,
    /// What was lost: the life, 0 for events, the sequence.
    lost: Vec<(usize, u64)>,
}

impl Shop {
    pub(crate) fn new(bytes: usize) -> Self {
        let target = Target::new(&registration("shop"), bytes, Arc::default());
        Self::of(Arc::new(target))
    }

    /// Writes for this target, as its task.
    pub(crate) fn of(target: Arc<Target>) -> Self {
        target.connected(Some("0".into()), false);
        target.connection(ConnectionState::Connected);
        let state = json!({
            "target": {
                "target_id": target.id(), "display_name": "shop", "registration_state": "active",
                "connection_state": "registered",
            },
            "topology": {"root": "/", "nodes": [], "edges": [], "declaration_order": []},
            "runtime_state": [], "config_version": "x", "generated_at_unix_nanos": 1, "state_generation": 1,
        });
        let state = Mutex::new(serde_json::from_value(state).unwrap());
        Self { target, state, told: vec![Due::FIRST], lost: Vec::new() }
    }

    fn now(&mut self) -> &mut Due {
        self.told.last_mut().unwrap()
    }

    pub(crate) fn record(&mut self, path: &str, bytes: usize) -> EventRecord {
        let sequence = self.now().events;
        self.now().events += 1;
        let mut payload = Map::new();
        payload.insert("text".to_owned(), Value::String("x".repeat(bytes)));
        EventRecord {
            target_id: Arc::clone(self.target.id()),
            sequence,
            correlation_id: None,
            event_type: EventKind::ChildReady.into(),
            severity: Severity::Info.into(),
            target_path: SupervisorPath::parse(path).unwrap(),
            child_id: None,
            occurred_at_unix_nanos: UnixNanos(sequence),
            config_version: "x".into(),
            payload,
        }
    }

    pub(crate) fn event(&mut self, bytes: usize) {
        self.event_of("/db", bytes);
    }

    pub(crate) fn event_of(&mut self, path: &str, bytes: usize) {
        let event = self.record(path, bytes);
        self.target.event(&event, None);
        let mut state = self.state.lock().unwrap();
        state.recent_events = vec![event];
        state.state_generation += 1;
    }

    pub(crate) fn log(&mut self, bytes: usize) {
        let sequence = self.now().logs;
        self.now().logs += 1;
        let log = LogRecord {
            target_id: Arc::clone(self.target.id()),
            sequence: Some(sequence),
            correlation_id: None,
            severity: Severity::Info.into(),
            message: "x".repeat(bytes),
            fields: Default::default(),
            occurred_at_unix_nanos: UnixNanos(sequence),
            child_path: None,
            generation: None,
        };
        self.target.log(&log, None);
        self.state.lock().unwrap().recent_logs = vec![log];
    }

    pub(crate) fn delta(&mut self) {
        self.state.lock().unwrap().state_generation += 1;
        self.target.delta(&StateDelta { dropped_log_count: Some(1), ..StateDelta::default() });
    }

    /// So many events never come.
    pub(crate) fn lose(&mut self, count: u64) {
        let life = self.told.len() - 1;
        for _ in 0..count {
            let sequence = self.now().events;
            self.lost.push((life, sequence));
            self.now().events += 1;
        }
        let to = self.now().events - 1;
        self.target.lost(Stream::Events, to);
    }

    pub(crate) fn new_life(&mut self) {
        self.target.connected(Some(self.told.len().to_string().into()), false);
        self.told.push(Due::FIRST);
        let mut state = self.state.lock().unwrap();
        (state.recent_events, state.recent_logs) = Default::default();
        state.state_generation = 1;
    }

    /// What is due in each life.
    pub(crate) fn told(&self) -> &[Due] {
        &self.told
    }

    pub(crate) fn was_told(&self, life: usize, stream: usize, sequence: u64) -> bool {
        stream == 1 || !self.lost.contains(&(life, sequence))
    }

    pub(crate) fn generation(&self) -> u64 {
        self.state.lock().unwrap().state_generation
    }

    /// What the task does when a state is wanted.
    pub(crate) fn render(&self) {
        self.target.render(&self.state.lock().unwrap());
    }

    pub(crate) fn next(&self, place: &mut Place, filter: &FilterConditions) -> Option<Told> {
        place.next(&self.target, filter).or_else(|| {
            self.render();
            place.next(&self.target, filter)
        })
    }

    pub(crate) fn all(&self, place: &mut Place) -> Vec<Told> {
        std::iter::from_fn(|| self.next(place, &FilterConditions::default())).collect()
    }
}

/// Somebody has restarted a child.
pub(crate) fn audit() -> AuditEvent {
    AuditEvent {
        audit_id: "1".to_owned(),
        identity: "ann".to_owned(),
        target_id: "shop".into(),
        command_id: "c-1".to_owned(),
        command: Command::RestartChild.into(),
        target: "/db".into(),
        reason: "stuck".to_owned(),
        result: AuditResult::Completed.into(),
        occurred_at_unix_nanos: UnixNanos(1),
    }
}

/// What kind of message it is.
pub(crate) fn kind(told: &Told) -> String {
    match told {
        Told::Frame(frame) => {
            let frame: Value = serde_json::from_str(frame).unwrap();
            frame["type"].as_str().unwrap().to_owned()
        }
        Told::Gap { .. } => "gap".to_owned(),
        Told::Began(_) => "began".to_owned(),
        Told::Connection(_) => "connection".to_owned(),
    }
}
