//! `unsafe` stands in one named folder and nowhere else.
//!
//! A lint cannot say this: what one attribute denies another may allow. So we look at the tokens of every file.

use proc_macro2::{TokenStream, TokenTree};

use crate::Outcome;
use crate::source::{self, Source};

/// The one folder that may hold `unsafe`: what a program does between fork and exec, and calls without a safe wrapper.
const UNSAFE_FOLDER: &str = "crates/process/src/between/";

/// Checks every Rust file of the project.
pub(crate) fn check() -> Outcome {
    let problems = problems(&source::all()?);
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn problems(sources: &[Source]) -> Vec<String> {
    let others = sources.iter().filter(|source| !source.path.starts_with(UNSAFE_FOLDER));
    let found = others.flat_map(|source| lines(&source.tokens).into_iter().map(|line| (&source.path, line)));
    found.map(|(path, line)| format!("{path}:{line}: `unsafe` is allowed in {UNSAFE_FOLDER} only")).collect()
}

fn lines(tokens: &TokenStream) -> Vec<usize> {
    let mut found = Vec::new();
    for token in tokens.clone() {
        match token {
            TokenTree::Ident(word) if word == "unsafe" => found.push(word.span().start().line),
            TokenTree::Group(group) => found.extend(lines(&group.stream())),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        problems(&[Source { path: path.into(), tokens: source::tokens(text).unwrap() }])
    }

    #[test]
    fn unsafe_in_code_in_an_attribute_or_in_a_macro_is_found_with_its_line() {
        for text in [
            "fn a() {\n unsafe { b() } }",
            "\nunsafe impl Send for A {}",
            "\n#[unsafe(no_mangle)] fn a() {}",
            "macro_rules! a { () => {\n unsafe { b() } } }",
        ] {
            let problems = found("crates/core/src/a.rs", text);
            assert_eq!(problems.len(), 1, "{text}");
            assert!(problems[0].starts_with("crates/core/src/a.rs:2: "), "{problems:?}");
        }
    }

    #[test]
    fn unsafe_in_comments_strings_and_longer_words_is_not_found() {
        let text =
            "/// unsafe\n#![forbid(unsafe_code)] // unsafe\nconst A: &str = \"unsafe { }\"; /* unsafe */";
        assert_eq!(found("crates/core/src/a.rs", text), Vec::<String>::new());
    }

    #[test]
    fn the_files_of_the_one_folder_may_hold_it() {
        let text = "fn a() { unsafe { b() } }";
        assert_eq!(found(&format!("{UNSAFE_FOLDER}a.rs"), text), Vec::<String>::new());
        assert_eq!(found("crates/process/src/between_all.rs", text).len(), 1);
    }
}
