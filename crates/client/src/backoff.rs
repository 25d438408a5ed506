//! How long to wait before the next attempt.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Waits that double from the first to the longest, each a little shorter or longer than that, so that many who lost
/// the same target do not come back at the same instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    /// The first wait. Default: 100 milliseconds.
    pub first: Duration,
    /// The longest wait, before jitter. Default: 10 seconds.
    pub longest: Duration,
    /// By what part of itself a wait may be shorter or longer; 0 to 1. Default: 0.2.
    pub jitter: f64,
    /// Where the jitter's random numbers begin. `None`: elsewhere each time.
    pub seed: Option<u64>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(10), jitter: 0.2, seed: None }
    }
}

/// The waits of one row of failures after another.
#[derive(Debug)]
pub(crate) struct Waits {
    backoff: Backoff,
    failures: u32,
    random: u64,
}

impl Waits {
    pub(crate) fn new(backoff: Backoff) -> Self {
        let random = backoff.seed.unwrap_or_else(|| RandomState::new().hash_one(()));
        Self { backoff, failures: 0, random }
    }

    /// The wait after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let Backoff { first, longest, jitter, .. } = self.backoff;
        let doubled = first.saturating_mul(1_u32.checked_shl(self.failures.min(31)).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let jitter = jitter.clamp(0.0, 1.0);
        doubled.min(longest).mul_f64(1.0 - jitter + 2.0 * jitter * self.random())
    }

    /// A connection that held this long ends a row of failures. One that breaks at once does not: a target that
    /// accepts and dies is not asked ten times a second.
    pub(crate) fn held(&mut self, long: Duration) {
        if long >= self.backoff.longest {
            self.failures = 0;
        }
    }

    /// From 0 to 1, evenly (SplitMix64).
    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(jitter: f64, seed: u64) -> Waits {
        Waits::new(Backoff { jitter, seed: Some(seed), ..Backoff::default() })
    }

    #[test]
    fn waits_double_up_to_the_longest_and_stay_there() {
        let mut waits = waits(0.0, 1);
        let millis: Vec<_> = (0..40).map(|_| waits.next().as_millis()).collect();
        assert_eq!(millis[..9], [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert!(millis[9..].iter().all(|wait| *wait == 10_000));
    }

    #[test]
    fn jitter_stays_within_its_part_and_differs_from_wait_to_wait() {
        let mut waits = waits(0.2, 7);
        let (mut low, mut high) = (f64::MAX, f64::MIN);
        for _ in 0..1_000 {
            waits.failures = 20;
            let wait = waits.next().as_secs_f64();
            (low, high) = (low.min(wait), high.max(wait));
        }
        assert!((8.0..8.1).contains(&low) && (11.9..=12.0).contains(&high), "{low} {high}");
    }

    #[test]
    fn only_a_connection_that_held_ends_a_row_of_failures() {
        let mut waits = waits(0.0, 1);
        for _ in 0..2 {
            waits.next();
        }
        waits.held(Duration::from_millis(9_999));
        assert_eq!(waits.next().as_millis(), 400);
        waits.held(Duration::from_secs(10));
        assert_eq!(waits.next().as_millis(), 100);
    }
}
