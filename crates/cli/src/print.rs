//! Writing to the terminal or a pipe.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;

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

/// Writes to standard error.
pub(crate) fn err(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
