//! The JSON Schema of everything a tree tells and answers, generated from the types themselves.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::command::{CommandResult, ControlVerb, OtpVerb};
use crate::policy::{
    AutoShutdown, Criticality, OnExhausted, OnStartFailure, Profile, ReadinessMode, RestartType, Role,
    StartOrder, StopOrder, Strategy,
};
use crate::report::{RuntimeExitReport, RuntimeHealthReport};
use crate::{EventKind, Exit, Finding, Health, Lifecycle, Readiness, Severity, StampedEvent, SupervisorPath};

/// One property for each thing that is told, answered or named; their schemas stand under `$defs`.
#[derive(JsonSchema)]
#[schemars(title = "The words of tokio-supervisor", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
struct Words {
    /// An event, as a stream gives it.
    event: StampedEvent,
    /// The result of a command that was not refused.
    command_result: CommandResult,
    /// The operator's commands on a child.
    control_verb: ControlVerb,
    /// OTP's calls on a child.
    otp_verb: OtpVerb,
    /// What a running tree says of itself.
    health: RuntimeHealthReport,
    /// How a tree ended.
    exit_report: RuntimeExitReport,
    /// One thing that is wrong in a spec.
    finding: Finding,
    /// What can be asked of a child and of a supervisor.
    policy: PolicyWords,
}

/// The words of a spec.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct PolicyWords {
    restart: RestartType,
    strategy: Strategy,
    role: Role,
    criticality: Criticality,
    on_exhausted: OnExhausted,
    order: StartOrder,
    stop: StopOrder,
    on_start_failure: OnStartFailure,
    auto_shutdown: AutoShutdown,
    profile: Profile,
    readiness: ReadinessMode,
}

/// The schema of every word: what `docs/words.schema.json` holds.
pub fn words_schema() -> Schema {
    schemars::schema_for!(Words)
}

impl JsonSchema for StampedEvent {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(of: &mut SchemaGenerator) -> Schema {
        let payload = payload(of);
        json_schema!({
            "type": "object",
            "description": "One decision, with its place in the order, its time and its names.",
            "required": [
                "sequence", "correlation_id", "event_type", "severity", "target_path", "child_id",
                "occurred_at_unix_nanos", "payload"
            ],
            "properties": {
                "sequence": {"type": "integer", "minimum": 1, "description": "The place in the tree's order of events, without holes."},
                "correlation_id": {"type": ["string", "null"], "description": "The command behind it."},
                "event_type": of.subschema_for::<EventKind>(),
                "severity": of.subschema_for::<Severity>(),
                "target_path": of.subschema_for::<SupervisorPath>(),
                "child_id": {"type": ["string", "null"], "description": "The last segment of the path; null for the root."},
                "occurred_at_unix_nanos": {"type": "integer", "minimum": 0},
                "payload": payload
            }
        })
    }
}

/// The payload: the row after the event, why, what is next, and the numbers of its kind.
fn payload(of: &mut SchemaGenerator) -> Schema {
    let mut schema = json_schema!({
        "type": "object",
        "required": [
            "state", "health", "readiness", "generation", "attempt", "restart_count", "cause", "next"
        ],
        "additionalProperties": false,
        "properties": {
            "state": of.subschema_for::<Lifecycle>(),
            "health": of.subschema_for::<Health>(),
            "readiness": of.subschema_for::<Readiness>(),
            "generation": {"type": "integer", "minimum": 0},
            "attempt": {"type": "integer", "minimum": 0},
            "restart_count": {"type": "integer", "minimum": 0},
            "cause": {"type": "string"},
            "cause_path": of.subschema_for::<SupervisorPath>(),
            "next": {"type": "string"},
            "next_path": of.subschema_for::<SupervisorPath>(),
            "next_in_ms": {"type": "integer", "minimum": 0},
            "exit": of.subschema_for::<Exit>(),
            "requested_by": {"type": "string"},
            "reason": {"type": "string"},
            "text": {"type": "string"},
            "chain": {"type": "array", "items": {"type": "string"}}
        }
    });
    let numbers = EventKind::ALL.iter().flat_map(|kind| kind.spec().numbers);
    if let Some(properties) = schema.get_mut("properties").and_then(|properties| properties.as_object_mut()) {
        for number in numbers {
            properties
                .entry(*number)
                .or_insert_with(|| json_schema!({"type": "integer", "minimum": 0}).into());
        }
    }
    schema
}
