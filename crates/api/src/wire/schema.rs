//! The JSON Schema of the wire, generated from the types themselves.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::browser::{ClientMessage, ServerMessage};
use super::command::{Command, ControlCommandRequest};
use super::error::WireError;
use super::method::{Method, Stream};
use super::push::Push;
use super::register::{Registration, RegistrationAck};
use super::request::{PlanParams, Request, StateParams, SubscribeParams, WhatIfParams, WhyParams};
use super::response::Response;
use super::state::RuntimeRow;
use super::word::Word;
use crate::{Exit, Health, Lifecycle, Readiness, ShutdownState, SupervisorPath};

/// One property for each kind of line; their schemas stand under `$defs`.
#[derive(JsonSchema)]
#[schemars(title = "The wire of tokio-supervisor", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
struct Wire {
    /// From a client to a target.
    request: Request,
    /// From a target to a client.
    response: Response,
    /// From a target to a client that has subscribed.
    push: Push,
    /// From a target to a relay.
    registration: Registration,
    /// From a relay to a target.
    registration_ack: RegistrationAck,
    /// From a browser to a relay.
    client_message: ClientMessage,
    /// From a relay to a browser.
    server_message: ServerMessage,
    /// An error, wherever it stands.
    error: WireError,
}

/// The schema of every line: what `docs/wire.schema.json` holds. It describes what is written; readers take more.
pub fn wire_schema() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Wire>()
}

impl JsonSchema for Request {
    fn schema_name() -> Cow<'static, str> {
        "Request".into()
    }

    fn json_schema(of: &mut SchemaGenerator) -> Schema {
        let mut kinds = vec![
            request(Method::Hello, json_schema!({"description": "Not looked at."})),
            request(Method::State, of.subschema_for::<StateParams>()),
            request(Method::Why, of.subschema_for::<WhyParams>()),
            request(Method::WhatIf, of.subschema_for::<WhatIfParams>()),
            request(Method::Plan, of.subschema_for::<PlanParams>()),
        ];
        let subscribe = of.subschema_for::<SubscribeParams>();
        kinds.extend(Stream::ALL.iter().map(|stream| request(Method::Subscribe(*stream), subscribe.clone())));
        let command = of.subschema_for::<ControlCommandRequest>();
        kinds.extend(Command::ALL.iter().map(|word| {
            let mut params = command.clone();
            params.insert("properties".into(), serde_json::json!({"command": {"const": word}}));
            request(Method::Command(*word), params)
        }));
        json_schema!({"description": "One request; the params follow from the method.", "oneOf": kinds})
    }
}

fn request(method: Method, params: Schema) -> Value {
    serde_json::json!({
        "type": "object",
        "required": ["request_id", "method", "params"],
        "properties": {
            "request_id": {"type": "string", "minLength": 1, "maxLength": 128},
            "method": {"const": method.to_string()},
            "params": params
        }
    })
}

impl JsonSchema for RuntimeRow {
    fn schema_name() -> Cow<'static, str> {
        "RuntimeRow".into()
    }

    fn json_schema(of: &mut SchemaGenerator) -> Schema {
        let exit = of.subschema_for::<Exit>();
        let count = |text: &str| serde_json::json!({"type": "integer", "minimum": 0, "description": text});
        json_schema!({
            "type": "object",
            "description": "How a node is.",
            "required": [
                "child_path", "lifecycle_state", "health", "readiness", "generation", "attempt",
                "child_start_count", "restart_count", "last_failure", "last_policy_decision", "shutdown_state"
            ],
            "properties": {
                "child_path": of.subschema_for::<SupervisorPath>(),
                "lifecycle_state": of.subschema_for::<Word<Lifecycle>>(),
                "health": of.subschema_for::<Word<Health>>(),
                "readiness": of.subschema_for::<Word<Readiness>>(),
                "generation": count("The number of the live or last run; 0 before the first."),
                "attempt": count("Which restart of its streak the run is; 0 for a first run."),
                "child_start_count": count("The same as attempt."),
                "restart_count": count("Automatic restarts so far."),
                "last_failure": {
                    "description": "How the last run that ended badly ended; null when none did.",
                    "anyOf": [exit, {"type": "null"}, {"description": "What a target of another kind writes."}]
                },
                "last_policy_decision": {
                    "description": "What was decided when a run last ended, as the word of an event's `next`; null when none ended. A target of another kind may write anything."
                },
                "shutdown_state": of.subschema_for::<Word<ShutdownState>>(),
                "as_of": count("The sequence of the last event in this row; 0 before the first. Absent when the target does not say.")
            }
        })
    }
}
