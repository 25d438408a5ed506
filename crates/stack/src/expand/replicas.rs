//! `replicas`: a program that is there several times.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use supervisor_yaml::{Entry, FileFinding, Node, Place, Value};

use super::variables::Variables;
use super::{Expanded, REPLICA, below, error, sibling};

/// How many of a program there may be.
const MANY: RangeInclusive<u32> = 1..=1_000;
/// The variable in which a replica finds its number.
const NUMBER: &str = "REPLICA";

/// A program that is there several times.
struct Several {
    name: String,
    many: u32,
    /// Where that is said.
    place: Place,
}

impl Expanded {
    /// Puts as many of each program in its place as are said.
    pub(super) fn replicate(&mut self, of: &mut Node, path: &str) {
        let Some(children) = of.get_mut("children").and_then(Node::items_mut) else { return };
        for child in children.iter_mut() {
            let own = below(path, child);
            self.replicate(child, &own);
        }
        if !children.iter().any(|child| child.get("replicas").is_some()) {
            return;
        }
        let names: HashMap<String, Place> = children
            .iter()
            .filter_map(|child| child.get("name")?.node.text().map(|name| (name.to_owned(), child.place)))
            .collect();
        let mut several: HashMap<String, u32> = HashMap::new();
        let mut all = Vec::with_capacity(children.len());
        for mut child in children.drain(..) {
            let Some(said) = taken(&mut child) else {
                all.push(child);
                continue;
            };
            self.changed = true;
            for number in 1..=said.many {
                let name = format!("{}-{number}", said.name);
                match names.get(&name) {
                    Some(&other) => self.has_its_name(&below(path, &child), &name, said.place, other),
                    None => all.push(self.replica(&child, name, number, said.place)),
                }
            }
            several.insert(said.name, said.many);
        }
        for child in &mut all {
            needs_all(child, &several);
            let own = below(path, child);
            self.has_one_primary(child, &own, &several);
        }
        *children = all;
    }

    /// A replica would have the name of a sibling.
    fn has_its_name(&mut self, path: &str, name: &str, place: Place, other: Place) {
        let file = match place.file == other.file {
            true => String::new(),
            false => format!(" of {}", self.sources[usize::from(other.file)].name),
        };
        let line = other.line;
        let message =
            format!("the replica '{name}' has the name of the child on line {line}{file}; rename that");
        self.findings.push(FileFinding { path: Some(path.into()), ..error(place, message) });
    }

    /// A sidecar lives with one program.
    fn has_one_primary(&mut self, child: &mut Node, path: &str, several: &HashMap<String, u32>) {
        let Some(primary) = child.get_mut("primary") else { return };
        let Some(name) = primary.text().filter(|name| several.contains_key(*name)).map(str::to_owned) else {
            return;
        };
        let message = format!(
            "'{name}' is there several times, and a sidecar has one primary: name that, such as `{name}-1`, or give the \
             sidecar as many `replicas` and the primary `{name}-${{replica}}`"
        );
        self.findings.push(FileFinding { path: Some(path.into()), ..error(primary.place, message) });
        // Somebody was told.
        primary.value = Value::Refused;
    }

    fn replica(&mut self, of: &Node, name: String, number: u32, place: Place) -> Node {
        let mut replica = of.clone();
        let number = number.to_string();
        Variables::one(REPLICA, &number).fill(&mut replica, &mut self.findings);
        if let Some(node) = replica.get_mut("name") {
            node.value = text(name);
        }
        let entry = |key: &str, value: String| Entry {
            key: key.to_owned(),
            place,
            node: Node { place, value: text(value) },
        };
        let variable = Value::Map(vec![entry("name", NUMBER.to_owned()), entry("value", number)]);
        let variable = Node { place, value: variable };
        if replica.get("environment").is_none()
            && let Value::Map(entries) = &mut replica.value
        {
            let node = Node { place, value: Value::List(Vec::new()) };
            entries.push(Entry { key: "environment".to_owned(), place, node });
        }
        if let Some(variables) = replica.get_mut("environment").and_then(Node::items_mut) {
            let is_it = |node: &Node| node.get("name").and_then(|entry| entry.node.text()) == Some(NUMBER);
            // A child that says it itself means it.
            if !variables.iter().any(is_it) {
                variables.push(variable);
            }
        }
        replica
    }
}

fn text(text: String) -> Value {
    Value::Scalar { text, plain: false }
}

/// How many of this child there are, taken out, if it is a program and that is a number.
fn taken(child: &mut Node) -> Option<Several> {
    if child.get("kind")?.node.text()? != "process" {
        return None;
    }
    let name = child.get("name")?.node.text()?.to_owned();
    let node = &child.get("replicas")?.node;
    let Value::Scalar { text, plain: true } = &node.value else { return None };
    let many = text.parse().ok().filter(|many| MANY.contains(many))?;
    let place = node.place;
    child.take("replicas");
    Some(Several { name, many, place })
}

/// Who depends on a program depends on all of it.
fn needs_all(child: &mut Node, several: &HashMap<String, u32>) {
    let Some(items) = child.get_mut("dependencies").and_then(Node::items_mut) else { return };
    let mut all = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        match sibling(&item).and_then(|name| Some((name.to_owned(), *several.get(name)?))) {
            Some((name, many)) => all.extend((1..=many).map(|number| {
                let mut one = item.clone();
                let named = if one.get("name").is_some() { one.get_mut("name") } else { Some(&mut one) };
                if let Some(named) = named {
                    named.value = text(format!("{name}-{number}"));
                }
                one
            })),
            None => all.push(item),
        }
    }
    *items = all;
}
