//! How long a unit waits before a restart, and when it is given up.

use super::super::amount::{number, span};
use super::super::sheet::{Child, Value};
use super::super::{Carried, Refusal};
use super::{BURST, DELAY, WINDOW, left};

/// What is said of starts.
#[derive(Default)]
pub(super) struct Starts {
    /// As many starts within so many seconds are too many.
    burst: Option<u32>,
    window: Option<f64>,
    /// The delay before a restart, and the longest one, in seconds.
    delay: Option<f64>,
    slowest: Option<f64>,
}

impl Starts {
    pub(super) fn limit(&mut self, key: &str, value: &str) -> Carried {
        match key {
            "StartLimitBurst" => self.burst = Some(number(value)?),
            "StartLimitIntervalSec" | "StartLimitInterval" => {
                let why = "a window has an end; say `window_secs`, or `budget: unlimited`";
                self.window = Some(span(value)?.ok_or(why)?);
            }
            key => return Err(left::why(key).to_owned()),
        }
        Ok(())
    }

    /// Whether it was a key of the delay.
    pub(super) fn delay(&mut self, key: &str, value: &str) -> Result<bool, Refusal> {
        let of = match key {
            "RestartSec" => &mut self.delay,
            "RestartMaxDelaySec" => &mut self.slowest,
            _ => return Ok(false),
        };
        *of = Some(span(value)?.ok_or("a delay has an end")?);
        Ok(true)
    }

    /// Says it of a program. Starts that are so far apart that there are never too many within the window have no limit.
    pub(super) fn say(&self, child: &mut Child, restarts: bool) {
        let keys = &mut child.keys;
        if let Some(delay) = self.delay {
            keys.set_in("backoff", "initial_ms", Value::millis(delay));
            keys.set_in("backoff", "max_ms", Value::millis(delay));
            keys.set_in("backoff", "jitter_ratio", Value::plain(0));
        }
        if self.slowest.is_some() {
            keys.set_in("backoff", "max_ms", Value::millis(self.slowest()));
        }
        let burst = self.burst.unwrap_or(BURST);
        let window = self.window.unwrap_or(f64::from(WINDOW));
        let none = burst == 0 || window == 0.0;
        if none || restarts && self.least(burst) >= window {
            keys.set("budget", Value::plain("unlimited"));
            if !none {
                let note = format!(
                    "With its delay there are never {burst} starts within {window} s: it is not given up."
                );
                child.notes.push(note);
            }
            return;
        }
        if let Some(window) = self.window {
            keys.set_in("budget", "window_secs", Value::plain(window));
        }
        if let Some(burst) = self.burst {
            keys.set_in("budget", "max_restarts", Value::plain(burst));
        }
    }

    /// A longest delay that is shorter than the first is none.
    fn slowest(&self) -> f64 {
        self.slowest.unwrap_or(0.0).max(self.delay.unwrap_or(DELAY))
    }

    /// As many seconds so many restarts take at least.
    fn least(&self, restarts: u32) -> f64 {
        let (mut sum, mut delay, mut left) = (0.0, self.delay.unwrap_or(DELAY), restarts);
        while left > 0 && delay > 0.0 && delay < self.slowest() {
            sum += delay;
            delay *= 2.0;
            left -= 1;
        }
        sum + self.slowest().min(delay) * f64::from(left)
    }
}
