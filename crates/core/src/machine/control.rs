//! The operator's commands on a child (D10, D17), and whom an address means.

use supervisor_api::command::ControlVerb;
use supervisor_api::{Cause, EventKind, Lifecycle, SupervisorError, SupervisorPath, nearest};

use super::Machine;
use super::life::News;
use super::node::{Flow, Life, NONE, Then, Trial};
use super::waits::Goal;
use crate::face::{Address, Reply, Ticket};

/// How many names are compared with one that does not exist.
const COMPARED: usize = 10_000;

impl Machine {
    pub(super) fn control(
        &mut self,
        ticket: Ticket,
        verb: ControlVerb,
        address: &Address,
    ) -> Result<(), SupervisorError> {
        let index = self.resolve_address(address)?;
        let allowed = self.check_allowed(index, verb);
        let runs = index != 0 && matches!(self.node(index).life, Life::Starting | Life::Running);
        if fault!(refused_removal_stops) && verb == ControlVerb::Remove && allowed.is_err() && runs {
            self.ask_to_stop(index, Then::Rest, Cause::Operator);
        }
        allowed?;
        let before = self.node(index).life.lifecycle();
        if self.is_done_already(index, verb) {
            let mut outcome = self.outcome_now(index, before, false);
            outcome.idempotent = true;
            if fault!(idempotent_is_told_twice) {
                self.reply(ticket, Ok(Reply::Control(outcome.clone())));
            }
            self.reply(ticket, Ok(Reply::Control(outcome)));
            return Ok(());
        }
        let (then, goal) = match verb {
            ControlVerb::Restart | ControlVerb::Resume => (Then::Start, Goal::Started),
            ControlVerb::Pause => (Then::Pause, Goal::Held(Lifecycle::Paused)),
            ControlVerb::Quarantine => (Then::Quarantine, Goal::Held(Lifecycle::Quarantined)),
            ControlVerb::Remove => (Then::Remove, Goal::Gone),
        };
        if then == Then::Start {
            self.forgive(index);
        }
        if verb == ControlVerb::Restart {
            self.is_due_now(index);
        }
        if fault!(operators_restart_is_charged) && verb == ControlVerb::Restart {
            self.charge(index);
        }
        if verb == ControlVerb::Resume {
            self.tell(index, News::new(EventKind::Resumed, Cause::Operator));
        }
        let live = matches!(self.node(index).life, Life::Starting | Life::Running);
        self.wait(index, goal, before, live);
        self.bring(index, then);
        Ok(())
    }

    /// Takes a child, from whatever state it is in, to where a command wants it.
    fn bring(&mut self, index: u32, then: Then) {
        let node = self.node_mut(index);
        (node.flags.doomed, node.why) = (false, Cause::Operator);
        // It is no longer stopped for a new spec.
        node.flags.reload &= then == Then::Start || !node.flags.declared;
        match self.node(index).life {
            Life::Starting | Life::Running => {
                if then == Then::Start {
                    self.node_mut(index).flags.again = false;
                }
                self.stop_in_line(index, then, Cause::Operator);
                if then == Then::Start {
                    self.hurry_if_grouped(index);
                }
            }
            Life::Stopping { then: old, .. } => {
                // What a new spec wants of it, and had to wait for its turn, does not undo this.
                self.leave_line(index);
                // A terminate that took it out of a plan under way is undone.
                self.node_mut(index).flags.left_out &= then != Then::Start;
                // A group that takes it down also brings it up, unless it is temporary: that is what was asked for.
                let comes_back =
                    old == Then::Group && (self.retries(index) || !self.node(index).policy.keeps_row);
                if !(then == Then::Start && comes_back) {
                    self.redirect(index, then, Cause::Operator);
                    self.tell(index, News::new(EventKind::ChildControlOperationChanged, Cause::Operator));
                }
                if then == Then::Start {
                    self.hurry_if_grouped(index);
                }
            }
            Life::Unresponsive { .. } => {
                self.leave_line(index);
                self.node_mut(index).flags.left_out &= then != Then::Start;
                self.redirect(index, then, Cause::Operator);
                self.settle_waits(index);
                if then == Then::Start {
                    self.hurry_if_grouped(index);
                }
            }
            _ if then == Then::Start && self.plan_is_ahead(index) => {
                self.rejoin_plan(index);
                self.hurry_if_grouped(index);
            }
            _ => {
                self.node_mut(index).took = 0;
                self.leave_line(index);
                self.settle_idle(index, then);
                // It may wait as before, or be left to a plan that is under way.
                if self.node(index).flags.awaited && !self.node(index).life.is_live() {
                    self.settle_waits(index);
                }
            }
        }
    }

    /// Makes a child that rests one that the plan under way starts: parked ones, and jobs that had their run.
    pub(super) fn rejoin_plan(&mut self, index: u32) {
        let node = self.node_mut(index);
        (node.flags.once_more, node.flags.left_out) = (true, false);
        if node.life.lifecycle().is_parked() {
            node.flags.rests_unasked = true;
            let next = self.next_of(index, Then::Group);
            self.shift(index, Life::Stopped, News::new(EventKind::ChildStopped, Cause::Operator).next(next));
        }
    }

    pub(super) fn hurry_if_grouped(&mut self, index: u32) {
        if self.group_takes(index).is_some() && !fault!(operators_restart_hurries_nobody) {
            let sup = self.node(index).parent;
            self.hurry_group(sup);
        }
    }

    /// An operator's restart or resume: a clean streak and a clean budget of its own (D10, D17).
    pub(super) fn forgive(&mut self, index: u32) {
        if fault!(restart_by_hand_clears_the_log) {
            let sup = self.node(index).parent;
            self.sup_mut(sup).charges.clear();
        }
        let node = self.node_mut(index);
        node.flags.forgiven |= !fault!(resume_keeps_the_streak);
        if !fault!(resume_keeps_the_budget) {
            node.own_charges = None;
        }
        (node.flags.grow, node.flags.trial) = (false, Trial::No);
        if !node.life.is_live() {
            node.flags.again = false;
        }
    }

    /// The command table: what a state refuses, and why.
    fn check_allowed(&self, index: u32, verb: ControlVerb) -> Result<(), SupervisorError> {
        let node = self.node(index);
        let refuse = |message: String| Err(SupervisorError::InvalidTransition { message });
        if node.parent == NONE {
            let verb = verb.as_str().trim_end_matches("_child");
            return refuse(format!("the root takes no {verb}; shut the whole tree down, or name a child"));
        }
        let leaves = node.is_dropped() || !node.flags.declared && node.flags.doomed;
        if leaves && verb != ControlVerb::Remove {
            return refuse(format!(
                "{} is being removed; it goes as soon as all below it has ended",
                node.path
            ));
        }
        let permitted = match verb {
            ControlVerb::Restart => node.policy.permissions.allow_restart,
            ControlVerb::Pause | ControlVerb::Quarantine | ControlVerb::Remove => {
                node.policy.permissions.allow_shutdown
            }
            ControlVerb::Resume => true,
        };
        if !permitted {
            return Err(SupervisorError::NotPermitted { path: node.path.clone(), command: verb.as_str() });
        }
        if self.sup(0).is_ending() || self.ended {
            return refuse("the tree is shutting down; nothing is started or held any more".to_owned());
        }
        let starts = matches!(verb, ControlVerb::Restart | ControlVerb::Resume);
        if starts && !self.is_open(node.parent) {
            let above = self.node(self.sup(node.parent).node);
            return refuse(format!(
                "{} cannot be started: its supervisor {} is {}; resume or restart that first",
                node.path,
                above.path,
                above.life.lifecycle()
            ));
        }
        if starts && !node.flags.bound {
            return refuse(format!("{} cannot be started: nobody registered its factory", node.path));
        }
        if verb == ControlVerb::Remove {
            self.check_unneeded(index)?;
        }
        Ok(())
    }

    /// D11: what a sibling depends on is not removed.
    pub(super) fn check_unneeded(&self, index: u32) -> Result<(), SupervisorError> {
        let node = self.node(index);
        let needs = |&&dependant: &&u32| node.primary() != Some(dependant);
        match node.dependants().iter().find(needs) {
            Some(&dependant) => Err(SupervisorError::InvalidTransition {
                message: format!(
                    "{} cannot be removed: {} depends on it; remove that first",
                    node.path,
                    self.node(dependant).path
                ),
            }),
            None => Ok(()),
        }
    }

    fn is_done_already(&self, index: u32, verb: ControlVerb) -> bool {
        let life = self.node(index).life;
        match verb {
            ControlVerb::Pause => life == Life::Paused,
            ControlVerb::Quarantine if fault!(paused_is_quarantine_enough) => life.lifecycle().is_parked(),
            ControlVerb::Quarantine => life == Life::Quarantined,
            ControlVerb::Resume => {
                let parking = matches!(life.planned(), Some(Then::Pause | Then::Quarantine));
                !parking && !life.lifecycle().is_parked() && !fault!(resume_restarts_what_runs)
            }
            ControlVerb::Restart | ControlVerb::Remove => false,
        }
    }

    // Addresses.

    /// The child that is meant (`wire.md` 1, "Addressing").
    pub(super) fn resolve_address(&self, address: &Address) -> Result<u32, SupervisorError> {
        let text = match address {
            Address::Key(key) => {
                let gone = || self.not_found(&format!("key {}.{}", key.index, key.epoch));
                return self.lookup(*key).map(|_| key.index).ok_or_else(gone);
            }
            Address::Text(text) => &**text,
        };
        if text.is_empty() {
            let message = "say which child: a path such as /web, or an id".to_owned();
            return Err(SupervisorError::InvalidTransition { message });
        }
        if text.starts_with('/') { self.resolve_path(text) } else { self.resolve_id(text) }
    }

    fn resolve_path(&self, text: &str) -> Result<u32, SupervisorError> {
        if let Some(index) = self.find_index(text) {
            return Ok(index);
        }
        let path = SupervisorPath::parse(text)
            .map_err(|error| SupervisorError::InvalidTransition { message: error.to_string() })?;
        if let Some(index) = self.find_index(path.as_str()) {
            return Ok(index);
        }
        // A leading `/root` means the root, when no child is called so.
        let below =
            path.as_str().strip_prefix("/root").filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let below = below.filter(|_| self.find_index("/root").is_none());
        let found = below.and_then(|rest| self.find_index(if rest.is_empty() { "/" } else { rest }));
        found.ok_or_else(|| self.not_found(text))
    }

    fn resolve_id(&self, id: &str) -> Result<u32, SupervisorError> {
        let mut found = (1..self.nodes.len() as u32).filter(|&index| {
            let node = self.node(index);
            node.life != Life::Removed && node.path.last_segment() == Some(id)
        });
        let Some(first) = found.next() else { return Err(self.not_found(id)) };
        let Some(second) = found.next() else { return Ok(first) };
        let all = [first, second].into_iter().chain(found.take(30));
        let candidates = all.map(|index| self.node(index).path.clone()).collect();
        Err(SupervisorError::AmbiguousChild { candidates })
    }

    pub(super) fn not_found(&self, asked: &str) -> SupervisorError {
        let named = self.nodes.iter().skip(1).filter(|node| node.life != Life::Removed).take(COMPARED);
        let nearest = if asked.starts_with('/') {
            nearest(asked, named.map(|node| node.path.as_str()))
        } else {
            nearest(asked, named.filter_map(|node| node.path.last_segment()))
        };
        SupervisorError::ChildNotFound { asked: asked.chars().take(256).collect(), nearest }
    }

    /// The running supervisor that is meant (R69).
    pub(super) fn resolve_supervisor_address(&self, address: &Address) -> Result<u32, SupervisorError> {
        let asked = || match address {
            Address::Key(key) => format!("key {}.{}", key.index, key.epoch),
            Address::Text(text) => text.to_string(),
        };
        let none = || SupervisorError::NoSuchSupervisor { path: asked() };
        let index = match self.resolve_address(address) {
            Ok(index) => index,
            Err(error @ SupervisorError::AmbiguousChild { .. }) => return Err(error),
            Err(error) if fault!(no_supervisor_is_not_found) => return Err(error),
            Err(_) => return Err(none()),
        };
        let sup = self.node(index).supervisor;
        if sup == NONE || !self.is_open(sup) { Err(none()) } else { Ok(sup) }
    }

    /// Where the supervisor of a child that was not found does not run either, that is what OTP's calls say (R69).
    pub(super) fn or_no_supervisor(&self, address: &Address, error: SupervisorError) -> SupervisorError {
        let above = match address {
            Address::Text(text) => text.rsplit_once('/').map_or("", |(above, _)| above),
            Address::Key(_) => "",
        };
        if above.is_empty() || !matches!(error, SupervisorError::ChildNotFound { .. }) {
            return error;
        }
        match self.resolve_supervisor_address(&Address::Text(above.into())) {
            Err(none @ SupervisorError::NoSuchSupervisor { .. }) => none,
            _ => error,
        }
    }

    /// Whether the plan of a supervisor will come by the end of its order, and start what is there.
    pub(super) fn plan_reaches_end(&self, sup: u32) -> bool {
        !matches!(self.sup(sup).flow, Flow::Steady | Flow::Idle)
    }
}
