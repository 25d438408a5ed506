//! The tests of the rules against the planted faults.
//!
//! The tests are built once with every fault in place (`--cfg planted`) and run one at a time, each in a process of
//! its own, with one fault switched on by `SUPERVISOR_FAULT`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use crate::caught::{Catch, Caught, TestName};
use crate::faults::Faults;
use crate::metadata::Metadata;
use crate::scan::{RuleId, Test};
use crate::shell::{self, Ended};

/// The packages whose tests can see a fault: those above the machine that run without other programs.
const PACKAGES: &[&str] = &["supervisor-core", "tokio-supervisor"];

/// How long one test may take. The slowest takes some seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// How much memory one test may take, in KiB: a machine that does not come to rest fills it with effects.
const MEMORY: u32 = 4 * 1024 * 1024;

/// The tests of the rules, as built.
pub(crate) struct Tests {
    /// Where the binary of a package's target is, and where it runs.
    binaries: BTreeMap<(String, String), Binary>,
    of_rule: BTreeMap<RuleId, Vec<TestName>>,
}

#[derive(Debug)]
struct Binary {
    program: PathBuf,
    folder: PathBuf,
}

/// A line of `cargo test --message-format json-render-diagnostics`.
#[derive(Debug, Deserialize)]
struct Message {
    package_id: Option<String>,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Tests {
    /// Builds the tests with every fault in place, and asks each binary what it has.
    pub(crate) fn build() -> Result<Self, String> {
        let mut cargo = shell::cargo([
            "test",
            "--no-run",
            "--all-features",
            "--message-format",
            "json-render-diagnostics",
        ]);
        cargo.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
        shell::plant(&mut cargo);
        println!("$ RUSTFLAGS=\"--cfg planted\" {}", shell::spoken(&cargo));
        let binaries = binaries(&shell::output(cargo)?, &Metadata::load()?)?;
        let mut tests = Self { binaries, of_rule: BTreeMap::new() };
        let mut named = BTreeSet::new();
        for ((package, target), binary) in &tests.binaries {
            let mut list = binary.command();
            list.args(["--list", "--format", "terse"]);
            for test in shell::output(list)?.lines().filter_map(|line| line.strip_suffix(": test")) {
                named.insert(TestName {
                    package: package.clone(),
                    target: target.clone(),
                    test: test.to_owned(),
                });
            }
        }
        for name in named {
            let test = Test { name: name.function().to_owned(), line: 0, ignored: false };
            for rule in test.rules() {
                tests.of_rule.entry(rule).or_default().push(name.clone());
            }
        }
        Ok(tests)
    }

    fn of(&self, rule: RuleId) -> &[TestName] {
        self.of_rule.get(&rule).map_or(&[], Vec::as_slice)
    }

    fn run(&self, name: &TestName, fault: Option<&str>) -> Result<Ended, String> {
        let binary = self.binaries.get(&(name.package.clone(), name.target.clone()));
        let binary = binary.ok_or_else(|| format!("no test binary is built for `{name}`"))?;
        let mut command = binary.command();
        command.args(["--exact", &name.test, "--test-threads", "1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).env("RUST_BACKTRACE", "0");
        match fault {
            Some(fault) => command.env("SUPERVISOR_FAULT", fault),
            None => command.env_remove("SUPERVISOR_FAULT"),
        };
        shell::end_quietly(command, LIMIT)
    }
}

impl Binary {
    /// Runs it where cargo would, with a limit on its memory.
    fn command(&self) -> Command {
        let mut command = shell::program("sh");
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command.args(["-c", &format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"")]).arg(&self.program);
        command
    }
}

/// The test binaries among cargo's messages, by package and target.
fn binaries(messages: &str, metadata: &Metadata) -> Result<BTreeMap<(String, String), Binary>, String> {
    let mut binaries = BTreeMap::new();
    for line in messages.lines() {
        let message: Message = serde_json::from_str(line)
            .map_err(|error| format!("a message of cargo cannot be read: {error}"))?;
        let (Some(program), Some(target), Some(id)) =
            (message.executable, message.target, message.package_id)
        else {
            continue;
        };
        let is = |kind: &str| target.kind.iter().any(|own| own == kind);
        let package = metadata.packages.iter().find(|package| package.id == id);
        let Some(package) = package.filter(|_| is("lib") || is("test")) else { continue };
        let folder = Path::new(&package.manifest_path).parent().map(PathBuf::from).unwrap_or_default();
        let target = if is("lib") { "lib".to_owned() } else { target.name };
        binaries.insert((package.name.clone(), target), Binary { program, folder });
    }
    Ok(binaries)
}

/// Looks for a test that catches each fault in each rule that the catalogue says it breaks; where one did before, that
/// one is tried first, so that the result changes only when it must. What nobody catches is missing in the result.
pub(crate) fn catch_all(faults: &Faults, before: &Caught) -> Result<Caught, String> {
    let tests = Tests::build()?;
    let pairs: Vec<(RuleId, &str)> = faults
        .iter()
        .flat_map(|(name, fault)| fault.breaks.iter().map(move |rule| (*rule, name.as_str())))
        .collect();
    let rules: BTreeSet<RuleId> = pairs.iter().map(|(rule, _)| *rule).collect();
    pass_without_fault(&tests, rules.iter().flat_map(|rule| tests.of(*rule)))?;
    let caught = Mutex::new(Caught::default());
    let broken = on_all_cores(&pairs, |(rule, fault)| {
        let known = before.of(*rule).find(|(name, _)| name == fault).map(|(_, catch)| &catch.by);
        let known = known.filter(|known| tests.of(*rule).contains(known));
        let others = tests.of(*rule).iter().filter(|test| Some(*test) != known);
        for by in known.into_iter().chain(others) {
            let hangs = match tests.run(by, Some(fault))? {
                Ended::Well => continue,
                Ended::Badly => false,
                Ended::TooLate => true,
            };
            println!("{rule:<5} {fault}: {by}{}", if hangs { " (hangs)" } else { "" });
            if let Ok(mut caught) = caught.lock() {
                caught.add(*rule, fault, Catch { by: by.clone(), hangs });
            }
            return Ok(());
        }
        println!("{rule:<5} {fault}: NOT CAUGHT");
        Ok(())
    });
    let caught = caught.into_inner().map_err(|_| "a thread that runs tests has panicked")?;
    caught.save()?;
    if broken.is_empty() { Ok(caught) } else { Err(broken.join("\n")) }
}

/// Runs each recorded test under the fault it is recorded to catch.
pub(crate) fn check(caught: &Caught) -> Result<(), String> {
    let tests = Tests::build()?;
    pass_without_fault(&tests, caught.pairs().map(|(_, _, catch)| &catch.by))?;
    // One test may stand for several rules.
    let pairs: BTreeSet<(&TestName, &str)> =
        caught.pairs().map(|(_, fault, catch)| (&catch.by, fault)).collect();
    let pairs: Vec<_> = pairs.into_iter().collect();
    let missed = on_all_cores(&pairs, |(by, fault)| match tests.run(by, Some(fault))? {
        Ended::Well => Err(format!(
            "`{by}` passes under the fault `{fault}`, which it is recorded to catch; see to it, then run \
             `cargo xtask rules --planted`"
        )),
        Ended::Badly | Ended::TooLate => Ok(()),
    });
    if !missed.is_empty() {
        return Err(missed.join("\n"));
    }
    println!("rules: {} faults planted, each caught by the test that is recorded for it", pairs.len());
    Ok(())
}

/// What fails without a fault says nothing about one.
fn pass_without_fault<'a>(tests: &Tests, names: impl Iterator<Item = &'a TestName>) -> Result<(), String> {
    let names: Vec<&TestName> = names.collect::<BTreeSet<_>>().into_iter().collect();
    println!("{} tests without a fault", names.len());
    let failed = on_all_cores(&names, |name| match tests.run(name, None)? {
        Ended::Well => Ok(()),
        Ended::Badly => Err(format!("`{name}` fails without a fault, so it cannot catch one")),
        Ended::TooLate => Err(format!("`{name}` takes longer than {} s without a fault", LIMIT.as_secs())),
    });
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// Does something for each item, on every core. Returns what went wrong, sorted.
fn on_all_cores<T: Sync>(items: &[T], act: impl Fn(&T) -> Result<(), String> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(problem) = act(item)
                        && let Ok(mut wrong) = wrong.lock()
                    {
                        wrong.push(problem);
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap_or_default();
    wrong.sort();
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once_and_what_went_wrong_is_told_in_order() {
        let done = AtomicUsize::new(0);
        let wrong = on_all_cores(&[3, 1, 4, 2], |item| {
            done.fetch_add(1, Ordering::Relaxed);
            if *item > 2 { Err(format!("{item} is too much")) } else { Ok(()) }
        });
        assert_eq!(done.into_inner(), 4);
        assert_eq!(wrong, ["3 is too much", "4 is too much"]);
    }

    #[test]
    fn test_binaries_are_found_among_the_messages_of_cargo() {
        let metadata = Metadata::load().unwrap();
        let core = metadata.packages.iter().find(|package| package.name == "supervisor-core").unwrap();
        let artifact = |target: &str, kind: &str, program: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"{}","executable":{program},"target":{{"name":"{target}","kind":["{kind}"]}}}}"#,
                core.id
            )
        };
        let messages = [
            artifact("supervisor_core", "lib", "null"),
            artifact("supervisor_core", "lib", r#""/t/core""#),
            artifact("budget", "test", r#""/t/budget""#),
            artifact("tool", "bin", r#""/t/tool""#),
            r#"{"reason":"build-finished","success":true}"#.into(),
        ];
        let found = binaries(&messages.join("\n"), &metadata).unwrap();
        let names: Vec<_> = found.keys().map(|(package, target)| format!("{package} {target}")).collect();
        assert_eq!(names, ["supervisor-core budget", "supervisor-core lib"]);
        assert!(found.values().all(|binary| binary.folder.ends_with("crates/core")));
    }
}
