//! Carrying out what the machine decided, in the order of its decisions.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use supervisor_api::{
    Cause, ChildKey, Event, EventKind, Lifecycle, Moments, Row, SupervisorError, SupervisorPath,
};
use supervisor_core::{ChildPolicy, Effect, Reply, Ticket};

use super::{After, Brain, Seat};
use crate::journal::Record;
use crate::kept::Kept;
use crate::row::SlotRow;
use crate::run;
use crate::schedule::Times;
use crate::slot::{About, Cell, FORGET, KILL, STOP, StopOrder};
use crate::spec::{Bound, Extras};
use crate::tree::Tree;

/// Effects, and what is put off, that there is always room for.
pub(super) const KEPT: usize = 1024;

impl Brain {
    /// Applies effects within one window of the journal, and gives the emptied list back.
    pub(crate) fn apply(&mut self, tree: &Arc<Tree>, now: u64, mut effects: Vec<Effect>) {
        if !effects.is_empty() {
            tree.journal.open_window();
            for effect in &mut effects {
                self.apply_one(tree, now, effect);
            }
            effects.clear();
            for key in std::mem::take(&mut self.unenforced) {
                self.tell_unenforced(tree, now, key);
            }
            tree.journal.close_window();
            // What one input led to may have been much, and seldom is.
            effects.shrink_to(KEPT);
        }
        self.effects = effects;
    }

    /// An effect is read where it lies: an event is large, and to move it costs more than to read it.
    fn apply_one(&mut self, tree: &Arc<Tree>, now: u64, effect: &mut Effect) {
        match effect {
            Effect::Declared { key, parent, path, body, policy } => {
                #[cfg(feature = "metrics")]
                self.count_declared(*key, *parent, path, policy);
                #[cfg(not(feature = "metrics"))]
                let _ = parent;
                self.declared(tree, *key, path.clone(), *body, Arc::clone(policy));
            }
            Effect::Changed { key, body, policy } => self.changed(tree, *key, *body, Arc::clone(policy)),
            Effect::Spawn { key, generation, attempt } => self.spawn(tree, *key, *generation, *attempt),
            Effect::Stop { key, grace } => {
                let deadline = grace.map_or(u64::MAX, |grace| now.saturating_add(grace));
                self.order(tree, *key, STOP, deadline);
            }
            Effect::Kill { key } => self.order(tree, *key, KILL, now),
            Effect::Emit(event) => self.emit(tree, now, event),
            Effect::Reply { ticket, result } => self.reply(tree, now, *ticket, result.clone()),
            Effect::Forget { key } => self.forget(tree, *key),
            Effect::Started => self.after.push(After::Started(Ok(()))),
            Effect::Done(end) => self.finish(tree, end.clone()),
        }
    }

    /// A new child is counted from here on, where anything is.
    #[cfg(feature = "metrics")]
    fn count_declared(
        &mut self,
        key: ChildKey,
        parent: ChildKey,
        path: &SupervisorPath,
        policy: &ChildPolicy,
    ) {
        let Some(meter) = &mut self.meter else { return };
        let above = self.machine.supervisor_policy(parent).filter(|_| key != ChildKey::ROOT);
        let dynamic = above.is_some_and(|above| above.dynamic.is_some());
        meter.declared(key, parent, path, policy.is_supervisor, dynamic);
    }

    fn declared(
        &mut self,
        tree: &Arc<Tree>,
        key: ChildKey,
        path: SupervisorPath,
        body: Option<u32>,
        policy: Arc<ChildPolicy>,
    ) {
        let extras = self.extras_of(&path, body);
        if extras.as_ref().is_some_and(|extras| !extras.unenforced.is_empty()) {
            self.unenforced.push(key);
        }
        if let Some((_, ticket)) = self.adding.take_if(|(adding, _)| *adding == path)
            && let Some(batch) = self.waiting.get_mut(&ticket).and_then(|waiter| waiter.batch.as_mut())
        {
            batch.key = Some(key);
        }
        if let Some(schedule) = extras.as_ref().and_then(|extras| extras.schedule.clone()) {
            self.after.push(After::KeepTime(Times::of(tree, key), Some(schedule)));
        }
        let about = About { path: Some(path), policy: Some(policy), extras };
        let before = tree.table.slot(key.index).declare(key.epoch, about);
        let moments = Moments { since: self.wall, run: 0 };
        tree.table.row(key.index).write(SlotRow { moments, ..SlotRow::DECLARED });
        self.clear_away(tree, before);
        let at = key.index as usize;
        if self.seats.len() <= at {
            self.seats.resize(at + 1, Seat::default());
        }
        self.seats[at] = Seat {
            epoch: key.epoch,
            body: body.map_or(0, |body| body + 1),
            present: true,
            ..Seat::default()
        };
        if self.is_late(body) {
            self.rebind.push(key);
        }
        tree.layout_version.fetch_add(1, Ordering::AcqRel);
    }

    /// What is left of the child that had the place before. A declared child that was removed is not forgotten, since
    /// it comes back with its supervisor (R48): its task has slept until now, and ends when it sees that the place
    /// is another's.
    fn clear_away(&mut self, tree: &Tree, before: Cell) {
        if let Some(kept) = before.kept {
            self.release(tree, *kept);
        }
        if let Some(waker) = before.waker {
            self.after.push(After::Wake(waker));
        }
    }

    fn extras_of(&self, path: &SupervisorPath, body: Option<u32>) -> Option<Arc<Extras>> {
        match body {
            Some(body) => self.body(body).and_then(|body| body.extras.clone()),
            None => self.supervisors.get(path).cloned(),
        }
    }

    fn is_late(&self, body: Option<u32>) -> bool {
        body.and_then(|body| self.body(body)).is_some_and(|body| matches!(body.run, Bound::Late(_)))
    }

    fn changed(&mut self, tree: &Arc<Tree>, key: ChildKey, body: Option<u32>, policy: Arc<ChildPolicy>) {
        let slot = tree.table.slot(key.index);
        let path = slot.path().unwrap_or_else(SupervisorPath::root);
        let extras = self.extras_of(&path, body);
        let limits = |extras: &Option<Arc<Extras>>| {
            extras.as_ref().map(|extras| extras.unenforced.clone()).unwrap_or_default()
        };
        let unenforced = limits(&extras);
        let schedule =
            |extras: &Option<Arc<Extras>>| extras.as_ref().and_then(|extras| extras.schedule.clone());
        let (new, old) = (schedule(&extras), schedule(&slot.extras()));
        if new != old {
            self.after.push(After::KeepTime(Times::of(tree, key), new));
        }
        slot.change(|about| {
            if !unenforced.is_empty() && unenforced != limits(&about.extras) {
                self.unenforced.push(key);
            }
            about.policy = Some(policy);
            about.extras = extras;
        });
        if let Some(seat) = self.seats.get_mut(key.index as usize) {
            seat.body = body.map_or(0, |body| body + 1);
        }
        tree.layout_version.fetch_add(1, Ordering::AcqRel);
    }

    /// A run is wanted. The child's task is made with its first run, and again when its body has changed.
    fn spawn(&mut self, tree: &Arc<Tree>, key: ChildKey, generation: u64, attempt: u32) {
        let slot = tree.table.slot(key.index);
        let Some(seat) = self.seats.get_mut(key.index as usize) else { return };
        if std::mem::take(&mut seat.was_asked) {
            slot.cell().stop = None;
        }
        self.live += 1;
        // The machine tells of a run right after it has ordered it.
        slot.order_run(generation, attempt, tree.journal.next());
        if seat.hosted == seat.body {
            self.after.push(After::Ring(key.index));
            return;
        }
        let had_a_task = seat.hosted != 0;
        seat.hosted = seat.body;
        let number = seat.body - 1;
        let run = match self.body(number).map(|body| &body.run) {
            Some(Bound::Yes(run) | Bound::Late(run)) => Arc::clone(run),
            _ => return,
        };
        let host = slot.host().wrapping_add(1);
        slot.set_host(host);
        if had_a_task {
            self.after.push(After::Ring(key.index));
        }
        self.after.push(After::Launch(run, run::Seat { tree: Arc::clone(tree), key, number: host }));
    }

    /// A run has to stop, or to die. The cause comes with the event about it.
    fn order(&mut self, tree: &Tree, key: ChildKey, flag: u64, deadline: u64) {
        let slot = tree.table.slot(key.index);
        if !slot.is(key) {
            return;
        }
        if let Some(seat) = self.seats.get_mut(key.index as usize) {
            seat.was_asked = true;
        }
        let mut cell = slot.cell();
        let stop = cell.stop.get_or_insert(StopOrder { deadline, cause: Cause::Shutdown, detail: None });
        stop.deadline = stop.deadline.min(deadline);
        drop(cell);
        slot.raise(flag);
        self.after.push(After::Ring(key.index));
    }

    /// Publishes an event and with it the child's row; the row first, so that no reader sees an event whose
    /// row is older. Its text goes into the journal.
    pub(super) fn emit(&mut self, tree: &Tree, now: u64, event: &mut Event) {
        #[cfg(feature = "metrics")]
        if let Some(meter) = &mut self.meter {
            meter.event(now, event);
        }
        let slot = tree.table.slot(event.child.index);
        let record = Record::new(event, now, self.wall);
        let sequence = tree.journal.next();
        if let Some(detail) = &mut event.detail
            && let Some(exit) = &detail.exit
        {
            let mut cell = slot.cell();
            let past = cell.past.get_or_insert_default();
            past.ended(event.row.generation, exit, self.wall);
            if event.kind.tells_failure() {
                past.failed(sequence, detail);
            }
            self.told_end = Some((event.child.index, event.row.generation));
        }
        if event.kind == EventKind::ChildStopping
            && let Some(stop) = &mut slot.cell().stop
        {
            stop.cause = event.cause;
            stop.detail = event.detail.clone();
        }
        let row = tree.table.row(event.child.index);
        row.write(fold(row.read(), &record, sequence));
        if event.row.lifecycle == Lifecycle::Removed {
            // Not every removed child is forgotten: a declared one comes back with its supervisor (R48).
            tree.layout_version.fetch_add(1, Ordering::AcqRel);
            self.let_go(tree, event.child.index);
        }
        self.note_plane(tree, event, sequence);
        tree.journal.write(&record, event.detail.take());
    }

    /// What an event about the root says of the whole.
    fn note_plane(&mut self, tree: &Tree, event: &Event, sequence: u64) {
        use EventKind::{ChildStopping, Escalated, ShutdownRequested, SupervisorEnding};
        let ends = matches!(event.kind, ShutdownRequested | SupervisorEnding | Escalated | ChildStopping);
        if event.child == ChildKey::ROOT && (ends || event.row.lifecycle == Lifecycle::Stopping) {
            if self.ending_from == u64::MAX {
                self.after.push(After::Ending(sequence, event.detail.clone()));
            }
            self.ending_from = self.ending_from.min(sequence);
            tree.plane.mark_shutting_down();
        }
    }

    fn reply(&mut self, tree: &Tree, now: u64, ticket: Ticket, result: Result<Reply, SupervisorError>) {
        let Some(waiter) = self.waiting.remove(&ticket) else { return };
        if result.is_err()
            && self.at_hand == ticket
            && let Some(refused) = self.respec.take()
        {
            self.give_back(refused);
        }
        #[cfg(feature = "metrics")]
        if let Some(meter) = &self.meter {
            meter.answered(waiter.word, &result, self.at_hand != ticket);
        }
        if let Some(told) = waiter.told {
            self.tell_completed(tree, now, ticket, &told, &result);
        }
        self.settle(waiter.batch);
        self.after.push(After::Reply(waiter.reply, result));
    }

    /// What was kept of a child goes.
    fn release(&mut self, tree: &Tree, mut kept: Kept) {
        kept.release(&tree.logs);
        if let Some(held) = kept.held.take() {
            self.after.push(After::Drop(Box::new(held)));
        }
    }

    /// What the child at this place holds for its next run goes: there will be none, or not soon.
    pub(super) fn let_go(&mut self, tree: &Tree, index: u32) {
        let held = tree.table.slot(index).cell().kept.as_mut().and_then(|kept| kept.held.take());
        if let Some(held) = held {
            self.after.push(After::Drop(Box::new(held)));
        }
    }

    /// The child is no longer in the tree: its task ends, what was kept of it goes.
    fn forget(&mut self, tree: &Arc<Tree>, key: ChildKey) {
        let slot = tree.table.slot(key.index);
        if let Some(seat) = self.seats.get_mut(key.index as usize).filter(|seat| seat.epoch == key.epoch) {
            let before = std::mem::replace(seat, Seat { epoch: key.epoch, ..Seat::default() });
            if before.owns_body {
                self.discard_body(before.body - 1);
            }
        }
        #[cfg(feature = "metrics")]
        if let Some(meter) = &mut self.meter {
            meter.forget(key);
        }
        slot.raise(FORGET);
        self.after.push(After::Ring(key.index));
        let (kept, past) = {
            let mut cell = slot.cell();
            (cell.kept.take(), cell.past.take())
        };
        if let Some(kept) = kept {
            self.release(tree, *kept);
        }
        drop(past);
        if slot.extras().is_some_and(|extras| extras.schedule.is_some()) {
            self.after.push(After::KeepTime(Times::of(tree, key), None));
        }
        slot.change(|about| about.extras = None);
        if let Some(batch) = self.batches.remove(&key) {
            self.discard(batch);
        }
        tree.layout_version.fetch_add(1, Ordering::AcqRel);
    }
}

/// The row after an event.
pub(crate) fn fold(before: SlotRow, record: &Record, sequence: u64) -> SlotRow {
    let stopping = matches!(record.row.lifecycle, Lifecycle::Stopping | Lifecycle::Unresponsive);
    let killing = stopping && (before.killing || record.kind == EventKind::ChildKilling);
    let next_in = record.next.start_at().map(|at| at.saturating_sub(record.at));
    let stage = |row: &Row| (row.lifecycle, row.generation);
    SlotRow {
        row: record.row,
        as_of: sequence,
        killing,
        failed: before.failed || record.kind.tells_failure(),
        decision: if record.has_exit { Some(record.next.decision()) } else { before.decision },
        moments: before.moments.after(stage(&before.row), stage(&record.row), record.unix_nanos, next_in),
    }
}
