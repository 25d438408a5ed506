//! What an operator can ask of a tree, and the outcome of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::life::words;
use crate::report::ShutdownResult;
use crate::{Exit, Health, Lifecycle, PolicyDecision, Readiness, ShutdownState, SupervisorPath};

/// Whether a text can be the id of a command: 1 to 128 printable bytes of ASCII, not only blanks.
pub fn is_command_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && text.bytes().any(|byte| byte != b' ')
}

words! {
    /// The operator's family of commands (D17).
    ControlVerb {
        /// Stop if it runs, then start; in every state but removed. Never charged.
        Restart = "restart_child",
        /// Stop and hold.
        Pause = "pause_child",
        /// Let a held child go on.
        Resume = "resume_child",
        /// Stop and park.
        Quarantine = "quarantine_child",
        /// Stop and delete.
        Remove = "remove_child",
    }
}

words! {
    /// OTP's family of calls, by id (table 1.7).
    OtpVerb {
        /// Stop and keep the spec; a temporary child's spec goes (R67).
        Terminate = "terminate_child",
        /// Start a stopped child once more (OTP `restart_child`; R68).
        StartAgain = "start_again",
        /// Delete the spec of a stopped child.
        Delete = "delete_child",
    }
}

/// What a command on one child did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChildControlOutcome {
    /// The last segment of the path.
    pub child_id: Arc<str>,
    /// The child.
    pub path: SupervisorPath,
    /// The number of the live or last run.
    pub generation: u64,
    /// Which restart of its streak the run is.
    pub attempt: u32,
    /// Automatic restarts so far.
    pub restart_count: u32,
    /// The state when the command came.
    pub state_before: Lifecycle,
    /// The state when it was done.
    pub state_after: Lifecycle,
    /// Nothing had to be done.
    pub idempotent: bool,
    /// A run was asked to stop.
    pub cancel_delivered: bool,
    /// What went otherwise than wished.
    pub failure: Option<String>,
}

/// The row of a child in a read of the whole tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChildState {
    /// The child.
    pub child_path: SupervisorPath,
    /// Its state.
    pub lifecycle_state: Lifecycle,
    /// What heartbeats say; of a supervisor, what its children add up to.
    pub health: Health,
    /// Whether the live run is ready.
    pub readiness: Readiness,
    /// The number of the live or last run.
    pub generation: u64,
    /// Which restart of its streak the run is.
    pub attempt: u32,
    /// Automatic restarts so far.
    pub restart_count: u32,
    /// How the last run that ended badly ended.
    pub last_failure: Option<Exit>,
    /// What was decided when a run last ended; `None` when none has.
    pub last_policy_decision: Option<PolicyDecision>,
    /// How far a stop is.
    pub shutdown_state: ShutdownState,
    /// The sequence of the last event in this row.
    pub as_of: u64,
}

/// A read of the whole tree, exact at one sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TreeState {
    /// The sequence of the last event in it.
    pub sequence: u64,
    /// Every child, parents before their children, siblings in effective order.
    pub children: Vec<ChildState>,
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CommandResult {
    /// The child is in the tree.
    ChildAdded {
        /// Its path.
        path: SupervisorPath,
        /// Its state.
        state: Lifecycle,
        /// The number of its run; 0 when none was started.
        generation: u64,
    },
    /// A command on a child is done.
    ChildControl {
        /// What it did.
        outcome: ChildControlOutcome,
    },
    /// A read of the tree.
    CurrentState {
        /// The rows.
        state: TreeState,
    },
    /// The tree is down.
    Shutdown {
        /// How.
        result: ShutdownResult,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_1_to_128_printable_bytes() {
        for good in ["1", "a b", "~", &"x".repeat(128)] {
            assert!(is_command_id(good), "{good:?}");
        }
        for bad in ["", " ", "a\0", "a\n", "é", "\u{202e}", &"x".repeat(129)] {
            assert!(!is_command_id(bad), "{bad:?}");
        }
    }
}
