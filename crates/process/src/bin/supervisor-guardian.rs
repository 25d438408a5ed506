//! The guardian as a binary of its own, for programs that cannot execute themselves again.

use std::process::ExitCode;

fn main() -> ExitCode {
    if supervisor_process::guardian::serve_if_asked() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}
