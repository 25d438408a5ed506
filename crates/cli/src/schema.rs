//! `supervisor schema`.

use crate::exit::Exit;
use crate::print;

/// Prints the JSON Schema of a stack file.
pub(crate) fn schema() -> Exit {
    // The alternate form of a JSON value is the indented one.
    print::out(&format!("{:#}\n", supervisor_stack::schema()));
    Exit::Good
}
