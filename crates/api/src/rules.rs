//! What a child is looked after by in effect, and who said each value of it.

use serde::{Deserialize, Serialize};

use crate::life::words;

words! {
    /// Who said a value of a policy.
    RuleSource {
        /// Its own spec.
        Child = "child",
        /// The `defaults` of a supervisor above it.
        Defaults = "defaults",
        /// Nobody: it follows from the role (D15).
        Role = "role",
        /// Nobody: it follows from the criticality (D4).
        Criticality = "criticality",
        /// The supervisor that it is in, which says it for all its children.
        Supervisor = "supervisor",
        /// Nobody: it follows from what runs, such as a nested supervisor.
        Kind = "kind",
        /// Nobody: it follows from the back-off (D4).
        Backoff = "backoff",
        /// Nobody: the profile's default (D1).
        Profile = "profile",
        /// Nobody: the default of a stack file (D1).
        StackFile = "stack_file",
    }
}

/// One value of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// What it is about: the key under which a file says it.
    pub key: &'static str,
    /// The value, in words.
    pub value: String,
    /// Who said it.
    pub source: RuleSource,
    /// Which one that is: the path of a supervisor, a role, a criticality, a profile. `None` when the source says all.
    /// Of [`RuleSource::Child`]: whose `defaults` said the parts that its own spec leaves out.
    pub from: Option<String>,
}

impl Rule {
    /// A value and who said it.
    pub fn new(
        key: &'static str,
        value: impl Into<String>,
        source: RuleSource,
        from: Option<String>,
    ) -> Self {
        Self { key, value: value.into(), source, from }
    }
}

/// The policy of a child, value by value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Rules {
    /// How it is looked after. Empty for the root, which nobody looks after.
    pub child: Vec<Rule>,
    /// How it looks after its own children. Empty when it is no supervisor.
    pub supervisor: Vec<Rule>,
}

impl Rules {
    /// The policy of a child, and of the supervisor that it is.
    pub fn new(child: Vec<Rule>, supervisor: Vec<Rule>) -> Self {
        Self { child, supervisor }
    }
}
