//! `startsecs` and `startretries`: when a program is given up.
//!
//! supervisord counts the starts in a row after which a program did not run for `startsecs`, and any run of that length
//! clears the count. A budget counts all restarts within a window. In a window of `startretries` times `startsecs` there
//! is no room for one restart more if each run lasts `startsecs`, and much if it ends at once: so who is given up, and
//! who is never, are the same.

use super::super::sheet::{Keys, Value};

/// What supervisord has by default.
const MANY: u32 = 3;
const SECS: f64 = 1.0;
/// The longest delay between starts, in seconds, and as a part of `startsecs`: with more the window has no room for them.
const DELAY: f64 = 1.0;
const PART: f64 = 0.5;
/// The longest window that a budget has, in seconds.
const YEAR: f64 = 31_536_000.0;

/// What is said of a program.
#[derive(Default)]
pub(super) struct Retries {
    /// `startretries`.
    pub(super) many: Option<u32>,
    /// `startsecs`.
    pub(super) secs: Option<f64>,
}

impl Retries {
    /// Says it of a program, if it says other than the others. Gives back why it is not so to the letter.
    pub(super) fn say(&self, keys: &mut Keys, notes: &mut Vec<String>, is_job: bool) -> Option<&'static str> {
        let (many, secs) = (self.many.unwrap_or(MANY), self.secs.unwrap_or(SECS));
        if is_job {
            let why = "a job is started once; `retry: true` starts it again whenever it fails";
            return self.many.map(|_| why);
        }
        if secs == 0.0 {
            notes.push("It is never given up: with `startsecs=0` no run is too short.".to_owned());
            keys.set("budget", Value::plain("unlimited"));
            return None;
        }
        if f64::from(many) * secs > YEAR {
            notes.push(format!("It is never given up: {many} starts in a row take a year and more."));
            keys.set("budget", Value::plain("unlimited"));
        } else if self.many.is_some() || self.secs.is_some() {
            let [restarts, window] = figures(many.max(1), secs);
            keys.set("budget", Value::Map(vec![restarts, window]));
        }
        if self.secs.is_some() {
            keys.set("backoff", backoff(secs));
        }
        let why = "it is given up when it has ended too soon for the second time, not for the first; `max_restarts: 0` would \
                   give it up at any end";
        (many == 0).then_some(why)
    }
}

fn figures(many: u32, secs: f64) -> [(&'static str, Value); 2] {
    let window = f64::from(many) * secs;
    [("max_restarts", Value::plain(many)), ("window_secs", Value::plain(window))]
}

fn backoff(secs: f64) -> Value {
    let delay = Value::millis(DELAY.min(secs * PART));
    Value::Map(vec![
        ("initial_ms", delay.clone()),
        ("max_ms", delay),
        ("jitter_ratio", Value::plain(0)),
        ("reset_after_secs", Value::plain(secs)),
    ])
}

/// What is so of all programs that do not say. One that cannot be kept up is parked, and nobody else suffers.
pub(super) fn budget() -> Value {
    let [restarts, window] = figures(MANY, SECS);
    Value::Map(vec![restarts, window, ("on_exhausted", Value::plain("quarantine"))])
}

/// The delay of all programs that do not say.
pub(super) fn delay() -> Value {
    backoff(SECS)
}
