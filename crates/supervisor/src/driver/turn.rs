//! One turn: everything that waits is handed to the machine, in a fixed order.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use supervisor_api::{ChildKey, Severity};
use supervisor_core::Input;

use super::apply::KEPT;
use super::{After, Brain, More};
use crate::clock::unix_nanos;
use crate::contain::{drop_quietly, panic_message};
use crate::journal::stamp;
use crate::queue::{BEAT, DUE, EXIT, MISSED, READY};
use crate::slot::{How, Missed};
use crate::spans::{self, TARGET};
use crate::tree::Tree;

/// Reports of children that are handled in one turn; then readers and children have theirs.
const REPORTS: usize = 256;

impl Tree {
    /// Declares every child and begins the initial start.
    pub(crate) fn launch(self: &Arc<Self>) {
        self.locked(|brain, now| {
            brain.launch(self, now);
            More::Now
        });
    }

    /// One turn of the driver.
    pub(crate) fn turn(self: &Arc<Self>) -> More {
        let more = self.locked(|brain, now| brain.turn(self, now));
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.plane.mark_alive();
        more
    }

    /// Does something with the brain, then, without it, everything that was put off. A panic in the machine
    /// breaks the tree, and nothing else.
    fn locked(self: &Arc<Self>, act: impl FnOnce(&mut Brain, u64) -> More) -> More {
        let traced = tracing::enabled!(target: TARGET, tracing::Level::ERROR);
        let head = self.journal.head();
        let (result, mut after) = {
            let mut brain = self.brain();
            brain.wall = unix_nanos();
            let now = self.clock.now();
            let result = catch_unwind(AssertUnwindSafe(|| act(&mut brain, now)));
            if result.is_err() {
                self.journal.mend();
            }
            (result, std::mem::take(&mut brain.after))
        };
        for task in after.drain(..) {
            self.perform(task);
        }
        self.keep_room(after);
        let now_at = self.journal.head();
        if now_at != head {
            self.journal.tell();
            if traced {
                self.trace(head, now_at);
            }
        }
        result.unwrap_or_else(|payload| {
            self.broken(payload);
            More::Never
        })
    }

    /// Gives the emptied list back, so that a turn allocates nothing.
    fn keep_room(&self, mut after: Vec<After>) {
        after.shrink_to(KEPT);
        let mut brain = self.brain();
        if brain.after.capacity() < after.capacity() && brain.after.is_empty() {
            brain.after = after;
        }
    }

    fn perform(&self, task: After) {
        match task {
            After::Launch(run, seat) => run.host(seat),
            After::Ring(index) => self.table.slot(index).ring(),
            After::Wake(waker) => waker.wake(),
            After::Reply(reply, result) => {
                // Whoever asked may have gone; the command is carried out all the same.
                let _ = reply.send(result);
            }
            After::Drop(value) => drop_quietly(value),
            After::KeepTime(times, schedule) => self.keep_time(times, schedule),
            After::Started(how) => {
                self.plane.mark_alive();
                self.plane.started(how);
            }
            After::Ending(event, detail) => self.plane.ending(spans::shutdown(event, detail.as_deref())),
            After::Ended(report) => self.ended(report),
        }
    }

    fn broken(&self, payload: Box<dyn Any + Send>) {
        let reason = format!("the supervising loop panicked: {}", panic_message(payload.as_ref()));
        drop_quietly(payload);
        self.abandon(crate::driver::ending::panicked(reason));
    }

    /// Events for whoever listens through `tracing`.
    fn trace(&self, from: u64, to: u64) {
        for sequence in from + 1..=to {
            let Some((record, detail)) = self.journal.read(sequence) else { continue };
            let event = stamp(self, sequence, &record, detail);
            let path = event.path.as_str();
            match record.kind.severity() {
                Severity::Error => tracing::error!(target: TARGET, path, sequence, "{event}"),
                Severity::Warning => tracing::warn!(target: TARGET, path, sequence, "{event}"),
                Severity::Info => tracing::info!(target: TARGET, path, sequence, "{event}"),
                Severity::Debug => tracing::debug!(target: TARGET, path, sequence, "{event}"),
                Severity::Trace => tracing::trace!(target: TARGET, path, sequence, "{event}"),
            }
        }
    }
}

impl Brain {
    fn launch(&mut self, tree: &Arc<Tree>, now: u64) {
        let mut effects = std::mem::take(&mut self.effects);
        self.machine.launch(now, &mut effects);
        self.apply(tree, now, effects);
    }

    fn turn(&mut self, tree: &Arc<Tree>, now: u64) -> More {
        if tree.hard_stop.swap(false, Ordering::AcqRel) {
            self.feed(tree, now, Input::HardStop);
        }
        self.take_commands(tree, now);
        if self.machine.next_deadline().is_some_and(|due| due <= now) {
            self.feed(tree, now, Input::Tick);
        }
        if self.machine.has_open_plan() {
            let mut effects = std::mem::take(&mut self.effects);
            self.machine.go_on(now, &mut effects);
            self.apply(tree, now, effects);
        }
        self.take_reports(tree, now);
        let tally = self.machine.tally();
        tree.plane.set_health(tally.tree_health(), tally.withholds_ping());
        if self.done && self.live == 0 {
            self.retire(tree);
            return More::Never;
        }
        let due = self.machine.next_deadline();
        let busy =
            self.machine.has_open_plan() || !self.reports.is_empty() || due.is_some_and(|due| due <= now);
        if busy { More::Now } else { More::At(due) }
    }

    /// Hands one input to the machine and applies what it decides.
    pub(super) fn feed(&mut self, tree: &Arc<Tree>, now: u64, input: Input) {
        let mut effects = std::mem::take(&mut self.effects);
        self.machine.handle(now, input, &mut effects);
        self.apply(tree, now, effects);
        while let Some(key) = self.rebind.pop() {
            let mut effects = std::mem::take(&mut self.effects);
            self.machine.handle(now, Input::Bound { key }, &mut effects);
            self.apply(tree, now, effects);
        }
    }

    fn take_reports(&mut self, tree: &Arc<Tree>, now: u64) {
        if self.reports.is_empty() {
            tree.queue.drain(&tree.table, &mut self.reports);
        }
        for _ in 0..REPORTS {
            let Some((index, bits)) = self.reports.pop_front() else { break };
            self.take_report(tree, now, index, bits);
        }
        if self.reports.is_empty() {
            self.reports.shrink_to(KEPT);
        }
        if self.reports.is_empty() && !tree.queue.is_empty() {
            tree.ring();
        }
    }

    /// What one child reported: ready before beats, and its end last.
    fn take_report(&mut self, tree: &Arc<Tree>, now: u64, index: u32, bits: u32) {
        let slot = tree.table.slot(index);
        let key = ChildKey { index, epoch: slot.epoch() };
        let (ready, beat, missed, end) = {
            let mut cell = slot.cell();
            let missed = if bits & MISSED != 0 { cell.missed.take() } else { None };
            let end = if bits & EXIT != 0 { cell.end.take() } else { None };
            if let Some(stop) = cell.stop.as_mut().filter(|_| end.is_some()) {
                stop.detail = None;
            }
            (cell.ready, cell.beat, missed, end)
        };
        if bits & READY != 0 {
            self.feed(tree, now, Input::Ready { key, generation: ready });
        }
        if bits & BEAT != 0 {
            self.feed(tree, now, Input::Beat { key, generation: beat });
        }
        if let Some(missed) = missed {
            let Missed { generation, why, at_once } = *missed;
            let said = if at_once {
                Input::Unwell { key, generation, why }
            } else {
                Input::Missed { key, generation, why }
            };
            self.feed(tree, now, said);
        }
        if bits & DUE != 0 {
            self.feed(tree, now, Input::Due { key });
        }
        let Some(end) = end else { return };
        self.live = self.live.saturating_sub(1);
        let (key, generation) = (ChildKey { index, epoch: end.epoch }, end.generation);
        match end.how {
            How::Exited(exit) => {
                slot.cell().past.get_or_insert_default().ended(generation, exit.clone(), self.wall);
                self.feed(tree, now, Input::Exited { key, generation, exit });
            }
            How::Declined(reason) => self.feed(tree, now, Input::Declined { key, generation, reason }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ChildSpec, Lifecycle, RuntimeControlPlaneState, Supervisor, SupervisorError, SupervisorSpec,
    };

    #[tokio::test(start_paused = true)]
    async fn a_panic_in_the_loop_ends_the_tree_as_failed_and_nobody_else() {
        let child = ChildSpec::service("a", |ctx| async move {
            ctx.stopping().await;
            std::future::pending::<()>().await;
        });
        let handle = Supervisor::start(SupervisorSpec::root([child])).await.unwrap();
        let mut events = handle.subscribe_events();
        let (before, waits) = (handle.snapshot(), handle.clone());
        let waiting = tokio::spawn(async move { waits.pause_child("a", "test", "waits").await });
        while handle.child("a").unwrap().state.lifecycle_state != Lifecycle::Stopping {
            tokio::task::yield_now().await;
        }
        let tree = Arc::clone(&handle.tree);
        let more = tree.locked(|_, _| {
            tree.journal.open_window();
            panic!("a mistake in the machine")
        });
        assert!(matches!(more, More::Never));

        let report = handle.join().await;
        assert_eq!((report.state, report.phase.as_ref()), (RuntimeControlPlaneState::Failed, "loop"));
        assert!(report.panic && !report.recoverable && report.reason.contains("a mistake in the machine"));
        assert!(handle.health().failure.unwrap().panic);
        let answer = waiting.await.unwrap();
        assert!(matches!(answer, Err(SupervisorError::Ended { .. })), "{answer:?}");
        assert!(matches!(handle.resume_child("a", "test", "late").await, Err(SupervisorError::Ended { .. })));
        assert_eq!(handle.shutdown("test", "late").await.unwrap(), report);
        assert_eq!(handle.snapshot().len(), before.len(), "reads still answer");
        while events.next().await.is_some() {}
        // The child was stopped hard: its run is over although its grace is not.
        let slot = tree.table.slot(handle.find("a").unwrap().index);
        while !slot.order().has(crate::slot::OVER) {
            tokio::task::yield_now().await;
        }
    }
}
