//! OTP's calls by id: terminate, start again, delete (table 1.7, R67-R71).

use supervisor_api::command::OtpVerb;
use supervisor_api::{Cause, EventKind, Lifecycle, SupervisorError};

use super::Machine;
use super::life::News;
use super::node::{Flow, Life, NONE, Then, Trial, Wave};
use super::waits::Goal;
use crate::face::{Address, Reply, Ticket};

/// The columns of table 1.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Running,
    Restarting,
    Stopped,
}

impl Machine {
    pub(super) fn otp(
        &mut self,
        ticket: Ticket,
        verb: OtpVerb,
        address: &Address,
    ) -> Result<(), SupervisorError> {
        let index = self.resolve_address(address).map_err(|error| self.or_no_supervisor(address, error))?;
        let node = self.node(index);
        if node.parent == NONE {
            return refuse("the root is no child; shut the whole tree down, or name a child");
        }
        if !self.is_open(node.parent) {
            let path = self.node(self.sup(node.parent).node).path.to_string();
            return Err(SupervisorError::NoSuchSupervisor { path });
        }
        if self.node(index).is_dropped() {
            return refuse("it is being removed: the new spec does not name it");
        }
        if self.node(index).flags.doomed && verb == OtpVerb::StartAgain {
            return refuse("it is being removed, and goes when nobody unresponsive lives below it");
        }
        self.check_manner(index, verb, address)?;
        let column = match node.life {
            life if life.is_live() => Column::Running,
            life if life.is_restarting() => Column::Restarting,
            _ => Column::Stopped,
        };
        match verb {
            OtpVerb::Terminate => self.terminate(ticket, index, column),
            OtpVerb::StartAgain => return self.start_again(index, column),
            OtpVerb::Delete => return self.delete(index, column),
        }
        Ok(())
    }

    /// R70, R71: static supervisors know ids, dynamic ones know handles.
    fn check_manner(&self, index: u32, verb: OtpVerb, address: &Address) -> Result<(), SupervisorError> {
        let by_key = matches!(address, Address::Key(_));
        match (self.is_dynamic(index), verb, by_key) {
            (false, OtpVerb::Terminate, true) if !fault!(static_children_go_by_key) => {
                Err(self.not_found("a key; children of a static supervisor are terminated by id"))
            }
            (true, OtpVerb::Terminate, false) => {
                refuse("children of a dynamic supervisor are terminated by the key that start_child returned")
            }
            (true, OtpVerb::StartAgain | OtpVerb::Delete, _) if !fault!(dynamic_children_are_deleted) => {
                refuse("a dynamic supervisor keeps no specs, so there is nothing to start again or delete")
            }
            _ => Ok(()),
        }
    }

    fn terminate(&mut self, ticket: Ticket, index: u32, column: Column) {
        let before = self.node(index).life.lifecycle();
        let ahead = self.plan_is_ahead(index);
        // This is what is wanted of it now, and not what waited for its turn.
        self.leave_line(index);
        let flags = &mut self.node_mut(index).flags;
        (flags.rests_unasked, flags.once_more) = (false, false);
        if column != Column::Stopped || matches!(before, Lifecycle::Declared | Lifecycle::Waiting) {
            // A group restart that is under way starts every kept spec, but not this one (R36).
            self.node_mut(index).flags.left_out = ahead && !fault!(group_revives_the_terminated);
        }
        match (column, self.node(index).life) {
            (Column::Running, Life::Unresponsive { .. }) => {
                self.wait(index, Goal::Rest, before, false);
                self.redirect(index, Then::Rest, Cause::Operator);
                self.settle_waits(index);
            }
            (Column::Running, Life::Stopping { .. }) => {
                self.wait(index, Goal::Rest, before, false);
                self.redirect(index, Then::Rest, Cause::Operator);
            }
            (Column::Running, _) => {
                self.wait(index, Goal::Rest, before, true);
                self.ask_to_stop(index, Then::Rest, Cause::Operator);
            }
            (Column::Restarting, _) if fault!(retry_outlives_terminate) => {
                self.reply_idempotent(ticket, index, before);
            }
            (Column::Restarting, _) | (Column::Stopped, Life::Waiting { .. }) => {
                self.wait(index, Goal::Rest, before, false);
                let news = News::new(EventKind::ChildStopped, Cause::Operator);
                if self.is_dynamic(index) {
                    self.remove(index, news)
                } else {
                    self.shift(index, Life::Stopped, news)
                }
            }
            (Column::Stopped, Life::Declared) => {
                // A plan that starts only what was never started leaves it out anyway; a later one does not (R29).
                let adds =
                    matches!(self.sup(self.node(index).parent).flow, Flow::Up { wave: Wave::Added, .. });
                self.node_mut(index).flags.left_out = ahead && !adds;
                self.shift(index, Life::Stopped, News::new(EventKind::ChildStopped, Cause::Operator));
                self.reply_idempotent(ticket, index, before);
            }
            (Column::Stopped, _) => self.reply_idempotent(ticket, index, before),
        }
    }

    fn start_again(&mut self, index: u32, column: Column) -> Result<(), SupervisorError> {
        let node = self.node(index);
        let (path, before) = (node.path.clone(), node.life.lifecycle());
        match column {
            Column::Running => return Err(SupervisorError::AlreadyStarted { path }),
            Column::Restarting if !fault!(restarting_is_started_again) => {
                if fault!(refused_start_forgives) {
                    self.forgive(index);
                }
                return refuse(&format!("{path} is restarting; terminate it first"));
            }
            Column::Restarting | Column::Stopped => {}
        }
        if before.is_parked() {
            return refuse(&format!("{path} is {before}; resume it, or restart it as an operator"));
        }
        if !node.flags.bound {
            return refuse(&format!("{path} cannot be started: nobody registered its factory"));
        }
        self.is_due_now(index);
        // A restart that was asked for earlier, and waits for its turn, is done with this start.
        if !fault!(earlier_restart_outlasts_the_start) {
            self.leave_line(index);
        }
        let flags = &mut self.node_mut(index).flags;
        (flags.again, flags.grow, flags.trial) = (false, false, Trial::Again);
        // A terminate that took it out of a group restart under way is undone.
        flags.left_out = false;
        self.wait(index, Goal::Started, before, false);
        // A plan that is under way starts it in its turn, and not before its group is down (R15, R27).
        if self.group_takes(index).is_some() {
            self.rejoin_plan(index);
        }
        if !self.plan_will_start(index) {
            self.try_start(index, Cause::Operator);
            if self.node(index).flags.awaited && !self.node(index).life.is_live() {
                self.settle_waits(index);
            }
        }
        Ok(())
    }

    fn delete(&mut self, index: u32, column: Column) -> Result<(), SupervisorError> {
        let node = self.node(index);
        let (path, before) = (node.path.clone(), node.life.lifecycle());
        match column {
            Column::Running => return refuse(&format!("{path} is running; terminate it first")),
            Column::Restarting => return refuse(&format!("{path} is restarting; terminate it first")),
            Column::Stopped if fault!(needed_child_is_deleted) => {}
            Column::Stopped => self.check_unneeded(index)?,
        }
        self.wait(index, Goal::Gone, before, false);
        self.remove(index, News::new(EventKind::ChildRuntimeStateRemoved, Cause::Operator));
        if self.node(index).flags.doomed {
            self.settle_waits(index);
        }
        Ok(())
    }

    fn reply_idempotent(&mut self, ticket: Ticket, index: u32, before: Lifecycle) {
        let mut outcome = self.outcome_now(index, before, false);
        outcome.idempotent = true;
        self.reply(ticket, Ok(Reply::Control(outcome)));
    }
}

fn refuse<T>(message: &str) -> Result<T, SupervisorError> {
    Err(SupervisorError::InvalidTransition { message: message.to_owned() })
}
