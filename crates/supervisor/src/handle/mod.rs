//! The handle of a running tree.
//!
//! | file | subject |
//! |---|---|
//! | `commands` | the operator's family: add, remove, restart, pause, resume, quarantine, shut down |
//! | `otp` | OTP's family, by id and by key; one-shots |
//! | `signal` | a signal to a child that owns a program |
//! | `apply` | a new spec: plan and apply; what a command would lead to |
//! | `registration` | what is told of a relay |
//! | `reads` | states, children, events, logs |

mod apply;
mod beside;
mod commands;
mod otp;
mod reads;
mod registration;
mod signal;

use std::fmt;
use std::sync::Arc;

use supervisor_api::command::is_command_id;
use supervisor_api::report::{RuntimeExitReport, RuntimeHealthReport};
use supervisor_api::{ChildId, ChildKey, Finding, SupervisorError, SupervisorPath};
use supervisor_core::{Address, Command, Reply, Requester};
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::driver::{Ask, Msg};
use crate::spans;
use crate::spec::Bodies;
use crate::tree::Tree;

pub use apply::WhatIf;
pub use beside::Beside;
pub use commands::IntoManifest;
pub use otp::StartedChild;
pub use reads::{ChildCounts, ChildView};

/// A running tree: commands, reads, events, and its end.
///
/// Cheap to clone; dropping all handles stops nothing (D16). Every command says who asks and why, both not
/// blank. A command is refused at once or carried out; its future resolves when it is done. Dropping that
/// future takes nothing back.
///
/// Children are named by path (`/web/worker`), by id, looked up in the whole tree and refused when it is
/// ambiguous, or by the [`ChildKey`] of exactly one child.
#[derive(Clone)]
pub struct SupervisorHandle {
    pub(crate) tree: Arc<Tree>,
    /// What the commands through this handle are called by their caller.
    command_id: Option<Arc<str>>,
}

impl SupervisorHandle {
    pub(crate) fn new(tree: Arc<Tree>) -> Self {
        Self { tree, command_id: None }
    }

    /// A handle whose commands carry this id, 1 to 128 printable bytes of ASCII.
    ///
    /// The events that such a command causes repeat it ([`StampedEvent::correlation_id`]), from the first to its
    /// outcome: [`EventKind::CommandAccepted`] when it goes on, [`EventKind::CommandCompleted`] when it is done, with
    /// a text when it ended otherwise than wished. Of a command that is refused nothing is told. An id is repeated,
    /// not checked: that each is used once is its caller's business.
    ///
    /// [`StampedEvent::correlation_id`]: supervisor_api::StampedEvent::correlation_id
    /// [`EventKind::CommandAccepted`]: supervisor_api::EventKind::CommandAccepted
    /// [`EventKind::CommandCompleted`]: supervisor_api::EventKind::CommandCompleted
    pub fn with_command_id(&self, id: impl AsRef<str>) -> Result<Self, SupervisorError> {
        let id = id.as_ref();
        if !is_command_id(id) {
            let message = "the id of a command must have 1 to 128 printable bytes of ASCII".to_owned();
            return Err(SupervisorError::InvalidTransition { message });
        }
        Ok(Self { tree: Arc::clone(&self.tree), command_id: Some(id.into()) })
    }

    pub(crate) fn stop_hard(&self) {
        self.tree.stop_hard();
    }

    /// Resolves when the initial start is over: everything is started, or what could not be is dealt with
    /// as the spec says. A start that failed and was unwound is [`SupervisorError::StartFailed`] (R2, D19).
    pub async fn started(&self) -> Result<(), SupervisorError> {
        self.tree.plane.wait_started().await
    }

    /// Resolves with the final report when the tree has ended. Any number of callers get the same report,
    /// each time.
    pub async fn join(&self) -> RuntimeExitReport {
        self.tree.plane.join().await
    }

    /// Whether the tree can take commands. Never waits for the loop.
    pub fn is_alive(&self) -> bool {
        self.tree.plane.report().is_none()
    }

    /// What the tree says of itself now. Never waits for the loop.
    pub fn health(&self) -> RuntimeHealthReport {
        self.tree.plane.health()
    }

    /// What is doubtful about the spec the tree was launched with.
    pub fn warnings(&self) -> &[Finding] {
        &self.tree.warnings
    }

    /// Sends a command and waits for its answer.
    async fn ask(
        &self,
        command: Command,
        mut requester: Requester,
        bodies: Bodies,
    ) -> Result<Reply, SupervisorError> {
        requester.command_id.clone_from(&self.command_id);
        let span = spans::command(spans::word(&command), || spans::whom(&command), &requester);
        let result = self.answer(command, requester, bodies).instrument(span.clone()).await;
        spans::command_is_answered(&span, &result);
        result
    }

    async fn answer(
        &self,
        command: Command,
        requester: Requester,
        bodies: Bodies,
    ) -> Result<Reply, SupervisorError> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask { command, requester, bodies, reply };
        if let Err(ask) = self.tree.take_command(ask)
            && self.tree.commands.send(Msg::Ask(ask)).await.is_ok()
        {
            self.tree.ring();
        }
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(self.ended().await),
        }
    }

    /// The error of a call that nobody answers any more.
    async fn ended(&self) -> SupervisorError {
        SupervisorError::Ended { report: Box::new(self.join().await) }
    }

    /// Refused at once when the tree has ended.
    fn alive(&self) -> Result<(), SupervisorError> {
        self.tree.plane.ended().map_or(Ok(()), Err)
    }
}

/// Which child of a tree is meant: a path, an id, or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildAddress(Address);

impl From<&str> for ChildAddress {
    fn from(text: &str) -> Self {
        Self(Address::Text(text.into()))
    }
}

impl From<&String> for ChildAddress {
    fn from(text: &String) -> Self {
        Self(Address::Text(text.as_str().into()))
    }
}

impl From<String> for ChildAddress {
    fn from(text: String) -> Self {
        Self(Address::Text(text.into()))
    }
}

impl From<&ChildId> for ChildAddress {
    fn from(id: &ChildId) -> Self {
        Self(Address::Text(id.as_str().into()))
    }
}

impl From<ChildId> for ChildAddress {
    fn from(id: ChildId) -> Self {
        Self::from(&id)
    }
}

impl From<&SupervisorPath> for ChildAddress {
    fn from(path: &SupervisorPath) -> Self {
        Self(Address::Text(path.shared()))
    }
}

impl From<SupervisorPath> for ChildAddress {
    fn from(path: SupervisorPath) -> Self {
        Self::from(&path)
    }
}

impl From<ChildKey> for ChildAddress {
    fn from(key: ChildKey) -> Self {
        Self(Address::Key(key))
    }
}

impl From<&StartedChild> for ChildAddress {
    fn from(child: &StartedChild) -> Self {
        Self::from(child.key)
    }
}

/// Who asks and why; both must say something.
fn requester(by: &str, reason: &str) -> Result<Requester, SupervisorError> {
    let word = |name: &str, text: &str| {
        let text = text.trim();
        if text.is_empty() {
            let message = format!(
                "`{name}` must not be empty; say {}",
                if name == "reason" { "why" } else { "who asks" }
            );
            return Err(SupervisorError::InvalidTransition { message });
        }
        Ok(Some(Arc::from(text)))
    };
    Ok(Requester { by: word("requested_by", by)?, reason: word("reason", reason)?, command_id: None })
}

impl fmt::Debug for SupervisorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisorHandle").field("state", &self.tree.plane.state()).finish_non_exhaustive()
    }
}
