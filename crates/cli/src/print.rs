//! Writing to the terminal or a pipe. A reader that went away is no failure of ours.

use std::io::Write;

/// Writes to standard output. Nothing can be said when that fails, so nothing is.
pub(crate) fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes to standard error.
pub(crate) fn err(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
