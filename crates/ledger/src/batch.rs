//! Records that share one sync, and those who wait for it.

use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::error::Error;
use crate::sync::{Condvar, Mutex, lock};

/// The fate of all records that are written and synced together. It is settled once.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    outcome: Option<Result<(), Error>>,
    wakers: Vec<Waker>,
}

impl Batch {
    /// The first outcome counts.
    pub(crate) fn settle(&self, outcome: Result<(), Error>) {
        let mut state = lock(&self.state);
        if state.outcome.is_none() {
            state.outcome = Some(outcome);
        }
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.settled.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Holds the thread until the batch is settled.
    pub(crate) fn wait(&self) -> Result<(), Error> {
        let mut state = lock(&self.state);
        loop {
            match &state.outcome {
                Some(outcome) => return outcome.clone(),
                None => state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// `place` is where the waiting task has its waker: it is kept by the caller, from poll to poll.
    pub(crate) fn poll(&self, context: &Context<'_>, place: &mut Option<usize>) -> Poll<Result<(), Error>> {
        let mut state = lock(&self.state);
        if let Some(outcome) = &state.outcome {
            return Poll::Ready(outcome.clone());
        }
        match *place {
            Some(place) => state.wakers[place].clone_from(context.waker()),
            None => {
                *place = Some(state.wakers.len());
                state.wakers.push(context.waker().clone());
            }
        }
        Poll::Pending
    }
}
