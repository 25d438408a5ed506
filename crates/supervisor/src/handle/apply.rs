//! A new spec for a tree that runs, what it would change, and what a command would lead to (D12).

use std::sync::PoisonError;

use supervisor_api::SupervisorError;
use supervisor_api::command::{Affected, CommandResult, ControlVerb, Plan};
use supervisor_api::manifest::ChildManifest;
use supervisor_core::{Command, Reply, SupervisorDecl};

use super::commands::strange;
use super::{ChildAddress, SupervisorHandle, requester};
use crate::registry::UnknownFactory;
use crate::spec::{Bodies, Lowered, SupervisorSpec, lower_child, lower_root};
use crate::sync::atomic::AtomicU32;

/// A command, or a failure, that is only looked at; see [`SupervisorHandle::what_if`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WhatIf {
    /// Restart, pause, resume, quarantine or remove this child.
    Control(ControlVerb, ChildAddress),
    /// Add a child below this supervisor.
    Add(ChildAddress, Box<ChildManifest>),
    /// Apply this spec.
    Apply(SupervisorSpec),
    /// Shut the tree down.
    Shutdown,
    /// No command: the run of this child fails.
    Crash(ChildAddress),
}

impl SupervisorHandle {
    /// What [`Self::apply`] would change now (D12), or why it would be refused. Changes nothing, and asks nobody.
    ///
    /// The same engine answers that carries the spec out, so what it says is exact until something else changes the
    /// tree. It is worked out while the loop is held, in time that grows with the size of the spec.
    pub fn plan(&self, spec: SupervisorSpec) -> Result<Plan, SupervisorError> {
        self.alive()?;
        let (decl, bodies) = lowered(spec)?;
        let brain = self.tree.brain();
        let decl = brain.named_for_a_plan(decl, &bodies);
        brain.machine.plan(&decl)
    }

    /// Makes the tree be as a spec says, in one operation (D12): children that are new are started, those that are
    /// gone are stopped and removed, those that run something else are restarted, uncharged, and whatever is only
    /// decided otherwise from now on is changed while it runs. Everybody else keeps the run that is on. A spec that is
    /// refused changes nothing. Starts and stops are in the order of the spec and its dependencies; of what was
    /// removed the last goes first.
    ///
    /// A child runs the same as before when it was made of the same factory: the same [`ChildSpec`](crate::ChildSpec)
    /// or a clone of it, a factory of the [`Registry`](crate::Registry), or the same manifest of a kind that somebody
    /// builds, each with the same variables, secrets and probe. Two closures are never the same, however alike: a
    /// child made of a new one is restarted. What is for the root at its launch only (`panic_hook`, `stuck_after`,
    /// `on_stuck`, `seed`) stays as it was. Children that operators added are in no spec and stay, unless
    /// the spec names them.
    ///
    /// [`CommandResult::Applied`] when every child that was to start is started (D19) and every one that was to go is
    /// gone, or comes no further for now: whoever failed to, or waits for an operator, a sibling or a factory, is
    /// named in it. The tree goes on trying, as the spec says. How long that takes is up to `ready_within` and the
    /// graces. Dropping the future takes nothing back.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::InvalidSpec`] with every mistake; [`SupervisorError::InvalidTransition`] when nobody asks or
    /// there is no reason, when the tree is shutting down, and when it ends before this is done.
    ///
    /// ```
    /// use tokio_supervisor::{ChildSpec, CommandResult, Supervisor, SupervisorSpec};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tokio_supervisor::SupervisorError> {
    /// let service = |name| ChildSpec::service(name, |ctx| async move { ctx.stopping().await; });
    /// let (a, b) = (service("a"), service("b"));
    /// let handle = Supervisor::start(SupervisorSpec::root([a.clone(), b])).await?;
    ///
    /// let new = SupervisorSpec::root([a, service("c")]);
    /// let plan = handle.plan(new.clone())?;
    /// assert_eq!((plan.added[0].as_str(), plan.removed[0].as_str(), plan.unchanged), ("/c", "/b", 1));
    /// let CommandResult::Applied { plan: done, .. } = handle.apply(new, "me", "c replaces b").await? else { panic!() };
    /// assert_eq!(done, plan);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn apply(
        &self,
        spec: SupervisorSpec,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<CommandResult, SupervisorError> {
        let requester = requester(by.as_ref(), reason.as_ref())?;
        self.alive()?;
        let (decl, bodies) = lowered(spec)?;
        match self.ask(Command::Apply(Box::new(decl)), requester, bodies).await? {
            Reply::Applied(applied) => {
                Ok(CommandResult::Applied { plan: applied.plan, not_as_planned: applied.not_as_planned })
            }
            other => Err(strange(&other)),
        }
    }

    /// Who would be affected by a command given now, or by a failure now, in the order in which it would be told, or why it would be
    /// refused. Changes nothing.
    ///
    /// The command is played on a copy of what decides, in a world where everybody does at once what is asked of
    /// them: runs end well when they are stopped and are ready when they are started, and no time passes. So it shows
    /// who goes down or up with whom; not what a run that does not stop, or fails, would lead to. The copy takes room and, while the loop is
    /// held, time that grow with the size of the tree.
    pub fn what_if(&self, what: WhatIf) -> Result<Vec<Affected>, SupervisorError> {
        self.alive()?;
        let (command, bodies) = match what {
            WhatIf::Crash(ChildAddress(child)) => {
                let now = self.tree.clock.now();
                let copy = self.tree.brain().machine.clone();
                return copy.what_if_crash(now, &child);
            }
            WhatIf::Control(verb, ChildAddress(child)) => (Command::Control(verb, child), None),
            WhatIf::Shutdown => (Command::Shutdown, None),
            WhatIf::Add(ChildAddress(under), manifest) => {
                let (parent, defaults) = self.supervisor_at(&under)?;
                let registry = self.tree.registry.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let child = registry
                    .build(&manifest, &parent, defaults.as_deref(), UnknownFactory::Wait)
                    .and_then(|spec| lower_child(spec, &parent, &AtomicU32::new(0)))
                    .map_err(SupervisorError::InvalidSpec)?
                    .0;
                (Command::Add { under, child: Box::new(child) }, None)
            }
            WhatIf::Apply(spec) => {
                let (decl, bodies) = lowered(spec)?;
                (Command::Apply(Box::new(decl)), Some(bodies))
            }
        };
        let now = self.tree.clock.now();
        let brain = self.tree.brain();
        let command = match (command, bodies) {
            (Command::Apply(decl), Some(bodies)) => {
                Command::Apply(Box::new(brain.named_for_a_plan(*decl, &bodies)))
            }
            (command, _) => command,
        };
        let copy = brain.machine.clone();
        drop(brain);
        copy.what_if(now, command)
    }
}

/// A spec in the words of the machine, with numbers of its own.
fn lowered(spec: SupervisorSpec) -> Result<(SupervisorDecl, Bodies), SupervisorError> {
    let Lowered { decl, bodies, .. } =
        lower_root(spec, &AtomicU32::new(0)).map_err(SupervisorError::InvalidSpec)?;
    Ok((decl, bodies))
}
