//! Which fault is switched on.

use std::cell::Cell;
use std::sync::OnceLock;

use super::{CATALOGUE, Fault};

thread_local! {
    static ON: Cell<Option<Fault>> = Cell::new(of_process());
}

/// Switches a fault on for this thread, or none. At most one is on.
pub fn plant(fault: Option<Fault>) {
    ON.set(fault);
}

/// Whether this fault is on for this thread.
pub fn is_on(fault: Fault) -> bool {
    // A destructor that runs when the thread is going away finds nothing switched on.
    ON.try_with(Cell::get).unwrap_or(None) == Some(fault)
}

/// What `SUPERVISOR_FAULT` says, for every thread that says nothing else.
fn of_process() -> Option<Fault> {
    static PROCESS: OnceLock<Option<Fault>> = OnceLock::new();
    *PROCESS.get_or_init(|| {
        let name = std::env::var("SUPERVISOR_FAULT").ok()?;
        let known = CATALOGUE.iter().find(|planted| planted.name == name);
        let known =
            known.unwrap_or_else(|| panic!("SUPERVISOR_FAULT={name}: the catalogue has no such fault"));
        Some(known.fault)
    })
}
