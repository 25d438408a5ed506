//! The tasks that a run spawned: part of its incarnation (D6).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::Poll;

use supervisor_api::{ChildKey, Exit};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::contain::contain;
use crate::slot::CREW_FAILED;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, spawn};
use crate::tree::Tree;

/// The count is in steps of two; the lowest bit says that nobody can join any more.
const CLOSED: usize = 1;
const ONE: usize = 2;

/// The spawned tasks of one run.
pub(crate) struct Crew {
    live: AtomicUsize,
    abort: CancellationToken,
    failure: Mutex<Option<Exit>>,
    /// The run's; its tasks are polled inside.
    span: Span,
}

impl Crew {
    pub(crate) fn new(span: Span) -> Self {
        Self { live: AtomicUsize::new(0), abort: CancellationToken::new(), failure: Mutex::new(None), span }
    }

    /// Closes the crew if nobody is in it.
    pub(crate) fn close_if_empty(&self) -> bool {
        let closed = self.live.compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Acquire);
        !matches!(closed, Err(live) if live != CLOSED)
    }

    /// Whether every task is gone.
    pub(crate) fn is_empty(&self) -> bool {
        self.live.load(Ordering::Acquire) < ONE
    }

    /// Drops every task, now and in place.
    pub(crate) fn abort(&self) {
        self.abort.cancel();
    }

    /// The panic of a task, the first one.
    pub(crate) fn failure(&self) -> Option<Exit> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn join(&self) -> bool {
        let mut live = self.live.load(Ordering::Acquire);
        while live & CLOSED == 0 {
            match self.live.compare_exchange_weak(live, live + ONE, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => live = now,
            }
        }
        false
    }

    /// Spawns `future` as a member. A crew that is closed drops it.
    pub(crate) fn spawn<Fut>(self: Arc<Self>, tree: &Arc<Tree>, key: ChildKey, generation: u64, future: Fut)
    where
        Fut: Future + Send + 'static,
    {
        if !self.join() {
            return;
        }
        let member = Member { crew: self, tree: Arc::clone(tree), key, generation };
        spawn(&tree.runtime, live(member, future));
    }
}

/// Leaves the crew when it is dropped, which is after the task's future is.
struct Member {
    crew: Arc<Crew>,
    tree: Arc<Tree>,
    key: ChildKey,
    generation: u64,
}

impl Member {
    /// A panic of one task is the end of the run: nobody else would notice.
    fn failed(&self, exit: Exit) {
        self.crew.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(exit);
        let slot = self.tree.table.slot(self.key.index);
        if slot.order().generation() == self.generation {
            slot.raise(CREW_FAILED);
            slot.ring();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.crew.live.fetch_sub(ONE, Ordering::AcqRel) < 2 * ONE {
            self.tree.table.slot(self.key.index).ring();
        }
    }
}

async fn live<Fut: Future + Send + 'static>(member: Member, future: Fut) {
    let mut future = pin!(Some(future));
    {
        let mut aborted = pin!(member.crew.abort.cancelled());
        poll_fn(|cx| {
            if aborted.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let poll = || future.as_mut().as_pin_mut().is_none_or(|future| future.poll(cx).is_ready());
            let polled = contain(|| member.crew.span.in_scope(poll));
            match polled {
                Ok(true) => Poll::Ready(()),
                Ok(false) => Poll::Pending,
                Err(panic) => {
                    member.failed(panic);
                    Poll::Ready(())
                }
            }
        })
        .await;
    }
    if let Err(panic) = contain(|| member.crew.span.in_scope(|| future.set(None))) {
        member.failed(panic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_crew_takes_nobody_and_one_with_members_cannot_be_closed() {
        let crew = Crew::new(Span::none());
        assert!(crew.join() && !crew.close_if_empty() && !crew.is_empty());
        crew.live.fetch_sub(ONE, Ordering::AcqRel);
        assert!(crew.is_empty() && crew.close_if_empty() && crew.close_if_empty());
        assert!(!crew.join());
    }
}
