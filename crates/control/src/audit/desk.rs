//! What the handles of an audit and its keeper share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use supervisor_api::report::{AuditHealth, AuditState};
use supervisor_api::wire::{AuditEntry, AuditRecord, ErrorCode, WireError};
use supervisor_socket::Peer;
use tokio::sync::{Notify, broadcast};
use tokio::time::timeout;

use super::book::{Book, Problem, stalled};
use super::config::AuditOptions;
use super::denials::Denials;
use super::record::{AuditDenial, Intent};
use super::told::Recorded;

/// How long a command waits for the disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many records wait for a disk that is not well. Denials leave room for outcomes.
const LATE: usize = 2_048;
const LATE_DENIALS: usize = 1_024;

/// How many records are written with one sync.
const AT_ONCE: usize = 256;

/// Everything an audit has but its keeper.
pub(super) struct Desk {
    target_id: Arc<str>,
    place: String,
    fail_open: bool,
    book: Book,
    denials: Denials,
    /// What waits to be recorded, and nobody waits for. Taken out when it is on the disk.
    late: Mutex<VecDeque<AuditRecord>>,
    /// Held by who writes it.
    writing: tokio::sync::Mutex<()>,
    lost: AtomicU64,
    wake: Notify,
}

impl Desk {
    pub(super) fn new(target_id: Arc<str>, options: &AuditOptions, book: Book) -> Self {
        Self {
            target_id,
            place: options.directory.display().to_string(),
            fail_open: options.fail_open,
            book,
            denials: Denials::new(),
            late: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            lost: AtomicU64::new(0),
            wake: Notify::new(),
        }
    }

    /// Records an intent. `None`: it was not recorded, and is to be carried out all the same.
    pub(super) async fn intend(self: &Arc<Self>, intent: &Intent) -> Result<Option<u64>, WireError> {
        let problem = match self.commit_intent(intent).await {
            Ok(sequence) => return Ok(Some(sequence)),
            Err(problem) => problem,
        };
        self.wake.notify_one();
        if self.fail_open {
            tracing::warn!("a command is carried out that could not be recorded (fail_open): {problem}");
            return Ok(None);
        }
        Err(self.not_recorded(&problem))
    }

    async fn commit_intent(self: &Arc<Self>, intent: &Intent) -> Result<u64, Problem> {
        let (desk, record) = (Arc::clone(self), intent.record.clone());
        let mut writing = tokio::spawn(async move { desk.book.commit(&record).await });
        if let Ok(written) = timeout(PATIENCE, &mut writing).await {
            return written.unwrap_or_else(|_| Err(Problem("the target's runtime ends".to_owned())));
        }
        self.book.stall();
        if !self.fail_open {
            // It may reach the disk all the same. Then it must be told that nothing came of it.
            let (desk, intent, error) = (Arc::clone(self), intent.clone(), self.not_recorded(&stalled()));
            tokio::spawn(async move {
                if let Ok(Ok(sequence)) = writing.await {
                    desk.queue([intent.refused(sequence, error)]);
                }
            });
        }
        Err(stalled())
    }

    fn not_recorded(&self, problem: &Problem) -> WireError {
        let message = format!("nothing was done, because it could not be recorded: {problem}");
        WireError::new(ErrorCode::AuditWriteFailed, message).on(Arc::clone(&self.target_id))
    }

    /// Records what has happened: now, or as soon as the disk is well. Waits for the disk, but not for long.
    pub(super) async fn tell(self: &Arc<Self>, record: AuditRecord) {
        let desk = Arc::clone(self);
        let writing = tokio::spawn(async move {
            if desk.book.commit(&record).await.is_err() {
                desk.queue([record]);
            } else {
                desk.wake_if_late();
            }
        });
        if timeout(PATIENCE, writing).await.is_err() {
            self.book.stall();
        }
    }

    /// What is recorded from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Recorded> {
        self.book.listen()
    }

    /// Never waits.
    pub(super) fn deny(&self, denial: AuditDenial) {
        let AuditRecord { peer, .. } = denial.record;
        let peer = peer.map(|peer| Peer { uid: peer.uid, gid: peer.gid, pid: peer.pid });
        if self.denials.admit(peer) {
            self.queue([denial.record]);
        } else {
            self.wake.notify_one();
        }
    }

    pub(super) fn has_counted(&self) -> bool {
        self.denials.has_counted()
    }

    pub(super) fn queue_counted(&self) {
        self.queue(self.denials.take_counted());
    }

    fn queue(&self, records: impl IntoIterator<Item = AuditRecord>) {
        let mut late = self.late();
        for mut record in records {
            record.target_id = Arc::clone(&self.target_id);
            let room = if record.entry.is(AuditEntry::Outcome) { LATE } else { LATE_DENIALS };
            if late.len() < room {
                late.push_back(record);
            } else {
                self.lost.fetch_add(record.count.unwrap_or(1), Ordering::Relaxed);
            }
        }
        drop(late);
        self.wake.notify_one();
    }

    /// Waits until there is something to do.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    fn wake_if_late(&self) {
        if !self.late().is_empty() {
            self.wake.notify_one();
        }
    }

    /// Writes what waits, until nothing does or the disk refuses.
    pub(super) async fn write_late(&self) {
        let _alone = self.writing.lock().await;
        loop {
            let batch: Vec<_> = self.late().iter().take(AT_ONCE).cloned().collect();
            if batch.is_empty() {
                return;
            }
            let written = self.patiently(self.book.commit_all(&batch)).await;
            let all = written.iter().all(Result::is_ok);
            // Others add at the end only.
            let mut written = written.into_iter();
            self.late().retain(|_| written.next().is_none_or(|it| it.is_err()));
            if !all {
                return;
            }
        }
    }

    /// Opens what is shut, and finds out whether a disk that was broken is well.
    pub(super) async fn try_again(self: &Arc<Self>) {
        if self.book.is_shut() {
            self.open().await;
        } else {
            // Whether it helped is seen by the condition.
            let _ = self.patiently(self.book.mend()).await;
        }
    }

    pub(super) async fn open(self: &Arc<Self>) {
        let desk = Arc::clone(self);
        // A runtime that ends needs no audit.
        let first = tokio::task::spawn_blocking(move || desk.book.open()).await.unwrap_or_default();
        let _alone = self.writing.lock().await;
        let mut late = self.late();
        first.into_iter().rev().for_each(|record| late.push_front(record));
        drop(late);
        self.wake_if_late();
    }

    /// Does something to its end, and says so when the disk does not answer for long.
    async fn patiently<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if let Ok(done) = timeout(PATIENCE, &mut work).await {
            return done;
        }
        self.book.stall();
        work.await
    }

    /// Whether the keeper has to try again by itself.
    pub(super) fn is_troubled(&self) -> bool {
        self.book.condition().broken || !self.late().is_empty()
    }

    pub(super) fn health(&self) -> AuditHealth {
        let condition = self.book.condition();
        let late = self.late();
        AuditHealth {
            state: if condition.broken { AuditState::Broken } else { AuditState::Sound },
            fail_open: self.fail_open,
            refuses_commands: condition.broken && !self.fail_open,
            place: Some(self.place.clone()),
            sequence: condition.sequence,
            waiting_outcomes: late.iter().filter(|record| record.entry.is(AuditEntry::Outcome)).count()
                as u64,
            lost: self.lost.load(Ordering::Relaxed),
            problem: condition.problem,
        }
    }

    /// Writes what waits, and gives the directory free. A disk that does not answer is not waited for longer than a
    /// command waits.
    pub(super) async fn close(&self) {
        self.queue_counted();
        let ended = timeout(PATIENCE, async {
            self.write_late().await;
            self.book.close().await;
        });
        if ended.await.is_err() {
            tracing::warn!("the audit {} was not closed: {}", self.place, stalled());
        }
    }

    fn late(&self) -> MutexGuard<'_, VecDeque<AuditRecord>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
