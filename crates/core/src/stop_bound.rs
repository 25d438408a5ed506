//! How long stopping a tree can take at most, whatever its children do.

use std::time::Duration;

use supervisor_api::SupervisorPath;
use supervisor_api::policy::{Grace, StopOrder};

use crate::resolve::{ChildPolicy, Resolved, ResolvedChild, ResolvedSupervisor};

/// The bound of a tree as it is declared. Children that are added later are not in it, but for a dynamic
/// supervisor one child is counted about which nothing is said: it stops all its children at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopBound {
    /// At most this long, not counting the children in `endless`.
    pub at_most: Duration,
    /// Children that are waited for without end (R55), in the order of the tree.
    pub endless: Vec<SupervisorPath>,
    /// At most this long from the moment the graces are cut (D20: the second signal), for all of them.
    pub once_cut: Duration,
}

impl StopBound {
    /// The bound when every grace that is left is cut this long after the shutdown began.
    #[must_use]
    pub fn cut_after(self, limit: Duration) -> Self {
        let cut = limit.saturating_add(self.once_cut);
        let at_most = if self.endless.is_empty() { self.at_most.min(cut) } else { cut };
        Self { at_most, endless: Vec::new(), once_cut: self.once_cut }
    }
}

/// How long a shutdown can take: grace and `abort_wait` of each child (D8), summed over a supervisor that
/// stops one child after the other, and along the longest chain of dependants where a supervisor stops at
/// once whatever nobody running depends on (D19). A supervisor with a grace of its own is killed with all
/// below it when that is over (R62).
pub fn stop_bound(tree: &Resolved) -> StopBound {
    let mut endless = Vec::new();
    let at_most = span_of(&tree.root, &SupervisorPath::root(), Graces::Kept, &mut endless);
    let once_cut = span_of(&tree.root, &SupervisorPath::root(), Graces::Cut, &mut Vec::new());
    StopBound { at_most, endless, once_cut }
}

/// Whether children still have their graces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Graces {
    Kept,
    Cut,
}

fn span_of(
    tree: &ResolvedSupervisor,
    path: &SupervisorPath,
    graces: Graces,
    endless: &mut Vec<SupervisorPath>,
) -> Duration {
    let policy = &tree.context.policy;
    if policy.dynamic.is_some() {
        return leaf_span(&tree.context.unsaid_policy(), graces).unwrap_or(Duration::ZERO);
    }
    let spans = tree.children.iter().map(|child| child_span(child, &path.child(&child.id), graces, endless));
    match policy.stop {
        StopOrder::Sequential => spans.fold(Duration::ZERO, Duration::saturating_add),
        StopOrder::Concurrent => {
            let spans: Vec<_> = spans.collect();
            longest_chain(&tree.children, spans)
        }
    }
}

/// Nobody is asked while a dependant runs. Dependants stand after what they depend on (D11), so the last
/// child comes first.
fn longest_chain(children: &[ResolvedChild], spans: Vec<Duration>) -> Duration {
    let mut asked_after = vec![Duration::ZERO; children.len()];
    let mut longest = Duration::ZERO;
    for (at, span) in spans.into_iter().enumerate().rev() {
        let gone = asked_after[at].saturating_add(span);
        longest = longest.max(gone);
        for &on in &children[at].depends_on {
            asked_after[on as usize] = asked_after[on as usize].max(gone);
        }
    }
    longest
}

fn child_span(
    child: &ResolvedChild,
    path: &SupervisorPath,
    graces: Graces,
    endless: &mut Vec<SupervisorPath>,
) -> Duration {
    let Some(below) = &child.supervisor else {
        return leaf_span(&child.policy, graces).unwrap_or_else(|| {
            endless.push(path.clone());
            Duration::ZERO
        });
    };
    let known = endless.len();
    let in_order = span_of(below, path, graces, endless);
    let grace = match child.policy.grace {
        Grace::Infinity => return in_order,
        Grace::Timeout(grace) => grace,
        Grace::Brutal => Duration::ZERO,
    };
    let killed = grace.saturating_add(longest_abort(below));
    let has_endless = endless.len() > known;
    endless.truncate(known);
    if has_endless { killed } else { in_order.min(killed) }
}

/// `None` when it is waited for without end.
fn leaf_span(policy: &ChildPolicy, graces: Graces) -> Option<Duration> {
    let abort_wait = Duration::from_nanos(policy.abort_wait);
    match (policy.grace, graces) {
        (Grace::Brutal, _) | (_, Graces::Cut) => Some(abort_wait),
        (Grace::Timeout(grace), Graces::Kept) => Some(grace.saturating_add(abort_wait)),
        (Grace::Infinity, Graces::Kept) => None,
    }
}

/// How long it takes at most until everything below a killed supervisor is gone or unresponsive: all are
/// killed at once.
fn longest_abort(tree: &ResolvedSupervisor) -> Duration {
    let added = tree.context.policy.dynamic.map(|_| tree.context.unsaid_policy().abort_wait);
    let declared = tree.children.iter().map(|child| match &child.supervisor {
        Some(below) => longest_abort(below),
        None => Duration::from_nanos(child.policy.abort_wait),
    });
    declared.chain(added.map(Duration::from_nanos)).max().unwrap_or(Duration::ZERO)
}
