//! The audit: who asked for what, and how it went (security rules 12, 16 and 17).
//!
//! Records go through `supervisor-ledger`: an intent is on the disk before anything is done, its outcome before it is
//! told, denials as soon as the keeper comes to it. What a record says is [`supervisor_api::wire::AuditRecord`].
//!
//! - No intent on the disk, no command, unless `fail_open` was asked for.
//! - A disk that fails loses no outcome: it waits in memory until the disk is well, at most 2 048 records. A target
//!   that ends before that leaves an intent without an outcome. When it starts again, a record says that the outcome
//!   is unknown.
//! - A directory that cannot be opened does not keep a target from starting. It is tried again, after a second at
//!   first and once a minute at last.
//! - Nothing here is waited for by the tree.

mod book;
mod config;
mod denials;
mod desk;
mod keeper;
mod recall;
mod record;
#[cfg(test)]
pub(crate) mod tests;
mod told;

use std::fmt;
use std::sync::Arc;

use supervisor_api::report::{AuditHealth, AuditState};
use supervisor_api::wire::{AuditOutcome, ControlCommandResult, WireError};
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

use book::Book;
use desk::Desk;
use told::Recorded;

pub use config::{AuditConfig, AuditOptions, AuditPlaceError};
pub(crate) use record::{AuditDenial, Intent};
pub use told::Audited;

use crate::ids::Ids;

/// The audit of one target. Clones share it. When the last one is dropped, what was not written is lost; close it.
#[derive(Clone)]
pub(crate) struct Audit(Option<Arc<Kept>>);

struct Kept {
    desk: Arc<Desk>,
    keeper: AbortHandle,
}

/// Leave to carry out what was intended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intended {
    /// The sequence of the intent; `None` when it was not recorded.
    sequence: Option<u64>,
}

impl Audit {
    /// Opens the audit, and tells the ids what it remembers. Returns when it is open, or has turned out to be broken.
    /// Must be called in a runtime.
    pub(crate) async fn open(config: &AuditConfig, target_id: Arc<str>, ids: Ids) -> Self {
        match config {
            AuditConfig::Off => Self(None),
            AuditConfig::Directory(options) => {
                Self::on(Desk::new(target_id, options, Book::in_directory(options, ids))).await
            }
        }
    }

    async fn on(desk: Desk) -> Self {
        let desk = Arc::new(desk);
        desk.open().await;
        if let Some(problem) = desk.health().problem {
            tracing::warn!("the audit is broken: {problem}");
        }
        let keeper = tokio::spawn(keeper::keep(Arc::clone(&desk))).abort_handle();
        Self(Some(Arc::new(Kept { desk, keeper })))
    }

    /// Records that something will be done. When this returns well it may be.
    ///
    /// # Errors
    ///
    /// `audit_write_failed`: it must not be done.
    pub(crate) async fn intend(&self, intent: &Intent) -> Result<Intended, WireError> {
        let sequence = match &self.0 {
            Some(kept) => kept.desk.intend(intent).await?,
            None => None,
        };
        Ok(Intended { sequence })
    }

    /// Records what came of it, as [`Intent::kept`] gives it. Returns when that is on the disk, or cannot be now: then
    /// it is recorded when it can.
    pub(crate) async fn outcome(&self, intent: &Intent, intended: Intended, result: &ControlCommandResult) {
        if let Some(kept) = &self.0 {
            kept.desk.tell(intent.with(intended.sequence, AuditOutcome::from(result))).await;
        }
    }

    /// Records that nobody knows what came of it.
    pub(crate) async fn unknown(&self, intent: &Intent, intended: Intended) {
        if let Some(kept) = &self.0 {
            kept.desk.tell(intent.unknown(intended.sequence)).await;
        }
    }

    /// Records that something was refused. Never waits.
    pub(crate) fn deny(&self, denial: AuditDenial) {
        if let Some(kept) = &self.0 {
            kept.desk.deny(denial);
        }
    }

    /// What is recorded from now on; `None` when nothing is.
    pub(crate) fn listen(&self) -> Option<broadcast::Receiver<Recorded>> {
        self.0.as_ref().map(|kept| kept.desk.listen())
    }

    /// How the audit is. Never waits for the disk.
    pub(crate) fn health(&self) -> AuditHealth {
        self.0.as_ref().map_or_else(
            || AuditHealth {
                state: AuditState::Off,
                fail_open: false,
                refuses_commands: false,
                place: None,
                sequence: 0,
                waiting_outcomes: 0,
                lost: 0,
                problem: None,
            },
            |kept| kept.desk.health(),
        )
    }

    /// Writes what waits, and gives the directory free. Nothing is recorded afterwards.
    pub(crate) async fn close(&self) {
        if let Some(kept) = &self.0 {
            kept.desk.close().await;
            kept.keeper.abort();
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Audit").field(&self.health()).finish()
    }
}
