//! Groups: whom a failure takes down with it, for how long the group waits, and how it comes up (R23, R24, D3).

use supervisor_api::policy::Strategy;

use super::Machine;
use super::node::{Down, Flow, Life, NONE, Wave};
use super::timers::{Holder, NEVER};

impl Machine {
    /// A child of a supervisor with a group strategy failed: its group goes down, then up (R23, R24, D3).
    pub(super) fn begin_group(&mut self, sup: u32, failed: u32) {
        let record = self.sup(sup);
        let mut from = match record.context.policy.strategy {
            Strategy::OneForAll if fault!(round_goes_on_where_it_failed) && record.retry => {
                self.node(failed).rank
            }
            Strategy::OneForAll if !fault!(one_for_all_spares_the_earlier) => 0,
            Strategy::RestForOne if fault!(rest_for_one_takes_all) => 0,
            _ => self.node(failed).rank,
        };
        let mut cursor = record.last;
        if fault!(stops_forward) {
            cursor = self.indices_from(sup, from).next().unwrap_or(NONE);
        }
        match record.flow {
            Flow::Up { wave: Wave::Initial | Wave::Added, .. } => from = self.interrupt_start(sup, from),
            _ if record.reordered => from = self.widen_group(sup, from),
            Flow::Down { from: old, cursor: at, .. } => (from, cursor) = (from.min(old), at),
            Flow::Delay { from: old, .. } => from = from.min(old),
            // Those that the interrupted start has not come to are started with this one.
            Flow::Up { cursor, wave: Wave::Group(_), .. } if cursor != NONE => {
                let behind = self.indices_from(sup, self.node(cursor).rank);
                let next = { behind }.find(|&index| index != failed && self.plan_will_start(index));
                from = next.map_or(from, |next| from.min(self.node(next).rank));
            }
            _ => {}
        }
        self.sup_mut(sup).flow = Flow::Down { from, cursor, why: Down::Group { trigger: failed } };
        self.queue_flow(sup);
    }

    /// A failure while children are started. Those that were never started have their turn after the group; they are
    /// no members of it (R24). Who rests and has not had its turn yet is one. Says where to look for members from.
    fn interrupt_start(&mut self, sup: u32, from: u32) -> u32 {
        let is_left = |index| {
            let rests = matches!(self.node(index).life, Life::Stopped | Life::Completed | Life::Failed);
            rests && self.plan_will_start(index)
        };
        let left = self.indices(sup).take_while(|&index| self.node(index).rank < from);
        let left: Vec<(u32, bool)> = left.map(|index| (index, is_left(index))).collect();
        let reordered = left.iter().any(|(_, is_left)| *is_left);
        let record = self.sup_mut(sup);
        (record.more_added, record.reordered) = (true, reordered);
        if !reordered {
            return from;
        }
        for (index, is_left) in left {
            self.node_mut(index).flags.ahead = is_left;
        }
        self.widen_group(sup, from)
    }

    /// The place of a child may have another owner soon: a group that goes down, or up, because it failed names its
    /// supervisor from now on.
    pub(super) fn disown_group(&mut self, index: u32) {
        let sup = self.node(index).parent;
        let above = self.sup(sup).node;
        match &mut self.sup_mut(sup).flow {
            Flow::Down { why: Down::Group { trigger }, .. }
            | Flow::Delay { trigger, .. }
            | Flow::Up { wave: Wave::Group(trigger), .. }
                if *trigger == index =>
            {
                *trigger = above;
            }
            _ => {}
        }
    }

    /// A failure while a plan goes over an order that is not the one it began with: the new group has those whom
    /// the plan had still to do, and those from its own beginning on. Says where to look for them from.
    fn widen_group(&mut self, sup: u32, from: u32) -> u32 {
        self.leave_the_started(sup, from);
        for index in self.indices_from(sup, from).collect::<Vec<_>>() {
            self.node_mut(index).flags.ahead = true;
        }
        0
    }

    /// Whom a start would come by and somebody else has started since, such as its primary, is up already: the
    /// start had nothing to do there, so neither has the group that takes its place.
    fn leave_the_started(&mut self, sup: u32, from: u32) {
        if !matches!(self.sup(sup).flow, Flow::Up { .. }) || fault!(group_takes_whom_the_start_left) {
            return;
        }
        let earlier = self.indices(sup).take_while(|&index| self.node(index).rank < from);
        let started =
            earlier.filter(|&index| matches!(self.node(index).life, Life::Starting | Life::Running));
        for index in started.collect::<Vec<_>>() {
            self.node_mut(index).flags.ahead = false;
        }
    }

    /// Whether a plan has this child down already, or on its way down, to start it with its group.
    pub(super) fn group_takes(&self, index: u32) -> Option<u32> {
        match self.sup(self.node(index).parent).flow {
            Flow::Down { why: Down::Group { trigger }, .. } | Flow::Delay { trigger, .. } => {
                self.plan_is_ahead(index).then_some(trigger)
            }
            _ => None,
        }
    }

    /// Whether a plan that is under way comes by this child, and starts what it finds there.
    pub(super) fn plan_is_ahead(&self, index: u32) -> bool {
        let node = self.node(index);
        let sup = self.sup(node.parent);
        match sup.flow {
            Flow::Down { why: Down::Group { .. }, .. } | Flow::Delay { .. } if sup.reordered => {
                node.flags.ahead
            }
            Flow::Down { from, why: Down::Group { .. }, .. } | Flow::Delay { from, .. } => node.rank >= from,
            Flow::Up { cursor, begun, wave } => {
                let ahead =
                    cursor != NONE && (node.rank > self.node(cursor).rank || (cursor == index && !begun));
                ahead
                    && (node.flags.ahead || !sup.reordered)
                    && (wave != Wave::Added || node.life == Life::Declared)
            }
            _ => false,
        }
    }

    /// Whether a plan that is under way will start this child.
    pub(super) fn plan_will_start(&self, index: u32) -> bool {
        let node = self.node(index);
        let included = match node.life {
            Life::Declared | Life::Waiting { .. } | Life::Backoff { .. } => true,
            Life::Stopped | Life::Completed | Life::Failed => true,
            Life::Unresponsive { then } => !then.is_commanded(),
            _ => false,
        };
        let flags = &node.flags;
        included
            && flags.bound
            && !node.awaits_its_time()
            && !flags.left_out
            && !flags.doomed
            && self.plan_is_ahead(index)
            && self.is_revivable(index)
    }

    /// The group is down: it starts when the longest delay in it is over.
    pub(super) fn delay_group(&mut self, sup: u32, from: u32, trigger: u32) {
        let due =
            self.longest_delay(sup, from).flatten().filter(|_| !fault!(group_forgets_its_delay)).unwrap_or(0);
        // A failed start is tried again in a turn of its own, behind what is already asked for (R32).
        if due > self.now || self.sup(sup).retry {
            let due = due.max(self.now);
            self.sup_mut(sup).flow = Flow::Delay { from, trigger, due };
            self.set_group_due(sup, due);
        } else {
            self.raise_group(sup, from, trigger);
        }
    }

    /// When the last of the failed members may start; `Some(None)` when each may at once, `None` when there is none
    /// left.
    fn longest_delay(&self, sup: u32, from: u32) -> Option<Option<u64>> {
        let members = self.indices_from(sup, from);
        let members = members.filter(|&at| !self.sup(sup).reordered || self.node(at).flags.ahead);
        let delays = members.filter_map(|index| match self.node(index).life {
            Life::Backoff { at_once: true, .. } => Some(None),
            Life::Backoff { due, .. } => Some(Some(due)),
            _ => None,
        });
        if fault!(group_takes_the_shortest_delay) { delays.min() } else { delays.max() }
    }

    /// Looks at a waiting group again: a failed member may have been taken out of it, with its delay (D3).
    pub(super) fn check_delay(&mut self, sup: u32, from: u32, trigger: u32) -> bool {
        match self.longest_delay(sup, from) {
            None | Some(None) => {
                self.raise_group(sup, from, trigger);
                true
            }
            Some(Some(longest)) => {
                let due = longest.max(self.now);
                self.sup_mut(sup).flow = Flow::Delay { from, trigger, due };
                self.set_group_due(sup, due);
                false
            }
        }
    }

    fn raise_group(&mut self, sup: u32, from: u32, trigger: u32) {
        self.sup_mut(sup).retry = false;
        let cursor = self.indices_from(sup, from).next().unwrap_or(NONE);
        self.sup_mut(sup).flow = Flow::Up { cursor, begun: false, wave: Wave::Group(trigger) };
        self.queue_flow(sup);
    }

    /// An operator restarts a member of a group that waits: the group starts now (D3).
    pub(super) fn hurry_group(&mut self, sup: u32) {
        let members = self.indices(sup).filter(|&index| self.group_takes(index).is_some());
        for index in members.collect::<Vec<_>>() {
            if let Life::Backoff { at_once, .. } = &mut self.node_mut(index).life {
                *at_once = true;
            }
        }
        self.sup_mut(sup).retry = false;
        self.queue_flow(sup);
    }

    fn set_group_due(&mut self, sup: u32, due: u64) {
        let record = self.sup_mut(sup);
        if due < record.armed {
            record.armed = due;
            self.timers.push(due, Holder::Group(sup));
        }
    }

    pub(super) fn group_deadline(&mut self, sup: u32, at: u64) {
        if self.sup(sup).armed != at {
            return;
        }
        self.sup_mut(sup).armed = NEVER;
        if let Flow::Delay { from, trigger, due } = self.sup(sup).flow {
            if due <= self.now {
                self.raise_group(sup, from, trigger);
            } else {
                self.set_group_due(sup, due);
            }
        }
    }

    /// The children of rank `from` and above, in order. Walks back from the last, so it costs the scope.
    fn indices_from(&self, sup: u32, from: u32) -> impl Iterator<Item = u32> + '_ {
        let mut at = self.sup(sup).last;
        let mut first = NONE;
        while at != NONE && self.node(at).rank >= from {
            first = at;
            at = self.node(at).prev;
        }
        std::iter::from_fn(move || {
            let here = first;
            if here == NONE {
                return None;
            }
            first = self.node(here).next;
            Some(here)
        })
    }
}
