//! What a refused call says, and what is wrong with a spec.

use std::fmt;

use serde::Serialize;

use crate::report::RuntimeExitReport;
use crate::{Exit, SupervisorPath};

/// One thing that is wrong, or doubtful, in a spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// The child or supervisor it is about.
    pub path: String,
    /// The key, as a file spells it (`budget.window_secs`); empty when it is about the whole child.
    pub key: &'static str,
    /// What is wrong and what to do about it, as a sentence.
    pub message: String,
    /// Whether the spec can be used all the same.
    pub warning: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.path, self.message)
        } else {
            write!(f, "{}: {}: {}", self.path, self.key, self.message)
        }
    }
}

/// Why a call on a tree was refused, or how it failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// The spec has mistakes; nothing was started or changed (R6).
    #[error("the spec is invalid: {}", list(.0))]
    InvalidSpec(Vec<Finding>),
    /// A child did not start.
    #[error("{path} did not start: {exit}")]
    StartFailed {
        /// The child.
        path: SupervisorPath,
        /// How its run ended.
        exit: Exit,
    },
    /// No child has this id or path.
    #[error("there is no child '{asked}'{}", nearest_words(.nearest))]
    ChildNotFound {
        /// What was asked for.
        asked: String,
        /// The names most like it.
        nearest: Vec<String>,
    },
    /// Several children have this id.
    #[error("several children are called so; say which one: {}", paths(.candidates))]
    AmbiguousChild {
        /// Their paths.
        candidates: Vec<SupervisorPath>,
    },
    /// The command does not fit the state the child is in.
    #[error("{message}")]
    InvalidTransition {
        /// What does not fit, and what would.
        message: String,
    },
    /// The path is not that of a running supervisor (R69).
    #[error("{path} is not a running supervisor")]
    NoSuchSupervisor {
        /// The path that was asked for.
        path: String,
    },
    /// A child with this id is in the tree and alive (R10).
    #[error("{path} is already started")]
    AlreadyStarted {
        /// The child that has the id.
        path: SupervisorPath,
    },
    /// A child with this id is in the tree and not alive (R10).
    #[error("{path} is already present; start or delete that one first")]
    AlreadyPresent {
        /// The child that has the id.
        path: SupervisorPath,
    },
    /// The supervisor has as many children as it may have (R85).
    #[error("{path} has as many children as it may have ({max})")]
    MaxChildren {
        /// The supervisor.
        path: SupervisorPath,
        /// Its limit.
        max: u32,
    },
    /// The child's `command_permissions` forbid it.
    #[error("{path} does not allow {command}")]
    NotPermitted {
        /// The child.
        path: SupervisorPath,
        /// The refused command.
        command: &'static str,
    },
    /// The answer did not come in time.
    #[error("no answer in time; what was asked for may still happen")]
    Timeout,
    /// The tree has ended.
    #[error("the tree has ended: {report}")]
    Ended {
        /// Its final report.
        report: Box<RuntimeExitReport>,
    },
}

impl SupervisorError {
    /// The wire's word for this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidSpec(_) | Self::ChildNotFound { .. } | Self::AmbiguousChild { .. } => {
                "validation_failed"
            }
            Self::InvalidTransition { .. }
            | Self::NoSuchSupervisor { .. }
            | Self::AlreadyStarted { .. }
            | Self::AlreadyPresent { .. }
            | Self::MaxChildren { .. } => "validation_failed",
            Self::NotPermitted { .. } => "authz_denied",
            Self::StartFailed { .. } => "command_failed",
            Self::Timeout => "command_timeout",
            Self::Ended { .. } => "target_unavailable",
        }
    }

    /// Whether the same call may go through later without anything else being changed.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::StartFailed { .. } | Self::Timeout | Self::MaxChildren { .. })
    }
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn nearest_words(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) }
}

fn paths(candidates: &[SupervisorPath]) -> String {
    candidates.iter().map(SupervisorPath::as_str).collect::<Vec<_>>().join(", ")
}
