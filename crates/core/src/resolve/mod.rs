//! The border: a declared tree goes in, a tree whose every value is known comes out, or the list of all
//! mistakes (R6). What comes out is trusted by the machine.

mod child;
mod keys;
mod order;
mod rules;
mod supervisor;

use std::sync::Arc;

use supervisor_api::policy::AutoShutdown;
use supervisor_api::policy::{
    Backoff, Budget, Condition, Criticality, Grace, Heartbeat, OnExhausted, OnStartFailure, Permissions,
    Profile, ReadinessMode, RestartType, Role, StartOrder, StopOrder, Strategy,
};
use supervisor_api::{ChildId, Finding, SupervisorPath};

use crate::spec::{ChildSettings, SupervisorDecl};

pub(crate) use child::{Sibling, bare_policy, resolve_added};
pub(crate) use keys::Told;
pub use keys::{Filled, Key, Keys};
pub(crate) use order::cycle;

/// Text hashed the same way in every process, so that nothing depends on chance.
pub(crate) type FixedState = foldhash::fast::FixedState;

/// Everything the machine decides a child by. Shared by children about which the same was said.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChildPolicy {
    /// What it is for.
    pub role: Role,
    /// When its end leads to a new start.
    pub restart: RestartType,
    /// Whether its row stays after it ended, and no group restart revives it (D18).
    pub keeps_row: bool,
    /// How much the whole suffers when it does.
    pub criticality: Criticality,
    /// What counts as started; of a supervisor, always its initial start.
    pub readiness: ReadinessMode,
    /// How long a start may take, in nanoseconds; `None` for ever.
    pub ready_within: Option<u64>,
    /// The delay before restarts.
    pub backoff: Backoff,
    /// A budget of its own.
    pub budget: Option<Budget>,
    /// What an exhausted budget leads to.
    pub on_exhausted: OnExhausted,
    /// Failures in a row that count as exhaustion, because the supervisor's budget is unreachable (D4).
    pub streak_limit: Option<u32>,
    /// The same for a budget of its own.
    pub own_streak_limit: Option<u32>,
    /// How long it is waited for when it is stopped.
    pub grace: Grace,
    /// How long it is waited for after it was killed, in nanoseconds.
    pub abort_wait: u64,
    /// A promise to report life.
    pub heartbeat: Option<Heartbeat>,
    /// For how long after started no miss counts, until the first beat came; in nanoseconds.
    pub start_period: u64,
    /// Whether its end can end its supervisor.
    pub significant: bool,
    /// What commands it allows.
    pub permissions: Permissions,
    /// Whether those who depend on it are stopped when it goes down.
    pub restart_dependants: bool,
    /// Whether it starts when its time has come, and not with its supervisor.
    pub scheduled: bool,
    /// Of those it depends on: what it waits for, where that is something else than being ready.
    pub conditions: Box<[(ChildId, Condition)]>,
    /// The driver's number for what else is said of it.
    pub label: Option<u32>,
    /// Whether it is a nested supervisor.
    pub is_supervisor: bool,
    /// Who said what of it.
    pub(crate) told: Told,
}

/// Everything the machine decides a supervisor by.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SupervisorPolicy {
    /// Who is restarted with a failed child.
    pub strategy: Strategy,
    /// The budget for all its children.
    pub budget: Budget,
    /// What its exhausted budget leads to, for children that do not say.
    pub on_exhausted: OnExhausted,
    /// In which order children start.
    pub order: StartOrder,
    /// How children are stopped.
    pub stop: StopOrder,
    /// What a failed initial start leads to.
    pub on_start_failure: OnStartFailure,
    /// When it ends by itself.
    pub auto_shutdown: AutoShutdown,
    /// How many children it may have, if it is dynamic.
    pub dynamic: Option<u32>,
    /// Who said what of it.
    pub(crate) told: Told,
    /// What was not said is the default of a stack file (D1). Nothing is decided by it.
    pub(crate) in_file: bool,
}

/// What a child inherits from the supervisors above it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Context {
    /// The set of defaults.
    pub profile: Profile,
    /// What was said about all children, nearest supervisor first.
    pub defaults: Vec<Inherited>,
    /// The supervisor itself.
    pub policy: SupervisorPolicy,
}

/// What a supervisor says about all children below it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Inherited {
    /// The supervisor.
    pub from: SupervisorPath,
    /// What it says.
    pub said: Arc<ChildSettings>,
}

/// A child whose every value is known.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ResolvedChild {
    /// Its name among its siblings.
    pub id: ChildId,
    /// What the machine decides by.
    pub policy: Arc<ChildPolicy>,
    /// Whom it waits for: positions among its siblings, or indices of the machine for an added child.
    pub depends_on: Vec<u32>,
    /// For a sidecar: whom it belongs to, in the same numbers.
    pub primary: Option<u32>,
    /// The driver's number, and whether it can be spawned now; `None` for a supervisor.
    pub body: Option<(u32, bool)>,
    /// For a supervisor: what is below it.
    pub supervisor: Option<Box<ResolvedSupervisor>>,
}

/// A supervisor whose every value is known.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ResolvedSupervisor {
    /// What it is decided by, and what its children inherit.
    pub context: Arc<Context>,
    /// Its children in effective order (D11).
    pub children: Vec<ResolvedChild>,
}

/// A tree without mistakes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Resolved {
    /// The root supervisor.
    pub root: ResolvedSupervisor,
    /// What is doubtful about it.
    pub warnings: Vec<Finding>,
}

/// Checks a tree and fills in its defaults. Every mistake is found, not the first (R6).
pub fn resolve(root: &SupervisorDecl) -> Result<Resolved, Vec<Finding>> {
    let mut findings = Findings::default();
    let path = SupervisorPath::root();
    let root = supervisor::resolve_supervisor(root, None, &path, &mut findings);
    if findings.mistakes == 0 { Ok(Resolved { root, warnings: findings.list }) } else { Err(findings.list) }
}

/// Mistakes and warnings found so far.
#[derive(Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    mistakes: usize,
}

impl Findings {
    pub(crate) fn mistake(&mut self, path: &str, key: &'static str, message: impl Into<String>) {
        self.mistakes += 1;
        self.list.push(Finding { path: path.to_owned(), key, message: message.into(), warning: false });
    }

    pub(crate) fn warning(&mut self, path: &str, key: &'static str, message: impl Into<String>) {
        self.list.push(Finding { path: path.to_owned(), key, message: message.into(), warning: true });
    }

    /// Everything that was found.
    pub(crate) fn into_list(self) -> Vec<Finding> {
        self.list
    }

    /// The mistakes alone, if there are any.
    pub(crate) fn into_result(self) -> Result<Vec<Finding>, Vec<Finding>> {
        if self.mistakes == 0 { Ok(self.list) } else { Err(self.list) }
    }
}

/// A span in nanoseconds; 584 years and more read as that.
pub(crate) fn nanos(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
