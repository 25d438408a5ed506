//! `cargo xtask ci`: every other verb in order, with the time each part took and a limit on the whole.
//!
//! What a part prints goes into a file. Here are its last line and, when it fails, the lines that say why: a record of
//! a run is often cut, and what failed must not be in what was cut.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::shell::{self, Stopwatch};

/// The whole must fit into this; what is running when it has passed is killed.
const LIMIT: Duration = Duration::from_secs(85 * 60);

/// The verbs and arguments of each part.
const PARTS: &[&[&str]] = &[
    &["lint"],
    &["test"],
    &["test", "--release"],
    &["gen", "--check"],
    &["rules", "--check"],
    &["keys", "--check"],
    &["rules", "--planted", "--check"],
    &["examples"],
    &["sim", "--planted"],
    &["sim", "--minutes", "8"],
    &["sim", "--changes", "--seeds", "600000"],
    &["shuttle"],
    &["oracle"],
    &["soak", "--seconds", "60"],
    &["soak", "--seconds", "60", "--release"],
    &["servers"],
];

struct Part {
    name: String,
    took: Duration,
    end: Outcome,
}

/// The verb `ci`. A part that fails does not stop the next: one run tells everything that is wrong.
pub(crate) fn ci(_: &[String]) -> Outcome {
    let this =
        std::env::current_exe().map_err(|error| format!("this program cannot find itself: {error}"))?;
    let logs = shell::target().join("ci");
    fs::create_dir_all(&logs).map_err(|error| format!("{} cannot be made: {error}", logs.display()))?;
    let whole = Stopwatch::start();
    let mut parts = Vec::new();
    for arguments in PARTS {
        let name = arguments.join(" ");
        let log = logs.join(format!("{}.log", arguments.concat()));
        println!("\n── {name} ── in full in {}", log.display());
        let mut command = shell::program(&this);
        command.args(*arguments);
        let part = Stopwatch::start();
        let end = run_into(&log, command, LIMIT.saturating_sub(whole.elapsed()));
        let took = part.elapsed();
        println!("{}room on the disk: {}", told(&printed(&log)?, &end, took), shell::room(&logs));
        parts.push(Part { name, took, end });
    }
    print!("{}", table(&parts));
    verdict(&parts, whole.elapsed())
}

/// Runs a command within a limit; what it prints, on both of its outputs, goes into a file.
fn run_into(log: &Path, mut command: Command, limit: Duration) -> Outcome {
    let broken = |error| format!("{} cannot be written: {error}", log.display());
    let file = File::create(log).map_err(broken)?;
    command.stdout(file.try_clone().map_err(broken)?).stderr(file);
    shell::run_within(command, limit)
}

fn printed(log: &PathBuf) -> Result<String, String> {
    let bytes = fs::read(log).map_err(|error| format!("{} cannot be read: {error}", log.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How a part ended: its last line, and of one that failed also where it went wrong.
fn told(printed: &str, end: &Outcome, took: Duration) -> String {
    let Err(problem) = end else {
        let last = printed.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it printed nothing");
        return format!("{last}\nok after {}\n", clock(took));
    };
    format!("{}FAILED after {}: {problem}\n", excerpt(printed), clock(took))
}

/// How many of the lines that speak of a failure are shown, and how many of the last.
const TELLING: usize = 60;
const LAST: usize = 40;

/// What begins a line, behind white space, or stands in it, when something is wrong.
const TELLING_STARTS: &[&str] = &["error", "NOT ", "not ", "FAIL", "----", "assertion", "left:", "right:"];
const TELLING_WORDS: &[&str] = &[
    "panicked at",
    "FAILED",
    "NOT FOUND",
    "broken",
    "violat",
    "differ=",
    "could not",
    "cannot",
    "was still",
];

/// The lines that speak of a failure, each with the one after it, and the last lines.
fn excerpt(printed: &str) -> String {
    let lines: Vec<_> = printed.lines().collect();
    let end = lines.len().saturating_sub(LAST);
    let mut shown = 0;
    let mut text = String::new();
    let mut follows = false;
    for (number, line) in lines[..end].iter().enumerate() {
        let telling = is_telling(line);
        if (telling || follows) && shown < TELLING {
            text += &format!("{:>6}: {line}\n", number + 1);
            shown += 1;
        }
        follows = telling;
    }
    for (number, line) in lines.iter().enumerate().skip(end) {
        text += &format!("{:>6}: {line}\n", number + 1);
    }
    text
}

fn is_telling(line: &str) -> bool {
    // The name of a test that passed may speak of anything.
    if line.ends_with(" ... ok") {
        return false;
    }
    let start = line.trim_start();
    TELLING_STARTS.iter().any(|word| start.starts_with(word))
        || TELLING_WORDS.iter().any(|word| line.contains(word))
}

fn table(parts: &[Part]) -> String {
    let mut text = String::from("\npart                            time\n");
    for part in parts {
        let word = if part.end.is_ok() { "ok" } else { "FAILED" };
        text += &format!("{:<28} {:>7}  {word}\n", part.name, clock(part.took));
    }
    text + &format!("{:<28} {:>7}\n", "total", clock(parts.iter().map(|part| part.took).sum()))
}

fn verdict(parts: &[Part], total: Duration) -> Outcome {
    let failed: Vec<_> =
        parts.iter().filter_map(|part| part.end.as_ref().err().map(|_| part.name.as_str())).collect();
    if !failed.is_empty() {
        return Err(format!("failed: {}; run the part alone with `cargo xtask PART`", failed.join(", ")));
    }
    if total > LIMIT {
        return Err(format!("everything passed, but took {}; the limit is {}", clock(total), clock(LIMIT)));
    }
    Ok(())
}

/// Minutes and seconds.
fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, seconds: u64, end: Outcome) -> Part {
        Part { name: name.into(), took: Duration::from_secs(seconds), end }
    }

    #[test]
    fn the_table_shows_each_part_its_time_and_its_end() {
        let text = table(&[part("lint", 65, Ok(())), part("test", 600, Err("no".into()))]);
        let rows: Vec<Vec<_>> = text.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            rows,
            [vec!["lint", "1:05", "ok"], vec!["test", "10:00", "FAILED"], vec!["total", "11:05"]]
        );
    }

    #[test]
    fn one_failed_part_fails_the_whole_and_is_named() {
        let parts = [part("lint", 1, Ok(())), part("test", 1, Err("no".into()))];
        assert!(verdict(&parts, Duration::from_secs(2)).unwrap_err().starts_with("failed: test;"));
    }

    #[test]
    fn a_run_over_the_limit_is_a_failure_though_every_part_passed() {
        let parts = [part("test", 75 * 60, Ok(()))];
        assert_eq!(verdict(&parts, LIMIT), Ok(()));
        let over = LIMIT + Duration::from_secs(1);
        let said = format!("{}; the limit is {}", clock(over), clock(LIMIT));
        assert!(verdict(&parts, over).unwrap_err().contains(&said));
    }

    #[test]
    fn a_part_that_passes_is_told_in_its_last_line() {
        let text = told("Compiling a\ntests: 3 passed\n\n", &Ok(()), Duration::from_secs(61));
        assert_eq!(text, "tests: 3 passed\nok after 1:01\n");
        assert!(told("", &Ok(()), Duration::ZERO).starts_with("it printed nothing"));
    }

    #[test]
    fn a_part_that_fails_shows_where_it_went_wrong_however_much_it_printed_after() {
        let noise = |count: usize| "test what_is_broken_is_said ... ok\n".repeat(count);
        let printed = format!(
            "{}thread 'b' panicked at src/b.rs:1:2:\nthe reason\n{}the end\n",
            noise(500),
            noise(500)
        );
        let text = told(&printed, &Err("it ended with exit code 1".into()), Duration::from_secs(5));
        let first = text.lines().next().unwrap_or_default();
        assert_eq!(first, "   501: thread 'b' panicked at src/b.rs:1:2:");
        assert!(text.contains("502: the reason\n"), "{text}");
        assert!(text.ends_with("the end\nFAILED after 0:05: it ended with exit code 1\n"), "{text}");
        assert_eq!(text.lines().count(), 2 + LAST + 1);
    }

    #[test]
    fn what_is_shown_of_a_failure_has_a_bound() {
        let printed = "error: no\n".repeat(10_000);
        assert_eq!(excerpt(&printed).lines().count(), TELLING + LAST);
    }

    #[test]
    fn what_a_part_prints_on_either_output_is_in_its_file() {
        let log = std::env::temp_dir().join(format!("xtask-ci-{}.log", std::process::id()));
        let mut command = shell::program("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let end = run_into(&log, command, Duration::from_secs(60));
        let text = printed(&log).unwrap();
        fs::remove_file(&log).unwrap();
        assert_eq!(text, "one\ntwo\n");
        assert!(end.unwrap_err().contains("exit code 3"));
    }

    #[test]
    fn every_part_is_a_verb() {
        for arguments in PARTS {
            assert!(crate::VERBS.iter().any(|verb| verb.name == arguments[0]), "{arguments:?}");
        }
    }
}
