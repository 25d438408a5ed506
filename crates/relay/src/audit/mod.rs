//! The audit: who asked for what, and how it went (`security.md` 12, 16, 17).
//!
//! ```text
//!   intent ──► disk ──► command ──► outcome ──► disk ──► answer
//!                │                                │
//!                └──────────► audit_event ◄───────┘
//! ```
//!
//! - No intent on the disk, no command.
//! - An outcome that cannot be recorded waits, and as long as one waits no intent is taken. A relay that ends before
//!   that leaves an intent without an outcome; when it starts again, a record says that the outcome is unknown.
//! - Denials are recorded as they come, up to a rate; those beyond are counted, and the sum is recorded.

mod denials;
mod index;
mod recall;
mod record;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::wire::{AuditPage, AuditQuery, AuditRecord, ErrorCode, WireError};
use supervisor_ledger::{Disk, Error, Folder, Health, Ledger, Options, Record, Ticket};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::hub::Hub;
use crate::orders::Ids;
use crate::rights::Principal;
use index::{Index, Making};
use recall::Recall;

pub(crate) use denials::Denials;
pub(crate) use record::{Intent, denial, digest, frees};

/// How long the disk may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many threads wait for the disk at a time. All of them share one sync.
const WAITING_THREADS: usize = 16;

/// The audit of a relay.
#[derive(Debug)]
pub(crate) struct Audit {
    /// `None`: it could not be made, and nothing can be looked up. It is closed before the lock is let go of.
    index: Option<Index>,
    ledger: Arc<Ledger>,
    hub: Arc<Hub>,
    /// What has to be recorded before anything else.
    late: Mutex<VecDeque<AuditRecord>>,
    threads: Arc<Semaphore>,
    /// One question at a time.
    turn: Arc<Semaphore>,
}

impl Audit {
    /// Opens the audit in a directory, and tells the ids what it remembers.
    pub(crate) async fn open(directory: &Path, hub: Arc<Hub>, ids: &Arc<Ids>) -> Result<Self, Error> {
        let directory = directory.to_owned();
        let place = directory.clone();
        let open = move || Ok(Arc::new(Folder::for_writing(directory)?) as Arc<dyn Disk>);
        Self::open_on(open, Some(place), hub, ids).await
    }

    async fn open_on(
        disk: impl FnOnce() -> Result<Arc<dyn Disk>, Error> + Send + 'static,
        place: Option<PathBuf>,
        hub: Arc<Hub>,
        ids: &Arc<Ids>,
    ) -> Result<Self, Error> {
        let ids = Arc::clone(ids);
        let open = move || {
            let mut recall = Recall::new(&ids);
            let disk = disk()?;
            let mut making = Making::begin(place.as_deref());
            let see = |record: Record| {
                recall.see(&record);
                if let Ok(making) = &mut making {
                    making.see(&record);
                }
            };
            let ledger = Ledger::open_on(disk, &Options::default(), see)?;
            if let Some(torn) = ledger.removed() {
                tracing::warn!("audit: {torn}; it was removed");
            }
            let index = making.and_then(|making| making.finish(place.as_deref()));
            let index = index.map_err(|error| {
                tracing::warn!("nothing can be looked up in the audit: its index cannot be made: {error}");
            });
            Ok((ledger, recall.finish(), index.ok()))
        };
        let (ledger, late, index) = spawn_blocking(open).await.unwrap_or(Err(Error::Ended))?;
        Ok(Self {
            ledger: Arc::new(ledger),
            hub,
            late: Mutex::new(late.into()),
            threads: Arc::new(Semaphore::new(WAITING_THREADS)),
            index,
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// Records that something will be done, and gives the sequence of that. When this returns well it may be.
    ///
    /// # Errors
    ///
    /// `audit_write_failed`: it must not be done.
    pub(crate) async fn intend(&self, intent: &Intent) -> Result<u64, WireError> {
        // What is owed goes first.
        match timeout(PATIENCE, self.write_late()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(not_recorded(&error.to_string())),
            Err(_) => return Err(not_recorded(STALLED)),
        }
        let record = &intent.record;
        let ticket = self.ledger.append(record).map_err(|error| not_recorded(&error.to_string()))?;
        let sequence = ticket.sequence();
        match timeout(PATIENCE, self.synced(record, ticket)).await {
            Ok(Ok(())) => Ok(sequence),
            Ok(Err(error)) => Err(not_recorded(&error.to_string())),
            Err(_) => {
                let error = not_recorded(STALLED);
                self.late.lock().await.push_back(record::refused(record, sequence, error.clone()));
                Err(error)
            }
        }
    }

    /// Records how something went. Returns when that is on the disk, or cannot be now: then it is recorded later.
    pub(crate) async fn tell(&self, outcome: AuditRecord) {
        self.late.lock().await.push_back(outcome);
        match timeout(PATIENCE, self.write_late()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("the audit cannot be written: {error}"),
            Err(_) => tracing::warn!("the audit cannot be written: {STALLED}"),
        }
    }

    /// A page of what this identity may see.
    ///
    /// # Errors
    ///
    /// When the index is not to be had, or does not answer in time.
    pub(crate) async fn look_up(&self, who: Principal, query: AuditQuery) -> Result<AuditPage, WireError> {
        let failed = |why: &str| {
            let message =
                format!("the audit cannot be read: {why}; `supervisor audit show` reads it on the machine");
            Err(WireError::new(ErrorCode::CommandFailed, message))
        };
        let Some(index) = self.index.clone() else { return failed("its index cannot be made") };
        let turn = Arc::clone(&self.turn);
        let page = async move {
            let turn = turn.acquire_owned().await;
            spawn_blocking(move || {
                let page = index.page(&who, &query);
                drop(turn);
                page
            })
            .await
        };
        match timeout(PATIENCE, page).await {
            Ok(Ok(Ok(page))) => Ok(page),
            Ok(Ok(Err(error))) => failed(&error.to_string()),
            Ok(Err(_)) => failed("it failed"),
            Err(_) => failed("it took more than 10 seconds; ask for less"),
        }
    }

    /// Why nothing can be recorded now, if so.
    pub(crate) fn problem(&self) -> Option<String> {
        match self.ledger.health() {
            Health::Broken { error } => Some(error.to_string()),
            Health::ReadOnly { flaw } => Some(flaw.to_string()),
            _ => None,
        }
    }

    /// Records denials until it is aborted.
    pub(crate) async fn take_denials(self: Arc<Self>) {
        loop {
            let denials = self.hub.denials().next().await;
            for denial in denials {
                self.tell(denial).await;
            }
        }
    }

    /// Writes what is owed. One that is dropped in the middle may write a record again.
    async fn write_late(&self) -> Result<(), Error> {
        let mut late = self.late.lock().await;
        while let Some(record) = late.front() {
            let ticket = self.ledger.append(record)?;
            self.synced(record, ticket).await?;
            late.pop_front();
        }
        Ok(())
    }

    /// Until a record is on the disk; then browsers are told of it.
    async fn synced(&self, record: &AuditRecord, ticket: Ticket) -> Result<(), Error> {
        let (sequence, recorded_at) = (ticket.sequence(), ticket.recorded_at_unix_nanos());
        let event = record.event(sequence, recorded_at);
        // A thread waits and not the task: time that a test has paused stands still meanwhile.
        let permit = Arc::clone(&self.threads).acquire_owned().await;
        let waiting = spawn_blocking(move || {
            let synced = ticket.wait();
            drop(permit);
            synced
        });
        waiting.await.unwrap_or(Err(Error::Ended))?;
        if let Some(index) = &self.index {
            index.add(sequence, recorded_at, record);
        }
        if let Some(event) = event
            && let Some(target) = self.hub.get(&event.target_id)
        {
            target.audited(event);
        }
        Ok(())
    }
}

const STALLED: &str = "the disk has not answered for 10 seconds; see the kernel's log";

fn not_recorded(why: &str) -> WireError {
    let message = format!("nothing was done, because it could not be recorded: {why}");
    WireError::new(ErrorCode::AuditWriteFailed, message)
}
