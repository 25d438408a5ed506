//! How long a run is being polled: the time for which it keeps a worker of the runtime to itself.
//!
//! Only runs that are asked for it have a meter, since it looks at the clock twice for each poll. The time is real: it
//! goes on while a test has paused Tokio's.

use std::num::NonZeroU32;
use std::sync::PoisonError;
use std::time::Duration;

use supervisor_api::PollTimes;

use crate::clock::{RealTime, nanos, unix_nanos};
use crate::sync::Mutex;

/// Over how much time at least the share is taken.
const WINDOW: u64 = nanos_of(Duration::from_secs(2));
/// A task that has much to do may be busy for a while: only so many windows in a row count.
const IN_A_ROW: u64 = 5;

const fn nanos_of(span: Duration) -> u64 {
    span.as_secs() * 1_000_000_000
}

/// That a child's polls are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metering {
    /// The most of a worker's time that they may take, in percent.
    pub(crate) limit: Option<NonZeroU32>,
}

/// Times the polls of one run.
pub(crate) struct Meter {
    metering: Metering,
    began: RealTime,
    figures: Mutex<Figures>,
}

impl Meter {
    pub(crate) fn new(metering: Metering) -> Self {
        Self { metering, began: RealTime::now(), figures: Mutex::new(Figures::default()) }
    }

    fn now(&self) -> u64 {
        nanos(self.began.age())
    }

    /// A poll begins.
    pub(crate) fn begins(&self) {
        let now = self.now();
        let limit = self.metering.limit;
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).begins(now, limit);
    }

    /// The poll is over. What is to be told of it, if the run is and was above its limit for long enough.
    pub(crate) fn ends(&self) -> Option<String> {
        let now = self.now();
        let limit = self.metering.limit;
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).ends(now, limit)
    }

    /// The figures as of now.
    pub(crate) fn read(&self) -> PollTimes {
        let now = self.now();
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        PollTimes { measured_at_unix_nanos: unix_nanos(), ..figures.read(now) }
    }
}

/// All times in nanoseconds since the run began.
#[derive(Debug, Default)]
struct Figures {
    /// Since when it is being polled.
    polled_since: Option<u64>,
    polls: u64,
    busy: u64,
    longest: u64,
    /// When the window that is open began, and how long the run had been polled by then.
    window: u64,
    busy_before: u64,
    /// The share of the last window that is closed.
    percent: Option<u32>,
    /// How many windows in a row were above the limit.
    above: u64,
    /// The last window was one too many, and that is to be told.
    too_much: bool,
}

impl Figures {
    fn begins(&mut self, now: u64, limit: Option<NonZeroU32>) {
        // A window in which nothing happened is closed, so that it does not thin out what comes.
        self.close(now, limit);
        self.polled_since = Some(now);
    }

    fn ends(&mut self, now: u64, limit: Option<NonZeroU32>) -> Option<String> {
        let took = now.saturating_sub(self.polled_since.take()?);
        self.polls += 1;
        self.busy += took;
        self.longest = self.longest.max(took);
        self.close(now, limit);
        let (limit, percent) = limit.zip(self.percent.filter(|_| std::mem::take(&mut self.too_much)))?;
        Some(format!("its polls take {percent} % of a worker's time, its limit is {limit} %"))
    }

    /// Closes the window if it is long enough. One that is as long as several counts as several.
    fn close(&mut self, now: u64, limit: Option<NonZeroU32>) {
        let passed = now.saturating_sub(self.window);
        if passed < WINDOW {
            return;
        }
        let percent = share(self.busy - self.busy_before, passed);
        (self.window, self.busy_before, self.percent) = (now, self.busy, Some(percent));
        let is_above = limit.is_some_and(|limit| percent > limit.get());
        self.above = if is_above { self.above + passed / WINDOW } else { 0 };
        self.too_much = self.above >= IN_A_ROW;
    }

    fn read(&self, now: u64) -> PollTimes {
        let going_on = self.polled_since.map_or(0, |since| now.saturating_sub(since));
        let (busy, passed) = (self.busy + going_on, now.saturating_sub(self.window));
        let open = || share(busy - self.busy_before, passed);
        PollTimes {
            busy_percent: self.percent.filter(|_| passed < WINDOW).unwrap_or_else(open),
            busy_millis: busy / 1_000_000,
            polls: self.polls,
            longest_poll_micros: self.longest.max(going_on) / 1_000,
            measured_at_unix_nanos: 0,
        }
    }
}

/// Rounded to whole percent.
fn share(busy: u64, passed: u64) -> u32 {
    let passed = passed.max(1);
    u32::try_from((busy.saturating_mul(100) + passed / 2) / passed).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Polls of `busy` ms at the beginning of each of `many` steps of `step` ms, from `at` on.
    fn polls(figures: &mut Figures, limit: u32, at: u64, many: u64, step: u64, busy: u64) -> Vec<String> {
        let mut told = Vec::new();
        for n in 0..many {
            let limit = NonZeroU32::new(limit);
            figures.begins((at + n * step) * MS, limit);
            told.extend(figures.ends((at + n * step + busy) * MS, limit));
        }
        told
    }

    #[test]
    fn share_and_longest_poll_are_those_of_the_run() {
        let mut figures = Figures::default();
        polls(&mut figures, 0, 0, 4, 100, 30);
        let read = figures.read(400 * MS);
        let expected =
            PollTimes { busy_percent: 30, busy_millis: 120, polls: 4, longest_poll_micros: 30_000, ..read };
        assert_eq!(read, expected);
        figures.begins(400 * MS, None);
        let during = figures.read(1_000 * MS);
        assert_eq!((during.busy_percent, during.longest_poll_micros), (72, 600_000), "what goes on counts");
        assert_eq!(during.polls, 4);
    }

    #[test]
    fn an_idle_run_is_idle_after_one_window() {
        let mut figures = Figures::default();
        polls(&mut figures, 0, 0, 21, 100, 50);
        assert_eq!(figures.read(2_100 * MS).busy_percent, 50, "of the window that is closed");
        assert_eq!(figures.read(12_050 * MS).busy_percent, 0);
    }

    #[test]
    fn only_the_fifth_window_in_a_row_above_the_limit_is_told() {
        let mut figures = Figures::default();
        // Eight seconds of 60 %, two of 40 %, and all over again.
        assert_eq!(polls(&mut figures, 50, 0, 80, 100, 60), [""; 0]);
        assert_eq!(polls(&mut figures, 50, 8_000, 41, 100, 40), [""; 0]);
        let told = polls(&mut figures, 50, 12_100, 140, 100, 60);
        assert!(!told.is_empty() && told.len() <= 3, "{told:?}");
        assert_eq!(told[0], "its polls take 60 % of a worker's time, its limit is 50 %");
    }

    #[test]
    fn one_poll_as_long_as_five_windows_counts_as_five_and_idleness_before_it_does_not_hide_it() {
        let mut figures = Figures::default();
        assert_eq!(polls(&mut figures, 90, 60_000, 1, 1, 9_900), [""; 0]);
        let mut figures = Figures::default();
        let told = polls(&mut figures, 90, 60_000, 1, 1, 10_000);
        assert_eq!(told, ["its polls take 100 % of a worker's time, its limit is 90 %"]);
        assert_eq!(
            polls(&mut Figures::default(), 100, 0, 1, 1, 60_000),
            [""; 0],
            "at the limit is not above it"
        );
    }
}
