//! Which scenarios are the same: those that differ in names only.

use std::collections::HashMap;

use crate::model::{Action, Call, Child, Scenario, Step, Tree};
use crate::text;

/// The scenario with its children named in the order in which they appear, without its name, rules and traces. Equal
/// for two scenarios that tell the same story.
pub fn canonical(scenario: &Scenario) -> String {
    let mut names = Names::default();
    let tree = names.tree(&scenario.tree);
    let steps = scenario.steps.iter().map(|step| Step {
        actions: step.actions.iter().map(|action| names.action(action)).collect(),
        any_order: false,
        trace: Vec::new(),
    });
    let plain =
        Scenario { name: String::new(), rules: Vec::new(), decided: None, tree, steps: steps.collect() };
    text::write(&plain)
}

#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn name(&mut self, name: &str) -> String {
        let next = format!("n{}", self.0.len());
        self.0.entry(name.to_owned()).or_insert(next).clone()
    }

    fn path(&mut self, path: &str) -> String {
        if path.is_empty() {
            return String::new();
        }
        path.split('/').map(|name| self.name(name)).collect::<Vec<_>>().join("/")
    }

    fn tree(&mut self, tree: &Tree) -> Tree {
        Tree { children: tree.children.iter().map(|child| self.child(child)).collect(), ..tree.clone() }
    }

    fn child(&mut self, child: &Child) -> Child {
        let name = self.name(&child.name);
        Child { name, below: child.below.as_ref().map(|below| self.tree(below)), ..child.clone() }
    }

    fn action(&mut self, action: &Action) -> Action {
        match action {
            Action::Launch | Action::WholeSecond | Action::Pass(_) | Action::Shutdown => action.clone(),
            Action::End(path, reason) => Action::End(self.path(path), *reason),
            Action::Release(path, start) => Action::Release(self.path(path), *start),
            Action::Kill(path) => Action::Kill(self.path(path)),
            Action::Stray(path) => Action::Stray(self.path(path)),
            Action::Reload(path, tree) => Action::Reload(self.path(path), self.tree(tree)),
            Action::Call(sup, call) => Action::Call(self.path(sup), self.call(call)),
        }
    }

    fn call(&mut self, call: &Call) -> Call {
        match call {
            Call::StartChild(child) => Call::StartChild(self.child(child)),
            Call::Terminate(name) => Call::Terminate(self.name(name)),
            Call::TerminateHandle(name) => Call::TerminateHandle(self.name(name)),
            Call::Restart(name) => Call::Restart(self.name(name)),
            Call::Delete(name) => Call::Delete(self.name(name)),
            Call::Spec(name) => Call::Spec(self.name(name)),
            Call::Which | Call::Count | Call::Lives | Call::Stop => call.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Scenario {
        text::read(text).unwrap().remove(0)
    }

    #[test]
    fn other_names_do_not_make_another_scenario() {
        let one =
            read("scenario x\nrules R1\ntree one_for_one\n  a\n  b\n> launch\nstart a\n> end b error\n");
        let other = read("scenario y\nrules R2\ntree one_for_one\n  p\n  q\n> launch\n> end q error\n");
        let third = read("scenario y\nrules R2\ntree one_for_one\n  p\n  q\n> launch\n> end p error\n");
        assert_eq!(canonical(&one), canonical(&other));
        assert_ne!(canonical(&one), canonical(&third));
    }
}
