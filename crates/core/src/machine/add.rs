//! Adding a child to a running supervisor: OTP's `start_child` (R9-R11) and the operator's `add_child` (D17).

use std::sync::Arc;

use supervisor_api::policy::OnStartFailure;
use supervisor_api::{Cause, EventKind, Lifecycle, SupervisorError};

use super::Machine;
use super::life::News;
use super::node::{Life, Then, Trial};
use super::waits::Goal;
use crate::face::{Address, Ticket};
use crate::resolve::{Sibling, resolve_added};
use crate::spec::ChildDecl;

/// Who adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// A failed start follows `on_start_failure`.
    Operator,
    /// A failed start is returned, and nothing is kept.
    Otp,
}

impl Machine {
    pub(super) fn add(
        &mut self,
        ticket: Ticket,
        under: &Address,
        child: &ChildDecl,
        manner: Manner,
    ) -> Result<(), SupervisorError> {
        let sup = self.resolve_supervisor_address(under)?;
        self.check_place(sup, child)?;
        let context = Arc::clone(&self.sup(sup).context);
        let path = self.node(self.sup(sup).node).path.child(&child.id);
        let above = self.node(self.sup(sup).node).path.clone();
        let find = |id: &supervisor_api::ChildId| {
            let index = self.find_index(above.child(id).as_str()).filter(|&index| !self.is_leaving(index))?;
            let policy = Arc::clone(&self.node(index).policy);
            Some(Sibling { index, dependable: !self.leaves_no_trace(index), policy })
        };
        let siblings = self.indices(sup).filter_map(|index| self.node(index).path.last_segment());
        let siblings: Vec<&str> =
            siblings.take(if child.depends_on.is_empty() { 0 } else { 10_000 }).collect();
        let (mut resolved, warnings) = resolve_added(child, &context, &path, find, siblings.into_iter())
            .map_err(SupervisorError::InvalidSpec)?;

        let links = (std::mem::take(&mut resolved.depends_on), resolved.primary.take());
        self.check_added_sidecar(&path, &links.0, links.1)
            .map_err(|finding| SupervisorError::InvalidSpec(vec![finding]))?;
        let index = self.plant(sup, resolved);
        let node = self.node_mut(index);
        (node.flags.declared, node.why) = (false, Cause::Operator);
        self.link(index, links.0, links.1);
        self.announce_new(index);
        self.tell(index, News::new(EventKind::ChildDeclarationAccepted, Cause::Operator));
        for warning in warnings {
            let news = News::new(EventKind::BudgetUnreachable, Cause::Operator).text(warning.message);
            self.tell(index, news);
        }
        self.start_added(ticket, sup, index, manner);
        Ok(())
    }

    fn start_added(&mut self, ticket: Ticket, sup: u32, index: u32, manner: Manner) {
        if !self.node(index).flags.bound {
            self.tell(index, News::new(EventKind::ChildUnbound, Cause::Operator));
            let reply = self.added(index);
            self.reply(ticket, reply);
            return;
        }
        if self.node(index).awaits_its_time() {
            let reply = self.added(index);
            self.reply(ticket, reply);
            return;
        }
        let kept = manner == Manner::Operator
            && self.sup(sup).context.policy.on_start_failure == OnStartFailure::Retry;
        if !kept {
            self.node_mut(index).flags.trial = Trial::Added;
        }
        self.wait(index, Goal::Added, Lifecycle::Declared, false);
        // A plan that is under way ends at the end of the order, where the new child stands (R15).
        if !self.plan_reaches_end(sup) || fault!(addition_overtakes) {
            self.try_start(index, Cause::Operator);
        }
    }

    /// Whether a child is on its way out of the tree, or has its turn to go coming: nobody can build on it any more.
    fn is_leaving(&self, index: u32) -> bool {
        let node = self.node(index);
        node.is_leaving() || self.sup(node.parent).line.contains(&(index, Then::Remove))
    }

    /// R10 and R85.
    fn check_place(&self, sup: u32, child: &ChildDecl) -> Result<(), SupervisorError> {
        let record = self.sup(sup);
        let above = &self.node(record.node).path;
        if let Some(index) = self.find_index(above.child(&child.id).as_str()) {
            let path = self.node(index).path.clone();
            return Err(match self.node(index).life {
                Life::Backoff { .. } if fault!(retry_counts_as_running) => {
                    SupervisorError::AlreadyStarted { path }
                }
                Life::Starting | Life::Running | Life::Stopping { .. } | Life::Unresponsive { .. } => {
                    SupervisorError::AlreadyStarted { path }
                }
                _ => SupervisorError::AlreadyPresent { path },
            });
        }
        match record.context.policy.dynamic {
            Some(max) if record.count >= max.saturating_add(fault!(max_children_off_by_one).into()) => {
                Err(SupervisorError::MaxChildren { path: above.clone(), max })
            }
            _ => Ok(()),
        }
    }
}
