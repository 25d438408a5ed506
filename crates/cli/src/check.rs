//! `supervisor check FILE`.

use supervisor_stack::{Stack, StackError};

use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::print;

/// Reads the file and says what is wrong with it.
pub(crate) fn check(args: &CheckArgs) -> Exit {
    let name = args.file.display();
    match Stack::read(&args.file) {
        Ok(stack) => {
            print::err(&stack.warnings.to_string());
            let warnings = stack.warnings.warnings();
            if args.strict && warnings > 0 {
                print::err(&format!("{name}: {}, which --strict refuses\n", counted(warnings, "warning")));
                return Exit::Invalid;
            }
            let children = stack.manifest.count();
            print::out(&format!("{name}: good, {}\n", counted(children, "child")));
            Exit::Good
        }
        Err(StackError::Invalid(findings)) => {
            print::err(&format!("{findings}{name}: {}\n", counted(findings.errors(), "error")));
            Exit::Invalid
        }
        Err(error) => {
            print::err(&format!("{error}\n"));
            Exit::NoInput
        }
    }
}

fn counted(number: usize, word: &str) -> String {
    match (number, word) {
        (1, _) => format!("1 {word}"),
        (_, "child") => format!("{number} children"),
        _ => format!("{number} {word}s"),
    }
}
