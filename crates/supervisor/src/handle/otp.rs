//! OTP's family of calls (table 1.7), and one-shots (D23).

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use supervisor_api::command::{ChildControlOutcome, OtpVerb};
use supervisor_api::policy::RestartType;
use supervisor_api::{ChildKey, Exit, Lifecycle, SupervisorError, SupervisorPath};
use supervisor_core::{Command, Reply, Requester};

use super::commands::{outcome, strange};
use super::{ChildAddress, SupervisorHandle};
use crate::exit::IntoExit;
use crate::spec::{Bodies, ChildSpec, lower_child};

/// A child that [`SupervisorHandle::start_child`] started.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartedChild {
    /// Exactly this child; children of a dynamic supervisor are terminated by it (R70).
    pub key: ChildKey,
    /// Its path.
    pub path: SupervisorPath,
    /// Its state: `running`, or `stopped` when it declined (R4), or `waiting`.
    pub state: Lifecycle,
    /// The number of its run.
    pub generation: u64,
}

impl SupervisorHandle {
    /// Adds a child and starts it. A start that fails is returned, and nothing is kept (R9-R11).
    pub async fn start_child(
        &self,
        under: impl Into<ChildAddress>,
        spec: ChildSpec,
    ) -> Result<StartedChild, SupervisorError> {
        self.alive()?;
        let ChildAddress(under) = under.into();
        let parent = self.path_for_messages(&under);
        let (child, bodies) =
            lower_child(spec, &parent, &self.tree.bodies).map_err(SupervisorError::InvalidSpec)?;
        let command = Command::StartChild { under, child: Box::new(child) };
        match self.ask(command, Requester::default(), bodies).await? {
            Reply::Added { key, path, state, generation } => {
                Ok(StartedChild { key, path, state, generation })
            }
            other => Err(strange(&other)),
        }
    }

    /// [`Self::start_child`] with the name `PREFIX-n`, where PREFIX is the spec's name; n counts from 1 and
    /// is never used again while the supervisor lives (D23).
    pub async fn start_numbered(
        &self,
        under: impl Into<ChildAddress>,
        spec: ChildSpec,
    ) -> Result<StartedChild, SupervisorError> {
        self.alive()?;
        let under = under.into();
        let key = {
            let brain = self.tree.brain();
            brain.machine.locate(&under.0)?
        };
        let prefix = spec.name.text().to_owned();
        let number = {
            let mut numbered = self.tree.numbered.lock().unwrap_or_else(PoisonError::into_inner);
            let last = numbered.entry((key, prefix.clone())).or_insert(0);
            *last += 1;
            *last
        };
        self.start_child(under, spec.named(format!("{prefix}-{number}"))).await
    }

    /// Runs a future once, as a temporary child with this name. What it returns is its exit (D23).
    pub async fn run_once<Fut>(
        &self,
        under: impl Into<ChildAddress>,
        name: impl AsRef<str>,
        future: Fut,
    ) -> Result<StartedChild, SupervisorError>
    where
        Fut: Future<Output: IntoExit> + Send + 'static,
    {
        let once = Mutex::new(Some(future));
        let spec = ChildSpec::worker(name, move |_| {
            let future = once.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move {
                match future {
                    Some(future) => future.await.into_exit(),
                    None => Exit::failed("it runs once and has run"),
                }
            }
        });
        self.start_child(under, spec.restart(RestartType::Temporary)).await
    }

    /// Stops a child and keeps its spec; a temporary child's spec goes (R67). Children of a dynamic
    /// supervisor are named by key (R70), others by path or id (R71).
    pub async fn terminate_child(
        &self,
        child: impl Into<ChildAddress>,
    ) -> Result<ChildControlOutcome, SupervisorError> {
        self.otp(OtpVerb::Terminate, child.into()).await
    }

    /// Starts a stopped child once more (OTP `restart_child`). A start that fails is returned; it is not
    /// tried again and not charged (R68).
    pub async fn start_again(
        &self,
        child: impl Into<ChildAddress>,
    ) -> Result<ChildControlOutcome, SupervisorError> {
        self.otp(OtpVerb::StartAgain, child.into()).await
    }

    /// Deletes the spec of a stopped child.
    pub async fn delete_child(
        &self,
        child: impl Into<ChildAddress>,
    ) -> Result<ChildControlOutcome, SupervisorError> {
        self.otp(OtpVerb::Delete, child.into()).await
    }

    async fn otp(
        &self,
        verb: OtpVerb,
        ChildAddress(child): ChildAddress,
    ) -> Result<ChildControlOutcome, SupervisorError> {
        self.alive()?;
        outcome(self.ask(Command::Otp(verb, child), Requester::default(), Bodies::default()).await?)
    }

    /// The path that findings about a new child begin with. That the supervisor is there is the machine's
    /// business.
    fn path_for_messages(&self, under: &supervisor_core::Address) -> SupervisorPath {
        let brain = self.tree.brain();
        let key = brain.machine.locate(under).ok();
        key.and_then(|key| brain.machine.path(key).cloned()).unwrap_or_else(SupervisorPath::root)
    }
}
