//! The runtime of what lives long: a run, a relay.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// A thread for work that may hold it stays for good, which is a year here. Tokio's default gives it up after ten seconds,
/// and where no new thread can be had any more, as beside a fork bomb, the command that ends the bomb could not be
/// recorded, and would be refused.
const KEPT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How many there are at most. All of them stay once they were needed, so it is less than Tokio's 512; what finds none
/// free waits.
const MOST: usize = 128;

/// A runtime with a thread in reserve for work that may hold it.
///
/// # Errors
///
/// A sentence: the system gives no more threads.
pub(crate) fn runtime() -> Result<Runtime, String> {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder
        .enable_all()
        .thread_keep_alive(KEPT)
        .max_blocking_threads(MOST)
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    runtime.spawn_blocking(|| ());
    Ok(runtime)
}
