//! The ledger behind the audit: it may be shut, open, or on a disk that does not answer.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use supervisor_api::wire::AuditRecord;
use supervisor_ledger::{Disk, Error, Folder, Health, Ledger, Options, Ticket};
use tokio::sync::{Semaphore, broadcast};

use super::config::AuditOptions;
use super::recall::Recall;
use super::told::{Recorded, Teller};
use crate::ids::Ids;

/// How many threads wait for the disk at a time. All of them share one sync.
const WAITING_THREADS: usize = 16;

/// Makes the disk that the ledger is on; the directory, but for tests.
type Place = Box<dyn Fn() -> Result<Arc<dyn Disk>, Error> + Send + Sync>;

/// Where records go.
pub(super) struct Book {
    place: Place,
    options: Options,
    ids: Ids,
    state: Mutex<State>,
    threads: Arc<Semaphore>,
    /// Somebody gave up waiting for the disk, and nothing was synced since.
    stalled: Arc<AtomicBool>,
    told: Teller,
}

enum State {
    /// It could not be opened, or has to be opened anew.
    Shut {
        problem: String,
    },
    Open(Arc<Ledger>),
    /// For good.
    Closed,
}

/// Why something could not be recorded.
#[derive(Debug, Clone)]
pub(super) struct Problem(pub(super) String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the book is.
pub(super) struct Condition {
    pub(super) broken: bool,
    pub(super) problem: Option<String>,
    /// The last record on the disk.
    pub(super) sequence: u64,
}

impl Book {
    pub(super) fn in_directory(options: &AuditOptions, ids: Ids) -> Self {
        let directory = options.directory.clone();
        Self::on(Box::new(move || Ok(Arc::new(Folder::for_writing(&directory)?))), options, ids)
    }

    pub(super) fn on(place: Place, options: &AuditOptions, ids: Ids) -> Self {
        let options =
            Options::default().segment_bytes(options.segment_bytes).total_bytes(options.total_bytes);
        Self {
            place,
            options,
            ids,
            state: Mutex::new(State::Shut { problem: "the audit has not been opened yet".to_owned() }),
            threads: Arc::new(Semaphore::new(WAITING_THREADS)),
            stalled: Arc::default(),
            told: Teller::new(),
        }
    }

    /// Opens the ledger, if it is shut: reads all of it, and holds the thread meanwhile. Returns what is to be
    /// recorded first.
    pub(super) fn open(&self) -> Vec<AuditRecord> {
        if !self.is_shut() {
            return Vec::new();
        }
        let mut recall = Recall::new(&self.ids);
        let opened = (self.place)()
            .and_then(|disk| Ledger::open_on(disk, &self.options, |record| recall.see(&record)));
        let (next, first) = match opened {
            Ok(ledger) => {
                if let Some(torn) = ledger.removed() {
                    tracing::warn!("audit: {torn}; it was removed");
                }
                (State::Open(Arc::new(ledger)), recall.finish())
            }
            // What was read up to the damage is remembered all the same.
            Err(error) => {
                recall.finish();
                (State::Shut { problem: error.to_string() }, Vec::new())
            }
        };
        let mut state = self.state();
        if matches!(*state, State::Shut { .. }) {
            *state = next;
        }
        first
    }

    pub(super) fn is_shut(&self) -> bool {
        matches!(*self.state(), State::Shut { .. })
    }

    /// Records something, and returns its sequence when it is on the disk. To be run to its end: whoever drops it
    /// does not know whether it was recorded.
    pub(super) async fn commit(&self, record: &AuditRecord) -> Result<u64, Problem> {
        let done = self.commit_all(std::slice::from_ref(record)).await;
        done.into_iter().next().unwrap_or_else(|| Err(runtime_ends()))
    }

    /// The same for many, which share a sync. What fails fails alone.
    pub(super) async fn commit_all(&self, records: &[AuditRecord]) -> Vec<Result<u64, Problem>> {
        let ledger = match self.ledger() {
            Ok(ledger) => ledger,
            Err(problem) => return vec![Err(problem); records.len()],
        };
        let tickets: Vec<_> = records.iter().map(|record| ledger.append(record)).collect();
        let notes: Vec<_> = tickets
            .iter()
            .zip(records)
            .map(|(ticket, record)| ticket.as_ref().ok().and_then(|ticket| self.told.note(record, ticket)))
            .collect();
        drop(ledger);
        // A thread waits and not the task: time that a test has paused stands still meanwhile.
        let permit = Arc::clone(&self.threads).acquire_owned().await;
        let stalled = Arc::clone(&self.stalled);
        let waiting = tokio::task::spawn_blocking(move || {
            let synced: Vec<_> = tickets.into_iter().map(|ticket| ticket.and_then(Ticket::wait)).collect();
            stalled.store(false, Ordering::Release);
            drop(permit);
            synced
        });
        match waiting.await {
            Ok(synced) => synced.into_iter().zip(notes).map(|(one, note)| self.synced(one, note)).collect(),
            Err(_) => vec![Err(runtime_ends()); records.len()],
        }
    }

    fn synced(&self, synced: Result<u64, Error>, note: Option<Recorded>) -> Result<u64, Problem> {
        let sequence = synced.map_err(|error| self.refused(error))?;
        note.into_iter().for_each(|note| self.told.tell(note));
        Ok(sequence)
    }

    /// Whoever listens is told what is recorded from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Recorded> {
        self.told.listen()
    }

    /// Finds out whether a disk that was broken is well.
    pub(super) async fn mend(&self) -> Result<(), Problem> {
        let ticket = match &*self.state() {
            State::Open(ledger) => ledger.sync(),
            State::Shut { .. } | State::Closed => return Ok(()),
        };
        let ticket = ticket.map_err(|error| self.refused(error))?;
        let stalled = Arc::clone(&self.stalled);
        let waiting = tokio::task::spawn_blocking(move || {
            let synced = ticket.wait();
            stalled.store(false, Ordering::Release);
            synced
        });
        let synced = waiting.await.map_err(|_| runtime_ends())?;
        synced.map(drop).map_err(|error| self.refused(error))
    }

    /// Somebody gave up waiting. Until something is synced, nothing more is tried.
    pub(super) fn stall(&self) {
        self.stalled.store(true, Ordering::Release);
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Acquire)
    }

    fn ledger(&self) -> Result<Arc<Ledger>, Problem> {
        if self.is_stalled() {
            return Err(stalled());
        }
        match &*self.state() {
            State::Open(ledger) => Ok(Arc::clone(ledger)),
            State::Shut { problem } => Err(Problem(problem.clone())),
            State::Closed => Err(Problem("the audit is closed, because the target ends".to_owned())),
        }
    }

    /// An error after which only opening the ledger anew can help shuts it.
    fn refused(&self, error: Error) -> Problem {
        let problem = Problem(error.to_string());
        let gone = match &error {
            Error::Ended => true,
            Error::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        };
        if gone {
            let mut state = self.state();
            if matches!(*state, State::Open(_)) {
                *state = State::Shut { problem: problem.0.clone() };
            }
        }
        problem
    }

    pub(super) fn condition(&self) -> Condition {
        let ledger = match &*self.state() {
            State::Open(ledger) => Arc::clone(ledger),
            State::Shut { problem } => {
                return Condition { broken: true, problem: Some(problem.clone()), sequence: 0 };
            }
            State::Closed => return Condition { broken: false, problem: None, sequence: 0 },
        };
        let sequence = ledger.durable().sequence;
        let (broken, problem) = match ledger.health() {
            _ if self.is_stalled() => (true, Some(stalled().0)),
            Health::Sound => (false, None),
            Health::Overgrown { error } => (false, Some(error.to_string())),
            Health::Broken { error } => (true, Some(error.to_string())),
            Health::ReadOnly { flaw } => (true, Some(flaw.to_string())),
            other => (true, Some(format!("{other:?}"))),
        };
        Condition { broken, problem, sequence }
    }

    /// Gives the directory free. What was not synced is, on a thread that may be held by the disk.
    pub(super) async fn close(&self) {
        let closed = std::mem::replace(&mut *self.state(), State::Closed);
        // A runtime that ends loses the answer and not the work.
        let _ = tokio::task::spawn_blocking(move || drop(closed)).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn runtime_ends() -> Problem {
    Problem("the target's runtime ends".to_owned())
}

pub(super) fn stalled() -> Problem {
    Problem("the disk has not answered for 10 seconds; see the kernel's log".to_owned())
}
