//! A signal to a child that owns a program.

use std::sync::Arc;

use supervisor_api::command::{ChildControlOutcome, CommandResult};
use supervisor_api::manifest::{SignalWord, StopSignal};
use supervisor_api::{Lifecycle, SupervisorError};
use supervisor_core::{Reply, Requester};
use tokio::sync::oneshot;
use tracing::Instrument;

use super::commands::outcome;
use super::{ChildAddress, SupervisorHandle, requester};
use crate::contain::contain;
use crate::driver::{Msg, Signalled};
use crate::slot::{Aids, Deliver, OVER};
use crate::spans;

/// What the command is called.
const WORD: &str = "signal_child";

/// How a run sends what it was asked to.
type Takes = fn(&Aids) -> &Option<Deliver>;

fn takes_any(aids: &Aids) -> &Option<Deliver> {
    &aids.signals
}

fn takes_reload(aids: &Aids) -> &Option<Deliver> {
    &aids.reload
}

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
        self.command_signal(child.into(), SignalWord::Signal(signal), by.as_ref(), reason.as_ref()).await
    }

    /// Has a program read its configuration again: sends the child's `reload_signal` to the program alone, and not to what
    /// it has started. What it makes of it is its own affair.
    ///
    /// Refused as [`Self::signal_child`], when the child says no such signal, and until it is ready: before it has set up
    /// a handler the signal would end it, and what starts reads its configuration anyway.
    pub async fn reload_child(
        &self,
        child: impl Into<ChildAddress>,
        by: impl AsRef<str>,
        reason: impl AsRef<str>,
    ) -> Result<CommandResult, SupervisorError> {
        self.command_signal(child.into(), SignalWord::Reload, by.as_ref(), reason.as_ref()).await
    }

    async fn command_signal(
        &self,
        child: ChildAddress,
        word: SignalWord,
        by: &str,
        reason: &str,
    ) -> Result<CommandResult, SupervisorError> {
        let mut requester = requester(by, reason)?;
        requester.command_id.clone_from(&self.command_id);
        self.alive()?;
        let span = spans::command(WORD, || Some(spans::text(&child.0)), &requester);
        let result = self.send_signal(child, word, requester).instrument(span.clone()).await;
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
        word: SignalWord,
        requester: Requester,
    ) -> Result<Reply, SupervisorError> {
        let (key, path, permissions) = {
            let brain = self.tree.brain();
            let key = brain.machine.locate(&child)?;
            let path = brain.machine.path(key).cloned().unwrap_or_else(supervisor_api::SupervisorPath::root);
            (key, path, brain.machine.policy(key).map(|policy| policy.permissions))
        };
        let slot = self.tree.table.slot(key.index);
        let refusal = |message: String| SupervisorError::InvalidTransition { message };
        let (said, takes) = match word {
            SignalWord::Signal(signal) => (Some(signal), takes_any as Takes),
            SignalWord::Reload => {
                let extras = slot.extras().filter(|_| slot.is(key));
                (extras.and_then(|extras| extras.reload_signal), takes_reload as Takes)
            }
        };
        let signal = said.ok_or_else(|| {
            refusal(format!(
                "{path} has no `reload_signal`: say in its manifest at which signal it reads its configuration again, or \
                 send a signal by its name"
            ))
        })?;
        if permissions.is_some_and(|permissions| !permissions.signals.has(signal)) {
            return Err(SupervisorError::NotPermitted { path, command: WORD });
        }
        let deliver = {
            let (order, cell) = (slot.order(), slot.cell());
            let aids = cell
                .aids
                .as_ref()
                .filter(|aids| slot.is(key) && aids.generation == order.generation() && !order.has(OVER));
            aids.and_then(|aids| takes(aids).clone())
        };
        let row = self.tree.table.row(key.index).read().row;
        // Before it has set up its handler the signal would end it.
        if word == SignalWord::Reload && row.lifecycle == Lifecycle::Starting {
            return Err(refusal(format!(
                "{path} is starting, and reads its configuration by itself; ask again when it runs"
            )));
        }
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
