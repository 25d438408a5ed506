//! What a reader of requests must survive, each with the exact answer.

use supervisor_api::wire::{ControlCommandRequest, MAX_DEPTH, Request};

use crate::value;

/// A line that is no request: the bytes, the id of the answer, its code, and its message.
struct Bad(Vec<u8>, &'static str, &'static str, &'static str);

fn bad(line: impl AsRef<[u8]>, id: &'static str, code: &'static str, message: &'static str) -> Bad {
    Bad(line.as_ref().to_vec(), id, code, message)
}

/// A command with one part of its params replaced.
fn command(key: &str, text: &str) -> String {
    let mut parts = vec![
        ("command_id", "\"c\""),
        ("target_id", "\"shop\""),
        ("command", "\"restart_child\""),
        ("target", r#"{"child_path":"/db","child_manifest":null}"#),
        ("reason", "\"r\""),
        ("requested_by", "\"ann\""),
    ];
    parts.retain(|(name, _)| *name != key);
    let mut params: Vec<String> = parts.iter().map(|(name, text)| format!("\"{name}\":{text}")).collect();
    if !text.is_empty() {
        params.push(format!("\"{key}\":{text}"));
    }
    format!(r#"{{"request_id":"r","method":"command.restart_child","params":{{{}}}}}"#, params.join(","))
}

fn table() -> Vec<Bad> {
    let unknown = "invalid-request";
    let deep = "more than 64 levels of arrays and objects at line 1 column";
    vec![
        // No object.
        bad("", unknown, "invalid_json", "the line is empty; write one JSON object on one line"),
        bad(" \t\r", unknown, "invalid_json", "the line is empty; write one JSON object on one line"),
        bad("\0", unknown, "invalid_json", "expected value at line 1 column 1"),
        bad(
            "\u{feff}{}",
            unknown,
            "invalid_json",
            "the line begins with a byte order mark; begin it with '{'",
        ),
        bad(b"\xff{}", unknown, "invalid_utf8", "the line is not UTF-8 at byte 1; write JSON in UTF-8"),
        bad(
            b"{\"request_id\":\"\xc3\"}",
            unknown,
            "invalid_utf8",
            "the line is not UTF-8 at byte 16; write JSON in UTF-8",
        ),
        bad("[]", unknown, "invalid_json", "invalid type: sequence, expected a JSON object at line 1 column"),
        bad(
            "\"a\"",
            unknown,
            "invalid_json",
            "invalid type: string \"a\", expected a JSON object at line 1 column 3",
        ),
        bad("null", unknown, "invalid_json", "invalid type: null, expected a JSON object at line 1 column 4"),
        bad(
            "7",
            unknown,
            "invalid_json",
            "invalid type: integer `7`, expected a JSON object at line 1 column 1",
        ),
        bad("nul", unknown, "invalid_json", "EOF while parsing a value at line 1 column 3"),
        bad("{", unknown, "invalid_json", "EOF while parsing an object at line 1 column 1"),
        bad(
            "[".repeat(200_000),
            unknown,
            "invalid_json",
            "invalid type: sequence, expected a JSON object at line 1 column",
        ),
        // One object, and something wrong with it as JSON; the id is told if it was read before.
        bad(
            r#"{"request_id":"r","method":"hello""#,
            "r",
            "invalid_json",
            "EOF while parsing an object at line 1 column 34",
        ),
        bad(
            r#"{"request_id":"r","method":"hello"} {"request_id":"s"}"#,
            "r",
            "invalid_json",
            "trailing characters at line 1 column 37",
        ),
        bad(
            r#"{"request_id":"r","method":"hello"},"#,
            "r",
            "invalid_json",
            "trailing characters at line 1 column 36",
        ),
        bad(
            r#"{"method":"hello",'request_id':"r"}"#,
            unknown,
            "invalid_json",
            "key must be a string at line 1 column 19",
        ),
        bad(
            "{\"request_id\":\"r\",\"method\":\"a\0b\"}",
            "r",
            "invalid_json",
            "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 30",
        ),
        bad(
            r#"{"request_id":"r","method":"\ud800"}"#,
            "r",
            "invalid_json",
            "unexpected end of hex escape at line 1 column 35",
        ),
        bad(
            r#"{"request_id":"r","method":"hello","params":1e400}"#,
            "r",
            "invalid_json",
            "number out of range at line 1 column 49",
        ),
        bad(
            r#"{"request_id":"r","method":"hello","params":NaN}"#,
            "r",
            "invalid_json",
            "expected value at line 1 column 45",
        ),
        bad(
            r#"{"request_id":"r","method":"hello","params":012}"#,
            "r",
            "invalid_json",
            "invalid number at line 1 column 46",
        ),
        // Keys that are there twice, at any level.
        bad(
            r#"{"request_id":"r","method":"hello","method":"state"}"#,
            "r",
            "invalid_json",
            "the key 'method' is there twice at line 1 column 43",
        ),
        bad(
            r#"{"request_id":"r","request_id":"s","method":"hello"}"#,
            unknown,
            "invalid_json",
            "the key 'request_id' is there twice at line 1 column 30",
        ),
        bad(
            r#"{"request_id":"r","method":"hello","params":{"a":[{"b":1,"b":1}]}}"#,
            "r",
            "invalid_json",
            "the key 'b' is there twice at line 1 column 60",
        ),
        bad(
            r#"{"request_id":"r","method":"hello","params":{"a":1,"\u0061":2}}"#,
            "r",
            "invalid_json",
            "the key 'a' is there twice at line 1 column 59",
        ),
        bad(
            r#"{"request_id":"r","\u202e":1,"\u202e":2}"#,
            "r",
            "invalid_json",
            "the key '\\u{202e}' is there twice at line 1 column 37",
        ),
        // Depth.
        bad(
            format!(r#"{{"request_id":"r","method":"hello","params":{}"#, "[".repeat(100_000)),
            "r",
            "invalid_json",
            deep,
        ),
        bad(
            format!(r#"{{"request_id":"r","method":"hello","params":{}"#, r#"{"a":"#.repeat(100_000)),
            "r",
            "invalid_json",
            deep,
        ),
        // The envelope.
        bad(r#"{"method":"hello"}"#, unknown, "invalid_json", "the key request_id is missing"),
        bad(r#"{"request_id":7,"method":"hello"}"#, unknown, "invalid_json", "request_id must be a text"),
        bad(r#"{"request_id":null,"method":"hello"}"#, unknown, "invalid_json", "request_id must be a text"),
        bad(
            r#"{"request_id":"","method":"hello"}"#,
            unknown,
            "invalid_json",
            "request_id must have 1 to 128 printable characters",
        ),
        bad(
            format!(r#"{{"request_id":"{}","method":"hello"}}"#, "x".repeat(60_000)),
            unknown,
            "invalid_json",
            "request_id must have 1 to 128 printable characters",
        ),
        bad(
            r#"{"request_id":"a\nb","method":"hello"}"#,
            unknown,
            "invalid_json",
            "request_id must have 1 to 128 printable characters",
        ),
        bad(r#"{"request_id":"r"}"#, "r", "invalid_json", "the key method is missing"),
        bad(r#"{"request_id":"r","method":["hello"]}"#, "r", "invalid_json", "method must be a text"),
        bad(
            r#"{"request_id":"r","method":"helo"}"#,
            "r",
            "unsupported_method",
            "there is no method 'helo'; nearest: hello",
        ),
        bad(
            r#"{"request_id":"r","method":"__proto__"}"#,
            "r",
            "unsupported_method",
            "there is no method '__proto__'",
        ),
        bad(
            r#"{"request_id":"r","method":"<img src=x onerror=…>"}"#,
            "r",
            "unsupported_method",
            "there is no method '<img src=x onerror=…>'",
        ),
        bad(
            r#"{"request_id":"r","method":"\u202e\u0000"}"#,
            "r",
            "unsupported_method",
            "there is no method '\\u{202e}\\u{0}'",
        ),
        bad(
            r#"{"request_id":"r","method":"command.fly"}"#,
            "r",
            "unsupported_method",
            "there is no method 'command.fly'",
        ),
        // Params.
        bad(
            r#"{"request_id":"r","method":"state","params":[]}"#,
            "r",
            "invalid_command_params",
            "params: invalid type: sequence, expected an object at line 1 column 46",
        ),
        bad(
            r#"{"request_id":"r","method":"state","params":{"limit":0}}"#,
            "r",
            "invalid_command_params",
            "params.limit: invalid value: integer `0`, expected a nonzero u32 at line 1 column 54",
        ),
        bad(
            r#"{"request_id":"r","method":"state","params":{"limit":-1}}"#,
            "r",
            "invalid_command_params",
            "params.limit: invalid value: integer `-1`, expected a nonzero u32 at line 1 column 55",
        ),
        bad(
            r#"{"request_id":"r","method":"state","params":{"under":"/a//b"}}"#,
            "r",
            "invalid_command_params",
            "params.under: the path '/a//b' has an empty segment ('//') at line 1 column 61",
        ),
        bad(
            r#"{"request_id":"r","method":"state","params":{"under":".."}}"#,
            "r",
            "invalid_command_params",
            "params.under: the path '..' must begin with '/' at line 1 column 58",
        ),
        bad(
            r#"{"request_id":"r","method":"events.subscribe"}"#,
            "r",
            "session_required",
            "a subscription needs params.session_established: true, and a connection that stays open",
        ),
        bad(
            r#"{"request_id":"r","method":"logs.tail","params":{"session_established":false}}"#,
            "r",
            "session_required",
            "a subscription needs params.session_established: true, and a connection that stays open",
        ),
        bad(
            r#"{"request_id":"r","method":"logs.tail","params":{"session_established":"true"}}"#,
            "r",
            "invalid_command_params",
            "params.session_established: invalid type: string \"true\", expected a boolean at line 1 column 77",
        ),
        bad(
            r#"{"request_id":"r","method":"events.subscribe","params":{"session_established":true,"from_sequence":18446744073709551616}}"#,
            "r",
            "invalid_command_params",
            "params.from_sequence: invalid type: floating point `1.8446744073709552e+19`, expected u64 at line 1 column 119",
        ),
        bad(
            r#"{"request_id":"r","method":"why"}"#,
            "r",
            "invalid_command_params",
            "the key params is missing",
        ),
        bad(
            r#"{"request_id":"r","method":"plan","params":{}}"#,
            "r",
            "invalid_command_params",
            "params: missing field `stack` at line 1 column 45",
        ),
        // Commands.
        bad(
            r#"{"request_id":"r","method":"command.restart_child","params":null}"#,
            "r",
            "invalid_command_params",
            "the key params is missing",
        ),
        bad(
            command("command", "\"pause_child\""),
            "r",
            "invalid_command_params",
            "the method is command.restart_child and params.command is pause_child; they must agree",
        ),
        bad(
            command("command", ""),
            "r",
            "invalid_command_params",
            "params: missing field `command` at line 1 column",
        ),
        bad(
            command("command_id", "\"\""),
            "r",
            "invalid_command_params",
            "params.command_id must have 1 to 128 printable characters",
        ),
        bad(
            command("command_id", "\"\\u0007\""),
            "r",
            "invalid_command_params",
            "params.command_id must have 1 to 128 printable characters",
        ),
        bad(
            command("command_id", &format!("\"{}\"", "x".repeat(129))),
            "r",
            "invalid_command_params",
            "params.command_id must have 1 to 128 printable characters",
        ),
        bad(
            command("reason", "7"),
            "r",
            "invalid_command_params",
            "params.reason: invalid type: integer `7`, expected a string at line 1 column",
        ),
        bad(
            command("reason", ""),
            "r",
            "invalid_command_params",
            "params: missing field `reason` at line 1 column",
        ),
        bad(
            command("confirmed", "\"no\""),
            "r",
            "invalid_command_params",
            "params.confirmed: invalid type: string \"no\", expected a boolean at line 1 column",
        ),
        bad(
            command("requested_at_unix_nanos", "-1"),
            "r",
            "invalid_command_params",
            "params.requested_at_unix_nanos: invalid type: integer `-1`, expected Unix nanoseconds, as an integer or a decimal string",
        ),
        bad(
            command("requested_at_unix_nanos", "18446744073709551616"),
            "r",
            "invalid_command_params",
            "params.requested_at_unix_nanos: invalid type: floating point",
        ),
        bad(
            command("requested_at_unix_nanos", "\"18446744073709551616\""),
            "r",
            "invalid_command_params",
            "params.requested_at_unix_nanos: invalid value: string \"18446744073709551616\", expected Unix nanoseconds",
        ),
        bad(
            command("requested_at_unix_nanos", "1e999"),
            "r",
            "invalid_json",
            "number out of range at line 1 column",
        ),
        bad(
            command("expect_state_generation", "1.5"),
            "r",
            "invalid_command_params",
            "params.expect_state_generation: invalid type: floating point `1.5`, expected u64 at line 1 column",
        ),
        // An array is no object, though its items might be the fields in their order.
        bad(
            command("target", "[\"/db\",null]"),
            "r",
            "invalid_command_params",
            "params.target: invalid type: sequence, expected an object at line 1 column",
        ),
        bad(
            command("target", r#"{"child_path":["/db"]}"#),
            "r",
            "invalid_command_params",
            "params.target.child_path: invalid type: sequence, expected a string at line 1 column",
        ),
    ]
}

#[test]
fn each_bad_line_has_its_answer() {
    let mut wrong = Vec::new();
    for Bad(line, id, code, message) in table() {
        let shown = String::from_utf8_lossy(&line[..line.len().min(120)]).into_owned();
        let refusal = match Request::read(&line) {
            Err(refusal) => refusal,
            Ok(request) => {
                wrong.push(format!("{shown}: read as {request:?}"));
                continue;
            }
        };
        let told = (refusal.request_id.as_str(), refusal.error.code.as_str());
        if told != (id, code) || !refusal.error.message.starts_with(message) {
            wrong.push(format!("{shown}: {told:?} {}", refusal.error.message));
        }
        assert!(!refusal.error.message.chars().any(char::is_control), "{shown}");
        assert!(!refusal.error.retryable, "{shown}");
        let stage = refusal.error.stage.known().unwrap();
        assert!(refusal.error.code.known().unwrap().stages().contains(&stage) && stage.refuses_the_request());
        let answer = serde_json::to_string(&refusal.response()).unwrap();
        assert!(!answer.contains('\n') && answer.len() < 1024, "{answer}");
        assert_eq!(value(&answer)["ok"], false);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_deepest_frame_is_read_and_one_level_more_is_not() {
    let frame = |levels: usize| {
        let nested = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        Request::read(format!(r#"{{"request_id":"r","method":"hello","params":{nested}}}"#).as_bytes())
    };
    assert!(frame(MAX_DEPTH - 1).is_ok());
    assert!(frame(MAX_DEPTH).is_err());
}

#[test]
fn a_message_of_a_peer_is_cut_before_it_is_told() {
    let line = format!(r#"{{"request_id":"r","method":"{}"}}"#, "\u{202e}x".repeat(20_000));
    let message = Request::read(line.as_bytes()).unwrap_err().error.message;
    assert!(message.len() < 8 * 512 && message.ends_with('…') && !message.contains('\u{202e}'));
}

#[test]
fn white_space_around_an_object_and_numbers_at_the_edge_are_good() {
    for line in [
        " {\"request_id\":\"r\",\"method\":\"hello\"}\r",
        r#"{"request_id":"r","method":"hello","params":[18446744073709551615,-9223372036854775808,1e308,-0.0]}"#,
        r#"{"request_id":"r","method":"hello","__proto__":{"constructor":{}}}"#,
        r#"{"request_id":"r","method":"events.subscribe","params":{"session_established":true,"from_sequence":18446744073709551615}}"#,
    ] {
        assert!(Request::read(line.as_bytes()).is_ok(), "{line}");
    }
}

fn asked(key: &str, text: &str) -> ControlCommandRequest {
    let line = value(&command(key, text));
    serde_json::from_value(line["params"].clone()).unwrap()
}

#[test]
fn a_command_whose_values_do_not_fit_is_rejected_with_the_remedy() {
    let refused = [
        ("target_id", "\"other\"", "this target is 'shop', not 'other'; ask that one"),
        ("reason", "\" \\t\"", "reason is blank; say why"),
        ("requested_by", "\"\"", "requested_by is blank; say who asks"),
        ("target", "null", "restart_child needs target.child_path, a path or an id"),
        ("target", r#"{"child_path":""}"#, "target.child_path: an id must not be empty"),
        (
            "target",
            r#"{"child_path":".."}"#,
            "target.child_path: the id '..' has the character '.' at position 1",
        ),
        (
            "target",
            r#"{"child_path":"/a//b"}"#,
            "target.child_path: the path '/a//b' has an empty segment ('//')",
        ),
        ("target", "{\"child_path\":\"/a\\u0000\"}", "target.child_path: the id 'a\\u{0}' has the character"),
        (
            "target",
            r#"{"child_path":"/\u202ea"}"#,
            "target.child_path: the id '\\u{202e}a' has the character",
        ),
        (
            "target",
            r#"{"child_path":"/a","child_manifest":{}}"#,
            "restart_child takes no target.child_manifest; leave it out",
        ),
        ("signal", "\"HUP\"", "restart_child takes no signal; leave it out"),
        ("stack", "\"\"", "restart_child takes no stack; leave it out"),
        ("rollback", "true", "restart_child takes no rollback; leave it out"),
    ];
    for (key, text, message) in refused {
        let error = asked(key, text).check("shop").expect_err(message);
        assert_eq!((error.code.as_str(), error.stage.as_str()), ("validation_failed", "command_validate"));
        assert!(error.message.starts_with(message), "{}", error.message);
        assert_eq!(error.target_id.as_deref(), Some("shop"));
    }
    for (key, text) in [("target", r#"{"child_path":"db"}"#), ("target", r#"{"child_path":"/__proto__/"}"#)] {
        assert_eq!(asked(key, text).check("shop"), Ok(()), "{text}");
    }
}

#[test]
fn each_command_needs_its_own_parts() {
    for line in crate::lines("requests") {
        let line = value(&line);
        let Some(command) = line["params"]["command_id"].as_str() else { continue };
        let asked: ControlCommandRequest = serde_json::from_value(line["params"].clone()).unwrap();
        assert_eq!(asked.check("shop"), Ok(()), "{command}");
        for key in ["stack", "signal"] {
            if line["params"].get(key).is_some() {
                let mut without = line["params"].clone();
                without.as_object_mut().unwrap().remove(key);
                let without: ControlCommandRequest = serde_json::from_value(without).unwrap();
                let message = without.check("shop").unwrap_err().message;
                assert_eq!(message, format!("{} needs {key}", asked.command));
            }
        }
    }
    let mut all = asked("command", "\"shutdown_tree\"");
    assert!(all.check("shop").unwrap_err().message.contains("is about the whole tree"));
    all.target.child_path = Some("/".into());
    assert_eq!(all.check("shop"), Ok(()));
    let add = asked("command", "\"add_child\"");
    assert_eq!(add.check("shop").unwrap_err().message, "add_child needs target.child_manifest");
}
