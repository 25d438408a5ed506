//! A scenario in our machine: a small driver whose children do what the scenario says.
//!
//! Children react at once, and nothing comes between a request and the reaction, as in OTP, where the supervisor
//! waits for it. Everything else, due deadlines too, goes through one inbox, so a retry stands behind what was there
//! before it (R32).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use supervisor_api::command::OtpVerb;
use supervisor_api::policy::Grace;
use supervisor_api::{ChildKey, Event, EventKind, Exit, Lifecycle, Next, SupervisorError};
use supervisor_core::{
    Address, ChildPolicy, Command, Effect, End, Input, Machine, Reply, Requester, Ticket, resolve,
};

use crate::declare;
use crate::model::{
    Action, Call, Child, Reason, Scenario, Start, Step, Stop, Strategy, Trace, Tree, join, split,
};

/// So many turns without coming to rest mean that it never will.
const RESTLESS: usize = 100_000;

/// Plays a whole scenario.
///
/// # Errors
/// A sentence, when it speaks of a child that does not run.
pub fn play(scenario: &Scenario) -> Result<Trace, String> {
    let mut ours = Ours::new(&scenario.tree);
    scenario.steps.iter().map(|step| ours.step(step)).collect()
}

/// A tree in our machine.
pub struct Ours {
    tree: Tree,
    /// `None` before the launch, and when the tree was refused.
    machine: Option<Machine>,
    now: u64,
    /// What children do at once, in order.
    reactions: VecDeque<Reaction>,
    /// What waits for the machine, in order.
    inbox: VecDeque<Post>,
    tick_waits: bool,
    kids: BTreeMap<ChildKey, Kid>,
    /// What is declared below supervisors, by path.
    below: HashMap<String, Tree>,
    /// What starts and stops do, by path.
    scripts: HashMap<String, (Vec<Start>, Stop)>,
    started: HashMap<String, usize>,
    asked: BTreeMap<Ticket, Call>,
    tickets: Ticket,
    failed_starts: usize,
    /// Dynamic supervisors that have errors to tell of.
    erring: BTreeSet<ChildKey>,
    lines: Vec<String>,
    replies: Vec<String>,
    ended: bool,
}

/// A child, or a supervisor.
struct Kid {
    path: String,
    parent: ChildKey,
    policy: Arc<ChildPolicy>,
    /// A supervisor that is starting, running or stopping.
    is_up: bool,
    /// A supervisor that is stopping.
    is_stopping: bool,
    run: Option<Run>,
}

#[derive(Clone, Copy)]
struct Run {
    generation: u64,
    hangs: bool,
    asked: bool,
    killed: bool,
}

/// What a child does at once.
#[derive(Clone, Copy)]
enum Reaction {
    Starts(ChildKey, u64, Start),
    IsAsked(ChildKey, u64),
    Dies(ChildKey, u64),
}

enum Post {
    Tick,
    Read(ChildKey, String, Call),
    /// A child is added; when its id is free, its script is new too.
    Start(String, Child, Input),
    Input(Input),
    Ends(ChildKey, u64, Exit),
}

impl Ours {
    /// Nothing has happened yet.
    pub fn new(tree: &Tree) -> Self {
        Self {
            tree: tree.clone(),
            machine: None,
            now: 0,
            reactions: VecDeque::new(),
            inbox: VecDeque::new(),
            tick_waits: false,
            kids: BTreeMap::new(),
            below: HashMap::new(),
            scripts: HashMap::new(),
            started: HashMap::new(),
            asked: BTreeMap::new(),
            tickets: 0,
            failed_starts: 0,
            erring: BTreeSet::new(),
            lines: Vec::new(),
            replies: Vec::new(),
            ended: false,
        }
    }

    /// Takes a step and says what is seen.
    ///
    /// # Errors
    /// A sentence, when it speaks of a child that does not run.
    pub fn step(&mut self, step: &Step) -> Result<Vec<String>, String> {
        for action in &step.actions {
            self.act(action)?;
        }
        self.settle();
        self.replies.sort();
        let mut lines = std::mem::take(&mut self.lines);
        lines.append(&mut self.replies);
        Ok(lines)
    }

    /// What a supervisor does with a failed child; of those that were declared in the tree only.
    pub fn strategy(&self, sup: &str) -> Option<Strategy> {
        self.tree.at(sup).map(|tree| tree.strategy)
    }

    /// Whether the tree is over, or never was.
    pub fn is_over(&self) -> bool {
        self.ended
    }

    /// Children that start and do not come to an end with it.
    pub fn hanging(&self) -> Vec<String> {
        self.paths(|run| run.hangs)
    }

    /// Children that were asked to stop and did not.
    pub fn held(&self) -> Vec<String> {
        self.paths(|run| run.asked)
    }

    /// Children that run and were not asked to stop.
    pub fn running(&self) -> Vec<String> {
        self.paths(|run| !run.asked && !run.hangs)
    }

    /// Supervisors that are up, the root among them.
    pub fn supervisors(&self) -> Vec<String> {
        self.kids.values().filter(|kid| kid.is_up).map(|kid| kid.path.clone()).collect()
    }

    /// All children of a supervisor.
    pub fn children(&self, sup: &str) -> Vec<String> {
        let (Some(machine), Some(key)) = (&self.machine, self.find(sup)) else { return Vec::new() };
        machine.children(key).filter_map(|key| Some(self.kids.get(&key)?.path.clone())).collect()
    }

    /// How many starts have failed so far.
    pub fn failed_starts(&self) -> usize {
        self.failed_starts
    }

    /// Which incarnation of a supervisor is up, if any is.
    pub fn incarnation(&self, sup: &str) -> Option<(ChildKey, u64)> {
        let key =
            self.find(sup).filter(|key| !self.ended && self.kids.get(key).is_some_and(|kid| kid.is_up))?;
        Some((key, self.machine.as_ref()?.row(key)?.generation))
    }

    /// How long a child that was asked to stop has, in milliseconds; `None` is for ever.
    pub fn grace_millis(&self, path: &str) -> Option<u64> {
        match self.kids.get(&self.find(path)?)?.policy.grace {
            Grace::Timeout(limit) => u64::try_from(limit.as_millis()).ok(),
            Grace::Brutal => Some(0),
            Grace::Infinity => None,
        }
    }

    fn paths(&self, which: impl Fn(&Run) -> bool) -> Vec<String> {
        let matching = self.kids.values().filter(|kid| kid.run.as_ref().is_some_and(&which));
        matching.map(|kid| kid.path.clone()).collect()
    }

    // ---- what happens to it ----

    fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Launch => self.launch(),
            Action::WholeSecond => {}
            Action::Pass(millis) => self.pass(u64::from(*millis) * 1_000_000),
            Action::End(path, reason) => self.end(path, *reason)?,
            Action::Release(path, start) => self.release(path, *start)?,
            Action::Shutdown => self.command(Command::Shutdown, 0),
            Action::Kill(path) if path.is_empty() => self.say(Input::HardStop),
            Action::Kill(path) => return Err(format!("only OTP can lose the supervisor {path} alone")),
            Action::Stray(_) => {
                let key = ChildKey { index: u32::MAX, epoch: 7 };
                self.inbox.push_back(Post::Ends(key, 1, Exit::failed("boom")));
            }
            Action::Reload(_, tree) => {
                self.learn("", tree);
                let decl = Box::new(declare::root(tree));
                let ticket = self.ticket(Call::Spec(String::new()));
                self.command(Command::Apply(decl), ticket);
            }
            Action::Call(sup, call) => self.call(sup, call),
        }
        Ok(())
    }

    fn launch(&mut self) {
        match resolve(&declare::root(&self.tree)) {
            Ok(resolved) => {
                self.learn("", &self.tree.clone());
                let mut machine = Machine::new(resolved, 0);
                let mut out = Vec::new();
                machine.launch(self.now, &mut out);
                self.machine = Some(machine);
                self.carry_out(out);
            }
            Err(findings) => {
                self.lines.push(format!("refused {}", declare::refusal(&findings)));
                self.ended = true;
            }
        }
    }

    fn learn(&mut self, path: &str, tree: &Tree) {
        for child in &tree.children {
            self.learn_child(path, child);
        }
    }

    fn learn_child(&mut self, sup: &str, child: &Child) {
        let path = join(sup, &child.name);
        if let Some(below) = &child.below {
            self.learn(&path, below);
            self.below.insert(path.clone(), below.clone());
        }
        self.scripts.insert(path, (child.starts.clone(), child.stops));
    }

    fn pass(&mut self, span: u64) {
        let until = self.now + span;
        self.settle();
        while let Some(due) = self.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.settle();
        }
        self.now = until;
    }

    fn deadline(&self) -> Option<u64> {
        self.machine.as_ref()?.next_deadline()
    }

    fn end(&mut self, path: &str, reason: Reason) -> Result<(), String> {
        let (key, run) = self.run_at(path)?;
        let exit = match reason {
            // Ok after a request is `stopped` (D22).
            Reason::Normal if run.asked => Exit::Stopped,
            Reason::Normal => Exit::Completed,
            Reason::Shutdown => Exit::Stopped,
            Reason::ShutdownWith => Exit::StoppedWith { value: "x".into() },
            Reason::Error => Exit::failed("error"),
            Reason::Kill => Exit::Killed { signal: 9, by_us: false },
        };
        // It is dead from now on, whenever the machine hears of it.
        self.forget_run(key);
        self.inbox.push_back(Post::Ends(key, run.generation, exit));
        Ok(())
    }

    fn release(&mut self, path: &str, start: Start) -> Result<(), String> {
        let (key, run) = self.run_at(path)?;
        self.reactions.push_back(Reaction::Starts(key, run.generation, start));
        Ok(())
    }

    fn run_at(&self, path: &str) -> Result<(ChildKey, Run), String> {
        let found = self.kids.iter().find(|(_, kid)| kid.path == path && kid.run.is_some());
        let found = found.and_then(|(key, kid)| Some((*key, kid.run?)));
        found.ok_or_else(|| format!("the scenario speaks of {path}, which does not run then"))
    }

    fn call(&mut self, sup: &str, call: &Call) {
        let found = self.find(sup).filter(|key| self.kids.get(key).is_some_and(|kid| kid.is_up));
        let Some(key) = found.filter(|_| !self.ended) else {
            self.replies.push("= error gone".to_owned());
            return;
        };
        let otp = |verb, name: &str| Command::Otp(verb, address(&join(sup, name)));
        let command = match call {
            Call::StartChild(child) => {
                let mut child = child.clone();
                if let Some(template) = self.tree.at(sup).and_then(template) {
                    child = Child {
                        name: child.name,
                        starts: child.starts,
                        stops: child.stops,
                        ..template.clone()
                    };
                }
                let ticket = self.ticket(call.clone());
                let added = Box::new(declare::child(&child));
                let command = Command::StartChild { under: address(sup), child: added };
                let input = Input::Command { ticket, requester: Requester::default(), command };
                self.inbox.push_back(Post::Start(sup.to_owned(), child, input));
                return;
            }
            Call::Terminate(name) => otp(OtpVerb::Terminate, name),
            Call::TerminateHandle(name) => {
                let key = self.key_of(&join(sup, name));
                Command::Otp(OtpVerb::Terminate, Address::Key(key))
            }
            Call::Restart(name) => otp(OtpVerb::StartAgain, name),
            Call::Delete(name) => otp(OtpVerb::Delete, name),
            Call::Spec(_) | Call::Which | Call::Count => {
                self.inbox.push_back(Post::Read(key, sup.to_owned(), call.clone()));
                return;
            }
        };
        let ticket = self.ticket(call.clone());
        self.command(command, ticket);
    }

    /// A child's key, also when it is no longer in the tree.
    fn key_of(&self, path: &str) -> ChildKey {
        let last = self.kids.iter().filter(|(_, kid)| kid.path == path).map(|(key, _)| *key).next_back();
        last.unwrap_or(ChildKey { index: u32::MAX, epoch: 0 })
    }

    fn ticket(&mut self, call: Call) -> Ticket {
        self.tickets += 1;
        self.asked.insert(self.tickets, call);
        self.tickets
    }

    fn command(&mut self, command: Command, ticket: Ticket) {
        let requester = Requester::default();
        self.inbox.push_back(Post::Input(Input::Command { ticket, requester, command }));
    }

    fn find(&self, path: &str) -> Option<ChildKey> {
        self.machine.as_ref()?.find(&format!("/{path}"))
    }

    fn read(&self, key: ChildKey, sup: &str, call: &Call) -> String {
        let Some(machine) = &self.machine else { return "error gone".to_owned() };
        match call {
            Call::Spec(name) => match self.find(&join(sup, name)).and_then(|key| self.kids.get(&key)) {
                Some(kid) => spec_line(&kid.policy, self.is_supervisor(kid)),
                None => "error not_found".to_owned(),
            },
            Call::Count => {
                let counts = machine.count_children(key).unwrap_or_default();
                // A dynamic supervisor counts its children as specs, as Elixir's does; OTP counts its template (R73).
                let specs = if self.is_dynamic(key) { 1 } else { counts.specs };
                let (active, sups, workers) = (counts.active, counts.supervisors, counts.workers);
                format!("specs={specs} active={active} supervisors={sups} workers={workers}")
            }
            _ => {
                let mut all: Vec<String> =
                    machine.children(key).filter_map(|key| self.child_line(key)).collect();
                if self.is_dynamic(key) {
                    all.sort();
                }
                all.insert(0, "children".to_owned());
                all.join(" ")
            }
        }
    }

    fn child_line(&self, key: ChildKey) -> Option<String> {
        let kid = self.kids.get(&key)?;
        let row = self.machine.as_ref()?.row(key)?;
        let state = match row.lifecycle {
            Lifecycle::Starting | Lifecycle::Running | Lifecycle::Stopping => "running",
            Lifecycle::Backoff => "restarting",
            _ => "none",
        };
        // OTP has no name for a child of a dynamic supervisor that does not run.
        let nameless = state != "running" && self.is_dynamic(kid.parent);
        let name = if nameless { "-" } else { split(&kid.path).1 };
        let kind = if self.is_supervisor(kid) { "supervisor" } else { "worker" };
        Some(format!("{name}:{kind}:{state}"))
    }

    fn is_supervisor(&self, kid: &Kid) -> bool {
        kid.policy.role == supervisor_api::policy::Role::Supervisor
    }

    fn is_dynamic(&self, key: ChildKey) -> bool {
        self.kids.get(&key).and_then(|kid| self.tree.at(&kid.path)).and_then(template).is_some()
    }

    // ---- turns ----

    fn settle(&mut self) {
        for _ in 0..RESTLESS {
            if !self.turn() {
                return;
            }
        }
        self.lines.push("no rest".to_owned());
        self.inbox.clear();
        self.ended = true;
    }

    fn turn(&mut self) -> bool {
        if self.machine.as_ref().is_some_and(Machine::has_open_plan) {
            self.call_machine(|machine, now, out| machine.go_on(now, out));
            return true;
        }
        if let Some(reaction) = self.reactions.pop_front() {
            self.react(reaction);
            return true;
        }
        if !self.tick_waits && self.deadline().is_some_and(|due| due <= self.now) {
            self.tick_waits = true;
            self.inbox.push_back(Post::Tick);
        }
        match self.inbox.pop_front() {
            Some(Post::Tick) => {
                self.tick_waits = false;
                self.say(Input::Tick);
            }
            Some(Post::Input(input)) => self.say(input),
            Some(Post::Start(sup, child, input)) => {
                if self.find(&join(&sup, &child.name)).is_none() {
                    self.learn_child(&sup, &child);
                }
                self.say(input);
            }
            Some(Post::Read(key, sup, call)) => {
                let is_up = !self.ended && self.kids.get(&key).is_some_and(|kid| kid.is_up);
                let answer = if is_up { self.read(key, &sup, &call) } else { "error gone".to_owned() };
                self.replies.push(format!("= {answer}"));
            }
            Some(Post::Ends(key, generation, exit)) => self.say(Input::Exited { key, generation, exit }),
            None => return false,
        }
        true
    }

    fn say(&mut self, input: Input) {
        self.call_machine(|machine, now, out| machine.handle(now, input, out));
    }

    fn call_machine(&mut self, act: impl FnOnce(&mut Machine, u64, &mut Vec<Effect>)) {
        let Some(machine) = &mut self.machine else { return };
        let mut out = Vec::new();
        act(machine, self.now, &mut out);
        self.carry_out(out);
    }

    fn react(&mut self, reaction: Reaction) {
        let (Reaction::Starts(key, of, _) | Reaction::IsAsked(key, of) | Reaction::Dies(key, of)) = reaction;
        let Some(run) = self.kids.get(&key).and_then(|kid| kid.run).filter(|run| run.generation == of) else {
            return;
        };
        match reaction {
            Reaction::Starts(_, _, start) => self.start(key, run, start),
            Reaction::IsAsked(..) if run.killed => {}
            Reaction::IsAsked(..) => self.is_asked(key, run),
            Reaction::Dies(..) => {
                self.note("killed", key);
                self.over(key, run, Exit::Aborted);
            }
        }
    }

    fn start(&mut self, key: ChildKey, run: Run, start: Start) {
        let generation = run.generation;
        self.change_run(key, |run| run.hangs = start == Start::Hang);
        let failed = matches!(start, Start::Fail | Start::Crash | Start::Throw | Start::Nonsense);
        self.failed_starts += usize::from(failed);
        match start {
            Start::Ok => self.say(Input::Ready { key, generation }),
            Start::Hang => {}
            Start::Ignore => {
                self.forget_run(key);
                self.say(Input::Declined { key, generation, reason: "ignore".into() });
            }
            Start::Fail | Start::Throw | Start::Nonsense => self.over(key, run, Exit::failed("failed")),
            Start::Crash => self.over(key, run, Exit::Panicked { message: "crashed".into(), location: None }),
        }
    }

    fn is_asked(&mut self, key: ChildKey, run: Run) {
        self.change_run(key, |run| run.asked = true);
        self.note("stop", key);
        let path = self.kids[&key].path.clone();
        let stops = self.scripts.get(&path).map_or(Stop::Obey, |script| script.1);
        let exit = match stops {
            Stop::Ignore => return,
            Stop::Obey | Stop::Normal => Exit::Stopped,
            Stop::ShutdownWith => Exit::StoppedWith { value: "x".into() },
            Stop::Error => Exit::failed("error"),
        };
        self.lines.push(match stops {
            Stop::Obey => format!("down {path}"),
            _ => format!("down {path} {}", stops.word()),
        });
        self.over(key, run, exit);
    }

    fn over(&mut self, key: ChildKey, run: Run, exit: Exit) {
        self.forget_run(key);
        self.say(Input::Exited { key, generation: run.generation, exit });
    }

    fn change_run(&mut self, key: ChildKey, change: impl FnOnce(&mut Run)) {
        if let Some(run) = self.kids.get_mut(&key).and_then(|kid| kid.run.as_mut()) {
            change(run);
        }
    }

    fn forget_run(&mut self, key: ChildKey) {
        if let Some(kid) = self.kids.get_mut(&key) {
            kid.run = None;
        }
    }

    fn note(&mut self, word: &str, key: ChildKey) {
        let line = format!("{word} {}", self.kids[&key].path);
        self.lines.push(line);
    }

    // ---- what the machine does ----

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.carry_out_one(effect);
        }
    }

    fn carry_out_one(&mut self, effect: Effect) {
        match effect {
            Effect::Declared { key, parent, path, policy, .. } => {
                let path = path.as_str().trim_start_matches('/').to_owned();
                self.kids
                    .insert(key, Kid { path, parent, policy, is_up: false, is_stopping: false, run: None });
            }
            Effect::Changed { key, policy, .. } => {
                if let Some(kid) = self.kids.get_mut(&key) {
                    kid.policy = policy;
                }
            }
            Effect::Spawn { key, generation, .. } => {
                self.note("start", key);
                let path = self.kids[&key].path.clone();
                let times = self.started.entry(path.clone()).or_default();
                *times += 1;
                let starts = &self.scripts[&path].0;
                let start = starts[(*times).min(starts.len()) - 1];
                if let Some(kid) = self.kids.get_mut(&key) {
                    kid.run = Some(Run { generation, hangs: false, asked: false, killed: false });
                }
                self.reactions.push_back(Reaction::Starts(key, generation, start));
            }
            Effect::Stop { key, .. } => {
                if let Some(run) = self.kids.get(&key).and_then(|kid| kid.run) {
                    self.reactions.push_back(Reaction::IsAsked(key, run.generation));
                }
            }
            Effect::Kill { key } => {
                if let Some(run) = self.kids.get(&key).and_then(|kid| kid.run) {
                    self.change_run(key, |run| run.killed = true);
                    self.reactions.push_back(Reaction::Dies(key, run.generation));
                }
            }
            Effect::Emit(event) => self.hear(&event),
            Effect::Reply { ticket, result } => {
                if let Some(call) = self.asked.remove(&ticket) {
                    self.replies.push(format!("= {}", answer(&call, result)));
                }
            }
            Effect::Forget { .. } => {}
            Effect::Started => self.lines.push("started".to_owned()),
            Effect::Done(end) => {
                self.tell_errors(ChildKey::ROOT);
                self.ended = true;
                self.lines.push(match end {
                    End::StartFailed { path, exit } => {
                        format!(
                            "end start failed {}",
                            first_failed(path.as_str(), &exit).trim_start_matches('/')
                        )
                    }
                    End::Dropped => "end killed".to_owned(),
                    _ => "end shutdown".to_owned(),
                });
            }
        }
    }

    /// Starts and ends of supervisors, and what OTP reports to its log.
    fn hear(&mut self, event: &Event) {
        if self.ended {
            // Nobody is left to report to.
            return;
        }
        let key = event.child;
        let Some(kid) = self.kids.get(&key) else { return };
        let (path, parent, is_supervisor) =
            (kid.path.clone(), kid.parent, self.is_supervisor(kid) || key == ChildKey::ROOT);
        if is_supervisor {
            let exit = event.detail.as_ref().and_then(|detail| detail.exit.as_ref());
            let killed = exit == Some(&Exit::Aborted);
            let lives = matches!(
                event.row.lifecycle,
                Lifecycle::Starting | Lifecycle::Running | Lifecycle::Stopping | Lifecycle::Unresponsive
            );
            let (was_up, is_up) = (kid.is_up, lives && !killed);
            if let Some(kid) = self.kids.get_mut(&key) {
                kid.is_up = is_up;
                kid.is_stopping = event.row.lifecycle == Lifecycle::Stopping;
            }
            if was_up && !is_up {
                self.tell_errors(key);
            }
            if key != ChildKey::ROOT && was_up && !is_up {
                self.lines.push(format!("{} {path}", if killed { "killed" } else { "down" }));
            }
            if key != ChildKey::ROOT
                && matches!(event.kind, EventKind::ChildStarting | EventKind::ChildRestarting)
            {
                self.lines.push(format!("start {path}"));
                *self.started.entry(path.clone()).or_default() += 1;
                // It has its declared children again, with what they did at first (R48).
                if let Some(below) = self.below.get(&path).cloned() {
                    self.learn(&path, &below);
                }
            }
        }
        let is_report = match event.kind {
            // That a supervisor gave up and nobody restarts it is told by us (D9), not by OTP (R47).
            EventKind::ChildFailed | EventKind::ChildPanicked if is_supervisor => event.next != Next::Nothing,
            EventKind::ChildFailed | EventKind::ChildPanicked | EventKind::ChildStopError => true,
            _ => false,
        };
        if is_report {
            // A dynamic supervisor adds up what goes wrong when it stops its children, and names none.
            let stopping = self.kids.get(&parent).is_some_and(|kid| kid.is_stopping);
            if !self.is_dynamic(parent) || (event.kind != EventKind::ChildStopError && !stopping) {
                self.lines.push(format!("report {path}"));
            } else {
                self.erring.insert(parent);
                if !stopping {
                    self.tell_errors(parent);
                }
            }
        }
        if event.kind == EventKind::BudgetExhausted {
            self.lines.push(format!("limit {path}"));
        }
    }

    /// What a dynamic supervisor has added up.
    fn tell_errors(&mut self, sup: ChildKey) {
        if self.erring.remove(&sup) {
            let path = self.kids[&sup].path.as_str();
            let line = format!("errors {}", if path.is_empty() { "root" } else { path });
            self.lines.push(line);
        }
    }
}

/// Whose start failed first: a nested supervisor's error names its child.
fn first_failed<'a>(path: &'a str, exit: &'a Exit) -> &'a str {
    let Exit::Failed { error } = exit else { return path };
    let below = error.strip_prefix("failed to start child ").and_then(|rest| rest.split(": ").next());
    below.unwrap_or(path)
}

fn template(tree: &Tree) -> Option<&Child> {
    let dynamic = tree.strategy == Strategy::Dynamic;
    tree.children.first().filter(|_| dynamic)
}

fn address(path: &str) -> Address {
    Address::Text(format!("/{path}").into())
}

fn spec_line(policy: &ChildPolicy, is_supervisor: bool) -> String {
    let shutdown = match policy.grace {
        Grace::Brutal => "brutal_kill".to_owned(),
        Grace::Infinity => "infinity".to_owned(),
        Grace::Timeout(limit) => limit.as_millis().to_string(),
    };
    let kind = if is_supervisor { "supervisor" } else { "worker" };
    format!("{} shutdown={shutdown} {kind} significant={}", policy.restart, policy.significant)
}

/// The answer to a call, in OTP's words.
fn answer(call: &Call, result: Result<Reply, SupervisorError>) -> String {
    let starts = matches!(call, Call::StartChild(_) | Call::Restart(_));
    match result {
        Ok(Reply::Added { state, .. }) if state != Lifecycle::Running => "ok none".to_owned(),
        Ok(Reply::Control(outcome)) if starts && outcome.state_after != Lifecycle::Running => {
            "ok none".to_owned()
        }
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("error {}", refusal(call, &error)),
    }
}

fn refusal(call: &Call, error: &SupervisorError) -> String {
    match error {
        SupervisorError::InvalidSpec(findings) => format!("refused {}", declare::refusal(findings)),
        SupervisorError::StartFailed { .. } => "start_failed".to_owned(),
        SupervisorError::ChildNotFound { .. } => "not_found".to_owned(),
        SupervisorError::AlreadyStarted { .. } if matches!(call, Call::Restart(_)) => "running".to_owned(),
        SupervisorError::AlreadyStarted { .. } => "already_started".to_owned(),
        SupervisorError::AlreadyPresent { .. } => "already_present".to_owned(),
        SupervisorError::NoSuchSupervisor { .. } | SupervisorError::Ended { .. } => "gone".to_owned(),
        SupervisorError::InvalidTransition { message } if message.contains("is running;") => {
            "running".to_owned()
        }
        SupervisorError::InvalidTransition { message } if message.contains("is restarting;") => {
            "restarting".to_owned()
        }
        SupervisorError::InvalidTransition { .. } => "invalid".to_owned(),
        other => format!("unreadable {other}"),
    }
}
