//! The call on the tree, and what it came to in the words of the wire.

use std::sync::Arc;

use supervisor_api::SupervisorError;
use supervisor_api::command::{CommandResult, ControlVerb};
use supervisor_api::manifest::{ChildManifest, SignalWord, StopSignal};
use supervisor_api::wire::{
    Command, ControlCommandRequest, ControlCommandResult, ErrorCode, WireError, plain,
};
use tokio_supervisor::SupervisorHandle;

use crate::specs::Declared;
use crate::state;
use crate::target::Target;

/// A command that may be carried out, with everything that takes.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) target: Arc<Target>,
    pub(super) asked: ControlCommandRequest,
    pub(super) manifest: Option<ChildManifest>,
    /// What the stack text of `apply` says.
    pub(super) declared: Option<Declared>,
    /// Who asks, as others see it.
    pub(super) by: String,
    /// Whether that is the local owner.
    pub(super) of_the_owner: bool,
}

impl Order {
    /// Carries it out, however long that takes.
    pub(super) async fn carry_out(self) -> ControlCommandResult {
        if let Err(error) = self.check_generation() {
            return self.rejected(error);
        }
        if matches!(self.asked.command, Command::Apply | Command::Reload) {
            return self.apply().await;
        }
        // A tree that ends meanwhile leaves behind what had begun.
        let had_ended = !self.target.handle.is_alive();
        match self.call().await {
            Ok(CommandResult::ChildControl { outcome }) if outcome.failure.is_some() => {
                self.failed(outcome.failure.as_deref().unwrap_or_default())
            }
            Ok(result) => self.completed(&result),
            Err(SupervisorError::Ended { .. }) if !had_ended => {
                self.failed("the tree ended before the command was done")
            }
            Err(error @ (SupervisorError::StartFailed { .. } | SupervisorError::Timeout)) => {
                self.failed(&error.to_string())
            }
            Err(error) => self.rejected(WireError::from(&error)),
        }
    }

    async fn call(&self) -> Result<CommandResult, SupervisorError> {
        let Self { target, asked, manifest, by, .. } = self;
        let handle = target.handle.with_command_id(&asked.command_id)?;
        let (by, reason) = (by.as_str(), asked.reason.as_str());
        let path = asked.target.child_path.as_deref().unwrap_or("/");
        let not_here = || SupervisorError::InvalidTransition {
            message: format!("{} is not carried out with what was given", asked.command),
        };
        match (asked.command, asked.command.verb()) {
            (_, Some(verb)) => control(&handle, verb, path, by, reason).await,
            (Command::AddChild, _) => {
                let manifest = manifest.as_ref().ok_or_else(not_here)?;
                handle.add_child(path, manifest, by, reason).await
            }
            (Command::SignalChild, _) => {
                let child = handle.find(path)?;
                match named(asked.signal.as_deref().ok_or_else(not_here)?)? {
                    SignalWord::Signal(signal) => handle.signal_child(child, signal, by, reason).await,
                    SignalWord::Reload => handle.reload_child(child, by, reason).await,
                }
            }
            (Command::ShutdownTree, _) => handle.shutdown_tree(by, reason).await,
            _ => Err(not_here()),
        }
    }

    /// Only as good as the moment: the tree may change between this look and the command.
    fn check_generation(&self) -> Result<(), WireError> {
        let now = self.target.generation();
        match self.asked.expect_state_generation {
            Some(expected) if expected != now => {
                let message =
                    format!("the state has moved on from generation {expected} to {now}; look again");
                Err(WireError::new(ErrorCode::ValidationFailed, message))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn completed(&self, result: &CommandResult) -> ControlCommandResult {
        let changed = match result {
            CommandResult::ChildControl { outcome } => Some(&outcome.path),
            CommandResult::ChildAdded { path, .. } => Some(path),
            _ => None,
        };
        ControlCommandResult {
            state_delta: changed.map(|path| state::rows(&self.target, [path])),
            outcome: serde_json::to_value(result).ok(),
            ..ControlCommandResult::completed(&self.asked, self.target.now())
        }
    }

    pub(super) fn failed(&self, message: &str) -> ControlCommandResult {
        let error = WireError::new(ErrorCode::CommandFailed, message).on(self.target.id.clone());
        ControlCommandResult::failed(&self.asked, error, self.target.now())
    }

    pub(super) fn rejected(&self, error: WireError) -> ControlCommandResult {
        ControlCommandResult::rejected(&self.asked, error.on(self.target.id.clone()), self.target.now())
    }
}

/// The signal with this name, with or without `SIG`, or a reload.
fn named(signal: &str) -> Result<SignalWord, SupervisorError> {
    SignalWord::parse(signal).ok_or_else(|| {
        let signals = StopSignal::ALL.iter().map(|signal| signal.as_str());
        let known: Vec<_> = signals.chain([SignalWord::RELOAD]).collect();
        let message = format!("there is no signal '{}'; there are {}", plain(signal, 32), known.join(", "));
        SupervisorError::InvalidTransition { message }
    })
}

/// The child is looked up once, so that what is found is what is commanded.
async fn control(
    handle: &SupervisorHandle,
    verb: ControlVerb,
    child: &str,
    by: &str,
    reason: &str,
) -> Result<CommandResult, SupervisorError> {
    let child = handle.find(child)?;
    match verb {
        ControlVerb::Restart => handle.restart_child(child, by, reason).await,
        ControlVerb::Pause => handle.pause_child(child, by, reason).await,
        ControlVerb::Resume => handle.resume_child(child, by, reason).await,
        ControlVerb::Quarantine => handle.quarantine_child(child, by, reason).await,
        ControlVerb::Remove => handle.remove_child(child, by, reason).await,
    }
}
