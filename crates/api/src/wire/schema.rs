//! The JSON Schema of the wire, generated from the types themselves.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::browser::{ClientMessage, ServerMessage};
use super::command::{CRASH, Command, ControlCommandRequest, Happening};
use super::error::WireError;
use super::method::Method;
use super::push::Push;
use super::register::{Registration, RegistrationAck};
use super::request::{PlanParams, Request, StateParams, SubscribeParams, WhatIfParams, WhyParams};
use super::response::Response;
use super::state::RuntimeRow;
use super::word::{UnixNanos, Word};
use crate::command::BudgetUse;
use crate::{Exit, Health, Lifecycle, Readiness, ShutdownState, SupervisorPath};
use crate::{PollTimes, ProgramUsage};

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
        let kinds: Vec<_> =
            Method::TABLE.iter().map(|spec| request(spec.name, params(of, spec.method))).collect();
        json_schema!({"description": "One request; the params follow from the method.", "oneOf": kinds})
    }
}

/// What the params of a method look like.
fn params(of: &mut SchemaGenerator, method: Method) -> Schema {
    match method {
        Method::Hello => json_schema!({"description": "Not looked at."}),
        Method::State => of.subschema_for::<StateParams>(),
        Method::Subscribe(_) => of.subschema_for::<SubscribeParams>(),
        Method::Why => of.subschema_for::<WhyParams>(),
        Method::WhatIf => of.subschema_for::<WhatIfParams>(),
        Method::Plan => of.subschema_for::<PlanParams>(),
        Method::Command(word) => {
            let mut params = of.subschema_for::<ControlCommandRequest>();
            params.insert("properties".into(), serde_json::json!({"command": {"const": word}}));
            params
        }
    }
}

fn request(name: &str, params: Schema) -> Value {
    serde_json::json!({
        "type": "object",
        "required": ["request_id", "method", "params"],
        "properties": {
            "request_id": {"type": "string", "minLength": 1, "maxLength": 128},
            "method": {"const": name},
            "params": params
        }
    })
}

impl JsonSchema for Happening {
    fn schema_name() -> Cow<'static, str> {
        "Happening".into()
    }

    /// Every command, as it is said of commands, and one word more.
    fn json_schema(of: &mut SchemaGenerator) -> Schema {
        let mut schema = Command::json_schema(of);
        let crash = serde_json::json!({
            "description": "No command: the run of a child fails.", "type": "string", "const": CRASH
        });
        if let Some(Value::Array(words)) = schema.get_mut("oneOf") {
            words.push(crash);
        }
        let text = "What `what_if` can be asked about: a command, by its word, or a failure, `crash`.";
        schema.insert("description".into(), text.into());
        schema
    }
}

impl JsonSchema for RuntimeRow {
    fn schema_name() -> Cow<'static, str> {
        "RuntimeRow".into()
    }

    fn json_schema(of: &mut SchemaGenerator) -> Schema {
        let exit = of.subschema_for::<Exit>();
        let count = |text: &str| serde_json::json!({"type": "integer", "minimum": 0, "description": text});
        let said = |mut schema: Schema, text: &str| {
            schema.insert("description".into(), text.into());
            schema
        };
        let at = of.subschema_for::<UnixNanos>();
        let time = |text: &str| said(at.clone(), text);
        json_schema!({
            "type": "object",
            "description": "How a node is.",
            "required": [
                "child_path", "lifecycle_state", "health", "readiness", "generation", "attempt",
                "child_start_count", "restart_count", "last_failure", "last_policy_decision", "shutdown_state"
            ],
            "properties": {
                "child_path": said(of.subschema_for::<SupervisorPath>(), "The path of the node."),
                "lifecycle_state": said(of.subschema_for::<Word<Lifecycle>>(), "Its state."),
                "health": said(
                    of.subschema_for::<Word<Health>>(),
                    "What heartbeats say; of a supervisor, what its children add up to.",
                ),
                "readiness": said(of.subschema_for::<Word<Readiness>>(), "Whether the live run is ready."),
                "generation": count("The number of the live or last run. 0: before the first."),
                "attempt": count("Which restart of its streak the run is. 0: a first run."),
                "child_start_count": count("The same as `attempt`, for readers that know it by this name. 0: a first run."),
                "restart_count": count("Automatic restarts so far. 0: none."),
                "last_failure": {
                    "description": "How the last run that ended badly ended. Null when none did.",
                    "anyOf": [exit, {"type": "null"}, {"description": "What a target of another kind writes."}]
                },
                "last_policy_decision": {
                    "description": "What was decided when a run last ended, as the word of an event's `next`. A target of another kind may write anything. Null when none ended."
                },
                "shutdown_state": said(of.subschema_for::<Word<ShutdownState>>(), "How far a stop is."),
                "as_of": count("The sequence of the last event in this row. Absent when the target does not say. 0: nothing has happened to it yet."),
                "since_unix_nanos": time("When it came into its state. Absent when the target does not say. Never 0."),
                "started_at_unix_nanos": time("When its live run began. Absent when none is live, and when the target does not say."),
                "next_start_at_unix_nanos": time("When it is to be started. Absent but in back-off, and when the target does not say."),
                "pid": {
                    "type": "integer", "minimum": 0, "maximum": u32::MAX,
                    "description": "The process of the program that runs. Absent when no program runs, and when the target does not say. Never 0."
                },
                "last_heartbeat_unix_nanos": time("When the last heartbeat before this read came, or the last probe succeeded; later ones are not told as long as none is missed. Absent when none came, when one was missed, and when the target does not say."),
                "phase": {
                    "type": "string",
                    "description": "What its live run says that it is doing, or waits for, as of this read; a change of it alone is not told. Absent when it says nothing, and when the target does not say. Never empty."
                },
                "budget": said(
                    of.subschema_for::<BudgetUse>(),
                    "Of a supervisor the budget of restarts of its children, of another child its own, as of this read. Absent when it has none or one without a limit, and when the target does not say.",
                ),
                "usage": said(
                    of.subschema_for::<ProgramUsage>(),
                    "What the program that runs uses. Absent when no program runs, before the first measurement, and when the target does not say.",
                ),
                "poll_times": said(
                    of.subschema_for::<PollTimes>(),
                    "How long the run of a task is being polled. Absent when no run is live, when its polls are not timed, and when the target does not say.",
                )
            }
        })
    }
}
