//! Commands: what is asked for, what it needs, and how it went.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::convert::canonical_json;
use super::error::{ErrorCode, WireError};
use super::frame::plain;
use super::push::StateDelta;
use super::word::{UnixNanos, Word, or_default};
use crate::command::ControlVerb;
use crate::hidden::Hidden;
use crate::life::{Vocabulary, words};
use crate::{ChildId, SupervisorPath};

words! {
    /// A command, by the word that stands in `params.command` and after `command.` in the method.
    Command {
        /// Stop if it runs, then start.
        RestartChild = "restart_child",
        /// Stop and hold.
        PauseChild = "pause_child",
        /// Let a held child go on.
        ResumeChild = "resume_child",
        /// Stop and park.
        QuarantineChild = "quarantine_child",
        /// Stop and delete.
        RemoveChild = "remove_child",
        /// Add a child under a supervisor.
        AddChild = "add_child",
        /// Stop everything and end.
        ShutdownTree = "shutdown_tree",
        /// Make the tree be as a stack text says.
        Apply = "apply",
        /// Apply the file that the run was started with.
        Reload = "reload",
        /// Send a signal to a program.
        SignalChild = "signal_child",
    }
}

/// What `what_if` can be asked about: a command, by its word, or a failure, `crash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A command.
    Command(Command),
    /// The run of a child fails.
    Crash,
}

/// The word of [`Happening::Crash`].
pub(super) const CRASH: &str = "crash";

impl Vocabulary for Happening {
    fn text(self) -> &'static str {
        match self {
            Self::Command(command) => command.as_str(),
            Self::Crash => CRASH,
        }
    }

    fn find(text: &str) -> Option<Self> {
        if text == CRASH { Some(Self::Crash) } else { Command::from_word(text).map(Self::Command) }
    }
}

impl From<Command> for Happening {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

impl Serialize for Happening {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.text())
    }
}

impl<'de> Deserialize<'de> for Happening {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        Self::find(&text).ok_or_else(|| {
            let commands = Command::ALL.iter().map(|command| command.as_str());
            let known: Vec<_> = commands.chain([CRASH]).map(|word| format!("`{word}`")).collect();
            de::Error::custom(format!(
                "unknown word `{}`, expected one of {}",
                plain(&text, 64),
                known.join(", ")
            ))
        })
    }
}

/// Whom a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetNeed {
    /// A child, by path or id.
    Child,
    /// A supervisor and a manifest; no path is the root.
    SupervisorAndManifest,
    /// The tree.
    Tree,
}

impl Command {
    /// The seven that a relay is told of.
    pub const CONTRACT: &'static [Self] = &[
        Self::RestartChild,
        Self::PauseChild,
        Self::ResumeChild,
        Self::QuarantineChild,
        Self::RemoveChild,
        Self::AddChild,
        Self::ShutdownTree,
    ];

    /// Whom it is about.
    pub const fn needs(self) -> TargetNeed {
        match self {
            Self::AddChild => TargetNeed::SupervisorAndManifest,
            Self::ShutdownTree | Self::Apply | Self::Reload => TargetNeed::Tree,
            _ => TargetNeed::Child,
        }
    }

    /// Whether it is dangerous and needs `confirmed: true`.
    pub const fn needs_confirmation(self) -> bool {
        matches!(self, Self::ShutdownTree | Self::RemoveChild | Self::AddChild | Self::Apply | Self::Reload)
    }

    /// The library's command on one child, if it is one.
    pub const fn verb(self) -> Option<ControlVerb> {
        match self {
            Self::RestartChild => Some(ControlVerb::Restart),
            Self::PauseChild => Some(ControlVerb::Pause),
            Self::ResumeChild => Some(ControlVerb::Resume),
            Self::QuarantineChild => Some(ControlVerb::Quarantine),
            Self::RemoveChild => Some(ControlVerb::Remove),
            Self::AddChild | Self::ShutdownTree | Self::Apply | Self::Reload | Self::SignalChild => None,
        }
    }
}

/// The child or supervisor that a command is about.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CommandTarget {
    /// A path, or an id that only one child of the tree has. For `add_child` the supervisor to add under.
    /// Absent or null: the root, for `add_child`; a command on one child is refused. Empty is refused.
    pub child_path: Option<String>,
    /// For `add_child`: the child, as an object or as YAML text. Absent or null with any other command.
    pub child_manifest: Option<Value>,
}

/// Without the manifest, which may hold secrets.
impl fmt::Debug for CommandTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { child_path, child_manifest } = self;
        let mut shown = f.debug_struct("CommandTarget");
        shown.field("child_path", child_path);
        shown.field("child_manifest", &Hidden::some(child_manifest)).finish()
    }
}

/// The params of a command.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ControlCommandRequest {
    /// The caller's id of the command, 1 to 128 printable bytes. Sent again with the same body it gets the
    /// same outcome and is not carried out again. Empty is refused.
    pub command_id: Arc<str>,
    /// The target that is meant; another one refuses. Empty is refused.
    pub target_id: Arc<str>,
    /// Has no effect unless the state has this generation. Absent: whatever the state is. 0 is the generation
    /// of a tree in which nothing has happened yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_state_generation: Option<u64>,
    /// The command; it must be that of the method.
    pub command: Command,
    /// Whom it is about. Absent or null: the whole tree, for a command that is about that.
    #[serde(default, deserialize_with = "or_default")]
    pub target: CommandTarget,
    /// For `signal_child`: the signal, such as `HUP`, or `RELOAD` for the child's `reload_signal`. Absent with any other command. Empty is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// For `apply`: the text of the stack file. Absent with any other command. Empty is refused, as an empty
    /// file is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// For `apply` and `reload`: go back if it cannot be completed. Absent is false. False: stay where it stopped.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
    /// Why. Empty or blank is refused.
    pub reason: String,
    /// Who asks, as they say. Rights never come from it. Empty or blank is refused.
    pub requested_by: String,
    /// Whether a person has confirmed it. Absent or null is false. False is refused where the table of
    /// commands asks for confirmation.
    #[serde(default, deserialize_with = "or_default")]
    pub confirmed: bool,
    /// When the caller sent it, by the caller's clock. Absent when the caller does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at_unix_nanos: Option<UnixNanos>,
}

/// Without the text of a stack, which may hold secrets.
impl fmt::Debug for ControlCommandRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlCommandRequest")
            .field("command_id", &self.command_id)
            .field("target_id", &self.target_id)
            .field("expect_state_generation", &self.expect_state_generation)
            .field("command", &self.command)
            .field("target", &self.target)
            .field("signal", &self.signal)
            .field("stack", &Hidden::some(&self.stack))
            .field("rollback", &self.rollback)
            .field("reason", &self.reason)
            .field("requested_by", &self.requested_by)
            .field("confirmed", &self.confirmed)
            .field("requested_at_unix_nanos", &self.requested_at_unix_nanos)
            .finish()
    }
}

impl ControlCommandRequest {
    /// Checks the values that can be checked without the tree: `validation_failed` says what does not fit.
    /// Rights, permissions and confirmation are not looked at.
    pub fn check(&self, target_id: &str) -> Result<(), WireError> {
        let problem = self.target_problem(target_id).or_else(|| self.words_problem());
        let problem = problem.or_else(|| self.about_problem());
        problem
            .map_or(Ok(()), |message| Err(WireError::new(ErrorCode::ValidationFailed, message).on(target_id)))
    }

    /// What makes two commands with one id the same command, as canonical JSON: target, command, reason,
    /// confirmed and manifest, and what belongs to the command. Who sent it when and as whom does not count.
    pub fn body(&self) -> String {
        let Self { target_id, expect_state_generation, command, target, .. } = self;
        let Self { signal, stack, rollback, reason, confirmed, .. } = self;
        let said = (reason, confirmed);
        let own = (signal, stack, rollback, expect_state_generation);
        canonical_json(&(target_id, command, target, said, own))
    }

    fn target_problem(&self, ours: &str) -> Option<String> {
        (*self.target_id != *ours)
            .then(|| format!("this target is '{ours}', not '{}'; ask that one", self.target_id))
    }

    fn words_problem(&self) -> Option<String> {
        for (key, text) in [("reason", &self.reason), ("requested_by", &self.requested_by)] {
            if text.trim().is_empty() {
                return Some(format!(
                    "{key} is blank; say {}",
                    if key == "reason" { "why" } else { "who asks" }
                ));
            }
        }
        None
    }

    fn about_problem(&self) -> Option<String> {
        let command = self.command;
        let path = self.target.child_path.as_deref();
        match (command.needs(), path) {
            (TargetNeed::Child, None) => {
                return Some(format!("{command} needs target.child_path, a path or an id"));
            }
            (TargetNeed::Tree, Some(path)) if path != "/" => {
                return Some(format!(
                    "{command} is about the whole tree, and target.child_path is '{path}'; leave it out"
                ));
            }
            (_, Some(path)) => {
                let read = if path.starts_with('/') {
                    SupervisorPath::parse(path).map(drop)
                } else {
                    ChildId::new(path).map(drop)
                };
                if let Err(error) = read {
                    return Some(format!("target.child_path: {error}"));
                }
            }
            _ => {}
        }
        let parts = [
            ("target.child_manifest", Command::AddChild, self.target.child_manifest.is_some()),
            ("signal", Command::SignalChild, self.signal.is_some()),
            ("stack", Command::Apply, self.stack.is_some()),
        ];
        for (key, of, there) in parts {
            if there && command != of {
                return Some(format!("{command} takes no {key}; leave it out"));
            }
            if !there && command == of {
                return Some(format!("{command} needs {key}"));
            }
        }
        let brings_a_spec = matches!(command, Command::Apply | Command::Reload);
        (self.rollback && !brings_a_spec).then(|| format!("{command} takes no rollback; leave it out"))
    }
}

words! {
    /// How far a command is.
    CommandStatus {
        /// Its effect is visible in the next read.
        Completed = "completed",
        /// It goes on; event `CommandCompleted` with the command's id tells the outcome.
        Accepted = "accepted",
        /// It never began.
        Rejected = "rejected",
        /// It began, and ended otherwise than wished.
        Failed = "failed",
    }
}

/// How a command went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ControlCommandResult {
    /// The caller's id of the command. Never empty.
    pub command_id: Arc<str>,
    /// The target. Never empty.
    pub target_id: Arc<str>,
    /// Whether it is done or goes on. False when it was rejected or failed.
    pub accepted: bool,
    /// How far it is.
    pub status: Word<CommandStatus>,
    /// Why it was rejected or failed. Null otherwise.
    pub error: Option<WireError>,
    /// What it changed, if that is told here. Null: read the state.
    pub state_delta: Option<StateDelta>,
    /// When it was over. Null while it goes on.
    pub completed_at_unix_nanos: Option<UnixNanos>,
    /// What the call on the tree answered. Absent when there is nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::command::CommandResult>"))]
    pub outcome: Option<Value>,
}

impl ControlCommandResult {
    /// A command that is done.
    pub fn completed(asked: &ControlCommandRequest, at: UnixNanos) -> Self {
        Self { completed_at_unix_nanos: Some(at), ..Self::accepted(asked).with(CommandStatus::Completed) }
    }

    /// A command that goes on.
    pub fn accepted(asked: &ControlCommandRequest) -> Self {
        Self {
            command_id: Arc::clone(&asked.command_id),
            target_id: Arc::clone(&asked.target_id),
            accepted: true,
            status: CommandStatus::Accepted.into(),
            error: None,
            state_delta: None,
            completed_at_unix_nanos: None,
            outcome: None,
        }
    }

    /// A command that never began.
    pub fn rejected(asked: &ControlCommandRequest, error: WireError, at: UnixNanos) -> Self {
        let result = Self::completed(asked, at).with(CommandStatus::Rejected);
        Self { accepted: false, error: Some(error), ..result }
    }

    /// A command that began and ended otherwise than wished.
    pub fn failed(asked: &ControlCommandRequest, error: WireError, at: UnixNanos) -> Self {
        let result = Self::completed(asked, at).with(CommandStatus::Failed);
        Self { accepted: false, error: Some(error), ..result }
    }

    fn with(self, status: CommandStatus) -> Self {
        Self { status: status.into(), ..self }
    }
}

#[cfg(test)]
mod happenings {
    use super::{Command, Happening};

    #[test]
    fn every_command_may_happen_under_its_own_word_and_a_crash_beside_them() {
        for &command in Command::ALL {
            let read: Happening = serde_json::from_value(command.as_str().into()).unwrap();
            assert_eq!(
                (read, serde_json::to_value(read).unwrap()),
                (command.into(), command.as_str().into())
            );
        }
        assert_eq!(serde_json::from_str::<Happening>("\"crash\"").unwrap(), Happening::Crash);
        let refused = serde_json::from_str::<Happening>("\"crsh\"").unwrap_err().to_string();
        assert!(
            refused.contains("`crsh`") && refused.contains("`reload`") && refused.contains("`crash`"),
            "{refused}"
        );
    }
}
