//! What the bench remembers of each child, to play its part and to show it to tests.

use std::sync::Arc;

use supervisor_api::{Lifecycle, Row, SupervisorPath};
use supervisor_core::ChildPolicy;

use crate::script::Run;

/// A child that was declared.
pub(crate) struct Seen {
    pub(crate) path: SupervisorPath,
    pub(crate) policy: Arc<ChildPolicy>,
    /// The number of its script; `None` for a supervisor.
    pub(crate) body: Option<u32>,
    /// The row after the last event.
    pub(crate) row: Row,
    /// The states it went through since a test asked last. A `Spawn` counts as `starting`.
    pub(crate) lives: Vec<Lifecycle>,
    life: Lifecycle,
    pub(crate) run: Option<Playing>,
    pub(crate) forgotten: bool,
}

/// A live run.
pub(crate) struct Playing {
    pub(crate) generation: u64,
    pub(crate) script: Run,
    /// It was asked to stop, or killed.
    pub(crate) asked: bool,
}

impl Seen {
    pub(crate) fn new(path: SupervisorPath, policy: Arc<ChildPolicy>, body: Option<u32>) -> Self {
        Self {
            path,
            policy,
            body,
            row: Row::DECLARED,
            lives: Vec::new(),
            life: Lifecycle::Declared,
            run: None,
            forgotten: false,
        }
    }

    pub(crate) fn enters(&mut self, next: Lifecycle) {
        if next != self.life {
            self.life = next;
            self.lives.push(next);
        }
    }
}
