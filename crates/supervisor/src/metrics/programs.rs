//! What programs use, by the series in which their child counts.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use supervisor_api::{ChildKey, ProgramUsage, SupervisorPath};

use super::series::{Counts, Series};

/// The children of which somebody has said what they use: those that run programs.
#[derive(Debug, Default)]
pub(super) struct Programs(Mutex<HashMap<ChildKey, Program>>);

/// What a child was last said to use.
#[derive(Debug)]
struct Program {
    series: Arc<Series>,
    /// Of which run.
    generation: u64,
    usage: ProgramUsage,
}

impl Programs {
    fn lock(&self) -> MutexGuard<'_, HashMap<ChildKey, Program>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A child is no longer in the tree.
    pub(super) fn forget(&self, key: ChildKey) {
        self.lock().remove(&key);
    }

    /// What the programs of each series use together, as far as `runs` says that the run is on.
    pub(super) fn by_series(&self, runs: impl Fn(ChildKey, u64) -> bool) -> Vec<(Arc<Series>, ProgramUsage)> {
        let mut sums: HashMap<*const Series, (Arc<Series>, ProgramUsage)> = HashMap::new();
        for (key, program) in &*self.lock() {
            if !runs(*key, program.generation) {
                continue;
            }
            let place = sums
                .entry(Arc::as_ptr(&program.series))
                .or_insert_with(|| (Arc::clone(&program.series), ProgramUsage::default()));
            let (sum, one) = (&mut place.1, &program.usage);
            sum.resident_bytes += one.resident_bytes;
            sum.threads += one.threads;
            sum.descriptors += one.descriptors;
            sum.processes += one.processes;
        }
        let mut sums: Vec<_> = sums.into_values().collect();
        sums.sort_by(|(a, _), (b, _)| a.labels().cmp(&b.labels()));
        sums
    }
}

impl Counts {
    /// A run says what its program uses.
    pub(crate) fn uses(&self, key: ChildKey, path: &SupervisorPath, generation: u64, usage: &ProgramUsage) {
        let mut programs = self.programs.lock();
        let Some(program) = programs.get_mut(&key) else {
            let Some(series) = self.book().series(key, path) else { return };
            series.cpu_millis.fetch_add(usage.cpu_millis, Ordering::Relaxed);
            programs.insert(key, Program { series, generation, usage: *usage });
            return;
        };
        let before = if program.generation == generation { program.usage.cpu_millis } else { 0 };
        program.series.cpu_millis.fetch_add(usage.cpu_millis.saturating_sub(before), Ordering::Relaxed);
        (program.generation, program.usage) = (generation, *usage);
    }
}
