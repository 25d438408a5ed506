//! How a tree ends: as it was decided, or because nobody is there any more to decide.

use std::sync::Arc;

use supervisor_api::report::{
    ChildShutdownOutcome, ReconcileReport, RuntimeExitReport, RuntimeFailureReason, ShutdownResult,
};
use supervisor_api::{ChildKey, Exit, Lifecycle, SupervisorError};
use supervisor_core::End;

use super::{After, Brain};
use crate::clock::unix_nanos;
use crate::slot::{FORGET, KILL, STOP};
use crate::tree::Tree;

impl Brain {
    /// The machine is done. Late ends of unresponsive runs may follow, nothing else.
    pub(super) fn finish(&mut self, tree: &Tree, end: End) {
        self.done = true;
        let outcomes = self.outcomes(tree);
        #[cfg(feature = "metrics")]
        if let Some(meter) = &self.meter {
            meter.down(&outcomes.reconcile);
        }
        tree.plane.set_shutdown(outcomes);
        if let End::StartFailed { path, exit } = &end {
            let error = SupervisorError::StartFailed { path: path.clone(), exit: exit.clone() };
            self.after.push(After::Started(Err(error)));
        }
        let report = report(end);
        self.end = Some(report.clone());
        self.after.push(After::Ended(report));
    }

    /// Tasks that host nothing end; one that still hosts a run ends after it. That is for the turn after the one in which
    /// the tree ended, since nobody who waits for the end has to wait for it.
    pub(super) fn dismiss(&mut self, tree: &Tree) {
        if std::mem::replace(&mut self.dismissed, true) {
            return;
        }
        for (index, _) in (0u32..).zip(&self.seats).filter(|(_, seat)| seat.hosted != 0) {
            tree.table.slot(index).raise(FORGET);
            self.after.push(After::Ring(index));
        }
    }

    /// How each child ended, in the order of the tree.
    fn outcomes(&self, tree: &Tree) -> ShutdownResult {
        let mut result = ShutdownResult::default();
        let began = self.ending_from;
        let mut open = vec![ChildKey::ROOT];
        while let Some(key) = open.pop() {
            if key != ChildKey::ROOT
                && let Some(outcome) = self.outcome(tree, key)
            {
                count(&mut result.reconcile, &outcome, self.was_stopped(tree, key, began));
                result.outcomes.push(outcome);
            }
            let from = open.len();
            open.extend(self.machine.children(key));
            open[from..].reverse();
        }
        result
    }

    /// Whether the child ran when the end began.
    fn was_stopped(&self, tree: &Tree, key: ChildKey, began: u64) -> bool {
        let supervisor = self.machine.policy(key).is_some_and(|policy| policy.is_supervisor);
        let changed = tree.table.row(key.index).read().as_of > began;
        changed && (supervisor || tree.table.slot(key.index).cell().stop.is_some())
    }

    fn outcome(&self, tree: &Tree, key: ChildKey) -> Option<ChildShutdownOutcome> {
        let (row, path) = (self.machine.row(key)?, self.machine.path(key)?.clone());
        let cell = tree.table.slot(key.index).cell();
        let last = cell.past.as_ref().and_then(|past| past.last());
        let exit = last.filter(|last| last.0 == row.generation).map(|last| last.1.clone());
        let took_micros = self.machine.took_nanos(key) / 1_000;
        Some(ChildShutdownOutcome {
            path,
            state: row.lifecycle,
            generation: row.generation,
            exit,
            took_micros,
        })
    }

    /// Nothing runs and nothing will: what a user gave is dropped, so that no circle of owners stays, and
    /// no message waits any more.
    pub(super) fn retire(&mut self, tree: &Tree) {
        self.inbox.close();
        while let Ok(msg) = self.inbox.try_recv() {
            self.refuse(tree, msg);
        }
        for index in (0u32..).take(self.seats.len()) {
            self.let_go(tree, index);
        }
        let launched = std::mem::take(&mut self.launched);
        self.after.push(After::Drop(Box::new((launched, std::mem::take(&mut self.added)))));
    }
}

fn count(reconcile: &mut ReconcileReport, outcome: &ChildShutdownOutcome, stopped: bool) {
    match (&outcome.exit, outcome.state) {
        (_, Lifecycle::Unresponsive) => reconcile.unresponsive.push(outcome.path.clone()),
        _ if !stopped => reconcile.idle += 1,
        (Some(Exit::Aborted | Exit::Killed { by_us: true, .. }), _) => reconcile.forced += 1,
        _ => reconcile.stopped += 1,
    }
}

/// The final report of a tree that ended like this (D20).
fn report(end: End) -> RuntimeExitReport {
    let now = unix_nanos();
    let failed = |phase: &str, reason: String| {
        RuntimeExitReport::failed(RuntimeFailureReason::new(phase, reason, false, true), now)
    };
    match end {
        End::Shutdown { reason } => RuntimeExitReport::completed("shutdown", reason, now),
        End::AllDone { failed: None } => {
            RuntimeExitReport::completed("all_done", "nothing is left to run", now)
        }
        End::AllDone { failed: Some(path) } => {
            RuntimeExitReport::completed("all_done", format!("nothing is left to run; {path} failed"), now)
        }
        End::AutoShutdown { child } => {
            let reason = format!("the significant child {child} ended");
            RuntimeExitReport::completed("auto_shutdown", reason, now)
        }
        End::StartFailed { path, exit } => failed("start", format!("{path} did not start: {exit}")),
        End::GaveUp { chain } => failed("escalation", chain.join(" -> ")),
        End::Dropped => RuntimeExitReport::completed("dropped", "the owner of the tree went away", now),
    }
}

/// The report of a tree whose loop panicked.
pub(super) fn panicked(reason: String) -> RuntimeExitReport {
    RuntimeExitReport::failed(RuntimeFailureReason::new("loop", reason, true, false), unix_nanos())
}

impl Tree {
    /// The tree has ended: everybody who waits is told.
    pub(super) fn ended(&self, report: RuntimeExitReport) {
        self.plane.end(report);
        self.clocks.stop();
        self.journal.close();
        self.logs.close();
    }

    /// Nobody decides any more: every run is stopped hard, everybody who waits is told.
    pub(crate) fn abandon(&self, report: RuntimeExitReport) {
        self.ended(report);
        let mut messages = Vec::new();
        let (seats, waiting) = {
            let mut brain = self.brain();
            brain.done = true;
            brain.inbox.close();
            while let Ok(msg) = brain.inbox.try_recv() {
                messages.push(msg);
            }
            (brain.seats.len(), std::mem::take(&mut brain.waiting))
        };
        // Whoever waits for an answer reads from the closed channel that the tree has ended.
        drop(waiting);
        crate::contain::drop_quietly(messages);
        for index in 0..u32::try_from(seats).unwrap_or(u32::MAX) {
            let slot = self.table.slot(index);
            slot.raise(STOP | KILL | FORGET);
            slot.ring();
        }
    }
}

/// Notices when the driver is dropped in the middle: its runtime is gone (D16).
pub(super) struct Guard {
    tree: Option<Arc<Tree>>,
}

impl Guard {
    pub(super) fn new(tree: Arc<Tree>) -> Self {
        Self { tree: Some(tree) }
    }

    pub(super) fn disarm(mut self) {
        self.tree = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(tree) = self.tree.take() else { return };
        if std::thread::panicking() {
            tree.abandon(panicked("the task of the supervising loop panicked".to_owned()));
        } else {
            tree.abandon(RuntimeExitReport::completed(
                "dropped",
                "the runtime of the tree was dropped",
                unix_nanos(),
            ));
        }
    }
}
