//! Which children run programs that were measured: to find what they use without looking at all the others.

use std::collections::HashMap;
use std::sync::PoisonError;

use supervisor_api::{ChildKey, ProgramUsage, SupervisorPath};

use crate::handle::SupervisorHandle;
use crate::sync::Mutex;

/// The runs that have said what they use. Those that are over are taken out when somebody reads.
#[derive(Default)]
pub(crate) struct Programs(Mutex<HashMap<ChildKey, u64>>);

impl Programs {
    /// A run has said for the first time what it uses.
    pub(crate) fn began(&self, key: ChildKey, generation: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, generation);
    }
}

impl SupervisorHandle {
    /// What each program of the tree uses, in no order: those that run and were measured. What children that run no
    /// program are costs nothing here.
    pub fn programs(&self) -> Vec<(SupervisorPath, ProgramUsage)> {
        let table = &self.tree.table;
        let mut programs = self.tree.programs.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::with_capacity(programs.len());
        programs.retain(|key, generation| {
            let slot = table.slot(key.index);
            let row = slot.row().row;
            let is_on = slot.is(*key) && row.generation == *generation && row.lifecycle.is_live();
            let cell = slot.cell();
            let aids = cell.aids.as_ref().filter(|aids| is_on && aids.generation == *generation);
            let usage = aids.and_then(|aids| aids.usage.as_deref().copied());
            drop(cell);
            found.extend(slot.path().zip(usage));
            is_on
        });
        found
    }
}
