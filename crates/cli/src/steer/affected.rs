//! Whom a command would affect, and whether that is asked about first.

use supervisor_api::SupervisorPath;
use supervisor_api::command::Affected;
use supervisor_api::wire::{
    Command, CommandTarget, DashboardState, EdgeKind, Method, TargetNeed, WhatIfAnswer, WhatIfParams,
};
use supervisor_client::Session;

use super::fault::Fault;
use crate::read::counted;

/// How many of those that are affected are named.
const NAMED: usize = 20;

/// What is shown before a dangerous command; `None` for one that is not.
pub(super) async fn warning(
    session: &mut Session,
    state: &DashboardState,
    command: Command,
    target: &CommandTarget,
    path: &SupervisorPath,
) -> Result<Option<String>, Fault> {
    let below = below(state, path);
    let stops_many = command.verb().is_some() && command != Command::ResumeChild && !below.is_empty();
    if !command.needs_confirmation() && !stops_many {
        return Ok(None);
    }
    if session.hello().has(Method::WhatIf) {
        let answer = session
            .what_if(WhatIfParams { command: command.into(), target: target.clone(), stack: None })
            .await?;
        return Ok(Some(told(command, path, &answer)?));
    }
    Ok(Some(worked_out(state, command, path, &below)))
}

/// The children below a path, with their states, parents first.
fn below<'a>(state: &'a DashboardState, path: &SupervisorPath) -> Vec<(&'a SupervisorPath, &'a str)> {
    let nodes = state.topology.nodes.iter();
    let inside = nodes.filter(|node| node.path != *path && path.contains(&node.path));
    inside.map(|node| (&node.path, node.state_summary.as_str())).collect()
}

/// In the words of the target. What it would refuse is refused here.
fn told(command: Command, path: &SupervisorPath, answer: &WhatIfAnswer) -> Result<String, Fault> {
    if let Some(refusal) = &answer.refusal {
        return Err(refusal.clone().into());
    }
    let mut out = headline(command, path);
    out += &listed(answer.affected.iter().map(line).collect());
    Ok(out)
}

/// What would become of one child.
pub(super) fn line(one: &Affected) -> String {
    let because = one.because.as_ref().map(|because| format!(", because {because}")).unwrap_or_default();
    format!("{}: {}{because}", one.child_path, one.effect)
}

/// From the topology: everything below goes the same way.
fn worked_out(
    state: &DashboardState,
    command: Command,
    path: &SupervisorPath,
    below: &[(&SupervisorPath, &str)],
) -> String {
    let mut out = headline(command, path);
    if command.needs() != TargetNeed::SupervisorAndManifest && !below.is_empty() {
        out += &format!("\nBelow it {}:", counted(below.len(), "child"));
        out += &listed(below.iter().map(|(path, state)| format!("{path}, {state}")).collect());
    }
    let edges = state.topology.edges.iter().filter(|edge| {
        edge.kind.is(EdgeKind::Dependency)
            && edge.target_path == *path
            && command.needs() == TargetNeed::Child
    });
    let needed: Vec<_> = edges.map(|edge| edge.source_path.as_str()).collect();
    if !needed.is_empty() {
        out += &format!("\nIt is needed by {}.", needed.join(", "));
    }
    out
}

fn headline(command: Command, path: &SupervisorPath) -> String {
    match command {
        Command::ShutdownTree => "This stops the whole tree and ends the target.".to_owned(),
        Command::Reload => "This makes the stack be as its file says now.".to_owned(),
        Command::AddChild => format!("This adds a child under {path}."),
        Command::RemoveChild => format!("This stops {path} and takes it out of the tree."),
        Command::PauseChild => format!("This stops {path} and holds it."),
        Command::QuarantineChild => format!("This stops {path} and parks it."),
        Command::RestartChild => {
            format!("This stops {path} and starts it anew; what was added below it while it ran is lost.")
        }
        other => format!("This is {other} of {path}."),
    }
}

pub(super) fn listed(lines: Vec<String>) -> String {
    let more = lines.len().saturating_sub(NAMED);
    let mut out: String = lines.iter().take(NAMED).map(|line| format!("\n  {line}")).collect();
    if more > 0 {
        out += &format!("\n  and {more} more");
    }
    out
}
