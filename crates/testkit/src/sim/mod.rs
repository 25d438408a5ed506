//! The simulator: random trees, random children, random operators, in virtual time.
//!
//! # Theory of operation
//!
//! The machine of `supervisor-core` is pure, so whole lives of trees can be run in microseconds. A *seed*
//! makes a *schedule*: a tree, what the runs of its children do, what comes from outside,
//! and the habits of the world (late ticks, inputs of one instant in any order, plans that are interrupted,
//! slow readers). The *world* carries it out on one heap of (time, tiebreak, event), and the
//! [checker](crate::Checker) looks at every call. First anything may go wrong; then faults stop and the tree
//! must converge; then it is shut down.
//!
//! ```text
//!   seed ─► knobs ─► schedule ─► world ◄─► machine
//!                       ▲          │  └──► checker ─► violation ─┐
//!                       └─────────shrink ◄──────────────────────┘
//! ```
//!
//! The same seed gives the same trace. A schedule is plain data, so what breaks an invariant can be made
//! smaller ([`Simulator::shrink`]) until only what matters is left.

mod acts;
mod batch;
mod digest;
mod grow;
mod knobs;
mod marks;
mod queue;
mod readers;
mod schedule;
mod shrink;
mod text;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use supervisor_core::{Body, Resolved, SupervisorDecl, resolve};

pub use batch::{Batch, Marker, Seeds};
pub use knobs::{LEAST_INPUTS, Size};

use self::schedule::Schedule;
use self::world::{Outcome, Record, Room};
use crate::Invariant;

/// What went wrong under a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The seed.
    pub seed: u64,
    /// Which size of schedule the seed was run as.
    pub size: Size,
    /// What is broken.
    pub fault: Fault,
    /// What happens in the smallest schedule that breaks the same, line by line.
    pub trace: Vec<String>,
    /// Nothing can be left out of that schedule: with any one act less, or any one child less, it does not break the
    /// same. Only when making it small took too long something may be left that does not matter.
    pub minimal: bool,
}

/// One schedule, told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// What is broken, if anything is.
    pub fault: Option<Fault>,
    /// The tree, what its children do, and what happened, line by line.
    pub trace: Vec<String>,
}

/// What is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An invariant.
    Broken {
        /// Which.
        invariant: Invariant,
        /// What was found, as a sentence.
        text: String,
    },
    /// The machine, or the checker, panicked.
    Panic {
        /// With what message.
        message: String,
    },
}

impl Fault {
    /// In a word or two, the same for all faults of a kind: the invariant, or what panicked.
    pub fn kind(&self) -> String {
        match self {
            Self::Broken { invariant, .. } => format!("invariant {}", invariant.number()),
            Self::Panic { message } => {
                let mut words = message.split(|c: char| c == '/' || c.is_ascii_digit());
                format!("panic {}", words.next_back().unwrap_or_default().trim_start_matches([':', ' ']))
            }
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken { invariant, text } => {
                write!(f, "invariant {} ({}) is broken: {text}", invariant.number(), invariant.name())
            }
            Self::Panic { message } => write!(f, "panic: {message}"),
        }
    }
}

/// What came of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Calls of the machine.
    pub steps: u64,
    /// Of these, inputs of trees that had not ended.
    pub inputs: u64,
    /// What these calls led to.
    pub effects: u64,
    /// New specs that changed something, and were held against what became of them. Only [`Size::Changes`] has some.
    pub changes: u64,
    /// The hash of the trace: of all calls and effects (35). [`Simulator::hashed`] makes one.
    pub digest: Option<u64>,
    /// What went wrong, if anything did.
    pub fault: Option<Fault>,
}

/// Runs seeds, one after the other, and keeps what they share.
#[derive(Default)]
pub struct Simulator {
    room: Room,
}

impl Simulator {
    /// Runs one seed.
    pub fn run(&mut self, seed: u64, size: Size) -> Ran {
        self.run_with(seed, size, Record::Nothing)
    }

    /// Runs one seed, and hashes its trace. Takes several times as long.
    pub fn hashed(&mut self, seed: u64, size: Size) -> Ran {
        self.run_with(seed, size, Record::Hash)
    }

    fn run_with(&mut self, seed: u64, size: Size, record: Record<'_>) -> Ran {
        let made = catch_unwind(|| knobs::schedule(seed, size));
        match made {
            Ok((schedule, resolved)) => self.carry_out(&schedule, resolved, record),
            Err(payload) => panicked(payload).into(),
        }
    }

    /// Runs one seed again and tells everything: the tree, what its children do, and the trace.
    pub fn trace(&mut self, seed: u64, size: Size) -> Story {
        let (schedule, _) = knobs::schedule(seed, size);
        self.told(&schedule)
    }

    /// Makes the schedule of a seed as small as it can be while it breaks the same, and tells it. `None`
    /// when the seed breaks nothing.
    pub fn shrink(&mut self, seed: u64, size: Size) -> Option<Finding> {
        let (schedule, _) = knobs::schedule(seed, size);
        self.shrink_schedule(schedule, seed, size)
    }

    fn shrink_schedule(&mut self, schedule: Schedule, seed: u64, size: Size) -> Option<Finding> {
        let whole = self.try_out(&schedule, Record::Nothing)?;
        let (most, fault) = (whole.steps + whole.effects, whole.fault?);
        let kind = fault.kind();
        let smallest = shrink::shrink(schedule, |smaller| self.breaks(smaller, &kind, most));
        let minimal = !shrink::one_less(&smallest).iter().any(|smaller| self.breaks(smaller, &kind, most));
        let Story { fault: same, trace } = self.told(&smallest);
        Some(Finding { seed, size, fault: same.unwrap_or(fault), trace, minimal })
    }

    /// Whether a schedule breaks something of this kind, and within so many steps and effects, which is what is told of
    /// it: one that says less and then goes on for longer is no help to who reads it.
    fn breaks(&mut self, schedule: &Schedule, kind: &str, most: u64) -> bool {
        let ran = self.try_out(schedule, Record::Nothing).filter(|ran| ran.steps + ran.effects <= most);
        ran.and_then(|ran| ran.fault).is_some_and(|found| found.kind() == kind)
    }

    fn told(&mut self, schedule: &Schedule) -> Story {
        let mut trace: Vec<String> = text::tree(&schedule.tree).lines().map(str::to_owned).collect();
        trace.extend(text::conditions(schedule).lines().map(str::to_owned));
        let fault = self.try_out(schedule, Record::Lines(&mut trace)).and_then(|ran| ran.fault);
        Story { fault, trace }
    }

    /// Carries out a schedule whose tree may have mistakes: `None` then.
    fn try_out(&mut self, schedule: &Schedule, record: Record<'_>) -> Option<Ran> {
        match catch_unwind(|| resolve(&schedule.tree)) {
            Ok(resolved) => Some(self.carry_out(schedule, resolved.ok()?, record)),
            Err(payload) => Some(panicked(payload).into()),
        }
    }

    /// Carries out a schedule; a panic is a fault like any other.
    fn carry_out(&mut self, schedule: &Schedule, resolved: Resolved, record: Record<'_>) -> Ran {
        let room = &mut self.room;
        let outcome = catch_unwind(AssertUnwindSafe(|| world::carry_out(room, schedule, resolved, record)));
        match outcome {
            Ok(outcome) => outcome.into(),
            Err(payload) => panicked(payload).into(),
        }
    }
}

impl From<Fault> for Ran {
    fn from(fault: Fault) -> Self {
        Self { steps: 0, inputs: 0, effects: 0, changes: 0, digest: None, fault: Some(fault) }
    }
}

impl From<Outcome> for Ran {
    fn from(outcome: Outcome) -> Self {
        let fault = outcome
            .violation
            .map(|violation| Fault::Broken { invariant: violation.invariant, text: violation.text });
        Self {
            steps: u64::from(outcome.steps),
            inputs: u64::from(outcome.inputs),
            effects: outcome.effects,
            changes: outcome.changes,
            digest: outcome.digest,
            fault,
        }
    }
}

fn panicked(payload: Box<dyn std::any::Any + Send>) -> Fault {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    Fault::Panic { message: text.unwrap_or("without a message").to_owned() }
}

/// How a tree of the user's is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The first seed.
    pub from: u64,
    /// How many seeds.
    pub seeds: u64,
    /// Stop after so many findings.
    pub findings: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { from: 0, seeds: 1_000, findings: 1 }
    }
}

/// What came of simulating a tree of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// Calls of the machine.
    pub steps: u64,
    /// What went wrong, each with its smallest trace.
    pub findings: Vec<Finding>,
}

/// Simulates this tree: its children do what they like, operators ask for what they like, and what must hold in every
/// tree is checked, after each step as far as the step goes, and every 64 steps and at the end as a whole. A finding is
/// a bug of this library; but one of [`Invariant::Convergence`] can also come from a tree that never comes to rest,
/// though its children do all they should within a few milliseconds. Its trace says what happened.
///
/// # Errors
/// What is wrong with the tree (R6).
pub fn check_tree(tree: &SupervisorDecl, options: Options) -> Result<Report, Vec<supervisor_api::Finding>> {
    let resolved = resolve(tree)?;
    let bodies = bodies_of(tree);
    let mut simulator = Simulator::default();
    let mut report = Report { seeds: 0, steps: 0, findings: Vec::new() };
    for seed in options.from..options.from.saturating_add(options.seeds) {
        let schedule = knobs::schedule_for(tree, bodies, seed);
        let ran = simulator.carry_out(&schedule, resolved.clone(), Record::Hash);
        report.seeds += 1;
        report.steps += ran.steps;
        if ran.fault.is_some() {
            report.findings.extend(simulator.shrink_schedule(schedule, seed, Size::Full));
            if report.findings.len() >= options.findings {
                break;
            }
        }
    }
    Ok(report)
}

/// One more than the greatest number of a body.
fn bodies_of(tree: &SupervisorDecl) -> u32 {
    let of = |child: &supervisor_core::ChildDecl| match &child.body {
        Body::Run(body) | Body::Unbound(body) => body.saturating_add(1),
        Body::Supervisor(below) => bodies_of(below),
    };
    tree.children.iter().map(of).max().unwrap_or(0)
}
