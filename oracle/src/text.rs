//! Scenarios as text, read and written.
//!
//! ```text
//! scenario one_for_all takes all others down backwards
//! rules R23 R27
//! tree one_for_all 1/3600
//!   a permanent
//!   s supervisor rest_for_one 2/3600 transient
//!     x shutdown=brutal starts=ok,fail,ok
//! > launch
//! start a
//! …
//! > end a error & end s/x kill
//! report a
//! ```
//!
//! A step begins with `>`; what happens at once is joined by `&`, and ` in any order` says that OTP leaves the order
//! of the lines open. The lines up to the next step are the trace. A line that one side alone shows begins with
//! `otp:` or `ours:`, and the scenario then says `decided D8 because …`. `#` begins a comment.

use std::fmt::Write as _;

use supervisor_api::policy::{AutoShutdown, RestartType};

use crate::model::{
    Action, Call, Child, Line, Reason, Scenario, Shutdown, Side, Start, Step, Stop, Strategy, Tree,
};

const ANY_ORDER: &str = " in any order";

/// The scenarios of a text, or the line that cannot be read.
///
/// # Errors
/// A sentence with the number of the line.
pub fn read(text: &str) -> Result<Vec<Scenario>, String> {
    let mut lines: Vec<(usize, &str)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if !line.is_empty() && !line.starts_with('#') {
            lines.push((at + 1, line));
        }
    }
    let mut rest = lines.as_slice();
    let mut all = Vec::new();
    while !rest.is_empty() {
        all.push(scenario(&mut rest)?);
    }
    Ok(all)
}

type Lines<'a, 'b> = &'b mut &'a [(usize, &'a str)];

fn scenario(lines: Lines) -> Result<Scenario, String> {
    let name = header(lines, "scenario ")?.to_owned();
    let rules = header(lines, "rules ")?.split_whitespace().map(str::to_owned).collect();
    let decided = header(lines, "decided ").ok().map(str::to_owned);
    let at = lines.first().map_or(0, |line| line.0);
    let mut tree = flags(header(lines, "tree ")?).map_err(|problem| at_line(at, &problem))?;
    tree.children = children(lines, 2)?;
    let mut steps = Vec::new();
    while let Some((at, line)) = lines.first().copied() {
        let Some(text) = line.strip_prefix("> ") else {
            if line.starts_with("scenario ") {
                break;
            }
            return Err(at_line(at, "a step begins with `> `"));
        };
        *lines = &lines[1..];
        steps.push(step(text, lines).map_err(|problem| at_line(at, &problem))?);
    }
    Ok(Scenario { name, rules, decided, tree, steps })
}

fn header<'a>(lines: Lines<'a, '_>, word: &str) -> Result<&'a str, String> {
    let Some((at, line)) = lines.first().copied() else {
        return Err(format!("the text ends where `{}` should be", word.trim()));
    };
    let rest =
        line.strip_prefix(word).ok_or_else(|| at_line(at, &format!("`{}` should be here", word.trim())))?;
    *lines = &lines[1..];
    Ok(rest)
}

fn at_line(at: usize, problem: &str) -> String {
    format!("line {at}: {problem}")
}

fn children(lines: Lines, indent: usize) -> Result<Vec<Child>, String> {
    let mut all = Vec::new();
    while let Some((at, line)) = lines.first().copied() {
        let depth = line.len() - line.trim_start().len();
        if depth < indent {
            break;
        }
        if depth > indent {
            return Err(at_line(at, "it is indented too far"));
        }
        *lines = &lines[1..];
        let mut child = child(line.trim_start()).map_err(|problem| at_line(at, &problem))?;
        if let Some(below) = &mut child.below {
            below.children = children(lines, indent + 2)?;
        }
        all.push(child);
    }
    Ok(all)
}

fn flags(text: &str) -> Result<Tree, String> {
    let mut tree = Tree::new(Strategy::OneForOne);
    for word in text.split_whitespace() {
        if !flag(&mut tree, word)? {
            return Err(format!("`{word}` says nothing about a supervisor"));
        }
    }
    Ok(tree)
}

/// Takes a word about a supervisor, and says whether it is one.
fn flag(tree: &mut Tree, word: &str) -> Result<bool, String> {
    if let Some(strategy) = Strategy::from_word(word) {
        tree.strategy = strategy;
    } else if let Some(auto) = AutoShutdown::from_word(word) {
        tree.auto = Some(auto);
    } else if let Some((max, seconds)) = word.split_once('/') {
        tree.budget = Some((number(max)?, number(seconds)?));
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

fn child(text: &str) -> Result<Child, String> {
    let mut words = text.split_whitespace();
    let mut child = Child::named(words.next().ok_or("a child has a name")?);
    for word in words {
        if word == "supervisor" {
            child.below = Some(Tree::new(Strategy::OneForOne));
        } else if let Some(restart) = RestartType::from_word(word) {
            child.restart = Some(restart);
        } else if word == "significant" {
            child.significant = true;
        } else if let Some(shutdown) = word.strip_prefix("shutdown=") {
            child.shutdown = Some(match shutdown {
                "brutal" => Shutdown::Brutal,
                "infinity" => Shutdown::Infinity,
                millis => Shutdown::After(number(millis)?),
            });
        } else if let Some(starts) = word.strip_prefix("starts=") {
            let start = |word| Start::from_word(word).ok_or_else(|| format!("no start does `{word}`"));
            child.starts = starts.split(',').map(start).collect::<Result<_, _>>()?;
        } else if let Some(stops) = word.strip_prefix("stops=") {
            child.stops = Stop::from_word(stops).ok_or_else(|| format!("no child stops with `{stops}`"))?;
        } else if !match &mut child.below {
            Some(below) => flag(below, word)?,
            None => false,
        } {
            return Err(format!("`{word}` says nothing about a child"));
        }
    }
    Ok(child)
}

fn step(text: &str, lines: Lines) -> Result<Step, String> {
    let (text, any_order) = match text.strip_suffix(ANY_ORDER) {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut actions = Vec::new();
    for part in text.split(" & ") {
        actions.push(action(part, lines)?);
    }
    let mut trace = Vec::new();
    while let Some((_, line)) = lines.first() {
        if line.starts_with("> ") || line.starts_with("scenario ") {
            break;
        }
        *lines = &lines[1..];
        let (side, text) = match (line.strip_prefix("otp: "), line.strip_prefix("ours: ")) {
            (Some(text), _) => (Side::Otp, text),
            (_, Some(text)) => (Side::Ours, text),
            _ => (Side::Both, *line),
        };
        trace.push(Line { side, text: text.to_owned() });
    }
    Ok(Step { actions, any_order, trace })
}

fn action(text: &str, lines: Lines) -> Result<Action, String> {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    let path = || Ok::<_, String>(if first == "root" { String::new() } else { named(first)? });
    let call = |call: fn(String) -> Call| Ok(Action::Call(path()?, call(named(second)?)));
    match verb {
        "launch" => Ok(Action::Launch),
        "whole_second" => Ok(Action::WholeSecond),
        "shutdown" => Ok(Action::Shutdown),
        "pass" => Ok(Action::Pass(number(first)?)),
        "kill" => Ok(Action::Kill(path()?)),
        "stray" => Ok(Action::Stray(path()?)),
        "end" => {
            let reason = Reason::from_word(second).ok_or_else(|| format!("nobody ends with `{second}`"))?;
            Ok(Action::End(path()?, reason))
        }
        "release" => {
            let start = Start::from_word(second).ok_or_else(|| format!("no start does `{second}`"))?;
            Ok(Action::Release(path()?, start))
        }
        "reload" => {
            let mut tree = flags(second)?;
            tree.children = children(lines, 4)?;
            Ok(Action::Reload(path()?, tree))
        }
        "start_child" => {
            let mut child = child(second)?;
            if let Some(below) = &mut child.below {
                below.children = children(lines, 4)?;
            }
            Ok(Action::Call(path()?, Call::StartChild(child)))
        }
        "terminate_child" => call(Call::Terminate),
        "terminate_handle" => call(Call::TerminateHandle),
        "restart_child" => call(Call::Restart),
        "delete_child" => call(Call::Delete),
        "get_childspec" => call(Call::Spec),
        "which_children" => Ok(Action::Call(path()?, Call::Which)),
        "count_children" => Ok(Action::Call(path()?, Call::Count)),
        "lives" => Ok(Action::Call(path()?, Call::Lives)),
        "stop" => Ok(Action::Call(path()?, Call::Stop)),
        _ => Err(format!("there is no action `{verb}`")),
    }
}

fn named(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a name is missing".to_owned()) } else { Ok(text.to_owned()) }
}

/// A scenario as it stands in a table.
pub fn write(scenario: &Scenario) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "scenario {}", scenario.name);
    let _ = writeln!(out, "rules {}", scenario.rules.join(" "));
    if let Some(decided) = &scenario.decided {
        let _ = writeln!(out, "decided {decided}");
    }
    let _ = writeln!(out, "tree {}", say_flags(&scenario.tree));
    write_children(&mut out, &scenario.tree.children, 2);
    for step in &scenario.steps {
        let _ = writeln!(out, "> {}", say_step(step));
        for action in &step.actions {
            match action {
                Action::Reload(_, tree)
                | Action::Call(_, Call::StartChild(Child { below: Some(tree), .. })) => {
                    write_children(&mut out, &tree.children, 4);
                }
                _ => {}
            }
        }
        for line in &step.trace {
            let side = match line.side {
                Side::Both => "",
                Side::Otp => "otp: ",
                Side::Ours => "ours: ",
            };
            let _ = writeln!(out, "{side}{}", line.text);
        }
    }
    out
}

/// The actions of a step in one line.
pub fn say_step(step: &Step) -> String {
    let actions: Vec<_> = step.actions.iter().map(say_action).collect();
    actions.join(" & ") + if step.any_order { ANY_ORDER } else { "" }
}

fn write_children(out: &mut String, children: &[Child], indent: usize) {
    for child in children {
        let _ = writeln!(out, "{:indent$}{}", "", say_child(child));
        if let Some(below) = &child.below {
            write_children(out, &below.children, indent + 2);
        }
    }
}

fn say_flags(tree: &Tree) -> String {
    let mut out = tree.strategy.word().to_owned();
    if let Some((max, seconds)) = tree.budget {
        let _ = write!(out, " {max}/{seconds}");
    }
    if let Some(auto) = tree.auto {
        let _ = write!(out, " {auto}");
    }
    out
}

fn say_child(child: &Child) -> String {
    let mut out = child.name.clone();
    if let Some(below) = &child.below {
        let _ = write!(out, " supervisor {}", say_flags(below));
    }
    if let Some(restart) = child.restart {
        let _ = write!(out, " {restart}");
    }
    match child.shutdown {
        Some(Shutdown::Brutal) => out.push_str(" shutdown=brutal"),
        Some(Shutdown::Infinity) => out.push_str(" shutdown=infinity"),
        Some(Shutdown::After(millis)) => {
            let _ = write!(out, " shutdown={millis}");
        }
        None => {}
    }
    if child.significant {
        out.push_str(" significant");
    }
    if child.starts != [Start::Ok] {
        let starts: Vec<_> = child.starts.iter().map(|start| start.word()).collect();
        let _ = write!(out, " starts={}", starts.join(","));
    }
    if child.stops != Stop::Obey {
        let _ = write!(out, " stops={}", child.stops.word());
    }
    out
}

fn say_action(action: &Action) -> String {
    let at = |path: &str| if path.is_empty() { "root".to_owned() } else { path.to_owned() };
    match action {
        Action::Launch => "launch".to_owned(),
        Action::WholeSecond => "whole_second".to_owned(),
        Action::Shutdown => "shutdown".to_owned(),
        Action::Pass(millis) => format!("pass {millis}"),
        Action::Kill(path) => format!("kill {}", at(path)),
        Action::Stray(path) => format!("stray {}", at(path)),
        Action::End(path, reason) => format!("end {path} {}", reason.word()),
        Action::Release(path, start) => format!("release {path} {}", start.word()),
        Action::Reload(path, tree) => format!("reload {} {}", at(path), say_flags(tree)),
        Action::Call(sup, call) => {
            let sup = at(sup);
            match call {
                Call::StartChild(child) => format!("start_child {sup} {}", say_child(child)),
                Call::Terminate(name) => format!("terminate_child {sup} {name}"),
                Call::TerminateHandle(name) => format!("terminate_handle {sup} {name}"),
                Call::Restart(name) => format!("restart_child {sup} {name}"),
                Call::Delete(name) => format!("delete_child {sup} {name}"),
                Call::Spec(name) => format!("get_childspec {sup} {name}"),
                Call::Which => format!("which_children {sup}"),
                Call::Count => format!("count_children {sup}"),
                Call::Lives => format!("lives {sup}"),
                Call::Stop => format!("stop {sup}"),
            }
        }
    }
}
