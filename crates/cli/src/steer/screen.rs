//! Where answers go: text for people, or JSON for programs.

use std::io::IsTerminal as _;

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;
use supervisor_api::wire::{Word, plain};
use supervisor_api::{Lifecycle, Severity};

use crate::args::{AnswerForm, ColorWhen};
use crate::paint::{DIM, GREEN, PLAIN, Paint, RED, YELLOW};
use crate::print;

/// The longest text of a peer that is shown in one place.
const SHOWN: usize = 4_096;

/// The form of answers, and who looks at them.
pub(crate) struct Screen {
    form: AnswerForm,
    paint: Paint,
    /// A terminal shows the time of day; what is kept needs the date and the offset.
    terminal: bool,
    zone: TimeZone,
}

impl Screen {
    pub(super) fn new(form: AnswerForm, color: ColorWhen) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { form, paint: Paint::new(color, terminal), terminal, zone: TimeZone::system() }
    }

    /// One without colour.
    pub(crate) fn plain(form: AnswerForm) -> Self {
        Self::new(form, ColorWhen::Never)
    }

    pub(crate) fn is_json(&self) -> bool {
        self.form == AnswerForm::Json
    }

    /// Prints one line of JSON.
    pub(crate) fn json(&self, value: &impl Serialize) {
        let text = serde_json::to_string(value)
            // Every key is text, so this does not happen; if it does, the reader is told.
            .unwrap_or_else(|error| {
                json!({"type": "error", "error": {"message": error.to_string()}}).to_string()
            });
        print::out(&(text + "\n"));
    }

    /// Says something beside the answer; programs are not told.
    pub(super) fn note(&self, text: &str) {
        if !self.is_json() {
            print::err(&format!("{text}\n"));
        }
    }

    pub(super) fn paint(&self, colour: &str, text: &str) -> String {
        self.paint.paint(colour, text)
    }

    /// A time as this reader wants it.
    pub(crate) fn time(&self, unix_nanos: u64) -> String {
        let (form, offset) = if self.terminal { (CLOCK, "") } else { ("%Y-%m-%dT%H:%M:%S", "%:z") };
        self.paint(DIM, &time(&self.zone, unix_nanos, form, offset))
    }
}

/// How a person at a terminal reads a time.
const CLOCK: &str = "%H:%M:%S";

/// The time of day with milliseconds.
pub(crate) fn clock(zone: &TimeZone, unix_nanos: u64) -> String {
    time(zone, unix_nanos, CLOCK, "")
}

fn time(zone: &TimeZone, unix_nanos: u64, form: &str, offset: &str) -> String {
    let at = i64::try_from(unix_nanos / 1_000_000_000).ok();
    let at = at.and_then(|second| jiff::Timestamp::from_second(second).ok()).unwrap_or_default();
    let at = at.to_zoned(zone.clone());
    let millis = unix_nanos / 1_000_000 % 1_000;
    format!("{}.{millis:03}{}", at.strftime(form), at.strftime(offset))
}

/// Text of a peer, safe for a terminal.
pub(crate) fn safe(text: &str) -> String {
    plain(text, SHOWN)
}

/// The colour of a state.
pub(super) fn state_colour(state: &Word<Lifecycle>) -> &'static str {
    use Lifecycle::*;
    match state.known() {
        Some(Running) => GREEN,
        Some(Waiting | Starting | Backoff | Stopping | Paused) => YELLOW,
        Some(Failed | Quarantined | Unresponsive) => RED,
        Some(Declared | Stopped | Completed | Removed) => DIM,
        None => PLAIN,
    }
}

pub(super) fn severity_colour(severity: &Word<Severity>) -> &'static str {
    match severity.known() {
        Some(Severity::Error) => RED,
        Some(Severity::Warning) => YELLOW,
        Some(Severity::Debug | Severity::Trace) => DIM,
        _ => PLAIN,
    }
}
