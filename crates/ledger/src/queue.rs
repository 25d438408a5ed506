//! Between those who append and the one thread that writes.

use std::mem;
use std::sync::{Arc, PoisonError};

use serde_json::value::RawValue;

use crate::batch::Batch;
use crate::clock::Stamp;
use crate::error::Error;
use crate::flaw::Flaw;
use crate::head::{Chunk, Head};
use crate::line::ENVELOPE;
use crate::sync::{Condvar, Mutex, lock};

/// When this much waits to be written, it is, also if nobody waits for it: 1 MiB.
const FLUSH: usize = 1 << 20;

/// When this much waits to be written, nothing more is taken: 32 MiB.
pub(crate) const MAX_WAITING: usize = 32 << 20;

/// How a ledger is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Health {
    /// The last write was synced.
    Sound,
    /// It is written, but old segments could not be removed: it is larger than it may be. Tried again with every
    /// sync.
    Overgrown {
        /// Why.
        error: Error,
    },
    /// The last write or sync failed. What was not acknowledged is lost. The next sync tries to go on in a new
    /// segment.
    Broken {
        /// Why.
        error: Error,
    },
    /// It was opened although it is damaged, to be read only.
    ReadOnly {
        /// The first bad line.
        flaw: Flaw,
    },
}

/// What appenders and the writer share.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    segment_bytes: u64,
}

#[derive(Debug)]
struct State {
    /// Where the chain ends when everything that waits is written.
    head: Head,
    /// Where it ends on the disk.
    durable: Head,
    waiting: Vec<Chunk>,
    waiting_bytes: usize,
    /// The fate of what waits.
    batch: Arc<Batch>,
    /// Whether somebody wants it written.
    wanted: bool,
    /// Whether no more will come.
    closing: bool,
    /// Whether the writer is gone.
    ended: bool,
    /// How many records were lost to failed writes and syncs.
    lost: u64,
    health: Health,
}

/// What the writer is to do next.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) chunks: Vec<Chunk>,
    head: Head,
    batch: Arc<Batch>,
}

impl Queue {
    pub(crate) fn new(head: Head, segment_bytes: u64, health: Health) -> Self {
        let state = State {
            head,
            durable: head,
            waiting: Vec::new(),
            waiting_bytes: 0,
            batch: Arc::default(),
            wanted: false,
            closing: false,
            ended: false,
            lost: 0,
            health,
        };
        Self { state: Mutex::new(state), work: Condvar::new(), segment_bytes }
    }

    /// Puts a record at the end of the chain. Returns its sequence, its stamp and its batch.
    pub(crate) fn append(&self, body: &RawValue) -> Result<(u64, Stamp, Arc<Batch>), Error> {
        let mut state = lock(&self.state);
        state.refuse()?;
        if state.waiting_bytes > 0 && state.waiting_bytes + body.get().len() > MAX_WAITING {
            return Err(Error::Behind { bytes: state.waiting_bytes });
        }
        let State { head, waiting, .. } = &mut *state;
        let stamp = head.add_record(body, self.segment_bytes, waiting)?;
        state.waiting_bytes += body.get().len() + ENVELOPE;
        if state.waiting_bytes >= FLUSH {
            self.want(&mut state);
        }
        Ok((state.head.sequence, stamp, Arc::clone(&state.batch)))
    }

    /// The fate of everything that was appended so far.
    pub(crate) fn barrier(&self) -> Result<(u64, Arc<Batch>), Error> {
        let mut state = lock(&self.state);
        state.refuse()?;
        if state.head.closed {
            // A write or sync has failed. Only another one can show that the disk is well again.
            let State { head, waiting, .. } = &mut *state;
            head.add_header(waiting)?;
        }
        Ok((state.head.sequence, Arc::clone(&state.batch)))
    }

    /// Has a batch written, if it still waits.
    pub(crate) fn hurry(&self, batch: &Arc<Batch>) {
        let mut state = lock(&self.state);
        if Arc::ptr_eq(&state.batch, batch) {
            self.want(&mut state);
        }
    }

    fn want(&self, state: &mut State) {
        state.wanted = true;
        self.work.notify_one();
    }

    /// No more will come: the writer writes what waits, and ends.
    pub(crate) fn close(&self) {
        lock(&self.state).closing = true;
        self.work.notify_one();
    }

    pub(crate) fn health(&self) -> Health {
        lock(&self.state).health.clone()
    }

    pub(crate) fn lost(&self) -> u64 {
        lock(&self.state).lost
    }

    pub(crate) fn durable(&self) -> Head {
        lock(&self.state).durable
    }

    /// Waits for something to do. `None`: it is over.
    pub(crate) fn next(&self) -> Option<Work> {
        let mut state = lock(&self.state);
        loop {
            if state.wanted || (state.closing && !state.waiting.is_empty()) {
                state.wanted = false;
                state.waiting_bytes = 0;
                let chunks = mem::take(&mut state.waiting);
                let batch = mem::take(&mut state.batch);
                return Some(Work { chunks, head: state.head, batch });
            }
            if state.closing {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Everything of this work is on the disk.
    pub(crate) fn succeeded(&self, work: &Work, retained: Result<(), Error>) {
        let mut state = lock(&self.state);
        state.durable = work.head;
        state.health = match retained {
            Ok(()) => Health::Sound,
            Err(error) => Health::Overgrown { error },
        };
        drop(state);
        work.batch.settle(Ok(()));
    }

    /// Nothing of this work is on the disk for sure. What was appended since hangs on it, and is lost as well. The
    /// chain goes on in a new segment behind what is durable.
    pub(crate) fn failed(&self, work: &Work, error: &Error) {
        let mut state = lock(&self.state);
        state.lost += state.head.sequence - state.durable.sequence;
        state.durable.closed = true;
        state.head = state.durable;
        state.waiting.clear();
        state.waiting_bytes = 0;
        state.wanted = false;
        state.health = Health::Broken { error: error.clone() };
        let lost = mem::take(&mut state.batch);
        drop(state);
        work.batch.settle(Err(error.clone()));
        lost.settle(Err(error.clone()));
    }

    /// The writer is gone.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        if !state.closing {
            state.health = Health::Broken { error: Error::Ended };
        }
        let lost = mem::take(&mut state.batch);
        drop(state);
        lost.settle(Err(Error::Ended));
    }
}

impl State {
    fn refuse(&self) -> Result<(), Error> {
        match &self.health {
            Health::ReadOnly { flaw } => Err(Error::ReadOnly(Box::new(flaw.clone()))),
            _ if self.ended => Err(Error::Ended),
            _ => Ok(()),
        }
    }
}

/// A writer that panics in the midst of its work leaves nobody waiting.
impl Drop for Work {
    fn drop(&mut self) {
        self.batch.settle(Err(Error::Ended));
    }
}
