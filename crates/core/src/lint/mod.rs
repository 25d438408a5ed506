//! What is legal in a tree, and rarely meant.
//!
//! [`resolve`](crate::resolve) refuses what cannot work. The lints look at what works, but not as whoever
//! wrote it will have thought: each is a function that looks at one supervisor and its children, and says
//! what will happen and what to do about it.

mod budgets;
mod ends;
mod waits;

use supervisor_api::policy::{OnExhausted, RestartType};
use supervisor_api::{Finding, SupervisorPath};

use crate::resolve::{ChildPolicy, Findings, Resolved, ResolvedChild, ResolvedSupervisor};

/// Every lint, in the order of the list in `docs/testing.md`.
const LINTS: &[fn(&Place<'_>, &mut Findings)] = &[
    budgets::multiply,
    budgets::shared_by_many,
    budgets::restarts_without_pause,
    ends::supervisor_is_lost,
    ends::ends_and_comes_back,
    ends::never_ends,
    ends::critical_is_lost,
    waits::for_who_can_be_parked,
    waits::nobody_to_restart,
    waits::hang_is_found_late,
];

/// What is doubtful about a tree: the warnings of [`resolve`](crate::resolve), then what the lints find.
///
/// All of it are warnings: the tree can be used all the same. Takes time in proportion to the tree.
pub fn lint(tree: &Resolved) -> Vec<Finding> {
    let mut findings = Findings::default();
    look(&Place { path: SupervisorPath::root(), tree: &tree.root, node: None }, &mut findings);
    let mut all = tree.warnings.clone();
    all.extend(findings.into_list());
    all
}

/// A supervisor, and the way to it.
struct Place<'a> {
    path: SupervisorPath,
    tree: &'a ResolvedSupervisor,
    /// What it is as a child, and where; `None` for the root.
    node: Option<(&'a ResolvedChild, &'a Place<'a>)>,
}

fn look(place: &Place<'_>, findings: &mut Findings) {
    LINTS.iter().for_each(|lint| lint(place, findings));
    for child in &place.tree.children {
        if let Some(below) = &child.supervisor {
            let path = place.path.child(&child.id);
            look(&Place { path, tree: below, node: Some((child, place)) }, findings);
        }
    }
}

impl Place<'_> {
    /// The path of one of its children, as findings name it.
    fn path_of(&self, child: &ResolvedChild) -> String {
        self.path.child(&child.id).to_string()
    }

    /// Whether a failure of one of its children can make it give up.
    fn can_give_up(&self) -> bool {
        let shared = self.tree.context.policy.budget.max_restarts.is_some();
        let escalates = |policy: &ChildPolicy| {
            policy.restart != RestartType::Temporary
                && policy.on_exhausted == OnExhausted::Escalate
                && (shared || policy.budget.is_some_and(|own| own.max_restarts.is_some()))
        };
        self.tree.children.iter().any(|child| escalates(&child.policy))
            || self.added_child().is_some_and(|policy| escalates(&policy))
    }

    /// The policy of a child that is added while it runs and about which nothing is said, if it is dynamic.
    fn added_child(&self) -> Option<ChildPolicy> {
        self.tree.context.policy.dynamic.map(|_| self.tree.context.unsaid_policy())
    }
}
