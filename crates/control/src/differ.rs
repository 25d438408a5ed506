//! What two stack files say otherwise, by their keys: what of a plan is not to be seen in its paths.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Map, Value};
use supervisor_api::SupervisorPath;
use supervisor_api::command::Plan;
use supervisor_api::manifest::{ChildManifest, StackManifest};
use supervisor_api::wire::{ChangedKeys, PlanDetails, Renamed};

/// What a child is called, and where others belong that have a row of their own.
const NOT_ITS_OWN: [&str; 2] = ["name", "children"];

/// The details of a plan that leads from one file to another.
pub(crate) fn details(old: &StackManifest, new: &StackManifest, plan: &Plan) -> PlanDetails {
    let (before, after) = (by_path(old), by_path(new));
    let changed = plan.restarted.iter().chain(&plan.updated).filter_map(|path| {
        let keys = match path.is_root() {
            true => differences(&fields(&old.supervisor), &fields(&new.supervisor)),
            false => differences(&own(before.get(path)?), &own(after.get(path)?)),
        };
        (!keys.is_empty()).then(|| ChangedKeys { child_path: path.clone(), keys })
    });
    PlanDetails { changed: changed.collect(), renamed: renamed(&before, &after, plan) }
}

/// Those who go and those who come below the same supervisor, and who are the same but for the name, in pairs.
fn renamed(
    before: &HashMap<SupervisorPath, &ChildManifest>,
    after: &HashMap<SupervisorPath, &ChildManifest>,
    plan: &Plan,
) -> Vec<Renamed> {
    let mut come: Vec<_> =
        plan.added.iter().filter_map(|path| Some((path, unnamed(after.get(path)?)))).collect();
    // What goes last is told first.
    let gone = plan.removed.iter().rev().filter_map(|path| Some((path, unnamed(before.get(path)?))));
    gone.filter_map(|(from, child)| {
        let same = |(to, other): &(&SupervisorPath, Map<String, Value>)| {
            to.parent() == from.parent() && *other == child
        };
        let (to, _) = come.remove(come.iter().position(same)?);
        Some(Renamed { from: from.clone(), to: to.clone() })
    })
    .collect()
}

fn by_path(stack: &StackManifest) -> HashMap<SupervisorPath, &ChildManifest> {
    let mut due: Vec<_> = stack.children.iter().map(|child| (SupervisorPath::root(), child)).collect();
    let mut found = HashMap::new();
    while let Some((above, child)) = due.pop() {
        let path = above.child(&child.name);
        let below = child.children.iter().flatten();
        due.extend(below.map(|child| (path.clone(), child)));
        found.insert(path, child);
    }
    found
}

/// The keys of a child that are about itself.
fn own(child: &ChildManifest) -> Map<String, Value> {
    let mut keys = fields(child);
    keys.retain(|key, _| !NOT_ITS_OWN.contains(&key.as_str()));
    keys
}

/// Everything about a child and those below it, but its name.
fn unnamed(child: &ChildManifest) -> Map<String, Value> {
    let mut keys = fields(child);
    keys.remove("name");
    keys
}

fn fields(manifest: &impl Serialize) -> Map<String, Value> {
    // Every key of a manifest is text, so it has a JSON form; what is not said has no keys.
    match serde_json::to_value(manifest) {
        Ok(Value::Object(keys)) => keys,
        _ => Map::new(),
    }
}

fn differences(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.into_iter().filter(|key| old.get(*key) != new.get(*key)).cloned().collect()
}
