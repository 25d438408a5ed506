//! What is in the tree: declaring children, keeping them in order, removing them.

use std::sync::Arc;

use supervisor_api::{Cause, EventKind, Next, SupervisorPath};

use super::life::News;
use super::node::{Flow, Life, Links, NONE, Node, Sup, Then};
use super::{CUT, Machine, RESTING, Task};
use crate::face::Effect;
use crate::resolve::{ChildPolicy, Context, ResolvedChild, ResolvedSupervisor};
use crate::spec::Body;

impl Machine {
    /// Makes the root and everything below it, without telling anybody.
    pub(super) fn plant_root(&mut self, root: ResolvedSupervisor) {
        let policy = root_policy();
        let index = self.new_node(SupervisorPath::root(), Arc::new(policy), NONE);
        self.insert_names(&[index]);
        self.plant_supervisor(index, root);
    }

    /// Makes the supervisor of a node, and its declared children.
    fn plant_supervisor(&mut self, node: u32, resolved: ResolvedSupervisor) {
        let sup = self.new_sup(node, resolved.context);
        self.node_mut(node).supervisor = sup;
        self.dynamic_supervisors += u32::from(self.sup(sup).context.policy.dynamic.is_some());
        self.plant_children(sup, resolved.children);
    }

    /// Makes the children of a supervisor. References among them are positions.
    fn plant_children(&mut self, sup: u32, children: Vec<ResolvedChild>) {
        self.nodes.reserve(children.len());
        let mut indices = Vec::with_capacity(children.len());
        let mut linked = Vec::new();
        let mut below = Vec::new();
        for mut child in children {
            if !child.depends_on.is_empty() || child.primary.is_some() {
                linked.push((indices.len(), std::mem::take(&mut child.depends_on), child.primary));
            }
            let supervisor = child.supervisor.take();
            let index = self.make(sup, child);
            if let Some(resolved) = supervisor {
                below.push((index, resolved));
            }
            indices.push(index);
        }
        self.insert_names(&indices);
        for (at, depends_on, primary) in linked {
            let depends_on = depends_on.into_iter().map(|on| indices[on as usize]).collect();
            self.link(indices[at], depends_on, primary.map(|primary| indices[primary as usize]));
        }
        for (index, resolved) in below {
            self.plant_supervisor(index, *resolved);
        }
    }

    /// Makes one child, with everything below it, at the end of the order of its supervisor.
    pub(super) fn plant(&mut self, sup: u32, mut child: ResolvedChild) -> u32 {
        let supervisor = child.supervisor.take();
        let index = self.make(sup, child);
        self.insert_names(&[index]);
        if let Some(resolved) = supervisor {
            self.plant_supervisor(index, *resolved);
        }
        index
    }

    /// Makes the node of a child. It has no name yet, and nothing below it.
    fn make(&mut self, sup: u32, child: ResolvedChild) -> u32 {
        let path = self.node(self.sup(sup).node).path.child(&child.id);
        let index = self.new_node(path, child.policy, sup);
        if let Some((body, bound)) = child.body {
            let node = self.node_mut(index);
            node.body = body;
            node.flags.bound = bound;
        }
        self.append(sup, index);
        self.account(index, true);
        index
    }

    /// Tells the driver of a child that was made while the tree runs, and of all below it.
    pub(super) fn announce_new(&mut self, index: u32) {
        self.announce_one(index);
        let sup = self.node(index).supervisor;
        for child in self.indices(sup).collect::<Vec<_>>() {
            self.announce_new(child);
        }
    }

    fn announce_one(&mut self, index: u32) {
        let node = self.node(index);
        let parent = if node.parent == NONE { index } else { self.sup(node.parent).node };
        let effect = Effect::Declared {
            key: node.key(index),
            parent: self.node(parent).key(parent),
            path: node.path.clone(),
            body: (node.body != NONE).then_some(node.body),
            policy: Arc::clone(&node.policy),
        };
        self.out.push(effect);
    }

    /// Tells the driver of a stretch of children made by [`Machine::new`], then starts the root.
    pub(super) fn announce(&mut self, from: u32) {
        let end = self.nodes.len().min(from as usize + CUT) as u32;
        for index in from..end {
            self.announce_one(index);
            if !self.node(index).flags.bound {
                self.tell(index, News::new(EventKind::ChildUnbound, Cause::Start));
            }
        }
        if (end as usize) < self.nodes.len() {
            self.agenda.push_front(Task::Announce(end));
            return;
        }
        self.begin_incarnation(0, Cause::Start, false);
    }

    fn new_node(&mut self, path: SupervisorPath, policy: Arc<ChildPolicy>, parent: u32) -> u32 {
        if (self.free_nodes.len() > RESTING || fault!(place_is_used_again))
            && let Some(index) = self.free_nodes.pop_front()
        {
            let epoch = self.node(index).epoch + u32::from(!fault!(place_is_used_again));
            *self.node_mut(index) = Node::new(path, policy, parent, epoch);
            return index;
        }
        self.nodes.push(Node::new(path, policy, parent, 0));
        (self.nodes.len() - 1) as u32
    }

    fn new_sup(&mut self, node: u32, context: Arc<Context>) -> u32 {
        let sup = Sup::new(node, context);
        if let Some(index) = self.free_sups.pop() {
            *self.sup_mut(index) = sup;
            return index;
        }
        self.sups.push(sup);
        (self.sups.len() - 1) as u32
    }

    // Order.

    /// Puts a child at the end of the order (R9).
    fn append(&mut self, sup: u32, index: u32) {
        let last = if fault!(addition_stands_first) { NONE } else { self.sup(sup).last };
        self.insert_after(sup, index, last);
        let rank = self.sup(sup).next_rank;
        let node = self.node_mut(index);
        (node.rank, node.flags.ahead) = (rank, true);
        let record = self.sup_mut(sup);
        record.next_rank = rank + 1;
        // A wave that stands at the end of the order has one more child to visit.
        if let Flow::Up { cursor: cursor @ NONE, .. } = &mut record.flow {
            *cursor = index;
        }
    }

    fn insert_after(&mut self, sup: u32, index: u32, before: u32) {
        let after = if before == NONE { self.sup(sup).first } else { self.node(before).next };
        let node = self.node_mut(index);
        (node.prev, node.next) = (before, after);
        match before {
            NONE => self.sup_mut(sup).first = index,
            before => self.node_mut(before).next = index,
        }
        match after {
            NONE => self.sup_mut(sup).last = index,
            after => self.node_mut(after).prev = index,
        }
        self.sup_mut(sup).count += 1;
    }

    /// Takes a child out of the order; a plan that stands on it steps past it.
    fn unchain(&mut self, index: u32) {
        let (sup, prev, next) = {
            let node = self.node(index);
            (node.parent, node.prev, node.next)
        };
        match prev {
            NONE => self.sup_mut(sup).first = next,
            prev => self.node_mut(prev).next = next,
        }
        match next {
            NONE => self.sup_mut(sup).last = prev,
            next => self.node_mut(next).prev = prev,
        }
        let sup = self.sup_mut(sup);
        sup.count -= 1;
        match &mut sup.flow {
            Flow::Up { cursor, begun, .. } if *cursor == index => (*cursor, *begun) = (next, false),
            Flow::Down { cursor, .. } if *cursor == index => *cursor = prev,
            _ => {}
        }
        sup.line.retain(|(node, _)| *node != index);
        if sup.in_line == index {
            sup.in_line = NONE;
        }
    }

    /// Puts the children of a supervisor in this order, and numbers them along it.
    pub(super) fn reorder(&mut self, sup: u32, order: &[u32]) {
        let record = self.sup_mut(sup);
        (record.first, record.last, record.count) = (NONE, NONE, 0);
        for (rank, &index) in order.iter().enumerate() {
            let last = self.sup(sup).last;
            self.insert_after(sup, index, last);
            self.node_mut(index).rank = rank as u32;
        }
        self.sup_mut(sup).next_rank = order.len() as u32;
    }

    // Names.

    pub(super) fn find_index(&self, path: &str) -> Option<u32> {
        self.names.find(path, |index| self.node(index).path.as_str())
    }

    fn insert_names(&mut self, indices: &[u32]) {
        let nodes = &self.nodes;
        self.names.insert(indices, |index| nodes[index as usize].path.as_str());
    }

    // Links.

    /// Notes whom a child depends on; a sidecar is also what its primary depends on (D15).
    pub(super) fn link(&mut self, index: u32, depends_on: Vec<u32>, primary: Option<u32>) {
        for on in depends_on {
            self.depend(index, on);
        }
        if let Some(primary) = primary {
            self.links_mut(index).primary = Some(primary);
            self.links_mut(primary).sidecars.push(index);
            self.depend(primary, index);
        }
    }

    fn depend(&mut self, index: u32, on: u32) {
        let links = self.links_mut(index);
        if !links.depends_on.contains(&on) {
            links.depends_on.push(on);
            self.links_mut(on).dependants.push(index);
        }
    }

    fn links_mut(&mut self, index: u32) -> &mut Links {
        self.node_mut(index).links.get_or_insert_with(Default::default)
    }

    /// Forgets the links between a child that will come back and those that operators added: they will not.
    fn unlink_additions(&mut self, index: u32) {
        let Some(links) = self.node(index).links.as_deref() else { return };
        let others = links.depends_on.iter().chain(&links.dependants).copied();
        let added: Vec<u32> = others.filter(|&other| !self.node(other).flags.declared).collect();
        for other in added {
            for (one, another) in [(index, other), (other, index)] {
                let links = self.links_mut(one);
                links.depends_on.retain(|at| *at != another);
                links.dependants.retain(|at| *at != another);
                links.sidecars.retain(|at| *at != another);
                links.primary = links.primary.filter(|at| *at != another);
            }
        }
    }

    /// Forgets every link from and to a child.
    pub(super) fn unlink(&mut self, index: u32) {
        let Some(links) = self.node_mut(index).links.take() else { return };
        for on in links.depends_on {
            self.links_mut(on).dependants.retain(|other| *other != index);
            self.links_mut(on).sidecars.retain(|other| *other != index);
        }
        for dependant in links.dependants {
            self.links_mut(dependant).depends_on.retain(|other| *other != index);
            let theirs = self.links_mut(dependant);
            if theirs.primary == Some(index) {
                theirs.primary = None;
            }
            if matches!(self.node(dependant).life, Life::Waiting { .. }) {
                self.wake_soon(dependant);
            }
        }
        for sidecar in links.sidecars {
            self.links_mut(sidecar).primary = None;
        }
        if let Some(primary) = links.primary {
            self.links_mut(primary).sidecars.retain(|other| *other != index);
        }
    }

    // Removing.

    /// Takes a child that has no run out of the tree, with everything below it.
    ///
    /// A declared child comes back with the next incarnation of its supervisor (R48), so it only goes to
    /// rest; the root has no next incarnation.
    pub(super) fn remove(&mut self, index: u32, news: News) {
        let (sup, declared) = (self.node(index).parent, self.node(index).flags.declared);
        if self.is_kept_by_unresponsive(index, news.cause) {
            return;
        }
        self.remove_below(index);
        let (cause, told) = (news.cause, news.kind == EventKind::ChildRuntimeStateRemoved);
        self.shift(index, Life::Removed, news);
        self.dynamic_supervisors -= self.is_dynamic_supervisor(index);
        if !told {
            self.tell(index, News::new(EventKind::ChildRuntimeStateRemoved, cause));
        }
        let path = self.node(index).path.clone();
        self.names.remove(path.as_str(), index);
        self.unchain(index);
        let returns = declared && self.node(self.sup(sup).node).parent != NONE;
        if returns {
            self.unlink_additions(index);
            self.sup_mut(sup).dormant.push(index);
        } else {
            self.unlink(index);
            self.free(index);
            self.make_room(sup, &path);
        }
    }

    /// A name is free again: the declared child that has it comes back, if its supervisor restarted meanwhile.
    fn make_room(&mut self, sup: u32, path: &SupervisorPath) {
        let record = self.sup(sup);
        let twin = record.dormant.iter().position(|&index| self.node(index).path == *path);
        if let Some(at) = twin.filter(|&at| record.is_up() && self.node(record.dormant[at]).flags.overdue) {
            let index = self.sup_mut(sup).dormant.remove(at);
            self.revive(sup, vec![index], Cause::Supervisor(self.sup(sup).node));
            self.start_declared(sup);
        }
    }

    /// Whether somebody below a supervisor still lives, so that its place is kept until that is over (D8).
    fn is_kept_by_unresponsive(&mut self, index: u32, why: Cause) -> bool {
        let Some(by) = self.unresponsive_below(index) else { return false };
        self.node_mut(index).why = why;
        if matches!(self.node(index).life, Life::Stopping { .. }) {
            let news = News::new(EventKind::ChildUnresponsive, Cause::Supervisor(by)).next(Next::WhenGone);
            self.shift(index, Life::Unresponsive { then: Then::Remove }, news);
        } else {
            self.node_mut(index).flags.doomed = true;
            // Nothing starts it any more.
            if matches!(self.node(index).life, Life::Waiting { .. } | Life::Backoff { .. }) {
                self.shift(index, Life::Stopped, News::new(EventKind::ChildStopped, why));
            }
        }
        true
    }

    fn remove_below(&mut self, index: u32) {
        let sup = self.node(index).supervisor;
        for child in self.indices(sup).collect::<Vec<_>>() {
            let cause = Cause::Supervisor(index);
            self.remove(child, News::new(EventKind::ChildRuntimeStateRemoved, cause));
        }
    }

    /// A child at or below this one that does not end, if there is one.
    pub(super) fn unresponsive_below(&self, index: u32) -> Option<u32> {
        let sup = self.node(index).supervisor;
        self.indices(sup).find_map(|child| {
            let stuck = matches!(self.node(child).life, Life::Unresponsive { .. });
            if stuck { Some(child) } else { self.unresponsive_below(child) }
        })
    }

    /// Gives the place of a removed child back.
    fn free(&mut self, index: u32) {
        self.disown_group(index);
        let sup = self.node(index).supervisor;
        if sup != NONE {
            self.drop_dormant(sup);
            self.free_sups.push(sup);
            self.node_mut(index).supervisor = NONE;
        }
        let key = self.node(index).key(index);
        if !fault!(nothing_is_forgotten) {
            self.out.push(Effect::Forget { key });
        }
        self.free_nodes.push_back(index);
    }

    /// Lets go of the declared children that were removed: they will not come back.
    pub(super) fn drop_dormant(&mut self, sup: u32) {
        for child in std::mem::take(&mut self.sup_mut(sup).dormant) {
            self.unlink(child);
            self.free(child);
        }
    }

    /// Makes the children of a supervisor ready for its next incarnation: what was added at run time goes,
    /// what was declared and removed comes back as another child of the same name (D5).
    pub(super) fn renew_children(&mut self, sup: u32) {
        let cause = Cause::Supervisor(self.sup(sup).node);
        for child in self.indices(sup).collect::<Vec<_>>() {
            if self.node(child).flags.declared {
                continue;
            }
            match &mut self.node_mut(child).life {
                Life::Unresponsive { then } => {
                    *then = Then::Remove;
                    self.node_mut(child).why = cause;
                }
                _ => self.remove(child, News::new(EventKind::ChildRuntimeStateRemoved, cause)),
            }
        }
        let dormant = std::mem::take(&mut self.sup_mut(sup).dormant);
        let mut revived = Vec::with_capacity(dormant.len());
        for index in dormant {
            if self.find_index(self.node(index).path.as_str()).is_some() {
                // An added child of this name does not end; until it does, no other run may start (D6, D8).
                self.node_mut(index).flags.overdue = true;
                self.sup_mut(sup).dormant.push(index);
            } else {
                revived.push(index);
            }
        }
        revived.sort_unstable();
        self.revive(sup, revived, cause);
    }

    /// Brings removed children back to their places in the order, as other children of the same name.
    fn revive(&mut self, sup: u32, revived: Vec<u32>, cause: Cause) {
        if revived.is_empty() {
            return;
        }
        // Those whose names are still taken keep their places too.
        let dormant = self.sup(sup).dormant.clone();
        let all = self.indices(sup).chain(revived.iter().copied()).chain(dormant.iter().copied());
        let mut all: Vec<u32> = all.collect();
        all.sort_by_key(|&index| self.node(index).rank);
        for &index in &revived {
            self.renew(sup, index);
        }
        let order: Vec<u32> = all.iter().copied().filter(|index| !dormant.contains(index)).collect();
        self.reorder(sup, &order);
        self.sup_mut(sup).next_rank = all.len() as u32;
        for (rank, index) in (0..).zip(all) {
            self.node_mut(index).rank = rank;
        }
        for index in
            order.into_iter().filter(|index| revived.binary_search(index).is_ok()).collect::<Vec<_>>()
        {
            self.account(index, true);
            self.node_mut(index).why = cause;
            self.announce_one(index);
            self.tell(index, News::new(EventKind::ChildDeclarationAccepted, cause));
        }
    }

    fn renew(&mut self, sup: u32, index: u32) {
        let old = self.node(index);
        let (rank, links, supervisor) = (old.rank, old.links.clone(), old.supervisor);
        let mut node = Node::new(old.path.clone(), Arc::clone(&old.policy), sup, old.epoch + 1);
        (node.rank, node.links, node.supervisor) = (rank, links, supervisor);
        (node.body, node.flags.bound, node.armed) = (old.body, old.flags.bound, old.armed);
        node.flags.bound_late = old.flags.bound_late;
        *self.node_mut(index) = node;
        self.dynamic_supervisors += self.is_dynamic_supervisor(index);
        self.insert_names(&[index]);
    }

    /// 1 for a supervisor that takes children while it runs, so that the tree is not done while it is there (D20).
    fn is_dynamic_supervisor(&self, index: u32) -> u32 {
        let sup = self.node(index).supervisor;
        u32::from(sup != NONE && self.sup(sup).context.policy.dynamic.is_some())
    }
}

/// The root is nobody's child: it is never spawned, charged or waited for, so its policy only names it.
fn root_policy() -> ChildPolicy {
    crate::resolve::bare_policy(&Body::Supervisor(Box::default()))
}
