//! Which rules of `semantics.md` the table has to cover.

use std::collections::BTreeSet;

use crate::model::Scenario;

/// Rules of sections 1.1 to 1.8 and 1.10 that OTP's `supervisor` cannot show, and why.
pub const NOT_SHOWN: &[(&str, &str)] = &[
    ("R5", "a supervisor's own init that declines: not built (section 0)"),
    ("R8", "unknown keys are an error of a file; a spec of ours has no keys"),
    ("R12", "`already started elsewhere`: not built (section 0)"),
    ("R13", "extra information of a start: not built (section 0)"),
    ("R60", "a child that detaches itself: not built (section 0)"),
    ("R75", "`which_child/2` is younger than Debian's OTP"),
    ("R76", "a note on memory"),
];

/// The rules that need a scenario: R1 to R84 (1.1-1.8), R93 to R95 (1.10), and the cells of the tables 1.2 and 1.7.
pub fn wanted() -> BTreeSet<String> {
    let numbers = (1..=84).chain(93..=95).map(|number| format!("R{number}"));
    let rules = numbers.filter(|rule| NOT_SHOWN.iter().all(|(not, _)| not != rule));
    let exits = ["normal", "shutdown", "shutdown:x", "error", "kill", "declined", "terminated", "group"];
    let ends = ["permanent", "transient", "temporary"].into_iter().flat_map(|restart| {
        exits
            .into_iter()
            // A temporary child has no restart that it could decline.
            .filter(move |exit| (restart, *exit) != ("temporary", "declined"))
            .map(move |exit| format!("1.2:{restart}:{exit}"))
    });
    let calls = ["start", "terminate", "restart", "delete", "get"].into_iter().flat_map(|call| {
        ["running", "stopped", "restarting", "unknown"]
            .into_iter()
            .map(move |state| format!("1.7:{call}:{state}"))
    });
    rules.chain(ends).chain(calls).collect()
}

/// What is wrong with the rules that a table names: some that are wanted and missing, some that nobody knows.
pub fn mistakes(table: &[Scenario]) -> Vec<String> {
    let wanted = wanted();
    let named: BTreeSet<String> = table.iter().flat_map(|scenario| scenario.rules.iter().cloned()).collect();
    let missing = wanted.difference(&named).map(|rule| format!("{rule} has no scenario"));
    let unknown =
        named.difference(&wanted).map(|rule| format!("{rule} is no rule that OTP's supervisor can show"));
    missing.chain(unknown).collect()
}
