//! `cargo xtask rules`: the index from each rule of supervision to the tests that prove it.
//!
//! The rules are listed in `xtask/rules.toml`. A test proves a rule by carrying its number in its name, and by failing
//! when a fault is planted that breaks the rule: `--planted` tries each fault of the catalogue on the tests of each
//! rule that it breaks and notes in `xtask/caught.toml` who caught it; `--planted --check` tries the noted ones again.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;

use crate::caught::Caught;
use crate::faults::{self, Faults};
use crate::scan::{self, RuleId, Test};
use crate::{Outcome, planted, shell, source};

/// One line of `rules.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    title: String,
    /// Why the rule does not apply to us.
    not: Option<String>,
    /// The decision whose tests also prove this rule.
    supports: Option<String>,
}

/// A test, with the file it stands in.
#[derive(Debug)]
struct Found {
    file: String,
    test: Test,
}

struct Index {
    rules: BTreeMap<RuleId, Rule>,
    tests: BTreeMap<RuleId, Vec<Found>>,
    faults: Faults,
    caught: Caught,
}

/// What the index knows about one rule.
#[derive(Debug, PartialEq, Eq)]
enum Proof {
    Tests,
    Supports(RuleId),
    DoesNotApply,
    Missing,
}

/// What was asked for on the command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    planted: bool,
    check: bool,
}

impl Asked {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut asked = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--planted" => asked.planted = true,
                "--check" => asked.check = true,
                other => {
                    return Err(format!(
                        "`cargo xtask rules` takes `--planted` and `--check`, but was given `{other}`"
                    ));
                }
            }
        }
        Ok(asked)
    }
}

/// The verb `rules`. With `--check` only what is wrong is printed.
pub(crate) fn rules(arguments: &[String]) -> Outcome {
    let asked = Asked::parse(arguments)?;
    let text = fs::read_to_string(shell::root().join("xtask/rules.toml"))
        .map_err(|error| format!("xtask/rules.toml cannot be read: {error}"))?;
    let found = source::all()?.into_iter().flat_map(|source| {
        let file = source.path;
        scan::tests(&source.tokens).into_iter().map(move |test| Found { file: file.clone(), test })
    });
    let (faults, caught) = (faults::load()?, Caught::load()?);
    let caught = if asked.planted && !asked.check { planted::catch_all(&faults, &caught)? } else { caught };
    let index = Index::new(parse(&text)?, found, faults, caught);
    if !asked.check {
        print!("{}", index.listing());
    }
    println!("{}", index.totals());
    let problems = index.problems();
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    if asked.planted && asked.check { planted::check(&index.caught) } else { Ok(()) }
}

/// Reads `rules.toml`. The numbers of each letter must be without a gap, or a rule could be lost in silence.
fn parse(text: &str) -> Result<BTreeMap<RuleId, Rule>, String> {
    let lines: BTreeMap<String, Rule> =
        toml::from_str(text).map_err(|error| format!("xtask/rules.toml: {error}"))?;
    let mut rules = BTreeMap::new();
    for (key, rule) in lines {
        let id: RuleId = key.parse().map_err(|problem| format!("xtask/rules.toml: {problem}"))?;
        if rule.not.is_some() && rule.supports.is_some() {
            return Err(format!(
                "xtask/rules.toml: {id} has both `not` and `supports`; it either applies or not"
            ));
        }
        rules.insert(id, rule);
    }
    for (id, rule) in &rules {
        let before = match *id {
            RuleId::R(number) => RuleId::R(number - 1),
            RuleId::D(number) => RuleId::D(number - 1),
        };
        if !matches!(before, RuleId::R(0) | RuleId::D(0)) && !rules.contains_key(&before) {
            return Err(format!("xtask/rules.toml: {before} is missing, though {id} is there"));
        }
        if let Some(other) = &rule.supports {
            let known = other.parse().is_ok_and(|other| rules.contains_key(&other));
            if !known {
                return Err(format!(
                    "xtask/rules.toml: {id} supports `{other}`, which is no rule of the list"
                ));
            }
        }
    }
    Ok(rules)
}

impl Index {
    fn new(
        rules: BTreeMap<RuleId, Rule>,
        found: impl Iterator<Item = Found>,
        faults: Faults,
        caught: Caught,
    ) -> Self {
        let mut tests: BTreeMap<RuleId, Vec<Found>> = BTreeMap::new();
        for Found { file, test } in found {
            for id in test.rules() {
                let test = Test { name: test.name.clone(), ..test };
                tests.entry(id).or_default().push(Found { file: file.clone(), test });
            }
        }
        Self { rules, tests, faults, caught }
    }

    /// Whether a test that really runs carries the number.
    fn has_test(&self, id: RuleId) -> bool {
        self.tests.get(&id).is_some_and(|tests| tests.iter().any(|found| !found.test.ignored))
    }

    /// Whether one of its tests is known to fail when the rule is broken.
    fn catches(&self, id: RuleId) -> bool {
        self.caught.of(id).next().is_some()
    }

    fn proof(&self, id: RuleId, rule: &Rule) -> Proof {
        if self.has_test(id) {
            return Proof::Tests;
        }
        if rule.not.is_some() {
            return Proof::DoesNotApply;
        }
        match rule.supports.as_ref().and_then(|other| other.parse().ok()) {
            Some(other) if self.has_test(other) => Proof::Supports(other),
            _ => Proof::Missing,
        }
    }

    fn listing(&self) -> String {
        let mut text = String::new();
        for (id, rule) in &self.rules {
            text += &format!("{id:<5} {}\n", rule.title);
            for found in self.tests.get(id).into_iter().flatten() {
                let ignored = if found.test.ignored { " (ignored: proves nothing)" } else { "" };
                text += &format!("      {}:{} {}{ignored}\n", found.file, found.test.line, found.test.name);
            }
            for (fault, catch) in self.caught.of(*id) {
                let wrong = self.faults.get(fault).map_or("", |fault| &fault.wrong);
                let hangs = if catch.hangs { ", which then hangs" } else { "" };
                text += &format!("      fault {fault}: {wrong}\n");
                text += &format!("        caught by {}{hangs}\n", catch.by.function());
            }
            match self.proof(*id, rule) {
                Proof::Tests if !self.catches(*id) => text += "      NO FAULT\n",
                Proof::Tests => {}
                Proof::Supports(other) => text += &format!("      proved by the tests of {other}\n"),
                Proof::DoesNotApply => {
                    text += &format!("      does not apply: {}\n", rule.not.as_deref().unwrap_or_default());
                }
                Proof::Missing => text += "      NO TEST\n",
            }
        }
        text
    }

    fn totals(&self) -> String {
        let proofs: Vec<_> = self.rules.iter().map(|(id, rule)| self.proof(*id, rule)).collect();
        let count = |wanted: fn(&Proof) -> bool| proofs.iter().filter(|proof| wanted(proof)).count();
        format!(
            "rules: {} in all; {} with tests, {} proved by the tests of a decision, {} do not apply, {} without a test; \
             faults: {} in all, {} rules with one that is caught",
            proofs.len(),
            count(|proof| *proof == Proof::Tests),
            count(|proof| matches!(proof, Proof::Supports(_))),
            count(|proof| *proof == Proof::DoesNotApply),
            count(|proof| *proof == Proof::Missing),
            self.faults.len(),
            self.rules.keys().filter(|id| self.catches(**id)).count(),
        )
    }

    fn problems(&self) -> Vec<String> {
        let missing = self.rules.iter().filter(|(id, rule)| self.proof(**id, rule) == Proof::Missing);
        let missing = missing.map(|(id, rule)| format!("{id} has no test that runs: {}", rule.title));
        let unknown = self.tests.iter().filter(|(id, _)| !self.rules.contains_key(id));
        let unknown = unknown.flat_map(|(id, tests)| tests.iter().map(move |found| (id, found)));
        let unknown = unknown.map(|(id, Found { file, test })| {
            format!("{file}:{}: `{}` names {id}, which is not in xtask/rules.toml", test.line, test.name)
        });
        let blind = self.rules.iter().filter(|(id, rule)| self.proof(**id, rule) == Proof::Tests);
        let blind = blind.filter(|(id, _)| !self.catches(**id));
        let blind = blind.map(|(id, rule)| {
            format!(
                "{id} has no planted fault that its tests catch, so it counts as untested: {}; plant one in {}",
                rule.title,
                faults::CATALOGUE
            )
        });
        let runs = |id, name: &str| {
            let mut tests = self.tests.get(&id).into_iter().flatten();
            tests.any(|found| found.test.name == name && !found.test.ignored)
        };
        missing.chain(unknown).chain(blind).chain(self.caught.problems(&self.faults, runs)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Fault;

    const RULES: &str = r#"
        R1 = { title = "in order" }
        R2 = { title = "of another world", not = "we have no such thing" }
        R3 = { title = "like ours", supports = "D1" }
        D1 = { title = "ours" }
    "#;

    /// An index in which every test catches a fault named after its rule.
    fn index(rules: &str, tests: &str) -> Index {
        let tests = scan::tests(&source::tokens(tests).unwrap());
        let (mut faults, mut caught) = (Faults::new(), Caught::default());
        for test in &tests {
            for rule in test.rules() {
                let name = format!("fault_of_{rule}");
                let by = format!("supervisor-core lib tests::{}", test.name).parse().unwrap();
                caught.add(rule, &name, by);
                faults.insert(name, Fault { wrong: "It is wrong.".into(), breaks: vec![rule] });
            }
        }
        let found = tests.into_iter().map(|test| Found { file: "a.rs".into(), test });
        Index::new(parse(rules).unwrap(), found, faults, caught)
    }

    const ALL: &str = "#[test] fn r1_a() {} #[test] fn d1_b() {}";

    #[test]
    fn an_index_with_every_test_has_no_problem() {
        let index = index(RULES, ALL);
        assert_eq!(index.problems(), Vec::<String>::new());
        let expected = "rules: 4 in all; 2 with tests, 1 proved by the tests of a decision, 1 do not apply, 0 without a test; \
             faults: 2 in all, 2 rules with one that is caught";
        assert_eq!(index.totals(), expected);
    }

    #[test]
    fn a_rule_without_a_test_is_a_problem() {
        let problems = index(RULES, "#[test] fn d1_b() {}").problems();
        assert_eq!(problems, ["R1 has no test that runs: in order"]);
    }

    #[test]
    fn an_ignored_test_is_not_enough() {
        let problems = index(RULES, "#[test] #[ignore] fn r1_a() {} #[test] fn d1_b() {}").problems();
        assert_eq!(problems[0], "R1 has no test that runs: in order");
        assert!(problems[1].contains("R1: there is no test `r1_a` of this rule"), "{problems:?}");
    }

    #[test]
    fn a_rule_whose_tests_catch_no_fault_is_a_problem_and_is_shown_as_one() {
        let mut index = index(RULES, ALL);
        index.caught.0.remove(&RuleId::D(1));
        index.faults.remove("fault_of_D1");
        let problems = index.problems();
        assert!(problems[0].starts_with("D1 has no planted fault that its tests catch"), "{problems:?}");
        assert_eq!(problems.len(), 1);
        assert!(index.listing().ends_with("a.rs:1 d1_b\n      NO FAULT\n"), "{}", index.listing());
    }

    #[test]
    fn a_fault_that_nobody_catches_is_a_problem() {
        let mut index = index(RULES, ALL);
        index.faults.insert("other".into(), Fault { wrong: String::new(), breaks: vec![RuleId::R(1)] });
        let problems = index.problems();
        assert!(
            problems[0].starts_with("no test of R1 is known to fail under the fault `other`"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_rule_that_supports_a_decision_falls_with_it_unless_it_has_a_test_of_its_own() {
        let problems = index(RULES, "#[test] fn r1_a() {}").problems();
        assert_eq!(problems, ["R3 has no test that runs: like ours", "D1 has no test that runs: ours"]);
        let problems = index(RULES, "#[test] fn r1_r3_a() {}").problems();
        assert_eq!(problems, ["D1 has no test that runs: ours"]);
    }

    #[test]
    fn a_test_of_an_unknown_rule_is_a_problem_with_its_place() {
        let problems = index(RULES, &format!("{ALL}\n#[test] fn r9_c() {{}}")).problems();
        assert_eq!(problems, ["a.rs:2: `r9_c` names R9, which is not in xtask/rules.toml"]);
    }

    #[test]
    fn the_listing_shows_tests_faults_reasons_and_gaps() {
        let text = index(RULES, "#[test] fn d1_b() {}").listing();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let expected = [
            "R1    in order",
            "NO TEST",
            "R2    of another world",
            "does not apply: we have no such thing",
            "R3    like ours",
            "proved by the tests of D1",
            "D1    ours",
            "a.rs:1 d1_b",
            "fault fault_of_D1: It is wrong.",
            "caught by d1_b",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn only_the_two_flags_are_taken() {
        let parse =
            |words: &[&str]| Asked::parse(&words.iter().map(|word| word.to_string()).collect::<Vec<_>>());
        assert_eq!(parse(&[]), Ok(Asked::default()));
        assert_eq!(parse(&["--check", "--planted"]), Ok(Asked { planted: true, check: true }));
        assert!(parse(&["--plantd"]).unwrap_err().contains("--plantd"));
    }

    #[test]
    fn a_gap_a_double_word_and_an_unknown_decision_are_refused() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert!(refused("R1 = { title = 'a' }\nR3 = { title = 'b' }").contains("R2 is missing"));
        assert!(
            refused("R1 = { title = 'a', not = 'b', supports = 'R1' }").contains("both `not` and `supports`")
        );
        assert!(refused("R1 = { title = 'a', supports = 'D7' }").contains("supports `D7`"));
        assert!(refused("R1 = { title = 'a', nto = 'b' }").contains("nto"));
        assert!(refused("Q1 = { title = 'a' }").contains("`Q1` is no rule"));
    }

    #[test]
    fn our_own_list_holds_every_rule() {
        let text = fs::read_to_string(shell::root().join("xtask/rules.toml")).unwrap();
        let rules = parse(&text).unwrap();
        assert_eq!(rules.len(), 118 + 23);
        assert!(rules.contains_key(&RuleId::R(118)) && rules.contains_key(&RuleId::D(23)));
    }
}
