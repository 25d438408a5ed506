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

use std::collections::{BTreeSet, HashMap, HashSet};

use supervisor_api::{ChildKey, Event, EventKind, Lifecycle, Readiness, Row, SupervisorPath};
use supervisor_core::{Machine, Ticket};

/// Up to this many children every row is compared after every input; beyond, every 64 inputs.
const SMALL: usize = 64;

/// Who waits for whom.
pub(crate) type Needs = HashMap<SupervisorPath, Vec<SupervisorPath>>;

#[derive(Default)]
pub(crate) struct Watch {
    kids: HashMap<ChildKey, Kid>,
    live_paths: HashMap<SupervisorPath, ChildKey>,
    needs: Needs,
    sidecars: HashSet<SupervisorPath>,
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

    pub(crate) fn set_needs(&mut self, path: SupervisorPath, needs: Vec<SupervisorPath>) {
        self.needs.insert(path, needs);
    }

    pub(crate) fn needs(&self) -> Needs {
        self.needs.clone()
    }

    pub(crate) fn restore_needs(&mut self, needs: Needs) {
        self.needs = needs;
    }

    /// A primary waits for its sidecars, as long as there are any.
    pub(crate) fn add_sidecar(&mut self, primary: SupervisorPath, sidecar: SupervisorPath) {
        self.sidecars.insert(sidecar.clone());
        let needs = self.needs.entry(primary).or_default();
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
            forgotten: false,
        };
        self.kids.insert(key, kid);
        Ok(())
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
        for need in self.needs.get(path).into_iter().flatten() {
            let met = self.kids.values().any(|other| {
                other.path == *need
                    && !other.forgotten
                    && (other.row.readiness == Readiness::Ready || other.life == Lifecycle::Completed)
            });
            must!(met, "{path} is spawned while {need}, which it depends on, is not ready");
        }
        Ok(())
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
        if self.sidecars.contains(&kid.path) {
            self.needs.values_mut().for_each(|needs| needs.retain(|need| *need != kid.path));
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
