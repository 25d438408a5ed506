//! Supervision trees for Tokio with the semantics of Erlang/OTP.
//!
//! A *tree* is made of supervisors and children: tasks, blocking threads, programs. It starts them in
//! order, restarts them by a strategy and a budget when they end, gives up in a way its parent can deal
//! with, and stops them in reverse order, each within its grace. It says of everything why it happened.
//!
//! ```
//! use std::time::Duration;
//! use tokio_supervisor::{ChildSpec, Supervisor, SupervisorSpec};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tokio_supervisor::SupervisorError> {
//! let tree = SupervisorSpec::root([
//!     ChildSpec::service("ticker", |ctx| async move {
//!         while ctx.run_until_stopped(tokio::time::sleep(Duration::from_secs(1))).await.is_some() {
//!             ctx.progress("tick");
//!         }
//!     }),
//! ]);
//! let handle = Supervisor::start(tree).await?;
//! let report = handle.shutdown("me", "enough for an example").await?;
//! assert_eq!(report.phase.as_ref(), "shutdown");
//! # Ok(())
//! # }
//! ```
//!
//! # Theory of operation
//!
//! One pure machine (crate `supervisor-core`) decides for a whole tree; this crate carries out. A *driver*
//! task owns the machine and a timer. A child has one task for its life, which hosts one run after the
//! other, in place; it reports to the driver and obeys its orders through a shared slot. Readers look at
//! rows and events that the driver has published, and wait for nobody. See `ARCHITECTURE.md`.
//!
//! # Features
//!
//! | feature | gives |
//! |---|---|
//! | `signals`, on | waiting for SIGINT and SIGTERM |
//! | `manifest` | YAML text as the manifest of `add_child` |
//! | `tracing` | `ChildLogs`, a layer that keeps records in the log of the child they come from |
//! | `metrics` | `SupervisorHandle::register_metrics`, for a registry of `prometheus-client` |
//! | `otel` | `otel_layer`, for a tracer of OpenTelemetry, and `OtlpExport`, which sends spans by OTLP over HTTP |
//!
//! # Limits
//!
//! A future that never yields cannot be stopped: when grace and `abort_wait` are over it is
//! `unresponsive`, nothing starts in its place, and the tree goes on without it (D8). The same holds for
//! a blocking thread. With `panic = "abort"` no panic can be contained (D14).

mod build;
#[cfg(feature = "tracing")]
mod child_logs;
mod clock;
mod contain;
mod context;
mod driver;
mod exit;
mod handle;
#[cfg(all(test, shuttle))]
mod interleavings;
mod journal;
mod kept;
#[cfg(feature = "manifest")]
mod manifest;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "otel")]
mod otel;
#[cfg(doctest)]
mod pages;
mod plane;
mod programs;
mod queue;
mod registry;
mod row;
mod run;
mod schedule;
mod secrets;
#[cfg(all(feature = "signals", unix))]
mod signals;
mod slot;
mod snapshot;
mod spans;
mod spec;
mod supervisor;
mod sync;
mod table;
mod tree;
mod watchdog;

#[cfg(feature = "tracing")]
pub use child_logs::ChildLogs;
pub use clock::unix_nanos;
pub use context::{ChildContext, Killed, StopRequest, Stopping};
pub use exit::IntoExit;
pub use handle::{
    Beside, ChildAddress, ChildCounts, ChildView, IntoManifest, StartedChild, SupervisorHandle, WhatIf,
};
pub use journal::{EventBatch, EventItem, EventStream, Gap, LentEvents, LentIter};
pub use kept::{LogItem, LogRecord, LogStream, PastExit};
#[cfg(feature = "metrics")]
pub use metrics::Metrics;
#[cfg(feature = "otel")]
pub use otel::{OtlpError, OtlpExport, otel_layer};
pub use registry::{Registry, UnknownFactory};
pub use schedule::{Missed, Times};
pub use secrets::Secret;
#[cfg(all(feature = "signals", unix))]
pub use signals::{StopSignal, StopSignals};
pub use snapshot::{Snapshot, SnapshotRow};
pub use spec::{ChildSpec, SupervisorSpec};
pub use supervisor::{Scoped, Supervisor};

pub use supervisor_core::StopBound;
/// What the machine reads of a spec ([`SupervisorSpec::declaration`]), for tools that simulate it.
pub use supervisor_core::SupervisorDecl;

/// The words and the wire, for those who need more of them than is re-exported here.
pub use supervisor_api as api;
pub use supervisor_api::command::{
    Affected, BudgetUse, ChildControlOutcome, ChildState, CommandResult, ControlVerb, NotAsPlanned, OtpVerb,
    Plan, TreeState,
};
pub use supervisor_api::manifest::{ChildManifest, Kind, SupervisorManifest};
pub use supervisor_api::policy::{
    AutoShutdown, Backoff, Budget, Condition, Criticality, Grace, Heartbeat, OnExhausted, OnStartFailure,
    Permissions, Profile, ReadinessMode, RestartType, Role, StartOrder, StopOrder, Strategy,
};
pub use supervisor_api::report::{
    ChildShutdownOutcome, ReconcileReport, RuntimeControlPlaneState, RuntimeExitReport, RuntimeFailureReason,
    RuntimeHealthReport, ShutdownResult, Stuck, TreeHealth,
};
pub use supervisor_api::{
    Cause, ChildId, ChildKey, Detail, Event, EventKind, Exit, ExitClass, Finding, Health, IdError, Lifecycle,
    Next, PolicyDecision, Readiness, Row, Rule, RuleSource, Rules, Severity, ShutdownState, StampedEvent,
    SupervisorError, SupervisorPath,
};
