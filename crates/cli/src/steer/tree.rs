//! `supervisor tree`.

use std::collections::HashMap;

use serde_json::json;
use supervisor_api::wire::{DashboardState, Node, RuntimeRow, StateParams, UnixNanos};
use supervisor_api::{Health, SupervisorPath};

use super::fault::Fault;
use super::screen::{Screen, safe, state_colour};
use super::table::{Cell, table};
use super::{Context, next};
use crate::exit::Exit;
use crate::paint::{BOLD, DIM, PLAIN, RED, YELLOW};
use crate::print;

/// Shows who is in the tree, and how each is.
pub(super) async fn tree(context: &Context<'_>) -> Result<Exit, Fault> {
    let state = context.session().await?.state(StateParams::default()).await?;
    if context.screen.is_json() {
        let target_id = &state.target.target_id;
        context.screen.json(&json!({"type": "state", "target_id": target_id, "state": state}));
    } else {
        print::out(&text(&context.screen, &state));
    }
    Ok(Exit::Good)
}

fn text(screen: &Screen, state: &DashboardState) -> String {
    let head = ["TREE", "STATE", "READY", "HEALTH", "RUN", "RESTARTS", "NOTE"];
    let mut rows = vec![head.map(|title| Cell::new(title, BOLD)).to_vec()];
    let known: HashMap<&SupervisorPath, &RuntimeRow> =
        state.runtime_state.iter().map(|row| (&row.child_path, row)).collect();
    let mut below: HashMap<Option<SupervisorPath>, Vec<&Node>> = HashMap::new();
    for node in &state.topology.nodes {
        below.entry(node.path.parent()).or_default().push(node);
    }
    // Parents before their children, each with what stands before its name.
    let mut due: Vec<(&Node, String, String)> = Vec::new();
    for root in below.get(&None).into_iter().flatten().rev() {
        due.push((root, String::new(), String::new()));
    }
    while let Some((node, before, inside)) = due.pop() {
        let name = if node.path.is_root() { safe(&state.target.target_id) } else { safe(&node.name) };
        rows.push(cells(state, node, known.get(&node.path).copied(), format!("{before}{name}")));
        let children = below.get(&Some(node.path.clone())).map_or(&[][..], |children| &children[..]);
        for (at, child) in children.iter().enumerate().rev() {
            let (branch, trunk) =
                if at + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            due.push((child, format!("{inside}{branch}"), format!("{inside}{trunk}")));
        }
    }
    table(screen, &rows)
}

fn cells(state: &DashboardState, node: &Node, row: Option<&RuntimeRow>, name: String) -> Vec<Cell> {
    let Some(row) = row else {
        return vec![Cell::new(name, PLAIN), Cell::new(safe(node.state_summary.as_str()), PLAIN)];
    };
    let health = match row.health.known() {
        Some(Health::Unhealthy) => RED,
        Some(Health::Stale | Health::Degraded) => YELLOW,
        Some(Health::Unknown) => DIM,
        _ => PLAIN,
    };
    vec![
        Cell::new(name, PLAIN),
        Cell::new(safe(row.lifecycle_state.as_str()), state_colour(&row.lifecycle_state)),
        Cell::new(safe(row.readiness.as_str()), PLAIN),
        Cell::new(safe(row.health.as_str()), health),
        Cell::number(row.generation),
        Cell::number(row.restart_count),
        Cell::new(note(state, node, row, state.generated_at_unix_nanos), DIM),
    ]
}

/// What is to be known besides: what comes next, how the last run failed, what stands in the way.
pub(super) fn note(state: &DashboardState, node: &Node, row: &RuntimeRow, now: UnixNanos) -> String {
    let mut notes: Vec<String> = next::of_row(state, row, now).into_iter().collect();
    notes.extend(row.more.phase.as_deref().map(str::to_owned));
    if let Some(failure) = failure(row) {
        notes.push(format!("last failure: {failure}"));
    }
    notes.extend(node.diagnostics.values().cloned());
    safe(&notes.join("; "))
}

/// How the last run that failed ended, in our words or in those of the target.
pub(crate) fn failure(row: &RuntimeRow) -> Option<String> {
    let failure = row.last_failure.as_ref()?;
    let words = row.exit().map(|exit| exit.to_string());
    words.or_else(|| Some(failure.as_str().map_or_else(|| failure.to_string(), str::to_owned)))
}
