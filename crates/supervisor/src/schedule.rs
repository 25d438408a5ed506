//! When scheduled jobs start. What comes of a time is the machine's to decide (D20); here is waited for it.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use supervisor_api::{ChildKey, Lifecycle, Severity, SupervisorPath};
use tokio::task::AbortHandle;

use crate::kept;
use crate::queue::DUE;
use crate::sync::Mutex;
use crate::tree::Tree;

/// What becomes of a time that comes while the run before is not over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missed {
    /// That run is left out, and a line in the log of the child says so.
    #[default]
    Skip,
    /// One run follows as soon as it can, however many were missed.
    RunOnce,
}

type Wait = dyn Fn(Times) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// When a job starts.
#[derive(Clone)]
pub(crate) struct Schedule {
    /// What it says; two that say the same are the same. Empty: only itself is.
    says: Arc<str>,
    wait: Arc<Wait>,
    pub(crate) missed: Missed,
}

impl Schedule {
    pub(crate) fn new<F, Fut>(says: impl Into<Arc<str>>, wait: F) -> Self
    where
        F: Fn(Times) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self {
            says: says.into(),
            wait: Arc::new(move |times| Box::pin(wait(times))),
            missed: Missed::default(),
        }
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        let same = Arc::ptr_eq(&self.wait, &other.wait) || !self.says.is_empty() && self.says == other.says;
        same && self.missed == other.missed
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule")
            .field("says", &self.says)
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

/// What the schedule of a child knows of it.
#[derive(Clone)]
pub struct Times {
    tree: Weak<Tree>,
    key: ChildKey,
}

impl Times {
    pub(crate) fn of(tree: &Arc<Tree>, key: ChildKey) -> Self {
        Self { tree: Arc::downgrade(tree), key }
    }

    /// Says when the next run is, for the operator.
    pub fn next_is(&self, text: impl Into<Arc<str>>) {
        if let Some(tree) = self.tree() {
            let text = text.into();
            let mut cell = tree.table.slot(self.key.index).cell();
            cell.kept.get_or_insert_default().next_run = Some(text).filter(|text| !text.is_empty());
        }
    }

    /// Keeps a line in the log of the child, also between its runs.
    pub fn log(&self, severity: Severity, text: impl Into<String>) {
        if let Some(tree) = self.tree() {
            let generation = tree.table.row(self.key.index).read().row.generation;
            let fields = [("about".to_owned(), "schedule".to_owned())].into();
            kept::log(&tree, self.key, generation, severity, text.into(), fields);
        }
    }

    /// The path of the child; `None` when it is gone.
    pub fn path(&self) -> Option<SupervisorPath> {
        self.tree()?.table.slot(self.key.index).path()
    }

    /// Whether a run could begin: none is on, or about to be.
    pub fn is_at_rest(&self) -> bool {
        use Lifecycle::{Completed, Declared, Failed, Paused, Quarantined, Stopped};
        let state = self.tree().map(|tree| tree.table.row(self.key.index).read().row.lifecycle);
        matches!(state, None | Some(Declared | Completed | Failed | Stopped | Paused | Quarantined))
    }

    fn tree(&self) -> Option<Arc<Tree>> {
        self.tree.upgrade().filter(|tree| tree.table.slot(self.key.index).is(self.key))
    }
}

/// How often a job is looked at that runs over the time of the next run.
const LOOK: Duration = Duration::from_secs(1);

/// The tasks that wait for the times of children.
#[derive(Debug, Default)]
pub(crate) struct Clocks(Mutex<HashMap<u32, AbortHandle>>);

impl Clocks {
    fn put(&self, index: u32, clock: Option<AbortHandle>) {
        let mut clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match clock {
            Some(clock) => clocks.insert(index, clock),
            None => clocks.remove(&index),
        };
        drop(clocks);
        if let Some(before) = before {
            before.abort();
        }
    }

    /// The tree has ended.
    pub(crate) fn stop(&self) {
        let clocks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        clocks.into_values().for_each(|clock| clock.abort());
    }
}

impl Drop for Clocks {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Tree {
    /// From now on the times of this child are waited for, or no longer.
    pub(crate) fn keep_time(&self, times: Times, schedule: Option<Schedule>) {
        let key = times.key;
        let clock = schedule.map(|schedule| self.runtime.spawn(tick(times, schedule)).abort_handle());
        self.clocks.put(key.index, clock);
    }
}

async fn tick(times: Times, schedule: Schedule) {
    loop {
        (schedule.wait)(times.clone()).await;
        if !times.is_at_rest() {
            match schedule.missed {
                Missed::Skip => {
                    times.log(
                        Severity::Warning,
                        "its time has come while it was not at rest; that run is left out",
                    );
                    continue;
                }
                Missed::RunOnce => {
                    while !times.is_at_rest() {
                        tokio::time::sleep(LOOK).await;
                    }
                }
            }
        }
        let Some(tree) = times.tree() else { return };
        tree.report(times.key.index, DUE);
        drop(tree);
        // One that is due at once, over and over, lets others go on.
        tokio::task::yield_now().await;
    }
}
