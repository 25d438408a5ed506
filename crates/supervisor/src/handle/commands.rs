//! The operator's family of commands (D17).

use std::future::Future;
use std::sync::{Arc, PoisonError};
use supervisor_api::command::{ChildControlOutcome, CommandResult, ControlVerb};

use supervisor_api::manifest::{ChildManifest, DefaultsManifest};
use supervisor_api::report::RuntimeExitReport;
use supervisor_api::{SupervisorError, SupervisorPath};
use supervisor_core::{Address, Command, Reply};

use super::{ChildAddress, SupervisorHandle, requester};
use crate::driver::Msg;
use crate::registry::{Registry, UnknownFactory};
use crate::spec::{Bodies, ChildSpec, lower_child};

/// What [`SupervisorHandle::add_child`] takes: a manifest or, with feature `manifest`, its YAML text.
pub trait IntoManifest {
    /// The manifest, or what is wrong with the text.
    fn into_manifest(self) -> Result<ChildManifest, SupervisorError>;
}

impl IntoManifest for ChildManifest {
    fn into_manifest(self) -> Result<ChildManifest, SupervisorError> {
        Ok(self)
    }
}

impl IntoManifest for &ChildManifest {
    fn into_manifest(self) -> Result<ChildManifest, SupervisorError> {
        Ok(self.clone())
    }
}

impl SupervisorHandle {
    /// Adds a child under a supervisor and starts it. `CommandResult::ChildAdded` when it is started, or
    /// waits, or is declared without a registered factory; a start that fails follows the supervisor's
    /// `on_start_failure` (D17).
    pub async fn add_child(
        &self,
        under: impl Into<ChildAddress>,
        manifest: impl IntoManifest,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<CommandResult, SupervisorError> {
        let requester = requester(by.as_ref(), reason.as_ref())?;
        self.alive()?;
        let manifest = manifest.into_manifest()?;
        let ChildAddress(under) = under.into();
        let (parent, defaults) = self.supervisor_at(&under)?;
        let registry = self.tree.registry.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let spec = registry
            .build(&manifest, &parent, defaults.as_deref(), UnknownFactory::Wait)
            .map_err(SupervisorError::InvalidSpec)?;
        let (child, bodies) =
            lower_child(spec, &parent, &self.tree.bodies).map_err(SupervisorError::InvalidSpec)?;
        let command = Command::Add { under, child: Box::new(child) };
        self.added(self.ask(command, requester, bodies).await?)
    }

    /// Adds a child that is made by the program, as [`Self::add_child`] does.
    pub async fn add_child_spec(
        &self,
        under: impl Into<ChildAddress>,
        spec: ChildSpec,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<CommandResult, SupervisorError> {
        let requester = requester(by.as_ref(), reason.as_ref())?;
        self.alive()?;
        let ChildAddress(under) = under.into();
        let (parent, _) = self.supervisor_at(&under)?;
        let (child, bodies) =
            lower_child(spec, &parent, &self.tree.bodies).map_err(SupervisorError::InvalidSpec)?;
        let command = Command::Add { under, child: Box::new(child) };
        self.added(self.ask(command, requester, bodies).await?)
    }

    fn added(&self, reply: Reply) -> Result<CommandResult, SupervisorError> {
        match reply {
            Reply::Added { path, state, generation, .. } => {
                Ok(CommandResult::ChildAdded { path, state, generation })
            }
            other => Err(strange(&other)),
        }
    }

    /// Stops the child and deletes it from the tree. Removing one that is being removed joins that.
    pub async fn remove_child(
        &self,
        child: impl Into<ChildAddress>,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<CommandResult, SupervisorError> {
        self.control(ControlVerb::Remove, child.into(), by.as_ref(), reason.as_ref()).await
    }

    /// Stops the child if it runs, then starts it; never charged. Done when the new run is started (D19).
    pub async fn restart_child(
        &self,
        child: impl Into<ChildAddress>,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<CommandResult, SupervisorError> {
        self.control(ControlVerb::Restart, child.into(), by.as_ref(), reason.as_ref()).await
    }

    /// Stops the child and holds it until `resume` or `restart` (D10). Idempotent.
    pub async fn pause_child(
        &self,
        child: impl Into<ChildAddress>,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<CommandResult, SupervisorError> {
        self.control(ControlVerb::Pause, child.into(), by.as_ref(), reason.as_ref()).await
    }

    /// Lets a paused or quarantined child go on (D10). Idempotent.
    pub async fn resume_child(
        &self,
        child: impl Into<ChildAddress>,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<CommandResult, SupervisorError> {
        self.control(ControlVerb::Resume, child.into(), by.as_ref(), reason.as_ref()).await
    }

    /// Stops the child and parks it until `resume` or `restart` (D10). Idempotent.
    pub async fn quarantine_child(
        &self,
        child: impl Into<ChildAddress>,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<CommandResult, SupervisorError> {
        self.control(ControlVerb::Quarantine, child.into(), by.as_ref(), reason.as_ref()).await
    }

    async fn control(
        &self,
        verb: ControlVerb,
        ChildAddress(child): ChildAddress,
        by: &str,
        reason: &str,
    ) -> Result<CommandResult, SupervisorError> {
        let requester = requester(by, reason)?;
        self.alive()?;
        let outcome = outcome(self.ask(Command::Control(verb, child), requester, Bodies::default()).await?)?;
        Ok(CommandResult::ChildControl { outcome })
    }

    /// Stops every child in order, then ends the tree (D20). A second call joins the first; after the end
    /// the same result is given again.
    pub async fn shutdown_tree(
        &self,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<CommandResult, SupervisorError> {
        let requester = requester(by.as_ref(), reason.as_ref())?;
        if self.is_alive() {
            match self.ask(Command::Shutdown, requester, Bodies::default()).await {
                Ok(_) | Err(SupervisorError::Ended { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(CommandResult::Shutdown { result: self.tree.plane.shutdown() })
    }

    /// [`Self::shutdown_tree`], then the final report. Repeatable.
    pub async fn shutdown(
        &self,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<RuntimeExitReport, SupervisorError> {
        self.shutdown_tree(by, reason).await?;
        Ok(self.join().await)
    }

    /// Every grace that runs ends now, and none begins later: the second signal (D20).
    pub async fn skip_graces(
        &self,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<(), SupervisorError> {
        let requester = requester(by.as_ref(), reason.as_ref())?;
        self.alive()?;
        self.ask(Command::SkipGraces, requester, Bodies::default()).await.map(|_| ())
    }

    /// Registers a factory of tasks on the running tree. Children that wait for it start.
    pub async fn register_factory<F, Fut>(
        &self,
        name: impl AsRef<str>,
        factory: F,
    ) -> Result<(), SupervisorError>
    where
        F: Fn(crate::ChildContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: crate::IntoExit> + Send + 'static,
    {
        self.register(Registry::new().factory(name, factory)).await
    }

    /// Registers more factories, probes and kinds on the running tree. Children that wait for a factory
    /// that is there now start.
    pub async fn register(&self, more: Registry) -> Result<(), SupervisorError> {
        self.alive()?;
        let tasks: Vec<_> = more.tasks().collect();
        let replaced = self.tree.registry.lock().unwrap_or_else(PoisonError::into_inner).merge(more);
        drop(replaced);
        for (wanted, run, probe) in tasks {
            if self.tree.commands.send(Msg::Bind { wanted, run, probe }).await.is_err() {
                return Err(self.ended().await);
            }
            self.tree.ring();
        }
        Ok(())
    }

    /// The path of the supervisor that is meant, and what manifests below it take when they do not say.
    pub(super) fn supervisor_at(
        &self,
        under: &Address,
    ) -> Result<(SupervisorPath, Option<Arc<DefaultsManifest>>), SupervisorError> {
        let none = |_| {
            let path = match under {
                Address::Text(text) => text.to_string(),
                Address::Key(key) => format!("key {}.{}", key.index, key.epoch),
            };
            SupervisorError::NoSuchSupervisor { path }
        };
        let brain = self.tree.brain();
        let key = brain.machine.locate(under).map_err(|error| match error {
            SupervisorError::AmbiguousChild { .. } => error,
            error => none(error),
        })?;
        let path = brain.machine.path(key).cloned().unwrap_or_else(SupervisorPath::root);
        drop(brain);
        let mut above = Some(path.clone());
        let mut defaults = None;
        // The nearest supervisor that has defaults; they are merged with those above when it is made.
        while let (Some(at), None) = (above.take(), &defaults) {
            let found = self.tree.brain().machine.find(at.as_str());
            defaults = found.and_then(|key| self.tree.table.slot(key.index).extras()?.defaults.clone());
            above = at.parent();
        }
        Ok((path, defaults))
    }
}

pub(super) fn outcome(reply: Reply) -> Result<ChildControlOutcome, SupervisorError> {
    match reply {
        Reply::Control(outcome) => Ok(outcome),
        other => Err(strange(&other)),
    }
}

/// An answer to another question; the machine gives none, but a library does not panic over it.
pub(super) fn strange(reply: &Reply) -> SupervisorError {
    SupervisorError::InvalidTransition {
        message: format!("the tree gave an answer of another kind: {reply:?}"),
    }
}
