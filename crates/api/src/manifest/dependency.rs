//! Whom a child waits for before it starts.

use serde::{Deserialize, Serialize};

use crate::ChildId;
use crate::policy::Condition;

/// A sibling that a child waits for: its name, or a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "the name of a sibling, or a mapping with `name` and `condition`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DependencyManifest {
    /// Until it is ready, or done.
    Name(ChildId),
    /// Until something else is so.
    Until(DependencyUntil),
}

/// A sibling, and what of it is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DependencyUntil {
    /// The sibling.
    pub name: ChildId,
    /// What of it is waited for. Default: `ready`, which of a job that does not report ready is that it has completed.
    /// `completed` and `completed_ok` are for what ends some day: a job, or a child that is not `permanent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

impl DependencyManifest {
    /// The sibling.
    pub const fn name(&self) -> &ChildId {
        match self {
            Self::Name(name) | Self::Until(DependencyUntil { name, .. }) => name,
        }
    }

    /// What of it is waited for.
    pub fn condition(&self) -> Condition {
        match self {
            Self::Name(_) => Condition::Ready,
            Self::Until(until) => until.condition.unwrap_or(Condition::Ready),
        }
    }
}
