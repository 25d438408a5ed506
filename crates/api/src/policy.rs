//! What can be asked of a child and of a supervisor: restart types, strategies, budgets, back-off.
//!
//! Durations are nanoseconds inside the machine and whole milliseconds or seconds in files; here they
//! are [`Duration`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::life::words;
use crate::manifest::StopSignal;

words! {
    /// When the end of a child leads to a new start (`semantics.md` 1.2).
    RestartType {
        /// Always, whatever the exit (R17).
        Permanent = "permanent",
        /// After an abnormal exit only (R18).
        Transient = "transient",
        /// Never (R19).
        Temporary = "temporary",
    }
}

words! {
    /// Who is stopped and started when a child of a supervisor has to be restarted.
    Strategy {
        /// The failed child only (R22).
        OneForOne = "one_for_one",
        /// All children (R23).
        OneForAll = "one_for_all",
        /// The failed child and those after it (R24).
        RestForOne = "rest_for_one",
    }
}

words! {
    /// What a child is for. A role gives defaults and never overrides what is said (D15).
    Role {
        /// Runs for ever: permanent.
        Service = "service",
        /// Works until it is done: transient.
        Worker = "worker",
        /// Runs once and keeps its row (D18).
        Job = "job",
        /// Lives and ends with its primary.
        Sidecar = "sidecar",
        /// A nested supervisor.
        Supervisor = "supervisor",
    }
}

words! {
    /// What of a sibling a child waits for before it starts (D11).
    Condition {
        /// It is ready; a job that does not report ready has completed.
        Ready = "ready",
        /// It has a run, ready or not; or it has completed.
        Started = "started",
        /// It has ended, well or badly, and nothing starts it by itself. Who is parked has not ended.
        Completed = "completed",
        /// It has ended well.
        CompletedOk = "completed_ok",
    }
}

words! {
    /// How much the whole suffers when the child does (D4, D21).
    Criticality {
        /// The tree is unhealthy without it.
        Critical = "critical",
        /// The tree is degraded without it.
        Standard = "standard",
        /// The tree can do without it; an exhausted budget parks it. Also read as `best_effort`.
        #[serde(alias = "best_effort")]
        Optional = "optional",
    }
}

words! {
    /// What an exhausted budget leads to. Ordered by strength (D4).
    OnExhausted {
        /// The child alone is parked.
        Quarantine = "quarantine",
        /// The supervisor gives up and its parent decides.
        Escalate = "escalate",
        /// The whole tree is shut down.
        ShutdownTree = "shutdown_tree",
    }
}

words! {
    /// In which order children start (D19).
    StartOrder {
        /// One after the other, each when the one before it is started.
        Declared = "declared",
        /// Each as soon as what it depends on is satisfied.
        Dependencies = "dependencies",
    }
}

words! {
    /// How the children of a supervisor are stopped.
    StopOrder {
        /// One at a time, in reverse (R53).
        Sequential = "sequential",
        /// At once whatever nobody still running depends on.
        Concurrent = "concurrent",
    }
}

words! {
    /// What a failed initial start leads to (D19).
    OnStartFailure {
        /// Stop what was started, in reverse, and fail (R2).
        Unwind = "unwind",
        /// Count it as a failure and try again.
        Retry = "retry",
    }
}

words! {
    /// When a supervisor ends by itself (R77, D20).
    AutoShutdown {
        /// Never.
        Never = "never",
        /// When a significant child ended by itself for good.
        AnySignificant = "any_significant",
        /// When the last active significant child ended by itself for good.
        AllSignificant = "all_significant",
        /// When nothing is left to run; at the root of a file only.
        AllDone = "all_done",
    }
}

words! {
    /// The set of defaults a tree starts from (D1).
    Profile {
        /// The product's defaults.
        Default = "default",
        /// Exactly OTP's.
        Otp = "otp",
    }
}

words! {
    /// What counts as started (D19).
    ReadinessMode {
        /// Being spawned (a task), or executed (a program).
        Immediate = "immediate",
        /// Reporting ready.
        Explicit = "explicit",
    }
}

/// How many restarts are allowed in how long a time (D4, R40).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Restarts that may be charged within `window`; 0 means the first failure exhausts it (R41).
    /// `None` is `unlimited`: never give up.
    pub max_restarts: Option<u32>,
    /// The window; never zero.
    pub window: Duration,
}

impl Budget {
    /// At most `max_restarts` charges in any `window`.
    pub const fn new(max_restarts: u32, window: Duration) -> Self {
        Self { max_restarts: Some(max_restarts), window }
    }

    /// Never exhausted.
    pub const fn unlimited() -> Self {
        Self { max_restarts: None, window: Duration::from_secs(60) }
    }
}

/// The delay before a restart (D3). The first restart of a streak is immediate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The delay before the second restart of a streak; zero means no delay ever.
    pub initial: Duration,
    /// The longest delay, before jitter.
    pub max: Duration,
    /// How far a delay may be off, as a share of it: 0.2 is ±20 %.
    pub jitter_ratio: f32,
    /// A run that lasts this long ends the streak of failures.
    pub reset_after: Duration,
}

impl Backoff {
    /// Doubling from `initial` to `max`, with ±20 % jitter; a minute of running ends the streak.
    pub const fn exponential(initial: Duration, max: Duration) -> Self {
        Self { initial, max, jitter_ratio: 0.2, reset_after: Duration::from_secs(60) }
    }

    /// No delay, as in OTP (R33).
    pub const fn none() -> Self {
        Self {
            initial: Duration::ZERO,
            max: Duration::ZERO,
            jitter_ratio: 0.0,
            reset_after: Duration::from_secs(60),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Duration::from_millis(100), Duration::from_secs(30))
    }
}

/// How long a child is waited for after it was asked to stop (R55, D8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grace {
    /// No request: killed at once.
    Brutal,
    /// Asked, waited for this long, then killed. Zero is legal (R56).
    Timeout(Duration),
    /// Asked, and waited for for ever.
    Infinity,
}

/// A promise to report life, kept by `ctx.heartbeat()` or by a probe (D13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    /// How often a beat is promised; never zero.
    pub interval: Duration,
    /// How late a beat may be.
    pub timeout: Duration,
    /// Misses in a row that make the child unhealthy; at least 1.
    pub max_retries: u32,
}

impl Heartbeat {
    /// No beat is promised and none is waited for: one miss that is told makes the child unhealthy. For runs that are
    /// watched from outside, such as programs with a limit of memory.
    pub const WATCHED: Self = Self { interval: Duration::MAX, timeout: Duration::ZERO, max_retries: 1 };
}

/// What commands a child allows (`command_permissions`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Permissions {
    /// Pause, quarantine and remove are allowed.
    pub allow_shutdown: bool,
    /// Restart is allowed.
    pub allow_restart: bool,
    /// These signals are allowed.
    pub signals: Signals,
}

impl Default for Permissions {
    fn default() -> Self {
        Self { allow_shutdown: true, allow_restart: true, signals: Signals::ALL }
    }
}

/// A set of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Signals(u8);

impl Signals {
    /// Every signal.
    pub const ALL: Self = Self(u8::MAX);
    /// No signal.
    pub const NONE: Self = Self(0);

    /// These signals.
    pub fn of(signals: impl IntoIterator<Item = StopSignal>) -> Self {
        Self(signals.into_iter().fold(0, |set, signal| set | 1 << signal as u8))
    }

    /// Whether the signal is in the set.
    pub const fn has(self, signal: StopSignal) -> bool {
        self.0 & 1 << signal as u8 != 0
    }
}
