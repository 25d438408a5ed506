//! `cargo xtask ci`: every other verb in order, with the time each part took and a limit on the whole.

use std::time::Duration;

use crate::Outcome;
use crate::shell::{self, Stopwatch};

/// The whole must fit into this; what is running when it has passed is killed.
const LIMIT: Duration = Duration::from_secs(75 * 60);

/// The verbs and arguments of each part.
const PARTS: &[&[&str]] = &[
    &["lint"],
    &["test"],
    &["test", "--release"],
    &["gen", "--check"],
    &["rules", "--check"],
    &["rules", "--planted", "--check"],
    &["examples"],
    &["sim", "--planted"],
    &["shuttle"],
    &["oracle"],
    &["soak", "--seconds", "60"],
    &["soak", "--seconds", "60", "--release"],
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
    let whole = Stopwatch::start();
    let mut parts = Vec::new();
    for arguments in PARTS {
        let name = arguments.join(" ");
        println!("\n── {name} ──");
        let mut command = shell::program(&this);
        command.args(*arguments);
        let part = Stopwatch::start();
        let end = shell::run_within(command, LIMIT.saturating_sub(whole.elapsed()));
        parts.push(Part { name, took: part.elapsed(), end });
    }
    print!("{}", table(&parts));
    verdict(&parts, whole.elapsed())
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
    fn more_than_75_minutes_is_a_failure_though_every_part_passed() {
        let parts = [part("test", 75 * 60, Ok(()))];
        assert_eq!(verdict(&parts, LIMIT), Ok(()));
        assert!(
            verdict(&parts, LIMIT + Duration::from_secs(1))
                .unwrap_err()
                .contains("75:01; the limit is 75:00")
        );
    }

    #[test]
    fn every_part_is_a_verb() {
        for arguments in PARTS {
            assert!(crate::VERBS.iter().any(|verb| verb.name == arguments[0]), "{arguments:?}");
        }
    }
}
