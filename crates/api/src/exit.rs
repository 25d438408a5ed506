//! How a run of a child can end.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How one run of a child ended.
///
/// `Completed`, `Stopped` and `StoppedWith` are the clean class (OTP: `normal`, `shutdown`,
/// `{shutdown, _}`); everything else is abnormal (R16). Declining to start is not an exit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Exit {
    /// Returned `Ok` without being asked to stop.
    Completed,
    /// Ended well after it was asked to stop (D22).
    Stopped,
    /// Ended well and says with what.
    StoppedWith {
        /// What the run said. Empty: an empty text.
        value: Arc<str>,
    },
    /// Returned an error, ended with a bad exit code, or could not be started.
    Failed {
        /// The error's text. Empty: the error has no text.
        error: Arc<str>,
    },
    /// Panicked.
    Panicked {
        /// The panic's message. Empty: it has none.
        message: Arc<str>,
        /// `file:line:column`, when the panic hook saw it (D14). Null when it did not. Never empty.
        location: Option<Arc<str>>,
    },
    /// Did not start within `ready_within` (D19).
    TimedOut {
        /// What it was waited for. Never empty.
        what: Arc<str>,
    },
    /// Was stopped because its heartbeats or probes failed (D13).
    Unhealthy {
        /// What failed. Never empty.
        why: Arc<str>,
    },
    /// A program ended by a signal.
    Killed {
        /// The signal's number. Never 0.
        signal: i32,
        /// Whether the supervisor sent it, when a grace ended. False: somebody else did.
        by_us: bool,
    },
    /// A task that was dropped when its grace ended.
    Aborted,
}

/// The two classes of exits that restart types distinguish (R16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitClass {
    /// `Completed`, `Stopped`, `StoppedWith`.
    Clean,
    /// Everything else.
    Abnormal,
}

impl Exit {
    /// A failure with this text.
    pub fn failed(error: impl Into<Arc<str>>) -> Self {
        Self::Failed { error: error.into() }
    }

    /// Which class the exit is in (R16).
    pub const fn class(&self) -> ExitClass {
        match self {
            Self::Completed | Self::Stopped | Self::StoppedWith { .. } => ExitClass::Clean,
            _ => ExitClass::Abnormal,
        }
    }

    /// Whether the exit is in the clean class.
    pub const fn is_clean(&self) -> bool {
        matches!(self.class(), ExitClass::Clean)
    }

    /// The word of the variant, as in JSON.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Stopped => "stopped",
            Self::StoppedWith { .. } => "stopped_with",
            Self::Failed { .. } => "failed",
            Self::Panicked { .. } => "panicked",
            Self::TimedOut { .. } => "timed_out",
            Self::Unhealthy { .. } => "unhealthy",
            Self::Killed { .. } => "killed",
            Self::Aborted => "aborted",
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::Stopped => f.write_str("stopped as asked"),
            Self::StoppedWith { value } => write!(f, "stopped with {value}"),
            Self::Failed { error } => write!(f, "failed: {error}"),
            Self::Panicked { message, location: Some(at) } => write!(f, "panicked at {at}: {message}"),
            Self::Panicked { message, location: None } => write!(f, "panicked: {message}"),
            Self::TimedOut { what } => write!(f, "timed out: {what}"),
            Self::Unhealthy { why } => write!(f, "unhealthy: {why}"),
            Self::Killed { signal, by_us: true } => write!(f, "killed by us with signal {signal}"),
            Self::Killed { signal, by_us: false } => write!(f, "killed by signal {signal}"),
            Self::Aborted => f.write_str("aborted after its grace"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r16_only_three_exits_are_clean() {
        let text: Arc<str> = "x".into();
        let exits = [
            (Exit::Completed, true),
            (Exit::Stopped, true),
            (Exit::StoppedWith { value: text.clone() }, true),
            (Exit::failed("x"), false),
            (Exit::Panicked { message: text.clone(), location: None }, false),
            (Exit::TimedOut { what: text.clone() }, false),
            (Exit::Unhealthy { why: text }, false),
            (Exit::Killed { signal: 9, by_us: false }, false),
            (Exit::Killed { signal: 9, by_us: true }, false),
            (Exit::Aborted, false),
        ];
        for (exit, clean) in exits {
            assert_eq!(exit.is_clean(), clean, "{exit}");
            let json = serde_json::to_string(&exit).unwrap();
            assert!(json.contains(exit.word()), "{json}");
            assert_eq!(serde_json::from_str::<Exit>(&json).unwrap(), exit);
        }
    }
}
