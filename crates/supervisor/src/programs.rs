//! Which runs have said what they use: to find them without looking at all the others.

use std::collections::HashMap;
use std::sync::PoisonError;

use supervisor_api::{ChildKey, PollTimes, ProgramUsage, SupervisorPath};

use crate::handle::SupervisorHandle;
use crate::slot::Aids;
use crate::sync::Mutex;
use crate::table::Table;

/// The runs of which there are figures. Those that are over are taken out when somebody reads.
#[derive(Default)]
pub(crate) struct Programs(Mutex<HashMap<ChildKey, u64>>);

impl Programs {
    /// From now on there are figures of this run.
    pub(crate) fn began(&self, key: ChildKey, generation: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, generation);
    }

    /// The figures of each run that is on, in no order.
    pub(crate) fn read<T>(
        &self,
        table: &Table,
        figures: impl Fn(&Aids) -> Option<T>,
    ) -> Vec<(ChildKey, SupervisorPath, T)> {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::with_capacity(runs.len());
        runs.retain(|key, generation| {
            let slot = table.slot(key.index);
            let row = table.row(key.index).read().row;
            let is_on = slot.is(*key) && row.generation == *generation && row.lifecycle.is_live();
            let cell = slot.cell();
            let aids = cell.aids.as_ref().filter(|aids| is_on && aids.generation == *generation);
            let figures = aids.and_then(|aids| figures(aids));
            drop(cell);
            found.extend(slot.path().zip(figures).map(|(path, figures)| (*key, path, figures)));
            is_on
        });
        found
    }
}

impl SupervisorHandle {
    /// What each program of the tree uses, in no order: those that run and were measured. What children that run no
    /// program are costs nothing here.
    pub fn programs(&self) -> Vec<(SupervisorPath, ProgramUsage)> {
        let all = self.tree.programs.read(&self.tree.table, |aids| aids.usage.as_deref().copied());
        all.into_iter().map(|(_, path, usage)| (path, usage)).collect()
    }

    /// How long each run is being polled, in no order: of tasks whose polls are timed
    /// ([`ChildSpec::poll_times`](crate::ChildSpec::poll_times)). The others cost nothing here.
    pub fn poll_times(&self) -> Vec<(SupervisorPath, PollTimes)> {
        let all = self.tree.metered.read(&self.tree.table, |aids| Some(aids.meter.as_ref()?.read()));
        all.into_iter().map(|(_, path, times)| (path, times)).collect()
    }
}
