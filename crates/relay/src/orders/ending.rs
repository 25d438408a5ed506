//! The end of a relay, as commands see it.
//!
//! ```text
//!   open ──► closing: none begins, those that run are waited for ──► given up: their outcome is unknown
//! ```

use std::time::Duration;

use supervisor_api::wire::{ErrorCode, Stage as At, WireError};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long the disk is waited for when commands were given up.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How far the end has come, and how many commands run.
#[derive(Debug)]
pub(crate) struct Ending {
    stage: watch::Sender<Stage>,
    running: watch::Sender<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Open,
    Closing,
    GivenUp,
}

/// A command that runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    running: watch::Sender<usize>,
    stage: watch::Receiver<Stage>,
}

impl Default for Ending {
    fn default() -> Self {
        Self { stage: watch::Sender::new(Stage::Open), running: watch::Sender::new(0) }
    }
}

impl Ending {
    /// One more command runs, unless the relay ends.
    pub(crate) fn begin(&self) -> Result<Running, WireError> {
        // It counts before it is looked at, so who closes sees it or it sees that.
        self.running.send_modify(|running| *running += 1);
        let running = Running { running: self.running.clone(), stage: self.stage.subscribe() };
        if *self.stage.borrow() == Stage::Open {
            return Ok(running);
        }
        let message = "the relay ends and takes no more commands; connect again and send it anew";
        Err(WireError::new(ErrorCode::TargetUnavailable, message).at(At::CommandDispatch))
    }

    /// Takes no more commands, and waits for those that run, at most so long; what is left then is recorded as unknown.
    pub(crate) async fn close(&self, patience: Duration) {
        self.stage.send_replace(Stage::Closing);
        if timeout(patience, self.none()).await.is_ok() {
            return;
        }
        let left = *self.running.borrow();
        tracing::warn!(
            "{left} commands run when the relay ends; the audit says that their outcome is unknown"
        );
        self.stage.send_replace(Stage::GivenUp);
        // A disk that does not answer has its say in the log.
        let _ = timeout(LAST_WORDS, self.none()).await;
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.stage.borrow() != Stage::Open
    }

    async fn none(&self) {
        // We have the sender.
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }
}

impl Running {
    /// Until nobody waits for it any more. Cancel safe.
    pub(super) async fn given_up(&mut self) -> WireError {
        // A relay that is dropped waits for nothing, and gives nothing up.
        if self.stage.wait_for(|stage| *stage == Stage::GivenUp).await.is_err() {
            std::future::pending::<()>().await;
        }
        let message = "the relay ended before the target answered; look how the target is";
        WireError::new(ErrorCode::CommandTimeout, message).at(At::CommandDispatch)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.running.send_modify(|running| *running -= 1);
    }
}
