//! The only place of this crate that reads a clock.
//!
//! The machine's time is nanoseconds since the tree was launched, on Tokio's clock: a test that pauses
//! time governs every deadline. Wall-clock time only stamps what is shown to people. The watchdog alone
//! needs real time, because it looks for what time standing still would hide.
#![expect(clippy::disallowed_methods, reason = "clocks are read here so that nobody else has to")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The time of one tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that reads 0 now. Must be made inside the runtime, whose time it follows.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Nanoseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        nanos(self.start.elapsed())
    }

    /// The instant that `at` nanoseconds after the start is; one too far away to be reached reads as 30 years.
    pub(crate) fn instant(&self, at: u64) -> Instant {
        const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
        self.start + Duration::from_nanos(at).min(FAR)
    }
}

/// A span in nanoseconds; 584 years and more read as that.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The wall clock in Unix nanoseconds, as it stamps events and logs: for what is shown to people beside these. A clock
/// before 1970 reads 0.
pub fn unix_nanos() -> u64 {
    unix_nanos_of(wall())
}

#[cfg(not(test))]
fn wall() -> SystemTime {
    SystemTime::now()
}

/// In tests somebody may set the wall clock.
#[cfg(test)]
pub(crate) use set::{restless, wall};

fn unix_nanos_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, nanos)
}

/// Real time, which no test can stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RealTime(std::time::Instant);

impl RealTime {
    /// Now.
    pub(crate) fn now() -> Self {
        Self(std::time::Instant::now())
    }

    /// How long after `earlier` this was; nothing if it was not.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// How long ago this was.
    pub(crate) fn age(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod set {
    use std::cell::Cell;
    use std::time::{Duration, SystemTime};

    thread_local! {
        /// How often this thread has read a wall clock that jumps; `None`: it does not.
        static READ: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// The wall clock as this thread finds it.
    pub(crate) fn wall() -> SystemTime {
        let Some(read) = READ.get() else { return SystemTime::now() };
        READ.set(Some(read.wrapping_add(1)));
        // Up to 48 hours to and fro; 29 has no factor in common with 49, so no two readings in a row are alike.
        SystemTime::now() - Duration::from_secs(60 * 60 * u64::from(read.wrapping_mul(29) % 49))
    }

    /// Does something on this thread while somebody sets the wall clock forward or back before every look at it.
    pub(crate) fn restless<T>(act: impl FnOnce() -> T) -> T {
        READ.set(Some(0));
        let result = act();
        READ.set(None);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_reads_0() {
        assert_eq!(unix_nanos_of(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(unix_nanos_of(UNIX_EPOCH + Duration::from_nanos(7)), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn d2_the_trees_time_is_tokios_time() {
        let clock = Clock::start();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), 5_000_000_000);
        assert_eq!(clock.instant(5_000_000_000), Instant::now());
        assert!(clock.instant(u64::MAX) > Instant::now());
    }
}
