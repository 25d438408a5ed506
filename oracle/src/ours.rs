//! A scenario in our machine: a small driver whose children do what the scenario says.
//!
//! Children react at once, and nothing comes between a request and the reaction, as in OTP, where the supervisor
//! waits for it. Everything else, due deadlines too, goes through one inbox, so a retry stands behind what was there
//! before it (R32).

mod calls;
mod effects;
mod turns;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use supervisor_api::{ChildKey, Exit};
use supervisor_core::{ChildPolicy, Command, Input, Machine, Ticket, resolve};

use crate::declare;
use crate::model::{Action, Call, Child, Reason, Scenario, Start, Step, Stop, Strategy, Trace, Tree, join};

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
    /// When the last deadline was.
    last_due: Option<u64>,
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
    /// Those that lived at a path, in order: a path that is filled again may have another key (D5).
    lives: HashMap<String, Vec<(ChildKey, u64)>>,
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
    Read(String, Call),
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
            last_due: None,
            reactions: VecDeque::new(),
            inbox: VecDeque::new(),
            tick_waits: false,
            kids: BTreeMap::new(),
            below: HashMap::new(),
            scripts: HashMap::new(),
            started: HashMap::new(),
            lives: HashMap::new(),
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
            Action::Stray(sup) => self.hear_strangers(sup),
            Action::Reload(_, tree) => {
                self.learn("", tree);
                let decl = Box::new(declare::root(tree));
                let ticket = self.ticket(Call::Spec(String::new()));
                self.command(Command::Apply(decl), ticket);
            }
            Action::Call(sup, Call::Stop) if !sup.is_empty() => {
                return Err(format!("nobody but its parent stops {sup}"));
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

    /// The ends of somebody who never was a child, and of an earlier life of each child.
    fn hear_strangers(&mut self, sup: &str) {
        let boom = || Exit::failed("boom");
        let nobody = ChildKey { index: u32::MAX, epoch: 7 };
        self.inbox.push_back(Post::Ends(nobody, 1, boom()));
        let (Some(machine), Some(sup)) = (&self.machine, self.find(sup)) else { return };
        for key in machine.children(sup) {
            let earlier = machine.row(key).map_or(0, |row| row.generation.saturating_sub(1));
            self.inbox.push_back(Post::Ends(key, earlier, boom()));
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
            self.last_due = Some(self.now);
            self.settle();
        }
        self.now = until;
    }

    /// How many milliseconds there are to the next deadline.
    pub fn time_left(&self) -> Option<u64> {
        self.deadline().map(|due| due.saturating_sub(self.now) / 1_000_000)
    }

    /// How many milliseconds ago the last deadline was.
    pub fn time_since(&self) -> Option<u64> {
        self.last_due.map(|due| (self.now - due) / 1_000_000)
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
}

fn template(tree: &Tree) -> Option<&Child> {
    let dynamic = tree.strategy == Strategy::Dynamic;
    tree.children.first().filter(|_| dynamic)
}
