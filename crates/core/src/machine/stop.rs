//! Stopping a child: ask, grace, kill, and giving up on who does not end (D8).

use supervisor_api::policy::Grace;
use supervisor_api::{Cause, EventKind, Exit, Next, SupervisorError};

use super::Machine;
use super::life::News;
use super::node::{Ending, Flow, Life, NONE, Step, Then, Trial};
use super::start::millis;
use crate::face::Effect;
use crate::resolve::nanos;

impl Machine {
    /// Asks a started or starting child to stop.
    pub(super) fn ask_to_stop(&mut self, index: u32, then: Then, cause: Cause) {
        self.node_mut(index).why = if then.is_commanded() { Cause::Operator } else { cause };
        if self.node(index).is_supervisor() {
            self.ask_supervisor_to_stop(index, then, cause);
            return;
        }
        let grace = self.grace_of(index);
        let key = self.node(index).key(index);
        match grace {
            Grace::Brutal => {
                let news = News::new(EventKind::ChildStopping, cause);
                self.out.push(Effect::Kill { key });
                self.shift(index, Life::Stopping { then, step: Step::Killed { brutal: true } }, news);
                self.await_death(index);
            }
            Grace::Timeout(limit) => {
                let limit = nanos(limit);
                let due = self.now.saturating_add(limit);
                let news = News::new(EventKind::ChildStopping, cause)
                    .numbers(&[millis(limit)])
                    .next(Next::KillAt(due));
                self.out.push(Effect::Stop { key, grace: Some(limit) });
                self.shift(index, Life::Stopping { then, step: Step::Asked }, news);
                if limit == 0 {
                    self.kill(index, false)
                } else if !fault!(grace_never_ends) {
                    self.set_due(index, due)
                }
            }
            Grace::Infinity => {
                let news = News::new(EventKind::ChildStopping, cause).numbers(&[u32::MAX]);
                self.out.push(Effect::Stop { key, grace: None });
                self.shift(index, Life::Stopping { then, step: Step::Asked }, news);
            }
        }
    }

    fn ask_supervisor_to_stop(&mut self, index: u32, then: Then, cause: Cause) {
        let sup = self.node(index).supervisor;
        let news = News::new(EventKind::ChildStopping, cause);
        let news = match self.node(index).policy.grace {
            Grace::Timeout(limit) => {
                let due = self.now.saturating_add(nanos(limit));
                news.numbers(&[millis(nanos(limit))]).next(Next::KillAt(due))
            }
            Grace::Brutal => news,
            Grace::Infinity => news.numbers(&[u32::MAX]),
        };
        self.shift(index, Life::Stopping { then, step: Step::Asked }, news);
        self.end_supervisor(sup, Ending::Asked);
        self.limit_supervisor(index);
    }

    /// Lets the grace of a stopping supervisor run from now on, if it has one.
    pub(super) fn limit_supervisor(&mut self, index: u32) {
        match self.node(index).policy.grace {
            Grace::Timeout(limit) if !limit.is_zero() => {
                self.set_due(index, self.now.saturating_add(nanos(limit)));
            }
            Grace::Timeout(_) | Grace::Brutal => self.kill_below(index),
            Grace::Infinity => {}
        }
    }

    /// The grace a child has now: none below a killed supervisor, zero after the graces were cut.
    fn grace_of(&self, index: u32) -> Grace {
        let node = self.node(index);
        let mut sup = node.parent;
        while sup != NONE {
            if self.sup(sup).hard {
                return Grace::Brutal;
            }
            sup = self.node(self.sup(sup).node).parent;
        }
        match node.policy.grace {
            Grace::Brutal => Grace::Brutal,
            _ if self.skip_graces && !fault!(later_graces_are_whole) => {
                Grace::Timeout(std::time::Duration::ZERO)
            }
            Grace::Timeout(limit) if fault!(zero_grace_asks_nobody) && limit.is_zero() => Grace::Brutal,
            grace => grace,
        }
    }

    /// The grace is over.
    pub(super) fn kill(&mut self, index: u32, brutal: bool) {
        let node = self.node(index);
        let (key, waited) = (node.key(index), millis(self.now - node.since));
        self.out.push(Effect::Kill { key });
        self.mark_killed(index, brutal);
        self.tell(index, News::new(EventKind::ChildKilling, Cause::Deadline).numbers(&[waited]));
        self.await_death(index);
    }

    fn await_death(&mut self, index: u32) {
        let wait = if fault!(death_is_not_awaited) { 0 } else { self.node(index).policy.abort_wait };
        let from = if fault!(abort_wait_runs_with_the_grace) { self.node(index).since } else { self.now };
        self.set_due(index, from.saturating_add(wait));
    }

    /// Kills everything below a supervisor whose grace is over, all at once (R62, R63).
    pub(super) fn kill_below(&mut self, index: u32) {
        let sup = self.node(index).supervisor;
        // Killed for its own grace's end, a supervisor is reported like any child (R58).
        self.mark_killed(index, self.grace_of(index) == Grace::Brutal);
        self.sup_mut(sup).hard = !fault!(killed_supervisor_is_gentle);
        for child in self.indices(sup).collect::<Vec<_>>() {
            let node = self.node(child);
            match node.life {
                Life::Starting | Life::Running => {
                    let then = self.or_commanded_in_line(child, Then::Teardown);
                    self.ask_to_stop(child, then, Cause::Supervisor(index));
                    if self.node(child).is_supervisor() {
                        self.kill_below(child);
                    }
                }
                Life::Stopping { .. } if node.is_supervisor() => self.kill_below(child),
                Life::Stopping { step: Step::Asked, .. } => self.kill(child, true),
                _ => {}
            }
        }
    }

    /// Every grace that runs ends now, and no later one begins (D20).
    pub(super) fn skip_all_graces(&mut self) {
        // After the end there is no grace left to cut.
        if self.ended || fault!(graces_are_not_cut) || std::mem::replace(&mut self.skip_graces, true) {
            return;
        }
        self.tell(0, News::new(EventKind::ShutdownPhaseChanged, Cause::Shutdown));
        for index in 0..self.nodes.len() as u32 {
            let node = self.node(index);
            if matches!(node.life, Life::Stopping { step: Step::Asked, .. }) && !node.is_supervisor() {
                self.kill(index, false);
            }
        }
    }

    /// The deadline of a child's state has come.
    pub(super) fn fire(&mut self, index: u32) {
        let node = self.node(index);
        match node.life {
            Life::Starting => {
                let limit = std::time::Duration::from_nanos(node.policy.ready_within.unwrap_or(0));
                let what = format!("not ready within {limit:?}").into();
                self.node_mut(index).complaint = Some(Box::new(Exit::TimedOut { what }));
                self.ask_to_stop(index, Then::TimedOut, Cause::Deadline);
            }
            Life::Running if fault!(missed_beat_is_overlooked) => {}
            Life::Running => self.missed(index, None),
            // A group that took it down since starts it (D3).
            Life::Backoff { .. }
                if self.group_takes(index).is_some() && !fault!(due_retry_leaves_its_group) => {}
            Life::Backoff { .. } => self.try_start(index, Cause::Backoff),
            Life::Stopped if fault!(retry_is_never_void) => self.try_start(index, Cause::Backoff),
            Life::Stopping { step: Step::Asked, .. } if node.is_supervisor() => self.kill_below(index),
            Life::Stopping { step: Step::Asked, .. } => self.kill(index, false),
            Life::Stopping { then, step } if fault!(taken_for_dead) && !node.is_supervisor() => {
                self.stopped(index, then, step, Exit::Aborted);
            }
            Life::Stopping { then, step: Step::Killed { .. } } if !node.is_supervisor() => {
                let then = self.end_trial(index, then);
                self.node_mut(index).flags.trial = Trial::No;
                let node = self.node(index);
                let took = self.now - node.since;
                self.node_mut(index).took = took;
                let waited = millis(took);
                let news = News::new(EventKind::ChildUnresponsive, Cause::Deadline)
                    .numbers(&[if fault!(waited_is_not_told) { 0 } else { waited }]);
                let next = if then.is_commanded() { Next::Nothing } else { Next::WhenGone };
                self.shift(index, Life::Unresponsive { then }, news.next(next));
            }
            _ => {}
        }
    }

    /// Whether no plan changes any more what becomes of a stopping child: a command decided it, or somebody waits for
    /// just this start, and it has failed (R11, R68).
    pub(super) fn is_decided(&self, index: u32, then: Then) -> bool {
        let tried = self.node(index).flags.trial != Trial::No;
        then.is_commanded() || tried && matches!(then, Then::TimedOut | Then::Itself)
    }

    /// A first start that timed out, and whose run does not even die, has failed all the same (R11, R68).
    fn end_trial(&mut self, index: u32, then: Then) -> Then {
        let node = self.node(index);
        let instead = match (then, node.flags.trial) {
            (Then::TimedOut, Trial::Added) => Then::Remove,
            (Then::TimedOut, Trial::Again) => Then::Rest,
            _ => return then,
        };
        let exit = node.complaint.as_deref().cloned();
        let exit = exit.unwrap_or_else(|| Exit::TimedOut { what: "its start".into() });
        let refusal = SupervisorError::StartFailed { path: node.path.clone(), exit };
        self.refuse_waits(index, &refusal);
        instead
    }

    // Stops one after the other.

    /// Stops a child, after those who depend on it if they go down with it (D10, D11).
    pub(super) fn stop_in_line(&mut self, index: u32, then: Then, cause: Cause) {
        let sup = self.node(index).parent;
        if let Some((_, planned)) = self.sup_mut(sup).line.iter_mut().find(|(node, _)| *node == index) {
            // It has its turn coming; a later command changes what is done then.
            *planned = then;
            let flags = &mut self.node_mut(index).flags;
            flags.reload &= !flags.declared;
            return;
        }
        let dependants = self.dependants_to_stop(index);
        if !dependants.is_empty() && self.sup(sup).is_ending() {
            // All of them go down in order as it is, and what is wanted of this one is done with its stop.
            self.sup_mut(sup).line.push_back((index, then));
            return;
        }
        let behind = self.node(index).policy.restart_dependants && self.is_line_busy(sup);
        if dependants.is_empty() && !behind {
            self.ask_to_stop(index, then, cause);
            return;
        }
        self.line_up(sup, dependants);
        self.sup_mut(sup).line.push_back((index, then));
        self.advance_line(sup);
    }

    fn is_line_busy(&self, sup: u32) -> bool {
        let record = self.sup(sup);
        let asked = record.in_line != NONE && matches!(self.node(record.in_line).life, Life::Stopping { .. });
        asked || !record.line.is_empty()
    }

    /// What a command, or a new spec, wants of a child that waits for its turn in the line.
    pub(super) fn planned_in_line(&self, index: u32) -> Option<Then> {
        let line = &self.sup(self.node(index).parent).line;
        line.iter()
            .find(|(node, then)| *node == index && *then != Then::WaitDependency)
            .map(|(_, then)| *then)
    }

    /// The sibling that takes a child down with it (D11), or one that it depends on when that one is not to be named
    /// any more.
    pub(super) fn goes_down_with(&self, index: u32) -> Option<u32> {
        let node = self.node(index);
        match node.why {
            Cause::Dependency(on) if node.depends_on().contains(&on) => Some(on),
            _ => node.depends_on().first().copied(),
        }
    }

    /// Whether a child that stands in line for a sibling still goes down: that one may have left the tree since.
    fn is_taken_down(&self, index: u32) -> bool {
        let node = self.node(index);
        let takes = |&on: &u32| node.why == Cause::Dependency(on) || self.node(on).policy.restart_dependants;
        node.depends_on().iter().any(takes)
    }

    /// What is done with a child now, because somebody wants it, replaces what was planned for it in the line. It goes
    /// down with a sibling that it depends on all the same.
    pub(super) fn leave_line(&mut self, index: u32) {
        let sup = self.node(index).parent;
        let line = &mut self.sup_mut(sup).line;
        let in_line = line.len();
        line.retain(|(node, then)| *node != index || *then == Then::WaitDependency);
        if line.len() < in_line {
            self.node_mut(index).why = Cause::Operator;
        }
    }

    /// Stops those who depend on a child that is down already.
    pub(super) fn stop_dependants(&mut self, index: u32) {
        // Nearly nobody has any.
        if self.node(index).dependants().is_empty() {
            return;
        }
        let dependants = self.dependants_to_stop(index);
        if !dependants.is_empty() {
            let sup = self.node(index).parent;
            self.line_up(sup, dependants);
            self.queue_flow(sup);
        }
    }

    /// Puts those in line who go down with a child, each with whom it goes down. Who stands there for another child
    /// keeps that turn, and whoever comes later in the order than it goes before it.
    fn line_up(&mut self, sup: u32, dependants: Vec<(u32, u32)>) {
        for (dependant, on) in dependants {
            self.node_mut(dependant).why = Cause::Dependency(on);
            let entry = (dependant, Then::WaitDependency);
            let line = &self.sup(sup).line;
            if line.contains(&entry) {
                continue;
            }
            let rank = self.node(dependant).rank;
            let earlier = |&(other, then): &(u32, Then)| {
                then == Then::WaitDependency
                    && self.node(other).rank < rank
                    && !fault!(dependants_go_down_forward)
            };
            let place = line.iter().position(earlier).unwrap_or(line.len());
            self.sup_mut(sup).line.insert(place, entry);
        }
    }

    /// Who goes down with a child, the last in the order first, and with whom of those that it depends on.
    fn dependants_to_stop(&self, index: u32) -> Vec<(u32, u32)> {
        let mut found: Vec<(u32, u32)> = Vec::new();
        let mut open = vec![index];
        while let Some(at) = open.pop() {
            if !self.node(at).policy.restart_dependants {
                continue;
            }
            for &dependant in self.node(at).dependants() {
                let runs = matches!(self.node(dependant).life, Life::Starting | Life::Running);
                if runs && !found.iter().any(|(other, _)| *other == dependant) {
                    found.push((dependant, at));
                    open.push(dependant);
                }
            }
        }
        found.sort_unstable_by_key(|&(dependant, _)| std::cmp::Reverse(self.node(dependant).rank));
        if fault!(dependants_go_down_forward) {
            found.reverse();
        }
        found
    }

    /// Why a child whose turn has come is stopped.
    fn cause_in_line(&self, index: u32, then: Then) -> Cause {
        let node = self.node(index);
        match then {
            Then::WaitDependency => self.cause_of(index, then),
            _ if node.flags.reload => Cause::Reload,
            _ => Cause::Operator,
        }
    }

    /// Asks the next in line, when the one before is gone or unresponsive.
    pub(super) fn advance_line(&mut self, sup: u32) {
        loop {
            let in_line = self.sup(sup).in_line;
            let waits = in_line != NONE && !fault!(line_does_not_wait);
            if waits && matches!(self.node(in_line).life, Life::Stopping { .. }) {
                return;
            }
            let Some((index, then)) = self.sup_mut(sup).line.pop_front() else {
                self.sup_mut(sup).in_line = NONE;
                for taken in std::mem::take(&mut self.sup_mut(sup).taken) {
                    self.wake_soon(taken);
                }
                return;
            };
            self.sup_mut(sup).in_line = index;
            match self.node(index).life {
                _ if then == Then::WaitDependency && !self.is_taken_down(index) => {}
                Life::Starting | Life::Running => {
                    let cause = self.cause_in_line(index, then);
                    self.ask_to_stop(index, then, cause);
                }
                // It failed already, and takes up what a new spec says when it starts again.
                Life::Stopping { then: Then::Unhealthy | Then::TimedOut, .. }
                | Life::Unresponsive { then: Then::Unhealthy | Then::TimedOut }
                    if then == Then::Start && self.node(index).flags.reload => {}
                Life::Stopping { .. } | Life::Unresponsive { .. } if then != Then::WaitDependency => {
                    let cause = self.cause_in_line(index, then);
                    self.redirect(index, then, cause);
                }
                // It ended by itself before its turn came; what was wanted of it is done all the same.
                // A new spec restarts what runs; what rests takes it up when it starts. And who was parked since
                // the restart was asked for stays parked; whoever asked has been told.
                life if then == Then::Start
                    && (self.node(index).flags.reload || life.lifecycle().is_parked()) => {}
                _ if then != Then::WaitDependency => {
                    self.node_mut(index).why = Cause::Operator;
                    if then == Then::Start {
                        self.forgive(index);
                    }
                    if then == Then::Start && self.group_takes(index).is_some() {
                        // It starts with its group, which waits for no delay now (D3, R27).
                        self.rejoin_plan(index);
                        self.hurry_if_grouped(index);
                    } else {
                        self.settle_idle(index, then);
                    }
                }
                _ => {}
            }
        }
    }

    /// Sidecars stop with their primary (D15).
    pub(super) fn stop_sidecars(&mut self, primary: u32) {
        // After the end everybody was asked, or killed, already.
        if self.ended || fault!(sidecar_outlives_its_primary) {
            return;
        }
        for sidecar in self.node(primary).sidecars().to_vec() {
            match self.node(sidecar).life {
                Life::Starting | Life::Running => {
                    // An operator's hold that waits for its turn is done with this stop.
                    let held = self
                        .planned_in_line(sidecar)
                        .filter(|then| matches!(then, Then::Pause | Then::Quarantine | Then::Remove));
                    if held.is_some() {
                        self.leave_line(sidecar);
                    }
                    self.ask_to_stop(sidecar, held.unwrap_or(Then::WithPrimary), Cause::Primary(primary));
                }
                Life::Stopping { then, .. }
                    if !self.is_decided(sidecar, then) && !self.node(sidecar).flags.swept =>
                {
                    self.redirect(sidecar, Then::WithPrimary, Cause::Primary(primary));
                }
                Life::Unresponsive { then } if !then.is_commanded() => {
                    self.redirect(sidecar, Then::WithPrimary, Cause::Primary(primary));
                }
                Life::Backoff { .. } | Life::Waiting { .. } => {
                    let news = News::new(EventKind::ChildStopped, Cause::Primary(primary));
                    self.node_mut(sidecar).flags.rests_unasked = true;
                    self.shift(sidecar, Life::Stopped, news);
                }
                _ => {}
            }
        }
    }

    /// The owner went away: everything is killed and nobody is waited for (D16).
    pub(super) fn hard_stop(&mut self) {
        for index in 0..self.nodes.len() as u32 {
            let node = self.node(index);
            let spared = fault!(hard_stop_spares_the_nested) && node.parent != 0;
            if node.life.is_live() && !node.life.is_killed() && !node.is_supervisor() && !spared {
                let key = node.key(index);
                self.out.push(Effect::Kill { key });
            }
        }
        self.agenda.clear();
        for sup in &mut self.sups {
            sup.ending = Some(Ending::Asked);
            sup.flow = Flow::Idle;
        }
        self.finish_machine(crate::face::End::Dropped);
    }
}
