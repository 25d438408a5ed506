//! Why and how a supervisor ends by itself, up to the end of the whole tree.

use supervisor_api::policy::AutoShutdown;
use supervisor_api::{Cause, EventKind, Lifecycle};

use super::life::News;
use super::node::{Ending, Flow, Life, NONE, Step, Then, end_of};
use super::start::millis;
use super::timers::Timers;
use super::{Machine, waits};
use crate::face::{Effect, End, Reply, Ticket};

impl Machine {
    /// Whether children of a supervisor may be started: it is up, and nobody above it is ending (R64).
    pub(super) fn is_open(&self, sup: u32) -> bool {
        self.sup(sup).is_up() && !self.is_closing(sup)
    }

    /// Whether a supervisor, or one above it, is ending.
    pub(super) fn is_closing(&self, sup: u32) -> bool {
        let mut at = sup;
        while at != NONE {
            let record = self.sup(at);
            if record.is_ending() {
                return true;
            }
            at = self.node(record.node).parent;
        }
        false
    }

    /// A supervisor ends by itself: its children are stopped in order, then its parent decides.
    pub(super) fn end_itself(&mut self, sup: u32, ending: Ending, news: News) {
        if self.sup(sup).is_ending() {
            return;
        }
        let node = self.sup(sup).node;
        if matches!(self.node(node).life, Life::Starting | Life::Running) {
            self.shift(node, Life::Stopping { then: Then::Itself, step: Step::Asked }, news);
        }
        if node == 0 {
            self.shutdown_began = self.now;
        }
        self.end_supervisor(sup, ending);
    }

    /// A significant child ended by itself and is not started again (R78, R79).
    pub(super) fn significant_ended(&mut self, sup: u32, child: u32) {
        let record = self.sup(sup);
        let fires = match record.context.policy.auto_shutdown {
            AutoShutdown::AnySignificant => !fault!(significance_never_fires),
            // A supervisor that ended stays until who is unresponsive below it is gone; it is active no more.
            AutoShutdown::AllSignificant => {
                let stays = matches!(self.node(child).life, Life::Unresponsive { .. });
                record.significant == u32::from(stays) || fault!(first_of_all_fires)
            }
            AutoShutdown::Never | AutoShutdown::AllDone => false,
        };
        if !fires {
        } else if record.initial {
            // OTP looks at it after the initial start.
            self.sup_mut(sup).ended_early = Some(child).filter(|_| !fault!(early_significance_is_lost));
        } else {
            self.end_by_significance(sup, child);
        }
    }

    pub(super) fn end_by_significance(&mut self, sup: u32, child: u32) {
        let news = News::new(EventKind::SupervisorEnding, Cause::Significant(child));
        self.end_itself(sup, Ending::Significant { child }, news.text("a significant child ended"));
    }

    /// A stack ends by itself when nothing is left to run (D20).
    pub(super) fn end_if_all_done(&mut self) {
        let root = self.sup(0);
        let done = root.context.policy.auto_shutdown == AutoShutdown::AllDone
            && root.flow == Flow::Steady
            && !root.initial
            && self.busy == 0
            && (self.dynamic_supervisors == 0 || fault!(stack_forgets_who_may_come))
            && self.agenda.is_empty();
        if done && !self.ended {
            let news = News::new(EventKind::SupervisorEnding, Cause::Shutdown).text("nothing is left to run");
            self.end_itself(0, Ending::AllDone, news);
        }
    }

    /// Stops everything in order, then ends (D20). A second call joins the first.
    pub(super) fn shutdown(&mut self, ticket: Ticket) {
        if self.ended {
            self.reply(ticket, Ok(Reply::Shutdown));
            return;
        }
        if ticket != 0 && !(fault!(second_shutdown_is_unanswered) && self.sup(0).is_ending()) {
            if fault!(shutdown_is_answered_at_once) {
                self.reply(ticket, Ok(Reply::Shutdown));
            } else {
                self.shutdown_tickets.push(ticket);
            }
        }
        if self.sup(0).is_ending() {
            return;
        }
        let requester = self.command.as_ref().map(waits::Current::requester).unwrap_or_default();
        self.shutdown_by = self.command.clone();
        let news = News::new(EventKind::ShutdownRequested, Cause::Shutdown);
        if self.sup(0).flow == Flow::Idle {
            self.tell(0, news);
            self.finish_tree(Ending::Shutdown(requester));
        } else {
            self.end_itself(0, Ending::Shutdown(requester), news);
        }
    }

    /// Every child of a supervisor is gone or given up on.
    pub(super) fn supervisor_is_down(&mut self, sup: u32) {
        let record = self.sup_mut(sup);
        record.flow = Flow::Idle;
        let Some(ending) = record.ending.take() else { return };
        let node = record.node;
        if node == 0 {
            self.finish_tree(ending);
        } else if !(fault!(escalation_is_lost) && matches!(ending, Ending::GaveUp { .. })) {
            self.supervisor_gone(node, ending);
        }
    }

    fn finish_tree(&mut self, ending: Ending) {
        let took = millis(self.now - self.shutdown_began);
        let failed = matches!(ending, Ending::AllDone).then(|| self.a_failed_child()).flatten();
        let broken = matches!(ending, Ending::GaveUp { .. } | Ending::Unwind { .. });
        let news = News::new(EventKind::ShutdownCompleted, Cause::Shutdown).numbers(&[took]);
        let end = end_of(ending, |child| self.node(child).path.clone(), failed);
        let life = if broken { Life::Failed } else { Life::Stopped };
        if matches!(self.node(0).life, Life::Stopping { .. }) {
            self.shift(0, life, news);
        } else {
            self.tell(0, news);
        }
        self.finish_machine(end);
    }

    fn a_failed_child(&self) -> Option<supervisor_api::SupervisorPath> {
        if self.tally.in_state(Lifecycle::Failed) == 0 || fault!(failed_child_ends_well) {
            return None;
        }
        let failed = self.nodes.iter().find(|node| node.life == Life::Failed && node.parent != NONE);
        failed.map(|node| node.path.clone())
    }

    /// The last words: everybody who waits gets an answer.
    pub(super) fn finish_machine(&mut self, end: End) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.timers = Timers::default();
        self.refuse_all_waits();
        for ticket in std::mem::take(&mut self.shutdown_tickets) {
            self.reply(ticket, Ok(Reply::Shutdown));
        }
        self.out.push(Effect::Done(end));
    }
}
