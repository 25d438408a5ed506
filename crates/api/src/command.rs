//! What an operator can ask of a tree, and the outcome of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::life::words;
use crate::report::ShutdownResult;
use crate::{Exit, Health, Lifecycle, PolicyDecision, Readiness, ShutdownState, SupervisorPath};

/// How the id of a command that takes another one back ends, after the id of that.
pub const ROLLBACK: &str = " (rollback)";

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
    /// The last segment of the path. Never empty.
    pub child_id: Arc<str>,
    /// The child.
    pub path: SupervisorPath,
    /// The number of the live or last run. 0: it never ran.
    pub generation: u64,
    /// Which restart of its streak the run is. 0: a first run.
    pub attempt: u32,
    /// Automatic restarts so far. 0: none.
    pub restart_count: u32,
    /// The state when the command came.
    pub state_before: Lifecycle,
    /// The state when it was done.
    pub state_after: Lifecycle,
    /// Nothing had to be done. False: something was done.
    pub idempotent: bool,
    /// A run was asked to stop. False: none had to be.
    pub cancel_delivered: bool,
    /// What went otherwise than wished. Null: nothing. Never empty.
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
    /// The number of the live or last run. 0: it never ran.
    pub generation: u64,
    /// Which restart of its streak the run is. 0: a first run.
    pub attempt: u32,
    /// Automatic restarts so far. 0: none.
    pub restart_count: u32,
    /// How the last run that ended badly ended. Null when none did.
    pub last_failure: Option<Exit>,
    /// What was decided when a run last ended. Null when none has.
    pub last_policy_decision: Option<PolicyDecision>,
    /// How far a stop is.
    pub shutdown_state: ShutdownState,
    /// The sequence of the last event in this row. 0: nothing has happened to it yet.
    pub as_of: u64,
    /// When it came into its state, in Unix nanoseconds. Absent when that is not known. Never 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_unix_nanos: Option<u64>,
    /// When its live run began, in Unix nanoseconds. Absent when none is live. Never 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at_unix_nanos: Option<u64>,
    /// When it is to be started, in Unix nanoseconds, while it is in back-off. Absent in every other state. Never 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_start_at_unix_nanos: Option<u64>,
}

/// How much of a budget of restarts is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BudgetUse {
    /// Restarts that count now. 0: none.
    pub used: u32,
    /// How many may count at a time. 0: none is allowed.
    pub max: u32,
    /// For how long a restart counts, in nanoseconds. Never 0.
    pub window_nanos: u64,
    /// When none of these counts any more, in Unix nanoseconds, unless another comes. Absent when none is used. Never 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_at_unix_nanos: Option<u64>,
}

/// A read of the whole tree, exact at one sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TreeState {
    /// The sequence of the last event in it. 0: nothing has happened yet.
    pub sequence: u64,
    /// The root and every child, parents before their children, siblings in effective order. Never empty.
    pub children: Vec<ChildState>,
}

/// What a new spec changes in a tree (D12). A supervisor that is added or removed stands for all below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Plan {
    /// Children that are added, in their order. Empty: none.
    pub added: Vec<SupervisorPath>,
    /// Children that are removed, the last first. Empty: none.
    pub removed: Vec<SupervisorPath>,
    /// Children that run something else from now on, and whose run, or wait for one, ends for it; and children that
    /// were on their way out of the tree, and start again because the spec names them. Empty: none.
    pub restarted: Vec<SupervisorPath>,
    /// Children that are changed without stopping a run: policies, labels, dependencies, and what a child that does
    /// not run will run. `/` is the root itself. Empty: none.
    pub updated: Vec<SupervisorPath>,
    /// How many stay as they are; they keep their generation. 0: none.
    pub unchanged: u64,
}

impl Plan {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        [&self.added, &self.removed, &self.restarted, &self.updated].iter().all(|paths| paths.is_empty())
    }

    /// How many are added, removed, changed and left alone, as the event `SpecApplied` says it.
    pub fn numbers(&self) -> [u32; 4] {
        let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
        let changed = self.restarted.len() + self.updated.len();
        let unchanged = u32::try_from(self.unchanged).unwrap_or(u32::MAX);
        [count(self.added.len()), count(self.removed.len()), count(changed), unchanged]
    }
}

/// What a command would do to one child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Affected {
    /// The child.
    pub child_path: SupervisorPath,
    /// What would become of it: the word of a state, or `restarted`. Never empty.
    pub effect: String,
    /// Why, when it is not the child that was named. Absent otherwise. Never empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// A child that is not as an applied spec wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotAsPlanned {
    /// The child.
    pub child_path: SupervisorPath,
    /// Its state.
    pub lifecycle_state: Lifecycle,
    /// Whether that is a failure: it did not start, or did not end. False: it waits for somebody, an operator, a
    /// sibling, a factory.
    pub failed: bool,
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
        /// The number of its run. 0: none was started.
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
    /// A new spec was applied: who was to be started or removed is, or is named.
    Applied {
        /// What it changed.
        plan: Plan,
        /// Who is not started, or not gone, although the spec says so. Empty: everybody is as planned.
        not_as_planned: Vec<NotAsPlanned>,
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
