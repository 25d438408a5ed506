//! `supervisor check FILE`.

use supervisor_stack::tokio_supervisor::StopBound;

use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::print;
use crate::read::{self, counted};

/// Reads the file and says what is wrong with it.
pub(crate) fn check(args: &CheckArgs) -> Exit {
    let stack = match read::stack(&args.file, args.choices.choices()) {
        Ok(stack) => stack,
        Err(exit) => return exit,
    };
    let name = args.file.display();
    let warnings = stack.warnings.warnings();
    if args.strict && warnings > 0 {
        print::err(&format!("{name}: {}, which --strict refuses\n", counted(warnings, "warning")));
        return Exit::Invalid;
    }
    match stack.stop_bound() {
        Ok(bound) => {
            let children = counted(stack.manifest.count(), "child");
            print::out(&format!("{name}: good, {children}; {}\n", stopping(&bound)));
            Exit::Good
        }
        Err(error) => {
            print::err(&format!("{name}: {error}\n"));
            Exit::Invalid
        }
    }
}

/// How long a stop takes at most, and who is not in that.
fn stopping(bound: &StopBound) -> String {
    const SHOWN: usize = 3;
    let mut text = format!("stopping takes at most {:?}", bound.at_most);
    let names: Vec<&str> = bound.endless.iter().take(SHOWN).map(|path| path.as_str()).collect();
    if !names.is_empty() {
        text += &format!(", besides what is waited for without end: {}", names.join(", "));
    }
    let more = bound.endless.len().saturating_sub(SHOWN);
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}
