//! `cargo xtask ui`, and what the other verbs do with the dashboard.
//!
//! The built pages are committed in `ui/dist`, so that `cargo build` needs no Node.js. That they are what their sources
//! give is proved twice: by hashes, which needs nothing, and by building them again, where Node.js is there.

mod fresh;
mod node;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::summary::Summary;
use crate::{Outcome, shell, tools};
use report::Report;

/// The longest that one npm script may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// The verb `ui`.
pub(crate) fn ui(_: &[String]) -> Outcome {
    node::ready()?;
    build()
}

fn folder() -> PathBuf {
    shell::root().join("ui")
}

fn dist() -> PathBuf {
    folder().join("dist")
}

/// Builds the pages and notes what they were made from.
fn build() -> Outcome {
    build_into(&dist())?;
    fresh::note(&folder(), &dist())?;
    println!("ui/dist: built");
    Ok(())
}

fn build_into(folder: &Path) -> Outcome {
    let out = folder.to_str().ok_or_else(|| format!("{} is not UTF-8", folder.display()))?;
    shell::run_within(
        node::npm(&["run", "--silent", "build", "--", "--emptyOutDir", "--logLevel=warn", "--outDir", out]),
        LIMIT,
    )
}

/// For the verb `gen`: builds the pages unless they are what their sources give.
pub(crate) fn refresh() -> Outcome {
    if fresh::problem(&folder(), &dist()).is_none() {
        println!("ui/dist: was fresh");
        return Ok(());
    }
    node::ready()?;
    build()
}

/// For the verb `gen --check`: why the committed pages are not what their sources give.
pub(crate) fn stale() -> Result<Option<String>, String> {
    if let Some(problem) = fresh::problem(&folder(), &dist()) {
        return Ok(Some(problem));
    }
    if let Err(why) = node::ready() {
        println!("ui/dist: fresh by its hashes; it was not built again: {why}");
        return Ok(None);
    }
    let again = shell::target().join("ui-dist");
    build_into(&again)?;
    fresh::difference(&dist(), &again)
}

/// For the verb `lint`: what the dashboard's formatter, linter and compiler find.
pub(crate) fn lint() -> Outcome {
    if let Err(why) = node::ready() {
        println!("SKIP the dashboard: {why}");
        return if crate::test::is_ci() { Err(why) } else { Ok(()) };
    }
    for script in ["lint", "check"] {
        shell::run_within(node::npm(&["run", "--silent", script]), LIMIT)?;
    }
    Ok(())
}

/// For the verb `test`: the dashboard's unit tests, and those in a browser.
pub(crate) fn test(summary: &mut Summary) -> Outcome {
    if let Err(why) = node::ready() {
        summary.skips(&format!("the dashboard: needs Node.js: {why}"));
        return Ok(());
    }
    let units = scripted("test", summary, &[]);
    if let Some(problem) = fresh::problem(&folder(), &dist()) {
        // What a browser would show is not what was written.
        return units.and(Err(problem));
    }
    if let Err(why) = browser() {
        summary.skips(&format!("the dashboard in a browser: {why}"));
        return units;
    }
    shell::run(shell::cargo(["build", "--quiet", "--package", "supervisor-cli"]))?;
    let binary = shell::target().join("debug/supervisor");
    units.and(scripted("test:browser", summary, &[("SUPERVISOR", &binary)]))
}

/// For the verb `load`: the command that looks at the pages of a real relay, or why it cannot be run.
pub(crate) fn measuring() -> Result<Vec<String>, String> {
    node::ready()?;
    browser()?;
    if let Some(problem) = fresh::problem(&folder(), &dist()) {
        return Err(problem);
    }
    let folder = folder().display().to_string();
    Ok(["npm", "--prefix", &folder, "run", "--silent", "measure"].map(str::to_owned).into())
}

/// Whether there is a browser, or what is needed for one.
fn browser() -> Outcome {
    if tools::has("chromium") || std::env::var_os("CHROMIUM").is_some() {
        return Ok(());
    }
    Err("needs chromium; install with `apt-get install chromium`".into())
}

/// Runs an npm script of tests and counts what it reports.
fn scripted(script: &str, summary: &mut Summary, env: &[(&str, &Path)]) -> Outcome {
    let file = shell::target().join("ui").join(format!("{}.json", script.replace(':', "-")));
    // A report of a run before this one would be taken for its own.
    let _ = fs::remove_file(&file);
    let output = format!("--outputFile.json={}", file.display());
    let mut command =
        node::npm(&["run", "--silent", script, "--", "--reporter=default", "--reporter=json", &output]);
    command.envs(env.iter().copied());
    let end = shell::run_within(command, LIMIT);
    match Report::read(&file) {
        Ok(report) => report.count_into(summary),
        Err(problem) => return end.and(Err(problem)),
    }
    end
}
