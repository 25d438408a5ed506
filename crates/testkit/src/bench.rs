//! The world around the machine: a clock, and children that follow their scripts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::policy::ReadinessMode;
use supervisor_api::{ChildKey, Event, Exit, Finding, Lifecycle, SupervisorError, SupervisorPath};
use supervisor_core::{ChildPolicy, Command, Effect, End, Input, Machine, Reply, Ticket, resolve};

use crate::line;
use crate::plan::{Bodies, Child, Tree};
use crate::script::{Run, Start};
use crate::watch::Watch;

/// So many inputs at one instant without coming to rest mean that it never will.
const RESTLESS: usize = 200_000;

/// A tree under test, and its time.
pub struct Bench {
    pub(crate) machine: Machine,
    pub(crate) next_ticket: Ticket,
    pub(crate) bodies: Bodies,
    pub(crate) watch: Watch,
    now: u64,
    counter: u64,
    /// Reports that wait for their turn, in order.
    queue: VecDeque<Input>,
    /// Reports that are made later, by time and then by the order in which they were scheduled.
    later: BTreeMap<(u64, u64), Input>,
    runs: HashMap<ChildKey, (u64, Run)>,
    pub(crate) told: HashMap<ChildKey, (Arc<ChildPolicy>, Option<u32>)>,
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
            machine: Machine::new(resolved, seed),
            next_ticket: 1,
            bodies,
            watch: Watch::default(),
            now: 0,
            counter: 0,
            queue: VecDeque::new(),
            later: BTreeMap::new(),
            runs: HashMap::new(),
            told: HashMap::new(),
            trace: Vec::new(),
            story: Vec::new(),
            heard: Vec::new(),
            replies: BTreeMap::new(),
            end: None,
            out: Vec::new(),
        };
        bench.note_needs(&SupervisorPath::root(), tree.children(), false);
        bench.call(false, |machine, now, out| machine.launch(now, out));
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
            self.call(false, |machine, now, out| machine.go_on(now, out));
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
        let Some(generation) = self.watch.live_generation(key) else {
            self.fail("the child has no live run")
        };
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
            let Some(generation) = self.watch.live_generation(key) else { continue };
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

    /// Hands an input to the machine as it is, before anything that waits.
    pub fn say(&mut self, input: Input) {
        let operator_starts = match &input {
            Input::Command { ticket, command, .. } => {
                self.story.push(line::asked(&self.now(), command));
                if *ticket != 0 {
                    self.watch.asked(*ticket);
                }
                if matches!(command, Command::Shutdown) {
                    self.watch.end_begins(false);
                }
                matches!(
                    command,
                    Command::Control(
                        supervisor_api::command::ControlVerb::Restart
                            | supervisor_api::command::ControlVerb::Resume,
                        _
                    )
                )
            }
            Input::HardStop => {
                self.watch.end_begins(true);
                false
            }
            _ => false,
        };
        self.call(operator_starts, |machine, now, out| machine.handle(now, input, out));
    }

    fn live(&self, name: &str) -> (ChildKey, u64) {
        let key = self.key(name);
        match self.watch.live_generation(key) {
            Some(generation) => (key, generation),
            None => self.fail(&format!("{name} has no live run")),
        }
    }

    /// An end by itself is `stopped` when it was asked for, as a driver has it (D22).
    fn in_words_of_a_driver(&self, report: Input) -> Input {
        match report {
            Input::Exited { key, generation, exit: Exit::Completed } if self.watch.was_asked(key) => {
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
            | Input::Missed { key, generation, .. } => (*key, *generation),
            _ => return self.say(report),
        };
        if self.watch.live_generation(key) != Some(generation) {
            return;
        }
        let Some(path) = self.watch.kid(key).map(|kid| kid.path.clone()) else { return };
        match &report {
            Input::Exited { exit, .. } => {
                self.line(line::down(&path, exit));
                self.watch.gone(key);
            }
            Input::Declined { .. } => {
                self.line(format!("declined {}", line::name(&path)));
                self.watch.gone(key);
            }
            Input::Ready { .. } => self.line(format!("ready {}", line::name(&path))),
            _ => {}
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
        let Some((policy, Some(body))) = self.told.get(&key).cloned() else {
            self.fail("a supervisor, or a child that was not declared, is spawned");
        };
        let run = self.bodies.script(body).run(generation);
        if policy.readiness == ReadinessMode::Explicit {
            match run.start {
                Start::Ready(after) => self.schedule(after, Input::Ready { key, generation }),
                Start::NeverReady => {}
                Start::Declines => {
                    let reason = "not today".into();
                    self.schedule(Duration::ZERO, Input::Declined { key, generation, reason });
                }
            }
        }
        if let Some((after, exit)) = run.end.clone() {
            self.schedule(after, Input::Exited { key, generation, exit });
        }
        self.runs.insert(key, (generation, run));
    }

    fn ask_run(&mut self, key: ChildKey) {
        let Some((generation, run)) = self.runs.get(&key) else { return };
        if let Some((after, exit)) = run.on_stop.clone() {
            let report = Input::Exited { key, generation: *generation, exit };
            self.schedule(after, report);
        }
    }

    fn kill_run(&mut self, key: ChildKey) {
        let Some((generation, run)) = self.runs.get(&key) else { return };
        if let Some(after) = run.on_kill {
            let report = Input::Exited { key, generation: *generation, exit: Exit::Aborted };
            self.schedule(after, report);
        }
    }

    // ---- what the machine does ----

    fn call(&mut self, operator_starts: bool, act: impl FnOnce(&mut Machine, u64, &mut Vec<Effect>)) {
        self.watch.begin(operator_starts);
        let mut out = std::mem::take(&mut self.out);
        act(&mut self.machine, self.now, &mut out);
        for effect in out.drain(..) {
            let outcome = self.carry_out(effect);
            self.check(outcome);
        }
        self.out = out;
        let outcome = self.watch.compare(&self.machine);
        self.check(outcome);
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Declared { key, parent, path, body, policy } => {
                self.watch.declared(key, parent, path)?;
                self.watch.decided_by(key, &policy);
                self.told.insert(key, (policy, body));
                Ok(())
            }
            Effect::Changed { key, body, policy } => {
                self.watch.decided_by(key, &policy);
                self.told.insert(key, (policy, body));
                Ok(())
            }
            Effect::Spawn { key, generation, .. } => {
                self.note(key, "start");
                self.watch.spawned(key, generation)?;
                self.begin_run(key, generation);
                Ok(())
            }
            Effect::Stop { key, .. } => {
                self.note(key, "stop");
                self.watch.asked_to_stop(key)?;
                self.ask_run(key);
                Ok(())
            }
            Effect::Kill { key } => {
                self.note(key, "kill");
                self.watch.killed(key)?;
                self.kill_run(key);
                Ok(())
            }
            Effect::Emit(event) => {
                let name = self.name(event.child);
                self.story.push(format!("  {name} {}, now {}", event.kind, event.row.lifecycle));
                self.watch.told(&event)?;
                self.heard.push(Heard { at: self.now, name, event });
                Ok(())
            }
            Effect::Reply { ticket, result } => {
                self.watch.replied(ticket)?;
                self.replies.insert(ticket, result);
                Ok(())
            }
            Effect::Forget { key } => self.watch.forgotten(key),
            Effect::Started => {
                self.line("started".to_owned());
                Ok(())
            }
            Effect::Done(end) => {
                self.line(line::done(&end));
                self.end = Some(end);
                self.watch.ended()
            }
        }
    }

    fn note(&mut self, key: ChildKey, what: &str) {
        let line = format!("{what} {}", self.name(key));
        self.line(line);
    }

    fn line(&mut self, line: String) {
        self.story.push(line.clone());
        self.trace.push(line);
    }

    fn check(&self, outcome: Result<(), String>) {
        if let Err(broken) = outcome {
            self.fail(&broken);
        }
    }

    /// Panics with this sentence and the story so far.
    pub fn fail(&self, what: &str) -> ! {
        let tail = &self.story[self.story.len().saturating_sub(100)..];
        panic!("after {:?}: {what}\nthe story so far:\n  {}", self.now(), tail.join("\n  "))
    }

    fn name(&self, key: ChildKey) -> String {
        match self.watch.kid(key) {
            Some(kid) => line::name(&kid.path).to_owned(),
            None => format!("{key:?}"),
        }
    }

    pub(crate) fn note_needs(&mut self, under: &SupervisorPath, children: &[Child], added: bool) {
        let at = |name: &str| path(&format!("{}/{name}", under.as_str().trim_end_matches('/')));
        for child in children {
            self.watch.no_sidecar(&at(child.name()));
            if added {
                self.watch.forget_needs(&at(child.name()));
            }
        }
        for child in children {
            let needs = child.waits_for().iter().map(|name| at(name)).collect();
            self.watch.set_needs(at(child.name()), needs);
        }
        for child in children {
            if let Some(primary) = child.belongs_to() {
                self.watch.add_sidecar(at(primary), at(child.name()), added);
            }
            if let Some(tree) = child.subtree() {
                self.note_needs(&at(child.name()), tree.children(), added);
            }
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
