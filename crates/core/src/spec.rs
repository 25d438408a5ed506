//! What a user said about a tree, before defaults are filled in. `None` is "not said".

use std::sync::Arc;
use std::time::Duration;

use supervisor_api::ChildId;
use supervisor_api::policy::{
    AutoShutdown, Backoff, Budget, Condition, Criticality, Grace, Heartbeat, OnExhausted, OnStartFailure,
    Permissions, Profile, ReadinessMode, RestartType, Role, StartOrder, StopOrder, Strategy,
};

use crate::resolve::Filled;

/// A time that may be infinite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most this long.
    After(Duration),
    /// No limit.
    Infinity,
}

/// What was said about a child. Shared by all children about which the same was said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChildSettings {
    /// What it is for (D15).
    pub role: Option<Role>,
    /// When its end leads to a new start.
    pub restart: Option<RestartType>,
    /// For a job: try again after a bad end (D15).
    pub retry: Option<bool>,
    /// For a job: it starts each time that the driver says that its time has come, and not with its supervisor (D20).
    pub scheduled: bool,
    /// How much the whole suffers when it does.
    pub criticality: Option<Criticality>,
    /// What counts as started (D19).
    pub readiness: Option<ReadinessMode>,
    /// How long a start may take (D19).
    pub ready_within: Option<Limit>,
    /// The delay before restarts (D3).
    pub backoff: Option<Backoff>,
    /// A budget of its own (D4).
    pub budget: Option<Budget>,
    /// What an exhausted budget leads to (D4).
    pub on_exhausted: Option<OnExhausted>,
    /// How long it is waited for when it is stopped (D8).
    pub grace: Option<Grace>,
    /// How much more that is, for what it does after the one that it was for has ended (D8).
    pub grace_beyond: Duration,
    /// How long it is waited for after it was killed (D8).
    pub abort_wait: Option<Duration>,
    /// A promise to report life (D13).
    pub heartbeat: Option<Heartbeat>,
    /// For how long after started a beat may be missing, until the first one came (D13).
    pub start_period: Option<Duration>,
    /// Whether its end can end its supervisor (R77).
    pub significant: Option<bool>,
    /// What commands it allows.
    pub permissions: Option<Permissions>,
    /// Whether those who depend on it are stopped when it goes down (D11).
    pub restart_dependants: Option<bool>,
    /// Of those it depends on: what it waits for, where that is something else than being ready (D11).
    pub conditions: Vec<(ChildId, Condition)>,
    /// A number of the driver's for what it says of the child and the machine does not decide by. Another number is
    /// a change that needs no restart (D12).
    pub label: Option<u32>,
    /// What of it was filled in for the child, and not said of it.
    pub filled: Filled,
}

/// What a child runs. The numbers are the driver's; the machine hands them back in `Effect::Declared`.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Something the driver can spawn.
    Run(u32),
    /// Something the driver cannot spawn yet; `Input::Bound` says when it can.
    Unbound(u32),
    /// A nested supervisor, run by the machine itself.
    Supervisor(Box<SupervisorDecl>),
}

/// A child as it was declared.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildDecl {
    /// Its name among its siblings.
    pub id: ChildId,
    /// What was said about it.
    pub settings: Arc<ChildSettings>,
    /// The siblings that must be ready, or done, before it starts (D11).
    pub depends_on: Vec<ChildId>,
    /// For a sidecar: the sibling it belongs to (D15).
    pub primary: Option<ChildId>,
    /// What it runs.
    pub body: Body,
}

/// What was said about a supervisor.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SupervisorSettings {
    /// The set of defaults; inherited by nested supervisors (D1).
    pub profile: Option<Profile>,
    /// Who is restarted with a failed child.
    pub strategy: Option<Strategy>,
    /// The budget for all its children (R50).
    pub budget: Option<Budget>,
    /// What its exhausted budget leads to (D4).
    pub on_exhausted: Option<OnExhausted>,
    /// In which order children start (D19).
    pub order: Option<StartOrder>,
    /// How children are stopped.
    pub stop: Option<StopOrder>,
    /// What a failed initial start leads to (D19).
    pub on_start_failure: Option<OnStartFailure>,
    /// When it ends by itself (R77, D20).
    pub auto_shutdown: Option<AutoShutdown>,
    /// Dynamic: how many children it may have (R85).
    pub dynamic: Option<u32>,
    /// Said about all its children, and those of nested supervisors, that do not say otherwise.
    pub defaults: Option<Arc<ChildSettings>>,
    /// It stands in a stack file, whose defaults hold for what it does not say (D1).
    pub in_file: bool,
}

/// A supervisor as it was declared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SupervisorDecl {
    /// What was said about it.
    pub settings: SupervisorSettings,
    /// Its children, in declared order.
    pub children: Vec<ChildDecl>,
}
