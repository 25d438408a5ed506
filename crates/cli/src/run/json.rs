//! One JSON object per line, in the shapes of the wire.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, json};
use supervisor_stack::tokio_supervisor::{Gap, LogRecord, StampedEvent};

use super::ending::Ending;
use super::form::{Lost, Ways};

/// Lines for programs.
pub(crate) struct Json {
    target: String,
    ways: Ways,
}

/// One line; what it holds is under the name of its type.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Started {
        target_id: &'a str,
        started_at_unix_nanos: u64,
        control_socket: Option<Cow<'a, str>>,
        health: Option<&'a str>,
        dashboard: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        login_link: Option<&'a str>,
    },
    Event {
        target_id: &'a str,
        event: &'a StampedEvent,
    },
    Log {
        target_id: &'a str,
        log: Value,
    },
    Gap {
        target_id: &'a str,
        stream: &'static str,
        from: u64,
        to: u64,
    },
    Report {
        target_id: &'a str,
        exit_code: u8,
        problems: &'a [String],
        ran_ms: u64,
        report: Value,
    },
}

impl Json {
    pub(super) fn new(target: &str, ways: Ways) -> Self {
        Self { target: target.to_owned(), ways }
    }

    pub(super) fn opening(&self, at: u64) -> String {
        let Ways { socket, health, dashboard, login_link } = &self.ways;
        one_line(&Line::Started {
            target_id: &self.target,
            started_at_unix_nanos: at,
            control_socket: socket.as_ref().map(|path| path.to_string_lossy()),
            health: health.as_deref(),
            dashboard: dashboard.as_deref(),
            login_link: login_link.as_deref(),
        })
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
