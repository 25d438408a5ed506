//! The wire: what a target, a relay and a browser say to each other, as types.
//!
//! # Frames
//!
//! Each line, and each text frame of a browser, is one JSON object. All of them are read in this module:
//! [`Request::read`], [`TargetLine::read`], [`Registration::read`], [`RegistrationAck::read`] and
//! [`ClientMessage::read`] take the bytes between two line ends and answer with the message or with the error
//! to send back. Whoever moves the bytes (a socket, a WebSocket) only finds the line ends and bounds
//! the length. The checks that protect a reader are so in one place: UTF-8, one object and nothing beside it,
//! no key twice, at most [`MAX_DEPTH`] levels, numbers that fit.
//!
//! # Two dialects
//!
//! Readers take what others write and writers write one form. What changes between reading and writing a
//! message again:
//!
//! - a time as a decimal string becomes an integer;
//! - `attempt` and `child_start_count` of a row stand in for each other, and both are written;
//! - method `current_state` becomes `state`;
//! - a key that is unknown is dropped, except where a line says "exact keys" (a registration, what a browser sends);
//! - a key that is absent, or null where there is a default, gets the default (`params`, `payload`, `fields`,
//!   `target`, `confirmed`, lists and counts).
//!
//! A word that is unknown stays as it came ([`Word`]). A message whose type is unknown is read as
//! `Unknown`, and a reader passes it by.
//!
//! # Absence
//!
//! A key that this crate writes only when there is something to say is marked "absent" in the text of its
//! field. All other keys are always written, with null for nothing.

mod audit;
mod audit_page;
mod browser;
mod command;
mod convert;
mod error;
mod exact;
mod filter;
mod frame;
mod lent;
mod line;
mod method;
#[cfg(feature = "schema")]
mod page;
mod push;
mod record;
mod register;
mod request;
mod response;
#[cfg(feature = "schema")]
mod schema;
mod secrets;
mod state;
mod view;
mod word;

pub use audit::{AuditActor, AuditDecision, AuditEntry, AuditFilter, AuditOutcome, AuditPeer, AuditRecord};
pub use audit_page::{AUDIT_PAGE, AuditPage, AuditQuery, AuditRow};
pub use browser::{
    BrowserCommand, BrowserCommandResult, BrowserTarget, ClientHello, ClientMessage, Cursor, ListedTarget,
    ResumeCursor, ServerHello, ServerMessage, TargetCursor, Token, WhyFound, WhyQuery,
};
pub use command::{
    Command, CommandStatus, CommandTarget, ControlCommandRequest, ControlCommandResult, Happening, TargetNeed,
};
pub use convert::{EventOnWire, canonical_json, config_version};
pub use error::{ErrorCode, Stage, WireError};
pub use filter::{EventFacts, FilterConditions, LogFacts};
pub use frame::{MAX_DEPTH, plain};
pub use lent::{EdgeOnWire, NodeOnWire, RowOnWire, WordOnWire};
pub use method::{KeptLogs, Method, MethodSpec, Stream};
#[cfg(feature = "schema")]
pub use page::protocol_page;
pub use push::{Push, StateDelta, TargetLine};
pub use record::{AuditEvent, AuditResult, EventRecord, LogRecord};
pub use register::{
    LEASE_SECONDS, Registration, RegistrationAck, RegistrationRefusal, SupportedCommand, target_id_problem,
};
pub use request::{
    Call, INVALID_REQUEST, PlanParams, Refusal, Request, StateParams, SubscribeParams, WhatIfParams,
    WhyParams,
};
pub use response::{
    ChangedKeys, PlanDetails, PolicyAnswer, PolicyRule, Renamed, Response, ResultBody, WhatIfAnswer,
    WhyAnswer,
};
#[cfg(feature = "schema")]
pub use schema::wire_schema;
pub use secrets::Secrets;
pub use state::{
    ConnectionState, DashboardState, Edge, EdgeKind, Node, NodeCriticality, NodeKind, RegistrationState,
    RowMore, RuntimeRow, TargetInfo, Topology,
};
pub use view::{Change, Gap, RECENT, TreeView};
pub use word::{UnixNanos, Word};

/// The protocol between a target and those who connect to it.
pub const TARGET_PROTOCOL: &str = "dashboard-ipc.v1";

/// The protocol between a relay and a browser.
pub const RELAY_PROTOCOL: &str = "tokio-supervisor.v1";
