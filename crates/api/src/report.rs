//! What a tree says of itself as a whole: its health while it runs, its report when it has ended.

mod control;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::life::words;
use crate::{Exit, Lifecycle, SupervisorPath};

pub use control::{AuditHealth, AuditState, RegistrationHealth, RegistrationPhase};

words! {
    /// The state of the part that supervises.
    RuntimeControlPlaneState {
        /// Launched, and the loop has not had its first turn.
        Starting = "starting",
        /// The loop takes commands.
        Alive = "alive",
        /// The tree is being stopped.
        ShuttingDown = "shutting_down",
        /// Ended as it was asked to.
        Completed = "completed",
        /// Ended otherwise.
        Failed = "failed",
    }
}

impl RuntimeControlPlaneState {
    /// Whether this state is the last.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

words! {
    /// The health of the whole tree (D21).
    TreeHealth {
        /// Every child is as it should be.
        Healthy = "healthy",
        /// A standard child is not ready, or any child is quarantined or unresponsive.
        Degraded = "degraded",
        /// A critical child is unready, parked or stale.
        Unhealthy = "unhealthy",
    }
}

/// Why a tree failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RuntimeFailureReason {
    /// Where: `start`, `escalation`, `loop`. Never empty.
    pub phase: Arc<str>,
    /// What happened, as a sentence or a chain. Never empty.
    pub reason: Arc<str>,
    /// Whether the supervising part itself panicked. False: it did not.
    pub panic: bool,
    /// Whether starting the tree again makes sense. False: it would end the same way.
    pub recoverable: bool,
}

impl RuntimeFailureReason {
    /// A reason from its parts.
    pub fn new(
        phase: impl Into<Arc<str>>,
        reason: impl Into<Arc<str>>,
        panic: bool,
        recoverable: bool,
    ) -> Self {
        Self { phase: phase.into(), reason: reason.into(), panic, recoverable }
    }
}

/// How a tree ended. Written once; the first report wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RuntimeExitReport {
    /// `completed` or `failed`.
    pub state: RuntimeControlPlaneState,
    /// What it was doing: `shutdown`, `all_done`, `auto_shutdown`, `start`, `escalation`, `loop`, `dropped`.
    /// Never empty.
    pub phase: Arc<str>,
    /// Why it ended, as a sentence or a chain. Never empty.
    pub reason: Arc<str>,
    /// Whether starting the tree again makes sense. False: it would end the same way.
    pub recoverable: bool,
    /// When, in Unix nanoseconds. 0: the clock stood before 1970.
    pub completed_at_unix_nanos: u64,
    /// Whether the supervising part itself panicked. False: it did not.
    pub panic: bool,
}

impl RuntimeExitReport {
    /// The report of a tree that ended as it was asked to.
    pub fn completed(
        phase: impl Into<Arc<str>>,
        reason: impl Into<Arc<str>>,
        completed_at_unix_nanos: u64,
    ) -> Self {
        Self {
            state: RuntimeControlPlaneState::Completed,
            phase: phase.into(),
            reason: reason.into(),
            recoverable: false,
            completed_at_unix_nanos,
            panic: false,
        }
    }

    /// The report of a tree that failed.
    pub fn failed(failure: RuntimeFailureReason, completed_at_unix_nanos: u64) -> Self {
        Self {
            state: RuntimeControlPlaneState::Failed,
            phase: failure.phase,
            reason: failure.reason,
            recoverable: failure.recoverable,
            completed_at_unix_nanos,
            panic: failure.panic,
        }
    }

    /// Why it failed, or `None` when it did not.
    pub fn failure_reason(&self) -> Option<RuntimeFailureReason> {
        (self.state == RuntimeControlPlaneState::Failed).then(|| {
            RuntimeFailureReason::new(self.phase.clone(), self.reason.clone(), self.panic, self.recoverable)
        })
    }
}

impl fmt::Display for RuntimeExitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in phase {}: {}", self.state, self.phase, self.reason)
    }
}

/// A child, or the loop, that has not moved for too long (D13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stuck {
    /// The child's path, or `loop`. Never empty.
    pub name: Arc<str>,
    /// What it was doing. Never empty.
    pub phase: Arc<str>,
    /// For how long, in nanoseconds. Never 0.
    pub age_nanos: u64,
}

/// What a tree says of itself now. Reading it never waits for the loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RuntimeHealthReport {
    /// Whether the tree can take commands. False: it has ended, or its loop is gone.
    pub alive: bool,
    /// The state of the supervising part.
    pub state: RuntimeControlPlaneState,
    /// The health of the whole (D21).
    pub tree: TreeHealth,
    /// When it was launched, Unix nanoseconds. 0: the clock stood before 1970.
    pub started_at_unix_nanos: u64,
    /// The time of this read; after the end, the time of the report. 0: the clock stood before 1970.
    pub last_observed_at_unix_nanos: u64,
    /// Why it failed. Absent when it did not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<RuntimeFailureReason>,
    /// The final report, after the end. Absent before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exit_report: Option<RuntimeExitReport>,
    /// Who has not moved for too long. Empty: nobody.
    #[serde(default)]
    pub stuck: Vec<Stuck>,
    /// Whether the service manager's ping is withheld: a critical child is stale, unhealthy or unresponsive, or the
    /// loop is stuck (D21). False: it is sent.
    #[serde(default)]
    pub ping_withheld: bool,
    /// How it stands with its relay. Absent when none is configured, and from a tree that no control socket serves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub registration: Option<RegistrationHealth>,
    /// How the audit is. Absent from a tree that no control socket serves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub audit: Option<AuditHealth>,
}

/// How one child ended in a shutdown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChildShutdownOutcome {
    /// The child.
    pub path: SupervisorPath,
    /// Its state now: `stopped`, `completed`, `failed`, `unresponsive`, …
    pub state: Lifecycle,
    /// The number of its last run. 0: it never ran.
    pub generation: u64,
    /// How its last run ended. Null when it never ran, or still runs.
    pub exit: Option<Exit>,
    /// From being asked until it was gone, in microseconds. 0: it did not run.
    pub took_micros: u64,
}

/// What a shutdown left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReconcileReport {
    /// Children that ended after they were asked to. 0: none.
    pub stopped: u64,
    /// Children that had to be aborted or killed. 0: none.
    pub forced: u64,
    /// Children that did not run. 0: none.
    pub idle: u64,
    /// Children that still run. Empty: none.
    pub unresponsive: Vec<SupervisorPath>,
}

/// The result of a shutdown: an outcome for each child, and what it adds up to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShutdownResult {
    /// One for each child, in the order of the tree. Empty: there were none.
    pub outcomes: Vec<ChildShutdownOutcome>,
    /// What they add up to.
    pub reconcile: ReconcileReport,
}
