//! That each log file of a stack is that of one program alone.

use std::collections::HashMap;
use std::path::PathBuf;

use supervisor_api::manifest::{ChildManifest, DefaultsManifest, Kind, StackManifest};
use supervisor_api::{Finding, SupervisorPath};

/// Programs that would write to the file of another one.
pub(crate) fn shared(manifest: &StackManifest) -> Vec<Finding> {
    let defaults = manifest.supervisor.as_ref().and_then(|supervisor| supervisor.defaults.clone());
    let mut search = Search::default();
    search.below(&SupervisorPath::root(), &manifest.children, &defaults.unwrap_or_default());
    search.findings
}

#[derive(Default)]
struct Search {
    taken: HashMap<PathBuf, SupervisorPath>,
    findings: Vec<Finding>,
}

impl Search {
    fn below(&mut self, above: &SupervisorPath, children: &[ChildManifest], defaults: &DefaultsManifest) {
        for child in children {
            let path = above.child(&child.name);
            if child.kind == Kind::Process {
                self.look(&path, child, defaults);
            }
            let own = child.defaults.as_ref().map(|own| own.over(defaults));
            let below = child.children.as_deref().unwrap_or_default();
            self.below(&path, below, own.as_ref().unwrap_or(defaults));
        }
    }

    fn look(&mut self, path: &SupervisorPath, child: &ChildManifest, defaults: &DefaultsManifest) {
        let mut log =
            ChildManifest { log: child.log.clone(), ..ChildManifest::new(child.name.clone(), Kind::Process) };
        log.apply_defaults(defaults);
        let Some(file) = log.log.as_ref().and_then(|log| log.kept()?.path_of(path)) else { return };
        let file = std::path::absolute(&file).unwrap_or(file);
        if let Some(other) = self.taken.get(&file) {
            // Of two with one path it is told that they have one name.
            if other != path {
                let message = format!(
                    "the log file {} is that of {other} too; give each its own, or say `dir` for both",
                    file.display()
                );
                self.findings.push(Finding {
                    path: path.to_string(),
                    key: "log.file",
                    message,
                    warning: false,
                });
            }
        } else {
            self.taken.insert(file, path.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Stack;

    fn findings(children: &str) -> Vec<String> {
        let text = format!(
            "version: 1\nname: demo\nsupervisor: {{defaults: {{log: {{dir: logs}}}}}}\nchildren:\n{children}"
        );
        match Stack::parse("demo.yaml", text) {
            Ok(_) => Vec::new(),
            Err(error) => error.to_string().lines().step_by(3).map(str::to_owned).collect(),
        }
    }

    #[test]
    fn two_programs_have_two_files() {
        let program =
            |name: &str, log: &str| format!("  - {{name: {name}, kind: process, command: [x]{log}}}\n");
        assert_eq!(findings(&(program("a", "") + &program("b", ""))), [""; 0]);
        let found =
            findings(&(program("a", ", log: {file: x.log}") + &program("b", ", log: {file: ./x.log}")));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("demo.yaml:6:") && found[0].contains("x.log is that of /a too"),
            "{found:?}"
        );
        let found = findings(&(program("a", "") + &program("b", ", log: {file: logs/a.log}")));
        assert!(found[0].contains("that of /a too"), "{found:?}");
        assert_eq!(findings(&(program("a", "") + &program("b", ", log: off"))), [""; 0]);
    }
}
