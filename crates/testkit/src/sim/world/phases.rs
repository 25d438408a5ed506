//! The phases of a schedule: a storm, in which the tree may end and be launched again, a calm, a shutdown, and what comes
//! after the end.

use supervisor_api::policy::{Condition, Grace, Role};
use supervisor_api::{Lifecycle, SupervisorPath};
use supervisor_core::{Command, Input, Machine};

use super::calls::Call;
use super::children::{is_explicit, is_job};
use super::{Kid, Step, World};
use crate::Invariant;
use crate::sim::acts::TAIL;
use crate::sim::marks::{Mark, sometimes};
use crate::sim::queue::{Happening, Move};
use crate::sim::schedule::{Ending, Finish, MS};

/// In the calm a tree comes to rest before it has done something so often for each of its children, or never.
const RESTLESS: u32 = 500;

/// The same in calls of the machine, heartbeats and all.
const ENDLESS: u32 = 5_000_000;

/// A tree that has ended is launched again after so many more inputs.
const ECHOES: u32 = 3;

/// Slack for what a well-behaved child takes, in nanoseconds.
const PROMPT: u64 = 20 * MS;

impl World<'_> {
    pub(super) fn live(&mut self) -> Step {
        if self.schedule.finish == Finish::Rest {
            return self.change_and_change_back();
        }
        self.launch()?;
        self.storm()?;
        self.late = 0;
        match self.schedule.finish {
            Finish::Calm => {
                self.converge()?;
                self.shut_down()?;
            }
            Finish::Storm | Finish::Impatient(_) | Finish::Rest => self.shut_down()?,
            Finish::Hard => {
                let stopping = self.room.kids.first().and_then(|root| root.life) == Some(Lifecycle::Stopping);
                sometimes!(self.room.marks, Mark::HardStop, !self.ended);
                sometimes!(self.room.marks, Mark::HardStopInTheMiddle, !self.ended && stopping);
                self.feed(Input::HardStop)?;
            }
        }
        self.afterlife()?;
        self.room.checker.sweep(self.now, &self.machine)
    }

    pub(super) fn launch(&mut self) -> Step {
        self.call(Call::Launch)?;
        self.plan_act();
        Ok(())
    }

    /// The tree has ended in the middle of the storm: somebody starts it anew, and the storm goes on.
    fn launch_again(&mut self) -> Step {
        self.bury()?;
        self.room.checker.sweep(self.now, &self.machine)?;
        self.note(|_| "-- it is launched again".into());
        self.machine = Machine::new(self.resolved.clone(), self.schedule.seed ^ u64::from(self.lives));
        self.prepare();
        self.launch()
    }

    /// A life that does not end at its launch has an input at least, so a short schedule needs no more lives than inputs.
    fn has_lives_left(&self) -> bool {
        let habits = self.schedule.habits;
        self.lives < habits.lives || self.is_short() && self.lives <= habits.least
    }

    /// Anything can happen.
    fn storm(&mut self) -> Step {
        let habits = self.schedule.habits;
        while self.steps < habits.limit || self.is_short() {
            if self.echoes >= ECHOES && self.acts_left && self.has_lives_left() {
                sometimes!(self.room.marks, Mark::LaunchedAgain, true);
                self.launch_again()?;
                continue;
            }
            let over = !self.acts_left && (self.ended || self.now > self.last_act + TAIL);
            if over || !self.turn(u64::MAX)? {
                break;
            }
        }
        self.room.queue.retain(|what| !matches!(what, Happening::Act(_)));
        Ok(())
    }

    /// Faults stop, children behave, and the tree comes to rest.
    fn converge(&mut self) -> Step {
        self.begin_calm();
        for at in 0..self.room.kids.len() {
            let kid = &self.room.kids[at];
            let rests = matches!(kid.life, Some(Lifecycle::Declared | Lifecycle::Stopped));
            if kid.body.is_some() && rests && self.random.percent(80) {
                let key = kid.key(at);
                self.feed(Input::Bound { key })?;
            }
        }
        if !self.come_to_rest()? {
            return Ok(());
        }
        let root = self.room.kids.first().and_then(|root| root.life);
        sometimes!(self.room.marks, Mark::Converged, !self.ended);
        if self.ended || root == Some(Lifecycle::Stopping) {
            return Ok(());
        }
        self.room.checker.sweep(self.now, &self.machine)?;
        self.room.checker.calm(self.now, &self.machine)
    }

    /// Until nothing more happens by itself. Says whether that came.
    pub(super) fn come_to_rest(&mut self) -> Step<bool> {
        let (steps, stirs, quiet) = (self.steps, self.stirs, self.longest_delay());
        loop {
            if self.room.queue.only_beats() && !self.machine.has_open_plan() && self.is_at_rest(quiet) {
                return Ok(true);
            }
            if !self.turn(u64::MAX)? {
                return Ok(true);
            }
            let many = RESTLESS * (self.room.kids.len() as u32 + 1);
            if self.stirs > stirs + many || self.steps > steps + ENDLESS {
                if self.starts_for_ever() {
                    return Ok(false);
                }
                return Err(self.wrong(Invariant::Convergence, "it does not come to rest in the calm"));
            }
        }
    }

    /// Whether somebody waits for a job that runs on, below a supervisor that has only so long to start: it is started
    /// again and again, as its spec says. A job whose end would end its supervisor does run on in the calm, and so does
    /// what is no job, of which the end can be waited for, too.
    fn starts_for_ever(&self) -> bool {
        let runs_on = |waits: &Kid, path: &SupervisorPath| {
            let kid = self.room.kids.iter().find(|kid| kid.path.as_ref() == Some(path));
            let (Some(policy), Some(own)) = (kid.and_then(|kid| kid.policy.as_ref()), &waits.policy) else {
                return false;
            };
            let until = path.last_segment().map_or(Condition::Ready, |name| own.condition(name));
            let for_its_end = matches!(until, Condition::Completed | Condition::CompletedOk);
            if policy.role == Role::Job { policy.significant } else { for_its_end }
        };
        let has_so_long = |kid: &Kid| {
            kid.policy.as_ref().is_some_and(|policy| policy.is_supervisor && policy.ready_within.is_some())
        };
        let below = |above: &Kid, kid: &Kid| {
            above.path.as_ref().zip(kid.path.as_ref()).is_some_and(|(above, path)| above.contains(path))
        };
        let kids = &self.room.kids;
        kids.iter().enumerate().any(|(at, kid)| {
            self.machine.depends_on(kid.key(at)).any(|path| runs_on(kid, path))
                && kids.iter().any(|above| has_so_long(above) && below(above, kid))
        })
    }

    fn begin_calm(&mut self) {
        self.calm = true;
        self.note(|_| "-- the calm: faults stop".into());
        self.room.queue.retain(|what| !matches!(what, Happening::Run(_, _, Move::End(_) | Move::Decline)));
        for at in 0..self.room.kids.len() {
            let kid = &self.room.kids[at];
            let Some(live) = kid.run else { continue };
            let (key, explicit, job) = (kid.key(at), is_explicit(kid), is_job(kid));
            let soon = self.now + 1 + self.random.below(10) * MS;
            if live.asked || live.killed {
                self.plan(soon, Happening::Run(key, live.generation, Move::Obey(Ending::Ok)));
            }
            if explicit && !live.ready {
                self.plan(soon, Happening::Run(key, live.generation, Move::Ready));
            }
            if job {
                self.plan(soon + 1, Happening::Run(key, live.generation, Move::Obey(Ending::Ok)));
            }
            self.give_beats(at, true);
        }
    }

    /// Nothing more will happen by itself: nobody is between two states, or for too long already.
    fn is_at_rest(&self, quiet: u64) -> bool {
        use Lifecycle::{Backoff, Starting, Stopping};
        let between = |kid: &Kid| matches!(kid.life, Some(Backoff | Starting | Stopping));
        self.now > self.last_effect + quiet || !self.room.kids.iter().any(between)
    }

    /// Longer than any delay of a tree whose children behave.
    fn longest_delay(&self) -> u64 {
        let policies = self.room.kids.iter().filter_map(|kid| kid.policy.as_deref());
        let longest = policies.map(|policy| policy.backoff.max.as_nanos() as u64).max().unwrap_or(0);
        longest + longest / 2 + 100 * MS
    }

    pub(super) fn shut_down(&mut self) -> Step {
        if !self.ended {
            self.command(Command::Shutdown)?;
            self.settle_calls()?;
        }
        let endless = self.has_endless_grace();
        if let Finish::Impatient(after) = self.schedule.finish {
            self.run_until(self.now + after)?;
            self.cut_graces()?;
        }
        self.run_until(self.now + self.stop_bound())?;
        if !self.ended && endless && !self.calm {
            self.cut_graces()?;
            self.run_until(self.now + self.stop_bound())?;
        }
        self.room.checker.stopped(self.now, &self.machine)
    }

    fn cut_graces(&mut self) -> Step {
        let stopping = self.room.kids.iter().any(|kid| kid.life == Some(Lifecycle::Stopping));
        sometimes!(self.room.marks, Mark::GracesCut, stopping && !self.ended);
        if self.ended { Ok(()) } else { self.command(Command::SkipGraces) }
    }

    fn has_endless_grace(&self) -> bool {
        let endless = |kid: &Kid| {
            let told = kid.policy.as_ref().is_some_and(|policy| policy.grace == Grace::Infinity);
            told || kid.run.is_some_and(|run| run.grace.is_none())
        };
        self.room.kids.iter().any(|kid| kid.body.is_some() && endless(kid))
    }

    /// So long does a shutdown take at most, whatever children do (12): an upper bound that takes every
    /// supervisor for a sequential one; infinite graces count as prompt.
    fn stop_bound(&self) -> u64 {
        let bound = |kid: &Kid| {
            let policy = kid.policy.as_ref()?;
            let grace = match policy.grace {
                Grace::Timeout(grace) => grace.as_nanos() as u64,
                Grace::Brutal | Grace::Infinity => PROMPT,
            };
            let grace = grace.max(kid.run.and_then(|run| run.grace).unwrap_or(0));
            Some(grace.saturating_add(policy.abort_wait).saturating_add(PROMPT))
        };
        self.room.kids.iter().filter_map(bound).fold(PROMPT, u64::saturating_add)
    }

    /// The tree has ended: late exits, late messages and commands are consumed, and nothing follows.
    pub(super) fn afterlife(&mut self) -> Step {
        self.bury()?;
        self.settle_calls()
    }

    /// Runs that outlived their tree are gone at last.
    fn bury(&mut self) -> Step {
        for at in 0..self.room.kids.len() {
            let kid = &self.room.kids[at];
            if let Some(live) = kid.run {
                let key = kid.key(at);
                sometimes!(self.room.marks, Mark::GoneAfterTheEnd, true);
                self.end_run(key, live.generation, Ending::Cancelled)?;
            }
        }
        self.settle_calls()
    }

    fn run_until(&mut self, until: u64) -> Step {
        while !self.ended && self.turn(until)? {}
        Ok(())
    }

    /// Plans that were cut are carried out.
    fn settle_calls(&mut self) -> Step {
        while self.machine.has_open_plan() {
            self.call(Call::GoOn)?;
        }
        Ok(())
    }
}
