//! Invariant 5: in which order children are asked to stop.

use supervisor_api::policy::{Condition, Grace, StopOrder};
use supervisor_api::{Cause, Event, Lifecycle};

use super::Checker;
use super::model::{Node, Stop, nanos};
use super::violation::{Check, must};

impl Checker {
    /// A plan asks a child to stop: everybody after it is gone or given up on (R53), or, when children are
    /// stopped at once, everybody who depends on it (D19).
    pub(super) fn i05_stop_order(&self, at: u32, event: &Event) -> Check {
        if !is_planned(event.cause) || self.is_killed_from_above(at) {
            return Ok(());
        }
        let node = self.model.node(at);
        let sup = self.model.above(at);
        let policy = sup.policy();
        // Whom a group does not take is no matter to its order.
        let of_group = sup.group.filter(|_| matches!(event.cause, Cause::Group(_)));
        let waited_for = |other: &&u32| {
            let other = self.model.node(**other);
            let counts = |group| other.is_member_of(&group) && !other.is_apart_from(&group);
            other.is_waited_for() && of_group.is_none_or(counts)
        };
        let (held_by, why) = if policy.dynamic.is_some() {
            (None, "")
        } else if policy.stop == StopOrder::Concurrent {
            (node.needed_by.iter().find(waited_for), "depends on it")
        } else {
            // The last first: so the one that comes next is found without a pass over all.
            let later =
                sup.children.iter().rev().take_while(|other| self.model.node(**other).rank > node.rank);
            (later.clone().find(waited_for), "stands after it")
        };
        if let Some(held_by) = held_by {
            let other = self.model.node(*held_by);
            must!(
                self,
                false,
                StopOrder,
                "{} is asked to stop while {}, which {why}, is {}",
                node.path,
                other.path,
                other.state()
            );
        }
        Ok(())
    }

    /// Those who go down with a child are stopped one at a time, the last first (D10, D11).
    pub(super) fn i05_line_in_order(&self, at: u32, event: &Event) -> Check {
        let Cause::Dependency(on) = event.cause else { return Ok(()) };
        let Some(on) = self.model.place(on) else { return Ok(()) };
        let (node, sup) = (self.model.node(at), self.model.above(at));
        let in_line = |&other: &u32| {
            let other = self.model.node(other);
            other.is(Lifecycle::Stopping) && matches!(other.life.stopped_for, Cause::Dependency(_))
        };
        let runs = |other: &Node| matches!(other.state(), Lifecycle::Starting | Lifecycle::Running);
        let later = |&other_at: &u32| {
            let other = self.model.node(other_at);
            let needs = |on: u32| other.needs.contains(&on) && self.model.node(on).policy.restart_dependants;
            // Who started since the child is up again, or is a job that was done again, does not go down with it.
            let began = self.model.node(on).life.spawned_call;
            let again = match self.model.node(on).state() {
                Lifecycle::Running | Lifecycle::Completed => true,
                Lifecycle::Starting => self.condition(other_at, on) == Condition::Started,
                _ => false,
            };
            // Who ends by itself takes nobody down before it has ended.
            let ends = self.model.node(on).is(Lifecycle::Stopping)
                && matches!(self.model.node(on).life.stop, Stop::Itself(_));
            // Nor who waited for its end, which is why it started.
            let ended = self.model.node(on).is(Lifecycle::Failed)
                && self.condition(other_at, on) == Condition::Completed;
            // Nor one that its budget parks (D4).
            let needed = &self.model.node(on);
            let parked = needed.is(Lifecycle::Quarantined) && needed.life.cause == Cause::Budget;
            let spared = (ends || ended || parked) && other.life.spawned_call >= began;
            let newer = again && other.life.spawned_call >= began;
            // Nor, maybe, who needs it only since a new spec said so.
            let relinked = other.linked > node.life.spawned_call;
            other.rank > node.rank
                && runs(other)
                && !newer
                && !relinked
                && (needs(on) && !spared || needs(at))
        };
        if let Some(other) = sup.children.iter().find(|other| in_line(other) || later(other)) {
            let other = self.model.node(*other);
            must!(
                self,
                false,
                StopOrder,
                "{} goes down with {} while {} is still {}",
                node.path,
                self.model.node(on).path,
                other.path,
                other.state()
            );
        }
        Ok(())
    }

    /// Whether a supervisor above is killed because its own grace is over, so that nobody below has one (R63).
    pub(super) fn is_killed_from_above(&self, at: u32) -> bool {
        let mut at = at;
        while at != 0 {
            at = self.model.node(at).parent;
            let node = self.model.node(at);
            if at == 0 || !node.is(Lifecycle::Stopping) {
                continue;
            }
            let over = match node.policy.grace {
                Grace::Brutal => true,
                // A new spec does not change the grace of a stop that is under way. Who ended by itself, and is
                // asked to stop since, has the one of now.
                Grace::Timeout(grace) => {
                    let own = node.life.stopping_at.saturating_add(nanos(grace));
                    own.min(node.life.due) <= self.now
                }
                Grace::Infinity => node.life.due <= self.now,
            };
            if over {
                return true;
            }
        }
        false
    }

    /// A child stands after all it depends on, whatever the order in the spec (D11).
    pub(super) fn i05_stands_after_its_needs(&self, at: u32) -> Check {
        let node = self.model.node(at);
        let wrong = node.needs.iter().map(|on| self.model.node(*on)).find(|on| on.rank >= node.rank);
        if let Some(on) = wrong {
            must!(self, false, StopOrder, "{} depends on {} and stands before it", node.path, on.path);
        }
        Ok(())
    }

    /// While a supervisor is taken down, somebody is being waited for: a dynamic one asks all at once (R54), a
    /// concurrent one all whom nobody needs, and any other one at a time.
    pub(super) fn i05_stop_goes_on(&self, above: u32) -> Check {
        let sup = self.model.sup_of(above);
        let of_group = match sup.group {
            _ if self.model.node(above).is(Lifecycle::Stopping) => None,
            Some(group) if !group.up && !group.mixed => Some(group),
            _ => return Ok(()),
        };
        let members = || {
            let all = sup.children.iter().rev().map(|at| self.model.node(*at));
            all.filter(move |node| of_group.is_none_or(|group| node.is_member_of(&group)))
        };
        let apart = |node: &Node| of_group.is_some_and(|group| node.is_apart_from(&group));
        let runs = |node: &Node| matches!(node.state(), Lifecycle::Starting | Lifecycle::Running);
        let at_once = sup.policy().dynamic.is_some();
        let concurrent = sup.policy().stop == StopOrder::Concurrent;
        let forgotten = if at_once || concurrent {
            members().find(|node| {
                let goes =
                    |by: &Node| by.is_waited_for() && of_group.is_none_or(|group| by.is_member_of(&group));
                let needed = node.needed_by.iter().any(|by| goes(self.model.node(*by)));
                runs(node) && !apart(node) && (at_once || !needed)
            })
        } else if members().any(|node| node.is(Lifecycle::Stopping)) {
            None
        } else {
            members().find(|node| runs(node) && !apart(node))
        };
        if let Some(node) = forgotten {
            let path = &self.model.node(above).path;
            must!(
                self,
                false,
                StopOrder,
                "{} is {} while its supervisor {path} is taken down, and nobody is waited for",
                node.path,
                node.state()
            );
        }
        Ok(())
    }
}

/// Whether a plan of the supervisor is the cause.
fn is_planned(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Group(_)
            | Cause::Supervisor(_)
            | Cause::Shutdown
            | Cause::Escalation(_)
            | Cause::Significant(_)
            | Cause::Unwind(_)
    )
}
