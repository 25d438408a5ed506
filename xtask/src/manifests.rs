//! Every member follows the workspace: without these lines in its manifest a crate would escape the lints, or promise
//! another Rust version or licence than the rest.

use std::fs;

use toml::{Table, Value};

use crate::metadata::Metadata;
use crate::{Outcome, shell};

const INHERITED: &[&str] = &["edition", "license", "repository", "rust-version", "version"];

/// The one member with `unsafe` in a file (`unsafety.rs` names the file). What the workspace forbids no attribute can
/// allow again, so this member repeats the workspace's lints and weakens one word of them.
const MAY_DENY_UNSAFE: &str = "supervisor-process";

/// Checks the manifest of every member.
pub(crate) fn check(metadata: &Metadata) -> Outcome {
    let workspace = read(&shell::root().join("Cargo.toml").to_string_lossy())?;
    let lints = workspace.get("workspace").and_then(|workspace| workspace.get("lints"));
    let lints = lints.ok_or("the root Cargo.toml has no [workspace.lints]")?;
    let mut all = Vec::new();
    for member in metadata.members() {
        all.extend(problems(&member.name, &read(&member.manifest_path)?, lints));
    }
    if all.is_empty() { Ok(()) } else { Err(all.join("\n")) }
}

fn read(path: &str) -> Result<Table, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    text.parse().map_err(|error| format!("{path}: {error}"))
}

fn problems(name: &str, manifest: &Table, workspace_lints: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let lints = manifest.get("lints");
    if name == MAY_DENY_UNSAFE {
        if !follows(lints) && lints != Some(&denying_unsafe(workspace_lints)) {
            problems.push(format!(
                "the lints of `{name}` must be those of the workspace, word for word, but for `unsafe_code = \"deny\"`"
            ));
        }
    } else if !follows(lints) {
        problems.push(format!("`{name}` escapes the lints; its Cargo.toml wants `[lints] workspace = true`"));
    }
    for key in INHERITED {
        if !follows(manifest.get("package").and_then(|package| package.get(key))) {
            problems
                .push(format!("`{name}` goes its own way; its Cargo.toml wants `{key}.workspace = true`"));
        }
    }
    problems
}

fn denying_unsafe(workspace_lints: &Value) -> Value {
    let mut lints = workspace_lints.clone();
    if let Some(rust) = lints.get_mut("rust").and_then(Value::as_table_mut) {
        rust.insert("unsafe_code".into(), "deny".into());
    }
    lints
}

fn follows(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: &str = "
        [package]
        name = 'a'
        edition.workspace = true
        license.workspace = true
        repository.workspace = true
        rust-version.workspace = true
        version.workspace = true
    ";
    const FOLLOWS: &str = "[lints]\nworkspace = true";
    const REPEATS: &str =
        "lints.rust = { unsafe_code = 'deny', missing_docs = 'warn' }\nlints.clippy.todo = 'warn'\n";

    fn found(name: &str, text: &str) -> Vec<String> {
        let workspace: Table = REPEATS.replace("deny", "forbid").parse().unwrap();
        problems(name, &text.parse().unwrap(), &workspace["lints"])
    }

    fn none() -> Vec<String> {
        Vec::new()
    }

    #[test]
    fn a_member_that_follows_the_workspace_is_no_problem() {
        assert_eq!(found("a", &format!("{PACKAGE}{FOLLOWS}")), none());
        assert_eq!(found(MAY_DENY_UNSAFE, &format!("{PACKAGE}{FOLLOWS}")), none());
    }

    #[test]
    fn a_member_without_the_workspace_lints_is_a_problem() {
        for text in [PACKAGE.into(), format!("{REPEATS}{PACKAGE}")] {
            let problems = found("a", &text);
            assert_eq!(problems.len(), 1);
            assert!(problems[0].contains("`a` escapes the lints"), "{problems:?}");
        }
    }

    #[test]
    fn the_member_with_unsafe_may_weaken_that_one_word_and_no_other() {
        assert_eq!(found(MAY_DENY_UNSAFE, &format!("{REPEATS}{PACKAGE}")), none());
        for (word, other) in
            [("missing_docs = 'warn'", "missing_docs = 'allow'"), ("deny", "allow"), ("todo", "dbg_macro")]
        {
            let problems = found(MAY_DENY_UNSAFE, &format!("{}{PACKAGE}", REPEATS.replace(word, other)));
            assert_eq!(problems.len(), 1, "{other}");
            assert!(problems[0].contains("word for word"), "{problems:?}");
        }
    }

    #[test]
    fn a_member_with_its_own_rust_version_is_a_problem() {
        let own = PACKAGE.replace("rust-version.workspace = true", "rust-version = '1.90'");
        let problems = found("a", &format!("{own}{FOLLOWS}"));
        assert_eq!(problems, ["`a` goes its own way; its Cargo.toml wants `rust-version.workspace = true`"]);
    }
}
