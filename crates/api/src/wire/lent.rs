//! Parts of a state as they are written by whoever has what they tell, and copies none of it.
//!
//! Reading them gives the types of [`super::state`]: a row here is a [`RuntimeRow`](super::RuntimeRow) there, a node a
//! [`Node`](super::Node), an edge an [`Edge`](super::Edge). A row is written here alone; of nodes and edges a test holds
//! the two against each other.

use serde::{Serialize, Serializer};

use super::state::{EdgeKind, NodeCriticality, NodeKind};
use super::word::Word;
use crate::command::BudgetUse;
use crate::manifest::Kind;
use crate::policy::Strategy;
use crate::{PollTimes, ProgramUsage, SupervisorPath, Vocabulary};

/// A word, or what stands for one.
#[derive(Debug, Clone, Copy)]
pub enum WordOnWire<'a> {
    /// Of a set that is known. It is written without a look at its letters.
    Known(&'static str),
    /// Any other text.
    Other(&'a str),
}

impl<T: Vocabulary> From<T> for WordOnWire<'_> {
    fn from(word: T) -> Self {
        Self::Known(word.text())
    }
}

impl<'a, T: Vocabulary> From<&'a Word<T>> for WordOnWire<'a> {
    fn from(word: &'a Word<T>) -> Self {
        match word {
            Word::Known(word) => Self::Known(word.text()),
            Word::Other(text) => Self::Other(text),
        }
    }
}

impl Serialize for WordOnWire<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            // As the word itself, which has no more than its name.
            Self::Known(word) => out.serialize_unit_variant("Word", 0, word),
            Self::Other(text) => out.serialize_str(text),
        }
    }
}

/// A row. What each field says stands at [`RuntimeRow`](super::RuntimeRow).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "said at the type that is read")]
pub struct RowOnWire<'a, Failure, Decision> {
    pub child_path: &'a SupervisorPath,
    pub lifecycle_state: WordOnWire<'a>,
    pub health: WordOnWire<'a>,
    pub readiness: WordOnWire<'a>,
    pub generation: u64,
    pub attempt: u64,
    /// The same as `attempt`.
    pub child_start_count: u64,
    pub restart_count: u64,
    pub last_failure: Option<&'a Failure>,
    pub last_policy_decision: Option<Decision>,
    pub shutdown_state: WordOnWire<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_unix_nanos: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at_unix_nanos: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_start_at_unix_nanos: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_heartbeat_unix_nanos: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<&'a BudgetUse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<&'a ProgramUsage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_times: Option<&'a PollTimes>,
}

/// A node. What each field says stands at [`Node`](super::Node).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "said at the type that is read")]
pub struct NodeOnWire<'a, Tags, Diagnostics> {
    pub node_id: &'a SupervisorPath,
    pub child_id: Option<&'a str>,
    pub path: &'a SupervisorPath,
    pub name: &'a str,
    pub kind: NodeKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_type: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<bool>,
    pub tags: &'a Tags,
    pub criticality: NodeCriticality,
    pub state_summary: WordOnWire<'a>,
    pub diagnostics: &'a Diagnostics,
}

/// An edge. What each field says stands at [`Edge`](super::Edge).
#[derive(Debug, Clone, Serialize)]
pub struct EdgeOnWire<'a> {
    edge_id: EdgeId<'a>,
    source_path: &'a str,
    target_path: &'a str,
    kind: EdgeKind,
    order: u64,
}

impl<'a> EdgeOnWire<'a> {
    /// The supervisor of this child supervises it, and nobody the root: `None`.
    pub fn parent(child: &'a SupervisorPath, order: u64) -> Option<Self> {
        let target = child.as_str();
        let source = match target.rfind('/').filter(|_| !child.is_root())? {
            0 => &target[..1],
            at => &target[..at],
        };
        Some(Self::new(EdgeKind::ParentChild, "parent", source, target, order))
    }

    /// `dependant` needs `needed`.
    pub fn dependency(dependant: &'a SupervisorPath, needed: &'a SupervisorPath, order: u64) -> Self {
        Self::new(EdgeKind::Dependency, "dependency", dependant.as_str(), needed.as_str(), order)
    }

    fn new(kind: EdgeKind, word: &'static str, source: &'a str, target: &'a str, order: u64) -> Self {
        let edge_id = EdgeId { word, source, target };
        Self { edge_id, source_path: source, target_path: target, kind, order }
    }
}

#[derive(Debug, Clone, Copy)]
struct EdgeId<'a> {
    word: &'static str,
    source: &'a str,
    target: &'a str,
}

impl Serialize for EdgeId<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let Self { word, source, target } = self;
        out.serialize_str(&[word, ":", source, "->", target].concat())
    }
}
