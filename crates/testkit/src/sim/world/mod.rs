//! The world around a machine: a clock, children that do what their scripts say, operators, late messages.
//! Carries out one schedule and checks everything that must hold after each call.

mod calls;
mod change;
mod children;
mod deeds;
mod phases;

use std::sync::Arc;

use supervisor_api::{ChildKey, Lifecycle, SupervisorPath};
use supervisor_core::{ChildPolicy, Effect, Input, Machine, Requester, Resolved, Ticket};

use self::calls::Call;
use super::digest::Digest;
use super::marks::{Mark, Marks, sometimes};
use super::queue::{Coming, Happening, Move, Queue};
use super::readers::Readers;
use super::schedule::{Run, Schedule, Word};
use crate::Random;
use crate::{Checker, Violation};

/// What a step can find.
pub(super) type Step<T = ()> = Result<T, Violation>;

/// What came of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Calls of the machine.
    pub(super) steps: u32,
    /// Of these, inputs of trees that had not ended.
    pub(super) inputs: u32,
    /// What these calls led to.
    pub(super) effects: u64,
    /// New specs that changed something, and were held against what became of them.
    pub(super) changes: u64,
    /// Over all calls and effects, if it was asked for.
    pub(super) digest: Option<u64>,
    pub(super) violation: Option<Violation>,
}

/// A child, as the world sees it.
#[derive(Debug, Default)]
pub(super) struct Kid {
    pub(super) epoch: u32,
    pub(super) parent: u32,
    pub(super) body: Option<u32>,
    pub(super) policy: Option<Arc<ChildPolicy>>,
    pub(super) life: Option<Lifecycle>,
    pub(super) attempt: u32,
    /// Events told when its group starts, if it waits for that.
    pub(super) grouped: bool,
    path: Option<SupervisorPath>,
    run: Option<Live>,
}

/// A run that lives.
#[derive(Debug, Clone, Copy)]
struct Live {
    generation: u64,
    run: Run,
    ready: bool,
    asked: bool,
    /// How long it was given when it was asked, or for ever. A later spec does not change that.
    grace: Option<u64>,
    killed: bool,
    /// Beats it will still give.
    beats: u32,
    beating: bool,
}

impl Kid {
    fn key(&self, index: usize) -> ChildKey {
        ChildKey { index: index as u32, epoch: self.epoch }
    }
}

/// Texts that every schedule uses, made once.
struct Words {
    who: Requester,
    value: Arc<str>,
    error: Arc<str>,
    panic: Arc<str>,
    cancelled: Arc<str>,
    probe: Arc<str>,
    reason: Arc<str>,
}

/// What is kept from one schedule to the next: memory, and the marks of the batch.
pub(super) struct Room {
    kids: Vec<Kid>,
    queue: Queue,
    out: Vec<Effect>,
    former: Vec<ChildKey>,
    readers: Readers,
    checker: Checker,
    words: Words,
    pub(super) marks: Marks,
}

impl Default for Room {
    fn default() -> Self {
        let who =
            Requester { by: Some("operator".into()), reason: Some("because".into()), ..Requester::default() };
        let words = Words {
            who,
            value: "value".into(),
            error: "boom".into(),
            panic: "oh no".into(),
            cancelled: "cancelled".into(),
            probe: "no answer".into(),
            reason: "not today".into(),
        };
        Self {
            kids: Vec::new(),
            queue: Queue::default(),
            out: Vec::new(),
            former: Vec::new(),
            readers: Readers::default(),
            checker: Checker::default(),
            words,
            marks: Marks::default(),
        }
    }
}

/// What is kept of the calls of the machine and their effects.
pub(super) enum Record<'r> {
    Nothing,
    /// The hash of all of them.
    Hash,
    /// All of them, in words.
    Lines(&'r mut Vec<String>),
}

/// Carries out a schedule; `resolved` is its tree.
pub(super) fn carry_out(
    room: &mut Room,
    schedule: &Schedule,
    resolved: Resolved,
    record: Record<'_>,
) -> Outcome {
    let mut world = World::new(room, schedule, resolved, record);
    let violation = world.live().err();
    let digest = world.digest.map(Digest::value);
    let outcome = Outcome {
        steps: world.steps,
        inputs: world.inputs,
        effects: world.effects,
        changes: world.changes,
        digest,
        violation,
    };
    let marks = &mut world.room.marks;
    sometimes!(marks, Mark::StaleMessage, world.machine.stale_messages() > 0);
    sometimes!(marks, Mark::Crowd, world.room.kids.len() > 100);
    let deepest = world.room.kids.iter().filter_map(|kid| Some(kid.path.as_ref()?.depth())).max();
    sometimes!(marks, Mark::Deep, deepest >= Some(5));
    outcome
}

/// One schedule under way.
struct World<'w> {
    room: &'w mut Room,
    schedule: &'w Schedule,
    trace: Option<&'w mut Vec<String>>,
    resolved: Resolved,
    machine: Machine,
    random: Random,
    digest: Option<Digest>,
    /// How often the tree was launched.
    lives: u32,
    now: u64,
    steps: u32,
    /// Of these, inputs of a tree that had not ended.
    inputs: u32,
    /// What the steps led to.
    effects: u64,
    changes: u64,
    /// Inputs after the end of the present life.
    echoes: u32,
    ticket: Ticket,
    /// The deadline the machine wants, and when the world wakes for it.
    wake: (u64, u64),
    late: u64,
    acts_left: bool,
    /// The next act; they begin anew in a schedule that is too short.
    next_act: usize,
    last_act: u64,
    /// Faults have stopped.
    calm: bool,
    ended: bool,
    shutdown_asked: bool,
    last_effect: u64,
    /// Calls with effects, but for heartbeats.
    stirs: u32,
    /// Orders what comes at one instant.
    caused: u64,
}

impl<'w> World<'w> {
    fn new(room: &'w mut Room, schedule: &'w Schedule, resolved: Resolved, record: Record<'w>) -> Self {
        let (trace, digest) = match record {
            Record::Nothing => (None, None),
            Record::Hash => (None, Some(Digest::default())),
            Record::Lines(lines) => (Some(lines), None),
        };
        let machine = Machine::new(resolved.clone(), schedule.seed);
        let mut world = Self {
            room,
            schedule,
            trace,
            resolved,
            machine,
            random: Random::new(schedule.seed ^ 0x5eed),
            digest,
            lives: 0,
            now: 0,
            steps: 0,
            inputs: 0,
            effects: 0,
            changes: 0,
            echoes: 0,
            ticket: 0,
            wake: (u64::MAX, u64::MAX),
            late: schedule.habits.late,
            acts_left: true,
            next_act: 0,
            last_act: 0,
            calm: false,
            ended: false,
            shutdown_asked: false,
            last_effect: 0,
            stirs: 0,
            caused: 0,
        };
        world.prepare();
        world
    }

    /// Forgets the life before: what comes is a new machine, at its time 0.
    fn prepare(&mut self) {
        let room = &mut *self.room;
        room.kids.clear();
        room.queue.clear();
        room.out.clear();
        room.former.clear();
        room.readers.reset(self.schedule.habits.readers, &mut self.random);
        room.checker.reset(&self.resolved);
        (self.now, self.last_act, self.last_effect, self.echoes) = (0, 0, 0, 0);
        (self.ended, self.shutdown_asked) = (false, false);
        self.wake = (u64::MAX, u64::MAX);
        self.lives += 1;
    }

    // ---- time ----

    /// One thing happens, the next in time. Says whether there was one until then.
    fn turn(&mut self, until: u64) -> Step<bool> {
        let coming = self.room.queue.next();
        if self.machine.has_open_plan() {
            let due = coming.is_some_and(|at| at <= self.now);
            if due && self.random.percent(self.schedule.habits.cut_in) {
                sometimes!(self.room.marks, Mark::CutIn, true);
                self.take_next()?;
            } else {
                self.call(Call::GoOn)?;
            }
            return Ok(true);
        }
        let tick = self.tick_at();
        let at = coming.unwrap_or(u64::MAX).min(tick);
        if at == u64::MAX || at > until {
            self.now = if at == u64::MAX { self.now } else { until.max(self.now) };
            return Ok(false);
        }
        let at_once = at <= self.now && self.steps > 1;
        sometimes!(self.room.marks, Mark::SameInstant, at_once);
        self.now = self.now.max(at);
        let both = tick <= self.now && coming.is_some_and(|at| at <= self.now);
        let tick_first =
            if both { !self.schedule.habits.shuffle || self.random.percent(60) } else { tick <= self.now };
        if tick_first {
            sometimes!(self.room.marks, Mark::LateTick, self.now > self.wake.0);
            self.wake = (u64::MAX, u64::MAX);
            self.feed(Input::Tick)?;
        } else {
            self.take_next()?;
        }
        Ok(true)
    }

    /// When the world wakes for the machine's deadline: sometimes late.
    fn tick_at(&mut self) -> u64 {
        let Some(deadline) = self.machine.next_deadline() else { return u64::MAX };
        if self.wake.0 != deadline {
            let late = if self.random.percent(50) { self.random.below(self.late) } else { 0 };
            self.wake = (deadline, deadline.max(self.now).saturating_add(late));
        }
        self.wake.1
    }

    fn plan(&mut self, at: u64, what: Happening) {
        self.caused += 1;
        let shuffled = self.schedule.habits.shuffle && !self.calm;
        let tie = if shuffled { self.random.next() } else { self.caused };
        self.room.queue.push(at, tie, what);
    }

    fn is_short(&self) -> bool {
        self.inputs < self.schedule.habits.least
    }

    fn plan_act(&mut self) {
        let (at, count) = (self.next_act, self.schedule.acts.len());
        // A round that is no input at all leads nowhere.
        let rounds = 1 + self.schedule.habits.least as usize;
        self.acts_left = at < count || self.is_short() && at < count * rounds;
        if self.acts_left {
            self.last_act = self.now.saturating_add(self.schedule.acts[at % count].after);
            self.plan(self.last_act, Happening::Act(at as u32));
        }
    }

    fn take_next(&mut self) -> Step {
        let Some(Coming { what, .. }) = self.room.queue.pop() else { return Ok(()) };
        match what {
            Happening::Act(at) => {
                self.next_act = at as usize + 1;
                self.plan_act();
                let schedule = self.schedule;
                let (round, at) = (at as usize / schedule.acts.len(), at as usize % schedule.acts.len());
                self.perform(&schedule.acts[at].deed, round > 0)
            }
            Happening::Run(key, generation, step) => self.run_moves(key, generation, step),
            Happening::Echo(key, generation, step) => {
                let word = match step {
                    Move::Ready => Word::Ready,
                    Move::Beat => Word::Beat,
                    Move::Decline => Word::Declined,
                    Move::End(ending) | Move::Obey(ending) => Word::Ended(ending),
                };
                let input = self.said(key, generation, word);
                self.feed(input)
            }
        }
    }
}
