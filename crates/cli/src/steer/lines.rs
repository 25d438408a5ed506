//! Events and logs as lines.

use serde_json::json;
use supervisor_api::Severity;
use supervisor_api::wire::{EventRecord, Gap, LogRecord, Stream};

use super::screen::{Screen, safe, severity_colour};
use crate::paint::{CYAN, DIM, YELLOW};
use crate::print;

/// The column of paths; longer ones move their line.
const PATH: usize = 20;

impl Screen {
    /// An event, as in `run --output json` or as text.
    pub(super) fn event(&self, event: &EventRecord) {
        if self.is_json() {
            self.json(&json!({"type": "event", "target_id": event.target_id, "event": event}));
        } else {
            print::out(&self.event_line(event));
        }
    }

    /// The sequence, which `--since` takes, the time, the path and what happened.
    pub(super) fn event_line(&self, event: &EventRecord) -> String {
        let text = event.to_string();
        let text = text.strip_prefix(event.target_path.as_str()).unwrap_or(&text).trim_start();
        let text = self.paint(severity_colour(&event.severity), &safe(text));
        let sequence = self.paint(DIM, &format!("{:>6}", event.sequence));
        format!(
            "{sequence} {} {} {text}\n",
            self.time(event.occurred_at_unix_nanos.0),
            self.path(event.target_path.as_str())
        )
    }

    pub(super) fn log(&self, log: &LogRecord) {
        if self.is_json() {
            self.json(&json!({"type": "log", "target_id": log.target_id, "log": log}));
            return;
        }
        let is_bad = log.severity.known().is_some_and(|severity| severity >= Severity::Warning);
        let text = self.paint(if is_bad { YELLOW } else { "" }, &safe(&log.message));
        let path = log.child_path.as_ref().map_or("", |path| path.as_str());
        let bar = self.paint(DIM, "|");
        print::out(&format!(
            "{} {} {bar} {text}\n",
            self.time(log.occurred_at_unix_nanos.0),
            self.path(path)
        ));
    }

    /// The target is another one under the same name. A program that follows by sequence has to know.
    pub(super) fn started_again(&self, target_id: &str) {
        if self.is_json() {
            self.json(&json!({"type": "target_restarted", "target_id": target_id}));
        } else {
            self.note("the target was started again; its events begin anew");
        }
    }

    /// Records that are not shown because the target no longer keeps them.
    pub(super) fn gap(&self, target_id: &str, stream: Stream, gap: Gap) {
        let Gap { from, to } = gap;
        if self.is_json() {
            self.json(
                &json!({"type": "gap", "target_id": target_id, "stream": stream, "from": from, "to": to}),
            );
            return;
        }
        let text = format!("… {stream} {from} to {to} are no longer kept by the target");
        print::out(&format!("{}\n", self.paint(YELLOW, &text)));
    }

    fn path(&self, path: &str) -> String {
        self.paint(CYAN, &format!("{path:PATH$}"))
    }
}
