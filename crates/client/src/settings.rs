//! How long a target may take, and how much it may say.

use std::time::Duration;

use supervisor_api::wire::Call;

use crate::backoff::Backoff;

/// The bounds of a connection. All time is tokio's.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How long connecting may take. Default: 5 seconds.
    pub connect: Duration,
    /// How long a read may take to be answered, and each 64 KiB of a request to be taken. It runs from when the
    /// call is the oldest one without an answer. Default: 10 seconds.
    pub read: Duration,
    /// The same for a command. A target answers after 30 seconds at the latest, with `accepted` if the command goes
    /// on, so it is to be longer. Default: 40 seconds.
    pub command: Duration,
    /// After so long a silence a follower asks whether the target still answers. Default: 15 seconds.
    pub quiet: Duration,
    /// The most bytes of one line from the target. A state has some 700 bytes for each child. Default: 64 MiB.
    pub largest_reply: usize,
    /// How long a follower waits before it connects again.
    pub backoff: Backoff,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(10),
            command: Duration::from_secs(40),
            quiet: Duration::from_secs(15),
            largest_reply: 64 << 20,
            backoff: Backoff::default(),
        }
    }
}

impl Settings {
    /// How long this call may take.
    pub(crate) fn patience(&self, call: &Call) -> Duration {
        if matches!(call, Call::Command(_)) { self.command } else { self.read }
    }
}
