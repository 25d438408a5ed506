//! Asking before something dangerous.

use std::io::{BufRead as _, IsTerminal as _, stdin};

use super::fault::Fault;
use super::screen::safe;
use crate::print;

/// Shows what it is about and waits for a yes. Without a terminal nobody can say it.
///
/// The answer is read by this thread: there is nothing else to do meanwhile.
pub(super) fn ask(warning: &str) -> Result<(), Fault> {
    let lines: Vec<_> = warning.lines().map(safe).collect();
    if !stdin().is_terminal() {
        let message = format!(
            "{}\nThis has to be confirmed, and there is no terminal to ask at; say `--yes`",
            lines.join("\n")
        );
        return Err(Fault::usage(message));
    }
    print::err(&format!("{}\nGo on? [y/N] ", lines.join("\n")));
    let mut answer = String::new();
    let read = stdin().lock().read_line(&mut answer);
    if read.is_ok() && is_yes(&answer) {
        return Ok(());
    }
    if !answer.ends_with('\n') {
        // What follows does not stand behind the question.
        print::err("\n");
    }
    Err(Fault::failed("nothing was done: it was not confirmed"))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for yes in ["y\n", "Y\n", "yes\n", " YES \r\n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no\n", "ye\n", "yess\n", "j\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
