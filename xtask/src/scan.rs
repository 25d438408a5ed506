//! Finds the tests of a Rust file and the rules that their names carry.
//!
//! It reads tokens, so it sees tests inside macros such as `proptest!`, and is not fooled by comments and strings.

use std::fmt;
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The number of a rule: `R40` of the reference behaviour, `D8` of our decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RuleId {
    /// A rule of the reference behaviour.
    R(u16),
    /// A decision of ours.
    D(u16),
}

impl FromStr for RuleId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        let rule = match text.split_at_checked(1) {
            Some(("R", digits)) => number(digits).map(Self::R),
            Some(("D", digits)) => number(digits).map(Self::D),
            _ => None,
        };
        rule.ok_or_else(|| format!("`{text}` is no rule; rules are written R40 or D8"))
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::R(number) | Self::D(number)) = self;
        let text = format!("{}{number}", if matches!(self, Self::R(_)) { 'R' } else { 'D' });
        f.pad(&text)
    }
}

/// One test function.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// An ignored test proves nothing in an ordinary run.
    pub(crate) ignored: bool,
}

impl Test {
    /// The rules that the name carries: `r40_r41_budget_of_d4` carries R40, R41 and D4.
    pub(crate) fn rules(&self) -> Vec<RuleId> {
        let parts = self.name.split('_').filter(|part| !part.starts_with(char::is_uppercase));
        parts.filter_map(|part| part.to_ascii_uppercase().parse().ok()).collect()
    }
}

/// The tests of a file: functions marked `#[test]`, `#[tokio::test]` (with or without arguments) or `#[rstest]`.
pub(crate) fn tests(tokens: &TokenStream) -> Vec<Test> {
    let mut found = Vec::new();
    let mut marks = Marks::default();
    let mut tokens = tokens.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(attribute)) = tokens.peek()
                    && attribute.delimiter() == Delimiter::Bracket
                {
                    marks.add(&attribute.stream());
                    tokens.next();
                }
            }
            TokenTree::Ident(word) if word == "fn" => {
                let marks = std::mem::take(&mut marks);
                if let Some(TokenTree::Ident(name)) = tokens.peek()
                    && marks.test
                {
                    found.push(Test {
                        name: name.to_string(),
                        line: name.span().start().line,
                        ignored: marks.ignored,
                    });
                }
            }
            // Words that stand between the attributes and `fn`.
            TokenTree::Ident(word)
                if ["pub", "async", "const", "extern"].contains(&word.to_string().as_str()) => {}
            TokenTree::Group(group) => {
                if group.delimiter() != Delimiter::Parenthesis {
                    marks = Marks::default();
                }
                found.extend(self::tests(&group.stream()));
            }
            _ => marks = Marks::default(),
        }
    }
    found
}

/// What the attributes before an item say.
#[derive(Default)]
struct Marks {
    test: bool,
    ignored: bool,
}

impl Marks {
    fn add(&mut self, attribute: &TokenStream) {
        match last_of_path(attribute).as_deref() {
            Some("test" | "rstest") => self.test = true,
            Some("ignore") => self.ignored = true,
            _ => {}
        }
    }
}

/// `test` of `tokio::test(start_paused = true)`.
fn last_of_path(attribute: &TokenStream) -> Option<String> {
    let mut last = None;
    for token in attribute.clone() {
        match token {
            TokenTree::Ident(word) => last = Some(word.to_string()),
            TokenTree::Punct(punct) if punct.as_char() == ':' => {}
            _ => break,
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source;

    fn names(text: &str) -> Vec<String> {
        tests(&source::tokens(text).unwrap()).into_iter().map(|test| test.name).collect()
    }

    fn rules(name: &str) -> Vec<String> {
        let test = Test { name: name.into(), line: 1, ignored: false };
        test.rules().iter().map(RuleId::to_string).collect()
    }

    #[test]
    fn every_kind_of_test_is_found() {
        let text = "
            #[test] fn plain() {}
            #[tokio::test] async fn of_tokio() {}
            #[tokio::test(start_paused = true)] pub(crate) async fn paused() {}
            #[rstest] #[case::zero(0)] #[case(1)] fn cases(#[case] n: u8) {}
            mod inner { #[test] #[should_panic(expected = \"x\")] fn nested() -> Result<(), String> { Ok(()) } }
            proptest! { #![proptest_config(c())] #[test] fn in_a_macro(n in 0..9u8) { } }
        ";
        assert_eq!(names(text), ["plain", "of_tokio", "paused", "cases", "nested", "in_a_macro"]);
    }

    #[test]
    fn what_only_looks_like_a_test_is_not_found() {
        let text = "
            // #[test] fn comment() {}
            const A: &str = \"#[test] fn string() {}\";
            #[cfg(test)] fn helper() {}
            #[test_helper] fn other() {}
            #[test] const B: u8 = 0; fn after_something_else() {}
            fn plain() {}
        ";
        assert_eq!(names(text), Vec::<String>::new());
    }

    #[test]
    fn an_ignored_test_is_marked_and_lines_are_counted() {
        let found =
            tests(&source::tokens("\n#[test]\n#[ignore = \"slow\"]\nfn a() {}\n#[test] fn b() {}").unwrap());
        assert_eq!(found[0], Test { name: "a".into(), line: 4, ignored: true });
        assert_eq!(found[1], Test { name: "b".into(), line: 5, ignored: false });
    }

    #[test]
    fn rules_are_parts_of_a_name_at_any_place() {
        assert_eq!(rules("r40_r41_budget_is_spent"), ["R40", "R41"]);
        assert_eq!(rules("d8_honest_stop"), ["D8"]);
        assert_eq!(rules("stop_is_honest_d8"), ["D8"]);
        assert_eq!(rules("walk_of_r1_to_the_end"), ["R1"]);
        assert_eq!(rules("r40x_card1_dr2_r_d_r01_R7"), Vec::<String>::new());
    }

    #[test]
    fn a_rule_is_written_as_letter_and_number() {
        assert_eq!("R118".parse(), Ok(RuleId::R(118)));
        assert_eq!("D8".parse(), Ok(RuleId::D(8)));
        for bad in ["", "R", "8", "R08", "R-1", "R+1", "r1", "X1", "R99999"] {
            assert!(bad.parse::<RuleId>().is_err(), "{bad}");
        }
    }
}
