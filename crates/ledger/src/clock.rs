//! The only place of this crate that reads a clock.
#![expect(clippy::disallowed_methods, reason = "clocks are read here so that nobody else has to")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// When a line was made, on two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// The wall clock, which somebody may set.
    pub(crate) recorded_at_unix_nanos: u64,
    /// Since the system was booted (`CLOCK_MONOTONIC`): two lines of one boot compare, also across processes.
    pub(crate) monotonic_nanos: u64,
}

impl Stamp {
    pub(crate) fn now() -> Self {
        let since_boot = clock_gettime(ClockId::Monotonic);
        Self {
            recorded_at_unix_nanos: unix_nanos(SystemTime::now()),
            monotonic_nanos: Duration::try_from(since_boot).map_or(0, nanos),
        }
    }
}

/// How long ago a wall-clock time was; 0 if it is still to come.
pub(crate) fn age(recorded_at_unix_nanos: u64) -> Duration {
    Duration::from_nanos(unix_nanos(SystemTime::now()).saturating_sub(recorded_at_unix_nanos))
}

/// A clock before 1970 reads 0.
fn unix_nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, nanos)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_reads_0() {
        assert_eq!(unix_nanos(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(unix_nanos(UNIX_EPOCH + Duration::from_nanos(7)), 7);
    }

    #[test]
    fn what_is_recorded_in_the_future_is_0_old() {
        assert_eq!(age(u64::MAX), Duration::ZERO);
        let hour = 3_600_000_000_000;
        let old = age(Stamp::now().recorded_at_unix_nanos - hour);
        assert!(old >= Duration::from_nanos(hour) && old < Duration::from_nanos(2 * hour), "{old:?}");
    }

    #[test]
    fn a_later_stamp_is_not_before_an_earlier_one() {
        let first = Stamp::now();
        let second = Stamp::now();
        assert!(first.monotonic_nanos > 0);
        assert!(second.monotonic_nanos >= first.monotonic_nanos);
    }
}
