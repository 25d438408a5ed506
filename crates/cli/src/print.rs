//! Writing to the terminal or a pipe.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use supervisor_api::Severity;
use tokio::io::Interest;
use tokio::net::unix::pipe;

/// Why a write to standard output failed first.
static BROKEN: OnceLock<io::Error> = OnceLock::new();

/// Writes to standard output. What is said after a write that failed is written if it can be: [`broken`] tells.
pub(crate) fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // The first is told.
        let _ = BROKEN.set(error);
    }
}

/// Why not everything reached standard output, if so. A reader that went away has `BrokenPipe`.
pub(crate) fn broken() -> Option<&'static io::Error> {
    BROKEN.get()
}

/// Waits until nobody reads standard output any more. What cannot be watched, such as a file, is read for ever.
pub(crate) async fn unread() {
    // Another descriptor of the same pipe, which is only watched.
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    match stdout.and_then(pipe::Sender::from_owned_fd_unchecked) {
        Ok(stdout) => drop(stdout.ready(Interest::ERROR).await),
        Err(_) => std::future::pending().await,
    }
}

/// Writes to standard error. In the journal every line of it is a warning.
pub(crate) fn err(text: &str) {
    static JOURNAL: OnceLock<bool> = OnceLock::new();
    let journal = *JOURNAL.get_or_init(|| is_journal(io::stderr()));
    let text = if journal { levelled(level(Severity::Warning), text) } else { text.to_owned() };
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Whether this leads into systemd's journal, which takes a level from the beginning of a line.
pub(crate) fn is_journal(stream: impl AsFd) -> bool {
    let Some(journal) = std::env::var_os("JOURNAL_STREAM") else { return false };
    let Ok(stat) = rustix::fs::fstat(stream) else { return false };
    // Programs that inherit the variable may have other streams.
    journal.to_str() == Some(&*format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// What says a level to the journal, as `sd-daemon(3)` has it.
pub(crate) const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "<3>",
        Severity::Warning => "<4>",
        Severity::Info => "<6>",
        Severity::Debug | Severity::Trace => "<7>",
    }
}

/// Whole lines, each with its level.
fn levelled(level: &str, text: &str) -> String {
    text.split_inclusive('\n').map(|line| format!("{level}{line}")).collect()
}
