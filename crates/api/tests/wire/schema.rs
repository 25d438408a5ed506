//! What we write fits the schema of the wire, and the schema refuses what we do not write.

use serde_json::{Value, json};
use supervisor_api::wire::wire_schema;

use crate::{KINDS, lines, value};

fn validator(property: &str) -> jsonschema::Validator {
    let schema = serde_json::to_value(wire_schema()).unwrap();
    let part = &schema["properties"][property];
    assert!(!part.is_null(), "{property}");
    let mut part = part.as_object().unwrap().clone();
    part.insert("$defs".into(), schema["$defs"].clone());
    jsonschema::validator_for(&Value::Object(part)).unwrap()
}

fn property(kind: &str) -> &'static str {
    match kind {
        "requests" => "request",
        "responses" => "response",
        "pushes" => "push",
        "registrations" => "registration",
        "acks" => "registration_ack",
        "errors" => "error",
        "client_messages" => "client_message",
        "server_messages" => "server_message",
        other => panic!("{other}"),
    }
}

#[test]
fn every_line_that_we_write_fits() {
    for (name, _) in KINDS {
        let validator = validator(property(name));
        for (at, line) in lines(name).iter().enumerate() {
            if let Err(error) = validator.validate(&value(line)) {
                panic!("{name}:{}: {}: {error}", at + 1, error.instance_path);
            }
        }
    }
}

#[test]
fn what_we_do_not_write_does_not_fit() {
    let bad = [
        ("request", json!({"request_id": "r", "method": "fly", "params": {}})),
        ("request", json!({"request_id": "r", "method": "why", "params": {}})),
        ("response", json!({"request_id": "r"})),
        ("push", json!({"type": "gap", "target_id": "shop", "stream": "events", "from": -1, "to": 2})),
        ("push", json!({"type": "event", "target_id": "shop", "event": {}})),
        ("registration", json!({"target_id": "shop"})),
        ("error", json!({"code": "x", "stage": "y", "target_id": null, "message": "z"})),
        ("client_message", json!({"type": "command", "command": "fly"})),
    ];
    for (property, line) in bad {
        assert!(validator(property).validate(&line).is_err(), "{property}: {line}");
    }
    let mut extra = value(&lines("registrations")[0]);
    extra["extra"] = json!(1);
    assert!(validator("registration").validate(&extra).is_err());
    let mut disagree = value(&lines("requests")[7]);
    disagree["params"]["command"] = json!("pause_child");
    assert!(validator("request").validate(&disagree).is_err());
}
