//! The state of a target, as it is shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::lent::RowOnWire;
use super::record::{EventRecord, LogRecord};
use super::word::{UnixNanos, Word, or_default};
use crate::command::BudgetUse;
use crate::life::words;
use crate::manifest::Kind;
use crate::policy::{Criticality, Strategy};
use crate::report::RuntimeHealthReport;
use crate::{Health, Lifecycle, PollTimes, ProgramUsage, Readiness, ShutdownState, SupervisorPath};

/// Everything that is shown of a target at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DashboardState {
    /// Who it is.
    pub target: TargetInfo,
    /// Who is in the tree and who belongs to whom.
    pub topology: Topology,
    /// How each is. One row for each node, unless the state was asked for in pages. Empty: a page after the
    /// last row.
    pub runtime_state: Vec<RuntimeRow>,
    /// The newest events, at most 128, oldest first. Empty: nothing has happened yet.
    #[serde(default, deserialize_with = "or_default")]
    pub recent_events: Vec<EventRecord>,
    /// The newest lines of the logs, at most 128, oldest first. Empty: nothing was logged yet.
    #[serde(default, deserialize_with = "or_default")]
    pub recent_logs: Vec<LogRecord>,
    /// Events that the target no longer keeps for want of room. 0: none.
    #[serde(default, deserialize_with = "or_default")]
    pub dropped_event_count: u64,
    /// Lines of logs that the target no longer keeps for want of room. 0: none.
    #[serde(default, deserialize_with = "or_default")]
    pub dropped_log_count: u64,
    /// Which spec the tree has: the first 16 hexadecimal digits of its SHA-256. Empty when the target does
    /// not say.
    pub config_version: Arc<str>,
    /// When this was read.
    pub generated_at_unix_nanos: UnixNanos,
    /// Grows with every change and never without one. 0: nothing has happened yet.
    pub state_generation: u64,
    /// What the target says of itself, its registration and its audit included, when this was read; deltas do not
    /// change it. Absent when the target does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Box<RuntimeHealthReport>>,
    /// The last row's path, when more rows follow: `params.after` of the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<SupervisorPath>,
}

words! {
    /// How a target stands with a relay.
    RegistrationState {
        /// Its lease runs.
        Active = "active",
        /// The relay refused it.
        Rejected = "rejected",
        /// Its lease ran out.
        Expired = "expired",
    }
}

words! {
    /// How the connection between relay and target is.
    ConnectionState {
        /// Registered, and not connected to yet.
        Registered = "registered",
        /// Being connected to.
        Connecting = "connecting",
        /// Connected.
        Connected = "connected",
        /// Lost, and being connected to again.
        Reconnecting = "reconnecting",
        /// Cannot be reached.
        Unavailable = "unavailable",
        /// Its lease ran out.
        Expired = "expired",
    }
}

/// Who a target is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TargetInfo {
    /// Its id. Never empty.
    pub target_id: Arc<str>,
    /// What people call it. Empty: nothing; show the id.
    pub display_name: String,
    /// How it stands with the relay.
    pub registration_state: Word<RegistrationState>,
    /// How the connection to it is.
    pub connection_state: Word<ConnectionState>,
}

/// Who is in the tree and who belongs to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Topology {
    /// The root's path.
    pub root: SupervisorPath,
    /// Everybody, parents before their children. Empty: a page after the last row.
    pub nodes: Vec<Node>,
    /// Who is above whom, and who needs whom. Empty: nobody but the root.
    pub edges: Vec<Edge>,
    /// Everybody but the root, in the order of declaration; this project writes paths. Empty: nobody but the
    /// root.
    pub declaration_order: Vec<String>,
}

words! {
    /// What a node is.
    NodeKind {
        /// The root of the tree.
        RootSupervisor = "root_supervisor",
        /// Anything below it.
        ChildTask = "child_task",
    }
}

words! {
    /// How much the whole suffers when a node does, in the wire's words.
    NodeCriticality {
        /// The tree is unhealthy without it.
        Critical = "critical",
        /// The tree is degraded without it.
        Standard = "standard",
        /// The tree can do without it; `optional` in a file.
        BestEffort = "best_effort",
    }
}

impl From<Criticality> for NodeCriticality {
    fn from(word: Criticality) -> Self {
        match word {
            Criticality::Critical => Self::Critical,
            Criticality::Standard => Self::Standard,
            Criticality::Optional => Self::BestEffort,
        }
    }
}

/// The root or a child, as far as it does not change while it runs; but for `state_summary`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Node {
    /// Its id in this topology; this project writes the path. Never empty.
    pub node_id: String,
    /// The last segment of the path. Null for the root. Never empty.
    pub child_id: Option<String>,
    /// Its path.
    pub path: SupervisorPath,
    /// What people call it. Never empty.
    pub name: String,
    /// Whether it is the root.
    pub kind: Word<NodeKind>,
    /// What runs. Absent when the target does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_type: Option<Word<Kind>>,
    /// Of a supervisor, whom a failed child takes with it. Absent for others, and when the target does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Word<Strategy>>,
    /// Whether it is a supervisor whose children are added while it runs. Absent for other children, and when the
    /// target does not say. False: its children are those of its spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<bool>,
    /// Its labels. Empty: none.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<String>,
    /// How much the whole suffers when it does.
    pub criticality: Word<NodeCriticality>,
    /// The state of its row.
    pub state_summary: Word<Lifecycle>,
    /// What stands in its way or is doubtful, as sentences by name. Empty: nothing.
    #[serde(default, deserialize_with = "or_default")]
    pub diagnostics: BTreeMap<String, String>,
}

words! {
    /// What an edge means.
    EdgeKind {
        /// The source supervises the target.
        ParentChild = "parent_child",
        /// The source needs the target.
        Dependency = "dependency",
    }
}

/// A relation between two nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Edge {
    /// `parent:A->B` or `dependency:A->B`, with the paths of source and target. Never empty.
    pub edge_id: String,
    /// The supervisor, or the one that needs the other.
    pub source_path: SupervisorPath,
    /// The child, or the one that is needed.
    pub target_path: SupervisorPath,
    /// What it means.
    pub kind: Word<EdgeKind>,
    /// The place among the edges of this kind with the same source. 0: the first.
    pub order: u64,
}

impl Edge {
    /// `parent` supervises `child`.
    pub fn parent(parent: &SupervisorPath, child: &SupervisorPath, order: u64) -> Self {
        Self::new(EdgeKind::ParentChild, "parent", parent, child, order)
    }

    /// `dependant` needs `needed`.
    pub fn dependency(dependant: &SupervisorPath, needed: &SupervisorPath, order: u64) -> Self {
        Self::new(EdgeKind::Dependency, "dependency", dependant, needed, order)
    }

    fn new(kind: EdgeKind, word: &str, from: &SupervisorPath, to: &SupervisorPath, order: u64) -> Self {
        Self {
            edge_id: format!("{word}:{from}->{to}"),
            source_path: from.clone(),
            target_path: to.clone(),
            kind: kind.into(),
            order,
        }
    }
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "ReadRow")]
pub struct RuntimeRow {
    /// The path of the node.
    pub child_path: SupervisorPath,
    /// Its state.
    pub lifecycle_state: Word<Lifecycle>,
    /// What heartbeats say; of a supervisor, what its children add up to.
    pub health: Word<Health>,
    /// Whether the live run is ready.
    pub readiness: Word<Readiness>,
    /// The number of the live or last run; 0 before the first.
    pub generation: u64,
    /// Which restart of its streak the run is; 0 for a first run. Written as `attempt` and as
    /// `child_start_count`; reading, `attempt` counts if both are there.
    pub attempt: u64,
    /// Automatic restarts so far.
    pub restart_count: u64,
    /// How the last run that ended badly ended, as an `exit`; null when none did. Others may write anything
    /// here; it stays as it came.
    pub last_failure: Option<Value>,
    /// What was decided when a run last ended, as the word of an event's `next`; null when none ended. Others
    /// may write anything here; it stays as it came.
    pub last_policy_decision: Option<Value>,
    /// How far a stop is.
    pub shutdown_state: Word<ShutdownState>,
    /// The sequence of the last event in this row; 0 before the first. Absent when the target does not say.
    pub as_of: Option<u64>,
    /// What this project tells of it besides.
    pub more: RowMore,
}

/// What a row tells beyond the contract. Each is absent when the target does not say, or when there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct RowMore {
    /// When it came into its state.
    pub since_unix_nanos: Option<UnixNanos>,
    /// When its live run began.
    pub started_at_unix_nanos: Option<UnixNanos>,
    /// When it is to be started, while it is in back-off.
    pub next_start_at_unix_nanos: Option<UnixNanos>,
    /// The process of the program that runs.
    pub pid: Option<u32>,
    /// When the last heartbeat before this read came, or the last probe succeeded. Later ones are not told, as long as
    /// none is missed.
    pub last_heartbeat_unix_nanos: Option<UnixNanos>,
    /// What its live run says that it is doing, or waits for, as of this read. A change of it alone is not told.
    pub phase: Option<Arc<str>>,
    /// Of a supervisor the budget of restarts of its children, of another child its own, as of this read.
    pub budget: Option<BudgetUse>,
    /// What the program that runs uses. A reader that follows is told of a change every few seconds at most.
    pub usage: Option<Box<ProgramUsage>>,
    /// How long the run of a task is being polled, if that is metered. Told as `usage` is.
    pub poll_times: Option<Box<PollTimes>>,
}

/// A row as either dialect writes it.
#[derive(Deserialize)]
struct ReadRow {
    child_path: SupervisorPath,
    lifecycle_state: Word<Lifecycle>,
    health: Word<Health>,
    readiness: Word<Readiness>,
    generation: u64,
    #[serde(flatten)]
    starts: Starts,
    restart_count: u64,
    last_failure: Option<Value>,
    last_policy_decision: Option<Value>,
    shutdown_state: Word<ShutdownState>,
    as_of: Option<u64>,
    #[serde(flatten)]
    more: RowMore,
}

/// `attempt`, or else `child_start_count`.
struct Starts(u64);

impl<'de> Deserialize<'de> for Starts {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Either {
            attempt: Option<u64>,
            child_start_count: Option<u64>,
        }
        let Either { attempt, child_start_count } = Either::deserialize(input)?;
        attempt.or(child_start_count).map(Self).ok_or_else(|| de::Error::missing_field("attempt"))
    }
}

impl From<ReadRow> for RuntimeRow {
    fn from(row: ReadRow) -> Self {
        Self {
            child_path: row.child_path,
            lifecycle_state: row.lifecycle_state,
            health: row.health,
            readiness: row.readiness,
            generation: row.generation,
            attempt: row.starts.0,
            restart_count: row.restart_count,
            last_failure: row.last_failure,
            last_policy_decision: row.last_policy_decision,
            shutdown_state: row.shutdown_state,
            as_of: row.as_of,
            more: row.more,
        }
    }
}

impl Serialize for RuntimeRow {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let more = &self.more;
        let nanos = |time: &Option<UnixNanos>| time.map(|time| time.0);
        let row = RowOnWire {
            child_path: &self.child_path,
            lifecycle_state: (&self.lifecycle_state).into(),
            health: (&self.health).into(),
            readiness: (&self.readiness).into(),
            generation: self.generation,
            attempt: self.attempt,
            child_start_count: self.attempt,
            restart_count: self.restart_count,
            last_failure: self.last_failure.as_ref(),
            last_policy_decision: self.last_policy_decision.as_ref(),
            shutdown_state: (&self.shutdown_state).into(),
            as_of: self.as_of,
            since_unix_nanos: nanos(&more.since_unix_nanos),
            started_at_unix_nanos: nanos(&more.started_at_unix_nanos),
            next_start_at_unix_nanos: nanos(&more.next_start_at_unix_nanos),
            last_heartbeat_unix_nanos: nanos(&more.last_heartbeat_unix_nanos),
            pid: more.pid,
            phase: more.phase.as_deref(),
            budget: more.budget.as_ref(),
            usage: more.usage.as_deref(),
            poll_times: more.poll_times.as_deref(),
        };
        row.serialize(out)
    }
}
