//! Applying a new spec to a running tree, as one operation (D12).
//!
//! The new spec is checked as a whole; when anything is wrong, nothing changes. Then each supervisor is
//! compared with its spec, child by child: what is new is planted and started in order, what is gone is
//! stopped in reverse order and removed, what runs something else is restarted, uncharged, and everything
//! else keeps its generation. Children that operators added are not in any spec and are left alone.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use supervisor_api::policy::RestartType;
use supervisor_api::{Cause, EventKind, Finding, Health, SupervisorError, SupervisorPath};

use super::Machine;
use super::life::News;
use super::node::{Down, Flow, Life, NONE, Then, Wave};
use super::plan::Difference;
use super::timers::NEVER;
use crate::face::Effect;
use crate::resolve::{ChildPolicy, FixedState, ResolvedChild, ResolvedSupervisor, resolve};
use crate::spec::SupervisorDecl;

/// Why somebody rests whom a new spec may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It rests with this primary (D15).
    With(u32),
    /// It was to be removed as soon as nobody unresponsive lives below it.
    Leaving,
    /// What it is to run was not known.
    Unbound,
    /// Until its time comes.
    Timed,
}

impl Machine {
    pub(super) fn apply(&mut self, decl: &SupervisorDecl) -> Result<(), SupervisorError> {
        let root = match self.applicable(decl) {
            Ok(root) => root,
            Err(refusal) => {
                if fault!(refused_spec_changes_the_root)
                    && self.sup(0).is_up()
                    && let Ok(resolved) = resolve(decl)
                {
                    self.sup_mut(0).context = resolved.root.context;
                }
                return Err(refusal);
            }
        };
        let plan = self.plan_of(&root);
        self.reconcile(0, root);
        self.reload_by = self.command.clone();
        let news = News::new(EventKind::SpecApplied, Cause::Reload);
        self.tell(0, news.numbers(&plan.numbers()));
        self.wait_for_all(plan);
        Ok(())
    }

    /// What only the running tree knows: who would change from a task to a supervisor, and who would lose a
    /// sibling it depends on.
    pub(super) fn check_applicable(
        &self,
        sup: u32,
        resolved: &ResolvedSupervisor,
        findings: &mut Vec<Finding>,
    ) {
        let mut mistake = |path: &str, key: &'static str, message: String| {
            findings.push(Finding { path: path.to_owned(), key, message, warning: false });
        };
        let named = by_name(&resolved.children);
        let mut nested = Vec::new();
        for index in self.indices(sup) {
            let node = self.node(index);
            let spec = node
                .path
                .last_segment()
                .and_then(|id| named.get(id))
                .map(|&at| &resolved.children[at as usize]);
            match spec {
                Some(spec) if spec.supervisor.is_some() != node.is_supervisor() => {
                    let message =
                        "a child and a supervisor cannot take each other's place; give it another name";
                    mistake(node.path.as_str(), "kind", message.to_owned());
                }
                Some(spec) => {
                    nested.extend(spec.supervisor.as_deref().map(|below| (node.supervisor, below)));
                    let fades = spec.policy.restart == RestartType::Temporary && !spec.policy.keeps_row;
                    if let Some(dependant) = self.added_dependant(index).filter(|_| fades) {
                        let message = format!("{dependant} depends on it, so it cannot be temporary");
                        mistake(node.path.as_str(), "restart_policy", message);
                    }
                }
                None if node.flags.declared => {
                    if let Some(dependant) = self.added_dependant(index) {
                        let message = format!("{dependant} depends on it; remove that first");
                        mistake(node.path.as_str(), "", message);
                    }
                }
                None => {}
            }
        }
        self.check_added_sidecars(sup, resolved, findings);
        for (sup, below) in nested {
            self.check_applicable(sup, below, findings);
        }
    }

    /// A child that an operator added, and that depends on this one.
    fn added_dependant(&self, index: u32) -> Option<&SupervisorPath> {
        let added = |&&dependant: &&u32| !self.node(dependant).flags.declared;
        self.node(index).dependants().iter().find(added).map(|&dependant| &self.node(dependant).path)
    }

    fn reconcile(&mut self, sup: u32, resolved: ResolvedSupervisor) {
        let ResolvedSupervisor { context, children } = resolved;
        let was_dynamic = self.sup(sup).context.policy.dynamic.is_some();
        self.dynamic_supervisors += u32::from(context.policy.dynamic.is_some());
        self.dynamic_supervisors -= u32::from(was_dynamic);
        self.sup_mut(sup).context = context;
        self.drop_dormant(sup);

        let resting = self.resting(sup);
        let removed = self.find_removed(sup, &children);
        for &index in &removed {
            self.unlink(index);
        }
        let (order, restarted) = self.adopt_all(sup, children);
        self.put_in_order(sup, order);
        self.carry_out_changes(sup, removed, restarted);
        self.start_freed(resting);
        if fault!(apply_starts_the_resting) {
            for index in self.indices(sup).collect::<Vec<_>>() {
                let node = self.node(index);
                if node.life == Life::Stopped && node.flags.declared && node.flags.bound {
                    self.try_start(index, Cause::Reload);
                }
            }
        }
        if fault!(apply_fires) {
            self.significant_ended(sup, self.sup(sup).first);
        }
    }

    /// Declared children that the new spec does not name, the last first.
    pub(super) fn find_removed(&self, sup: u32, children: &[ResolvedChild]) -> Vec<u32> {
        let named = by_name(children);
        let gone = |&index: &u32| {
            let node = self.node(index);
            node.flags.declared && node.path.last_segment().is_none_or(|id| !named.contains_key(id))
        };
        let mut removed: Vec<u32> = self.indices(sup).filter(gone).collect();
        removed.reverse();
        removed
    }

    /// Brings every child of the new spec into the tree. Returns them in its order, and those that have to
    /// be restarted.
    fn adopt_all(&mut self, sup: u32, children: Vec<ResolvedChild>) -> (Vec<u32>, Vec<u32>) {
        let above = self.node(self.sup(sup).node).path.clone();
        let mut order = Vec::with_capacity(children.len());
        let mut restarted = Vec::new();
        let mut links = Vec::with_capacity(children.len());
        let (mut fresh, mut spared) = (Vec::new(), Vec::new());
        for mut child in children {
            links.push((std::mem::take(&mut child.depends_on), child.primary.take()));
            let index = match self.find_index(above.child(&child.id).as_str()) {
                Some(index) => {
                    if self.adopt(index, child, &mut restarted) {
                        spared.push(index);
                    }
                    index
                }
                None => {
                    let index = self.plant(sup, child);
                    fresh.push(index);
                    index
                }
            };
            order.push(index);
        }
        self.relink(&order, links, &spared);
        for index in fresh {
            self.node_mut(index).why = Cause::Reload;
            self.announce_new(index);
            self.tell(index, News::new(EventKind::ChildDeclarationAccepted, Cause::Reload));
        }
        (order, restarted)
    }

    /// Gives a child of the tree its new spec. Says whether it was still to be removed, and is not any more.
    fn adopt(&mut self, index: u32, child: ResolvedChild, restarted: &mut Vec<u32>) -> bool {
        let Difference { body: runs_else, policy: decided_else } = self.difference(index, &child);
        let body = child.body.map_or(NONE, |(body, _)| body);
        let node = self.node(index);
        let old = Arc::clone(&node.policy);
        self.account(index, false);
        let node = self.node_mut(index);
        node.flags.declared = true;
        node.body = body;
        if let Some((_, bound)) = child.body {
            // What was registered meanwhile for the same body stays so.
            node.flags.bound_late &= !runs_else;
            let bound = bound || node.flags.bound_late;
            if node.life == Life::Declared && bound && !node.flags.bound {
                node.why = Cause::Reload;
            }
            node.flags.bound = bound;
        }
        node.policy = Arc::clone(&child.policy);
        self.take_up_schedule(index, old.scheduled);
        self.account(index, true);
        let spared = self.keep(index);
        self.take_up_deadlines(index, &old);
        if old.conditions != child.policy.conditions && matches!(self.node(index).life, Life::Waiting { .. })
        {
            self.wake_soon(index);
        }
        if runs_else || decided_else {
            let key = self.node(index).key(index);
            self.out.push(Effect::Changed {
                key,
                body: child.body.map(|(body, _)| body),
                policy: child.policy,
            });
        }
        if runs_else {
            restarted.push(index);
        }
        if let Some(below) = child.supervisor {
            let sup = self.node(index).supervisor;
            self.reconcile(sup, *below);
        }
        spared
    }

    /// The new spec names a child, so it stays, also if it was on its way out. Says whether it was still in line for that.
    fn keep(&mut self, index: u32) -> bool {
        let sup = self.node(index).parent;
        let line = &mut self.sup_mut(sup).line;
        let in_line = line.len();
        line.retain(|entry| *entry != (index, Then::Remove));
        let spared = line.len() < in_line;
        if spared {
            self.settle_waits(index);
        }
        // A restart that an earlier spec wanted is still to be done.
        let restarts = self.node(index).flags.reload && self.will_restart(index);
        let flags = &mut self.node_mut(index).flags;
        (flags.doomed, flags.reload) = (false, restarts);
        if self.node(index).is_leaving() {
            self.redirect(index, Then::Start, Cause::Reload);
            let flags = &mut self.node_mut(index).flags;
            (flags.left_out, flags.reload) = (false, true);
        }
        spared
    }

    /// Whether a child is being stopped, or is in line to be, so that it starts again.
    fn will_restart(&self, index: u32) -> bool {
        let planned = [self.node(index).life.planned(), self.planned_in_line(index)];
        planned.contains(&Some(Then::Start))
    }

    /// A promise, or a limit, that is new or gone holds for the run that is on (D12: applied live).
    fn take_up_deadlines(&mut self, index: u32, old: &ChildPolicy) {
        let node = self.node(index);
        let (new, since) = (Arc::clone(&node.policy), node.since);
        // The start period of a run that has shown life is over.
        let awaits_first = old.start_period != new.start_period && node.health == Health::Unknown;
        if node.life == Life::Running && (old.heartbeat != new.heartbeat || awaits_first) {
            let node = self.node_mut(index);
            (node.misses, node.due) = (0, NEVER);
            self.await_beat(index, self.now);
        }
        if self.node(index).life == Life::Starting && old.ready_within != new.ready_within {
            self.node_mut(index).due = NEVER;
            if let Some(limit) = new.ready_within {
                self.set_due(index, since.saturating_add(limit));
            }
        }
    }

    /// Replaces the links among declared children; those of operators' additions stay. The spared were to be removed.
    fn relink(&mut self, order: &[u32], links: Vec<(Vec<u32>, Option<u32>)>, spared: &[u32]) {
        let mut additions = Vec::new();
        for &index in order {
            let node = self.node(index);
            let added = |&&other: &&u32| !self.node(other).flags.declared;
            additions.extend(node.dependants().iter().filter(added).map(|&other| (other, vec![index], None)));
            additions.extend(node.sidecars().iter().filter(added).map(|&other| (other, vec![], Some(index))));
        }
        let before: Vec<_> = order.iter().map(|&index| self.links_of(index)).collect();
        for &index in order {
            self.unlink(index);
        }
        for (&index, (depends_on, primary)) in order.iter().zip(links) {
            let depends_on = depends_on.into_iter().map(|at| order[at as usize]).collect();
            self.link(index, depends_on, primary.map(|at| order[at as usize]));
        }
        for (index, depends_on, primary) in additions {
            self.link(index, depends_on, primary);
        }
        self.keep_up(order, &before, spared);
        let moved = order.iter().zip(before).filter(|(index, before)| self.links_of(**index) != *before);
        let moved: Vec<u32> = moved.map(|(&index, _)| index).collect();
        for index in moved {
            if matches!(self.node(index).life, Life::Waiting { .. }) {
                self.wake_soon(index);
            }
        }
        for &index in order {
            self.set_free(index);
        }
    }

    /// Whoever waits in line to go down with a sibling stays up when it depends on nobody any more who does.
    fn keep_up(&mut self, order: &[u32], before: &[(Vec<u32>, Option<u32>)], spared: &[u32]) {
        let Some(&first) = order.first() else { return };
        let sup = self.node(first).parent;
        let line = std::mem::take(&mut self.sup_mut(sup).line);
        let depended = |index: u32, on: u32| {
            // Who is neither in line nor spared is down, or was.
            if spared.contains(&on) && !fault!(spared_child_takes_others_down) {
                return false;
            }
            let place = order.iter().position(|&other| other == index);
            place.is_none_or(|place| before[place].0.contains(&on))
        };
        let mut kept = VecDeque::new();
        // Those that others depend on stand behind them.
        for &(index, then) in line.iter().rev() {
            let in_line = |line: &VecDeque<(u32, Then)>, on| line.iter().any(|&(other, _)| other == on);
            let goes_down = |&on: &u32| {
                let goes = if in_line(&line, on) { in_line(&kept, on) } else { depended(index, on) };
                goes && self.node(on).policy.restart_dependants
            };
            if then != Then::WaitDependency || self.node(index).depends_on().iter().any(goes_down) {
                kept.push_front((index, then));
            }
        }
        self.sup_mut(sup).line = kept;
    }

    /// Whoever goes down with a sibling that it no longer depends on starts because of the new spec.
    fn set_free(&mut self, index: u32) {
        let node = self.node_mut(index);
        let awaits = node.life.planned() == Some(Then::WaitDependency);
        node.flags.reload |= awaits && node.depends_on().is_empty();
    }

    pub(super) fn links_of(&self, index: u32) -> (Vec<u32>, Option<u32>) {
        let node = self.node(index);
        let mut depends_on = node.depends_on().to_vec();
        depends_on.sort_unstable();
        (depends_on, node.primary())
    }

    /// Declared children in the order of the spec, what is being removed before them, additions last (R9).
    /// A plan that is under way begins again over the new order, and does whom it had to do in the old.
    fn put_in_order(&mut self, sup: u32, declared: Vec<u32>) {
        self.mark_ahead(sup);
        let planned: hashbrown::HashSet<u32, FixedState> = declared.iter().copied().collect();
        let (mut order, mut additions) = (Vec::new(), Vec::new());
        for index in self.indices(sup) {
            if !planned.contains(&index) {
                // Also whom an earlier spec dropped, and who is still on the way out.
                let node = self.node(index);
                let stands = node.flags.declared || node.is_dropped();
                if stands { &mut order } else { &mut additions }.push(index);
            }
        }
        if fault!(apply_puts_additions_first) {
            order.append(&mut additions);
        }
        order.extend(declared);
        order.extend(additions);
        self.reorder(sup, &order);
        let record = self.sup_mut(sup);
        let (head, tail) = (record.first, record.last);
        match &mut record.flow {
            Flow::Down { from, cursor, .. } => (*from, *cursor) = (0, tail),
            Flow::Delay { from, .. } => *from = 0,
            Flow::Up { cursor, begun, .. } => (*cursor, *begun) = (head, false),
            Flow::Idle | Flow::Steady => {}
        }
    }

    /// Writes down whom the plan under way has still to do, before their order changes.
    fn mark_ahead(&mut self, sup: u32) {
        for index in self.indices(sup).collect::<Vec<_>>() {
            self.node_mut(index).flags.ahead = self.plan_is_ahead(index);
        }
        let record = self.sup_mut(sup);
        let goes_by_order = matches!(
            record.flow,
            Flow::Up { .. } | Flow::Delay { .. } | Flow::Down { why: Down::Group { .. }, .. }
        );
        record.reordered = goes_by_order;
    }

    /// Who rests, or will when its run is gone, although nobody may want that any more, once a new spec names it.
    fn resting(&self, sup: u32) -> Vec<(u32, Rest)> {
        self.indices(sup).filter_map(|index| Some((index, self.rest_of(index)?))).collect()
    }

    fn rest_of(&self, index: u32) -> Option<Rest> {
        let node = self.node(index);
        if node.life.planned() == Some(Then::WithPrimary) && !fault!(apply_forgets_who_is_yet_to_rest) {
            return node.primary().map(Rest::With);
        }
        if node.life != Life::Stopped {
            return None;
        }
        if node.flags.rests_unasked && !node.flags.bound && !fault!(apply_forgets_the_unbound) {
            return Some(Rest::Unbound);
        }
        if node.flags.rests_unasked && node.awaits_its_time() {
            return Some(Rest::Timed);
        }
        let with = node.primary().filter(|_| node.flags.rests_unasked).map(Rest::With);
        with.or(node.flags.doomed.then_some(Rest::Leaving))
    }

    /// Whoever rested with a primary that is no longer its own has nobody to rest with (D15), whoever was to leave
    /// stays, and whoever had nothing to run has it now, a job, too: its run was taken away from it.
    fn start_freed(&mut self, resting: Vec<(u32, Rest)>) {
        for (index, rest) in resting {
            let node = self.node_mut(index);
            let over = match rest {
                Rest::With(primary) => node.primary() != Some(primary),
                Rest::Leaving | Rest::Unbound => true,
                Rest::Timed => !node.awaits_its_time(),
            };
            if over && node.flags.declared && node.life.planned() == Some(Then::WithPrimary) {
                self.redirect(index, Then::Start, Cause::Reload);
                continue;
            }
            let freed = over && node.flags.declared && node.flags.bound && node.life == Life::Stopped;
            node.flags.once_more |= freed && rest == Rest::Unbound;
            if freed && self.is_revivable(index) && !self.plan_is_ahead(index) {
                self.try_start(index, Cause::Reload);
            }
        }
    }

    fn carry_out_changes(&mut self, sup: u32, removed: Vec<u32>, restarted: Vec<u32>) {
        for index in removed {
            let flags = &mut self.node_mut(index).flags;
            (flags.declared, flags.reload) = (false, true);
            if !fault!(apply_keeps_the_gone) {
                self.take_out(index);
            }
        }
        let mut due = Vec::new();
        for index in restarted.into_iter().rev() {
            let node = self.node_mut(index);
            node.flags.forgiven = true;
            node.flags.again = false;
            let life = node.life;
            match life {
                Life::Starting | Life::Running => self.stop_later(index, Then::Start),
                Life::Backoff { .. } if self.group_takes(index).is_none() => due.push(index),
                _ => {}
            }
        }
        // A start may take others with it, which run what is new then.
        for index in due {
            if matches!(self.node(index).life, Life::Backoff { .. }) {
                self.try_start(index, Cause::Reload);
            }
        }
        self.start_declared(sup);
    }

    /// Has children that were never started started in order, after what is under way.
    pub(super) fn start_declared(&mut self, sup: u32) {
        if fault!(apply_starts_nothing) {
            return;
        }
        let record = self.sup_mut(sup);
        match record.flow {
            Flow::Steady => record.flow = Flow::Up { cursor: record.first, begun: false, wave: Wave::Added },
            Flow::Up { .. } | Flow::Delay { .. } | Flow::Down { why: Down::Group { .. }, .. } => {
                record.more_added = true;
            }
            Flow::Idle | Flow::Down { why: Down::End, .. } => {}
        }
        self.queue_flow(sup);
    }

    /// Removes a child, after stopping it if it runs.
    fn take_out(&mut self, index: u32) {
        match self.node(index).life {
            Life::Starting | Life::Running => self.stop_later(index, Then::Remove),
            Life::Stopping { .. } | Life::Unresponsive { .. } => {
                self.node_mut(index).flags.reload = true;
                self.redirect(index, Then::Remove, Cause::Reload);
            }
            _ => self.remove(index, News::new(EventKind::ChildRuntimeStateRemoved, Cause::Reload)),
        }
    }

    /// Puts a stop at the end of the line of its supervisor: they are done one at a time.
    fn stop_later(&mut self, index: u32, then: Then) {
        let sup = self.node(index).parent;
        let line = &mut self.sup_mut(sup).line;
        if let Some((_, planned)) = line.iter_mut().find(|(node, _)| *node == index) {
            // What an operator wants of it holds, unless it leaves the tree.
            if then == Then::Remove {
                *planned = then;
                self.node_mut(index).flags.reload = true;
            }
            return;
        }
        self.node_mut(index).flags.reload = true;
        self.sup_mut(sup).line.push_back((index, then));
        self.queue_flow(sup);
    }
}

fn by_name(children: &[ResolvedChild]) -> HashMap<&str, u32, FixedState> {
    children.iter().enumerate().map(|(at, child)| (child.id.as_str(), at as u32)).collect()
}
