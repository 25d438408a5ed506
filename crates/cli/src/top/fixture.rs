//! A tree for tests.

use std::collections::HashSet;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use supervisor_api::manifest::Kind;
use supervisor_api::wire::*;
use supervisor_api::{Health, Lifecycle, Readiness, Severity, ShutdownState, SupervisorPath};

use super::model::verbs::Who;
use super::model::{Action, Link, Model, World};

/// The time at which the tree is looked at.
pub(crate) const NOW: u64 = 1_763_750_000_000_000_000;

pub(crate) fn path(text: &str) -> SupervisorPath {
    SupervisorPath::parse(text).unwrap()
}

fn node(at: &str, is_supervisor: bool) -> Node {
    let path = path(at);
    Node {
        node_id: at.to_owned(),
        child_id: path.last_segment().map(str::to_owned),
        name: path.last_segment().unwrap_or("shop").to_owned(),
        kind: if path.is_root() { NodeKind::RootSupervisor } else { NodeKind::ChildTask }.into(),
        path,
        node_type: Some(if is_supervisor { Kind::Supervisor } else { Kind::Process }.into()),
        strategy: None,
        dynamic: None,
        tags: Vec::new(),
        criticality: NodeCriticality::Standard.into(),
        state_summary: Lifecycle::Declared.into(),
        diagnostics: Default::default(),
    }
}

/// A row that came into its state ten seconds ago.
pub(crate) fn row(at: &str, state: Lifecycle) -> RuntimeRow {
    let more = RowMore { since_unix_nanos: Some(UnixNanos(NOW - 10_000_000_000)), ..RowMore::default() };
    RuntimeRow {
        child_path: path(at),
        lifecycle_state: state.into(),
        health: Health::Unknown.into(),
        readiness: if state == Lifecycle::Running { Readiness::Ready } else { Readiness::Unreported }.into(),
        generation: 1,
        attempt: 0,
        restart_count: 0,
        last_failure: None,
        last_policy_decision: None,
        shutdown_state: ShutdownState::of(state, false).into(),
        as_of: None,
        more,
    }
}

/// A tree of these; who has somebody below is a supervisor.
pub(crate) fn tree(all: &[(&str, Lifecycle)]) -> TreeView {
    let above: HashSet<_> = all.iter().filter_map(|(at, _)| path(at).parent()).collect();
    let nodes: Vec<Node> = all.iter().map(|(at, _)| node(at, above.contains(&path(at)))).collect();
    let parents = nodes.iter().filter_map(|node| Some((node.path.parent()?, node.path.clone())));
    let edges = parents.map(|(above, below)| Edge::parent(&above, &below, 0)).collect();
    TreeView::new(DashboardState {
        target: TargetInfo {
            target_id: "shop".into(),
            display_name: String::new(),
            registration_state: RegistrationState::Active.into(),
            connection_state: ConnectionState::Registered.into(),
        },
        topology: Topology {
            root: SupervisorPath::root(),
            declaration_order: nodes[1..].iter().map(|node| node.path.to_string()).collect(),
            nodes,
            edges,
        },
        runtime_state: all.iter().map(|(at, state)| row(at, *state)).collect(),
        recent_events: Vec::new(),
        recent_logs: Vec::new(),
        dropped_event_count: 0,
        dropped_log_count: 0,
        config_version: "9f86d081884c7d65".into(),
        generated_at_unix_nanos: UnixNanos(NOW),
        state_generation: 7,
        health: None,
        next_after: None,
    })
}

/// A shop in which one program is quarantined, one is in back-off and one is done.
pub(crate) fn shop() -> TreeView {
    use Lifecycle::*;
    tree(&[
        ("/", Running),
        ("/web", Running),
        ("/jobs", Running),
        ("/jobs/mail", Backoff),
        ("/jobs/nightly", Completed),
        ("/db", Quarantined),
    ])
}

pub(crate) fn world(tree: &TreeView) -> World<'_> {
    World { tree: Some(tree), now: UnixNanos(NOW) }
}

/// A model that is live, for an admin, and has looked at the tree.
pub(crate) fn model(tree: &TreeView) -> Model {
    let capabilities = Method::TABLE.iter().map(|spec| spec.name.to_owned()).collect();
    let mut model = Model::new("/run/shop.sock".to_owned(), Who { role: Some("admin".into()), capabilities });
    model.link = Link::Live;
    model.room = super::model::Room { tree: 20, pane: 10 };
    model.look(world(tree));
    model
}

pub(crate) fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// Types these characters; `\n` is Enter, `\t` Tab, `\x1b` Esc. Gives what was to be done.
pub(crate) fn types(model: &mut Model, tree: &TreeView, text: &str) -> Vec<Action> {
    let keys = text.chars().map(|c| match c {
        '\n' => key(KeyCode::Enter),
        '\t' => key(KeyCode::Tab),
        '\u{1b}' => key(KeyCode::Esc),
        c => key(KeyCode::Char(c)),
    });
    keys.filter_map(|key| model.key(&key, world(tree))).collect()
}

pub(crate) fn line(of: &str, sequence: u64, message: &str) -> LogRecord {
    LogRecord {
        target_id: "shop".into(),
        sequence: Some(sequence),
        correlation_id: None,
        severity: Severity::Info.into(),
        message: message.to_owned(),
        fields: Default::default(),
        occurred_at_unix_nanos: UnixNanos(NOW),
        child_path: Some(path(of)),
        generation: Some(1),
    }
}
