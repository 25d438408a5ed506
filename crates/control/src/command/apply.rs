//! `command.apply` and `command.reload`: the tree is made to be as a stack text says, and back if that is wanted.

use std::pin::pin;
use std::sync::Arc;

use supervisor_api::StampedEvent;
use supervisor_api::command::{CommandResult, NotAsPlanned, ROLLBACK};
use supervisor_api::wire::{Command, ControlCommandResult, WireError};
use supervisor_api::{EventKind, SupervisorError};
use tokio_supervisor::{EventItem, EventStream};

use super::carry_out::Order;
use crate::specs::Declared;

/// How many bytes of a command's id are in the id of what takes it back.
const ID_KEPT: usize = 100;

/// What became of one spec.
struct Applied {
    result: CommandResult,
    /// Which spec it was, when it was seen to be applied.
    number: Option<u64>,
}

impl Applied {
    /// Who did not start, or did not go.
    fn failed(&self) -> Vec<&NotAsPlanned> {
        match &self.result {
            CommandResult::Applied { not_as_planned, .. } => {
                not_as_planned.iter().filter(|child| child.failed).collect()
            }
            _ => Vec::new(),
        }
    }

    fn sentence(&self) -> String {
        let failed = self.failed().into_iter();
        let said: Vec<_> =
            failed.map(|child| format!("{} is {}", child.child_path, child.lifecycle_state)).collect();
        said.join(", ")
    }
}

impl Order {
    /// Applies what was sent, or what the file says.
    pub(super) async fn apply(&self) -> ControlCommandResult {
        let specs = &self.target.specs;
        let declared = match &self.declared {
            Some(declared) if self.asked.command == Command::Apply => declared.clone(),
            _ => match specs.reread(self.of_the_owner).await {
                Ok(declared) => declared,
                Err(error) => return self.rejected(error),
            },
        };
        let before = specs.current();
        let id = Arc::clone(&self.asked.command_id);
        let applied = match self.apply_one(&id, &declared, &self.asked.reason).await {
            Ok(applied) => applied,
            Err(error) => return self.not_applied(&error),
        };
        if applied.failed().is_empty() {
            return self.completed(&applied.result);
        }
        let failed = applied.sentence();
        let message = match before.filter(|_| self.asked.rollback) {
            None => format!("the new spec is applied, but {failed}; the tree goes on trying"),
            Some((number, before)) if applied.number == Some(number + 1) => {
                self.go_back(&failed, number + 1, &before).await
            }
            Some(_) => overtaken(&failed),
        };
        let outcome = serde_json::to_value(&applied.result).ok();
        ControlCommandResult { outcome, ..self.failed(&message) }
    }

    /// Applies the spec that the tree had before, unless another one was applied meanwhile.
    async fn go_back(&self, failed: &str, number: u64, before: &Declared) -> String {
        if self.target.specs.current().is_none_or(|(now, _)| now != number) {
            return overtaken(failed);
        }
        let id: String = self.asked.command_id.chars().take(ID_KEPT).collect();
        let reason = format!("going back, because {failed}");
        match self.apply_one(&format!("{id}{ROLLBACK}").into(), before, &reason).await {
            Ok(back) if back.failed().is_empty() => {
                format!("{failed}; the spec from before is applied again")
            }
            Ok(back) => format!("{failed}; the spec from before is applied again, but {}", back.sentence()),
            Err(error) => format!("{failed}; the spec from before could not be applied again: {error}"),
        }
    }

    /// Applies one spec, and takes note when it is the tree's own, which is before everybody is as it says.
    async fn apply_one(
        &self,
        id: &Arc<str>,
        declared: &Declared,
        reason: &str,
    ) -> Result<Applied, SupervisorError> {
        let specs = &self.target.specs;
        let handle = self.target.handle.with_command_id(id)?;
        let mut events = handle.subscribe_events();
        specs.comes(id, declared);
        let mut number = None;
        let mut applying = pin!(handle.apply(declared.spec.clone(), &self.by, reason));
        let result = loop {
            tokio::select! {
                biased;
                result = &mut applying => break result,
                item = events.next(), if number.is_none() => match item {
                    Some(item) => number = item.event().filter(|event| is_of(event, id)).map(|event| specs.applied(event, declared)),
                    None => break applying.await,
                },
            }
        };
        if number.is_none() && result.is_ok() {
            number = rest(&mut events, id).map(|event| specs.applied(&event, declared));
        }
        specs.is_over(id);
        result.map(|result| Applied { result, number })
    }

    /// A spec that was refused, or a tree that ended before it was done.
    fn not_applied(&self, error: &SupervisorError) -> ControlCommandResult {
        match error {
            SupervisorError::Ended { .. } if self.target.handle.is_alive() => self.failed(&error.to_string()),
            error => self.rejected(WireError::from(error)),
        }
    }
}

/// Somebody else's spec came before, or came after: what was before that is not what the tree would go back to.
fn overtaken(failed: &str) -> String {
    format!("{failed}; another spec was applied meanwhile, so nothing was taken back")
}

/// Whether this says that the command has applied its spec.
fn is_of(event: &StampedEvent, id: &str) -> bool {
    event.event.kind == EventKind::SpecApplied && event.correlation_id() == Some(id)
}

/// The event that says so, among those that are there.
fn rest(events: &mut EventStream, id: &str) -> Option<StampedEvent> {
    while let Some(item) = events.try_next() {
        if let EventItem::Event(event) = item
            && is_of(&event, id)
        {
            return Some(*event);
        }
    }
    None
}
