//! Launching a tree.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use supervisor_api::report::RuntimeExitReport;
use supervisor_api::{Finding, SupervisorError};
use supervisor_core::{lint, resolve};
use tokio::sync::mpsc;

use crate::contain;
use crate::driver::{self, Brain, Machine};
use crate::handle::SupervisorHandle;
use crate::journal::Journal;
use crate::registry::Registry;
use crate::spec::{Lowered, Options, SupervisorSpec, lower_root};
use crate::sync::atomic::AtomicU32;
use crate::sync::spawn;
use crate::tree::{Bounds, Tree};
use crate::watchdog;

/// Where trees begin.
///
/// A tree lives on the runtime it is launched in, which needs its timer enabled. It has a task of its own
/// and one per child; it never ends the host process and never prints.
#[derive(Debug)]
pub struct Supervisor;

impl Supervisor {
    /// Launches a tree and waits until its initial start is over. When that fails, what was started is
    /// stopped in reverse and the error names the child (R2).
    pub async fn start(spec: SupervisorSpec) -> Result<SupervisorHandle, SupervisorError> {
        let handle = Self::launch(spec)?;
        if let Err(error) = handle.started().await {
            handle.join().await;
            return Err(error);
        }
        Ok(handle)
    }

    /// Checks a spec, all mistakes at once (R6), and launches its tree. The handle is there at once, while
    /// children start (D7).
    pub fn launch(spec: SupervisorSpec) -> Result<SupervisorHandle, SupervisorError> {
        Self::launch_with(spec, Registry::new())
    }

    /// [`Self::launch`] with factories and kinds that manifests can name.
    pub fn launch_with(
        spec: SupervisorSpec,
        registry: Registry,
    ) -> Result<SupervisorHandle, SupervisorError> {
        let (tree, options) = prepare(spec, registry, &Bounds::default())?;
        tree.launch();
        spawn(&tree.runtime, driver::drive(Arc::clone(&tree)));
        watchdog::watch(&tree, &options);
        Ok(SupervisorHandle::new(tree))
    }

    /// Launches a tree that ends with the returned owner (D16).
    pub fn scoped(spec: SupervisorSpec) -> Result<Scoped, SupervisorError> {
        Self::scoped_with(spec, Registry::new())
    }

    /// [`Self::scoped`] with factories and kinds that manifests can name.
    pub fn scoped_with(spec: SupervisorSpec, registry: Registry) -> Result<Scoped, SupervisorError> {
        Ok(Scoped { handle: Self::launch_with(spec, registry)? })
    }

    /// Checks a spec without launching it: what is doubtful, or all mistakes. Looks closer than a launch
    /// does: at budgets that multiply (R49), supervisors that would be lost (R47), dependencies that wait for
    /// ever (D11), and more, each with what to do about it.
    pub fn check(spec: SupervisorSpec) -> Result<Vec<Finding>, Vec<Finding>> {
        spec.declaration().and_then(|decl| resolve(&decl)).map(|tree| lint(&tree))
    }
}

/// Checks a spec and makes everything that its tree needs to be launched and driven.
pub(crate) fn prepare(
    spec: SupervisorSpec,
    registry: Registry,
    bounds: &Bounds,
) -> Result<(Arc<Tree>, Options), SupervisorError> {
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| no_runtime())?;
    let numbers = AtomicU32::new(0);
    let Lowered { decl, bodies, options } =
        lower_root(spec, &numbers).map_err(SupervisorError::InvalidSpec)?;
    let resolved = resolve(&decl).map_err(SupervisorError::InvalidSpec)?;
    drop(decl);
    if options.panic_hook.unwrap_or(true) {
        contain::install_hook();
    }
    let warnings = resolved.warnings.clone();
    let machine = Machine::new(resolved, options.seed.unwrap_or_else(any_seed));
    let (commands, inbox) = mpsc::channel(bounds.commands);
    let brain = Brain::new(machine, inbox, bodies);
    let journal = Journal::new(bounds.events, bounds.page);
    let tree = Tree::new(brain, commands, journal, registry, numbers.into_inner(), warnings, runtime);
    Ok((Arc::new(tree), options))
}

fn no_runtime() -> SupervisorError {
    let message = "a tree is launched inside a Tokio runtime; call this from async code or enter one first";
    SupervisorError::InvalidTransition { message: message.to_owned() }
}

/// A seed that differs from process to process, from the one source of chance that std has.
fn any_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// The owner of a tree. Dropping it is the hard stop: every run is asked to stop and killed at once, nobody
/// is waited for, and nothing survives but threads that block (D16).
///
/// It derefs to the tree's [`SupervisorHandle`].
pub struct Scoped {
    handle: SupervisorHandle,
}

impl Scoped {
    /// A handle that owns nothing.
    pub fn handle(&self) -> SupervisorHandle {
        self.handle.clone()
    }

    /// The graceful end: every child is stopped in order.
    pub async fn shutdown(
        self,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<RuntimeExitReport, SupervisorError> {
        self.handle.shutdown(by, reason).await
    }
}

impl Deref for Scoped {
    type Target = SupervisorHandle;

    fn deref(&self) -> &SupervisorHandle {
        &self.handle
    }
}

impl Drop for Scoped {
    fn drop(&mut self) {
        if self.handle.is_alive() {
            self.handle.stop_hard();
        }
    }
}

impl fmt::Debug for Scoped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scoped").field(&self.handle).finish()
    }
}
