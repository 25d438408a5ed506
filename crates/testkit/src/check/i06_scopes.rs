//! Invariant 6: every start and every stop has its reason, and a strategy touches exactly its scope.

use supervisor_api::policy::{StartOrder, Strategy};
use supervisor_api::{Cause, Event, EventKind, Lifecycle};
use supervisor_core::Machine;

use super::Checker;
use super::adopt::Concerns;
use super::model::{Group, NONE, Order, Stop, is_late};
use super::violation::{Check, must};

impl Checker {
    /// The stop of a child has its reason.
    pub(super) fn i06_stop_has_a_reason(&self, at: u32, event: &Event) -> Check {
        let node = self.model.node(at);
        let life = &node.life;
        let reason = match event.cause {
            Cause::Group(_) => self.group_takes(at) || self.group_may_take(at),
            Cause::Supervisor(_)
            | Cause::Shutdown
            | Cause::Escalation(_)
            | Cause::Significant(_)
            | Cause::Unwind(_) => self.model.is_closing(node.parent),
            Cause::Operator => life.order.is_some(),
            Cause::Dependency(_) => self.goes_down_with_another(at),
            // Its primary may be gone by now, with the link.
            Cause::Primary(_) if node.primary == NONE => life.alone,
            Cause::Primary(_) => self.is_at_rest(node.primary),
            Cause::Heartbeat => life.row.health == supervisor_api::Health::Unhealthy,
            Cause::Deadline => {
                let limit = node.policy.ready_within.unwrap_or(u64::MAX);
                node.is(Lifecycle::Starting) && life.spawned_at.saturating_add(limit) <= self.now
            }
            Cause::Reload => {
                must!(
                    self,
                    node.concerned.is_some(),
                    Apply,
                    "{} is asked to stop for a new spec that does not change it",
                    node.path
                );
                true
            }
            _ => false,
        };
        must!(
            self,
            reason,
            Scope,
            "{} is asked to stop for {:?}, which is no reason now (it is {}, {:?} was asked for)",
            node.path,
            event.cause,
            node.state(),
            life.order
        );
        Ok(())
    }

    /// Whether those who depend on a child are stopped with it: it is down, was down, or is to go down (D11).
    pub(super) fn takes_dependants_down(&self, on: u32) -> bool {
        let node = self.model.node(on);
        let goes = node.life.fell
            || !node.is(Lifecycle::Running)
            || node.life.order.is_some()
            || node.concerned.is_some()
            || self.goes_down_with_another(on);
        node.policy.restart_dependants && goes
    }

    /// Whether a child goes down with one that it needs; also with the run before of one that is up again since.
    fn goes_down_with_another(&self, at: u32) -> bool {
        let node = self.model.node(at);
        node.needs.iter().any(|&on| {
            let needed = self.model.node(on);
            let again = needed.life.spawned_call > node.life.spawned_call;
            self.takes_dependants_down(on) || needed.policy.restart_dependants && again
        })
    }

    /// Whether a child is down for good, as far as its sidecars go (D15).
    pub(super) fn is_at_rest(&self, at: u32) -> bool {
        let state = self.model.node(at).state();
        state.is_parked() || matches!(state, Lifecycle::Completed | Lifecycle::Failed | Lifecycle::Removed)
    }

    /// Whether the state of a child is of this incarnation of its supervisor; what is held stays so through several.
    fn is_of_now(&self, at: u32) -> bool {
        let node = self.model.node(at);
        node.state().is_parked() || node.life.spawned_in == self.model.above(at).incarnation
    }

    /// A sidecar does not run on when its primary rests (D15), unless somebody started it since.
    pub(super) fn i06_sidecars_rest(&mut self, machine: &Machine) -> Check {
        if self.laid_off.is_empty() || machine.has_open_plan() {
            return Ok(());
        }
        let mut laid_off = std::mem::take(&mut self.laid_off);
        let outcome = laid_off.drain(..).try_for_each(|(at, run)| {
            let node = self.model.node(at);
            let runs = matches!(node.state(), Lifecycle::Starting | Lifecycle::Running);
            let rests = node.primary != NONE && self.is_at_rest(node.primary) && self.is_of_now(node.primary);
            must!(
                self,
                !runs || !rests || self.done || (node.key.epoch, node.life.row.generation) > run,
                Scope,
                "{} is {} although its primary is {}",
                node.path,
                node.state(),
                self.model.node(node.primary).state()
            );
            Ok(())
        });
        self.laid_off = laid_off;
        outcome
    }

    /// The start of a child has its reason.
    pub(super) fn i06_start_has_a_reason(&mut self, at: u32, event: &Event) -> Check {
        let node = self.model.node(at);
        let (life, state) = (&node.life, node.state());
        let sup = self.model.above(at);
        let alone = sup.policy().strategy == Strategy::OneForOne;
        // Its old run is gone at last, and what was to be done with it then is done (D8).
        let late = state == Lifecycle::Unresponsive && life.afterwards;
        let reason = match event.cause {
            // Whom it waited for may be gone, so that nobody is left to name.
            Cause::Start => at == 0 || sup.initial || state == Lifecycle::Waiting || late,
            // Who is new in this incarnation has its turn with any start that goes over a new order.
            // A job that had its run has it once more only when somebody asks for that (D18).
            Cause::Group(_) => {
                let had_its_run = state == Lifecycle::Completed && !self.is_revivable(at);
                // A sidecar comes before its primary, whoever asks for that.
                let asked = self.is_asked_for(at) || node.primary != NONE && self.is_asked_for(node.primary);
                let new = life.spawned_in != sup.incarnation;
                let member = sup.group.is_some_and(|group| {
                    let perhaps = life.perhaps == group.number;
                    // Whose primary was removed is started with whoever comes by.
                    node.is_member_of(&group) || perhaps || group.mixed && (new || asked || life.alone)
                });
                (member || late) && (!had_its_run || asked)
            }
            Cause::Exit => {
                alone && life.grows || late && matches!(life.stop, Stop::Unhealthy | Stop::TimedOut)
            }
            Cause::Supervisor(_) => {
                (late || state == Lifecycle::Declared) && life.spawned_in != sup.incarnation
            }
            Cause::Backoff => state == Lifecycle::Backoff,
            Cause::Operator => {
                let bound = node.bound_late && state == Lifecycle::Declared;
                life.order == Some(Order::Start) || bound || self.turn.bound == Some(at) || self.is_freed(at)
            }
            Cause::Schedule => node.policy.scheduled,
            Cause::Dependency(_) => !node.needs.is_empty(),
            Cause::Primary(_) => node.primary != NONE,
            Cause::Reload => {
                must!(
                    self,
                    self.i31_is_new_or_changed(at),
                    Apply,
                    "{} is started for a new spec that does not change it (it was {state})",
                    node.path
                );
                true
            }
            _ => false,
        };
        must!(
            self,
            reason,
            Scope,
            "{} is started for {:?}, which is no reason now (it was {state}, {:?} was asked for)",
            node.path,
            event.cause,
            life.order
        );
        // A command may start whom the group will not.
        let apart = event.cause == Cause::Operator && !self.is_revivable(at);
        if self.group_takes(at) && !apart {
            self.i06_group_is_down(at, event.cause == Cause::Operator)?;
        }
        // Who waited had its turn, also if a new spec took away whom it waited for; so had whose old run did not end.
        if event.cause == Cause::Start && at != 0 && !is_late(state) {
            self.i06_in_turn(at)?;
        }
        Ok(())
    }

    /// In declared order a child is not started before those before it (R1).
    fn i06_in_turn(&self, at: u32) -> Check {
        let node = self.model.node(at);
        let sup = self.model.above(at);
        if sup.policy().order != StartOrder::Declared {
            return Ok(());
        }
        let earlier = sup.children.iter().map(|other| self.model.node(*other));
        let unready = |other: &super::model::Node| {
            let begun =
                matches!(other.state(), Lifecycle::Starting | Lifecycle::Backoff | Lifecycle::Stopping);
            // Who waited in its turn was passed over, as was who is started out of turn.
            begun && other.life.started_in != sup.incarnation && other.life.start == Cause::Start
        };
        for other in earlier.take_while(|other| other.rank < node.rank) {
            must!(
                self,
                !unready(other),
                Scope,
                "{} is started while {}, which stands before it, is {}",
                node.path,
                other.path,
                other.state()
            );
        }
        Ok(())
    }

    // Groups.

    /// Whether a plan has this child down, or on its way down, to start it with its group.
    pub(super) fn group_takes(&self, at: u32) -> bool {
        let node = self.model.node(at);
        at != 0 && self.model.above(at).group.is_some_and(|group| !group.up && node.is_member_of(&group))
    }

    /// The same of a child of whom it cannot be told from outside.
    pub(super) fn group_may_take(&self, at: u32) -> bool {
        let (group, life) = (self.model.above(at).group, &self.model.node(at).life);
        at != 0 && group.is_some_and(|group| !group.up && life.perhaps == group.number)
    }

    /// Whether a restart by command, which may have had to wait for its turn, hurries the group of a child (D3).
    pub(super) fn is_hurried(&self, at: u32) -> bool {
        let started = |at: &u32| self.model.node(*at).life.order == Some(Order::Start);
        self.group_takes(at) && self.model.above(at).children.iter().any(started)
    }

    /// A child failed under a group strategy: its group goes down, then up (R23, R24).
    pub(super) fn group_begins(&mut self, at: u32) {
        let node = self.model.node(at);
        let (parent, rank, call) = (node.parent, node.rank, self.call);
        self.model.life(at).felled = call;
        let sup = self.model.sup_of_mut(parent);
        let own = if sup.policy().strategy == Strategy::OneForAll { 0 } else { rank };
        let old = sup.group;
        let mixed = old.is_some_and(|group| group.up || group.mixed) || sup.initial;
        let since = old.filter(|old| !old.up).map_or(call, |old| old.since);
        let sorted = old.map_or(0, |old| old.sorted);
        let before = old.map_or(NONE, |group| group.by);
        sup.group = Some(Group { number: call, since, by: at, before, up: false, mixed, sorted });
        if old.is_none() {
            self.groups.push(parent);
        }
        let children = self.model.sup_of(parent).children.clone();
        let from = old.map_or(own, |old| own.min(self.left_from(parent, &old)));
        for child in children {
            let node = self.model.node(child);
            let left = old.is_some_and(|old| self.is_left_by(child, &old));
            if node.rank < from && !left {
                if old.is_some_and(|old| !old.up && node.life.perhaps == old.number) {
                    self.model.life(child).perhaps = call;
                }
                continue;
            }
            // Along a new order it is not told whether the start that is overtaken has come by those whom nobody, or
            // somebody else, started; where it goes by ranks, by those whom an operator did.
            let since = |old: Group| {
                let by_others = old.sorted > 0 || node.life.start == Cause::Operator;
                by_others && node.life.spawned_call > old.number
            };
            let apart = node.rank < own && node.is_waited_for() && old.is_some_and(since);
            let unsure = apart || node.is(Lifecycle::Declared) && old.is_some_and(|old| old.sorted > 0);
            let life = self.model.life(child);
            if unsure && old.is_some_and(|old| old.up) {
                life.perhaps = call;
            } else {
                life.member = call;
                // What passed it over is long done; this group starts it.
                life.left_out &= old.is_some();
            }
        }
    }

    /// How far the start of a group has come, as a rank: to the last that it is known to have come by, and on to the
    /// next that a start in order waits for. `None`: to nobody.
    fn front_of(&self, parent: u32, group: &Group) -> Option<u32> {
        if self.open_before {
            // It was cut short, and goes on with the next call.
            let last = self.last_visited(parent, group);
            return last.map(|last| self.model.node(self.model.sup_of(parent).children[last]).rank);
        }
        Some(self.front_at_rest(parent, group))
    }

    fn last_visited(&self, parent: u32, group: &Group) -> Option<usize> {
        let visited = |at: &u32| self.model.node(*at).life.visited >= group.sorted.max(group.number);
        self.model.sup_of(parent).children.iter().rposition(visited)
    }

    /// The same when nothing of the plan was left for the next call.
    fn front_at_rest(&self, parent: u32, group: &Group) -> u32 {
        let children = &self.model.sup_of(parent).children;
        // Along a new order it begins with the first of all, and a start in order waits for whoever it finds there.
        let is_first = |at: &u32| group.sorted > 0 || self.model.node(*at).is_member_of(group);
        let from = self.last_visited(parent, group).or_else(|| children.iter().position(is_first));
        let Some(from) = from else { return u32::MAX };
        let in_turn = self.model.sup_of(parent).policy().order == StartOrder::Declared;
        let mut rest = children[from..].iter().map(|at| self.model.node(*at));
        rest.find(|node| in_turn && node.is_begun()).map_or(u32::MAX, |node| node.rank)
    }

    /// At rest it is plain how far the start of a group has come. Whoever starts out of turn later, behind its front,
    /// does not hold it up.
    fn note_who_is_come_by(&mut self, parent: u32, group: &Group) {
        let (front, call) = (self.front_at_rest(parent, group), self.call);
        for at in self.model.sup_of(parent).children.clone() {
            if self.model.node(at).rank <= front {
                self.model.life(at).visited = call;
            }
        }
    }

    /// The rank of the first child that an interrupted start would still have started: the group that overtakes it
    /// begins there (D3). Along a new order nothing is said by ranks.
    fn left_from(&self, parent: u32, group: &Group) -> u32 {
        if !group.up || group.sorted > 0 {
            return u32::MAX;
        }
        let front = self.front_of(parent, group);
        let nodes = self.model.sup_of(parent).children.iter().map(|at| (*at, self.model.node(*at)));
        let mut behind = nodes.filter(|(_, node)| Some(node.rank) > front);
        behind.find(|(at, _)| self.is_to_be_started(*at)).map_or(u32::MAX, |(_, node)| node.rank)
    }

    /// Whether a start that comes by a child starts it.
    fn is_to_be_started(&self, at: u32) -> bool {
        use Lifecycle::{Backoff, Completed, Declared, Failed, Stopped, Unresponsive, Waiting};
        let node = self.model.node(at);
        let rests = match node.state() {
            Declared | Waiting | Backoff | Stopped | Completed | Failed => true,
            Unresponsive => matches!(node.life.order, None | Some(Order::Start)),
            _ => false,
        };
        let leaves = node.concerned == Some(Concerns::Dropped) || node.life.order == Some(Order::Remove);
        rests && node.can_start() && !node.life.left_out && !leaves && self.is_revivable(at)
    }

    /// Children are about to be put in another order: remembers whom the starts of groups have come by.
    pub(super) fn note_who_is_passed(&mut self) {
        for parent in self.groups.clone() {
            let Some(group) = self.model.sup_of(parent).group.filter(|group| group.up) else { continue };
            let children = self.model.sup_of(parent).children.clone();
            let front = self.front_of(parent, &group);
            let to_come =
                |at: &u32| self.model.node(*at).is_member_of(&group) && self.is_left_out(*at, &group);
            let waits = self.waits_for_the_leaving(parent, &group);
            if front == Some(u32::MAX) && !waits && !children.iter().any(to_come) {
                // It has come by everybody, so that those who are new are none of its members.
                self.model.sup_of_mut(parent).group = None;
                continue;
            }
            for at in children {
                if Some(self.model.node(at).rank) <= front {
                    self.model.life(at).passed = group.number;
                }
            }
        }
    }

    /// Whether a group that is overtaken by another still had a child to do: it goes down, or its start goes along a new
    /// order and has not come by the child.
    fn is_left_by(&self, at: u32, group: &Group) -> bool {
        let node = self.model.node(at);
        let come_by =
            || node.life.passed == group.number || Some(node.rank) <= self.front_of(node.parent, group);
        node.is_member_of(group) && (!group.up || group.sorted > 0 && !come_by())
    }

    /// Nothing of the new generation starts before the whole old one is gone or given up on (R27), and not
    /// before the largest delay in it is over (D3).
    fn i06_group_is_down(&mut self, at: u32, asked: bool) -> Check {
        let parent = self.model.node(at).parent;
        let Some(group) = self.model.sup_of(parent).group else { return Ok(()) };
        if group.up {
            return Ok(());
        }
        let hurried = asked || self.is_hurried(at);
        for member in self.members(parent, &group) {
            let node = self.model.node(member);
            must!(
                self,
                member == at || !node.is_waited_for() || node.is_apart_from(&group),
                Scope,
                "{} is started with its group while {} is still {}",
                self.model.node(at).path,
                node.path,
                node.state()
            );
            must!(
                self,
                hurried || !node.is(Lifecycle::Backoff) || node.life.due <= self.now,
                Backoff,
                "{} is started with its group, but {} is due at {} ns only",
                self.model.node(at).path,
                node.path,
                node.life.due
            );
        }
        // Somebody who is started alone, on command, is not the start of the group.
        if !asked {
            self.model.sup_of_mut(parent).group = Some(Group { up: true, ..group });
        }
        Ok(())
    }

    fn members<'a>(&'a self, parent: u32, group: &'a Group) -> impl Iterator<Item = u32> + 'a {
        let children = self.model.sup_of(parent).children.iter().copied();
        children.filter(|at| self.model.node(*at).is_member_of(group))
    }

    /// When the machine has come to rest, a group has gone as far as it can.
    pub(super) fn i06_groups_go_on(&mut self, machine: &Machine) -> Check {
        if self.done || machine.has_open_plan() {
            return Ok(());
        }
        let late = machine.next_deadline().is_some_and(|due| due <= self.now);
        for place in 0..self.touched.len() {
            let at = self.touched[place];
            let parent = self.model.node(at).parent;
            let above = self.model.sup_of_mut(parent);
            if std::mem::replace(&mut above.touched, self.call) == self.call {
                continue;
            }
            self.i05_stop_goes_on(parent)?;
        }
        let mut groups = std::mem::take(&mut self.groups);
        let outcome = groups.iter().try_for_each(|parent| self.i06_group_goes_on(*parent, late));
        groups.retain(|parent| self.model.sup_of(*parent).group.is_some());
        self.groups = groups;
        outcome
    }

    /// `late`: a tick is due, which may be what a group waits for.
    fn i06_group_goes_on(&mut self, parent: u32, late: bool) -> Check {
        let Some(mut group) = self.model.sup_of(parent).group else { return Ok(()) };
        if self.model.is_closing(parent) {
            return Ok(());
        }
        if !group.up {
            let held = |at: u32| {
                let node = self.model.node(at);
                let delayed = node.is(Lifecycle::Backoff) && (late || node.life.due > self.now);
                // Whoever stops when the plan comes to it is waited for, whatever it stops for.
                let held = !node.is_apart_from(&group) || node.is(Lifecycle::Stopping);
                node.is_waited_for() && held || delayed
            };
            if self.members(parent, &group).any(held) {
                return Ok(());
            }
            group.up = true;
            self.model.sup_of_mut(parent).group = Some(group);
        }
        if self.waits_for_the_leaving(parent, &group) {
            return Ok(());
        }
        self.note_who_is_come_by(parent, &group);
        let in_turn = self.model.sup_of(parent).policy().order == StartOrder::Declared;
        for at in self.members(parent, &group) {
            let node = self.model.node(at);
            if node.is_begun() && in_turn {
                return Ok(());
            }
            must!(
                self,
                group.mixed || !self.is_left_out(at, &group),
                Scope,
                "{} is {} and was not started with its group",
                node.path,
                node.state()
            );
        }
        // After a new spec, and in an initial start, the start goes over the whole order.
        let unsettled = |at: &u32| {
            let node = self.model.node(*at);
            node.is_begun() || node.is_there() && node.is(Lifecycle::Declared) && node.can_start()
        };
        let along_all = group.sorted > 0 || group.mixed && self.model.sup_of(parent).initial;
        if !(in_turn && along_all && self.model.sup_of(parent).children.iter().any(unsettled)) {
            self.model.sup_of_mut(parent).group = None;
        }
        Ok(())
    }

    /// Whether a start goes on only when somebody has left the tree, who is no member any more.
    fn waits_for_the_leaving(&self, parent: u32, group: &Group) -> bool {
        let leaves = |at: &u32| {
            let node = self.model.node(*at);
            node.concerned.is_some() && node.is(Lifecycle::Stopping)
        };
        group.mixed && self.model.sup_of(parent).children.iter().any(leaves)
    }

    /// Whether a group's start should have included a child that rests.
    fn is_left_out(&self, at: u32, group: &Group) -> bool {
        let node = self.model.node(at);
        let rests = matches!(
            node.state(),
            Lifecycle::Stopped | Lifecycle::Completed | Lifecycle::Failed | Lifecycle::Backoff
        );
        rests
            && !self.model.is_outlived(at)
            && !self.comes_with_its_primary(at)
            && node.can_start()
            && !node.life.left_out
            && !node.life.alone
            && node.concerned.is_none()
            && node.life.order != Some(Order::Remove)
            && node.life.raised != group.number
            && self.is_revivable(at)
    }

    /// Whether a child is a sidecar whose primary does not run either: it starts when that does, unless it has
    /// completed already (D15).
    fn comes_with_its_primary(&self, at: u32) -> bool {
        let node = self.model.node(at);
        let primary = node.primary;
        primary != NONE && (node.is(Lifecycle::Completed) || !self.model.node(primary).is_waited_for())
    }

    /// Whether a start of a whole group includes a child that does not run: every kept spec (R29), but for
    /// jobs that had their run (D18) and sidecars of a primary that rests (D15).
    pub(super) fn is_revivable(&self, at: u32) -> bool {
        self.primary_comes_back(at) && self.is_started_with_others(at)
    }

    /// Whether the primary of a sidecar, if it is one, is started with the others, or because an operator asked.
    fn primary_comes_back(&self, at: u32) -> bool {
        let on = self.model.node(at).primary;
        if on == NONE {
            return true;
        }
        let primary = self.model.node(on);
        let asked = primary.life.order == Some(Order::Start);
        // Who is up may be so although its own primary is parked.
        if matches!(primary.state(), Lifecycle::Starting | Lifecycle::Running) {
            return true;
        }
        !primary.state().is_parked()
            && self.primary_comes_back(on)
            && (asked || self.is_started_with_others(on))
    }

    /// Whether a child had no run yet, or is none of those that run once (D18).
    fn is_started_with_others(&self, at: u32) -> bool {
        let node = self.model.node(at);
        let ran = node.life.spawned_in == self.model.above(at).incarnation && !node.life.once_more;
        if !node.policy.keeps_row || !ran {
            return true;
        }
        match node.state() {
            Lifecycle::Completed => false,
            Lifecycle::Stopped | Lifecycle::Failed => node.retries(),
            // What was asked of it since counts, and not what it was stopped for.
            Lifecycle::Unresponsive if node.life.order.is_none() && node.concerned.is_none() => {
                let over =
                    matches!(node.life.stopped_for, Cause::Group(_) | Cause::Heartbeat | Cause::Deadline);
                !over || node.retries()
            }
            _ => true,
        }
    }

    /// Whether an operator or a new spec wants a child to start.
    fn is_asked_for(&self, at: u32) -> bool {
        let node = self.model.node(at);
        node.life.order == Some(Order::Start) || node.concerned.is_some()
    }

    /// Starts and stops as events tell of them.
    pub(super) fn i06_reasons(&mut self, at: u32, event: &Event) -> Check {
        if event.kind == EventKind::ChildStopping {
            self.i06_stop_has_a_reason(at, event)?;
            self.i05_line_in_order(at, event)?;
            return self.i05_stop_order(at, event);
        }
        if !self.begins(at, event) {
            return Ok(());
        }
        if self.model.node(at).sup != NONE {
            self.may_start(at)?;
            self.i10_not_early(at, event.row.attempt)?;
        }
        self.i06_start_has_a_reason(at, event)?;
        let number = self.model.above(at).group.map_or(0, |group| group.number);
        let call = self.call;
        let life = self.model.life(at);
        life.raised = number;
        // A start that goes over the whole order takes up who is new there as if it were the first (Cause::Start); who
        // waited is woken out of turn.
        let in_order = match event.cause {
            Cause::Group(_) => !is_late(life.row.lifecycle),
            Cause::Start => life.row.lifecycle == Lifecycle::Declared,
            _ => false,
        };
        if in_order {
            life.visited = call;
        }
        Ok(())
    }

    /// Whether an event tells of a run that was spawned just now, or of a new incarnation of a supervisor.
    pub(super) fn begins(&self, at: u32, event: &Event) -> bool {
        let node = self.model.node(at);
        if node.sup != NONE {
            return matches!(event.kind, EventKind::ChildStarting | EventKind::ChildRestarting);
        }
        self.turn.told_next == Some(at)
            && node.life.spawned_call == self.call
            && matches!(event.row.lifecycle, Lifecycle::Starting | Lifecycle::Running)
    }
}
