//! How a target makes itself known to a relay. A registration has exactly its keys.

use serde::{Deserialize, Serialize};

use super::command::Command;
use super::error::{ErrorCode, WireError};
use super::frame::{Frame, MESSAGE, plain};
use super::word::Word;

/// How long a registration holds unless it is renewed, in seconds, when nothing else is said.
pub const LEASE_SECONDS: u64 = 30;

/// The most bytes a Unix socket's path may have with any system's `sun_path`.
const LONGEST_SOCKET_PATH: usize = 107;

/// The one line that a target says to a relay's registration socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Registration {
    /// The target: text of at most 256 bytes, without control characters. Empty or blank is refused with
    /// `empty_target_id`.
    pub target_id: String,
    /// What people call it. Empty: nothing; show the id.
    pub display_name: String,
    /// Where it listens: the absolute path of a Unix socket, at most 107 bytes. Empty is refused with
    /// `relative_ipc_path`.
    pub ipc_path: String,
    /// How long this holds unless it is renewed. 0 is refused with `invalid_lease_seconds`.
    pub lease_seconds: u64,
    /// The commands it takes. Empty: none, it can only be looked at.
    pub supported_commands: Vec<SupportedCommand>,
}

/// A command that a target takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SupportedCommand {
    /// Its word. Empty is refused with `unsupported_command_schema`.
    pub name: String,
    /// Whether the same command id may be sent again. False: a repetition may be carried out twice.
    pub idempotent: bool,
    /// How long the target tries before it answers `accepted`. 0 is refused with
    /// `unsupported_command_schema`.
    pub timeout_seconds: u64,
}

impl SupportedCommand {
    /// The seven commands of the contract.
    pub fn contract() -> Vec<Self> {
        let describe =
            |command: &Command| Self { name: command.to_string(), idempotent: true, timeout_seconds: 30 };
        Command::CONTRACT.iter().map(describe).collect()
    }
}

impl Registration {
    /// Reads the one line of a registration and checks what can be checked without knowing who sent it and who
    /// else is registered. The error is the refusal to answer with.
    pub fn read(line: &[u8]) -> Result<Self, RegistrationRefusal> {
        let frame = Frame::read(line).map_err(|bad| RegistrationRefusal::new(bad.code(), &bad.message))?;
        let registration: Self = frame
            .parse()
            .map_err(|message| RegistrationRefusal::new(ErrorCode::ValidationFailed, &message))?;
        registration.check().map(|()| registration)
    }

    /// Checks what can be checked without knowing who sent it and who else is registered.
    pub fn check(&self) -> Result<(), RegistrationRefusal> {
        let refuse = |code, message: String| Err(RegistrationRefusal::new(code, &message));
        if self.target_id.trim().is_empty() {
            return refuse(ErrorCode::EmptyTargetId, "target_id is blank; name the target".to_owned());
        }
        if let Some(problem) = target_id_problem(&self.target_id) {
            return refuse(ErrorCode::ValidationFailed, problem);
        }
        if !self.ipc_path.starts_with('/') {
            return refuse(
                ErrorCode::RelativeIpcPath,
                format!("ipc_path '{}' is not absolute; begin it with '/'", self.ipc_path),
            );
        }
        if self.ipc_path.len() > LONGEST_SOCKET_PATH || self.ipc_path.chars().any(char::is_control) {
            return refuse(
                ErrorCode::InvalidIpcPath,
                format!("ipc_path has at most {LONGEST_SOCKET_PATH} bytes and no control characters"),
            );
        }
        if self.lease_seconds == 0 {
            return refuse(ErrorCode::InvalidLeaseSeconds, "lease_seconds must be at least 1".to_owned());
        }
        self.check_commands()
    }

    fn check_commands(&self) -> Result<(), RegistrationRefusal> {
        for (at, command) in self.supported_commands.iter().enumerate() {
            // A word of a later version is a command all the same.
            let problem = if !is_command_name(&command.name) {
                format!("'{}' is not the name of a command; write words like restart_child", command.name)
            } else if command.timeout_seconds == 0 {
                format!("{} has timeout_seconds 0; give it at least 1", command.name)
            } else if self.supported_commands[..at].iter().any(|other| other.name == command.name) {
                format!("{} is there twice", command.name)
            } else {
                continue;
            };
            let message = format!("supported_commands: {problem}");
            return Err(RegistrationRefusal::new(ErrorCode::UnsupportedCommandSchema, &message));
        }
        Ok(())
    }
}

fn is_command_name(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    letters && (1..=64).contains(&name.len())
}

/// What is wrong with a target's id, or `None`. It is data: any text of at most 256 bytes that is not blank and has
/// no control characters.
pub fn target_id_problem(id: &str) -> Option<String> {
    if id.trim().is_empty() {
        Some("the target id is blank; give it a name".to_owned())
    } else if id.len() > 256 {
        Some(format!("the target id has {} bytes; it may have 256", id.len()))
    } else if id.chars().any(char::is_control) {
        Some("the target id has a control character; leave it out".to_owned())
    } else {
        None
    }
}

/// What a relay answers to a registration. Unknown keys are passed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegistrationAck {
    /// Whether the target is registered. False: `error` says why not.
    pub ok: bool,
    /// Whether the same registration may go through later. False: something has to be changed first.
    pub retryable: bool,
    /// `registered`. Absent in a refusal. Never empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The target. Absent in a refusal. Never empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<String>,
    /// Why not. Absent when it is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RegistrationRefusal>,
}

/// Why a relay does not register a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{code}: {message}")]
pub struct RegistrationRefusal {
    /// What is wrong, for programs.
    pub code: Word<ErrorCode>,
    /// What is wrong and what to do about it, as a sentence. Never empty.
    pub message: String,
}

impl RegistrationRefusal {
    /// A refusal with this code. The message is made safe to print, as in [`WireError::new`].
    pub fn new(code: ErrorCode, message: &str) -> Self {
        Self { code: code.into(), message: plain(message, MESSAGE) }
    }
}

impl RegistrationAck {
    /// The target is registered.
    pub fn registered(target_id: impl Into<String>) -> Self {
        let status = Some("registered".to_owned());
        Self { ok: true, retryable: false, status, target_id: Some(target_id.into()), error: None }
    }

    /// The target is not registered.
    pub fn refused(refusal: RegistrationRefusal) -> Self {
        let retryable = refusal.code.known().is_some_and(ErrorCode::is_retryable);
        Self { ok: false, retryable, status: None, target_id: None, error: Some(refusal) }
    }

    /// Reads the line that a relay answered with.
    pub fn read(line: &[u8]) -> Result<Self, WireError> {
        let frame = Frame::read(line).map_err(|bad| WireError::new(bad.code(), bad.message))?;
        let ack: Self = frame.parse().map_err(|message| WireError::new(ErrorCode::InvalidJson, message))?;
        if !ack.ok && ack.error.is_none() {
            return Err(WireError::new(ErrorCode::InvalidJson, "the refusal does not say why"));
        }
        Ok(ack)
    }
}
