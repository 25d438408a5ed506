//! What the other readers must survive: registrations, what browsers say, and what targets say.

use supervisor_api::wire::{ClientMessage, Registration, RegistrationAck, TargetLine};

use crate::value;

#[test]
fn a_registration_has_exactly_its_keys() {
    let good = value(&crate::lines("registrations")[0]);
    let refused = [
        ("extra", "1", "validation_failed", "unknown field `extra`"),
        ("target_id", "\"  \"", "empty_target_id", "target_id is blank"),
        ("target_id", "\"a\\u0000\"", "validation_failed", "the target id has a control character"),
        ("target_id", "7", "validation_failed", "target_id: invalid type: integer `7`"),
        ("display_name", "", "validation_failed", "missing field `display_name`"),
        ("ipc_path", "\"x.sock\"", "relative_ipc_path", "ipc_path 'x.sock' is not absolute"),
        ("ipc_path", "\"/a\\u0000\"", "invalid_ipc_path", "ipc_path has at most 107 bytes"),
        (
            "supported_commands",
            "[[\"x\",true,1]]",
            "validation_failed",
            "supported_commands[0]: invalid type: sequence, expected an object",
        ),
        ("lease_seconds", "0", "invalid_lease_seconds", "lease_seconds must be at least 1"),
        ("lease_seconds", "-1", "validation_failed", "lease_seconds: invalid value: integer `-1`"),
        ("lease_seconds", "1e400", "invalid_json", "number out of range"),
        (
            "supported_commands",
            r#"[{"name":"a b","idempotent":true,"timeout_seconds":1}]"#,
            "unsupported_command_schema",
            "supported_commands: 'a b' is not the name",
        ),
        (
            "supported_commands",
            r#"[{"name":"x","idempotent":true,"timeout_seconds":0}]"#,
            "unsupported_command_schema",
            "supported_commands: x has timeout_seconds 0",
        ),
        (
            "supported_commands",
            r#"[{"name":"x","idempotent":true,"timeout_seconds":1,"y":1}]"#,
            "validation_failed",
            "supported_commands[0]: unknown field `y`",
        ),
        (
            "supported_commands",
            r#"[{"name":"x","idempotent":true,"timeout_seconds":1},{"name":"x","idempotent":true,"timeout_seconds":1}]"#,
            "unsupported_command_schema",
            "supported_commands: x is there twice",
        ),
    ];
    for (key, text, code, message) in refused {
        let entries = good.as_object().unwrap().iter().filter(|(name, _)| *name != key);
        let mut entries: Vec<String> = entries.map(|(name, value)| format!("\"{name}\":{value}")).collect();
        if !text.is_empty() {
            entries.push(format!("\"{key}\":{text}"));
        }
        let line = format!("{{{}}}", entries.join(","));
        let refusal = Registration::read(line.as_bytes()).expect_err(&line);
        assert_eq!(refusal.code.as_str(), code, "{line}: {}", refusal.message);
        assert!(refusal.message.starts_with(message), "{line}: {}", refusal.message);
        let ack = serde_json::to_string(&RegistrationAck::refused(refusal.clone())).unwrap();
        assert_eq!(RegistrationAck::read(ack.as_bytes()).unwrap().error, Some(refusal));
    }
    for line in ["", "{", "[]", "\u{feff}{}", r#"{"target_id":"a","target_id":"b"}"#] {
        assert_eq!(Registration::read(line.as_bytes()).unwrap_err().code.as_str(), "invalid_json", "{line}");
    }
    assert_eq!(Registration::read(b"\xff").unwrap_err().code.as_str(), "invalid_utf8");
    assert!(RegistrationAck::read(br#"{"ok":false,"retryable":true}"#).is_err(), "a refusal says why");
}

#[test]
fn each_bad_message_of_a_browser_has_its_code() {
    let command = |key: &str, text: &str| {
        let mut parts = vec![
            ("command_id", "\"c\""),
            ("target_id", "\"shop\""),
            ("command", "\"restart_child\""),
            ("reason", "\"r\""),
        ];
        parts.retain(|(name, _)| *name != key);
        let mut parts: Vec<String> = parts.iter().map(|(name, text)| format!("\"{name}\":{text}")).collect();
        if !text.is_empty() {
            parts.push(format!("\"{key}\":{text}"));
        }
        format!("{{\"type\":\"command\",{}}}", parts.join(","))
    };
    let refused = [
        (String::new(), "invalid_message_json"),
        ("[]".into(), "invalid_message_json"),
        ("{\"type\":\"command\"".into(), "invalid_message_json"),
        (r#"{"type":"client_hello","type":"command"}"#.into(), "invalid_message_json"),
        ("{}".into(), "invalid_message_schema"),
        (r#"{"type":1}"#.into(), "invalid_message_schema"),
        (r#"{"type":"fly"}"#.into(), "unsupported_message_type"),
        (r#"{"type":"client_hello"}"#.into(), "invalid_message_schema"),
        (r#"{"type":"client_hello","client_store_id":"a","x":1}"#.into(), "unsupported_field"),
        (
            r#"{"type":"client_hello","client_store_id":"a","resume_cursor":{"x":1}}"#.into(),
            "invalid_message_schema",
        ),
        (r#"{"type":"log_event_filter_conditions","colour":[]}"#.into(), "unsupported_field"),
        (r#"{"type":"log_event_filter_conditions","child_paths":[".."]}"#.into(), "invalid_message_schema"),
        (command("requested_by", "\"root\""), "requested_by_override"),
        (command("requested_by", "null"), "requested_by_override"),
        (command("force", "true"), "unsupported_field"),
        (command("command", "\"fly\""), "unsupported_command"),
        (command("command", "7"), "invalid_message_schema"),
        (command("command_id", "\"\""), "invalid_message_schema"),
        (command("target_id", ""), "invalid_message_schema"),
        (command("target", r#"{"x":1}"#), "invalid_message_schema"),
        (command("reason", "\" \""), "empty_reason"),
        (command("command", "\"shutdown_tree\""), "confirmation_required"),
        (command("command", "\"remove_child\""), "confirmation_required"),
    ];
    for (frame, code) in refused {
        let error = ClientMessage::read(frame.as_bytes()).expect_err(&frame);
        assert_eq!(
            (error.code.as_str(), error.stage.as_str()),
            (code, "session"),
            "{frame}: {}",
            error.message
        );
    }
    assert!(ClientMessage::read(command("confirmed", "true").as_bytes()).is_ok());
    assert_eq!(ClientMessage::read(b"\xff").unwrap_err().code.as_str(), "invalid_message_json");
    assert_eq!(ClientMessage::command_id_in(command("force", "1").as_bytes()).as_deref(), Some("c"));
    assert_eq!(ClientMessage::command_id_in(br#"{"command_id":"c","a":1e999}"#).as_deref(), Some("c"));
    assert_eq!(ClientMessage::command_id_in(br#"{"command_id":"\u0000"}"#), None);
}

#[test]
fn a_line_of_a_target_that_is_neither_answer_nor_push_is_refused() {
    for line in ["{}", "[]", "", r#"{"request_id":"1"}"#, r#"{"type":7}"#, r#"{"ok":true,"ok":true}"#] {
        assert_eq!(TargetLine::read(line.as_bytes()).expect_err(line).code.as_str(), "invalid_json");
    }
}
