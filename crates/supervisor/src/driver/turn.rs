//! One turn: everything that waits is handed to the machine, in a fixed order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use supervisor_api::{ChildKey, Exit};
use supervisor_core::{Command, Input};

use super::apply::KEPT;
use super::{Brain, More};
use crate::clock::unix_nanos;
use crate::queue::{BEAT, DUE, MISSED, READY, Report};
use crate::slot::{How, Missed, RunEnd};
use crate::tree::Tree;

/// Reports of children that are handled in one turn; then readers and children have theirs.
const REPORTS: usize = 256;
/// The same in a turn that a child's task makes for others.
const OTHERS: usize = 64;

impl Brain {
    pub(super) fn launch(&mut self, tree: &Arc<Tree>, now: u64) {
        let mut effects = std::mem::take(&mut self.effects);
        self.machine.launch(now, &mut effects);
        self.apply(tree, now, effects);
    }

    /// A turn for the end of one run. If there is anything else to do it is left, with all the rest; in a stint, if there is
    /// but what others have left to that.
    pub(super) fn short_turn(
        &mut self,
        tree: &Arc<Tree>,
        now: u64,
        index: u32,
        end: RunEnd,
        goes_on: bool,
    ) -> More {
        let waits = if goes_on { self.has_orders(tree) } else { self.has_other_work(tree) };
        if waits || self.is_due(now) {
            tree.queue.leave(index, end);
        } else {
            self.follow_the_wall_clock(now);
            self.take_end(tree, now, index, end);
            self.leave_the_rest(tree);
        }
        More::Now
    }

    /// A turn for the ends that others have left. If there is anything else to do they are the driver's.
    pub(super) fn turn_for_others(&mut self, tree: &Arc<Tree>, now: u64) -> More {
        if !self.has_orders(tree) && !self.is_due(now) {
            self.follow_the_wall_clock(now);
            self.take_reports(tree, now, OTHERS);
            self.leave_the_rest(tree);
        }
        More::Now
    }

    pub(super) fn is_to_one_at_work(&self, tree: &Tree, command: &Command) -> bool {
        let Command::Control(_, address) = command else { return false };
        self.machine.locate(address).is_ok_and(|key| {
            let slot = tree.table.slot(key.index);
            slot.is(key) && slot.is_at_work()
        })
    }

    /// Whether something waits that came before.
    pub(super) fn has_other_work(&self, tree: &Tree) -> bool {
        !self.reports.is_empty() || !tree.queue.is_empty() || self.has_orders(tree)
    }

    /// Whether something waits that is no report.
    fn has_orders(&self, tree: &Tree) -> bool {
        !self.inbox.is_empty()
            || !self.after.is_empty()
            || self.machine.has_open_plan()
            || tree.hard_stop.load(Ordering::Relaxed)
    }

    fn is_due(&self, now: u64) -> bool {
        self.machine.next_deadline().is_some_and(|due| due <= now)
    }

    /// The end of a turn that is not the driver's.
    pub(super) fn leave_the_rest(&self, tree: &Tree) {
        self.show_health(tree);
        let due = self.machine.next_deadline().unwrap_or(u64::MAX);
        // The driver sleeps until a time that was the first.
        if self.machine.has_open_plan() || self.done || !self.reports.is_empty() || due < self.armed {
            tree.ring();
        }
    }

    /// What the wall clock says: what it said when somebody looked, and the time since. It is looked at again soon, since
    /// somebody may set it.
    pub(super) fn follow_the_wall_clock(&mut self, now: u64) {
        const TRUSTED: u64 = 100_000_000;
        let since = now.saturating_sub(self.looked_at);
        if since < TRUSTED {
            self.wall = self.wall_then.saturating_add(since);
        } else {
            self.look_at_the_wall_clock(now);
        }
    }

    pub(super) fn look_at_the_wall_clock(&mut self, now: u64) {
        self.wall = unix_nanos();
        (self.wall_then, self.looked_at) = (self.wall, now);
    }

    fn show_health(&self, tree: &Tree) {
        let tally = self.machine.tally();
        tree.plane.set_health(tally.tree_health(), tally.withholds_ping());
    }

    pub(super) fn turn(&mut self, tree: &Arc<Tree>, now: u64) -> More {
        if self.done {
            self.dismiss(tree);
        }
        self.look_at_the_wall_clock(now);
        if tree.hard_stop.swap(false, Ordering::AcqRel) {
            self.feed(tree, now, Input::HardStop);
        }
        self.take_commands(tree, now);
        if self.machine.next_deadline().is_some_and(|due| due <= now) {
            self.feed(tree, now, Input::Tick);
        }
        if self.machine.has_open_plan() {
            let mut effects = std::mem::take(&mut self.effects);
            self.machine.go_on(now, &mut effects);
            self.apply(tree, now, effects);
        }
        self.take_reports(tree, now, REPORTS);
        self.show_health(tree);
        if self.dismissed && self.live == 0 {
            self.retire(tree);
            return More::Never;
        }
        let due = self.machine.next_deadline();
        let busy = self.machine.has_open_plan()
            || !self.reports.is_empty()
            || due.is_some_and(|due| due <= now)
            || self.done && !self.dismissed;
        self.armed = if busy { 0 } else { due.unwrap_or(u64::MAX) };
        if busy { More::Now } else { More::At(due) }
    }

    /// Hands one input to the machine and applies what it decides.
    pub(super) fn feed(&mut self, tree: &Arc<Tree>, now: u64, input: Input) {
        let mut effects = std::mem::take(&mut self.effects);
        self.machine.handle(now, input, &mut effects);
        self.apply(tree, now, effects);
        while let Some(key) = self.rebind.pop() {
            let mut effects = std::mem::take(&mut self.effects);
            self.machine.handle(now, Input::Bound { key }, &mut effects);
            self.apply(tree, now, effects);
        }
    }

    fn take_reports(&mut self, tree: &Arc<Tree>, now: u64, most: usize) {
        if self.reports.is_empty() {
            tree.queue.take(&mut self.reports);
        }
        for _ in 0..most {
            match self.reports.pop_front() {
                Some(Report::Said(index)) => self.take_said(tree, now, index),
                Some(Report::Ended(index, end)) => self.take_end(tree, now, index, end),
                None => break,
            }
        }
        if self.reports.is_empty() {
            self.reports.shrink_to(KEPT);
        }
        if self.reports.is_empty() && !tree.queue.is_empty() {
            tree.ring();
        }
    }

    /// What one child said: ready before beats.
    fn take_said(&mut self, tree: &Arc<Tree>, now: u64, index: u32) {
        let slot = tree.table.slot(index);
        let bits = slot.pending.swap(0, Ordering::AcqRel);
        let key = ChildKey { index, epoch: slot.epoch() };
        let (ready, beat, missed) = {
            let mut cell = slot.cell();
            let missed = if bits & MISSED != 0 { cell.missed.take() } else { None };
            (cell.ready, cell.beat, missed)
        };
        if bits & READY != 0 {
            self.feed(tree, now, Input::Ready { key, generation: ready });
        }
        if bits & BEAT != 0 {
            self.feed(tree, now, Input::Beat { key, generation: beat });
        }
        if let Some(missed) = missed {
            let Missed { generation, why, at_once } = *missed;
            let said = if at_once {
                Input::Unwell { key, generation, why }
            } else {
                Input::Missed { key, generation, why }
            };
            self.feed(tree, now, said);
        }
        if bits & DUE != 0 {
            self.feed(tree, now, Input::Due { key });
        }
    }

    /// A run is over. Its end is kept, whatever is told of it.
    fn take_end(&mut self, tree: &Arc<Tree>, now: u64, index: u32, end: RunEnd) {
        self.live = self.live.saturating_sub(1);
        let RunEnd { epoch, generation, was_asked, how } = end;
        let key = ChildKey { index, epoch };
        if was_asked {
            self.was_asked(tree, key);
        }
        match how {
            How::Exited(exit) => {
                let kept = exit.clone();
                self.told_end = None;
                self.feed(tree, now, Input::Exited { key, generation, exit });
                // The event that tells of an end keeps it.
                if self.told_end != Some((index, generation)) {
                    self.keep_end(tree, key, generation, &kept);
                }
            }
            How::Declined(reason) => self.feed(tree, now, Input::Declined { key, generation, reason }),
        }
    }

    /// Keeps an end of which nothing was told.
    fn keep_end(&self, tree: &Tree, key: ChildKey, generation: u64, exit: &Exit) {
        if self.seat(key).is_some() {
            let mut cell = tree.table.slot(key.index).cell();
            cell.past.get_or_insert_default().ended(generation, exit, self.wall);
        }
    }

    /// The request to stop a run that is over is of no more use, and goes with its next run.
    fn was_asked(&mut self, tree: &Tree, key: ChildKey) {
        let slot = tree.table.slot(key.index);
        if let Some(seat) = self.seats.get_mut(key.index as usize).filter(|_| slot.is(key)) {
            seat.was_asked = true;
            if let Some(stop) = &mut slot.cell().stop {
                stop.detail = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{Backoff, ChildSpec, EventKind, Supervisor, SupervisorSpec};

    #[tokio::test(start_paused = true)]
    async fn the_driver_hears_of_an_earlier_deadline_that_a_child_has_set_by_its_end() {
        let child = ChildSpec::service("a", |_| async { Err::<(), _>("again") });
        let backoff = Backoff { jitter_ratio: 0.0, ..Backoff::default() };
        let spec = SupervisorSpec::root([child.backoff(backoff)]).unlimited();
        let handle = Supervisor::start(spec).await.unwrap();
        let mut events = handle.events_after(0);
        let mut started = Vec::new();
        while started.len() < 4 {
            let item = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
            let item = item.expect("nobody looks at the deadline").unwrap();
            let event = item.event().unwrap();
            if event.event.kind == EventKind::ChildRestarted {
                started.push(event.at / 1_000_000);
            }
        }
        assert_eq!(started, [0, 100, 300, 700]);
    }
}
