//! The one place where the state of a child changes.
//!
//! [`Machine::shift`] moves a child along an edge of the published table, tells the event that goes with
//! it, and wakes whoever waits for the change: the plan of its supervisor, those who depend on it, its
//! sidecars, and people who wait for an answer.

use std::sync::Arc;

use supervisor_api::policy::Condition;
use supervisor_api::{Cause, Detail, Event, EventKind, Exit, Health, Lifecycle, Next, Readiness};

use super::node::{Flow, Life, NONE};
use super::timers::NEVER;
use super::{Machine, Task};
use crate::face::Effect;

/// What is told with a change.
#[derive(Debug, Clone)]
pub(super) struct News {
    pub(super) kind: EventKind,
    pub(super) cause: Cause,
    next: Next,
    numbers: [u32; 4],
    /// What the event says in words; who asked for it comes to that when it is told.
    words: Option<Arc<Detail>>,
}

impl News {
    pub(super) fn new(kind: EventKind, cause: Cause) -> Self {
        Self { kind, cause, next: Next::Nothing, numbers: [0; 4], words: None }
    }

    pub(super) fn next(mut self, next: Next) -> Self {
        self.next = next;
        self
    }

    pub(super) fn numbers(mut self, numbers: &[u32]) -> Self {
        for (place, number) in self.numbers.iter_mut().zip(numbers) {
            *place = *number;
        }
        self
    }

    pub(super) fn exit(mut self, exit: Exit) -> Self {
        self.words().exit = Some(exit);
        self
    }

    pub(super) fn text(mut self, text: impl Into<Arc<str>>) -> Self {
        self.words().text = Some(text.into());
        self
    }

    pub(super) fn chain(mut self, chain: Vec<Arc<str>>) -> Self {
        if !chain.is_empty() {
            self.words().chain = chain;
        }
        self
    }

    fn words(&mut self) -> &mut Detail {
        Arc::make_mut(self.words.get_or_insert_default())
    }
}

impl Machine {
    /// Moves a child into another state, tells it, and wakes who waits for it.
    pub(super) fn shift(&mut self, index: u32, life: Life, news: News) {
        let old = self.node(index).life;
        debug_assert!(
            allowed(old.lifecycle(), life.lifecycle()),
            "{}: {} -> {}",
            self.node(index).path,
            old.lifecycle(),
            life.lifecycle()
        );
        self.account(index, false);
        self.enter(index, old, life);
        self.account(index, true);
        self.tell(index, news);
        self.notify(index, old, life);
    }

    /// Changes what happens when a stopping child is gone.
    pub(super) fn redirect(&mut self, index: u32, then: super::node::Then, why: Cause) {
        let before = match &mut self.node_mut(index).life {
            Life::Stopping { then: old, .. } | Life::Unresponsive { then: old } => {
                std::mem::replace(old, then)
            }
            _ => return,
        };
        self.node_mut(index).why = why;
        if before == super::node::Then::Itself {
            // It ended by itself, in its own time; now somebody waits for it.
            self.limit_supervisor(index);
        }
    }

    /// Marks a stopping child as killed.
    pub(super) fn mark_killed(&mut self, index: u32, brutal: bool) {
        if let Life::Stopping { step, .. } = &mut self.node_mut(index).life {
            *step = super::node::Step::Killed { brutal };
        }
    }

    fn enter(&mut self, index: u32, old: Life, life: Life) {
        let now = self.now;
        let node = self.node_mut(index);
        node.life = life;
        if !(fault!(retry_is_never_void) && matches!(old, Life::Backoff { .. })) {
            node.due = NEVER;
        }
        match life {
            Life::Starting => {
                (node.since, node.ran_since) = (now, now);
                node.misses = 0;
                (node.readiness, node.health) = (Readiness::NotReady, Health::Unknown);
            }
            Life::Running => {
                let lasts_from = if fault!(run_lasts_from_its_spawn) { node.ran_since } else { now };
                (node.since, node.ran_since) = (now, if old == Life::Starting { lasts_from } else { now });
                node.misses = 0;
                (node.readiness, node.health) = (Readiness::Ready, Health::Unknown);
            }
            Life::Stopping { .. } => node.since = now,
            Life::Unresponsive { .. } => {}
            _ => {
                if old.is_live() {
                    (node.readiness, node.health) = (Readiness::Unreported, Health::Unknown);
                }
            }
        }
    }

    /// Tells an event about a child, with its row as it is now.
    pub(super) fn tell(&mut self, index: u32, news: News) {
        let node = self.node(index);
        if fault!(nested_events_are_lost) && node.parent != 0 && node.parent != NONE {
            return;
        }
        let detail = self.detail(index, news.cause, news.words);
        let event = Event {
            kind: news.kind,
            child: node.key(index),
            row: node.row(),
            cause: news.cause,
            next: news.next,
            numbers: news.numbers,
            detail,
        };
        self.out.push(Effect::Emit(event));
    }

    /// The text of an event, if it has any.
    fn detail(&self, index: u32, cause: Cause, words: Option<Arc<Detail>>) -> Option<Arc<Detail>> {
        let Some(asked) = self.command_behind(index, cause).map(|current| &current.told) else {
            return words;
        };
        let Some(words) = words else { return Some(Arc::clone(asked)) };
        let Detail { exit, text, chain, .. } = Arc::unwrap_or_clone(words);
        Some(Arc::new(Detail { exit, text, chain, ..Detail::clone(asked) }))
    }

    fn notify(&mut self, index: u32, old: Life, life: Life) {
        let node = self.node(index);
        let (parent, swept, awaited, linked) =
            (node.parent, node.flags.swept, node.flags.awaited, node.links.is_some());
        if linked && old.can_be_waited_for() && !life.can_be_waited_for() {
            self.sweep_dependencies(index);
        }
        if swept && !matches!(life, Life::Stopping { .. }) {
            self.unsweep(index);
        }
        if awaited {
            self.settle_waits(index);
        }
        if parent != NONE {
            let sup = self.sup(parent);
            if sup.flow != Flow::Steady || sup.initial || sup.in_line == index {
                self.queue_flow(parent);
            }
        }
        if linked {
            self.notify_linked(index, old, life);
        }
        self.settle_applies(index, life);
    }

    fn notify_linked(&mut self, index: u32, old: Life, life: Life) {
        if matches!(life, Life::Starting | Life::Running | Life::Completed | Life::Failed) {
            for dependant in self.node(index).dependants().to_vec() {
                let enough = match life {
                    Life::Starting => self.condition(dependant, index) == Condition::Started,
                    Life::Failed => self.condition(dependant, index) == Condition::Completed,
                    _ => true,
                };
                let waits = enough && matches!(self.node(dependant).life, Life::Waiting { .. });
                if waits && !fault!(wake_is_lost) {
                    self.wake_soon(dependant);
                    if fault!(only_the_first_is_woken) {
                        break;
                    }
                }
            }
        }
        if life.is_for_good() && old != life && !self.node(index).sidecars().is_empty() {
            // The links of a removed child go with it, so its sidecars are not left for later.
            if life == Life::Removed {
                self.stop_sidecars(index)
            } else {
                self.agenda.push_back(Task::Sidecars(index))
            }
        }
    }

    /// Puts a look at a waiting child on the agenda.
    pub(super) fn wake_soon(&mut self, index: u32) {
        let sup = self.node(index).parent;
        self.sup_mut(sup).waking += 1;
        self.agenda.push_back(Task::Wake(index));
    }

    /// Puts the ordered work of a supervisor on the agenda, once.
    pub(super) fn queue_flow(&mut self, sup: u32) {
        let record = self.sup_mut(sup);
        if !record.queued {
            record.queued = true;
            self.agenda.push_back(Task::Flow(sup));
        }
    }

    /// Adds a child to the counts that are kept up to date, or takes it out of them.
    pub(super) fn account(&mut self, index: u32, add: bool) {
        let node = &self.nodes[index as usize];
        if node.parent == NONE || node.life == Life::Removed {
            return;
        }
        self.tally.count(node, add);
        let step = |count: &mut u32, yes: bool| {
            if yes {
                *count = if add { *count + 1 } else { *count - 1 };
            }
        };
        // A supervisor that runs has only its children to do (D20); in every other state something is pending.
        let idle =
            node.policy.is_supervisor && node.life == Life::Running && !fault!(running_supervisor_is_busy);
        // What has a time to start is not done, however its last run has ended.
        let scheduled = node.policy.scheduled && !fault!(stack_forgets_its_schedules);
        step(&mut self.busy, (node.life.is_busy() || scheduled) && !idle);
        let sup = &mut self.sups[node.parent as usize];
        step(
            &mut sup.unsettled,
            node.life.is_unsettled()
                && (node.flags.bound && !node.awaits_its_time() || node.life != Life::Declared),
        );
        step(&mut sup.waiting, matches!(node.life, Life::Waiting { .. }));
        step(&mut sup.significant, node.policy.significant && node.life.is_active());
    }
}

/// Whether the table allows the step. A start that is acknowledged at once passes through `starting`
/// without an event of its own.
fn allowed(from: Lifecycle, to: Lifecycle) -> bool {
    let through_starting = to == Lifecycle::Running && from.may_become(Lifecycle::Starting);
    from == to || from.may_become(to) || through_starting
}
