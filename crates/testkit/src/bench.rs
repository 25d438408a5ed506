//! The world around the machine: a clock, and children that follow their scripts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::policy::ReadinessMode;
use supervisor_api::{ChildKey, Event, Exit, Finding, Lifecycle, SupervisorError, SupervisorPath};
use supervisor_core::{Effect, End, Input, Machine, Reply, Ticket, resolve};

use crate::check::{Checker, Did, Violation};
use crate::line;
use crate::plan::{Bodies, Tree};
use crate::script::Start;
use crate::seen::{Playing, Seen};

/// So many inputs at one instant without coming to rest mean that it never will.
const RESTLESS: usize = 200_000;

/// Up to this many children the checker sweeps after every call; beyond, after every 64.
const SMALL: usize = 64;

/// A tree under test, and its time.
pub struct Bench {
    pub(crate) machine: Machine,
    pub(crate) next_ticket: Ticket,
    pub(crate) bodies: Bodies,
    pub(crate) checker: Checker,
    pub(crate) seen: HashMap<ChildKey, Seen>,
    calls: u64,
    pub(crate) now: u64,
    counter: u64,
    /// Reports that wait for their turn, in order.
    queue: VecDeque<Input>,
    /// Reports that are made later, by time and then by the order in which they were scheduled.
    later: BTreeMap<(u64, u64), Input>,
    pub(crate) trace: Vec<String>,
    /// Everything that was done, asked and told, for whoever reads a failure.
    story: Vec<String>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) replies: BTreeMap<Ticket, Result<Reply, SupervisorError>>,
    pub(crate) end: Option<End>,
    out: Vec<Effect>,
}

/// An event as the bench heard it.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// When, in nanoseconds since the start.
    pub at: u64,
    /// About whom: `a/b`, or `/` for the root.
    pub name: String,
    /// What.
    pub event: Event,
}

impl Bench {
    /// Starts a tree and lets it come to rest.
    ///
    /// # Panics
    /// When the tree has mistakes, and, here as later, when an invariant is broken.
    pub fn launch(tree: Tree) -> Self {
        let mut bench = Self::begin(tree, 0);
        bench.settle();
        bench
    }

    /// Starts a tree with this seed for jitter, and handles no report yet.
    pub fn begin(tree: Tree, seed: u64) -> Self {
        Self::try_begin(&tree, seed).unwrap_or_else(|findings| panic!("the tree has mistakes: {findings:?}"))
    }

    /// Starts a tree, or says what is wrong with it. Nothing is started then (R6).
    pub fn try_begin(tree: &Tree, seed: u64) -> Result<Self, Vec<Finding>> {
        let mut bodies = Bodies::default();
        let resolved = resolve(&tree.declare(&SupervisorPath::root(), &mut bodies))?;
        let mut bench = Self {
            checker: Checker::new(&resolved),
            machine: Machine::new(resolved, seed),
            next_ticket: 1,
            bodies,
            seen: HashMap::new(),
            calls: 0,
            now: 0,
            counter: 0,
            queue: VecDeque::new(),
            later: BTreeMap::new(),
            trace: Vec::new(),
            story: Vec::new(),
            heard: Vec::new(),
            replies: BTreeMap::new(),
            end: None,
            out: Vec::new(),
        };
        bench.call(Did::Launch);
        Ok(bench)
    }

    // ---- time ----

    /// The time, since the start.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.now)
    }

    /// Lets this much time pass. Deadlines and scripted events come at their exact times, deadlines first.
    pub fn pass(&mut self, span: Duration) {
        let until = self.now + nanos(span);
        self.settle();
        while let Some(next) = self.next_event().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.settle();
        }
        self.now = until;
    }

    /// Handles everything that is due now: deadlines, cut work, reports.
    pub fn settle(&mut self) {
        for _ in 0..RESTLESS {
            if !self.turn() {
                return;
            }
        }
        self.fail("it does not come to rest");
    }

    /// Handles one thing that is due, and says whether there was one.
    pub fn turn(&mut self) -> bool {
        self.collect_due();
        let now = self.now;
        if self.machine.next_deadline().is_some_and(|at| at <= now) {
            self.say(Input::Tick);
        } else if self.machine.has_open_plan() {
            self.call(Did::GoOn);
        } else if let Some(report) = self.queue.pop_front() {
            self.report(report);
        } else {
            return false;
        }
        true
    }

    /// When something happens next: a deadline of the machine or an event of a script.
    fn next_event(&self) -> Option<u64> {
        let scripted = self.later.keys().next().map(|(at, _)| *at);
        scripted.into_iter().chain(self.machine.next_deadline()).min()
    }

    fn collect_due(&mut self) {
        while let Some(entry) = self.later.first_entry() {
            if entry.key().0 > self.now {
                return;
            }
            let report = entry.remove();
            let report = self.in_words_of_a_driver(report);
            self.queue.push_back(report);
        }
    }

    // ---- what children do ----

    /// The live run ends by itself, now.
    ///
    /// # Panics
    /// When there is none.
    pub fn end(&mut self, name: &str, exit: Exit) {
        self.end_all([(name, exit)]);
    }

    /// Several runs end at the same instant; their ends are handled in this order.
    pub fn end_all<'a>(&mut self, ends: impl IntoIterator<Item = (&'a str, Exit)>) {
        for (name, exit) in ends {
            self.queue_end(name, exit);
        }
        self.settle();
    }

    /// The live run of exactly this child ends by itself, also when its path means another child now.
    pub fn end_key(&mut self, key: ChildKey, exit: Exit) {
        let Some(generation) = self.live_generation(key) else { self.fail("the child has no live run") };
        let exit = self.in_words_of_a_driver(Input::Exited { key, generation, exit });
        self.queue.push_back(exit);
        self.settle();
    }

    /// The live run ends by itself now; the end is not handled yet.
    pub fn queue_end(&mut self, name: &str, exit: Exit) {
        let (key, generation) = self.live(name);
        let exit = self.in_words_of_a_driver(Input::Exited { key, generation, exit });
        self.queue.push_back(exit);
    }

    /// The live run ends with `failed: boom`.
    pub fn crash(&mut self, name: &str) {
        self.end(name, Exit::failed("boom"));
    }

    /// The live run ends with `failed: boom`; says how long it takes until the child runs again, to the
    /// millisecond.
    ///
    /// # Panics
    /// When it does not run again within 100 seconds.
    pub fn crash_and_wait(&mut self, name: &str) -> Duration {
        let from = self.now();
        self.crash(name);
        while self.state(name) != Lifecycle::Running {
            self.pass(Duration::from_millis(1));
            if self.now() - from > Duration::from_secs(100) {
                self.fail(&format!("{name} does not come back"));
            }
        }
        self.now() - from
    }

    /// The live run returns `Ok`.
    pub fn finish(&mut self, name: &str) {
        self.end(name, Exit::Completed);
    }

    /// The live run reports ready.
    pub fn ready(&mut self, name: &str) {
        let (key, generation) = self.live(name);
        self.queue.push_back(Input::Ready { key, generation });
        self.settle();
    }

    /// The live run shows that it is alive.
    pub fn beat(&mut self, name: &str) {
        let (key, generation) = self.live(name);
        self.queue.push_back(Input::Beat { key, generation });
        self.settle();
    }

    /// Every live run shows that it is alive.
    pub fn beat_all(&mut self) {
        for key in self.living_keys() {
            let Some(generation) = self.live_generation(key) else { continue };
            self.queue.push_back(Input::Beat { key, generation });
        }
        self.settle();
    }

    /// A probe of the live run failed.
    pub fn miss(&mut self, name: &str, why: &str) {
        let (key, generation) = self.live(name);
        self.queue.push_back(Input::Missed { key, generation, why: why.into() });
        self.settle();
    }

    /// The live run says that it has failed.
    pub fn unwell(&mut self, name: &str, why: &str) {
        let (key, generation) = self.live(name);
        self.queue.push_back(Input::Unwell { key, generation, why: why.into() });
        self.settle();
    }

    /// Hands an input to the machine as it is, before anything that waits.
    pub fn say(&mut self, input: Input) {
        if let Input::Command { command, .. } = &input {
            self.story.push(line::asked(&self.now(), command));
        }
        self.call(Did::Input(&input));
    }

    /// The number of the live run of a child.
    pub(crate) fn live_generation(&self, key: ChildKey) -> Option<u64> {
        self.seen.get(&key)?.run.as_ref().map(|run| run.generation)
    }

    fn live(&self, name: &str) -> (ChildKey, u64) {
        let key = self.key(name);
        match self.live_generation(key) {
            Some(generation) => (key, generation),
            None => self.fail(&format!("{name} has no live run")),
        }
    }

    /// An end by itself is `stopped` when it was asked for, as a driver has it (D22).
    fn in_words_of_a_driver(&self, report: Input) -> Input {
        let asked = |key| self.seen.get(key).and_then(|seen| seen.run.as_ref()).is_some_and(|run| run.asked);
        match report {
            Input::Exited { key, generation, exit: Exit::Completed } if asked(&key) => {
                Input::Exited { key, generation, exit: Exit::Stopped }
            }
            other => other,
        }
    }

    /// Hands over a report, unless its run ended before.
    fn report(&mut self, report: Input) {
        let (key, generation) = match &report {
            Input::Exited { key, generation, .. }
            | Input::Declined { key, generation, .. }
            | Input::Ready { key, generation }
            | Input::Beat { key, generation }
            | Input::Missed { key, generation, .. }
            | Input::Unwell { key, generation, .. } => (*key, *generation),
            _ => return self.say(report),
        };
        if self.live_generation(key) != Some(generation) {
            return;
        }
        let Some(seen) = self.seen.get_mut(&key) else { return };
        if matches!(report, Input::Exited { .. } | Input::Declined { .. }) {
            seen.run = None;
        }
        let name = line::name(&seen.path);
        let line = match &report {
            Input::Exited { exit, .. } => Some(line::down(&seen.path, exit)),
            Input::Declined { .. } => Some(format!("declined {name}")),
            Input::Ready { .. } => Some(format!("ready {name}")),
            _ => None,
        };
        if let Some(line) = line {
            self.line(line);
        }
        self.say(report);
    }

    fn schedule(&mut self, after: Duration, report: Input) {
        if after.is_zero() {
            let report = self.in_words_of_a_driver(report);
            self.queue.push_back(report);
        } else {
            self.counter += 1;
            self.later.insert((self.now + nanos(after), self.counter), report);
        }
    }

    fn begin_run(&mut self, key: ChildKey, generation: u64) {
        let Some(seen) = self.seen.get_mut(&key) else { return };
        let Some(body) = seen.body else { return };
        let run = self.bodies.script(body).of(generation).clone();
        seen.enters(Lifecycle::Starting);
        seen.run = Some(Playing { generation, script: run.clone(), asked: false });
        if seen.policy.readiness == ReadinessMode::Explicit {
            match run.start {
                Start::Ready(after) => self.schedule(after, Input::Ready { key, generation }),
                Start::NeverReady => {}
                Start::Declines => {
                    let reason = "not today".into();
                    self.schedule(Duration::ZERO, Input::Declined { key, generation, reason });
                }
            }
        }
        if let Some((after, exit)) = run.end {
            self.schedule(after, Input::Exited { key, generation, exit });
        }
    }

    fn ask_run(&mut self, key: ChildKey) {
        let Some(run) = self.seen.get_mut(&key).and_then(|seen| seen.run.as_mut()) else { return };
        run.asked = true;
        let generation = run.generation;
        if let Some((after, exit)) = run.script.on_stop.clone() {
            self.schedule(after, Input::Exited { key, generation, exit });
        }
    }

    fn kill_run(&mut self, key: ChildKey) {
        let Some(run) = self.seen.get_mut(&key).and_then(|seen| seen.run.as_mut()) else { return };
        run.asked = true;
        let generation = run.generation;
        if let Some(after) = run.script.on_kill {
            self.schedule(after, Input::Exited { key, generation, exit: Exit::Aborted });
        }
    }

    // ---- what the machine does ----

    /// Calls the machine, carries out what it wants, and checks that all of it was right.
    fn call(&mut self, did: Did<'_>) {
        let mut out = std::mem::take(&mut self.out);
        match did {
            Did::Launch => self.machine.launch(self.now, &mut out),
            Did::Input(input) => self.machine.handle(self.now, input.clone(), &mut out),
            Did::GoOn => self.machine.go_on(self.now, &mut out),
        }
        for effect in &out {
            self.carry_out(effect);
        }
        let outcome = self.checker.step(self.now, did, &out, &self.machine);
        self.check(outcome);
        self.calls += 1;
        if self.seen.len() <= SMALL || self.calls.is_multiple_of(64) {
            let outcome = self.checker.sweep(self.now, &self.machine);
            self.check(outcome);
        }
        out.clear();
        self.out = out;
    }

    fn carry_out(&mut self, effect: &Effect) {
        match effect {
            Effect::Declared { key, path, body, policy, .. } => {
                self.seen.insert(*key, Seen::new(path.clone(), Arc::clone(policy), *body));
            }
            Effect::Changed { key, body, policy } => {
                if let Some(seen) = self.seen.get_mut(key) {
                    (seen.policy, seen.body) = (Arc::clone(policy), *body);
                }
            }
            Effect::Spawn { key, generation, .. } => {
                self.note(*key, "start");
                self.begin_run(*key, *generation);
            }
            Effect::Stop { key, .. } => {
                self.note(*key, "stop");
                self.ask_run(*key);
            }
            Effect::Kill { key } => {
                self.note(*key, "kill");
                self.kill_run(*key);
            }
            Effect::Emit(event) => self.hear(event),
            Effect::Reply { ticket, result } => {
                self.replies.insert(*ticket, result.clone());
            }
            Effect::Forget { key } => {
                if let Some(seen) = self.seen.get_mut(key) {
                    seen.forgotten = true;
                }
            }
            Effect::Started => self.line("started".to_owned()),
            Effect::Done(end) => {
                self.line(line::done(end));
                self.end = Some(end.clone());
            }
        }
    }

    fn hear(&mut self, event: &Event) {
        let name = self.name(event.child);
        self.story.push(format!("  {name} {}, now {}", event.kind, event.row.lifecycle));
        if let Some(seen) = self.seen.get_mut(&event.child) {
            seen.enters(event.row.lifecycle);
            seen.row = event.row;
        }
        self.heard.push(Heard { at: self.now, name, event: event.clone() });
    }

    fn note(&mut self, key: ChildKey, what: &str) {
        let line = format!("{what} {}", self.name(key));
        self.line(line);
    }

    fn line(&mut self, line: String) {
        self.story.push(line.clone());
        self.trace.push(line);
    }

    pub(crate) fn check(&self, outcome: Result<(), Violation>) {
        if let Err(violation) = outcome {
            self.fail(&violation.to_string());
        }
    }

    /// Panics with this sentence and the story so far.
    pub fn fail(&self, what: &str) -> ! {
        let tail = &self.story[self.story.len().saturating_sub(100)..];
        panic!("after {:?}: {what}\nthe story so far:\n  {}", self.now(), tail.join("\n  "))
    }

    fn name(&self, key: ChildKey) -> String {
        match self.seen.get(&key) {
            Some(seen) => line::name(&seen.path).to_owned(),
            None => format!("{key:?}"),
        }
    }
}

/// `a/b` or `/a/b` as a path.
pub(crate) fn path(name: &str) -> SupervisorPath {
    let text = format!("/{}", name.trim_start_matches('/'));
    SupervisorPath::parse(&text).unwrap_or_else(|error| panic!("a test names a path badly: {error}"))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
