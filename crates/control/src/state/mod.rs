//! What `state` answers: the live tree, read when it is asked for.

mod page;
mod recent;
mod topology;

use supervisor_api::SupervisorPath;
use supervisor_api::command::{ChildState, CommandResult, TreeState};
use supervisor_api::wire::{
    DashboardState, RuntimeRow, StateDelta, StateParams, TargetInfo, UnixNanos, WireError,
};
use tokio_supervisor::ChildView;

use crate::target::Target;
use page::Page;

pub(crate) use recent::dropped_events;

/// The whole state, or the page that is asked for.
///
/// # Errors
///
/// When `under` or `after` is no child of the tree.
pub(crate) fn read(target: &Target, params: &StateParams) -> Result<DashboardState, WireError> {
    let tree = tree_state(target);
    let top = params.under.clone().unwrap_or_else(SupervisorPath::root);
    let page = Page::of(&tree, params).map_err(|error| error.on(target.id.clone()))?;
    let views = views(target, &tree.children[page.range.clone()]);
    Ok(DashboardState {
        target: info(target),
        topology: topology::of(target, &tree, &page.range, &views, &top),
        runtime_state: seen(&tree.children[page.range.clone()], &views),
        recent_events: recent::events(target, tree.sequence),
        recent_logs: recent::logs(target),
        dropped_event_count: dropped_events(&target.handle),
        dropped_log_count: target.handle.dropped_logs(),
        config_version: target.specs.version(),
        generated_at_unix_nanos: target.now(),
        state_generation: tree.sequence,
        // Of the control plane, which this knows nothing of.
        health: None,
        next_after: page.next_after,
    })
}

/// A change that replaces everything: who is in the tree, how each is, and how the target stands with a relay.
pub(crate) fn afresh(target: &Target, under: &SupervisorPath) -> StateDelta {
    let tree = tree_state(target);
    let range = page::below(&tree, under);
    let views = views(target, &tree.children[range.clone()]);
    StateDelta {
        state_generation: Some(tree.sequence),
        topology: Some(topology::of(target, &tree, &range, &views, under)),
        runtime_state: Some(seen(&tree.children[range], &views)),
        connection_state: Some(target.connection().into()),
        ..counts(target)
    }
}

/// A change of some rows. A child that is gone by now has none.
pub(crate) fn rows<'a>(target: &Target, paths: impl IntoIterator<Item = &'a SupervisorPath>) -> StateDelta {
    // Before the rows: each is at least as new as the generation says.
    let generation = target.generation();
    let rows = paths.into_iter().filter_map(|path| target.handle.child(path).ok());
    StateDelta {
        state_generation: Some(generation),
        runtime_state: Some(rows.map(|child| row(&child.state, Some(&child))).collect()),
        ..counts(target)
    }
}

/// What is known of each child besides its row. A child that was removed since the rows were read has none.
fn views(target: &Target, rows: &[ChildState]) -> Vec<Option<ChildView>> {
    rows.iter().map(|row| target.handle.child(&row.child_path).ok()).collect()
}

fn seen(rows: &[ChildState], views: &[Option<ChildView>]) -> Vec<RuntimeRow> {
    rows.iter().zip(views).map(|(state, view)| row(state, view.as_ref())).collect()
}

/// A row, with what is known besides. A run that began since the row was read is none of it.
fn row(state: &ChildState, view: Option<&ChildView>) -> RuntimeRow {
    let mut row = RuntimeRow::of(state);
    let Some(view) = view else { return row };
    let same_run = state.lifecycle_state.is_live() && view.state.generation == state.generation;
    row.more.pid = view.pid.filter(|_| same_run);
    row.more.last_heartbeat_unix_nanos = view.last_heartbeat_unix_nanos.filter(|_| same_run).map(UnixNanos);
    row.more.phase = view.phase.clone().filter(|phase| same_run && !phase.is_empty());
    row.more.budget = view.budget;
    row.more.usage = view.usage.filter(|_| same_run).map(Box::new);
    row.more.poll_times = view.poll_times.filter(|_| same_run).map(Box::new);
    row
}

fn counts(target: &Target) -> StateDelta {
    StateDelta {
        dropped_event_count: Some(dropped_events(&target.handle)),
        dropped_log_count: Some(target.handle.dropped_logs()),
        ..StateDelta::default()
    }
}

fn info(target: &Target) -> TargetInfo {
    let (registration, connection) = *target.standing.borrow();
    TargetInfo {
        target_id: target.id.clone(),
        display_name: target.display_name.clone(),
        registration_state: registration.into(),
        connection_state: connection.into(),
    }
}

/// Every row, exact at one sequence.
fn tree_state(target: &Target) -> TreeState {
    // The library gives no other answer; a server does not panic over one.
    let CommandResult::CurrentState { state } = target.handle.current_state() else {
        return TreeState { sequence: target.generation(), children: Vec::new() };
    };
    state
}
