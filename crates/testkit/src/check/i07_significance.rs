//! Invariants 7 and 30: which ends end a supervisor (R77-R84), and when a stack is done (D20).

use supervisor_api::policy::{AutoShutdown, RestartType};
use supervisor_api::{Cause, Event, EventKind, Lifecycle};
use supervisor_core::{End, Machine};

use super::Checker;
use super::model::{NONE, Node};
use super::violation::{Check, must};

/// A significant child that ended by itself and is not started again, so that its supervisor ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fired {
    child: u32,
    /// The incarnation of its supervisor.
    incarnation: u32,
    /// Its group may have taken it down, of which cannot be told from outside.
    perhaps: bool,
}

impl Checker {
    /// A child ended by itself and rests. Whether that ends its supervisor is decided by what the others do now.
    pub(super) fn i07_rested(&mut self, at: u32, gone: bool) {
        if self.model.node(at).policy.significant && self.ends_supervisor(at, gone) {
            let incarnation = self.model.above(at).incarnation;
            let perhaps = self.group_may_take(at);
            self.fired.push(Fired { child: at, incarnation, perhaps });
        }
    }

    /// Whether the end of a significant child is one that ends its supervisor (R78, R79). `gone`: it leaves the tree.
    fn ends_supervisor(&self, at: u32, gone: bool) -> bool {
        let sup = self.model.above(at);
        match sup.policy().auto_shutdown {
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => {
                let others = sup.children.iter().filter(|other| **other != at);
                !others
                    .map(|other| self.model.node(*other))
                    // A sidecar that does not run rests as soon as its primary leaves the tree.
                    .filter(|other| !gone || other.primary != at || other.state().is_live())
                    .any(|other| other.policy.significant && is_active(other))
            }
            AutoShutdown::Never | AutoShutdown::AllDone => false,
        }
    }

    /// A run that was given up on, and whose end was a failure, is gone at last: a temporary child rests then.
    pub(super) fn i07_is_late_failure(&self, at: u32, event: &Event) -> bool {
        self.model.node(at).policy.restart == RestartType::Temporary && event.cause == Cause::Exit
    }

    /// Invariant 7. A stack that ends for having nothing to do names a child that failed, if one did (D20).
    pub(super) fn i07_says_who_failed(&self, end: &End) -> Check {
        let End::AllDone { failed } = end else { return Ok(()) };
        let mut all = self.model.there().skip(1).map(|at| self.model.node(at));
        let right = match failed {
            Some(path) => all.any(|node| node.path == *path && node.is(Lifecycle::Failed)),
            None => !all.any(|node| node.is(Lifecycle::Failed)),
        };
        must!(self, right, Decisions, "the tree has ended with {failed:?} as the child that failed");
        Ok(())
    }

    /// Invariant 7. A supervisor ends for a significant child only when that has ended just now, and a stack for having
    /// nothing to do only when that is so.
    pub(super) fn i07_ends_for_a_reason(&self, at: u32, event: &Event) -> Check {
        if event.kind != EventKind::SupervisorEnding {
            return Ok(());
        }
        let path = &self.model.node(at).path;
        match event.cause {
            Cause::Significant(index) => {
                let is_it = |fired: &Fired| {
                    let child = self.model.node(fired.child);
                    child.key.index == index && child.parent == at
                };
                must!(
                    self,
                    self.fired.iter().any(is_it),
                    Decisions,
                    "{path} ends for a significant child, and none has ended so that it should"
                );
            }
            Cause::Shutdown => {
                must!(
                    self,
                    at == 0 && self.nothing_is_left(),
                    Decisions,
                    "{path} ends for having nothing to do, and there is something"
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// Invariant 7. Whoever has to end for a significant child has begun to; during its initial start, after that.
    pub(super) fn i07_significance_fires(&mut self, machine: &Machine) -> Check {
        if self.fired.is_empty() || machine.has_open_plan() {
            return Ok(());
        }
        let mut fired = std::mem::take(&mut self.fired);
        let outcome = fired.iter().try_for_each(|fired| self.i07_has_fired(*fired));
        fired.retain(|fired| {
            let sup = self.model.above(fired.child);
            sup.initial && sup.incarnation == fired.incarnation && !self.done
        });
        self.fired = fired;
        outcome
    }

    fn i07_has_fired(&self, fired: Fired) -> Check {
        let child = self.model.node(fired.child);
        let (sup, node) = (self.model.above(fired.child), self.model.node(child.parent));
        // Somebody may have started it again while its supervisor still starts.
        let rests = !is_active(child) || child.is(Lifecycle::Unresponsive);
        let holds = rests
            && !fired.perhaps
            && sup.incarnation == fired.incarnation
            && !sup.initial
            && !self.done
            && node.is(Lifecycle::Running)
            && !self.model.is_closing(child.parent)
            && self.ends_supervisor(fired.child, child.is(Lifecycle::Removed));
        must!(
            self,
            !holds,
            Decisions,
            "{} ended, which should end its supervisor {} ({}), but that is {}",
            child.path,
            node.path,
            sup.policy().auto_shutdown,
            node.state()
        );
        Ok(())
    }

    /// Invariant 30. A stack that has nothing left to do has ended.
    pub(super) fn i30_ends_when_done(&self, machine: &Machine) -> Check {
        let grouped = self.model.sup_of(0).group.is_some();
        let quiet = !machine.has_open_plan() && !grouped && self.ending.is_none() && !self.done;
        must!(
            self,
            !(quiet && self.model.node(0).is(Lifecycle::Running) && self.nothing_is_left()),
            Convergence,
            "nothing is left to run, and the tree does not end"
        );
        Ok(())
    }

    /// Whether a tree that ends when all is done has nothing more to do (D20).
    fn nothing_is_left(&self) -> bool {
        use Lifecycle::{Completed, Failed, Running, Stopped};
        let root = self.model.sup_of(0);
        let idle = |at: u32| {
            let node = self.model.node(at);
            match node.state() {
                _ if node.sup != NONE && self.model.sup_of(at).policy().dynamic.is_some() => false,
                _ if node.policy.scheduled => false,
                Stopped | Completed | Failed => true,
                Running => node.sup != NONE,
                _ => false,
            }
        };
        root.policy().auto_shutdown == AutoShutdown::AllDone
            && !root.initial
            && self.announced
            && self.model.there().skip(1).all(idle)
    }
}

/// Whether a child runs, or is being started again (R79).
fn is_active(node: &Node) -> bool {
    let restarts = match node.state() {
        Lifecycle::Backoff => true,
        Lifecycle::Waiting => node.life.waits_again,
        _ => false,
    };
    node.is_there() && (node.state().is_live() || restarts)
}
