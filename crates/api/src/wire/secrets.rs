//! What is left out of a record of the audit: secrets never reach the disk (security rule 17).

use serde_json::{Map, Value};

use super::error::{ErrorCode, WireError};
use super::word::Word;
use crate::manifest::secret_reference;

/// What stands for a value that was left out.
const LEFT_OUT: &str = "[left out]";

/// Shorter texts are not looked for in messages: they would be found in every word.
const SHORTEST: usize = 4;

/// Codes whose messages are our own words and quote nothing.
const OUR_WORDS: &[ErrorCode] = &[
    ErrorCode::AuthzDenied,
    ErrorCode::RateLimitExceeded,
    ErrorCode::CommandIdConflict,
    ErrorCode::ReplayDetected,
    ErrorCode::AuditWriteFailed,
    ErrorCode::RequestTooLarge,
];

/// The values of a command that must not be recorded, as far as they are known (security rule 17).
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    values: Vec<String>,
    /// There is a text that was not read: any message may quote it.
    unread: bool,
}

impl Secrets {
    /// A text was not read, so nobody knows what in it is secret.
    pub fn unread(&mut self) {
        self.unread = true;
    }

    /// A manifest without the values of `environment`, `headers` and `secrets`, wherever in it they stand. What was left out
    /// is kept in mind. Names, and references to secrets that are well-formed, stay.
    pub fn strip(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(entries) => entries
                .iter()
                .map(|(key, value)| {
                    let stripped = match key.as_str() {
                        "environment" | "headers" => self.strip_list(value, &is_environment_key),
                        "secrets" => self.strip_list(value, &is_secrets_key),
                        _ => self.strip(value),
                    };
                    (key.clone(), stripped)
                })
                .collect(),
            Value::Array(items) => items.iter().map(|item| self.strip(item)).collect(),
            scalar => scalar.clone(),
        }
    }

    /// A list of entries. Anything else in its place is left out as a whole: what it was meant to be is not known.
    fn strip_list(&mut self, list: &Value, stays: &dyn Fn(&str, &Value) -> bool) -> Value {
        let Value::Array(items) = list else { return self.leave_out(list) };
        let strip = |item: &Value| match item {
            Value::Object(entries) => {
                let stripped: Map<_, _> = entries
                    .iter()
                    .map(|(key, value)| {
                        (key.clone(), if stays(key, value) { value.clone() } else { self.leave_out(value) })
                    })
                    .collect();
                Value::Object(stripped)
            }
            other => self.leave_out(other),
        };
        items.iter().map(strip).collect()
    }

    fn leave_out(&mut self, value: &Value) -> Value {
        match value {
            Value::Null => return Value::Null,
            Value::String(text) => self.note(text),
            Value::Array(items) => items.iter().for_each(|item| drop(self.leave_out(item))),
            Value::Object(entries) => entries.values().for_each(|value| drop(self.leave_out(value))),
            scalar => self.note(&scalar.to_string()),
        }
        LEFT_OUT.into()
    }

    fn note(&mut self, text: &str) {
        // Parsers and messages show a text trimmed, or escaped as JSON has it, or what stands behind `NAME=`.
        let escaped = Value::from(text).to_string();
        let assigned = text.split_once('=').map_or("", |(_, value)| value);
        for form in [text, text.trim(), escaped.trim_matches('"'), assigned] {
            if form.len() >= SHORTEST && !self.values.iter().any(|known| known == form) {
                self.values.push(form.to_owned());
            }
        }
        // A value that holds another one goes first.
        self.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// An error without what was left out.
    pub fn scrub(&self, error: &WireError) -> WireError {
        let quotes = match &error.code {
            Word::Known(code) => !OUR_WORDS.contains(code),
            Word::Other(_) => true,
        };
        let message = if self.unread && quotes {
            "[left out, because it may quote what was sent]".to_owned()
        } else {
            self.scrub_text(&error.message)
        };
        WireError { message, ..error.clone() }
    }

    /// An answer of the tree without what was left out; `None` when nobody knows what that was.
    pub fn scrub_answer(&self, answer: &Value) -> Option<Value> {
        (!self.unread).then(|| self.scrub_value(answer))
    }

    fn scrub_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.scrub_text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.scrub_value(item)).collect(),
            Value::Object(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), self.scrub_value(value))).collect()
            }
            scalar => scalar.clone(),
        }
    }

    fn scrub_text(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, value| text.replace(value, LEFT_OUT))
    }
}

/// A variable or a header is told by its name; a reference says where the value comes from and not what it is.
fn is_environment_key(key: &str, value: &Value) -> bool {
    match key {
        "name" => is_name(value),
        "secret_ref" => value.as_str().is_some_and(|text| secret_reference(text).is_some()),
        _ => false,
    }
}

fn is_secrets_key(key: &str, value: &Value) -> bool {
    match key {
        "name" | "key" => is_name(value),
        "required" => value.is_boolean(),
        _ => false,
    }
}

/// Whether a text is made as names of variables are. One that is not may be a value in the wrong place.
fn is_name(value: &Value) -> bool {
    let is_name = |text: &str| {
        text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    value.as_str().is_some_and(is_name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CANARY: &str = "canary-8f21";

    fn strip(value: &Value) -> (Value, Secrets) {
        let mut secrets = Secrets::default();
        (secrets.strip(value), secrets)
    }

    #[test]
    fn s17_values_of_environment_and_secrets_are_left_out_at_every_depth() {
        let environment = json!([{"name": "TOKEN", "value": CANARY}, {"name": "B", "secret_ref": "${B}"}]);
        let (stripped, _) = strip(&json!({
            "name": "api",
            "command": ["serve", "--port", "80"],
            "environment": environment,
            "readiness": {"http": {"url": "http://a/", "headers": environment}},
            "secrets": [{"name": "db", "key": "DB_PASSWORD", "required": true}],
            "defaults": {"environment": environment},
            "children": [{"name": "x", "environment": environment, "children": [{"environment": environment}]}],
        }));
        let kept = json!([{"name": "TOKEN", "value": LEFT_OUT}, {"name": "B", "secret_ref": "${B}"}]);
        assert_eq!(
            stripped,
            json!({
                "name": "api",
                "command": ["serve", "--port", "80"],
                "environment": kept,
                "readiness": {"http": {"url": "http://a/", "headers": kept}},
                "secrets": [{"name": "db", "key": "DB_PASSWORD", "required": true}],
                "defaults": {"environment": kept},
                "children": [{"name": "x", "environment": kept, "children": [{"environment": kept}]}],
            })
        );
    }

    #[test]
    fn s17_what_is_not_made_as_it_should_be_is_left_out_too() {
        for wrong in [
            json!({"environment": {"TOKEN": CANARY}}),
            json!({"environment": CANARY}),
            json!({"environment": [format!("TOKEN={CANARY}")]}),
            json!({"environment": [[CANARY]]}),
            json!({"environment": [{"name": "T", "value": {"deep": [CANARY]}}]}),
            json!({"environment": [{"name": format!("TOKEN={CANARY}")}]}),
            json!({"environment": [{"name": "T", "secret_ref": CANARY}]}),
            json!({"environment": [{"name": "T", "vlaue": CANARY}]}),
            json!({"secrets": [{"name": "db", "value": CANARY}]}),
            json!({"secrets": [{"name": "db", "key": format!("{CANARY}!")}]}),
            json!({"secrets": {"db": CANARY}}),
        ] {
            let (stripped, secrets) = strip(&wrong);
            assert!(!stripped.to_string().contains(CANARY), "{stripped}");
            let error = WireError::new(ErrorCode::ValidationFailed, format!("bad value '{CANARY}!' there"));
            assert!(!secrets.scrub(&error).message.contains(CANARY), "{wrong}");
        }
    }

    #[test]
    fn s17_a_message_and_an_answer_that_quote_a_value_lose_it() {
        let value = "p\"a ss\n";
        let (_, secrets) = strip(&json!({"environment": [
            {"name": "A", "value": value}, {"name": "B", "value": "p\"a ss\n and more"}, {"name": "C", "value": 8_123_456}
        ]}));
        let message = format!("{value:?} | {value} | {} | 8123456 | p\"a ss\n and more", value.trim());
        let scrubbed = secrets.scrub_text(&message);
        assert!(
            !scrubbed.contains("ss") && !scrubbed.contains("8123456") && !scrubbed.contains("more"),
            "{scrubbed}"
        );
        let answer = secrets.scrub_answer(&json!({"a": [format!("x {} y", value.trim())], "n": 1}));
        assert_eq!(answer, Some(json!({"a": ["x [left out] y"], "n": 1})));
    }

    #[test]
    fn s17_of_a_text_that_was_not_read_no_message_is_kept_that_may_quote_it() {
        let mut secrets = Secrets::default();
        secrets.unread();
        let quoting = WireError::new(ErrorCode::ValidationFailed, format!("'{CANARY}' is no key"));
        assert!(!secrets.scrub(&quoting).message.contains(CANARY));
        assert_eq!(secrets.scrub_answer(&json!({"text": CANARY})), None);
        let ours = WireError::new(ErrorCode::AuthzDenied, "an operator may not add children");
        assert_eq!(secrets.scrub(&ours), ours);
    }
}
