//! What sessions and the rest of the relay share: all targets, the bell that is rung when there is something new of any
//! of them, the turns in which states are rendered, and what was refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::audit::Denials;
use crate::counts::Counts;
use crate::target::Target;

/// Rung for every session. A session that is busy hears several rings as one.
#[derive(Debug)]
pub(crate) struct Bell {
    rung: watch::Sender<()>,
    /// Grows when the list of targets says something else.
    list: AtomicU64,
    /// How many states are rendered at a time.
    turns: Arc<Semaphore>,
}

impl Default for Bell {
    /// Half of the processors may render: to render a state takes milliseconds, and a browser wants those of all targets.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new((processors / 2).max(1))
    }
}

impl Bell {
    /// A bell whose targets render so many states at a time.
    pub(crate) fn new(turns: usize) -> Self {
        let turns = Arc::new(Semaphore::new(turns));
        Self { rung: watch::Sender::new(()), list: AtomicU64::new(1), turns }
    }

    /// A turn to render a state, until it is dropped. Who waits keeps its place in the line.
    pub(crate) fn turn(&self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send + use<> {
        let turns = Arc::clone(&self.turns);
        // It is never closed.
        async { turns.acquire_owned().await.ok() }
    }

    /// There is something new.
    pub(crate) fn ring(&self) {
        self.rung.send_replace(());
    }

    /// The list of targets says something else.
    pub(crate) fn ring_for_list(&self) {
        self.list.fetch_add(1, Ordering::Release);
        self.ring();
    }

    /// The version of the list of targets.
    pub(crate) fn list(&self) -> u64 {
        self.list.load(Ordering::Acquire)
    }

    /// Hears every ring from now on.
    pub(crate) fn hear(&self) -> watch::Receiver<()> {
        self.rung.subscribe()
    }
}

/// The targets by their ids.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    targets: Mutex<BTreeMap<Arc<str>, Arc<Target>>>,
    bell: Arc<Bell>,
    denials: Denials,
    counts: Counts,
    audit_is_elsewhere: bool,
}

impl Hub {
    /// Of a relay whose audit is its target's.
    pub(crate) fn without_audit() -> Self {
        Self { audit_is_elsewhere: true, ..Self::default() }
    }

    /// Whether sessions can ask for what was recorded.
    pub(crate) fn has_audit(&self) -> bool {
        !self.audit_is_elsewhere
    }

    pub(crate) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// Where what is refused goes, to be recorded.
    pub(crate) fn denials(&self) -> &Denials {
        &self.denials
    }

    /// What was done so far.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Every target, in the order of the ids.
    pub(crate) fn all(&self) -> Vec<Arc<Target>> {
        self.targets().values().map(Arc::clone).collect()
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Target>> {
        self.targets().get(id).map(Arc::clone)
    }

    /// A new target, instead of the one that had its id.
    pub(crate) fn put(&self, target: Arc<Target>) {
        self.targets().insert(Arc::clone(target.id()), target);
        self.bell.ring_for_list();
    }

    pub(crate) fn remove(&self, id: &str) {
        self.targets().remove(id);
        self.bell.ring_for_list();
    }

    fn targets(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<Target>>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
