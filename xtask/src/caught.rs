//! `xtask/caught.toml`: which test of a rule fails under which planted fault.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::str::FromStr;

use crate::faults::Faults;
use crate::scan::RuleId;
use crate::shell;

const FILE: &str = "xtask/caught.toml";

const HEAD: &str = "\
# Which test of a rule fails under which planted fault. Written by `cargo xtask rules --planted`.
#
#   [RULE]
#   FAULT = \"PACKAGE TARGET TEST\"
#
# `hangs` after the test: it is caught only because the test does not come to an end.
";

/// A test, as the planted build knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TestName {
    pub(crate) package: String,
    /// The name of the test's binary; `lib` for those inside the library.
    pub(crate) target: String,
    /// With its modules.
    pub(crate) test: String,
}

impl TestName {
    /// The name of the function.
    pub(crate) fn function(&self) -> &str {
        self.test.rsplit("::").next().unwrap_or(&self.test)
    }
}

impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.package, self.target, self.test)
    }
}

/// How a fault was caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Catch {
    pub(crate) by: TestName,
    pub(crate) hangs: bool,
}

impl fmt::Display for Catch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.by, if self.hangs { " hangs" } else { "" })
    }
}

impl FromStr for Catch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let (words, hangs) = match words.as_slice() {
            [words @ .., "hangs"] => (words, true),
            words => (words, false),
        };
        match *words {
            [package, target, test] => Ok(Self {
                by: TestName { package: package.into(), target: target.into(), test: test.into() },
                hangs,
            }),
            _ => Err(format!("`{text}` is no test; it is written `PACKAGE TARGET TEST`")),
        }
    }
}

/// What was caught: by rule, then by fault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Caught(pub(crate) BTreeMap<RuleId, BTreeMap<String, Catch>>);

impl Caught {
    /// Reads the file. Without one nothing was caught yet.
    pub(crate) fn load() -> Result<Self, String> {
        let path = shell::root().join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path).map_err(|error| format!("{FILE} cannot be read: {error}"))?;
        Self::parse(&text).map_err(|problem| format!("{FILE}: {problem}"))
    }

    pub(crate) fn save(&self) -> Result<(), String> {
        fs::write(shell::root().join(FILE), self.to_string())
            .map_err(|error| format!("{FILE} cannot be written: {error}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let lines: BTreeMap<String, BTreeMap<String, String>> =
            toml::from_str(text).map_err(|error| error.to_string())?;
        let mut caught = Self::default();
        for (rule, faults) in lines {
            let rule: RuleId = rule.parse()?;
            for (fault, by) in faults {
                caught.0.entry(rule).or_default().insert(fault, by.parse()?);
            }
        }
        Ok(caught)
    }

    pub(crate) fn of(&self, rule: RuleId) -> impl Iterator<Item = (&str, &Catch)> {
        self.0.get(&rule).into_iter().flatten().map(|(fault, catch)| (fault.as_str(), catch))
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (RuleId, &str, &Catch)> {
        self.0.iter().flat_map(|(rule, faults)| {
            faults.iter().map(move |(fault, catch)| (*rule, fault.as_str(), catch))
        })
    }

    pub(crate) fn add(&mut self, rule: RuleId, fault: &str, catch: Catch) {
        self.0.entry(rule).or_default().insert(fault.to_owned(), catch);
    }

    /// What no longer fits the catalogue and the tests that there are, and what the catalogue claims and nothing proves.
    pub(crate) fn problems(&self, faults: &Faults, exists: impl Fn(RuleId, &str) -> bool) -> Vec<String> {
        let mut problems = Vec::new();
        for (rule, name, catch) in self.pairs() {
            match faults.get(name) {
                None => problems.push(format!("{FILE}: {rule}: the catalogue has no fault `{name}`")),
                Some(fault) if !fault.breaks.contains(&rule) => {
                    problems
                        .push(format!("{FILE}: {rule}: the catalogue does not say that `{name}` breaks it"));
                }
                Some(_) if !exists(rule, catch.by.function()) => {
                    problems.push(format!(
                        "{FILE}: {rule}: there is no test `{}` of this rule",
                        catch.by.function()
                    ));
                }
                Some(_) => {}
            }
        }
        for (name, fault) in faults {
            let unproved = fault.breaks.iter().filter(|rule| self.of(**rule).all(|(other, _)| other != name));
            problems.extend(unproved.map(|rule| not_caught(*rule, name)));
        }
        problems
    }
}

/// The sentence for a fault that a rule's tests do not see.
fn not_caught(rule: RuleId, fault: &str) -> String {
    format!(
        "no test of {rule} is known to fail under the fault `{fault}`; make one fail, or say no longer that it breaks \
         {rule}, then run `cargo xtask rules --planted`"
    )
}

impl fmt::Display for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        for (rule, faults) in &self.0 {
            write!(f, "\n[{rule}]\n")?;
            for (fault, catch) in faults {
                writeln!(f, "{fault} = \"{catch}\"")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Fault;

    fn caught() -> Caught {
        let mut caught = Caught::default();
        caught.add(RuleId::D(2), "one", "supervisor-core lib budget::tests::d2_a".parse().unwrap());
        caught.add(RuleId::R(40), "one", "supervisor-core budget r40_b hangs".parse().unwrap());
        caught
    }

    fn faults(breaks: &[RuleId]) -> Faults {
        Faults::from([("one".into(), Fault { wrong: "It is.".into(), breaks: breaks.to_vec() })])
    }

    #[test]
    fn what_is_written_is_read_again_and_a_hang_is_kept() {
        let text = caught().to_string();
        assert_eq!(Caught::parse(&text).unwrap(), caught());
        assert!(text.contains("[R40]\none = \"supervisor-core budget r40_b hangs\"\n"), "{text}");
    }

    #[test]
    fn entries_that_fit_are_no_problem() {
        let problems = caught().problems(&faults(&[RuleId::D(2), RuleId::R(40)]), |_, _| true);
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn a_fault_a_claim_and_a_test_that_are_gone_are_problems() {
        let problems = caught().problems(&Faults::new(), |_, _| true);
        assert!(problems[0].contains("R40: the catalogue has no fault `one`"), "{problems:?}");
        let problems = caught().problems(&faults(&[RuleId::D(2)]), |_, _| true);
        assert!(problems[0].contains("does not say that `one` breaks it"), "{problems:?}");
        let both = faults(&[RuleId::D(2), RuleId::R(40)]);
        let problems = caught().problems(&both, |rule, test| (rule, test) != (RuleId::D(2), "d2_a"));
        assert!(problems[0].contains("D2: there is no test `d2_a`"), "{problems:?}");
    }

    #[test]
    fn a_claim_that_nothing_proves_is_a_problem() {
        let problems = caught().problems(&faults(&[RuleId::D(2), RuleId::R(40), RuleId::R(1)]), |_, _| true);
        assert_eq!(problems, [not_caught(RuleId::R(1), "one")]);
    }

    #[test]
    fn a_line_that_names_no_test_is_refused() {
        assert!(Caught::parse("[R1]\none = 'x'").unwrap_err().contains("`x` is no test"));
        assert!(Caught::parse("[X1]\none = 'a b c'").unwrap_err().contains("`X1` is no rule"));
    }
}
