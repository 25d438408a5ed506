//! What a tree is as a whole. Read without asking the loop, so it answers when the loop does not.

use std::sync::PoisonError;

use supervisor_api::SupervisorError;
use supervisor_api::report::{
    RuntimeControlPlaneState, RuntimeExitReport, RuntimeHealthReport, ShutdownResult, Stuck, TreeHealth,
};

use crate::clock::unix_nanos;
use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use crate::sync::{Mutex, Notify, OnceLock};
use crate::watchdog::LOOP;
use tracing::Span;

/// The state of the supervising part, its report, and who waits for either.
pub(crate) struct Plane {
    state: AtomicU8,
    health: AtomicU8,
    ping_withheld: AtomicBool,
    started_at: u64,
    /// Set when the initial start is over.
    start: OnceLock<Result<(), SupervisorError>>,
    report: OnceLock<RuntimeExitReport>,
    shutdown: OnceLock<ShutdownResult>,
    stuck: Mutex<Vec<Stuck>>,
    /// What is recorded of the end, while it goes on.
    ending: Mutex<Option<Span>>,
    changed: Notify,
}

impl Plane {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU8::new(RuntimeControlPlaneState::Starting as u8),
            health: AtomicU8::new(TreeHealth::Healthy as u8),
            ping_withheld: AtomicBool::new(false),
            started_at: unix_nanos(),
            start: OnceLock::new(),
            report: OnceLock::new(),
            shutdown: OnceLock::new(),
            stuck: Mutex::new(Vec::new()),
            ending: Mutex::new(None),
            changed: Notify::new(),
        }
    }

    /// The state.
    pub(crate) fn state(&self) -> RuntimeControlPlaneState {
        if let Some(report) = self.report.get() {
            return report.state;
        }
        let state = usize::from(self.state.load(Ordering::Acquire));
        RuntimeControlPlaneState::ALL.get(state).copied().unwrap_or(RuntimeControlPlaneState::Starting)
    }

    /// The loop has had its first input. Changes nothing later.
    pub(crate) fn mark_alive(&self) {
        self.step(RuntimeControlPlaneState::Starting, RuntimeControlPlaneState::Alive);
    }

    /// The tree is being stopped. Changes nothing after the end.
    pub(crate) fn mark_shutting_down(&self) {
        self.step(RuntimeControlPlaneState::Starting, RuntimeControlPlaneState::ShuttingDown);
        self.step(RuntimeControlPlaneState::Alive, RuntimeControlPlaneState::ShuttingDown);
    }

    fn step(&self, from: RuntimeControlPlaneState, to: RuntimeControlPlaneState) {
        // Another state than `from` means that the step is already behind us.
        let _ = self.state.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(crate) fn set_health(&self, health: TreeHealth, ping_withheld: bool) {
        self.health.store(health as u8, Ordering::Relaxed);
        self.ping_withheld.store(ping_withheld, Ordering::Relaxed);
    }

    pub(crate) fn set_stuck(&self, stuck: Vec<Stuck>) {
        *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) = stuck;
    }

    /// The initial start is over; the first word counts.
    pub(crate) fn started(&self, how: Result<(), SupervisorError>) {
        // A later word changes nothing.
        let _ = self.start.set(how);
        self.changed.notify_waiters();
    }

    /// What the shutdown left behind; the first result counts.
    pub(crate) fn set_shutdown(&self, result: ShutdownResult) {
        // A later result changes nothing.
        let _ = self.shutdown.set(result);
    }

    /// The result of the shutdown, once there is one.
    pub(crate) fn shutdown(&self) -> ShutdownResult {
        self.shutdown.get().cloned().unwrap_or_default()
    }

    /// The tree begins to end; the span is open until it has ended.
    pub(crate) fn ending(&self, span: Span) {
        let before = self.ending.lock().unwrap_or_else(PoisonError::into_inner).replace(span);
        drop(before);
    }

    /// The tree has ended. Says whether this report is the one that counts: the first wins.
    pub(crate) fn end(&self, report: RuntimeExitReport) -> bool {
        let state = report.state;
        let first = self.report.set(report).is_ok();
        if first {
            let ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let (Some(ending), Some(report)) = (ending, self.report.get()) {
                ending.record("phase", report.phase.as_ref());
            }
            self.state.store(state as u8, Ordering::Release);
            self.changed.notify_waiters();
        }
        first
    }

    /// The final report, after the end.
    pub(crate) fn report(&self) -> Option<&RuntimeExitReport> {
        self.report.get()
    }

    /// The error of a call that comes after the end.
    pub(crate) fn ended(&self) -> Option<SupervisorError> {
        self.report().map(|report| SupervisorError::Ended { report: Box::new(report.clone()) })
    }

    /// Waits for the end.
    pub(crate) async fn join(&self) -> RuntimeExitReport {
        loop {
            let changed = self.changed.notified();
            if let Some(report) = self.report() {
                return report.clone();
            }
            changed.await;
        }
    }

    /// Waits until the initial start is over.
    pub(crate) async fn wait_started(&self) -> Result<(), SupervisorError> {
        loop {
            let changed = self.changed.notified();
            if let Some(start) = self.start.get() {
                return start.clone();
            }
            if let Some(error) = self.ended() {
                return Err(error);
            }
            changed.await;
        }
    }

    /// What the tree says of itself now.
    pub(crate) fn health(&self) -> RuntimeHealthReport {
        let report = self.report();
        let health = usize::from(self.health.load(Ordering::Relaxed));
        let stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let loop_is_stuck = stuck.iter().any(|stuck| &*stuck.name == LOOP);
        RuntimeHealthReport {
            alive: report.is_none(),
            state: self.state(),
            tree: TreeHealth::ALL.get(health).copied().unwrap_or(TreeHealth::Healthy),
            started_at_unix_nanos: self.started_at,
            last_observed_at_unix_nanos: report
                .map_or_else(unix_nanos, |report| report.completed_at_unix_nanos),
            failure: report.and_then(RuntimeExitReport::failure_reason),
            exit_report: report.cloned(),
            stuck,
            ping_withheld: loop_is_stuck || self.ping_withheld.load(Ordering::Relaxed),
            registration: None,
            audit: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_report_wins() {
        let plane = Plane::new();
        assert!(plane.end(RuntimeExitReport::completed("shutdown", "asked", 7)));
        let failure = supervisor_api::report::RuntimeFailureReason::new("loop", "boom", true, false);
        assert!(!plane.end(RuntimeExitReport::failed(failure, 8)));
        assert_eq!(plane.report().unwrap().completed_at_unix_nanos, 7);
        assert_eq!(plane.state(), RuntimeControlPlaneState::Completed);
        let health = plane.health();
        assert_eq!((health.alive, health.last_observed_at_unix_nanos), (false, 7));
        assert_eq!(health.failure, None);
    }

    #[test]
    fn marking_alive_after_the_end_changes_nothing() {
        let plane = Plane::new();
        plane.mark_alive();
        assert_eq!(plane.state(), RuntimeControlPlaneState::Alive);
        plane.mark_shutting_down();
        plane.mark_alive();
        assert_eq!(plane.state(), RuntimeControlPlaneState::ShuttingDown);
        plane.end(RuntimeExitReport::completed("shutdown", "asked", 7));
        plane.mark_alive();
        plane.mark_shutting_down();
        assert_eq!(plane.state(), RuntimeControlPlaneState::Completed);
    }
}
