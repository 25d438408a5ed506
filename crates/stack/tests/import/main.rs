//! Files of other tools: each documented key is carried over or told, and whole files become stacks that can be read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../socket/tests/common/skip.rs"]
mod skip;

mod configparser;
mod documented;
mod keys;
mod many;
mod odd;
mod restarts;
mod shells;
mod whole;

use supervisor_stack::{Choices, Foreign, Format, ImportError, Imported, Stack, import};

/// Reads files, which are where `/srv/shop` is.
fn read(format: Format, files: &[(&str, &str)]) -> Result<Imported, ImportError> {
    let foreign: Vec<_> =
        files.iter().map(|(name, text)| Foreign { name, folder: "/srv/shop", text }).collect();
    import(format, &foreign, None, "shop")
}

/// What a file becomes. The stack file that is made can be read, and nothing in it is doubtful but that who is parked is
/// waited for: that is so with the other tools, too.
#[track_caller]
fn made(format: Format, file: &str, text: &str) -> Imported {
    made_of(format, &[(file, text)])
}

/// What files become.
#[track_caller]
fn made_of(format: Format, files: &[(&str, &str)]) -> Imported {
    let made = read(format, files).unwrap_or_else(|error| panic!("{error}\n{files:?}"));
    let choices = made.needs.iter().fold(Choices::default(), |choices, name| choices.set(name, "1"));
    let stack = Stack::parse_as("made.yaml", made.text.as_str(), None, &choices)
        .unwrap_or_else(|error| panic!("{error}\n{}\nof\n{files:?}", made.text));
    let warnings = stack.warnings.to_string();
    let doubtful =
        |line: &&str| line.contains("warning: ") && !line.contains("is parked when its budget is exhausted");
    assert_eq!(warnings.lines().find(doubtful), None, "{}", made.text);
    made
}

/// What becomes of one key: a part of the stack file, or of the sentence that says why not.
#[derive(Debug, Clone, Copy)]
enum Is {
    /// This stands in the stack file.
    Here(&'static str),
    /// Nothing has to be said, because it is so anyway.
    So,
    /// It is told that it is not there.
    Left(&'static str),
}

/// Holds what was made against what a key is to become.
fn check(key: &str, text: &str, made: &Imported, is: Is) {
    let of_key: Vec<_> = made.left.iter().filter(|left| left.key.contains(key)).collect();
    match is {
        Is::Here(part) => {
            assert!(made.text.contains(part), "{part} is not in\n{}\nof\n{text}", made.text);
            assert!(of_key.is_empty(), "{of_key:?}\nof\n{text}");
        }
        Is::So => assert!(of_key.is_empty(), "{of_key:?}\nof\n{text}"),
        Is::Left(why) => {
            let told = of_key.iter().any(|left| left.why.contains(why));
            assert!(told, "{key} is not told with '{why}': {:?}\nof\n{text}", made.left);
            let line = of_key[0].line;
            assert!(text.lines().nth(line - 1).is_some(), "line {line}");
        }
    }
}
