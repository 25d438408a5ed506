//! The driver's side: who counts where, and what an event adds.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use supervisor_api::report::ReconcileReport;
use supervisor_api::{
    ChildKey, Event, EventKind, Health, Lifecycle, Next, Row, SupervisorError, SupervisorPath,
};
use supervisor_core::Reply;

use super::series::{Answer, Counts, SERIES, Series, Supervisor};

/// Where a child counts, and what is counted of it now.
struct Place {
    series: Arc<Series>,
    /// The supervisor under whose path it counts.
    above: Arc<Supervisor>,
    /// It is a supervisor with a series of its own.
    here: Option<Arc<Supervisor>>,
    state: Option<Lifecycle>,
    generation: u64,
    restarts: u32,
    stale: bool,
}

/// Counts for one tree. Belongs to the driver, so it takes no lock but to enter a child into the book.
pub(crate) struct Meter {
    counts: Arc<Counts>,
    /// By the child's index.
    places: Vec<Option<Place>>,
}

impl Meter {
    pub(super) fn new(counts: Arc<Counts>) -> Self {
        Self { counts, places: Vec::new() }
    }

    pub(super) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// A child is in the tree. Its supervisor was declared before.
    pub(crate) fn declared(
        &mut self,
        key: ChildKey,
        parent: ChildKey,
        path: &SupervisorPath,
        is_supervisor: bool,
        among_dynamic: bool,
    ) {
        let at = key.index as usize;
        if self.places.len() <= at {
            self.places.resize_with(at + 1, || None);
        }
        self.enter(at, None);
        let again = self.places[at].as_ref().is_some_and(|place| {
            place.series.child.as_ref().is_some_and(|(known, at)| *known == key && at == path)
        });
        if again {
            // It comes back with its supervisor, and counts on.
            if let Some(place) = &mut self.places[at] {
                (place.generation, place.restarts, place.stale) = (0, 0, false);
            }
        } else {
            self.leave(key.index);
            self.places[at] = Some(self.place(key, parent, path, is_supervisor, among_dynamic));
        }
        self.enter(at, Some(Lifecycle::Declared));
    }

    fn place(
        &self,
        key: ChildKey,
        parent: ChildKey,
        path: &SupervisorPath,
        is_supervisor: bool,
        among_dynamic: bool,
    ) -> Place {
        let supervisor = |path: &SupervisorPath| Arc::new(Supervisor::new(key, path.clone()));
        let parent = self.places.get(parent.index as usize).and_then(Option::as_ref);
        let (above, own) = match parent {
            _ if key == ChildKey::ROOT => (supervisor(path), true),
            Some(Place { here: Some(here), .. }) => (Arc::clone(here), !among_dynamic),
            Some(place) => (Arc::clone(&place.above), false),
            None => (supervisor(path), false),
        };
        let mut book = self.counts.book();
        let own = own && book.children.len() < SERIES;
        let series = if own {
            let series = Arc::new(Series::new(above.path.clone(), Some((key, path.clone()))));
            book.children.push(Arc::clone(&series));
            series
        } else {
            Arc::clone(&above.others)
        };
        let here = match (is_supervisor && own, key == ChildKey::ROOT) {
            (true, true) => Some(Arc::clone(&above)),
            (true, false) => Some(supervisor(path)),
            (false, _) => None,
        };
        book.supervisors.extend(here.clone());
        Place { series, above, here, state: None, generation: 0, restarts: 0, stale: false }
    }

    /// What was counted of a child that was in the tree before anything was counted.
    pub(super) fn found(&mut self, now: u64, key: ChildKey, row: &Row) {
        self.follow(now, key.index as usize, row);
    }

    /// A child is no longer in the tree: its series end.
    pub(crate) fn forget(&mut self, key: ChildKey) {
        self.enter(key.index as usize, None);
        self.leave(key.index);
        self.counts.programs.forget(key);
    }

    fn leave(&mut self, index: u32) {
        let Some(place) = self.places.get_mut(index as usize).and_then(Option::take) else { return };
        if place.series.child.is_none() {
            return;
        }
        let mut book = self.counts.book();
        book.children.retain(|series| !Arc::ptr_eq(series, &place.series));
        if let Some(here) = place.here {
            book.supervisors.retain(|supervisor| !Arc::ptr_eq(supervisor, &here));
        }
    }

    /// A child is in another state; `None`: it is not counted.
    fn enter(&mut self, at: usize, state: Option<Lifecycle>) {
        let Some(place) = self.places.get_mut(at).and_then(Option::as_mut) else { return };
        if let Some(before) = std::mem::replace(&mut place.state, state) {
            place.series.count(before, -1);
        }
        if let Some(state) = state {
            place.series.count(state, 1);
        }
    }

    /// The row of a child has changed.
    fn follow(&mut self, now: u64, at: usize, row: &Row) {
        let Some(place) = self.places.get_mut(at).and_then(Option::as_mut) else { return };
        let series = &place.series;
        series
            .restarts
            .fetch_add(u64::from(row.restart_count.saturating_sub(place.restarts)), Ordering::Relaxed);
        place.restarts = row.restart_count;
        let stale = row.health == Health::Stale;
        if stale && !place.stale {
            series.stale.fetch_add(1, Ordering::Relaxed);
        }
        place.stale = stale;
        if !is_on(row.lifecycle) {
            series.since.store(0, Ordering::Relaxed);
        } else if row.generation != place.generation && series.child.is_some() {
            series.since.store(now + 1, Ordering::Relaxed);
        }
        place.generation = row.generation;
        let state = (row.lifecycle != Lifecycle::Removed).then_some(row.lifecycle);
        if place.state != state {
            self.enter(at, state);
        }
    }

    /// An event is told.
    pub(crate) fn event(&mut self, now: u64, event: &Event) {
        let at = event.child.index as usize;
        if let Some(place) = self.places.get(at).and_then(Option::as_ref) {
            match (event.kind, event.next) {
                (EventKind::ChildKilling, _) => drop(place.above.aborts.fetch_add(1, Ordering::Relaxed)),
                (EventKind::BudgetExhausted, next) => place.above.exhausted(next.decision()),
                (EventKind::BackoffScheduled, Next::StartAt(due) | Next::WithGroup(due)) => {
                    place.above.backoff.observe(Duration::from_nanos(due.saturating_sub(now)));
                }
                (EventKind::ShutdownCompleted, _) => {
                    self.counts.shutdown.observe(Duration::from_millis(u64::from(event.numbers[0])));
                }
                _ => {}
            }
        }
        self.follow(now, at, &event.row);
    }

    /// A command has its answer.
    pub(crate) fn answered(&self, command: &str, result: &Result<Reply, SupervisorError>, began: bool) {
        let answer = match result {
            Ok(Reply::Control(outcome)) if outcome.failure.is_some() => Answer::Failed,
            Ok(_) => Answer::Completed,
            Err(_) if began => Answer::Failed,
            Err(_) => Answer::Rejected,
        };
        self.counts.answered(command, answer);
    }

    /// The tree is down.
    pub(crate) fn down(&self, outcomes: &ReconcileReport) {
        *self.counts.outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = outcomes.clone();
    }
}

/// Whether a child in this state has a run.
fn is_on(state: Lifecycle) -> bool {
    use Lifecycle::{Running, Starting, Stopping, Unresponsive};
    matches!(state, Starting | Running | Stopping | Unresponsive)
}
