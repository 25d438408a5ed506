//! The world around a machine: a clock, children that do what their scripts say, operators, late messages.
//! Carries out one schedule and checks everything that must hold after each call.

use std::sync::Arc;

use supervisor_api::policy::{Grace, ReadinessMode, RestartType, Role};
use supervisor_api::{ChildKey, Exit, Lifecycle, SupervisorPath};
use supervisor_core::{Address, ChildPolicy, Command, Effect, Input, Machine, Requester, Resolved, Ticket};

use super::acts::TAIL;
use super::digest::Digest;
use super::marks::{Mark, Marks, sometimes};
use super::queue::{Coming, Happening, Move, Queue};
use super::readers::{Readers, Wrong};
use super::schedule::{Deed, Ending, Finish, MS, Run, Schedule, Start, Stray, Target, Word};
use super::text;
use crate::Random;
use crate::{Checker, Did, Invariant, Violation};

/// A full comparison after so many steps.
const SWEEP: u32 = 64;

/// In the calm a tree comes to rest within so many inputs, or never.
const RESTLESS: u32 = 60_000;

/// A tree that has ended is launched again after so many more inputs.
const ECHOES: u32 = 3;

/// Acts are repeated so many times at most to fill a short schedule.
const ROUNDS: usize = 8;

/// Some day, in Unix nanoseconds.
const WALL: i64 = 1_700_000_000_000 * MS as i64;

/// Slack for what a well-behaved child takes, in nanoseconds.
const PROMPT: u64 = 20 * MS;

/// What a step can find.
pub(super) type Step<T = ()> = Result<T, Violation>;

/// What came of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Calls of the machine.
    pub(super) steps: u32,
    /// Of these, inputs; the others are launches, and plans that go on.
    pub(super) inputs: u32,
    /// Over all inputs and effects.
    pub(super) digest: u64,
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
        let who = Requester { by: Some("operator".into()), reason: Some("because".into()) };
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

/// Carries out a schedule; `resolved` is its tree.
pub(super) fn carry_out(
    room: &mut Room,
    schedule: &Schedule,
    resolved: Resolved,
    trace: Option<&mut Vec<String>>,
) -> Outcome {
    let mut world = World::new(room, schedule, resolved, trace);
    let violation = world.live().err();
    let outcome = Outcome { steps: world.steps, inputs: world.inputs, digest: world.digest.0, violation };
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
    digest: Digest,
    /// What the wall clock says at the machine's time 0.
    wall: i64,
    /// How often the tree was launched.
    lives: u32,
    now: u64,
    steps: u32,
    inputs: u32,
    /// Of these, after the end of the present life.
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
    /// Orders what comes at one instant.
    caused: u64,
}

impl<'w> World<'w> {
    fn new(
        room: &'w mut Room,
        schedule: &'w Schedule,
        resolved: Resolved,
        trace: Option<&'w mut Vec<String>>,
    ) -> Self {
        let machine = Machine::new(resolved.clone(), schedule.seed);
        let mut world = Self {
            room,
            schedule,
            trace,
            resolved,
            machine,
            random: Random::new(schedule.seed ^ 0x5eed),
            digest: Digest::default(),
            wall: WALL,
            lives: 0,
            now: 0,
            steps: 0,
            inputs: 0,
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

    // ---- the phases ----

    fn live(&mut self) -> Step {
        self.launch()?;
        self.storm()?;
        self.late = 0;
        match self.schedule.finish {
            Finish::Calm => {
                self.converge()?;
                self.shut_down()?;
            }
            Finish::Storm | Finish::Impatient(_) => self.shut_down()?,
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

    fn launch(&mut self) -> Step {
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

    /// Anything can happen.
    fn storm(&mut self) -> Step {
        let habits = self.schedule.habits;
        while self.steps < habits.limit || self.inputs < habits.least {
            if self.echoes >= ECHOES && self.acts_left && self.lives < habits.lives {
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
        let (from, quiet) = (self.steps, self.longest_delay());
        loop {
            if self.room.queue.only_beats() && !self.machine.has_open_plan() && self.is_at_rest(quiet) {
                break;
            }
            if !self.turn(u64::MAX)? {
                break;
            }
            if self.steps > from + RESTLESS {
                return Err(self.wrong(Invariant::Convergence, "it does not come to rest in the calm"));
            }
        }
        let root = self.room.kids.first().and_then(|root| root.life);
        sometimes!(self.room.marks, Mark::Converged, !self.ended);
        if self.ended || root == Some(Lifecycle::Stopping) {
            return Ok(());
        }
        self.room.checker.sweep(self.now, &self.machine)?;
        self.room.checker.calm(self.now, &self.machine)
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

    fn shut_down(&mut self) -> Step {
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
    fn afterlife(&mut self) -> Step {
        self.bury()?;
        // Acts that were no inputs, such as the end of a run that does not live, have left the schedule short.
        while self.inputs < self.schedule.habits.least {
            self.feed(Input::Tick)?;
        }
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

    fn plan_act(&mut self) {
        let (at, count) = (self.next_act, self.schedule.acts.len());
        let short = self.inputs < self.schedule.habits.least && at < count * ROUNDS;
        self.acts_left = at < count || short;
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
                self.perform(&schedule.acts[at as usize % schedule.acts.len()].deed)
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

    // ---- children ----

    fn run(&self, key: ChildKey) -> Option<Live> {
        let kid = self.room.kids.get(key.index as usize)?;
        kid.run.filter(|_| kid.epoch == key.epoch)
    }

    fn run_mut(&mut self, key: ChildKey) -> Option<&mut Live> {
        let kid = self.room.kids.get_mut(key.index as usize)?;
        kid.run.as_mut().filter(|_| kid.epoch == key.epoch)
    }

    fn run_moves(&mut self, key: ChildKey, generation: u64, step: Move) -> Step {
        let Some(live) = self.run(key).filter(|live| live.generation == generation) else { return Ok(()) };
        match step {
            Move::Ready => {
                if let Some(live) = self.run_mut(key) {
                    live.ready = true;
                }
                self.echo(key, &live, step);
                self.feed(Input::Ready { key, generation })
            }
            Move::Beat => {
                if let Some(live) = self.run_mut(key) {
                    live.beating = false;
                    live.beats = live.beats.saturating_sub(1);
                }
                self.feed(Input::Beat { key, generation })?;
                self.give_beats(key.index as usize, false);
                Ok(())
            }
            Move::Decline => {
                self.echo(key, &live, step);
                self.leave(key);
                let input = self.said(key, generation, Word::Declined);
                self.feed(input)
            }
            Move::End(ending) | Move::Obey(ending) => {
                self.echo(key, &live, step);
                self.end_run(key, generation, ending)
            }
        }
    }

    fn echo(&mut self, key: ChildKey, live: &Live, step: Move) {
        if live.run.twice && !self.calm {
            let at = self.now + self.random.below(2) * self.random.below(100) * MS;
            self.plan(at, Happening::Echo(key, live.generation, step));
        }
    }

    /// A run is gone, and its end is reported.
    fn end_run(&mut self, key: ChildKey, generation: u64, ending: Ending) -> Step {
        let Some(live) = self.run(key) else { return Ok(()) };
        let exit = self.exit(ending, live.asked, live.killed);
        self.leave(key);
        let stuck = self.room.kids[key.index as usize].life == Some(Lifecycle::Unresponsive);
        sometimes!(self.room.marks, Mark::UnresponsiveThenGone, stuck && !self.ended);
        self.feed(Input::Exited { key, generation, exit })
    }

    fn leave(&mut self, key: ChildKey) {
        if let Some(kid) = self.room.kids.get_mut(key.index as usize) {
            kid.run = None;
        }
    }

    /// An end in the words of a driver (D22).
    fn exit(&self, ending: Ending, asked: bool, killed: bool) -> Exit {
        let words = &self.room.words;
        match ending {
            Ending::Ok if asked || killed => Exit::Stopped,
            Ending::Ok => Exit::Completed,
            Ending::OkWith => Exit::StoppedWith { value: Arc::clone(&words.value) },
            Ending::Error => Exit::Failed { error: Arc::clone(&words.error) },
            Ending::Panic => Exit::Panicked { message: Arc::clone(&words.panic), location: None },
            Ending::Killed => Exit::Killed { signal: 9, by_us: killed },
            Ending::Cancelled if killed => Exit::Aborted,
            Ending::Aborted => Exit::Aborted,
            Ending::Cancelled => Exit::Failed { error: Arc::clone(&words.cancelled) },
        }
    }

    fn said(&self, key: ChildKey, generation: u64, word: Word) -> Input {
        match word {
            Word::Ready => Input::Ready { key, generation },
            Word::Beat => Input::Beat { key, generation },
            Word::Missed => Input::Missed { key, generation, why: Arc::clone(&self.room.words.probe) },
            Word::Declined => {
                Input::Declined { key, generation, reason: Arc::clone(&self.room.words.reason) }
            }
            Word::Ended(ending) => Input::Exited { key, generation, exit: self.exit(ending, false, false) },
        }
    }

    fn begin_run(&mut self, key: ChildKey, generation: u64) {
        let Some(kid) = self.room.kids.get(key.index as usize) else { return };
        let script = kid.body.and_then(|body| self.schedule.scripts.get(body as usize));
        let place = (generation.saturating_sub(1) % 3) as usize;
        let run = script.filter(|_| !self.calm).map_or(Run::GOOD, |script| script[place]);
        let (explicit, gets_done) = (is_explicit(kid), self.calm && is_job(kid));
        let mut plan = |after: u64, step: Move| {
            self.plan(self.now.saturating_add(after), Happening::Run(key, generation, step));
        };
        match run.start {
            Start::Ready(after) if explicit => plan(after, Move::Ready),
            Start::Declines(after) if explicit => plan(after, Move::Decline),
            _ => {}
        }
        match run.end {
            Some((after, ending)) => plan(after, Move::End(ending)),
            None if gets_done => plan(3 * MS, Move::Obey(Ending::Ok)),
            None => {}
        }
        let live = Live {
            generation,
            run,
            ready: !explicit,
            asked: false,
            grace: Some(0),
            killed: false,
            beats: run.beats.unwrap_or(u32::MAX),
            beating: false,
        };
        let at = key.index as usize;
        self.room.kids[at].run = Some(live);
        self.give_beats(at, false);
    }

    /// The next heartbeat, for who has promised some.
    fn give_beats(&mut self, at: usize, for_ever: bool) {
        let kid = &mut self.room.kids[at];
        let key = kid.key(at);
        let promised = kid.policy.as_ref().and_then(|policy| policy.heartbeat);
        let (Some(heartbeat), Some(live)) = (promised, kid.run.as_mut()) else { return };
        if for_ever {
            live.beats = u32::MAX;
        }
        if live.beats == 0 || live.beating {
            return;
        }
        live.beating = true;
        let generation = live.generation;
        let interval = heartbeat.interval.as_nanos() as u64;
        let late = live.run.faint && !self.calm && self.random.percent(50);
        let after = if late {
            interval + heartbeat.timeout.as_nanos() as u64 + self.random.below(interval)
        } else {
            interval / 2 + self.random.below(interval / 2 + 1)
        };
        self.plan(self.now + after, Happening::Run(key, generation, Move::Beat));
    }

    fn ask_run(&mut self, key: ChildKey, grace: Option<u64>) {
        let calm = self.calm;
        let Some(live) = self.run_mut(key) else { return };
        (live.asked, live.grace) = (true, grace);
        let (generation, answer) = (live.generation, live.run.on_stop);
        let answer = if calm { Run::GOOD.on_stop } else { answer };
        if let Some((after, ending)) = answer {
            self.plan(self.now + after, Happening::Run(key, generation, Move::Obey(ending)));
        }
    }

    fn kill_run(&mut self, key: ChildKey) {
        let calm = self.calm;
        let Some(live) = self.run_mut(key) else { return };
        live.killed = true;
        let (generation, after) = (live.generation, live.run.on_kill);
        if let Some(after) = if calm { Run::GOOD.on_kill } else { after } {
            let ending = if self.random.percent(50) { Ending::Cancelled } else { Ending::Killed };
            self.plan(self.now + after, Happening::Run(key, generation, Move::Obey(ending)));
        }
    }

    // ---- acts ----

    fn perform(&mut self, deed: &Deed) -> Step {
        match deed {
            Deed::Control(verb, target) => {
                let address = self.address(*target);
                self.command(Command::Control(*verb, address))
            }
            Deed::Otp(verb, target) => {
                let address = self.address(*target);
                self.command(Command::Otp(*verb, address))
            }
            Deed::Add { under, child, otp } => {
                let under = self.address(*under);
                let child = Box::new((**child).clone());
                self.command(if *otp {
                    Command::StartChild { under, child }
                } else {
                    Command::Add { under, child }
                })
            }
            Deed::Apply(decl) => self.command(Command::Apply(Box::new((**decl).clone()))),
            Deed::Shutdown => self.command(Command::Shutdown),
            Deed::SkipGraces => self.command(Command::SkipGraces),
            Deed::End(target, ending) => self.say(*target, Word::Ended(*ending)),
            Deed::Say(target, word) => self.say(*target, *word),
            Deed::Stray(target, word, stray) => self.stray(*target, *word, *stray),
            Deed::Bound(target) => match self.key(*target) {
                Some(key) => self.feed(Input::Bound { key }),
                None => Ok(()),
            },
            Deed::JournalFails(events) => {
                self.room.readers.fail(*events);
                Ok(())
            }
            Deed::WallJumps(by) => {
                self.wall = self.wall.saturating_add(*by);
                Ok(())
            }
        }
    }

    fn key(&self, target: Target) -> Option<ChildKey> {
        let name = self.schedule.names.get(target.name()?)?;
        self.machine.find(name)
    }

    fn address(&self, target: Target) -> Address {
        let name = |at: u16| match self.schedule.names.get(usize::from(at)) {
            Some(name) => Arc::clone(name),
            None => "/nobody".into(),
        };
        let nobody = ChildKey { index: u32::MAX - 1, epoch: 0 };
        match target {
            Target::Path(at) => Address::Text(name(at)),
            Target::Id(at) => Address::Text(name(at).rsplit('/').next().unwrap_or("c0").into()),
            Target::Key(_) => Address::Key(self.key(target).unwrap_or(nobody)),
            Target::FormerKey(at) => {
                let former = self.room.former.get(usize::from(at) % self.room.former.len().max(1));
                Address::Key(former.copied().unwrap_or(nobody))
            }
            Target::Nobody => Address::Text("/nobody/at/all".into()),
        }
    }

    fn command(&mut self, command: Command) -> Step {
        self.ticket += 1;
        sometimes!(self.room.marks, Mark::CommandAfterTheEnd, self.ended);
        if matches!(command, Command::Shutdown) {
            sometimes!(self.room.marks, Mark::ShutdownTwice, self.shutdown_asked);
            self.shutdown_asked = true;
        }
        let requester = self.room.words.who.clone();
        self.feed(Input::Command { ticket: self.ticket, requester, command })
    }

    /// The live run of a child says something, if it can.
    fn say(&mut self, target: Target, word: Word) -> Step {
        let Some(key) = self.key(target) else { return Ok(()) };
        let Some(live) = self.run(key) else { return Ok(()) };
        let kid = &self.room.kids[key.index as usize];
        let promised = kid.policy.as_ref().is_some_and(|policy| policy.heartbeat.is_some());
        let starts = kid.life == Some(Lifecycle::Starting) && is_explicit(kid) && !live.ready;
        match word {
            Word::Ended(ending) => return self.end_run(key, live.generation, ending),
            Word::Declined if !starts => return Ok(()),
            Word::Missed if !promised => return Ok(()),
            Word::Declined => self.leave(key),
            Word::Ready => {
                if let Some(live) = self.run_mut(key) {
                    live.ready = true;
                }
            }
            _ => {}
        }
        let input = self.said(key, live.generation, word);
        self.feed(input)
    }

    /// A message about a run that is not the live one.
    fn stray(&mut self, target: Target, word: Word, stray: Stray) -> Step {
        let Some(mut key) = self.key(target) else { return Ok(()) };
        let generation = self.machine.row(key).map_or(0, |row| row.generation);
        let generation = match stray {
            Stray::Older => generation.saturating_sub(1),
            Stray::Newer => generation + 1,
            Stray::OtherChild => {
                key.epoch = if key.epoch > 0 { key.epoch - 1 } else { 1 };
                generation
            }
        };
        let input = self.said(key, generation, word);
        self.feed(input)
    }

    // ---- the machine ----

    fn feed(&mut self, input: Input) -> Step {
        self.call(Call::Input(input))
    }

    fn call(&mut self, call: Call) -> Step {
        let mut out = std::mem::take(&mut self.room.out);
        self.steps += 1;
        self.tell_call(&call);
        let did = match &call {
            Call::Launch => {
                self.machine.launch(self.now, &mut out);
                Did::Launch
            }
            Call::Input(input) => {
                self.inputs += 1;
                self.echoes += u32::from(self.ended);
                self.digest.input(self.now, input);
                self.machine.handle(self.now, input.clone(), &mut out);
                Did::Input(input)
            }
            Call::GoOn => {
                self.machine.go_on(self.now, &mut out);
                Did::GoOn
            }
        };
        let checked = self.room.checker.step(self.now, did, &out, &self.machine);
        self.tell_effects(&out);
        checked?;
        sometimes!(self.room.marks, Mark::PlanCut, out.len() >= 256 && self.machine.has_open_plan());
        if !out.is_empty() && !matches!(&call, Call::Input(Input::Beat { .. })) {
            self.last_effect = self.now;
        }
        for effect in out.drain(..) {
            self.digest.effect(&effect);
            self.obey(effect);
        }
        self.room.out = out;
        if self.steps.is_multiple_of(SWEEP) {
            self.room.checker.sweep(self.now, &self.machine)?;
        }
        self.let_readers_read()
    }

    fn let_readers_read(&mut self) -> Step {
        if self.room.readers.is_empty() {
            return Ok(());
        }
        let keys = self.room.kids.iter().enumerate().map(|(at, kid)| kid.key(at));
        let found = self.room.readers.read(&mut self.random, &self.machine, keys);
        sometimes!(self.room.marks, Mark::ReaderGap, self.room.readers.gaps > 0);
        sometimes!(self.room.marks, Mark::JournalFailed, self.room.readers.lost > 0);
        sometimes!(self.room.marks, Mark::WallClockBack, self.room.readers.back > 0);
        sometimes!(self.room.marks, Mark::ReaderCaughtUp, self.room.readers.caught_up > 0);
        found.map_err(|wrong| match wrong {
            Wrong::Lost(text) => self.wrong(Invariant::Sequence, &text),
            Wrong::Differs(text) => self.wrong(Invariant::Fold, &text),
        })
    }

    /// Does what the machine decided.
    fn obey(&mut self, effect: Effect) {
        self.room.marks.effect(&effect, self.now, &self.room.kids, &self.machine);
        match effect {
            Effect::Declared { key, parent, path, body, policy } => {
                let at = key.index as usize;
                if self.room.kids.len() <= at {
                    self.room.kids.resize_with(at + 1, Kid::default);
                }
                self.room.kids[at] = Kid {
                    epoch: key.epoch,
                    parent: parent.index,
                    body,
                    policy: Some(policy),
                    life: Some(Lifecycle::Declared),
                    attempt: 0,
                    grouped: false,
                    path: Some(path),
                    run: None,
                };
            }
            Effect::Changed { key, body, policy } => {
                let at = key.index as usize;
                if let Some(kid) = self.room.kids.get_mut(at) {
                    (kid.body, kid.policy) = (body, Some(policy));
                    self.give_beats(at, self.calm);
                }
            }
            Effect::Spawn { key, generation, .. } => self.begin_run(key, generation),
            Effect::Stop { key, grace } => self.ask_run(key, grace),
            Effect::Kill { key } => self.kill_run(key),
            Effect::Emit(event) => {
                if let Some(kid) = self.room.kids.get_mut(event.child.index as usize) {
                    kid.life = Some(event.row.lifecycle);
                    kid.attempt = event.row.attempt;
                    kid.grouped = matches!(event.next, supervisor_api::Next::WithGroup(_));
                }
                if !self.room.readers.is_empty() {
                    let unix = self.wall.saturating_add_unsigned(self.now);
                    self.room.readers.publish(self.now, unix, event.child, event.row);
                }
            }
            Effect::Forget { key } => self.room.former.push(key),
            Effect::Done(_) => self.ended = true,
            Effect::Reply { .. } | Effect::Started => {}
        }
    }

    // ---- words ----

    fn wrong(&self, invariant: Invariant, text: &str) -> Violation {
        Violation { invariant, text: format!("at {}: {text}", text::moment(self.now)) }
    }

    fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = line(self);
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    fn tell_call(&mut self, call: &Call) {
        self.note(|world| {
            let names = |key: ChildKey| world.name_of(key);
            let what = match call {
                Call::Launch => "launch".to_owned(),
                Call::GoOn => "go on".to_owned(),
                Call::Input(input) => text::input(input, &names),
            };
            format!("{} {what}", text::moment(world.now))
        });
    }

    fn tell_effects(&mut self, effects: &[Effect]) {
        if self.trace.is_some() {
            for effect in effects {
                self.note(|world| {
                    let names = |key: ChildKey| world.name_of(key);
                    format!("                    {}", text::effect(effect, &names))
                });
            }
        }
    }

    fn name_of(&self, key: ChildKey) -> Option<SupervisorPath> {
        let kid = self.room.kids.get(key.index as usize);
        kid.filter(|kid| kid.epoch == key.epoch)
            .and_then(|kid| kid.path.clone())
            .or_else(|| self.machine.path(key).cloned())
    }
}

/// How the machine is called.
enum Call {
    Launch,
    Input(Input),
    GoOn,
}

/// Well-behaved jobs get done, unless that would end their supervisor, which may come back for ever.
fn is_job(kid: &Kid) -> bool {
    let once = |policy: &Arc<ChildPolicy>| {
        policy.role == Role::Job && policy.restart != RestartType::Permanent && !policy.significant
    };
    kid.policy.as_ref().is_some_and(once)
}

fn is_explicit(kid: &Kid) -> bool {
    kid.policy.as_ref().is_some_and(|policy| policy.readiness == ReadinessMode::Explicit)
}
