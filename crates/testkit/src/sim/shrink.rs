//! Makes a schedule smaller while it still breaks the same: fewer acts, fewer children, better behaved runs,
//! less said, no habits. What is left is what matters: without any one of its acts, or any one of its children, it
//! would not break the same, unless the shrinker gave up before.

use std::ops::Range;
use std::sync::Arc;

use supervisor_core::{Body, ChildSettings, SupervisorDecl, SupervisorSettings};

use super::grow::drop_child;
use super::schedule::{Deed, Finish, MS, Run, Schedule};

/// So many schedules are tried at most.
const TRIES: u32 = 30_000;

/// The smallest schedule found for which `breaks` still holds; it holds for `schedule`.
pub(super) fn shrink(schedule: Schedule, breaks: impl FnMut(&Schedule) -> bool) -> Schedule {
    let mut shrinker = Shrinker { best: schedule, breaks, tries: 0 };
    loop {
        // What made it no shorter may still let something go in the next round.
        let before = format!("{:?}", shrinker.best);
        shrinker.calmer_habits();
        shrinker.fewer_acts();
        shrinker.fewer_children();
        shrinker.better_runs();
        shrinker.less_said();
        shrinker.shorter_waits();
        if shrinker.tries > TRIES || format!("{:?}", shrinker.best) == before {
            return shrinker.best;
        }
    }
}

/// Every schedule that has one act less, or one child less in its tree or in a spec that is applied.
pub(super) fn one_less(schedule: &Schedule) -> Vec<Schedule> {
    let mut smaller = Vec::new();
    for at in 0..schedule.acts.len() {
        for waits in [true, false] {
            let mut copy = schedule.clone();
            drop_acts(&mut copy, at..at + 1, waits);
            smaller.push(copy);
        }
    }
    for spec in 0..=schedule.acts.len() {
        for place in 0.. {
            let mut copy = schedule.clone();
            let dropped =
                spec_of(&mut copy, spec).is_some_and(|tree| CHILDREN.make_at(tree, &mut place.clone()));
            if !dropped {
                break;
            }
            smaller.push(copy);
        }
    }
    smaller
}

/// Deletes acts; the next one comes when it did, or so much earlier.
fn drop_acts(schedule: &mut Schedule, acts: Range<usize>, waits: bool) {
    let from = acts.start;
    let waited: u64 = schedule.acts.drain(acts).map(|act| act.after).sum();
    if let Some(next) = schedule.acts.get_mut(from).filter(|_| waits) {
        next.after = next.after.saturating_add(waited);
    }
}

struct Shrinker<F> {
    best: Schedule,
    breaks: F,
    tries: u32,
}

impl<F: FnMut(&Schedule) -> bool> Shrinker<F> {
    /// Takes the change if the schedule still breaks.
    fn attempt(&mut self, change: impl FnOnce(&mut Schedule)) -> bool {
        if self.tries > TRIES {
            return false;
        }
        self.tries += 1;
        let mut smaller = self.best.clone();
        change(&mut smaller);
        let breaks = (self.breaks)(&smaller);
        if breaks {
            self.best = smaller;
        }
        breaks
    }

    fn calmer_habits(&mut self) {
        // What only a full comparison shows is seen at once then.
        self.attempt(|schedule| schedule.habits.sweep = 1);
        self.attempt(|schedule| schedule.habits.late = 0);
        self.attempt(|schedule| schedule.habits.cut_in = 0);
        self.attempt(|schedule| schedule.habits.shuffle = false);
        self.attempt(|schedule| schedule.habits.readers = 0);
        self.attempt(|schedule| schedule.habits.least = 0);
        self.attempt(|schedule| schedule.habits.lives = 1);
        for finish in [Finish::Hard, Finish::Storm] {
            if self.best.finish == finish || self.attempt(|schedule| schedule.finish = finish) {
                break;
            }
        }
    }

    /// Deletes acts, many at once first.
    fn fewer_acts(&mut self) {
        let mut many = self.best.acts.len();
        while many > 0 {
            let mut from = 0;
            while from < self.best.acts.len() {
                let to = (from + many).min(self.best.acts.len());
                let deleted = [true, false]
                    .into_iter()
                    .any(|waits| self.attempt(|schedule| drop_acts(schedule, from..to, waits)));
                if !deleted {
                    from = to;
                }
            }
            many /= 2;
        }
    }

    fn fewer_children(&mut self) {
        self.everywhere(&CHILDREN);
    }

    /// Tries a change at every place of every supervisor, in the tree and in the specs that are applied.
    fn everywhere(&mut self, change: &Change) {
        for spec in 0..=self.best.acts.len() {
            let mut place = 0;
            loop {
                let mut smaller = self.best.clone();
                let Some(tree) = spec_of(&mut smaller, spec) else { break };
                let before = tree.clone();
                if !change.make_at(tree, &mut place.clone()) {
                    break;
                }
                let same = *tree == before;
                // What is deleted makes room at the same place.
                if same || !self.attempt(|schedule| *schedule = smaller) {
                    place += 1;
                }
            }
        }
    }

    fn better_runs(&mut self) {
        for body in 0..self.best.scripts.len() {
            if self.best.scripts[body] == [Run::GOOD; 3] {
                continue;
            }
            if self.attempt(|schedule| schedule.scripts[body] = [Run::GOOD; 3]) {
                continue;
            }
            for at in 0..3 {
                self.better_run(body, at);
            }
        }
    }

    fn better_run(&mut self, body: usize, at: usize) {
        let good = Run::GOOD;
        let mut fix = |fix: fn(&mut Run, Run)| {
            let mut fixed = self.best.scripts[body][at];
            fix(&mut fixed, good);
            if fixed != self.best.scripts[body][at] {
                self.attempt(|schedule| schedule.scripts[body][at] = fixed);
            }
        };
        fix(|run, good| *run = good);
        fix(|run, good| run.start = good.start);
        fix(|run, good| run.end = good.end);
        fix(|run, good| run.on_stop = good.on_stop);
        fix(|run, good| run.on_kill = good.on_kill);
        fix(|run, good| (run.beats, run.faint) = (good.beats, good.faint));
        fix(|run, good| run.twice = good.twice);
    }

    /// Settings go back to defaults, all at once or one by one.
    fn less_said(&mut self) {
        self.everywhere(&Change { places: |tree| unsayable(tree), make: unsay });
    }

    fn shorter_waits(&mut self) {
        for at in 0..self.best.acts.len() {
            for wait in [0, MS, 100 * MS] {
                if self.best.acts.get(at).is_some_and(|act| act.after > wait)
                    && self.attempt(|schedule| schedule.acts[at].after = wait)
                {
                    break;
                }
            }
        }
    }
}

/// The tree itself, or the spec that an act applies.
fn spec_of(schedule: &mut Schedule, spec: usize) -> Option<&mut SupervisorDecl> {
    if spec == 0 {
        return Some(&mut schedule.tree);
    }
    match &mut schedule.acts.get_mut(spec - 1)?.deed {
        Deed::Apply(tree) => Some(Arc::make_mut(tree)),
        _ => None,
    }
}

/// Something that can be done at several places of a supervisor.
struct Change {
    places: fn(&SupervisorDecl) -> usize,
    make: fn(&mut SupervisorDecl, usize),
}

/// A child is left out.
const CHILDREN: Change = Change { places: |tree| tree.children.len(), make: drop_child };

impl Change {
    /// Makes it at the place with this number, counted over all supervisors. Says whether there is one.
    fn make_at(&self, tree: &mut SupervisorDecl, number: &mut usize) -> bool {
        let places = (self.places)(tree);
        if *number < places {
            (self.make)(tree, *number);
            return true;
        }
        *number -= places;
        tree.children.iter_mut().any(|child| match &mut child.body {
            Body::Supervisor(below) => self.make_at(below, number),
            _ => false,
        })
    }
}

/// What can be unsaid of a supervisor.
const OF_SUPERVISORS: &[fn(&mut SupervisorSettings)] = &[
    |settings| *settings = SupervisorSettings::default(),
    |settings| settings.profile = None,
    |settings| settings.strategy = None,
    |settings| settings.budget = None,
    |settings| settings.on_exhausted = None,
    |settings| settings.order = None,
    |settings| settings.stop = None,
    |settings| settings.on_start_failure = None,
    |settings| settings.auto_shutdown = None,
    |settings| settings.defaults = None,
];

/// What can be unsaid of a child.
const OF_CHILDREN: &[fn(&mut ChildSettings)] = &[
    |settings| *settings = ChildSettings::default(),
    |settings| settings.role = None,
    |settings| settings.restart = None,
    |settings| settings.retry = None,
    |settings| settings.criticality = None,
    |settings| settings.readiness = None,
    |settings| settings.ready_within = None,
    |settings| settings.backoff = None,
    |settings| settings.budget = None,
    |settings| settings.on_exhausted = None,
    |settings| settings.grace = None,
    |settings| settings.abort_wait = None,
    |settings| settings.heartbeat = None,
    |settings| settings.start_period = None,
    |settings| settings.significant = None,
    |settings| settings.permissions = None,
    |settings| settings.restart_dependants = None,
    |settings| settings.conditions.clear(),
    |settings| settings.scheduled = false,
];

/// How many things can be unsaid of a supervisor and its children.
fn unsayable(tree: &SupervisorDecl) -> usize {
    OF_SUPERVISORS.len() + tree.children.len() * (OF_CHILDREN.len() + 1)
}

/// Unsays one thing.
fn unsay(tree: &mut SupervisorDecl, number: usize) {
    if let Some(unsay) = OF_SUPERVISORS.get(number) {
        return unsay(&mut tree.settings);
    }
    let number = number - OF_SUPERVISORS.len();
    let each = OF_CHILDREN.len() + 1;
    let child = &mut tree.children[number / each];
    match OF_CHILDREN.get(number % each) {
        Some(unsay) => unsay(Arc::make_mut(&mut child.settings)),
        None => child.depends_on.clear(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::knobs::{self, Size};
    use super::super::schedule::{Deed, Schedule};
    use super::{one_less, shrink};

    /// Shrinks schedules of some seeds, and sees that nothing is left that could go by itself.
    fn smallest(breaks: impl Fn(&Schedule) -> bool) -> Vec<Schedule> {
        let schedules = (0..40).map(|seed| knobs::schedule(seed, Size::Full).0);
        let smallest: Vec<_> =
            schedules.filter(&breaks).map(|schedule| shrink(schedule, |smaller| breaks(smaller))).collect();
        assert!(smallest.len() > 5, "{} schedules break it", smallest.len());
        for schedule in &smallest {
            assert!(breaks(schedule));
            assert!(!one_less(schedule).iter().any(&breaks), "{schedule:?}");
        }
        smallest
    }

    #[test]
    fn what_is_left_is_what_matters() {
        let applies = |deed: &Deed| matches!(deed, Deed::Apply(tree) if tree.children.len() > 1);
        for schedule in smallest(|schedule| schedule.acts.iter().any(|act| applies(&act.deed))) {
            let [act] = schedule.acts.as_slice() else { panic!("{:?}", schedule.acts) };
            assert!(act.after == 0 && matches!(&act.deed, Deed::Apply(tree) if tree.children.len() == 2));
            assert!(schedule.tree.children.is_empty(), "{:?}", schedule.tree);
        }
    }

    #[test]
    fn what_only_goes_together_may_stay_but_nothing_goes_alone() {
        let odd = |schedule: &Schedule| !schedule.tree.children.len().is_multiple_of(2);
        assert!(smallest(odd).iter().any(|schedule| schedule.tree.children.len() > 1));
    }

    #[test]
    fn what_becomes_possible_late_in_a_round_is_done_in_the_next() {
        // Acts can go only when no habit and no odd run is left.
        let calm =
            |schedule: &Schedule| schedule.scripts.iter().flatten().all(|run| *run == super::Run::GOOD);
        let breaks =
            |schedule: &Schedule| !schedule.acts.is_empty() && (calm(schedule) || schedule.acts.len() > 40);
        assert!(smallest(breaks).iter().all(|schedule| schedule.acts.len() == 1));
    }
}
