//! The chain, said in one sentence.

use supervisor_api::wire::{DashboardState, EventRecord};
use supervisor_api::{Lifecycle, SupervisorPath};

use super::super::next;

/// How the child is, what happened last, what began it, and what happens next.
pub(super) fn sentence(state: &DashboardState, path: &SupervisorPath, chain: &[&EventRecord]) -> String {
    let row = state.runtime_state.iter().find(|row| row.child_path == *path);
    let mut out = match row {
        Some(row) => format!("{path} is {}", row.lifecycle_state),
        None => format!("{path} has no state"),
    };
    match chain {
        [] => out += "; the target no longer has an event that says why",
        [only] => out += &format!(": {}", what(only)),
        [first, .., last] => {
            out += &format!(": {}, because {} {}", what(last), first.target_path, what(first));
        }
    }
    let next = chain.last().and_then(|last| next::of_event(last, state.generated_at_unix_nanos.0));
    if let Some(next) = next {
        out += &format!("; {next}");
    } else if row.and_then(|row| row.lifecycle_state.known()).is_some_and(stays) {
        let node = state.topology.nodes.iter().find(|node| node.path == *path);
        match node.and_then(|node| node.diagnostics.get("schedule")) {
            Some(next_run) => out += &format!("; {next_run}"),
            None => out += "; nothing starts it by itself",
        }
    }
    out + "."
}

/// Whether nothing starts a child in this state by itself.
fn stays(state: Lifecycle) -> bool {
    use Lifecycle::*;
    matches!(state, Declared | Stopped | Completed | Failed | Paused | Quarantined)
}

/// What happened, without who, whom that came from, and what comes next: the sentence says it.
fn what(event: &EventRecord) -> String {
    let mut event = event.clone();
    for key in ["next", "cause_path"] {
        event.payload.remove(key);
    }
    let text = event.to_string();
    text.strip_prefix(event.target_path.as_str()).unwrap_or(&text).trim_start().to_owned()
}
