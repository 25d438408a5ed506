//! A signal to a child that owns a program.

use std::sync::Arc;

use supervisor_api::SupervisorError;
use supervisor_api::command::{ChildControlOutcome, CommandResult};
use supervisor_api::manifest::StopSignal;
use supervisor_core::{Reply, Requester};
use tokio::sync::oneshot;
use tracing::Instrument;

use super::commands::outcome;
use super::{ChildAddress, SupervisorHandle, requester};
use crate::contain::contain;
use crate::driver::{Msg, Signalled};
use crate::slot::OVER;
use crate::spans;

/// What the command is called.
const WORD: &str = "signal_child";

impl SupervisorHandle {
    /// Sends a signal to what the child's run owns: all processes of a program.
    ///
    /// It changes nothing of what is decided: a program that ends by it has ended by itself. Refused when the child
    /// does not run, takes no signals (a task, a supervisor, or a run that has no program yet), or does not permit
    /// this one.
    pub async fn signal_child(
        &self,
        child: impl Into<ChildAddress>,
        signal: StopSignal,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<CommandResult, SupervisorError> {
        let mut requester = requester(by.as_ref(), reason.as_ref())?;
        requester.command_id.clone_from(&self.command_id);
        self.alive()?;
        let child = child.into();
        let span = spans::command(WORD, || Some(spans::text(&child.0)), &requester);
        let result = self.send_signal(child, signal, requester).instrument(span.clone()).await;
        spans::command_is_answered(&span, &result);
        #[cfg(feature = "metrics")]
        if let Some(counts) = self.tree.counts.get() {
            use crate::metrics::Answer;
            counts.answered(WORD, if result.is_ok() { Answer::Completed } else { Answer::Rejected });
        }
        Ok(CommandResult::ChildControl { outcome: outcome(result?)? })
    }

    async fn send_signal(
        &self,
        ChildAddress(child): ChildAddress,
        signal: StopSignal,
        requester: Requester,
    ) -> Result<Reply, SupervisorError> {
        let (key, path, permissions) = {
            let brain = self.tree.brain();
            let key = brain.machine.locate(&child)?;
            let path = brain.machine.path(key).cloned().unwrap_or_else(supervisor_api::SupervisorPath::root);
            (key, path, brain.machine.policy(key).map(|policy| policy.permissions))
        };
        if permissions.is_some_and(|permissions| !permissions.signals.has(signal)) {
            return Err(SupervisorError::NotPermitted { path, command: WORD });
        }
        let slot = self.tree.table.slot(key.index);
        let refusal = |message: String| SupervisorError::InvalidTransition { message };
        let deliver = {
            let (order, cell) = (slot.order(), slot.cell());
            let aids = cell
                .aids
                .as_ref()
                .filter(|aids| slot.is(key) && aids.generation == order.generation() && !order.has(OVER));
            aids.and_then(|aids| aids.signals.clone())
        };
        let row = slot.row().row;
        let Some(deliver) = deliver else {
            let state = row.lifecycle;
            return Err(refusal(format!(
                "{path} is {state} and takes no signals; only a program does, while it runs"
            )));
        };
        let sent = contain(|| deliver(signal)).map_err(|panic| refusal(format!("{path}: {panic}")))?;
        sent.map_err(|why| refusal(format!("{path}: {why}")))?;
        let outcome = ChildControlOutcome {
            child_id: Arc::from(path.last_segment().unwrap_or("/")),
            path,
            generation: row.generation,
            attempt: row.attempt,
            restart_count: row.restart_count,
            state_before: row.lifecycle,
            state_after: row.lifecycle,
            idempotent: false,
            cancel_delivered: false,
            failure: None,
        };
        let (reply, answer) = oneshot::channel();
        let sent = Signalled { key, signal, requester, outcome, reply };
        if self.tree.commands.send(Msg::Signalled(Box::new(sent))).await.is_ok() {
            self.tree.ring();
            if let Ok(result) = answer.await {
                return result;
            }
        }
        Err(self.ended().await)
    }
}
