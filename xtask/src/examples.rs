//! `cargo xtask examples`: every example does what an example must: run, end by itself, and end well.

use std::fs;
use std::time::Duration;

use crate::metadata::{Metadata, Package};
use crate::{Outcome, shell};

/// An example that takes longer than this does not end by itself.
const LIMIT: Duration = Duration::from_secs(60);

/// The packages whose Rust examples are run: what users of the library use.
const PACKAGES: &[&str] = &["tokio-supervisor", "supervisor-testkit"];

/// The verb `examples`. An example that fails does not stop the next.
pub(crate) fn examples(_: &[String]) -> Outcome {
    let metadata = Metadata::load()?;
    let members = metadata.members();
    let mut problems = Vec::new();
    for name in PACKAGES {
        let package = members.iter().find(|member| member.name == *name);
        problems.extend(rust_examples(package.ok_or_else(|| format!("there is no package `{name}`"))?)?);
    }
    problems.extend(stack_examples()?);
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn rust_examples(package: &Package) -> Result<Vec<String>, String> {
    let names = package.targets_of("example");
    if names.is_empty() {
        return Err(format!("`{}` has no examples; they belong into its folder `examples`", package.name));
    }
    // Built first, so that the limit is on the run alone.
    shell::run(shell::cargo(["build", "--quiet", "--package", package.name.as_str(), "--examples"]))?;
    let run = |name: &str| {
        let command = shell::cargo(["run", "--quiet", "--package", package.name.as_str(), "--example", name]);
        shell::run_within(command, LIMIT).err().map(|problem| format!("example `{name}`: {problem}"))
    };
    Ok(names.into_iter().filter_map(run).collect())
}

/// Checks every stack file with the binary that would run it.
fn stack_examples() -> Result<Vec<String>, String> {
    let folder = shell::root().join("examples");
    let broken = |error: std::io::Error| format!("{} cannot be read: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err("the folder `examples` holds no stack file (*.yaml)".into());
    }
    files.sort();
    shell::run(shell::cargo(["build", "--quiet", "--package", "supervisor-cli"]))?;
    let check = |path: std::path::PathBuf| {
        let mut command = shell::cargo(["run", "--quiet", "--package", "supervisor-cli", "--", "check"]);
        command.arg(path);
        shell::run_within(command, LIMIT).err()
    };
    Ok(files.into_iter().filter_map(check).collect())
}
