//! What is counted, and under which paths.
//!
//! A child has a series of its own, unless its supervisor is dynamic, or there are [`SERIES`] of them already: then it
//! counts under its supervisor's path, together with all others like it. What is below such a child counts there too.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use supervisor_api::report::ReconcileReport;
use supervisor_api::{ChildKey, Lifecycle, PolicyDecision, SupervisorPath};

use super::histogram::Histogram;
use super::programs::Programs;

/// Series of single children in one tree.
pub(super) const SERIES: usize = 1000;

/// States that children are counted in.
const STATES: usize = Lifecycle::ALL.len();
/// Decisions that an exhausted budget leads to.
const DECISIONS: usize = PolicyDecision::ALL.len();

/// What commands are called, as they are counted.
pub(super) const COMMANDS: &[&str] = &[
    "restart_child",
    "pause_child",
    "resume_child",
    "quarantine_child",
    "remove_child",
    "terminate_child",
    "start_again",
    "delete_child",
    "add_child",
    "start_child",
    "apply",
    "shutdown_tree",
    "skip_graces",
    "signal_child",
];
/// How commands end, as they are counted.
pub(super) const RESULTS: [&str; 3] = ["completed", "failed", "rejected"];

/// How a command ended; its number is its place in [`RESULTS`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Completed,
    Failed,
    Rejected,
}

/// One child, or all children of a supervisor that have no series of their own.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) supervisor: SupervisorPath,
    /// `None`: all the others of the supervisor.
    pub(super) child: Option<(ChildKey, SupervisorPath)>,
    states: [AtomicI64; STATES],
    pub(super) restarts: AtomicU64,
    pub(super) stale: AtomicU64,
    /// CPU that programs have used, in milliseconds.
    pub(super) cpu_millis: AtomicU64,
    /// When the run that is on was started, in the tree's time, plus one; 0 when none is. Of a single child only.
    pub(super) since: AtomicU64,
}

impl Series {
    pub(super) fn new(supervisor: SupervisorPath, child: Option<(ChildKey, SupervisorPath)>) -> Self {
        Self {
            supervisor,
            child,
            states: Default::default(),
            restarts: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            cpu_millis: AtomicU64::new(0),
            since: AtomicU64::new(0),
        }
    }

    pub(super) fn labels(&self) -> [(&'static str, &str); 2] {
        let child = self.child.as_ref().map_or("", |(_, path)| path.as_str());
        [("supervisor_path", self.supervisor.as_str()), ("child_path", child)]
    }

    /// A child came into a state, or left it.
    pub(super) fn count(&self, state: Lifecycle, by: i64) {
        self.states[state as usize].fetch_add(by, Ordering::Relaxed);
    }

    /// How many children are in each state that any is in.
    pub(super) fn states(&self) -> impl Iterator<Item = (Lifecycle, i64)> {
        let counts = self.states.iter().map(|count| count.load(Ordering::Relaxed));
        Lifecycle::ALL.iter().copied().zip(counts).filter(|(_, count)| *count > 0)
    }
}

/// A supervisor, with what is counted under its path only.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) key: ChildKey,
    pub(super) path: SupervisorPath,
    /// Children that have no series of their own.
    pub(super) others: Arc<Series>,
    pub(super) backoff: Histogram,
    pub(super) probes: Histogram,
    pub(super) aborts: AtomicU64,
    exhausted: [AtomicU64; DECISIONS],
}

impl Supervisor {
    pub(super) fn new(key: ChildKey, path: SupervisorPath) -> Self {
        Self {
            key,
            others: Arc::new(Series::new(path.clone(), None)),
            path,
            backoff: Histogram::default(),
            probes: Histogram::default(),
            aborts: AtomicU64::new(0),
            exhausted: Default::default(),
        }
    }

    /// A budget was exhausted, and this is what follows.
    pub(super) fn exhausted(&self, decision: PolicyDecision) {
        self.exhausted[decision as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often budgets were exhausted, by what followed.
    pub(super) fn meltdowns(&self) -> impl Iterator<Item = (PolicyDecision, u64)> {
        let counts = self.exhausted.iter().map(|count| count.load(Ordering::Relaxed));
        PolicyDecision::ALL.iter().copied().zip(counts).filter(|(_, count)| *count > 0)
    }
}

/// Everything that is counted of one tree. The driver counts, without waiting for anybody who reads.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    book: Mutex<Book>,
    pub(super) programs: Programs,
    commands: [[AtomicU64; RESULTS.len()]; COMMANDS.len()],
    pub(super) shutdown: Histogram,
    pub(super) outcomes: Mutex<ReconcileReport>,
    pub(super) version: AtomicU64,
}

/// Who is counted. Changes only when children come and go.
#[derive(Debug, Default, Clone)]
pub(super) struct Book {
    pub(super) children: Vec<Arc<Series>>,
    pub(super) supervisors: Vec<Arc<Supervisor>>,
}

impl Counts {
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A command has its answer.
    pub(crate) fn answered(&self, command: &str, answer: Answer) {
        if let Some(at) = COMMANDS.iter().position(|known| *known == command) {
            self.commands[at][answer as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many commands of each kind ended in which way.
    pub(super) fn commands(&self) -> impl Iterator<Item = ([(&'static str, &'static str); 2], u64)> {
        COMMANDS.iter().zip(&self.commands).flat_map(|(command, results)| {
            RESULTS.iter().zip(results).filter_map(move |(result, count)| {
                let count = count.load(Ordering::Relaxed);
                (count > 0).then_some(([("command", *command), ("result", *result)], count))
            })
        })
    }

    /// A probe of a child took so long.
    pub(crate) fn probe_took(&self, child: &SupervisorPath, took: std::time::Duration) {
        if let Some(supervisor) = self.book().above(child) {
            supervisor.probes.observe(took);
        }
    }
}

impl Book {
    /// The supervisor under whose path a child is counted.
    fn above(&self, child: &SupervisorPath) -> Option<&Arc<Supervisor>> {
        let mut above = std::iter::successors(child.parent(), SupervisorPath::parent);
        above.find_map(|path| self.supervisors.iter().find(|supervisor| supervisor.path == path))
    }

    /// Where a child counts.
    pub(super) fn series(&self, key: ChildKey, path: &SupervisorPath) -> Option<Arc<Series>> {
        let own =
            self.children.iter().find(|series| matches!(&series.child, Some((known, _)) if *known == key));
        own.or_else(|| Some(&self.above(path)?.others)).map(Arc::clone)
    }
}
