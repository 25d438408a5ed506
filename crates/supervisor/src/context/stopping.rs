//! The futures that resolve when a run has to stop.
//!
//! In the child's own task they cost nothing: an order wakes that task anyway, so they only look. In any
//! other task they wait for a token, which is made for the run when the first one does.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use supervisor_api::Cause;
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::ChildContext;
use crate::slot::{ENDING, KILL, OVER, STOP};

/// Why a run has to stop, and how long it has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopRequest {
    /// Why.
    pub cause: Cause,
    /// Who asked for it, as they said.
    pub requested_by: Option<Arc<str>>,
    /// In which words.
    pub reason: Option<Arc<str>>,
    /// When the grace ends; `None` is never.
    pub deadline: Option<Instant>,
}

impl StopRequest {
    /// The grace left now; `None` when there is no end to it.
    pub fn grace_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

impl fmt::Display for StopRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause.word().replace('_', " "))?;
        if let Some(by) = &self.requested_by {
            write!(f, " by {by}")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        Ok(())
    }
}

impl ChildContext {
    fn stop_request(&self) -> Option<StopRequest> {
        let order = self.order();
        if !order.has(STOP | KILL | ENDING | OVER) {
            return None;
        }
        let asked = self.slot().cell().stop.clone().filter(|_| !order.has(OVER));
        let detail = asked.as_ref().and_then(|stop| stop.detail.clone());
        let deadline = match &asked {
            Some(stop) => (stop.deadline != u64::MAX).then(|| self.place.tree.clock.instant(stop.deadline)),
            None => Some(Instant::now()),
        };
        Some(StopRequest {
            cause: asked.map_or(Cause::Exit, |stop| stop.cause),
            requested_by: detail.as_ref().and_then(|detail| detail.requested_by.clone()),
            reason: detail.and_then(|detail| detail.reason.clone().or_else(|| detail.text.clone())),
            deadline,
        })
    }

    /// Whether `cx` belongs to the task that hosts the run, which every order wakes.
    fn in_own_task(&self, cx: &Context<'_>) -> bool {
        let cell = self.slot().cell();
        cell.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
    }
}

/// Waits for a token, made when it is first needed.
type Waiting = Option<Pin<Box<WaitForCancellationFutureOwned>>>;

/// Resolves when the run is asked to stop. See [`ChildContext::stopping`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Stopping<'a> {
    ctx: &'a ChildContext,
    waiting: Waiting,
}

impl<'a> Stopping<'a> {
    pub(super) fn new(ctx: &'a ChildContext) -> Self {
        Self { ctx, waiting: None }
    }
}

impl Future for Stopping<'_> {
    type Output = StopRequest;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<StopRequest> {
        let this = &mut *self;
        let ctx = this.ctx;
        let token = || ctx.own_token(STOP | KILL | ENDING | OVER, |aids| &mut aids.stop);
        if !ctx.is_stopping() && !ctx.in_own_task(cx) && wait(&mut this.waiting, token, cx).is_pending() {
            return Poll::Pending;
        }
        // Looked at once more after the waker was: an order in between has woken nobody.
        this.ctx.stop_request().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Resolves when the grace of the run is over. See [`ChildContext::killed`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Killed<'a> {
    ctx: &'a ChildContext,
    waiting: Waiting,
}

impl<'a> Killed<'a> {
    pub(super) fn new(ctx: &'a ChildContext) -> Self {
        Self { ctx, waiting: None }
    }
}

impl Future for Killed<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let killed = |ctx: &ChildContext| ctx.order().has(KILL | OVER);
        let ctx = this.ctx;
        let token = || ctx.own_token(KILL | OVER, |aids| &mut aids.kill);
        if !killed(ctx) && !ctx.in_own_task(cx) && wait(&mut this.waiting, token, cx).is_pending() {
            return Poll::Pending;
        }
        if killed(this.ctx) { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn wait(
    waiting: &mut Waiting,
    token: impl FnOnce() -> tokio_util::sync::CancellationToken,
    cx: &mut Context<'_>,
) -> Poll<()> {
    waiting.get_or_insert_with(|| Box::pin(token().cancelled_owned())).as_mut().poll(cx)
}

impl fmt::Debug for Stopping<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopping").field("ctx", &self.ctx).finish_non_exhaustive()
    }
}

impl fmt::Debug for Killed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Killed").field("ctx", &self.ctx).finish_non_exhaustive()
    }
}
