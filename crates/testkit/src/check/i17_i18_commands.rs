//! Invariants 17 and 18: what is declared on command, and replies.

use std::sync::Arc;

use supervisor_api::{ChildKey, Lifecycle, SupervisorError, SupervisorPath};
use supervisor_core::{ChildPolicy, Reply, Ticket};

use super::Checker;
use super::model::{NONE, Order};
use super::violation::{Check, must};

impl Checker {
    pub(super) fn declared(
        &mut self,
        key: ChildKey,
        parent: ChildKey,
        path: &SupervisorPath,
        policy: &Arc<ChildPolicy>,
    ) -> Check {
        let before = self.model.place(key.index).map(|at| self.model.node(at).key);
        must!(
            self,
            before.is_none_or(|before| before.epoch < key.epoch),
            Generations,
            "{path} is declared at {key:?}, which was used before"
        );
        let added = self
            .turn
            .adding
            .take_if(|adding| self.model.node(adding.parent).path.child(&adding.decl.id) == *path);
        if let Some(added) = &added {
            self.model.add(added.parent, &added.decl);
        }
        let Some(at) = self.model.declare(key, path) else {
            must!(self, false, Sequence, "{path} is declared, and no spec and no command names it");
            return Ok(());
        };
        let node = &mut self.model.nodes[at as usize];
        (node.policy, node.came) = (Arc::clone(policy), !policy.scheduled);
        if let Some(added) = &added {
            self.turn.commanded = Some(at);
            self.i18_knows(at);
            let life = self.model.life(at);
            (life.order, life.trial) = (Some(Order::Start), added.trial);
        }
        let above = self.model.node(self.model.node(at).parent);
        must!(
            self,
            above.key == parent && above.seen,
            Sequence,
            "{path} is declared before, or not under, its supervisor {}",
            above.path
        );
        if at != 0 {
            self.counts[Lifecycle::Declared as usize] += 1;
            self.i17_max_children(at)?;
            self.i05_stands_after_its_needs(at)?;
        }
        self.touch(at);
        Ok(())
    }

    /// Invariant 17. A dynamic supervisor has at most as many children as it may, whatever state they are in (R85).
    fn i17_max_children(&self, at: u32) -> Check {
        let sup = self.model.above(at);
        let Some(max) = sup.policy().dynamic else { return Ok(()) };
        let count = sup.children.iter().filter(|child| self.model.node(**child).is_there()).count();
        must!(
            self,
            count <= max as usize,
            MaxChildren,
            "{} has {count} children and may have {max}",
            self.model.node(sup.node).path
        );
        Ok(())
    }

    /// Invariant 18. Somebody waits for this reply, and gets it once. A refusal for want of room is true (R85).
    pub(super) fn i18_reply(&mut self, ticket: Ticket, result: &Result<Reply, SupervisorError>) -> Check {
        let waits = self.asked.iter().position(|asked| asked.ticket == ticket);
        let Some(waits) = waits else {
            must!(self, false, Replies, "command {ticket} has a reply that nobody waits for: {result:?}");
            return Ok(());
        };
        let asked = self.asked.swap_remove(waits);
        self.i18_reply_is_right(&asked, result)?;
        if let Err(SupervisorError::MaxChildren { path, .. }) = result
            && let Some(at) = self.model.at_path(path.as_str()).filter(|at| self.model.node(*at).sup != NONE)
        {
            let sup = self.model.sup_of(at);
            let count = sup.children.iter().filter(|child| self.model.node(**child).is_there()).count();
            let max = sup.policy().dynamic;
            must!(
                self,
                max.is_some_and(|max| count >= max as usize),
                MaxChildren,
                "{path} refuses a child although it has {count} and may have {max:?}"
            );
        }
        Ok(())
    }

    /// Invariant 18. When the tree has ended everybody was answered.
    pub(super) fn i18_nobody_is_forgotten(&self) -> Check {
        must!(
            self,
            !self.done || self.asked.is_empty(),
            Replies,
            "the tree has ended, and the commands {:?} have no reply",
            self.unanswered()
        );
        Ok(())
    }

    /// Commands without a reply so far.
    pub fn unanswered(&self) -> Vec<Ticket> {
        self.asked.iter().map(|asked| asked.ticket).collect()
    }
}
