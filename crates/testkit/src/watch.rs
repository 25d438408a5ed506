//! What must hold in every tree, checked after every input.
//!
//! - A path has at most one live run, and only live runs are asked to stop or killed (D6, D8).
//! - Generations of a child strictly increase and are never used twice (D5).
//! - The lifecycle takes only edges of the published table (0.1). `Spawn` counts as `starting`: a child
//!   that is ready at once is told of by the event after it.
//! - The row after the last event about a child is the machine's row (D9).
//! - A child starts only when everything it depends on is ready or completed (D11), under a supervisor
//!   that runs, and not while an operator holds it (D10).
//! - Nothing starts once the tree is ending (R64); nothing but late exits happens after the end.
//! - A command has exactly one reply.

use std::collections::{BTreeSet, HashMap};

use supervisor_api::policy::ReadinessMode;
use supervisor_api::{ChildKey, Event, EventKind, Lifecycle, Readiness, Row, SupervisorPath};
use supervisor_core::{ChildPolicy, Machine, Ticket};

/// Up to this many children every row is compared after every input; beyond, every 64 inputs.
const SMALL: usize = 64;

/// Who waits for whom, and who of them is a sidecar.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs {
    of: HashMap<SupervisorPath, Vec<SupervisorPath>>,
    /// And whether it was added while the tree ran.
    sidecars: HashMap<SupervisorPath, bool>,
}

#[derive(Default)]
pub(crate) struct Watch {
    kids: HashMap<ChildKey, Kid>,
    live_paths: HashMap<SupervisorPath, ChildKey>,
    needs: Needs,
    open: BTreeSet<Ticket>,
    touched: Vec<ChildKey>,
    calls: u64,
    /// Whether the input that is being handled is an operator's `restart` or `resume`.
    operator_starts: bool,
    ending: bool,
    hard: bool,
    done: bool,
}

pub(crate) struct Kid {
    pub(crate) path: SupervisorPath,
    pub(crate) parent: ChildKey,
    pub(crate) row: Row,
    pub(crate) lives: Vec<Lifecycle>,
    life: Lifecycle,
    live: Option<Live>,
    last_generation: u64,
    /// The supervisor's generation when an operator or a budget parked the child.
    parked_under: Option<u64>,
    must_complete: bool,
    forgotten: bool,
}

struct Live {
    generation: u64,
    asked: bool,
    killed: bool,
}

type Check = Result<(), String>;

/// Refuses with a sentence unless the condition holds.
macro_rules! must {
    ($condition:expr, $($text:tt)+) => {
        if !$condition { return Err(format!($($text)+)); }
    };
}

impl Watch {
    pub(crate) fn kid(&self, key: ChildKey) -> Option<&Kid> {
        self.kids.get(&key)
    }

    /// The lifecycle words a child went through since this was asked last.
    pub(crate) fn take_lives(&mut self, key: ChildKey) -> Vec<Lifecycle> {
        self.kids.get_mut(&key).map(|kid| std::mem::take(&mut kid.lives)).unwrap_or_default()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = ChildKey> {
        self.kids.keys().copied()
    }

    /// A child that is added is another one than whoever had its path before.
    pub(crate) fn forget_needs(&mut self, path: &SupervisorPath) {
        self.needs.of.remove(path);
    }

    /// Sets whom a child waits for. Its sidecars stay.
    pub(crate) fn set_needs(&mut self, path: SupervisorPath, mut needs: Vec<SupervisorPath>) {
        let before = self.needs.of.remove(&path).unwrap_or_default();
        needs.extend(before.into_iter().filter(|need| self.needs.sidecars.contains_key(need)));
        self.needs.of.insert(path, needs);
    }

    pub(crate) fn needs(&self) -> Needs {
        self.needs.clone()
    }

    pub(crate) fn restore_needs(&mut self, needs: Needs) {
        self.needs = needs;
    }

    /// A child is no sidecar, whatever it was.
    pub(crate) fn no_sidecar(&mut self, path: &SupervisorPath) {
        if self.needs.sidecars.remove(path).is_some() {
            self.needs.of.values_mut().for_each(|needs| needs.retain(|need| need != path));
        }
    }

    /// A new spec says who is a sidecar, but of those that were added while the tree ran.
    pub(crate) fn forget_declared_sidecars(&mut self) {
        let declared: Vec<_> =
            self.needs.sidecars.iter().filter(|(_, added)| !**added).map(|(path, _)| path.clone()).collect();
        declared.iter().for_each(|path| self.no_sidecar(path));
    }

    /// A primary waits for its sidecars, as long as there are any.
    pub(crate) fn add_sidecar(&mut self, primary: SupervisorPath, sidecar: SupervisorPath, added: bool) {
        self.needs.sidecars.insert(sidecar.clone(), added);
        let needs = self.needs.of.entry(primary).or_default();
        if !needs.contains(&sidecar) {
            needs.push(sidecar);
        }
    }

    pub(crate) fn live_generation(&self, key: ChildKey) -> Option<u64> {
        self.kids.get(&key).and_then(|kid| kid.live.as_ref()).map(|live| live.generation)
    }

    pub(crate) fn was_asked(&self, key: ChildKey) -> bool {
        self.kids.get(&key).and_then(|kid| kid.live.as_ref()).is_some_and(|live| live.asked || live.killed)
    }

    /// Children that are no longer in the tree, have no run, and were not let go.
    pub(crate) fn kept_for_nothing(&self) -> impl Iterator<Item = &SupervisorPath> {
        let kept = self.kids.values().filter(|kid| kid.life == Lifecycle::Removed && kid.live.is_none());
        kept.filter(|kid| !kid.forgotten).map(|kid| &kid.path)
    }

    pub(crate) fn open_tickets(&self) -> impl Iterator<Item = Ticket> {
        self.open.iter().copied()
    }

    pub(crate) fn begin(&mut self, operator_starts: bool) {
        self.operator_starts = operator_starts;
    }

    pub(crate) fn asked(&mut self, ticket: Ticket) {
        self.open.insert(ticket);
    }

    pub(crate) fn end_begins(&mut self, hard: bool) {
        self.ending = true;
        self.hard |= hard;
    }

    pub(crate) fn declared(&mut self, key: ChildKey, parent: ChildKey, path: SupervisorPath) -> Check {
        must!(!self.kids.contains_key(&key), "{path} is declared under a key that was used before: {key:?}");
        must!(
            key == ChildKey::ROOT || self.kids.contains_key(&parent),
            "{path} is declared before its supervisor"
        );
        let kid = Kid {
            path,
            parent,
            row: Row::DECLARED,
            lives: Vec::new(),
            life: Lifecycle::Declared,
            live: None,
            last_generation: 0,
            parked_under: None,
            must_complete: false,
            forgotten: false,
        };
        self.kids.insert(key, kid);
        Ok(())
    }

    /// The policy of a child, told with its declaration and with every change.
    pub(crate) fn decided_by(&mut self, key: ChildKey, policy: &ChildPolicy) {
        if let Some(kid) = self.kids.get_mut(&key) {
            kid.must_complete = policy.keeps_row && policy.readiness == ReadinessMode::Immediate;
        }
    }

    pub(crate) fn spawned(&mut self, key: ChildKey, generation: u64) -> Check {
        let Some(kid) = self.kids.get(&key) else { return Err(format!("{key:?} is spawned undeclared")) };
        let path = kid.path.clone();
        must!(!self.done && !self.ending, "{path} is spawned while the tree ends");
        must!(!kid.forgotten, "{path} is spawned after it was forgotten");
        must!(!self.live_paths.contains_key(&path), "{path} is spawned while an older run of the path lives");
        must!(
            generation > kid.last_generation,
            "{path} is spawned as generation {generation} after generation {}",
            kid.last_generation
        );
        self.may_start(kid)?;
        self.live_paths.insert(path, key);
        let kid = self.kids.get_mut(&key).ok_or("gone")?;
        kid.last_generation = generation;
        kid.live = Some(Live { generation, asked: false, killed: false });
        kid.enter(Lifecycle::Starting)?;
        self.touched.push(key);
        Ok(())
    }

    fn may_start(&self, kid: &Kid) -> Check {
        let path = &kid.path;
        if let Some(parent) = self.kids.get(&kid.parent) {
            must!(
                matches!(parent.life, Lifecycle::Starting | Lifecycle::Running),
                "{path} is spawned while its supervisor is {}",
                parent.life
            );
            let held = kid.parked_under.is_some_and(|under| under == parent.row.generation);
            must!(!held || self.operator_starts, "{path} is spawned while it is {}", kid.life);
        }
        match self.unmet_by(kid) {
            Some(need) => Err(format!("{path} is spawned while {need}, which it depends on, is not ready")),
            None => Ok(()),
        }
    }

    /// The first dependency of a child that is neither ready nor completed.
    pub(crate) fn unmet(&self, key: ChildKey) -> Option<&SupervisorPath> {
        self.unmet_by(self.kids.get(&key)?)
    }

    fn unmet_by(&self, kid: &Kid) -> Option<&SupervisorPath> {
        let met = |need: &SupervisorPath| {
            let mut there = self.kids.values().filter(|other| other.path == *need && !other.forgotten);
            there.any(|other| match other.life {
                Lifecycle::Completed => true,
                // A job that does not report ready satisfies nobody before it completed (D19).
                Lifecycle::Running | Lifecycle::Stopping => {
                    other.row.readiness == Readiness::Ready && !other.must_complete
                }
                _ => false,
            })
        };
        self.needs.of.get(&kid.path)?.iter().find(|need| !met(need))
    }

    pub(crate) fn asked_to_stop(&mut self, key: ChildKey) -> Check {
        let Some(kid) = self.kids.get_mut(&key) else { return Err(format!("{key:?} is stopped undeclared")) };
        let Some(live) = &mut kid.live else { return Err(format!("{} is stopped but has no run", kid.path)) };
        must!(!live.asked && !live.killed, "{} is asked to stop twice", kid.path);
        live.asked = true;
        Ok(())
    }

    pub(crate) fn killed(&mut self, key: ChildKey) -> Check {
        let Some(kid) = self.kids.get_mut(&key) else { return Err(format!("{key:?} is killed undeclared")) };
        let Some(live) = &mut kid.live else { return Err(format!("{} is killed but has no run", kid.path)) };
        must!(!live.killed, "{} is killed twice", kid.path);
        live.killed = true;
        Ok(())
    }

    /// A run is gone; told to the machine right after.
    pub(crate) fn gone(&mut self, key: ChildKey) {
        if let Some(kid) = self.kids.get_mut(&key) {
            kid.live = None;
            self.live_paths.remove(&kid.path);
        }
    }

    pub(crate) fn told(&mut self, event: &Event) -> Check {
        let root = event.child == ChildKey::ROOT;
        self.ending |= event.kind == EventKind::ShutdownRequested
            || (root && matches!(event.kind, EventKind::Escalated | EventKind::SupervisorEnding));
        let Some(kid) = self.kids.get(&event.child) else {
            return Err(format!("{} about the undeclared {:?}", event.kind, event.child));
        };
        let above = self.kids.get(&kid.parent).map(|parent| parent.row.generation);
        let Some(kid) = self.kids.get_mut(&event.child) else { return Ok(()) };
        must!(
            event.row.generation >= kid.row.generation,
            "{} of {} goes back from generation {} to {}",
            event.kind,
            kid.path,
            kid.row.generation,
            event.row.generation
        );
        let entered = event.row.lifecycle != kid.life;
        kid.enter(event.row.lifecycle).map_err(|edge| format!("{edge}, told by {}", event.kind))?;
        kid.row = event.row;
        if !event.row.lifecycle.is_parked() {
            kid.parked_under = None;
        } else if entered {
            kid.parked_under = above;
        }
        self.touched.push(event.child);
        Ok(())
    }

    pub(crate) fn replied(&mut self, ticket: Ticket) -> Check {
        must!(self.open.remove(&ticket), "ticket {ticket} has a reply that nobody waits for");
        Ok(())
    }

    pub(crate) fn forgotten(&mut self, key: ChildKey) -> Check {
        let Some(kid) = self.kids.get_mut(&key) else {
            return Err(format!("{key:?} is forgotten undeclared"));
        };
        must!(!kid.forgotten, "{} is forgotten twice", kid.path);
        must!(kid.live.is_none(), "{} is forgotten while it has a run", kid.path);
        must!(kid.life == Lifecycle::Removed, "{} is forgotten while it is {}", kid.path, kid.life);
        kid.forgotten = true;
        let path = kid.path.clone();
        self.no_sidecar(&path);
        // Sidecars belong to the child, not to whoever has its path next.
        let sidecars = &self.needs.sidecars;
        if let Some(needs) = self.needs.of.get_mut(&path) {
            needs.retain(|need| sidecars.get(need).is_none_or(|added| !added));
        }
        Ok(())
    }

    pub(crate) fn ended(&mut self) -> Check {
        must!(!self.done, "the tree ends twice");
        self.done = true;
        for kid in self.kids.values().filter(|kid| kid.live.is_some()) {
            must!(
                kid.life == Lifecycle::Unresponsive || self.hard && kid.was_killed(),
                "the tree ended while {} is {}",
                kid.path,
                kid.life
            );
        }
        Ok(())
    }

    /// Compares folded rows with the machine's.
    pub(crate) fn compare(&mut self, machine: &Machine) -> Check {
        self.calls += 1;
        let touched = std::mem::take(&mut self.touched);
        if self.kids.len() <= SMALL || self.calls.is_multiple_of(64) {
            return self.kids.iter().try_for_each(|(key, kid)| kid.compare(machine.row(*key)));
        }
        touched
            .iter()
            .filter_map(|key| Some((key, self.kids.get(key)?)))
            .try_for_each(|(key, kid)| kid.compare(machine.row(*key)))
    }
}

impl Kid {
    fn enter(&mut self, next: Lifecycle) -> Check {
        if next != self.life {
            must!(self.life.may_become(next), "{} goes from {} to {next}", self.path, self.life);
            self.life = next;
            self.lives.push(next);
        }
        Ok(())
    }

    fn was_killed(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.killed)
    }

    fn compare(&self, machine: Option<Row>) -> Check {
        if self.life == Lifecycle::Removed {
            let gone = machine.is_none_or(|row| row.lifecycle == Lifecycle::Removed);
            must!(gone, "{} is removed, but the machine has {machine:?}", self.path);
            return Ok(());
        }
        must!(
            machine == Some(self.row),
            "the events about {} add up to {:?}, but the machine has {machine:?}",
            self.path,
            self.row
        );
        Ok(())
    }
}
