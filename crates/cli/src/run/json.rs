//! One JSON object per line, in the shapes of the wire.

use serde::Serialize;
use serde_json::{Map, Value, json};
use supervisor_stack::tokio_supervisor::{Gap, LogRecord, StampedEvent};

use super::ending::Ending;
use super::form::Lost;

/// Lines for programs.
pub(crate) struct Json {
    target: String,
}

/// One line; what it holds is under the name of its type.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Event { target_id: &'a str, event: &'a StampedEvent },
    Log { target_id: &'a str, log: Value },
    Gap { target_id: &'a str, stream: &'static str, from: u64, to: u64 },
    Report { target_id: &'a str, exit_code: u8, problems: &'a [String], ran_ms: u64, report: Value },
}

impl Json {
    pub(crate) fn new(target: &str) -> Self {
        Self { target: target.to_owned() }
    }

    pub(super) fn event(&self, event: &StampedEvent) -> String {
        one_line(&Line::Event { target_id: &self.target, event })
    }

    pub(super) fn line(&self, line: &LogRecord) -> String {
        let fields: Map<String, Value> =
            line.fields.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let log = json!({
            "sequence": line.sequence,
            "severity": line.severity,
            "target_path": line.path,
            "generation": line.generation,
            "message": line.message,
            "fields": fields,
            "occurred_at_unix_nanos": line.occurred_at_unix_nanos,
        });
        one_line(&Line::Log { target_id: &self.target, log })
    }

    pub(super) fn gap(&self, lost: Lost, gap: Gap) -> String {
        let stream = match lost {
            Lost::Events => "events",
            Lost::Logs => "logs",
        };
        one_line(&Line::Gap { target_id: &self.target, stream, from: gap.from, to: gap.to })
    }

    pub(super) fn ending(&self, ending: &Ending) -> String {
        let mut report = json!(ending.report);
        report["shutdown"] = json!(ending.result);
        let (exit_code, problems) = (ending.exit.code(), &ending.problems[..]);
        let ran_ms = ending.ran_nanos / 1_000_000;
        one_line(&Line::Report { target_id: &self.target, exit_code, problems, ran_ms, report })
    }
}

fn one_line(line: &Line<'_>) -> String {
    match serde_json::to_string(line) {
        Ok(text) => text + "\n",
        // Every key is text, so this does not happen; if it does, the reader is told.
        Err(error) => format!("{}\n", json!({"type": "error", "error": {"message": error.to_string()}})),
    }
}
