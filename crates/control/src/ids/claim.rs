//! Ids shared by all sessions: who comes first carries a command out, and whoever says the same meanwhile waits for
//! what comes of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use supervisor_api::wire::{ControlCommandResult, ErrorCode, WireError};
use tokio::sync::watch;
use tokio::time::Instant;

use super::digest::BodyDigest;
use super::table::{Claimed, Limits, Standing, Table};

/// What came of a command, for everybody who waits for it.
type Fate = Result<Arc<ControlCommandResult>, WireError>;

type Waiting = watch::Receiver<Option<Fate>>;

/// The ids of all users. Clones share them.
#[derive(Clone)]
pub(crate) struct Ids(Arc<Shared>);

struct Shared {
    table: Mutex<Table<Waiting>>,
    /// How many commands run.
    running: watch::Sender<usize>,
}

/// What a claim comes to.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Whoever has the slot carries the command out. The outcome is for whoever asked.
    New(Slot, Outcome),
    /// The same command runs, or is over.
    Same(Outcome),
    /// It is not carried out: `command_id_conflict`, `replay_detected` or `rate_limit_exceeded`.
    Refused(WireError),
}

impl Ids {
    pub(crate) fn new(limits: Limits) -> Self {
        let table = Mutex::new(Table::new(limits));
        Self(Arc::new(Shared { table, running: watch::Sender::new(0) }))
    }

    /// Takes an id for a command, if nobody has.
    pub(crate) fn claim(&self, uid: u32, id: &Arc<str>, digest: BodyDigest) -> Claim {
        let (fate, waiting) = watch::channel(None);
        let mut table = self.table();
        let claimed = table.claim(Instant::now(), uid, id, digest, waiting.clone());
        self.0.running.send_replace(table.running());
        drop(table);
        match claimed {
            Claimed::New => {
                let slot = Slot { ids: self.clone(), uid, id: Arc::clone(id), fate, begun: false };
                Claim::New(slot, Outcome::Awaited(waiting))
            }
            Claimed::Same(Standing::Runs(waiting)) => Claim::Same(Outcome::Awaited(waiting)),
            Claimed::Same(Standing::Over(result)) => Claim::Same(Outcome::Known(result)),
            Claimed::Same(Standing::Lost) => Claim::Refused(lost()),
            Claimed::Conflict => Claim::Refused(WireError::new(
                ErrorCode::CommandIdConflict,
                "this command id was used for another command; give each command an id of its own",
            )),
            Claimed::Busy { running } => {
                let message = format!("{running} commands still run; try again when one of them is over");
                Claim::Refused(WireError::new(ErrorCode::RateLimitExceeded, message).retry_after(1_000))
            }
        }
    }

    /// An id is known from before, and so long ago. Without a result nobody knows what came of it.
    pub(crate) fn recall(
        &self,
        age: Duration,
        uid: u32,
        id: &Arc<str>,
        digest: BodyDigest,
        result: Option<ControlCommandResult>,
    ) {
        self.table().recall(Instant::now(), age, uid, id, digest, result.map(Arc::new));
    }

    /// Waits until no command runs.
    pub(crate) async fn idle(&self) {
        // The sender is in `self`.
        let _ = self.0.running.subscribe().wait_for(|running| *running == 0).await;
    }

    fn table(&self) -> MutexGuard<'_, Table<Waiting>> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: impl FnOnce(&mut Table<Waiting>)) {
        let mut table = self.table();
        end(&mut table);
        self.0.running.send_replace(table.running());
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table();
        f.debug_struct("Ids").field("running", &table.running()).field("over", &table.over()).finish()
    }
}

/// The right and the duty to carry a command out. Dropped without more, the id is free again if the command had not
/// begun, and lost if it had.
#[derive(Debug)]
pub(crate) struct Slot {
    ids: Ids,
    uid: u32,
    id: Arc<str>,
    fate: watch::Sender<Option<Fate>>,
    begun: bool,
}

impl Slot {
    /// The command begins: from now on its id is used up.
    pub(crate) fn begin(&mut self) {
        self.begun = true;
    }

    /// The command is over. Those who wait get the result, those who ask later what is kept of it.
    pub(crate) fn settle(self, result: ControlCommandResult, kept: ControlCommandResult) {
        let kept = Arc::new(kept);
        self.ids.end(|table| table.settle(Instant::now(), self.uid, &self.id, kept));
        self.fate.send_replace(Some(Ok(Arc::new(result))));
    }

    /// The command did not begin, for this reason. The id is free again.
    pub(crate) fn refuse(self, error: WireError) {
        self.ids.end(|table| table.free(self.uid, &self.id));
        self.fate.send_replace(Some(Err(error)));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Whoever settled or refused it has told so.
        if self.fate.borrow().is_some() {
            return;
        }
        let error = if self.begun {
            self.ids.end(|table| table.lose(Instant::now(), self.uid, &self.id));
            lost()
        } else {
            self.ids.end(|table| table.free(self.uid, &self.id));
            WireError::new(ErrorCode::TargetUnavailable, "the target ends; the command was not begun")
        };
        self.fate.send_replace(Some(Err(error)));
    }
}

/// What came of a command, or will.
#[derive(Debug)]
pub(crate) enum Outcome {
    Known(Arc<ControlCommandResult>),
    Awaited(Waiting),
}

impl Outcome {
    /// Waits for it. Cancel safe: the command goes on.
    pub(crate) async fn wait(self) -> Fate {
        match self {
            Self::Known(result) => Ok(result),
            Self::Awaited(mut waiting) => match waiting.wait_for(Option::is_some).await {
                Ok(fate) => fate.clone().unwrap_or_else(|| Err(lost())),
                Err(_) => Err(lost()),
            },
        }
    }
}

fn lost() -> WireError {
    WireError::new(
        ErrorCode::ReplayDetected,
        "this command was begun and its outcome was lost; it is not carried out again: look at the state, and send \
         it with a new id if it is still wanted",
    )
}
