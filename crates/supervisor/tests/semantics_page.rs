//! The page of rules has the number of every rule.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/semantics.md");
const RULES: &str = include_str!("../../../xtask/rules.toml");

fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix(['R', 'D']);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[test]
fn the_page_has_every_rule_and_no_number_that_is_none() {
    let rules = RULES.lines().filter_map(|line| line.split_once(" = ")).map(|(number, _)| number);
    let rules: BTreeSet<&str> = rules.filter(|number| is_number(number)).collect();
    assert!(rules.contains("R1") && rules.contains("D23"));
    let words = PAGE.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| is_number(word));
    let told: BTreeSet<&str> = words.collect();
    assert_eq!(told, rules);
}
