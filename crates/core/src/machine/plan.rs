//! What a new spec would change (D12): the comparison that [`Machine::plan`] answers with and that an apply follows.

use supervisor_api::SupervisorError;
use supervisor_api::command::Plan;

use super::Machine;
use super::node::{Life, NONE, Then};
use crate::resolve::{ResolvedChild, ResolvedSupervisor, resolve};
use crate::spec::SupervisorDecl;

/// How the spec of a child that is in the tree differs from its new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Difference {
    /// It runs something else.
    pub(super) body: bool,
    /// It is decided by something else.
    pub(super) policy: bool,
}

impl Machine {
    /// What [`Command::Apply`](crate::Command::Apply) would change now, or why it would be refused. Changes nothing.
    pub fn plan(&self, decl: &SupervisorDecl) -> Result<Plan, SupervisorError> {
        let resolved = self.applicable(decl)?;
        Ok(self.plan_of(&resolved))
    }

    /// The spec with its defaults filled in, when it can be applied.
    pub(super) fn applicable(&self, decl: &SupervisorDecl) -> Result<ResolvedSupervisor, SupervisorError> {
        if !self.sup(0).is_up() {
            let message = "the tree is shutting down; no spec can be applied".to_owned();
            return Err(SupervisorError::InvalidTransition { message });
        }
        let root = resolve(decl).map_err(SupervisorError::InvalidSpec)?.root;
        let mut findings = Vec::new();
        self.check_applicable(0, &root, &mut findings);
        if findings.is_empty() { Ok(root) } else { Err(SupervisorError::InvalidSpec(findings)) }
    }

    pub(super) fn plan_of(&self, root: &ResolvedSupervisor) -> Plan {
        let mut plan = Plan::default();
        if self.sup(0).context.policy != root.context.policy {
            plan.updated.push(self.node(0).path.clone());
        }
        self.plan_below(0, root, &mut plan);
        plan
    }

    fn plan_below(&self, sup: u32, resolved: &ResolvedSupervisor, plan: &mut Plan) {
        let gone = self.find_removed(sup, &resolved.children);
        plan.removed.extend(gone.into_iter().map(|index| self.node(index).path.clone()));
        let above = &self.node(self.sup(sup).node).path;
        for child in &resolved.children {
            let path = above.child(&child.id);
            let Some(index) = self.find_index(path.as_str()) else {
                plan.added.push(path);
                continue;
            };
            let differs = self.difference(index, child);
            if differs.body && self.stops_for_a_body(index) || self.comes_again(index) {
                plan.restarted.push(path);
            } else if differs.body || differs.policy || self.is_linked_otherwise(index, child, resolved) {
                plan.updated.push(path);
            } else {
                plan.unchanged += 1;
            }
            if let Some(below) = &child.supervisor {
                self.plan_below(self.node(index).supervisor, below, plan);
            }
        }
    }

    pub(super) fn difference(&self, index: u32, child: &ResolvedChild) -> Difference {
        let node = self.node(index);
        let body = child.body.map_or(NONE, |(body, _)| body);
        let supervises_else = child
            .supervisor
            .as_deref()
            .is_some_and(|below| self.sup(node.supervisor).context.policy != below.context.policy);
        Difference {
            body: node.body != body || fault!(apply_restarts_unchanged),
            policy: node.policy != child.policy || supervises_else,
        }
    }

    /// Whether a child that is to run something else is stopped, or its delay cut, for it.
    fn stops_for_a_body(&self, index: u32) -> bool {
        matches!(self.node(index).life, Life::Starting | Life::Running | Life::Backoff { .. })
    }

    /// Whether a child is on its way out, so that naming it starts it again: when its run is gone, or at once.
    fn comes_again(&self, index: u32) -> bool {
        let node = self.node(index);
        match node.life {
            Life::Stopping { then, .. } | Life::Unresponsive { then } => then == Then::Remove,
            Life::Stopped => node.flags.doomed && node.flags.bound && self.is_revivable(index),
            _ => false,
        }
    }

    /// Whether it depends on others than now, or belongs to another. What an operator has put beside it is no
    /// business of the spec, unless that names it.
    fn is_linked_otherwise(&self, index: u32, child: &ResolvedChild, beside: &ResolvedSupervisor) -> bool {
        let above = &self.node(self.sup(self.node(index).parent).node).path;
        let standing = |at: u32| {
            let path = above.child(&beside.children[at as usize].id);
            self.find_index(path.as_str())
        };
        let named = |other: u32| {
            let path = &self.node(other).path;
            self.node(other).flags.declared
                || beside.children.iter().any(|child| path.last_segment() == Some(child.id.as_str()))
        };
        let (mut now, primary) = self.links_of(index);
        now.retain(|&other| named(other));
        let mut wanted: Vec<_> = child.depends_on.iter().map(|&at| standing(at)).collect();
        wanted.sort_unstable();
        let depends_on = now.into_iter().map(Some).ne(wanted);
        depends_on || primary != child.primary.and_then(standing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Body, ChildDecl};
    use supervisor_api::ChildId;

    #[test]
    fn d12_a_tree_that_is_not_up_has_no_plan() {
        let child = ChildDecl {
            id: ChildId::new("a").unwrap(),
            settings: Default::default(),
            depends_on: Vec::new(),
            primary: None,
            body: Body::Run(0),
        };
        let decl = SupervisorDecl { children: vec![child], ..SupervisorDecl::default() };
        let machine = Machine::new(resolve(&decl).unwrap(), 1);
        let refusal = machine.plan(&decl).unwrap_err();
        assert!(refusal.to_string().contains("shutting down"), "{refusal}");
    }
}
