//! How the control plane of a target is: its audit, and its registration with a relay.

use serde::{Deserialize, Serialize};

use crate::life::words;

words! {
    /// Whether what is asked of a target is recorded.
    AuditState {
        /// Nothing is recorded, because the configuration says so.
        Off = "off",
        /// Records reach the disk.
        Sound = "sound",
        /// Records do not reach the disk. Until they do, commands are refused, unless `fail_open` was asked for.
        Broken = "broken",
    }
}

/// How the audit of a target is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditHealth {
    /// Whether records reach the disk.
    pub state: AuditState,
    /// Commands are carried out also when they cannot be recorded, because the configuration says so. False:
    /// they are refused then.
    pub fail_open: bool,
    /// Whether a command would be refused now because it cannot be recorded. False: none is.
    pub refuses_commands: bool,
    /// The directory. Null when the audit is off. Never empty.
    pub place: Option<String>,
    /// The last record on the disk. 0: there is none.
    pub sequence: u64,
    /// Outcomes that still wait for the disk. They are written when it is well again. 0: none.
    pub waiting_outcomes: u64,
    /// Outcomes and denials of this run of the target that were not recorded. Denials that come faster than they
    /// are recorded one by one are not among them: they are counted in a record. 0: none.
    pub lost: u64,
    /// What is wrong and what helps. Null when nothing is. Never empty.
    pub problem: Option<String>,
}

words! {
    /// How a target stands with its relay.
    RegistrationPhase {
        /// It has not been answered yet.
        Connecting = "connecting",
        /// It is registered.
        Registered = "registered",
        /// It is registered, and the last renewal failed; the lease still runs.
        Renewing = "renewing",
        /// It is not registered: the relay cannot be reached, or does not answer. It goes on trying.
        Unreachable = "unreachable",
        /// The relay refuses it. It goes on trying, slowly when the relay says that trying again is of no use.
        Refused = "refused",
        /// It has given its registration up, because it ends.
        Closed = "closed",
    }
}

impl RegistrationPhase {
    /// Whether the relay has it, as far as the target knows.
    pub const fn is_registered(self) -> bool {
        matches!(self, Self::Registered | Self::Renewing)
    }
}

/// How a target stands with its relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegistrationHealth {
    /// How far it is.
    pub phase: RegistrationPhase,
    /// The relay's registration socket. Never empty.
    pub relay: String,
    /// Whether the relay has acknowledged it since the target started. A lease that ran out is told by this and a
    /// phase that is not registered. False: it has not.
    pub was_registered: bool,
    /// Attempts that failed since the last one that did not. 0: none.
    pub failures: u64,
    /// The relay's word for its last refusal. Null when the last attempt was not refused. Never empty.
    pub code: Option<String>,
    /// Why the last attempt failed and what helps. Null when it did not fail. Never empty.
    pub problem: Option<String>,
    /// In how many milliseconds it tries again or renews. Null while an attempt goes on, and when it is closed.
    /// 0: at once.
    pub next_attempt_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lease_that_runs_counts_as_registered() {
        let registered: Vec<_> =
            RegistrationPhase::ALL.iter().filter(|phase| phase.is_registered()).collect();
        assert_eq!(registered, [&RegistrationPhase::Registered, &RegistrationPhase::Renewing]);
    }
}
