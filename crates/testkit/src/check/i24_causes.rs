//! Invariant 24: what an event names as its cause happened before it, was told, and concerns this child (D9).
//!
//! The model holds nothing but what was told and what was put in, so a cause that is found in it lies before its
//! effect. Whether a start or a stop is right at all is said by invariant 6.

use supervisor_api::{Cause, ChildKey, Event, EventKind, Exit, Lifecycle, Next};
use supervisor_core::{Effect, Input};

use super::model::{Group, Itself, NONE, Stop};
use super::violation::{Check, must};
use super::{Checker, Did};

impl Checker {
    /// Holds the cause of an event against what is known to have happened.
    pub(super) fn i24_cause_lies_before(&self, at: u32, event: &Event) -> Check {
        let node = self.model.node(at);
        // What follows on a stop has the cause of that.
        let stops =
            matches!(node.state(), Lifecycle::Stopping | Lifecycle::Unresponsive | Lifecycle::Removed);
        let follows = stops && node.life.stopped_for == event.cause
            || node.is(Lifecycle::Removed) && self.goes_on(at, event.cause);
        let known = match event.cause {
            _ if follows => true,
            Cause::Start => self.is_being_started(at),
            Cause::Exit => self.has_just_ended(at),
            Cause::Report => self.turn.reported == Some(at),
            Cause::Backoff => node.is(Lifecycle::Backoff) && node.life.due <= self.now,
            Cause::Deadline => self.has_run_out(at, event),
            Cause::Heartbeat => self.has_missed(at, event),
            Cause::Budget => self.turn.exhausted,
            Cause::Operator => self.was_asked_for(at),
            Cause::Shutdown => self.is_shut_down(at, event),
            Cause::Reload => self.is_reloaded(at),
            Cause::Dependency(_)
            | Cause::Group(_)
            | Cause::Escalation(_)
            | Cause::Unwind(_)
            | Cause::Primary(_)
            | Cause::Supervisor(_)
            | Cause::Significant(_) => self.is_caused_by_another(at, event),
            Cause::Schedule => node.life.timed,
            _ => false,
        };
        must!(
            self,
            known,
            Causes,
            "{} of {} names {:?} as its cause, and nothing such was told before (it was {}, and stopped last for {:?})",
            event.kind,
            node.path,
            event.cause,
            node.state(),
            node.life.stopped_for
        );
        let command = event.detail.as_ref().and_then(|detail| detail.command);
        must!(
            self,
            command.is_none_or(|command| command <= self.newest_ticket),
            Causes,
            "{} of {} belongs to command {command:?}, and the newest is {}",
            event.kind,
            node.path,
            self.newest_ticket
        );
        Ok(())
    }

    /// The initial start of its supervisor is under way, or its own is over.
    fn is_being_started(&self, at: u32) -> bool {
        let node = self.model.node(at);
        // An old run that did not end kept it from starting with the others.
        let earlier = node.life.spawned_in != self.model.above(at).incarnation;
        let late = node.is(Lifecycle::Unresponsive) && (earlier || node.life.given_up_early);
        let itself = node.sup != NONE && (at == 0 || node.is(Lifecycle::Starting));
        late || itself || !self.announced || self.model.above(at).initial || node.is(Lifecycle::Waiting)
    }

    /// Its run ended in this call, or the last of its children did.
    fn has_just_ended(&self, at: u32) -> bool {
        let node = self.model.node(at);
        // One that stays for somebody unresponsive below it goes when that is gone.
        let is_down =
            node.sup != NONE && matches!(node.state(), Lifecycle::Stopping | Lifecycle::Unresponsive);
        is_down || node.life.exited == self.call || self.goes_on(at, Cause::Exit)
    }

    /// What was told of it last, in this call, had the same cause.
    fn goes_on(&self, at: u32, cause: Cause) -> bool {
        let life = &self.model.node(at).life;
        life.told == self.call && life.cause == cause
    }

    fn has_run_out(&self, at: u32, event: &Event) -> bool {
        let node = self.model.node(at);
        match event.kind {
            EventKind::ChildStopping => node.is(Lifecycle::Starting),
            EventKind::ChildKilling => {
                let over = node.life.due <= self.now || self.skipped.is_some();
                node.is(Lifecycle::Stopping) && (over || self.is_killed_from_above(at))
            }
            EventKind::ChildUnresponsive => node.life.live.is_some_and(|live| live.given_up_at <= self.now),
            _ => false,
        }
    }

    fn has_missed(&self, at: u32, event: &Event) -> bool {
        let told = self.model.node(at).life.told;
        let missed = matches!(event.kind, EventKind::ChildHeartbeatMissed | EventKind::ChildUnhealthy);
        missed || event.kind == EventKind::ChildStopping && told == self.call
    }

    /// A command, or the registration of what it runs, concerns it and is not done yet.
    fn was_asked_for(&self, at: u32) -> bool {
        let node = self.model.node(at);
        let now = self.turn.commanded == Some(at) || self.turn.bound == Some(at);
        let bound = node.bound_late && node.is(Lifecycle::Declared);
        now || bound || self.goes_on(at, Cause::Operator) || self.is_freed(at) || node.life.order.is_some()
    }

    /// It went down with a sibling, and somebody took that away, or the dependency on it.
    pub(super) fn is_freed(&self, at: u32) -> bool {
        let node = self.model.node(at);
        let waits = node.is(Lifecycle::Waiting) || matches!(node.life.stopped_for, Cause::Dependency(_));
        node.needs.is_empty() && waits
    }

    fn is_shut_down(&self, at: u32, event: &Event) -> bool {
        match event.kind {
            EventKind::ShutdownRequested => self.turn.shuts_down,
            EventKind::ShutdownPhaseChanged => self.skipped == Some(self.now),
            EventKind::SupervisorEnding => at == 0,
            _ => self.ending.is_some() && self.model.node(at).parent == 0,
        }
    }

    fn is_reloaded(&self, at: u32) -> bool {
        let node = self.model.node(at);
        let now = self.turn.applied || self.goes_on(at, Cause::Reload);
        let freed = self.reloaded && self.is_freed(at);
        now || freed || node.life.kept || node.concerned.is_some() || node.life.added_by_spec
    }

    /// The cause has a name: it is there, stands in the right place, and did what is said of it.
    fn is_caused_by_another(&self, at: u32, event: &Event) -> bool {
        let node = self.model.node(at);
        let Some(by) = event.cause.child().and_then(|index| self.model.place(index)) else { return false };
        let (above, life) = (self.model.node(node.parent), &node.life);
        let ends = above.is(Lifecycle::Stopping);
        match event.cause {
            Cause::Dependency(index) if event.kind == EventKind::ChildWaiting => {
                // Who went down with a sibling waits until all that did are down, and nobody starts on one that is about
                // to go down with those who depend on it (D11).
                let line = matches!(life.stopped_for, Cause::Dependency(_)) || self.takes_dependants_down(by);
                let waits = line || !self.satisfies(at, by);
                node.needs.contains(&by) && waits && event.next == Next::WaitsFor(index)
            }
            Cause::Dependency(_) => node.needs.contains(&by),
            Cause::Group(_) => {
                let (group, other) = (self.model.above(at).group, self.model.node(by));
                // The group that took it down may be over, or overtaken, when it is gone at last.
                let stops = matches!(node.state(), Lifecycle::Stopping | Lifecycle::Unresponsive);
                // Whoever was needed by the one that fails goes down with it for the group before.
                let own = |group: Group| group.by == by || group.number == self.call && group.before == by;
                group.is_some_and(own)
                    || stops && (other.parent == node.parent && other.life.felled > 0 || by == node.parent)
            }
            Cause::Escalation(_) => {
                by == node.parent && ends && above.life.stop == Stop::Itself(Itself::GaveUp)
            }
            Cause::Unwind(_) if event.kind == EventKind::SupervisorEnding => {
                let child = self.model.node(by);
                child.parent == at && child.is(Lifecycle::Failed) && child.life.told == self.call
            }
            Cause::Significant(_) if event.kind == EventKind::SupervisorEnding => {
                self.model.node(by).parent == at
            }
            Cause::Unwind(_) | Cause::Significant(_) => ends && above.life.stopped_for == event.cause,
            Cause::Primary(_) if node.primary == NONE => !self.model.node(by).is_there(),
            Cause::Primary(_) => node.primary == by,
            // A supervisor stays for somebody below it who does not end.
            Cause::Supervisor(_) if event.kind == EventKind::ChildUnresponsive => {
                self.model.node(by).is(Lifecycle::Unresponsive) && self.model.is_below(by, at)
            }
            Cause::Supervisor(_) => {
                let outlived = life.spawned_in != self.model.above(at).incarnation;
                by == node.parent && (outlived || !above.is(Lifecycle::Running))
            }
            _ => false,
        }
    }

    /// What is told of how a run ended is what was reported, unless it was stopped for being too slow or unwell.
    pub(super) fn i24_exit_is_the_reported_one(&self, did: Did<'_>, effects: &[Effect]) -> Check {
        let Did::Input(Input::Exited { key, generation: _, exit }) = did else { return Ok(()) };
        for effect in effects {
            let Effect::Emit(event) = effect else { continue };
            let Some(told) = exit_of(event, *key) else { continue };
            must!(
                self,
                told == exit || matches!(told, Exit::Unhealthy { .. } | Exit::TimedOut { .. }),
                Causes,
                "a run ended as {exit}, and {} says {told}",
                event.kind
            );
        }
        Ok(())
    }
}

fn exit_of(event: &Event, key: ChildKey) -> Option<&Exit> {
    event.detail.as_ref().filter(|_| event.child == key)?.exit.as_ref()
}
