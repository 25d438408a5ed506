//! `supervisor check FILE`.

use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::print;
use crate::read::{self, counted};

/// Reads the file and says what is wrong with it.
pub(crate) fn check(args: &CheckArgs) -> Exit {
    let stack = match read::stack(&args.file) {
        Ok(stack) => stack,
        Err(exit) => return exit,
    };
    let name = args.file.display();
    let warnings = stack.warnings.warnings();
    if args.strict && warnings > 0 {
        print::err(&format!("{name}: {}, which --strict refuses\n", counted(warnings, "warning")));
        return Exit::Invalid;
    }
    let children = stack.manifest.count();
    print::out(&format!("{name}: good, {}\n", counted(children, "child")));
    Exit::Good
}
