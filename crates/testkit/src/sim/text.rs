//! Inputs, effects and schedules in words, for whoever reads a finding.

use std::fmt::Write as _;

use supervisor_api::{ChildKey, Event, SupervisorPath};
use supervisor_core::{Address, Body, ChildDecl, Command, Effect, Input, SupervisorDecl};

use super::schedule::{Run, Schedule};

/// A moment of the machine's time.
pub(super) fn moment(now: u64) -> String {
    format!("{}.{:06}", now / 1_000_000_000, now / 1_000 % 1_000_000)
}

/// Names by key, kept when children are gone.
pub(super) type Names<'a> = &'a dyn Fn(ChildKey) -> Option<SupervisorPath>;

fn who(key: ChildKey, names: Names<'_>) -> String {
    names(key).map_or_else(|| format!("{}.{}", key.index, key.epoch), |path| path.as_str().to_owned())
}

fn whom(address: &Address, names: Names<'_>) -> String {
    match address {
        Address::Key(key) => format!("key {}.{} ({})", key.index, key.epoch, who(*key, names)),
        Address::Text(text) => text.to_string(),
    }
}

pub(super) fn input(input: &Input, names: Names<'_>) -> String {
    match input {
        Input::Exited { key, generation, exit } => format!("{} run {generation} {exit}", who(*key, names)),
        Input::Declined { key, generation, .. } => format!("{} run {generation} declines", who(*key, names)),
        Input::Ready { key, generation } => format!("{} run {generation} is ready", who(*key, names)),
        Input::Beat { key, generation } => format!("{} run {generation} beats", who(*key, names)),
        Input::Missed { key, generation, .. } => {
            format!("{} run {generation} missed a probe", who(*key, names))
        }
        Input::Unwell { key, generation, .. } => format!("{} run {generation} is unwell", who(*key, names)),
        Input::Bound { key } => format!("{} is bound", who(*key, names)),
        Input::Due { key } => format!("the time of {} has come", who(*key, names)),
        Input::Tick => "tick".into(),
        Input::HardStop => "hard stop".into(),
        Input::Command { ticket, command, .. } => format!("command {ticket}: {}", asked(command, names)),
    }
}

fn asked(command: &Command, names: Names<'_>) -> String {
    match command {
        Command::Control(verb, address) => format!("{verb} {}", whom(address, names)),
        Command::Otp(verb, address) => format!("{verb} {}", whom(address, names)),
        Command::Add { under, child } => format!("add_child under {}\n{}", whom(under, names), one(child)),
        Command::StartChild { under, child } => {
            format!("start_child under {}\n{}", whom(under, names), one(child))
        }
        Command::Apply(decl) => format!("apply\n{}", tree(decl)),
        Command::Shutdown => "shutdown".into(),
        Command::SkipGraces => "skip graces".into(),
    }
}

pub(super) fn effect(effect: &Effect, names: Names<'_>) -> String {
    match effect {
        Effect::Declared { key, path, body, .. } => {
            let body = body.map_or_else(|| "supervisor".to_owned(), |body| format!("body {body}"));
            format!("declared {path} = {}.{}, {body}", key.index, key.epoch)
        }
        Effect::Changed { key, .. } => format!("changed {}", who(*key, names)),
        Effect::Spawn { key, generation, attempt } => {
            format!("spawn {} run {generation} attempt {attempt}", who(*key, names))
        }
        Effect::Stop { key, grace: Some(grace) } => {
            format!("stop {} within {} ms", who(*key, names), grace / 1_000_000)
        }
        Effect::Stop { key, grace: None } => format!("stop {} in its own time", who(*key, names)),
        Effect::Kill { key } => format!("kill {}", who(*key, names)),
        Effect::Emit(told) => event(told, names),
        Effect::Reply { ticket, result: Ok(reply) } => format!("reply {ticket}: {reply:?}"),
        Effect::Reply { ticket, result: Err(error) } => format!("reply {ticket}: refused: {error}"),
        Effect::Forget { key } => format!("forget {}", who(*key, names)),
        Effect::Started => "started".into(),
        Effect::Done(end) => format!("done: {end:?}"),
    }
}

fn event(event: &Event, names: Names<'_>) -> String {
    let row = event.row;
    let mut line = format!(
        "{} {} [{} run {} attempt {} restarts {}] {:?}",
        event.kind,
        who(event.child, names),
        row.lifecycle,
        row.generation,
        row.attempt,
        row.restart_count,
        event.cause,
    );
    if event.next != supervisor_api::Next::Nothing {
        let _ = write!(line, " next {:?}", event.next);
    }
    if let Some(exit) = event.detail.as_ref().and_then(|detail| detail.exit.as_ref()) {
        let _ = write!(line, ": {exit}");
    }
    line
}

/// A tree, a line per child, with what was said about it.
pub(super) fn tree(decl: &SupervisorDecl) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "  / {}", said(&format!("{:?}", decl.settings)));
    below(decl, "  ", &mut text);
    text
}

fn one(child: &ChildDecl) -> String {
    let mut text = String::new();
    line(child, "  ", &mut text);
    text
}

fn below(decl: &SupervisorDecl, indent: &str, text: &mut String) {
    for child in &decl.children {
        line(child, indent, text);
    }
}

fn line(child: &ChildDecl, indent: &str, text: &mut String) {
    let after = child.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let after = if after.is_empty() { after } else { format!(" after {after}") };
    let primary = child.primary.as_ref().map(|id| format!(" sidecar of {id}")).unwrap_or_default();
    let settings = said(&format!("{:?}", child.settings));
    match &child.body {
        Body::Supervisor(inner) => {
            let own = said(&format!("{:?}", inner.settings));
            let _ = writeln!(text, "{indent}- {}/{after} {own} as a child {settings}", child.id);
            below(inner, &format!("{indent}  "), text);
        }
        Body::Run(body) => {
            let _ = writeln!(text, "{indent}- {} body {body}{after}{primary} {settings}", child.id);
        }
        Body::Unbound(body) => {
            let _ = writeln!(text, "{indent}- {} unbound {body}{after}{primary} {settings}", child.id);
        }
    }
}

/// A debug text of settings without what was not said.
fn said(debug: &str) -> String {
    let inner = debug.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
    let mut parts: Vec<String> = Vec::new();
    let (mut depth, mut part) = (0i32, String::new());
    for c in inner.chars() {
        match c {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts.push(part);
    let said: Vec<_> = parts
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty() && !part.ends_with(": None"))
        .collect();
    format!("{{{}}}", said.join(", "))
}

/// What a schedule says beyond its tree: its habits, and what children do that they should not.
pub(super) fn conditions(schedule: &Schedule) -> String {
    let mut text = format!("{:?}\n{:?}\n", schedule.habits, schedule.finish);
    for (body, script) in schedule.scripts.iter().enumerate() {
        for (at, run) in script.iter().enumerate().filter(|(_, run)| **run != Run::GOOD) {
            let _ = writeln!(text, "  body {body}, run {} of 3: {run:?}", at + 1);
        }
    }
    text
}
