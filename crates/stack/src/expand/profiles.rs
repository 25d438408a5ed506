//! `profiles`: children that are there only when one of theirs is selected.

use std::collections::{BTreeSet, HashMap};

use supervisor_api::nearest;
use supervisor_yaml::{Node, Place, Value};

use super::{Choices, Expanded, below, error, sibling};

/// What became of the children.
#[derive(Default)]
struct Chosen {
    /// Every profile of the file.
    known: BTreeSet<String>,
}

impl Expanded {
    /// Takes out the children of profiles that are not selected, and the key of those that are.
    pub(super) fn choose(&mut self, root: &mut Node, choices: &Choices) {
        let mut chosen = Chosen::default();
        self.choose_below(root, "", choices, &mut chosen);
        for name in choices.profiles().filter(|name| !chosen.known.contains(*name)) {
            self.findings.push(error(Place::START, unknown(name, &chosen.known)));
        }
    }

    /// Of one supervisor.
    fn choose_below(&mut self, of: &mut Node, path: &str, choices: &Choices, chosen: &mut Chosen) {
        let Some(children) = of.get_mut("children").and_then(Node::items_mut) else { return };
        let mut gone: HashMap<String, Vec<String>> = HashMap::new();
        let mut kept = Vec::with_capacity(children.len());
        for mut child in children.drain(..) {
            let own = below(path, &child);
            let profiles = self.profiles(&mut child);
            // Who is not there has profiles below it, too.
            self.choose_below(&mut child, &own, choices, chosen);
            let Some(profiles) = profiles else {
                kept.push(child);
                continue;
            };
            chosen.known.extend(profiles.iter().cloned());
            if choices.profiles().any(|name| profiles.iter().any(|known| known == name)) {
                kept.push(child);
            } else if let Some(name) = child.get("name").and_then(|entry| entry.node.text()) {
                gone.insert(name.to_owned(), profiles);
            }
        }
        for child in kept.iter_mut().filter(|_| !gone.is_empty()) {
            let own = below(path, child);
            self.misses(child, &own, &gone);
        }
        *children = kept;
    }

    /// The profiles of a child, taken out, if they are a list of names.
    fn profiles(&mut self, child: &mut Node) -> Option<Vec<String>> {
        let entry = child.get("profiles")?;
        let Value::List(items) = &entry.node.value else { return None };
        let names = items.iter().map(|item| item.text().map(str::to_owned)).collect::<Option<Vec<_>>>()?;
        let place = entry.node.place;
        if names.is_empty() {
            let message =
                "the list of `profiles` is empty, so the child would never be there; remove the key";
            self.findings.push(error(place, message));
        }
        if let Some(bad) = names.iter().find(|name| !is_name(name)) {
            let bad = bad.escape_debug();
            let message = format!("'{bad}' cannot be a profile: letters, digits, `_`, `.` and `-`");
            self.findings.push(error(place, message));
        }
        self.changed = true;
        child.take("profiles");
        Some(names)
    }

    /// Says of each sibling that a child needs and that is not there why that is so.
    fn misses(&mut self, child: &mut Node, path: &str, gone: &HashMap<String, Vec<String>>) {
        let findings = &mut self.findings;
        let mut is_there = |node: &Node| {
            let Some((name, profiles)) = sibling(node).and_then(|name| gone.get_key_value(name)) else {
                return true;
            };
            let message = format!(
                "'{name}' is there only in the profile {}, and that is not selected; select it with `--profile`, or remove \
                 the dependency",
                profiles.join(" or ")
            );
            findings.push(super::FileFinding { path: Some(path.into()), ..error(node.place, message) });
            false
        };
        if let Some(items) = child.get_mut("dependencies").and_then(Node::items_mut) {
            items.retain(&mut is_there);
        }
        if child.get("primary").is_some_and(|entry| !is_there(&entry.node)) {
            // Known by now; what is refused is not told again.
            if let Some(primary) = child.get_mut("primary") {
                primary.value = Value::Refused;
            }
        }
    }
}

fn unknown(name: &str, known: &BTreeSet<String>) -> String {
    let shown = name.escape_debug();
    let all: Vec<&str> = known.iter().map(String::as_str).collect();
    let advice = match (nearest(name, all.iter().copied()).first(), &all[..]) {
        (_, []) => "no child has `profiles`".to_owned(),
        (Some(near), _) => format!("did you mean `{near}`? There are {}", all.join(", ")),
        (None, _) => format!("there are {}", all.join(", ")),
    };
    format!("the profile '{shown}' is selected, and no child is in it; {advice}")
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}
