//! What comes of a scenario that was played on both sides.

use std::fmt::Write as _;

use crate::model::{Scenario, Side, Trace};
use crate::text;

/// How the two sides compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Both are as the table says, and the same.
    Agree,
    /// Both are as the table says, and differ by a decision.
    Decided,
    /// Anything else; the text says what, step by step.
    Differ(String),
}

/// Compares a scenario of the table: each side with what is written, and so with the other.
pub fn of_table(scenario: &Scenario, otp: Option<&Result<Trace, String>>, ours: &Trace) -> Verdict {
    let mut story = String::new();
    tell_differences(
        &mut story,
        scenario,
        "the table says for ours",
        &scenario.expected(Side::Ours),
        "ours was",
        ours,
    );
    match otp {
        Some(Ok(otp)) => {
            let expected = scenario.expected(Side::Otp);
            tell_differences(&mut story, scenario, "the table says for OTP", &expected, "OTP was", otp);
        }
        Some(Err(problem)) => {
            let _ = writeln!(story, "  {problem}");
        }
        None => {}
    }
    let sides_differ =
        !scenario.differing(&scenario.expected(Side::Otp), &scenario.expected(Side::Ours)).is_empty();
    match (&scenario.decided, sides_differ) {
        (None, true) => story.push_str("  the sides differ and no decision is cited\n"),
        (Some(_), false) => story.push_str("  a decision is cited, but the sides do not differ\n"),
        _ => {}
    }
    match (story.is_empty(), sides_differ) {
        (true, false) => Verdict::Agree,
        (true, true) => Verdict::Decided,
        _ => Verdict::Differ(story),
    }
}

/// Compares the two sides of a random scenario.
pub fn of_random(scenario: &Scenario, otp: &Result<Trace, String>, ours: &Trace) -> Verdict {
    match otp {
        Ok(otp) => {
            let mut story = String::new();
            tell_differences(&mut story, scenario, "OTP", otp, "ours", ours);
            if story.is_empty() { Verdict::Agree } else { Verdict::Differ(story) }
        }
        Err(problem) => Verdict::Differ(format!("  {problem}\n")),
    }
}

fn tell_differences(
    out: &mut String,
    scenario: &Scenario,
    one: &str,
    first: &Trace,
    other: &str,
    second: &Trace,
) {
    for at in scenario.differing(first, second) {
        let lines = |trace: &Trace| trace.get(at).map_or("nothing".to_owned(), |lines| lines.join(" | "));
        let _ = writeln!(out, "  > {}", text::say_step(&scenario.steps[at]));
        let _ = writeln!(out, "    {one}: {}", lines(first));
        let _ = writeln!(out, "    {other}: {}", lines(second));
    }
}
