//! `supervisor status [PATH]`.

use std::collections::BTreeMap;

use serde_json::json;
use supervisor_api::wire::{DashboardState, Edge, EdgeKind, Node, RuntimeRow, StateParams, UnixNanos};
use supervisor_api::{ShutdownState, SupervisorPath};

use super::fault::Fault;
use super::resolve::resolve;
use super::screen::{Screen, safe, state_colour};
use super::table::{Cell, table};
use super::tree::{failure, note};
use super::verdict::verdict;
use super::{Context, lasts, next};
use crate::args::StatusArgs;
use crate::exit::Exit;
use crate::paint::{BOLD, CYAN, DIM, PLAIN};
use crate::print;
use crate::read::counted;

/// Says how the tree is, or everything about one child.
pub(super) async fn status(context: &Context<'_>, args: &StatusArgs) -> Result<Exit, Fault> {
    let state = context.session().await?.state(StateParams::default()).await?;
    match &args.path {
        None => whole(&context.screen, &state),
        Some(asked) => one(&context.screen, &state, &resolve(&state, asked)?)?,
    }
    Ok(Exit::Good)
}

fn whole(screen: &Screen, state: &DashboardState) {
    let (verdict, because) = verdict(state);
    let children: Vec<&RuntimeRow> =
        state.runtime_state.iter().filter(|row| !row.child_path.is_root()).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &children {
        *counts.entry(row.lifecycle_state.as_str()).or_default() += 1;
    }
    let blamed = |row: &&&RuntimeRow| because.iter().any(|(path, _)| path == row.child_path.as_str());
    let attention: Vec<&RuntimeRow> = children.iter().filter(blamed).copied().collect();
    if screen.is_json() {
        screen.json(&json!({
            "type": "status",
            "target_id": state.target.target_id,
            "display_name": state.target.display_name,
            "health": verdict.as_str(),
            "config_version": state.config_version,
            "state_generation": state.state_generation,
            "generated_at_unix_nanos": state.generated_at_unix_nanos,
            "children": children.len(),
            "by_state": counts,
            "dropped_event_count": state.dropped_event_count,
            "dropped_log_count": state.dropped_log_count,
            "attention": attention,
        }));
        return;
    }
    let counts: Vec<_> = counts.iter().map(|(state, count)| format!("{count} {}", safe(state))).collect();
    let name = safe(&state.target.target_id);
    let mut out = format!("{} is {}\n", screen.paint(BOLD, &name), verdict.as_str());
    out += &format!("{}: {}\n", counted(children.len(), "child"), counts.join(", "));
    out += &format!("config {}, state generation {}\n", safe(&state.config_version), state.state_generation);
    if !attention.is_empty() {
        let rows: Vec<_> = attention.iter().map(|row| line(state, row)).collect();
        out += &format!("\n{}", table(screen, &rows));
    }
    print::out(&out);
}

fn line(state: &DashboardState, row: &RuntimeRow) -> Vec<Cell> {
    let node = state.topology.nodes.iter().find(|node| node.path == row.child_path);
    let lasts = lasts::in_state(row, state.generated_at_unix_nanos).map(|lasts| format!("for {lasts}"));
    let note = node
        .map(|node| note(state, node, row, state.generated_at_unix_nanos))
        .filter(|note| !note.is_empty());
    vec![
        Cell::new(row.child_path.as_str(), CYAN),
        Cell::new(safe(row.lifecycle_state.as_str()), state_colour(&row.lifecycle_state)),
        Cell::new(lasts.into_iter().chain(note).collect::<Vec<_>>().join("; "), DIM),
    ]
}

fn one(screen: &Screen, state: &DashboardState, path: &SupervisorPath) -> Result<(), Fault> {
    let node = state.topology.nodes.iter().find(|node| node.path == *path);
    let row = state.runtime_state.iter().find(|row| row.child_path == *path);
    let (Some(node), Some(row)) = (node, row) else {
        return Err(Fault::failed(format!("the target says nothing about {path}")));
    };
    let Related { depends_on, needed_by, children } = Related::of(state, path);
    let next = next::of_row(state, row, state.generated_at_unix_nanos);
    if screen.is_json() {
        screen.json(&json!({
            "type": "status", "target_id": state.target.target_id, "node": node, "row": row, "next": next,
            "depends_on": depends_on, "needed_by": needed_by, "children": children,
        }));
        return Ok(());
    }
    let rows: Vec<_> = facts(node, row, next, state.generated_at_unix_nanos)
        .into_iter()
        .chain([("depends on", depends_on.join(", ")), ("needed by", needed_by.join(", "))])
        .chain([("children", children.join(", "))])
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            let colour = if name == "state" { state_colour(&row.lifecycle_state) } else { PLAIN };
            vec![Cell::new(name, DIM), Cell::new(safe(&value), colour)]
        })
        .collect();
    print::out(&format!("{}\n{}", screen.paint(BOLD, path.as_str()), table(screen, &rows)));
    Ok(())
}

/// The paths of those to whom a child is tied.
pub(crate) struct Related {
    pub(crate) depends_on: Vec<String>,
    pub(crate) needed_by: Vec<String>,
    pub(crate) children: Vec<String>,
}

impl Related {
    pub(crate) fn of(state: &DashboardState, path: &SupervisorPath) -> Self {
        let mut related = Self { depends_on: Vec::new(), needed_by: Vec::new(), children: Vec::new() };
        for edge in &state.topology.edges {
            let Edge { source_path: from, target_path: to, .. } = edge;
            if edge.kind.is(EdgeKind::Dependency) && from == path {
                related.depends_on.push(to.to_string());
            } else if edge.kind.is(EdgeKind::Dependency) && to == path {
                related.needed_by.push(from.to_string());
            } else if edge.kind.is(EdgeKind::ParentChild) && from == path {
                related.children.push(to.to_string());
            }
        }
        related
    }
}

/// Whom a failed child of a supervisor takes with it, and whether children are added to it; empty for others.
fn strategy(node: &Node) -> String {
    let strategy = node.strategy.as_ref().map(ToString::to_string);
    let dynamic = node.dynamic.filter(|dynamic| *dynamic).map(|_| "dynamic".to_owned());
    strategy.into_iter().chain(dynamic).collect::<Vec<_>>().join(", ")
}

/// What is known of a child; empty values are left out.
pub(crate) fn facts(
    node: &Node,
    row: &RuntimeRow,
    next: Option<String>,
    now: UnixNanos,
) -> Vec<(&'static str, String)> {
    // The state says already that nobody stops it.
    let shutdown = Some(&row.shutdown_state).filter(|shutdown| !shutdown.is(ShutdownState::Running));
    let mut facts = vec![
        ("kind", node.node_type.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("strategy", strategy(node)),
        ("state", row.lifecycle_state.to_string()),
        ("since", lasts::in_state(row, now).map(|lasts| format!("{lasts} ago")).unwrap_or_default()),
        ("next", next.unwrap_or_default()),
        ("doing", row.more.phase.as_deref().unwrap_or_default().to_owned()),
        ("readiness", row.readiness.to_string()),
        ("health", row.health.to_string()),
        (
            "heartbeat",
            lasts::since_heartbeat(row, now).map(|lasts| format!("{lasts} ago")).unwrap_or_default(),
        ),
        ("criticality", node.criticality.to_string()),
        ("run", row.generation.to_string()),
        ("up", lasts::up(row, now).unwrap_or_default()),
        ("process", row.more.pid.map(|pid| pid.to_string()).unwrap_or_default()),
        ("uses", lasts::usage(row, now).unwrap_or_default()),
        ("polled", lasts::polled(row, now).unwrap_or_default()),
        ("attempt", row.attempt.to_string()),
        ("restarts", row.restart_count.to_string()),
        ("budget", lasts::budget(row).unwrap_or_default()),
        ("last failure", failure(row).unwrap_or_default()),
        ("shutdown", shutdown.map(ToString::to_string).unwrap_or_default()),
        ("tags", node.tags.join(", ")),
    ];
    facts.extend(node.diagnostics.iter().map(|(name, text)| ("diagnostics", format!("{name}: {text}"))));
    facts
}
