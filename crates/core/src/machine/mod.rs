//! The machine: one for a whole tree.
//!
//! | file | subject |
//! |---|---|
//! | `node` | what is remembered of a child and of a supervisor |
//! | `tree` | what is in the tree: declaring, linking, removing |
//! | `life` | the one place where the state of a child changes |
//! | `start` | spawning, what is waited for before, what is started |
//! | `stop` | asking, grace, killing, giving up on the unresponsive |
//! | `flow` | ordered work of a supervisor: starting up, stopping down |
//! | `group` | which children restart together, and when |
//! | `ends` | what the end of a run leads to (the table of 1.2) |
//! | `failure` | charging, exhaustion, restarting |
//! | `ending` | why and how a supervisor ends, up to the whole tree |
//! | `health` | heartbeats, and what they add up to |
//! | `control`, `otp`, `add`, `apply` | commands |
//! | `plan` | what an apply would change |
//! | `what_if` | what a command would lead to, played on a copy |
//! | `cycles` | dependencies in a circle that an added child would close |
//! | `waits` | who waits for which answer |
//! | `budget`, `backoff`, `timers` | small parts |

mod add;
mod apply;
mod backoff;
mod budget;
mod control;
mod cycles;
mod ending;
mod ends;
mod failure;
mod flow;
mod group;
mod health;
mod life;
mod node;
mod otp;
mod plan;
mod schedule;
mod start;
mod stop;
mod timers;
mod tree;
mod waits;
mod what_if;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use supervisor_api::{ChildKey, Row, Rules, SupervisorPath};

use self::node::{NONE, Node, Sup};
use self::timers::{Holder, NEVER, Timers};
use self::waits::Wait;
use crate::face::{Address, Command, Effect, Input, Ticket};
use crate::names::Names;
use crate::resolve::{ChildPolicy, Resolved, SupervisorPolicy};

pub use self::budget::BudgetAt;
pub use self::health::Tally;

/// A plan stops for breath after about this many effects, so that other inputs get their turn.
const CUT: usize = 256;

/// Places of removed children that are kept unused, so that no event that is still kept anywhere names a
/// place that has a new owner.
const RESTING: usize = 4096;

/// Decides everything in one tree of supervisors. See the crate's documentation.
#[derive(Debug, Clone)]
pub struct Machine {
    nodes: Vec<Node>,
    sups: Vec<Sup>,
    free_nodes: VecDeque<u32>,
    free_sups: Vec<u32>,
    names: Names,
    timers: Timers,
    /// What is left to do without further input, in order.
    agenda: VecDeque<Task>,
    waits: BTreeMap<u32, Vec<Wait>>,
    /// Specs that were applied and are not carried out yet.
    applies: BTreeMap<Ticket, waits::Applying>,
    shutdown_tickets: Vec<Ticket>,
    seed: u64,
    now: u64,
    out: Vec<Effect>,
    tally: Tally,
    /// Children for which something is left to do, supervisors that just run left out (D20).
    busy: u32,
    dynamic_supervisors: u32,
    skip_graces: bool,
    ended: bool,
    stale_messages: u64,
    /// The command that is being carried out; events belong to it.
    command: Option<waits::Current>,
    /// The command that shuts the tree down.
    shutdown_by: Option<waits::Current>,
    /// The command that applied the last spec.
    reload_by: Option<waits::Current>,
    shutdown_began: u64,
}

/// One step of what is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Tell the driver of the children from this index on, then start the root.
    Announce(u32),
    /// Go on with the ordered work of a supervisor.
    Flow(u32),
    /// Start a child that waits, if what it waits for is satisfied now.
    Wake(u32),
    /// Stop the sidecars of a child that is down for good.
    Sidecars(u32),
}

/// How many children a supervisor has, as OTP counts them (R73).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChildCounts {
    /// Children in the spec, running or not.
    pub specs: u32,
    /// Children that have a live run; those that are restarting have none.
    pub active: u32,
    /// Nested supervisors, running or not.
    pub supervisors: u32,
    /// All others, running or not.
    pub workers: u32,
}

impl Machine {
    /// A machine for this tree. `seed` decides the jitter of delays. Nothing happens before
    /// [`Machine::launch`].
    pub fn new(resolved: Resolved, seed: u64) -> Self {
        let mut machine = Self {
            nodes: Vec::new(),
            sups: Vec::new(),
            free_nodes: VecDeque::new(),
            free_sups: Vec::new(),
            names: Names::seeded(seed),
            timers: Timers::default(),
            agenda: VecDeque::new(),
            waits: BTreeMap::new(),
            applies: BTreeMap::new(),
            shutdown_tickets: Vec::new(),
            seed,
            now: 0,
            out: Vec::new(),
            tally: Tally::default(),
            busy: 0,
            dynamic_supervisors: 0,
            skip_graces: false,
            ended: false,
            stale_messages: 0,
            command: None,
            shutdown_by: None,
            reload_by: None,
            shutdown_began: 0,
        };
        machine.plant_root(resolved.root);
        machine
    }

    /// Declares every child, then begins the initial start.
    pub fn launch(&mut self, now: u64, out: &mut Vec<Effect>) {
        let limit = self.begin(now, out);
        self.agenda.push_back(Task::Announce(0));
        self.conclude(limit, out);
    }

    /// Takes one input and appends what it leads to.
    pub fn handle(&mut self, now: u64, input: Input, out: &mut Vec<Effect>) {
        let limit = self.begin(now, out);
        self.finish_announcing();
        self.take(input);
        self.conclude(limit, out);
    }

    /// Whether a plan was cut and [`Machine::go_on`] is wanted. Inputs may come in between.
    pub fn has_open_plan(&self) -> bool {
        !self.agenda.is_empty()
    }

    /// Goes on with plans that were cut.
    pub fn go_on(&mut self, now: u64, out: &mut Vec<Effect>) {
        let limit = self.begin(now, out);
        self.conclude(limit, out);
    }

    /// When [`Input::Tick`] is wanted. It may turn out that nothing was due.
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.next()
    }

    /// A call begins: what it leads to goes to the end of `out`. Says how long that may get.
    fn begin(&mut self, now: u64, out: &mut Vec<Effect>) -> usize {
        self.now = self.now.max(now);
        let limit = out.len() + CUT;
        std::mem::swap(out, &mut self.out);
        limit
    }

    /// A call ends: what is left to do is done, as far as there is room for what comes of it.
    fn conclude(&mut self, limit: usize, out: &mut Vec<Effect>) {
        if self.ended {
            self.agenda.clear();
        }
        self.work(limit);
        self.end_if_all_done();
        self.work(limit);
        std::mem::swap(out, &mut self.out);
    }

    /// Does what is left to do, until so many effects have come of it.
    fn work(&mut self, limit: usize) {
        while self.out.len() < limit {
            let Some(task) = self.agenda.pop_front() else { break };
            self.perform(task);
        }
    }

    /// Nobody hears of a child before it was declared.
    fn finish_announcing(&mut self) {
        while let Some(&Task::Announce(from)) = self.agenda.front() {
            self.agenda.pop_front();
            self.announce(from);
        }
    }

    fn perform(&mut self, task: Task) {
        match task {
            Task::Announce(from) => self.announce(from),
            Task::Flow(sup) => self.advance(sup),
            Task::Wake(node) => self.wake(node),
            // It may be about to run again by now, with its supervisor or because whoever depends on it was started.
            Task::Sidecars(node) if !self.node(node).life.is_for_good() => {}
            Task::Sidecars(node) => self.stop_sidecars(node),
        }
    }

    fn take(&mut self, input: Input) {
        let heard = !self.ended
            || matches!(input, Input::Exited { .. } | Input::Declined { .. } | Input::Command { .. });
        if !heard {
            return;
        }
        match input {
            Input::Exited { key, generation, exit } => {
                if let Some(node) = self.current(key, generation) {
                    self.gone(node, exit);
                }
            }
            Input::Declined { key, generation, reason } => {
                if let Some(node) = self.current(key, generation) {
                    self.declined(node, reason);
                }
            }
            Input::Ready { key, generation } => {
                if let Some(node) = self.current(key, generation) {
                    self.reported_ready(node);
                }
            }
            Input::Beat { key, generation } => {
                if let Some(node) = self.current(key, generation) {
                    self.beat(node);
                }
            }
            Input::Missed { key, generation, why } => {
                if let Some(node) = self.current(key, generation) {
                    self.missed(node, Some(why));
                }
            }
            Input::Unwell { key, generation, why } => {
                if let Some(node) = self.current(key, generation) {
                    self.unwell(node, why);
                }
            }
            Input::Bound { key } => self.bound(key),
            Input::Due { key } => self.time_has_come(key),
            Input::Command { ticket, requester, command } => self.obey(ticket, requester, command),
            Input::Tick => self.tick(),
            Input::HardStop => self.hard_stop(),
        }
    }

    fn obey(&mut self, ticket: Ticket, requester: crate::face::Requester, command: Command) {
        self.command = Some(waits::Current::new(ticket, requester));
        if let Err(refusal) = self.dispatch(ticket, command) {
            self.reply(ticket, Err(refusal));
        }
        self.command = None;
    }

    fn dispatch(&mut self, ticket: Ticket, command: Command) -> Result<(), supervisor_api::SupervisorError> {
        let stops = self.tally.in_state(supervisor_api::Lifecycle::Stopping) > 0;
        if fault!(commands_are_refused_during_a_stop) && stops {
            let message = "somebody is being stopped; ask again later".to_owned();
            return Err(supervisor_api::SupervisorError::InvalidTransition { message });
        }
        if fault!(late_command_is_unanswered) && self.sup(0).is_ending() {
            return Ok(());
        }
        match command {
            Command::Control(verb, address) => self.control(ticket, verb, &address),
            Command::Otp(verb, address) => self.otp(ticket, verb, &address),
            Command::Add { under, child } => self.add(ticket, &under, &child, add::Manner::Operator),
            Command::StartChild { under, child } => self.add(ticket, &under, &child, add::Manner::Otp),
            Command::Apply(decl) => self.apply(&decl),
            Command::Shutdown => {
                self.shutdown(ticket);
                Ok(())
            }
            Command::SkipGraces => {
                self.skip_all_graces();
                self.reply(ticket, Ok(crate::face::Reply::GracesSkipped));
                Ok(())
            }
        }
    }

    /// Carries out what is due. A flood of deadlines is cut like any plan; the rest is due at once.
    fn tick(&mut self) {
        let before = self.out.len();
        while self.out.len() < before + CUT {
            match self.timers.pop_due(self.now) {
                Some((at, Holder::Child(node))) => self.child_deadline(node, at),
                Some((at, Holder::Group(sup))) => self.group_deadline(sup, at),
                None => break,
            }
        }
    }

    /// The child a message is about, unless the message is of an older run or another child (D5).
    fn current(&mut self, key: ChildKey, generation: u64) -> Option<u32> {
        let found = self.nodes.get(key.index as usize).is_some_and(|node| {
            let same_child = node.epoch == key.epoch || fault!(other_childs_message_is_heard);
            let same_run = node.generation == generation || fault!(late_message_is_heard);
            same_child && same_run && node.life.is_live() && !node.is_supervisor()
        });
        if !found {
            self.stale_messages += 1;
        }
        found.then_some(key.index)
    }

    // Reads.

    /// The row of a child in the tree.
    pub fn row(&self, key: ChildKey) -> Option<Row> {
        self.lookup(key).map(Node::row)
    }

    /// The child with this path.
    pub fn find(&self, path: &str) -> Option<ChildKey> {
        self.find_index(path).map(|index| self.node(index).key(index))
    }

    /// The child that is meant (`wire.md` 1, "Addressing"), or the refusal that a command would get.
    pub fn locate(&self, address: &Address) -> Result<ChildKey, supervisor_api::SupervisorError> {
        self.resolve_address(address).map(|index| self.node(index).key(index))
    }

    /// The path of a child in the tree.
    pub fn path(&self, key: ChildKey) -> Option<&SupervisorPath> {
        self.lookup(key).map(|node| &node.path)
    }

    /// What a child in the tree is decided by.
    pub fn policy(&self, key: ChildKey) -> Option<&Arc<ChildPolicy>> {
        let node =
            self.lookup(key).filter(|node| node.life.is_live() || !fault!(stopped_children_have_no_spec));
        node.map(|node| &node.policy)
    }

    /// What a supervisor in the tree is decided by; `None` when the child is none.
    pub fn supervisor_policy(&self, key: ChildKey) -> Option<&SupervisorPolicy> {
        let sup = self.lookup(key)?.supervisor;
        (sup != NONE).then(|| &self.sup(sup).context.policy)
    }

    /// What a child is decided by, and the supervisor that it is, value by value, with who said each.
    pub fn rules(&self, key: ChildKey) -> Option<Rules> {
        let node = self.lookup(key)?;
        let child = (node.parent != NONE).then(|| {
            let above = self.sup(node.parent);
            node.policy.rules(&self.node(above.node).path, &above.context)
        });
        let supervisor = (node.supervisor != NONE).then(|| self.sup(node.supervisor).context.rules());
        Some(Rules::new(child.unwrap_or_default(), supervisor.unwrap_or_default()))
    }

    /// The children of a supervisor in effective order; none when it is no supervisor.
    pub fn children(&self, supervisor: ChildKey) -> impl Iterator<Item = ChildKey> + '_ {
        let sup = self.lookup(supervisor).map_or(NONE, |node| node.supervisor);
        let most = if fault!(listing_ends_early) { 256 } else { usize::MAX };
        let shown = |index: &u32| !fault!(listing_leaves_out_the_ended) || self.node(*index).life.is_live();
        self.indices(sup).filter(shown).take(most).map(|index| self.node(index).key(index))
    }

    /// The siblings that a child depends on (D11), its sidecars included.
    pub fn depends_on(&self, key: ChildKey) -> impl Iterator<Item = &SupervisorPath> + '_ {
        let on = self.lookup(key).map_or(&[][..], Node::depends_on);
        on.iter().map(|index| &self.node(*index).path)
    }

    /// How many children a supervisor has (R73). A pass over them.
    pub fn count_children(&self, supervisor: ChildKey) -> Option<ChildCounts> {
        let sup = self.lookup(supervisor)?.supervisor;
        if sup == NONE {
            return None;
        }
        let mut counts = ChildCounts::default();
        for index in self.indices(sup) {
            let node = self.node(index);
            counts.specs += 1;
            let retried = fault!(restarting_counts_as_active) && node.life.is_restarting();
            counts.active += u32::from(node.life.is_live() || retried);
            counts.supervisors += u32::from(node.is_supervisor());
            counts.workers += u32::from(!node.is_supervisor());
        }
        Some(counts)
    }

    /// How long the last stop of a child took, in nanoseconds.
    pub fn took_nanos(&self, key: ChildKey) -> u64 {
        self.lookup(key).map_or(0, |node| node.took)
    }

    /// How many more restarts of its children the budget of a supervisor allows at this time; `None` without a
    /// limit, or when the child is no supervisor (D4).
    pub fn budget_left(&self, supervisor: ChildKey, now: u64) -> Option<u32> {
        let policy = self.supervisor_policy(supervisor)?;
        self.sup(self.lookup(supervisor)?.supervisor).charges.left(&policy.budget, now)
    }

    /// How many more restarts a child's own budget allows at this time; `None` when it has none, or no limit (D4).
    pub fn own_budget_left(&self, child: ChildKey, now: u64) -> Option<u32> {
        let node = self.lookup(child)?;
        let budget = node.policy.budget?;
        let left = node.own_charges.as_ref().map(|charges| charges.left(&budget, now));
        left.unwrap_or(budget.max_restarts)
    }

    /// What the whole tree adds up to, kept up to date (D21).
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Messages of older runs, and of children that are gone, that changed nothing (D5).
    pub fn stale_messages(&self) -> u64 {
        self.stale_messages
    }

    fn lookup(&self, key: ChildKey) -> Option<&Node> {
        self.nodes
            .get(key.index as usize)
            .filter(|node| node.epoch == key.epoch && node.life != node::Life::Removed)
    }

    fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    fn node_mut(&mut self, index: u32) -> &mut Node {
        &mut self.nodes[index as usize]
    }

    fn sup(&self, index: u32) -> &Sup {
        &self.sups[index as usize]
    }

    fn sup_mut(&mut self, index: u32) -> &mut Sup {
        &mut self.sups[index as usize]
    }

    fn indices(&self, sup: u32) -> impl Iterator<Item = u32> + '_ {
        let mut at = if sup == NONE { NONE } else { self.sup(sup).first };
        std::iter::from_fn(move || {
            let here = at;
            if here == NONE {
                return None;
            }
            at = self.node(here).next;
            Some(here)
        })
    }

    /// Sets the one deadline of a child. Moving it to later costs nothing.
    fn set_due(&mut self, index: u32, due: u64) {
        let node = self.node_mut(index);
        node.due = due;
        if due < node.armed {
            node.armed = due;
            self.timers.push(due, Holder::Child(index));
        }
    }

    /// An entry for a child came up: fires it, or puts it back when the deadline has moved.
    fn child_deadline(&mut self, index: u32, at: u64) {
        let now = self.now;
        let node = self.node_mut(index);
        if node.armed != at {
            return;
        }
        node.armed = NEVER;
        match node.due {
            NEVER => {}
            due if due > now => self.set_due(index, due),
            _ => {
                node.due = NEVER;
                self.fire(index);
            }
        }
    }
}
