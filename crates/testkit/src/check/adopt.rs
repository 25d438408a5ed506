//! What a new spec means for the model (D12).

use std::sync::Arc;

use supervisor_api::Lifecycle;
use supervisor_core::{ResolvedSupervisor, SupervisorDecl, resolve};

use super::Checker;
use super::model::{Model, NONE, Node, Order};

/// How a new spec concerns a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Concerns {
    /// It runs something else: it is restarted, uncharged.
    Body,
    /// It is no longer in the spec: it is stopped and removed.
    Dropped,
}

impl Checker {
    pub(super) fn applied(&mut self, decl: &SupervisorDecl) {
        let Ok(resolved) = resolve(decl) else { return };
        self.reloaded = true;
        self.note_who_is_passed();
        let known = self.model.nodes.len() as u32;
        self.model.adopt_all(0, &resolved.root, self.call);
        for at in known..self.model.nodes.len() as u32 {
            self.model.life(at).added_by_spec = true;
        }
    }
}

impl Model {
    /// Gives a supervisor its new spec: whom it names stays or comes, in its order; whom it does not name goes.
    fn adopt_all(&mut self, above: u32, resolved: &ResolvedSupervisor, call: u64) {
        self.sup_of_mut(above).context = Arc::clone(&resolved.context);
        let before = self.sup_of(above).children.clone();
        let path = self.node(above).path.clone();
        let named: Vec<Option<u32>> =
            resolved.children.iter().map(|child| self.at_path(path.child(&child.id).as_str())).collect();
        for at in &before {
            let is_named = named.contains(&Some(*at));
            let node = &mut self.nodes[*at as usize];
            if node.in_spec && !is_named {
                node.in_spec = false;
                node.concerned = Some(Concerns::Dropped);
                // Whatever was asked of it before, it leaves the tree now.
                node.life.order = None;
                node.life.reordered |= node.is(Lifecycle::Stopping);
            }
        }
        let resting = self.resting_with_a_primary(&before);
        self.unlink_spec(&before, &named);
        let order: Vec<u32> = resolved
            .children
            .iter()
            .zip(&named)
            .map(|(child, known)| match known {
                Some(at) => {
                    self.adopt(*at, child.body, child.policy.scheduled);
                    *at
                }
                None => self.plant(above, &child.id, Arc::clone(&child.policy), child.body),
            })
            .collect();
        for (at, child) in order.iter().zip(&resolved.children) {
            self.link(*at, child, |position| order[position as usize]);
            self.nodes[*at as usize].linked = call;
        }
        self.reorder(above, &order, &before, call);
        for (at, primary) in resting {
            let node = self.node(at);
            let (freed, alone) = (node.primary != primary, !node.in_spec && node.primary == NONE);
            let life = self.life(at);
            life.kept |= freed;
            life.alone |= alone;
        }
        for ((at, child), known) in order.iter().zip(&resolved.children).zip(&named) {
            match (&child.supervisor, known) {
                (Some(below), Some(_)) if self.node(*at).sup != NONE => self.adopt_all(*at, below, call),
                (Some(below), None) => self.plant_supervisor(*at, below),
                _ => {}
            }
        }
    }

    /// Sidecars that rest, or may rest when their run is gone, and with whom (D15).
    fn resting_with_a_primary(&self, children: &[u32]) -> Vec<(u32, u32)> {
        let resting = children.iter().map(|at| (*at, self.node(*at)));
        // An operator who told it to rest is heard, whoever its primary is.
        let goes = |node: &Node| {
            matches!(node.state(), Lifecycle::Stopping | Lifecycle::Unresponsive)
                && node.life.order != Some(Order::Rest)
        };
        let rests = |node: &Node| node.primary != NONE && (node.is(Lifecycle::Stopped) || goes(node));
        let resting = resting.filter(|(_, node)| rests(node));
        resting.map(|(at, node)| (at, node.primary)).collect()
    }

    /// A child that was there takes its new body. What was registered meanwhile for the same stays so.
    fn adopt(&mut self, at: u32, body: Option<(u32, bool)>, scheduled: bool) {
        let outlived = self.is_outlived(at);
        let node = &mut self.nodes[at as usize];
        node.in_spec = true;
        let leaves = node.concerned == Some(Concerns::Dropped)
            || node.life.order == Some(Order::Remove)
            || outlived
            || node.is(Lifecycle::Unresponsive) && node.leaves_no_trace();
        let goes = matches!(node.state(), Lifecycle::Stopping | Lifecycle::Unresponsive | Lifecycle::Stopped);
        node.life.kept |= leaves && goes;
        // A restart that an earlier spec wanted is still to be done.
        node.concerned = node.concerned.filter(|concerned| *concerned == Concerns::Body);
        // The new spec names it, so it stays.
        node.life.order = node.life.order.filter(|order| *order != Order::Remove);
        let new = body.map(|(body, _)| body);
        if node.body != new {
            node.body = new;
            node.bound_late = false;
            node.concerned = Some(Concerns::Body);
            node.life.forgiven = true;
        }
        let was_bound = node.can_start();
        node.bound = node.bound_late || body.is_none_or(|(_, bound)| bound);
        // A new spec says that what it runs is there.
        if scheduled != node.policy.scheduled {
            let comes = matches!(node.state(), Lifecycle::Waiting | Lifecycle::Backoff);
            node.came = !scheduled || comes;
            // A group that was to start it passes it over, and it has had its run (D18).
            node.life.once_more &= node.came;
        }
        let rested = node.is(Lifecycle::Declared) || node.is(Lifecycle::Stopped) && node.bound;
        node.life.kept |= rested && node.can_start() && !was_bound;
    }

    /// Cuts the links that the old spec made; those of children that were added by command stay.
    fn unlink_spec(&mut self, before: &[u32], named: &[Option<u32>]) {
        let concerned = |at: &u32, model: &Self| {
            named.contains(&Some(*at)) || model.node(*at).concerned == Some(Concerns::Dropped)
        };
        let mut additions = Vec::new();
        for at in before.iter().filter(|at| !concerned(at, self)) {
            let node = self.node(*at);
            additions.push((*at, node.needs.clone(), node.primary));
        }
        for at in before {
            self.unlink(*at);
        }
        let there = |on: &u32, model: &Self| model.node(*on).concerned != Some(Concerns::Dropped);
        for (at, needs, primary) in additions {
            for on in needs {
                if there(&on, self) {
                    self.depend(at, on);
                }
            }
            if primary != NONE && there(&primary, self) {
                self.be_sidecar(at, primary);
            }
        }
    }

    /// Children that are on their way out first, then those of the spec in its order, additions last (R9).
    fn reorder(&mut self, above: u32, named: &[u32], before: &[u32], call: u64) {
        let others = before.iter().copied().filter(|at| !named.contains(at));
        let (leaving, added): (Vec<u32>, Vec<u32>) =
            others.partition(|at| self.node(*at).concerned == Some(Concerns::Dropped));
        let order: Vec<u32> = leaving.into_iter().chain(named.iter().copied()).chain(added).collect();
        for (rank, at) in order.iter().enumerate() {
            self.nodes[*at as usize].rank = rank as u32;
        }
        let sup = self.sup_of_mut(above);
        sup.next_rank = order.len() as u32;
        sup.children = order;
        if let Some(group) = &mut sup.group {
            (group.mixed, group.sorted) = (true, call);
        }
    }
}
