//! The catalogue of planted faults, read from its source, so that nothing has to be built to know it.

use std::collections::BTreeMap;
use std::fs;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::scan::RuleId;
use crate::{shell, source};

/// Where the catalogue stands.
pub(crate) const CATALOGUE: &str = "crates/core/src/faults/catalogue.rs";

/// What a line of the catalogue says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) wrong: String,
    pub(crate) breaks: Vec<RuleId>,
}

/// Every fault by its name.
pub(crate) type Faults = BTreeMap<String, Fault>;

/// Reads the catalogue.
pub(crate) fn load() -> Result<Faults, String> {
    let text = fs::read_to_string(shell::root().join(CATALOGUE))
        .map_err(|error| format!("{CATALOGUE} cannot be read: {error}"))?;
    let tokens = source::tokens(&text).map_err(|problem| format!("{CATALOGUE}{problem}"))?;
    parse(&tokens).map_err(|problem| format!("{CATALOGUE}:{problem}"))
}

/// Reads the lines between the braces of `catalogue! { … }`. An error starts with the number of a line.
fn parse(tokens: &TokenStream) -> Result<Faults, String> {
    let all: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let body = all.windows(3).find_map(|window| match window {
        [TokenTree::Ident(name), TokenTree::Punct(call), TokenTree::Group(body)]
            if name == "catalogue" && call.as_char() == '!' =>
        {
            Some(body.stream())
        }
        _ => None,
    });
    let body: Vec<TokenTree> = body.ok_or("1: there is no `catalogue! { … }`")?.into_iter().collect();
    let mut faults = Faults::new();
    for line in body.split(|token| matches!(token, TokenTree::Punct(end) if end.as_char() == ';')) {
        let Some(first) = line.first() else { continue };
        let place = first.span().start().line;
        let (name, fault) = parse_line(line).map_err(|problem| format!("{place}: {problem}"))?;
        if faults.insert(name.clone(), fault).is_some() {
            return Err(format!("{place}: the fault `{name}` stands here a second time"));
        }
    }
    Ok(faults)
}

/// `name: "what is wrong", breaks [R1, D2]`, and what follows for the simulator.
fn parse_line(line: &[TokenTree]) -> Result<(String, Fault), String> {
    match line {
        [
            TokenTree::Ident(name),
            TokenTree::Punct(_),
            TokenTree::Literal(wrong),
            TokenTree::Punct(_),
            TokenTree::Ident(breaks),
            TokenTree::Group(rules),
            ..,
        ] if breaks == "breaks" && rules.delimiter() == Delimiter::Bracket => {
            let rules = rules.stream().into_iter().filter(|token| !matches!(token, TokenTree::Punct(_)));
            let breaks = rules.map(|rule| rule.to_string().parse()).collect::<Result<_, _>>()?;
            let wrong = wrong.to_string().trim_matches('"').to_owned();
            Ok((name.to_string(), Fault { wrong, breaks }))
        }
        _ => Err("a fault is written `name: \"what is wrong\", breaks [R1, D2], …;`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Faults, String> {
        parse(&source::tokens(text).unwrap())
    }

    #[test]
    fn a_line_gives_name_sentence_and_rules() {
        let faults = read(
            "macro_rules! catalogue { ($a:ident) => {}; }
             catalogue! {
                 // Budget.
                 one: \"It is wrong.\", breaks [R1, D2], found by [7] within 100;
                 two: \"It is too.\", breaks [R3];
             }",
        )
        .unwrap();
        assert_eq!(faults.len(), 2);
        assert_eq!(
            faults["one"],
            Fault { wrong: "It is wrong.".into(), breaks: vec![RuleId::R(1), RuleId::D(2)] }
        );
        assert_eq!(faults["two"].breaks, [RuleId::R(3)]);
    }

    #[test]
    fn a_line_that_is_none_is_refused_with_its_place() {
        let refused = |line: &str| read(&format!("catalogue! {{\n{line}\n}}")).unwrap_err();
        assert!(refused("one: breaks [R1];").starts_with("2: a fault is written"));
        assert!(refused("one: \"a\", breaks [X1];").contains("`X1` is no rule"));
        assert!(refused("a: \"a\", breaks [R1];\na: \"b\", breaks [R1];").starts_with("3: the fault `a`"));
        assert!(read("fn other() {}").unwrap_err().contains("no `catalogue!"));
    }

    #[test]
    fn our_own_catalogue_can_be_read() {
        assert!(load().unwrap().len() >= 20);
    }
}
