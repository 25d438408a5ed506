//! What a client says to a target.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::command::{Command, CommandTarget, ControlCommandRequest, Happening};
use super::error::{ErrorCode, WireError};
use super::frame::{BadFrame, Frame};
use super::method::{KeptLogs, Method, Stream};
use super::response::Response;
use super::word::or_default;
use crate::SupervisorPath;
use crate::command::is_command_id;
use crate::hidden::Hidden;

/// The request id of an answer to a line whose own id could not be read.
pub const INVALID_REQUEST: &str = "invalid-request";

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The caller's id of the request, 1 to 128 printable bytes; the answer repeats it.
    pub request_id: String,
    /// What is asked.
    pub call: Call,
}

/// A method with its params.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Call {
    /// Who is there. Params are not looked at.
    Hello,
    /// The state of the tree.
    State(StateParams),
    /// A stream from now on.
    Subscribe(Stream, SubscribeParams),
    /// Why a child is as it is.
    Why(WhyParams),
    /// What a command would affect.
    WhatIf(WhatIfParams),
    /// What a stack text would change.
    Plan(PlanParams),
    /// A command.
    Command(Box<ControlCommandRequest>),
}

/// The params of `state`. Without any of them the whole state is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateParams {
    /// Rows after this path, in the order of the tree: `next_after` of the page before. Absent: from the
    /// first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<SupervisorPath>,
    /// At most so many rows. Absent: as many as there are. 0 is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<std::num::NonZeroU32>,
    /// Only this child and what lies below it. Absent: the whole tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<SupervisorPath>,
}

/// The params of `events.subscribe` and `logs.tail`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubscribeParams {
    /// Must be true: the caller keeps the connection and reads from it. Absent is false. False is refused
    /// with `session_required`.
    #[serde(default, deserialize_with = "or_default")]
    pub session_established: bool,
    /// The first sequence that is wanted; what is no longer kept is told as a gap, and one that lies in the
    /// future begins afresh with the next. Absent: from now on. 0 is the same as 1: from the oldest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_sequence: Option<u64>,
    /// Only this child and what lies below it. Absent: the whole tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<SupervisorPath>,
    /// For `logs.tail`: the lines that are there already, and nothing after them. Of each child more are kept than
    /// the stream has when others log much. Refused with `events.subscribe`. Absent: what comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptLogs>,
}

/// The params of `why`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WhyParams {
    /// A path, or an id that only one child has. Empty is refused.
    pub child_path: String,
}

/// The params of `what_if`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WhatIfParams {
    /// What would happen.
    pub command: Happening,
    /// Whom it would be about. Absent: the whole tree, for a command that is about that.
    #[serde(default, deserialize_with = "or_default")]
    pub target: CommandTarget,
    /// For `apply`: the text of the stack file. Absent with anything else. Empty is refused, as an empty file is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

/// Without the text, which may hold secrets.
impl fmt::Debug for WhatIfParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, target, stack } = self;
        let mut shown = f.debug_struct("WhatIfParams");
        shown.field("command", command).field("target", target).field("stack", &Hidden::some(stack)).finish()
    }
}

/// The params of `plan`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanParams {
    /// The text of the stack file. Empty is refused, as an empty file is.
    pub stack: String,
}

/// Without the text, which may hold secrets.
impl fmt::Debug for PlanParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanParams").field("stack", &Hidden).finish()
    }
}

/// A line that is no request, with the id to answer under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The caller's id, or [`INVALID_REQUEST`].
    pub request_id: String,
    /// What is wrong.
    pub error: WireError,
}

impl Refusal {
    /// The answer to the line.
    pub fn response(self) -> Response {
        Response::refused(self.request_id, self.error)
    }
}

impl From<BadFrame<'_>> for Refusal {
    fn from(bad: BadFrame<'_>) -> Self {
        let request_id =
            bad.text("request_id").filter(|id| is_command_id(id)).unwrap_or(INVALID_REQUEST).to_owned();
        Self { request_id, error: WireError::new(bad.code(), bad.message) }
    }
}

impl Request {
    /// Reads the bytes between two line ends. Any bytes are answered: with the request, or with what to send
    /// back. The line's length is the caller's to bound.
    pub fn read(line: &[u8]) -> Result<Self, Refusal> {
        let frame = Frame::read(line)?;
        let id = match frame.text("request_id") {
            Some(id) if is_command_id(id) => id.to_owned(),
            Some(_) => return Err(bad_envelope("request_id must have 1 to 128 printable characters")),
            None if frame.has("request_id") => return Err(bad_envelope("request_id must be a text")),
            None => return Err(bad_envelope("the key request_id is missing")),
        };
        match read_call(&frame) {
            Ok(call) => Ok(Self { request_id: id, call }),
            Err(error) => Err(Refusal { request_id: id, error }),
        }
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.call.method()
    }
}

fn bad_envelope(message: &str) -> Refusal {
    let error = WireError::new(ErrorCode::InvalidJson, message);
    Refusal { request_id: INVALID_REQUEST.to_owned(), error }
}

fn read_call(frame: &Frame<'_>) -> Result<Call, WireError> {
    let Some(name) = frame.text("method") else {
        let message = if frame.has("method") { "method must be a text" } else { "the key method is missing" };
        return Err(WireError::new(ErrorCode::InvalidJson, message));
    };
    let Some(method) = Method::from_name(name) else {
        let nearest = match Method::nearest(name) {
            names if names.is_empty() => String::new(),
            names => format!("; nearest: {}", names.join(", ")),
        };
        let message = format!("there is no method '{name}'{nearest}");
        return Err(WireError::new(ErrorCode::UnsupportedMethod, message));
    };
    match method {
        Method::Hello => Ok(Call::Hello),
        Method::State => Ok(Call::State(params(frame)?.unwrap_or_default())),
        Method::Subscribe(stream) => read_subscription(frame, stream),
        Method::Why => required(frame).map(Call::Why),
        Method::WhatIf => required(frame).map(Call::WhatIf),
        Method::Plan => required(frame).map(Call::Plan),
        Method::Command(command) => read_command(frame, command),
    }
}

fn read_subscription(frame: &Frame<'_>, stream: Stream) -> Result<Call, WireError> {
    let params: SubscribeParams = params(frame)?.unwrap_or_default();
    if params.kept.is_some() && stream != Stream::Logs {
        let message = "params.kept is for logs.tail; remove it";
        return Err(WireError::new(ErrorCode::InvalidCommandParams, message));
    }
    if params.session_established {
        return Ok(Call::Subscribe(stream, params));
    }
    Err(WireError::new(
        ErrorCode::SessionRequired,
        "a subscription needs params.session_established: true, and a connection that stays open",
    ))
}

fn read_command(frame: &Frame<'_>, command: Command) -> Result<Call, WireError> {
    let asked: ControlCommandRequest = required(frame)?;
    if asked.command != command {
        let message = format!(
            "the method is command.{command} and params.command is {}; they must agree",
            asked.command
        );
        return Err(WireError::new(ErrorCode::InvalidCommandParams, message));
    }
    if !is_command_id(&asked.command_id) {
        let message = "params.command_id must have 1 to 128 printable characters";
        return Err(WireError::new(ErrorCode::InvalidCommandParams, message));
    }
    Ok(Call::Command(Box::new(asked)))
}

#[derive(Deserialize)]
struct Envelope<P> {
    params: Option<P>,
}

/// The params, or `None` when they are absent or null.
fn params<P: DeserializeOwned>(frame: &Frame<'_>) -> Result<Option<P>, WireError> {
    let read: Result<Envelope<P>, String> = frame.parse();
    read.map(|envelope| envelope.params)
        .map_err(|message| WireError::new(ErrorCode::InvalidCommandParams, message))
}

fn required<P: DeserializeOwned>(frame: &Frame<'_>) -> Result<P, WireError> {
    params(frame)?.ok_or_else(|| WireError::new(ErrorCode::InvalidCommandParams, "the key params is missing"))
}

impl Call {
    /// The method.
    pub fn method(&self) -> Method {
        match self {
            Self::Hello => Method::Hello,
            Self::State(_) => Method::State,
            Self::Subscribe(stream, _) => Method::Subscribe(*stream),
            Self::Why(_) => Method::Why,
            Self::WhatIf(_) => Method::WhatIf,
            Self::Plan(_) => Method::Plan,
            Self::Command(asked) => Method::Command(asked.command),
        }
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut line = out.serialize_struct("Request", 3)?;
        line.serialize_field("request_id", &self.request_id)?;
        line.serialize_field("method", &format_args!("{}", self.method()))?;
        match &self.call {
            Call::Hello => line.serialize_field("params", &StateParams::default())?,
            Call::State(params) => line.serialize_field("params", params)?,
            Call::Subscribe(_, params) => line.serialize_field("params", params)?,
            Call::Why(params) => line.serialize_field("params", params)?,
            Call::WhatIf(params) => line.serialize_field("params", params)?,
            Call::Plan(params) => line.serialize_field("params", params)?,
            Call::Command(params) => line.serialize_field("params", params)?,
        }
        line.end()
    }
}
