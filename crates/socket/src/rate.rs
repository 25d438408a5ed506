//! How often somebody may do something.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The most uids that are kept apart. Uids beyond share one bucket.
pub const UIDS: usize = 1024;

/// A rate: `burst` at once, and one more for each `every` that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time in which one more is earned.
    pub every: Duration,
    /// How many can be saved up; at least 1.
    pub burst: u32,
}

impl Rate {
    /// 50 in a second, 200 at once.
    pub const MUTATIONS: Self = Self { every: Duration::from_millis(20), burst: 200 };
    /// 5 in a minute.
    pub const FAILED_AUTHENTICATIONS: Self = Self { every: Duration::from_secs(12), burst: 5 };
}

/// It was too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many at once; try again in {:.3} seconds", .retry_after.as_secs_f64())]
pub struct TooOften {
    /// When one more will be allowed, if nothing else is asked for meanwhile.
    pub retry_after: Duration,
}

impl TooOften {
    /// The wire's word for it, of stage `rate_limit`. It is retryable.
    pub fn code(&self) -> &'static str {
        "rate_limit_exceeded"
    }
}

/// A token bucket for each uid, or whatever else tells those apart who ask, filled by tokio's clock.
///
/// A full bucket is the same as none, so memory is that of the uids that were active lately, at most [`UIDS`]. When so
/// many are, further ones share a bucket: they may be slowed down by each other, and no one gets more than the rate.
#[derive(Debug)]
pub struct RateLimit<K = u32> {
    rate: Rate,
    buckets: Mutex<Buckets<K>>,
}

/// For each bucket the time at which it will be full again. One in the past is a full bucket.
#[derive(Debug)]
struct Buckets<K> {
    of_uid: HashMap<K, Instant>,
    shared: Option<Instant>,
    /// No bucket is full before, so that a crowd is not looked through for each of its questions.
    crowded_until: Option<Instant>,
}

impl<K: Copy + Eq + Hash> RateLimit<K> {
    /// Full buckets for everybody.
    pub fn new(rate: Rate) -> Self {
        let buckets = Buckets { of_uid: HashMap::new(), shared: None, crowded_until: None };
        Self { rate, buckets: Mutex::new(buckets) }
    }

    /// Takes one from the bucket of `uid`.
    ///
    /// # Errors
    ///
    /// When it is empty. Nothing is taken then: who keeps asking does not wait longer.
    pub fn take(&self, uid: K) -> Result<(), TooOften> {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = buckets.of(uid, now);
        let after = full_at.filter(|full_at| *full_at > now).unwrap_or(now) + self.rate.every;
        let capacity = self.rate.every * self.rate.burst.max(1);
        let missing = after.duration_since(now);
        if missing > capacity {
            return Err(TooOften { retry_after: missing - capacity });
        }
        buckets.set(uid, after);
        Ok(())
    }

    /// How many uids have a bucket of their own; for those who watch memory.
    pub fn uids(&self) -> usize {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).of_uid.len()
    }
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    fn of(&mut self, uid: K, now: Instant) -> Option<Instant> {
        if !self.is_own(uid) && self.crowded_until.is_none_or(|until| until <= now) {
            self.of_uid.retain(|_, full_at| *full_at > now);
            self.crowded_until = self.of_uid.values().min().copied();
        }
        if self.is_own(uid) { self.of_uid.get(&uid).copied() } else { self.shared }
    }

    fn set(&mut self, uid: K, full_at: Instant) {
        if self.is_own(uid) {
            self.of_uid.insert(uid, full_at);
            self.crowded_until = self.crowded_until.map(|until| until.min(full_at));
        } else {
            self.shared = Some(full_at);
        }
    }

    fn is_own(&self, uid: K) -> bool {
        self.of_uid.len() < UIDS || self.of_uid.contains_key(&uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn burst(limit: &RateLimit, uid: u32) -> u32 {
        (0..).take_while(|_| limit.take(uid).is_ok()).fold(0, |count, _| count + 1)
    }

    #[tokio::test(start_paused = true)]
    async fn s09_mutations_are_200_at_once_and_then_50_in_a_second() {
        let limit = RateLimit::new(Rate::MUTATIONS);
        assert_eq!(burst(&limit, 7), 200);
        tokio::time::advance(SECOND).await;
        assert_eq!(burst(&limit, 7), 50);
        tokio::time::advance(60 * SECOND).await;
        assert_eq!(burst(&limit, 7), 200, "what is saved up is bounded");
    }

    #[tokio::test(start_paused = true)]
    async fn s09_failed_authentications_are_5_in_a_minute() {
        let limit = RateLimit::new(Rate::FAILED_AUTHENTICATIONS);
        assert_eq!(burst(&limit, 7), 5);
        tokio::time::advance(60 * SECOND).await;
        assert_eq!(burst(&limit, 7), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn s09_the_answer_says_when_to_retry_to_the_instant() {
        let limit = RateLimit::new(Rate::FAILED_AUTHENTICATIONS);
        burst(&limit, 7);
        tokio::time::advance(5 * SECOND).await;
        let refused = limit.take(7).unwrap_err();
        assert_eq!(refused, TooOften { retry_after: 7 * SECOND });
        assert_eq!(refused.to_string(), "too many at once; try again in 7.000 seconds");
        assert_eq!(refused.code(), "rate_limit_exceeded");
        tokio::time::advance(7 * SECOND - Duration::from_millis(1)).await;
        assert!(limit.take(7).is_err());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(limit.take(7), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn s09_one_uid_does_not_slow_down_another() {
        let limit = RateLimit::new(Rate::MUTATIONS);
        burst(&limit, 7);
        assert_eq!(burst(&limit, 8), 200);
        assert_eq!(burst(&limit, u32::MAX), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn s09_memory_is_bounded_in_the_number_of_uids_and_nobody_gets_more_by_that() {
        let limit = RateLimit::new(Rate::FAILED_AUTHENTICATIONS);
        assert_eq!(burst(&limit, 0), 5);
        let all: u32 = (1..100_000).map(|uid| u32::from(limit.take(uid).is_ok())).sum();
        assert_eq!(limit.uids(), UIDS);
        assert_eq!(all as usize, UIDS - 1 + 5, "one for each that has a bucket, and one bucket for the rest");
        assert!(limit.take(0).is_err(), "the one who had used up its bucket keeps it");
        tokio::time::advance(60 * SECOND).await;
        assert_eq!(limit.take(200_000), Ok(()));
        assert_eq!(limit.uids(), 1, "full buckets are forgotten when there is need");
    }
}
