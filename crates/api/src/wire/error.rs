//! Errors on the wire: one table of codes, stages and whether it is worth trying again.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::frame::{MESSAGE, plain};
use super::word::Word;
use crate::SupervisorError;
use crate::life::{Vocabulary, words};

words! {
    /// Where in the handling of a request an error arose.
    Stage {
        /// The text was read.
        ProtocolParse = "protocol_parse",
        /// The command's parts were checked.
        CommandValidate = "command_validate",
        /// A target registers.
        Registration = "registration",
        /// The configuration was read.
        Config = "config",
        /// The socket was made.
        IpcBind = "ipc_bind",
        /// Bytes were read or written.
        IpcRead = "ipc_read",
        /// A stream was subscribed to.
        Subscription = "subscription",
        /// The command was carried out.
        CommandDispatch = "command_dispatch",
        /// The peer was asked who it is.
        PeerCredentials = "peer_credentials",
        /// The peer's rights were looked up.
        Authorization = "authorization",
        /// An id was found whose outcome is lost.
        ReplayProtection = "replay_protection",
        /// The size was checked.
        SizeLimit = "size_limit",
        /// The rate was checked.
        RateLimit = "rate_limit",
        /// The intent was written to the audit.
        Audit = "audit",
        /// The id was looked for among those that were used.
        Idempotency = "idempotency",
        /// A browser's session with a relay.
        Session = "session",
    }
}

impl Stage {
    /// Whether an error at this stage answers `ok: false`. An error of a command at any other stage stands
    /// inside its result, and the answer is `ok: true`.
    pub const fn refuses_the_request(self) -> bool {
        matches!(
            self,
            Self::ProtocolParse | Self::PeerCredentials | Self::SizeLimit | Self::RateLimit | Self::Subscription
                // A frame that cannot be read has no command that could have a result.
                | Self::IpcRead
        )
    }
}

macro_rules! codes {
    ($($name:ident $word:literal [$first:ident $(, $stage:ident)*] $retryable:literal $meaning:literal;)+) => {
        /// What went wrong, as a word for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub enum ErrorCode { $(#[doc = $meaning] #[serde(rename = $word)] $name),+ }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// The stages at which it arises, the usual one first.
            pub const fn stages(self) -> &'static [Stage] {
                match self { $(Self::$name => &[Stage::$first $(, Stage::$stage)*]),+ }
            }

            /// Whether the same request may go through later without anything else being changed.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retryable),+ }
            }

            /// What it means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),+ }
            }
        }
    };
}

codes! {
    InvalidJson "invalid_json" [ProtocolParse] false "The line is not one JSON object with the keys of a request.";
    UnsupportedMethod "unsupported_method" [ProtocolParse] false "No method has this name.";
    InvalidCommandParams "invalid_command_params" [ProtocolParse] false "A parameter is missing or of the wrong type, or method and command disagree.";
    ValidationFailed "validation_failed" [CommandValidate, Registration, Config] false "A value does not fit: an empty reason, an unknown child, a command that does not fit the state.";
    IpcPathMetadataFailed "ipc_path_metadata_failed" [IpcBind] false "The socket's path could not be looked at.";
    IpcStaleRemoveFailed "ipc_stale_remove_failed" [IpcBind] false "A dead socket could not be replaced.";
    IpcBindFailed "ipc_bind_failed" [IpcBind] false "The socket could not be made.";
    IpcSetPermissionsFailed "ipc_set_permissions_failed" [IpcBind] false "The socket's mode could not be set.";
    IpcSymlinkRejected "ipc_symlink_rejected" [IpcBind] false "A part of the socket's path is a link.";
    IpcSocketOwnerMismatch "ipc_socket_owner_mismatch" [IpcBind] false "The socket or its directory belongs to somebody else.";
    FrameTooLarge "frame_too_large" [IpcRead] false "The line is longer than a frame may be; the connection is closed.";
    InvalidUtf8 "invalid_utf8" [IpcRead] false "The line is not UTF-8; the connection is closed.";
    IncompleteFrame "incomplete_frame" [IpcRead] true "The line was begun and not ended in time, or the peer closed in the middle.";
    IpcReadFailed "ipc_read_failed" [IpcRead] true "Reading failed; logged, never sent.";
    IpcWriteFailed "ipc_write_failed" [IpcRead] true "Writing failed; logged, never sent.";
    SessionRequired "session_required" [Subscription] false "A subscription needs `session_established: true`.";
    CommandFailed "command_failed" [CommandDispatch] true "The command began and ended otherwise than wished.";
    CommandTimeout "command_timeout" [CommandDispatch] true "The tree did not answer.";
    TargetUnavailable "target_unavailable" [CommandDispatch, Session] true "The target cannot be reached, or its tree has ended.";
    PeerCredUidMismatch "peer_cred_uid_mismatch" [PeerCredentials] false "The peer's user may not connect.";
    PeerCredGidNotAllowed "peer_cred_gid_not_allowed" [PeerCredentials] false "The peer's group may not connect.";
    PeerCredPidNotAllowed "peer_cred_pid_not_allowed" [PeerCredentials] false "The peer's process may not connect.";
    PeerCredUnavailable "peer_cred_unavailable" [PeerCredentials] false "The system does not say who the peer is.";
    AuthzDenied "authz_denied" [Authorization] false "The peer, or the child's permissions, do not allow it.";
    ReplayDetected "replay_detected" [ReplayProtection] false "The command's id was used and its outcome is lost; it is not carried out again.";
    RequestTooLarge "request_too_large" [SizeLimit] false "The request is larger than this method allows.";
    RateLimitExceeded "rate_limit_exceeded" [RateLimit] true "Too many requests; `retry_after_ms` says when to try again.";
    AuditWriteFailed "audit_write_failed" [Audit] false "The intent could not be recorded, so nothing was done.";
    CommandIdConflict "command_id_conflict" [Idempotency] false "The command's id was used for another command.";
    EmptyTargetId "empty_target_id" [Registration] false "The target's id is blank.";
    RelativeIpcPath "relative_ipc_path" [Registration] false "The socket's path is not absolute.";
    IpcPathNotAllowed "ipc_path_not_allowed" [Registration] false "The socket's path is not in an allowed directory.";
    InvalidLeaseSeconds "invalid_lease_seconds" [Registration] false "The lease is too short or too long.";
    UnsupportedCommandSchema "unsupported_command_schema" [Registration] false "A supported command is not described as it should be.";
    InvalidIpcPath "invalid_ipc_path" [Registration] false "The socket's path cannot be one.";
    TargetIdOwnerMismatch "target_id_owner_mismatch" [Registration] false "The id belongs to another user.";
    IpcPathConflict "ipc_path_conflict" [Registration] true "Another target holds the path until its lease ends.";
    InvalidMessageJson "invalid_message_json" [Session] false "The message is not one JSON object.";
    UnsupportedMessageType "unsupported_message_type" [Session] false "No message has this type.";
    UnsupportedField "unsupported_field" [Session] false "The message has a key that it does not have.";
    InvalidMessageSchema "invalid_message_schema" [Session] false "A key is missing or of the wrong type.";
    ProtocolError "protocol_error" [Session] false "The message does not come at its turn.";
    TargetNotBound "target_not_bound" [Session] false "The session does not have this target.";
    SessionNotEstablished "session_not_established" [Session] false "The session has not said hello.";
    TargetNotRegistered "target_not_registered" [Session] false "No target with this id is registered.";
    UnsupportedCommand "unsupported_command" [Session] false "The target has no such command.";
    RequestedByOverride "requested_by_override" [Session] false "`requested_by` comes from the session and must be absent.";
    EmptyReason "empty_reason" [Session] false "A command needs a reason.";
    ConfirmationRequired "confirmation_required" [Session] false "The command is dangerous and needs `confirmed: true`.";
}

impl Vocabulary for ErrorCode {
    fn text(self) -> &'static str {
        self.as_str()
    }

    fn find(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An error as it is told to a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{code}: {message}")]
pub struct WireError {
    /// What went wrong, for programs.
    pub code: Word<ErrorCode>,
    /// Where.
    pub stage: Word<Stage>,
    /// The target it is about. Null when that is not known yet. Never empty.
    pub target_id: Option<Arc<str>>,
    /// What went wrong and what to do about it, as a sentence of at most 512 characters. Never empty.
    pub message: String,
    /// Whether the same request may go through later without anything else being changed. False: something
    /// has to be changed first.
    pub retryable: bool,
    /// When to try again, in milliseconds from now. Absent when that is not known. 0: at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl WireError {
    /// An error at the usual stage of its code. Control and direction characters in the message are escaped,
    /// and a message over 512 characters is cut.
    pub fn new(code: ErrorCode, message: impl AsRef<str>) -> Self {
        let stage = code.stages().first().copied().unwrap_or(Stage::ProtocolParse);
        Self {
            code: code.into(),
            stage: stage.into(),
            target_id: None,
            message: plain(message.as_ref(), MESSAGE),
            retryable: code.is_retryable(),
            retry_after_ms: None,
        }
    }

    /// The same error at another stage.
    #[must_use]
    pub fn at(mut self, stage: Stage) -> Self {
        self.stage = stage.into();
        self
    }

    /// The same error, about this target.
    #[must_use]
    pub fn on(mut self, target_id: impl Into<Arc<str>>) -> Self {
        self.target_id = Some(target_id.into());
        self
    }

    /// The same error, with the time after which it is worth trying again.
    #[must_use]
    pub fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }
}

impl From<&SupervisorError> for WireError {
    /// What a refused call on the tree says to a peer.
    fn from(error: &SupervisorError) -> Self {
        let code = ErrorCode::find(error.code()).unwrap_or(ErrorCode::CommandFailed);
        Self { retryable: error.is_retryable(), ..Self::new(code, error.to_string()) }
    }
}
