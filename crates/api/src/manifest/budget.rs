//! How often and how fast a child is restarted.

use serde::{Deserialize, Serialize};

use super::units::{Millis, Ratio, Seconds};
use crate::life::words;
use crate::policy::{Backoff, Budget, OnExhausted};

/// The delay before a restart (D3). What is not said keeps its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackoffManifest {
    /// The delay before the second restart of a streak, in milliseconds; it doubles from there.
    /// 0 means no delay ever. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_ms: Option<Millis>,
    /// The longest delay, in milliseconds. Default: 30000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<Millis>,
    /// How far a delay may be off, as a share of it: 0.2 is 20 % more or less. Default: 0.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter_ratio: Option<Ratio>,
    /// A run that lasts this many seconds ends the streak of failures. Default: 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_after_secs: Option<Seconds>,
}

impl BackoffManifest {
    /// The back-off, with `base` for what is not said. A longest delay that is not said is never
    /// below the first one.
    pub fn over(self, base: Backoff) -> Backoff {
        let initial = self.initial_ms.map_or(base.initial, Millis::duration);
        Backoff {
            initial,
            max: self.max_ms.map_or(base.max.max(initial), Millis::duration),
            jitter_ratio: self.jitter_ratio.map_or(base.jitter_ratio, Ratio::get),
            reset_after: self.reset_after_secs.map_or(base.reset_after, Seconds::duration),
        }
    }
}

words! {
    /// The budget that never ends.
    Unlimited {
        /// Never give up.
        Unlimited = "unlimited",
    }
}

/// A budget: limits, or the word `unlimited`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "`unlimited` or a mapping with `max_restarts`, `window_secs` and `on_exhausted`"
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum BudgetManifest {
    /// `unlimited`: never give up.
    Word(Unlimited),
    /// So many restarts in so long a time.
    Limits(BudgetLimits),
}

/// How many restarts are allowed in how long a time (D4). What is not said keeps its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetLimits {
    /// Restarts within the window; 0 means the first failure exhausts the budget. Default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_restarts: Option<u32>,
    /// The window, in seconds. Default: 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_secs: Option<Seconds>,
    /// What an exhausted budget leads to. Default: `quarantine` for optional children, else what
    /// the supervisor says, else `escalate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_exhausted: Option<OnExhausted>,
}

impl BudgetManifest {
    /// The budget, with `base` for what is not said.
    pub fn over(&self, base: Budget) -> Budget {
        match self {
            Self::Word(Unlimited::Unlimited) => Budget::unlimited(),
            Self::Limits(limits) => Budget {
                max_restarts: limits.max_restarts.or(base.max_restarts),
                window: limits.window_secs.map_or(base.window, Seconds::duration),
            },
        }
    }

    /// What an exhausted budget leads to, if it is said.
    pub const fn on_exhausted(&self) -> Option<OnExhausted> {
        match self {
            Self::Word(_) => None,
            Self::Limits(limits) => limits.on_exhausted,
        }
    }

    /// Whether figures are said, and not only what exhaustion leads to.
    pub const fn has_figures(&self) -> bool {
        match self {
            Self::Word(_) => true,
            Self::Limits(limits) => limits.max_restarts.is_some() || limits.window_secs.is_some(),
        }
    }
}
