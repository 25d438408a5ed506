//! `cargo xtask test`: the test command.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::summary::{SKIP_REPORT, Summary};
use crate::{Outcome, shell, tools, ui};

/// What was asked for on the command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    release: bool,
    /// The tests of the dashboard, and no others.
    ui: bool,
    packages: Vec<String>,
    filter: Option<String>,
    pass_through: Vec<String>,
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut plan = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--release" => plan.release = true,
                "--ui" => plan.ui = true,
                "-p" | "--package" => {
                    let package = words.next().ok_or("`-p` wants the name of a package after it")?;
                    plan.packages.push(package.clone());
                }
                "--" => plan.pass_through = words.by_ref().cloned().collect(),
                flag if flag.starts_with('-') => {
                    return Err(format!(
                        "`cargo xtask test` does not know `{flag}`; flags for the tests go after `--`"
                    ));
                }
                filter => {
                    if let Some(first) = plan.filter.replace(filter.to_owned()) {
                        return Err(format!(
                            "only one filter is possible, but `{first}` and `{filter}` were given"
                        ));
                    }
                }
            }
        }
        if plan.ui && plan != (Self { ui: true, ..Self::default() }) {
            return Err("`--ui` runs the tests of the dashboard alone, so nothing goes with it".into());
        }
        Ok(plan)
    }

    fn cargo_arguments(&self) -> Vec<&str> {
        // One failing test binary must not hide what the others have to say.
        let mut arguments = vec!["test", "--no-fail-fast"];
        if self.packages.is_empty() {
            // What a feature adds is tested too.
            arguments.extend(["--workspace", "--all-features"]);
        }
        arguments.extend(self.packages.iter().flat_map(|package| ["-p", package]));
        if self.release {
            arguments.push("--release");
        }
        arguments.extend(self.filter.as_deref());
        if !self.pass_through.is_empty() {
            arguments.push("--");
            arguments.extend(self.pass_through.iter().map(String::as_str));
        }
        arguments
    }

    fn is_whole(&self) -> bool {
        self.packages.is_empty() && self.filter.is_none() && self.pass_through.is_empty()
    }

    /// The pages are the same with every build of the rest, so once is enough.
    fn has_ui(&self) -> bool {
        self.ui || (self.is_whole() && !self.release)
    }
}

/// The verb `test`.
pub(crate) fn test(arguments: &[String]) -> Outcome {
    let plan = Plan::parse(arguments)?;
    tools::set_up();
    let mut summary = Summary::default();
    let rust = if plan.ui { Ok(()) } else { rust(&plan, &mut summary) };
    let ui = if plan.has_ui() { ui::test(&mut summary) } else { Ok(()) };
    print!("{}", summary.closing());
    summary.verdict(rust.and(ui), is_ci(), plan.is_whole())
}

/// A test that is too long for the rest, by the command that runs it. That it does not run at all is a failure.
pub(crate) fn alone(command: Command) -> Outcome {
    let mut summary = Summary::default();
    let end = watched(command, &mut summary);
    print!("{}", summary.closing());
    summary.verdict(end, is_ci(), true)
}

/// The tests of the workspace. That some fail does not keep the dashboard's from being run.
fn rust(plan: &Plan, summary: &mut Summary) -> Outcome {
    watched(shell::cargo(plan.cargo_arguments()), summary)
}

/// Runs a command that runs tests, and counts them.
fn watched(mut command: Command, summary: &mut Summary) -> Outcome {
    let report = SkipReport::create()?;
    command.env(SKIP_REPORT, &report.path);
    let end = tee(command, &mut io::stdout(), |line| summary.line(line));
    summary.skips(&report.read()?);
    end
}

/// Whether a skipped test is a failure here.
pub(crate) fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Runs a command, shows its output as it comes, and hands each line on.
fn tee(mut command: Command, screen: &mut impl Write, mut each: impl FnMut(&str)) -> Outcome {
    let spoken = shell::spoken(&command);
    println!("$ {spoken}");
    let broken = |error: io::Error| format!("the output of `{spoken}` cannot be read: {error}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{spoken}` cannot be started: {error}"))?;
    let mut output = BufReader::new(child.stdout.take().expect("the output is piped"));
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).map_err(broken)? > 0 {
        screen.write_all(&line).map_err(|error| format!("cannot write to the terminal: {error}"))?;
        each(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait().map_err(broken)?;
    if status.success() { Ok(()) } else { Err(format!("`{spoken}` ended with {status}")) }
}

/// The file into which the tests of one run write their skips; it is removed with this value.
struct SkipReport {
    path: PathBuf,
}

impl SkipReport {
    fn create() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("tokio-supervisor-skips-{}", std::process::id()));
        // Made new, so that a link somebody left at this name is not followed.
        let _ = fs::remove_file(&path);
        let made = fs::OpenOptions::new().write(true).create_new(true).open(&path);
        made.map_err(|error| format!("{} cannot be made: {error}", path.display()))?;
        Ok(Self { path })
    }

    fn read(&self) -> Result<String, String> {
        fs::read_to_string(&self.path)
            .map_err(|error| format!("{} cannot be read: {error}", self.path.display()))
    }
}

impl Drop for SkipReport {
    fn drop(&mut self) {
        // A left-over file in the temporary folder harms nobody.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Plan, String> {
        Plan::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_arguments_the_whole_workspace_is_tested() {
        let plan = parse(&[]).unwrap();
        assert_eq!(plan.cargo_arguments(), ["test", "--no-fail-fast", "--workspace", "--all-features"]);
        assert!(plan.is_whole());
    }

    #[test]
    fn every_flag_reaches_cargo() {
        let plan = parse(&["--release", "-p", "a", "-p", "b", "r40", "--", "--nocapture"]).unwrap();
        let expected =
            ["test", "--no-fail-fast", "-p", "a", "-p", "b", "--release", "r40", "--", "--nocapture"];
        assert_eq!(plan.cargo_arguments(), expected);
        assert!(!plan.is_whole());
    }

    #[test]
    fn the_dashboard_is_tested_with_everything_once_and_alone_when_asked_for() {
        assert!(parse(&[]).unwrap().has_ui() && parse(&["--ui"]).unwrap().has_ui());
        assert!(!parse(&["--release"]).unwrap().has_ui() && !parse(&["-p", "a"]).unwrap().has_ui());
        assert!(parse(&["--ui", "r40"]).unwrap_err().contains("`--ui`"));
    }

    #[test]
    fn an_unknown_flag_a_second_filter_and_a_missing_package_are_refused() {
        assert!(parse(&["--relase"]).unwrap_err().contains("--relase"));
        assert!(parse(&["a", "b"]).unwrap_err().contains("only one filter"));
        assert!(parse(&["-p"]).unwrap_err().contains("name of a package"));
    }

    #[test]
    fn output_is_handed_on_line_by_line_and_a_bad_end_is_an_error() {
        let mut command = shell::program("sh");
        command.args(["-c", "echo one; printf two; exit 4"]);
        let (mut screen, mut lines) = (Vec::new(), Vec::new());
        let end = tee(command, &mut screen, |line| lines.push(line.to_owned()));
        assert_eq!(lines, ["one\n", "two"]);
        assert_eq!(screen, b"one\ntwo");
        assert!(end.unwrap_err().contains("exit status: 4"));
    }

    #[test]
    fn the_skip_report_holds_what_tests_append_and_goes_away() {
        let report = SkipReport::create().unwrap();
        fs::write(&report.path, "a: needs b; install with c\n").unwrap();
        assert_eq!(report.read().unwrap(), "a: needs b; install with c\n");
        let path = report.path.clone();
        drop(report);
        assert!(!path.exists());
    }
}
