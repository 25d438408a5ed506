//! New specs for a stack that runs: out of a text that somebody sends, or out of its file, read again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use supervisor_api::manifest::StackManifest;
use supervisor_control::{Declared, SpecSource, Specs};
use tokio_supervisor::Registry;

use crate::expand::{Choices, Origin};
use crate::file::{Stack, StackError};
use crate::launch::Live;

/// As which a text that was sent is named in findings.
const SENT: &str = "stack";

/// The most bytes of findings that are told; a text that is no stack at all has many.
const MOST_TOLD: usize = 8 * 1024;

/// What may change while the stack runs. Everything else belongs to the run.
const CHANGES_LIVE: &[&str] = &["supervisor", "children"];

impl Stack {
    /// Where new specs of a run of this stack come from: texts with the same name, and the file it was read from.
    pub(crate) fn specs(&self) -> Specs {
        let source = Texts {
            registry: self.registry.clone(),
            path: self.path.clone(),
            choices: self.choices.clone(),
            of_the_run: of_the_run(&self.manifest),
            live: Arc::clone(&self.live),
        };
        Specs::new(source, self.declared())
    }

    fn declared(&self) -> Declared {
        Declared::new(self.spec.clone(), self.manifest.clone(), self.config_version())
    }
}

struct Texts {
    registry: Registry,
    path: Option<PathBuf>,
    /// What was chosen when the run was started.
    choices: Choices,
    /// What the run was started with and keeps.
    of_the_run: Map<String, Value>,
    live: Arc<Live>,
}

impl Texts {
    fn declared(&self, stack: Result<Stack, StackError>) -> Result<Declared, String> {
        let stack = stack.map_err(|error| cut(error.to_string()))?;
        match self.first_difference(&stack.manifest) {
            Some(key) => Err(format!(
                "`{key}` is another than the run was started with, and cannot change while it runs; leave it as it \
                 was, or stop the run and start it anew"
            )),
            None => Ok(stack.declared()),
        }
    }

    fn first_difference(&self, manifest: &StackManifest) -> Option<String> {
        let new = of_the_run(manifest);
        let differs = |key: &&String| self.of_the_run.get(*key) != new.get(*key);
        self.of_the_run.keys().chain(new.keys()).find(differs).cloned()
    }
}

impl SpecSource for Texts {
    fn read(&self, text: &str) -> Result<Declared, String> {
        let origin = Origin::Sent(self.path.as_deref().and_then(Path::parent));
        self.declared(Stack::parse_at(SENT, text, self.registry.clone(), origin, &Choices::default()))
    }

    fn has_file(&self) -> bool {
        self.path.is_some()
    }

    fn reread(&self) -> Result<Declared, String> {
        let path = self.path.as_ref().ok_or("this run was not started with a file")?;
        self.declared(Stack::read_as(path, self.registry.clone(), self.choices.clone()))
    }

    fn applied(&self, declared: &Declared) {
        self.live.set(&declared.manifest, &declared.config_version);
    }
}

fn of_the_run(manifest: &StackManifest) -> Map<String, Value> {
    // Every key of a manifest is text, so it has a JSON form.
    let Ok(Value::Object(mut keys)) = serde_json::to_value(manifest) else { return Map::new() };
    keys.retain(|key, _| !CHANGES_LIVE.contains(&key.as_str()));
    keys
}

fn cut(mut text: String) -> String {
    if text.len() > MOST_TOLD {
        let end = (0..=MOST_TOLD).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("\n… and more; `supervisor check FILE` tells all of it");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: &str =
        "version: 1\nname: demo\nchildren:\n  - {name: a, kind: process, command: [sleep, 1]}\n";

    fn specs() -> Specs {
        Stack::parse("demo.yaml", STACK).unwrap().specs()
    }

    #[test]
    fn a_text_of_the_same_stack_is_taken_and_one_of_another_is_refused_with_its_key() {
        let specs = specs();
        let source = specs.source();
        let declared = source.read(&STACK.replace("sleep, 1", "sleep, 2")).unwrap();
        assert_eq!(declared.manifest.children[0].command.as_ref().unwrap()[1], "2");
        let refused = source.read(&STACK.replace("demo", "other")).unwrap_err();
        assert!(refused.contains("`name`"), "{refused}");
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told_with_its_place_up_to_a_bound() {
        let specs = specs();
        let source = specs.source();
        let refused = source.read(&STACK.replace("process", "proces")).unwrap_err();
        assert!(refused.contains("stack:4:") && refused.contains("did you mean `process`?"), "{refused}");
        let many = format!("{STACK}{}", "  - {name: a, kind: proces}\n".repeat(2_000));
        assert!((MOST_TOLD..MOST_TOLD + 100).contains(&source.read(&many).unwrap_err().len()));
    }

    /// A few bytes of them become gigabytes, and whoever may only look may ask for a plan.
    #[test]
    fn s19_a_text_that_is_sent_has_everything_in_it() {
        let specs = specs();
        let source = specs.source();
        for (key, text) in [
            ("variables", format!("variables: {{a: x}}\n{STACK}")),
            ("include", format!("include: [other.yaml]\n{STACK}")),
            ("replicas", STACK.replace("kind:", "replicas: 1000, kind:")),
            ("profiles", STACK.replace("kind:", "profiles: [x], kind:")),
        ] {
            let refused = source.read(&text).unwrap_err();
            assert!(refused.contains(&format!("`{key}` is for a file")), "{refused}");
        }
    }

    #[test]
    fn a_stack_that_was_no_file_has_none_to_read_again() {
        let specs = specs();
        let source = specs.source();
        assert!(!source.has_file());
        assert!(source.reread().unwrap_err().contains("not started with a file"));
    }
}
