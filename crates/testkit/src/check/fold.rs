//! What an effect means for the model.

use std::sync::Arc;
use supervisor_api::policy::Grace;

use supervisor_api::{Cause, ChildKey, Event, EventKind, Health, Lifecycle, Next};
use supervisor_core::{ChildPolicy, End};

use super::adopt::Concerns;
use super::model::{Group, Itself, NONE, Order, Stop, Trial, is_late, nanos};
use super::violation::{Check, must};
use super::{Checker, Ending};

impl Checker {
    /// Takes an event into the model, after it was checked.
    pub(super) fn fold(&mut self, at: u32, event: &Event) -> Check {
        let (from, to) = (self.model.node(at).state(), event.row.lifecycle);
        if at != 0 && from != to {
            self.counts[from as usize] -= 1;
            self.counts[to as usize] += 1;
        }
        self.touch(at);
        let begins = self.begins(at, event);
        if self.turn.told_next == Some(at) {
            self.turn.told_next = None;
        }
        if self.turn.ended.is_some_and(|ended| ended.node == at) {
            self.turn.ended = None;
        }
        let failed = matches!(
            event.kind,
            EventKind::ChildFailed
                | EventKind::ChildPanicked
                | EventKind::ChildStartFailed
                | EventKind::Escalated
                | EventKind::SupervisorEnding
        );
        // A command that waited for its turn is done by the child's own end.
        let by_itself = event.kind == EventKind::ChildCompleted && to == Lifecycle::Stopping;
        self.model.life(at).fell |= failed || by_itself;
        let call = self.call;
        let life = self.model.life(at);
        (life.row, life.cause, life.told) = (event.row, event.cause, call);
        self.tree_changed(at, event);
        if begins {
            self.begun(at, event, from);
        }
        if from != to {
            self.moved(at, event, from);
        }
        Ok(())
    }

    /// What events say about the tree as a whole.
    fn tree_changed(&mut self, at: u32, event: &Event) {
        let begins = event.kind == EventKind::ShutdownRequested
            || (at == 0 && matches!(event.kind, EventKind::Escalated | EventKind::SupervisorEnding));
        if begins && self.ending.is_none() {
            self.ending = Some(Ending { hard: false });
        }
    }

    /// A run, or an incarnation of a supervisor, begins.
    fn begun(&mut self, at: u32, event: &Event, from: Lifecycle) {
        let (now, call, incarnation) = (self.now, self.call, self.model.above(at).incarnation);
        let life = self.model.life(at);
        life.spawned_in = incarnation;
        (life.forgiven, life.grows, life.afterwards) = (false, false, false);
        (life.left_out, life.alone) = (false, false);
        (life.once_more, life.timed) = (false, false);
        (life.added_by_spec, life.kept) = (false, false);
        let done = |order: &Order| matches!(order, Order::Start | Order::Rest);
        (life.order, life.swept) = (life.order.filter(|order| !done(order)), 0);
        life.spawned_at = now;
        let cause = if is_late(from) { Cause::Dependency(NONE) } else { event.cause };
        (life.start, life.spawned_call) = (cause, call);
        let node = &mut self.model.nodes[at as usize];
        node.concerned = node.concerned.filter(|concerned| *concerned == Concerns::Dropped);
        if event.row.lifecycle == Lifecycle::Starting && self.model.node(at).sup != NONE {
            self.incarnated(at, event.kind == EventKind::ChildRestarting);
        }
    }

    fn moved(&mut self, at: u32, event: &Event, from: Lifecycle) {
        let (now, call, grace) = (self.now, self.call, self.model.node(at).policy.grace);
        let above = self.model.above(at);
        let (incarnation, group, initial) = (above.incarnation, above.group, above.initial);
        let closing = at != 0 && self.model.is_closing(self.model.node(at).parent);
        let anew = self.turn.applied && self.model.node(at).concerned == Some(Concerns::Body);
        if self.model.node(at).sup != NONE && event.row.lifecycle != Lifecycle::Running {
            self.model.sup_of_mut(at).group = None;
        }
        let scheduled = self.model.node(at).policy.scheduled;
        let life = self.model.life(at);
        match event.row.lifecycle {
            Lifecycle::Running => {
                (life.started_at, life.started_in) = (now, incarnation);
                life.trial = Trial::No;
                self.await_beats(at);
                if self.model.node(at).sup != NONE {
                    self.model.sup_of_mut(at).initial = false;
                }
            }
            Lifecycle::Stopping => {
                life.stopping_at = now;
                life.due = match (event.next, grace) {
                    (Next::KillAt(due), _) => due,
                    (_, Grace::Timeout(grace)) => now.saturating_add(nanos(grace)),
                    _ => u64::MAX,
                };
                (life.reordered, life.stopped_for) = (false, event.cause);
                if let (Cause::Group(_), Some(group)) = (event.cause, group) {
                    life.swept = group.since;
                }
                // That comes before the plan that may have been made of it, and before those who depend on it are down;
                // so does the end of a primary.
                life.fell |= matches!(event.cause, Cause::Heartbeat | Cause::Deadline | Cause::Primary(_));
                life.stop = match (event.kind, event.cause) {
                    (EventKind::Escalated, _) => Stop::Itself(Itself::GaveUp),
                    (EventKind::SupervisorEnding, Cause::Unwind(_)) => Stop::Itself(Itself::Unwind),
                    (EventKind::SupervisorEnding, Cause::Significant(_)) => Stop::Itself(Itself::Significant),
                    (EventKind::SupervisorEnding, _) => Stop::Itself(Itself::AllDone),
                    (_, Cause::Heartbeat) => Stop::Unhealthy,
                    (_, Cause::Deadline) => Stop::TimedOut,
                    _ => Stop::Planned,
                };
            }
            Lifecycle::Backoff => {
                life.own_time = matches!(event.next, Next::StartAt(_));
                life.due = match event.next {
                    Next::StartAt(due) | Next::WithGroup(due) => due,
                    _ => now,
                };
            }
            Lifecycle::Completed => {
                life.forgiven = true;
                life.order = life.order.filter(|order| *order != Order::Rest);
            }
            Lifecycle::Unresponsive => {
                // Whoever asked for a first start has been told that it came to nothing: the child rests when it is gone,
                // or leaves the tree (R68, R11). A supervisor that ends may have taken it down before.
                let open = matches!(life.order, None | Some(Order::Start)) && !closing;
                life.order = match (life.trial, life.stop) {
                    (Trial::Again, Stop::TimedOut) if open => Some(Order::Rest),
                    (Trial::Added, Stop::TimedOut | Stop::Itself(_)) if open => Some(Order::Remove),
                    _ => life.order,
                };
                life.given_up_early = initial;
                (life.afterwards, life.trial) = (true, Trial::No);
            }
            Lifecycle::Waiting => {
                (life.trial, life.waits_again) = (Trial::No, life.grows);
                if let Some(group) = group {
                    // Its group has come to it, unless that goes down still, and takes it in.
                    life.raised = group.number;
                    // Who failed alone has a time of its own, and comes to wait when that is over. Whom a new spec
                    // restarts does not wait for its turn.
                    let alone = from == Lifecycle::Backoff && (life.own_time || anew);
                    if group.up && life.order != Some(Order::Start) && !alone {
                        life.visited = call;
                    }
                }
            }
            Lifecycle::Paused | Lifecycle::Quarantined => {
                (life.trial, life.order, life.parked_in) = (Trial::No, None, incarnation);
            }
            Lifecycle::Stopped | Lifecycle::Failed | Lifecycle::Removed => {
                if event.kind == EventKind::ChildDeclined || event.row.lifecycle == Lifecycle::Failed {
                    life.trial = Trial::No;
                }
                // Who was to run when its group went down has that run with it (D18), whatever its times are (D20).
                let with_group = from == Lifecycle::Waiting && matches!(event.cause, Cause::Group(_));
                life.once_more |= with_group;
                // Somebody unresponsive that was to rest is not started by a group that has passed it.
                life.left_out |= from == Lifecycle::Unresponsive && life.order == Some(Order::Rest);
                life.order = life.order.filter(|order| *order != Order::Rest);
                // A scheduled job that is resumed waits for its time, and nothing more is wanted of it.
                if from.is_parked() && scheduled && event.next == Next::Nothing {
                    life.order = None;
                }
                self.model.nodes[at as usize].came |= with_group;
            }
            _ => {}
        }
        self.sidecars_rest(at, event.row.lifecycle);
        if event.row.lifecycle == Lifecycle::Removed && self.model.node(at).in_spec {
            self.model.unlink_additions(at);
        }
    }

    /// Sidecars that are stopping when their primary is down for good stay down with it (D15).
    fn sidecars_rest(&mut self, at: u32, state: Lifecycle) {
        let at_rest = state.is_parked()
            || matches!(state, Lifecycle::Completed | Lifecycle::Failed | Lifecycle::Removed);
        if !at_rest || self.model.node(at).needs.is_empty() {
            return;
        }
        for sidecar in self.model.sidecars(at) {
            let life = self.model.life(sidecar);
            life.reordered = true;
            life.alone |= state == Lifecycle::Removed;
            let run = life.row.generation;
            self.laid_off.push((sidecar, (self.model.node(sidecar).key.epoch, run)));
        }
    }

    /// A supervisor begins a new incarnation: empty budgets, streaks forgiven (R48). What operators hold stays
    /// held only when an operator restarts it (D10).
    fn incarnated(&mut self, at: u32, restarted: bool) {
        let sup = self.model.sup_of_mut(at);
        let automatic = std::mem::take(&mut sup.unpark) || restarted;
        sup.incarnation += 1;
        sup.automatic = automatic;
        sup.initial = true;
        sup.charges.clear();
        sup.group = None;
        let children = std::mem::take(&mut sup.children);
        for child in &children {
            let node = self.model.node(*child);
            // Who was added by command is not of the new incarnation (R48).
            let (is_sup, in_spec) = (node.sup != NONE, node.in_spec);
            let life = self.model.life(*child);
            life.charges.clear();
            (life.forgiven, life.grows, life.trial) = (true, false, Trial::No);
            life.fell = false;
            let stops = matches!(life.row.lifecycle, Lifecycle::Stopping | Lifecycle::Unresponsive);
            // Who waits for somebody unresponsive below it goes all the same.
            let held = |order: &Order| match order {
                Order::Pause | Order::Quarantine => !automatic && stops,
                Order::Remove => !stops && is_sup,
                Order::Start | Order::Rest => false,
            };
            life.order = life.order.filter(held).filter(|order| in_spec || *order == Order::Remove);
            if self.model.node(*child).sup != NONE {
                self.model.sup_of_mut(*child).unpark = automatic;
            }
        }
        self.model.sup_of_mut(at).children = children;
        self.announced |= at == 0;
    }

    pub(super) fn changed(&mut self, key: ChildKey, policy: &Arc<ChildPolicy>) -> Check {
        let Some(at) = self.model.find(key) else {
            must!(self, false, Sequence, "{key:?} is changed, which is not there");
            return Ok(());
        };
        let before = std::mem::replace(&mut self.model.nodes[at as usize].policy, Arc::clone(policy));
        let node = self.model.node(at);
        // The start period of a run that has shown life is over.
        let awaits_first =
            before.start_period != policy.start_period && node.life.row.health == Health::Unknown;
        if node.is(Lifecycle::Running) && (before.heartbeat != policy.heartbeat || awaits_first) {
            self.await_beats(at);
        }
        self.touch(at);
        Ok(())
    }

    pub(super) fn forgotten(&mut self, key: ChildKey) -> Check {
        let Some(at) = self.model.find(key).filter(|at| !self.model.node(*at).forgotten) else {
            must!(self, false, Sequence, "{key:?} is forgotten, which is not there");
            return Ok(());
        };
        let node = self.model.node(at);
        must!(
            self,
            node.life.live.is_none() && !node.is_there(),
            Sequence,
            "{} is forgotten while it is {} and has {:?}",
            node.path,
            node.state(),
            node.life.live
        );
        let (parent, group) = (node.parent, self.model.above(at).group);
        self.model.forget(at);
        // Its group goes on, and belongs to the supervisor from now on.
        if let Some(group) = group.filter(|group| group.by == at) {
            self.model.sup_of_mut(parent).group = Some(Group { by: parent, ..group });
        }
        Ok(())
    }

    pub(super) fn tree_started(&mut self) -> Check {
        must!(self, !self.started, Sequence, "the tree is started twice");
        self.started = true;
        must!(
            self,
            self.model.node(0).is(Lifecycle::Running),
            Sequence,
            "the tree is started, but the root is {}",
            self.model.node(0).state()
        );
        Ok(())
    }

    pub(super) fn tree_ended(&mut self, end: &End) -> Check {
        must!(self, !self.done, Sequence, "the tree ends twice");
        self.i07_says_who_failed(end)?;
        self.done = true;
        for at in self.model.there() {
            let node = self.model.node(at);
            let Some(live) = node.life.live else { continue };
            must!(
                self,
                node.is(Lifecycle::Unresponsive) || self.is_hard() && live.killed.is_some(),
                StopBound,
                "the tree has ended while {} is {}",
                node.path,
                node.state()
            );
        }
        Ok(())
    }
}
