//! When a program counts as started, and how it is seen that it lives.

use std::time::Duration;

use crate::probe::Probe;

/// When a program counts as started (D19).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Readiness {
    /// As soon as it was executed.
    #[default]
    Immediate,
    /// When a probe succeeds. It is tried until then; how long is the child's `ready_within`.
    Probe(Check),
    /// When it says `READY=1` on the socket `NOTIFY_SOCKET`, as `sd_notify` does.
    Notify,
}

/// A probe and how often it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is tried.
    pub probe: Probe,
    /// How long after a try ended the next one begins.
    pub interval: Duration,
    /// How long one try may take.
    pub timeout: Duration,
    /// How many good tries in a row make a program ready. Of health each good one counts by itself.
    pub successes: u32,
}

/// The promise of life that is kept while the program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) watch: Watch,
    pub(crate) max_retries: u32,
    pub(crate) start_period: Duration,
}

/// Who keeps the promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Watch {
    /// A probe that is tried.
    Probe(Check),
    /// The program: it says `WATCHDOG=1` every `interval`, at most `timeout` late.
    Notify { interval: Duration, timeout: Duration },
}

impl Watch {
    /// How often a sign of life is due.
    pub(crate) const fn interval(&self) -> Duration {
        match self {
            Self::Probe(Check { interval, .. }) | Self::Notify { interval, .. } => *interval,
        }
    }
}

impl Health {
    pub(crate) fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        match &self.watch {
            Watch::Probe(check) => {
                findings.extend(check.findings("health_check"));
                if matches!(check.probe, Probe::LogLine(_) | Probe::Delay(_)) {
                    findings.push(
                        "health_check: use `http`, `tcp`, `exec` or `notify`; the others say nothing about health"
                            .into(),
                    );
                }
            }
            Watch::Notify { interval, .. } if interval.is_zero() => {
                findings.push("health_check: check_interval must be above 0".into());
            }
            Watch::Notify { .. } => {}
        }
        if self.max_retries == 0 {
            findings.push("health_check: max_retries must be at least 1".into());
        }
        findings
    }
}

impl Check {
    /// Tries `probe` every second, for at most a second.
    pub const fn new(probe: Probe) -> Self {
        Self { probe, interval: Duration::from_secs(1), timeout: Duration::from_secs(1), successes: 1 }
    }

    /// Pauses this long between two tries.
    pub const fn every(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Gives each try this long.
    pub const fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Takes so many good tries in a row for ready.
    pub const fn successes(mut self, successes: u32) -> Self {
        self.successes = successes;
        self
    }
}

impl Readiness {
    /// Ready when `probe` succeeds. It is tried at once and then every 250 ms, for at most a second each.
    pub const fn probe(probe: Probe) -> Self {
        Self::Probe(Check::new(probe).every(Duration::from_millis(250)))
    }

    /// Pauses this long between two tries. Without a probe there is nothing to try, and nothing changes.
    pub fn every(self, interval: Duration) -> Self {
        match self {
            Self::Probe(check) => Self::Probe(check.every(interval)),
            other => other,
        }
    }

    /// Takes so many good tries in a row. Without a probe nothing changes.
    pub fn successes(self, successes: u32) -> Self {
        match self {
            Self::Probe(check) => Self::Probe(check.successes(successes)),
            other => other,
        }
    }

    /// Gives each try this long. Without a probe nothing changes.
    pub fn within(self, timeout: Duration) -> Self {
        match self {
            Self::Probe(check) => Self::Probe(check.within(timeout)),
            other => other,
        }
    }
}
