//! A histogram that is observed without a lock, so that nobody who reads it holds up the tree.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in seconds; the last one is for the rest.
const BOUNDS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0, f64::INFINITY];

/// How long things took, in seconds.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    nanos: AtomicU64,
}

/// What was observed so far.
pub(super) struct Observed {
    pub(super) sum: f64,
    pub(super) count: u64,
    /// Upper bounds, each with what is in that bucket alone.
    pub(super) buckets: [(f64, u64); BOUNDS.len()],
}

impl Histogram {
    pub(super) fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len() - 1);
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
    }

    /// The count is what the buckets hold, so that the two agree whatever is observed meanwhile.
    pub(super) fn read(&self) -> Observed {
        let mut buckets = BOUNDS.map(|bound| (bound, 0));
        for (bucket, count) in buckets.iter_mut().zip(&self.buckets) {
            bucket.1 = count.load(Ordering::Relaxed);
        }
        let count = buckets.iter().map(|bucket| bucket.1).sum();
        Observed { sum: self.nanos.load(Ordering::Relaxed) as f64 / 1e9, count, buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_observed_lies_in_the_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for millis in [0, 1, 2, 400, 400_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let observed = histogram.read();
        assert_eq!((observed.count, observed.sum), (5, 400.403));
        let counts = observed.buckets.map(|bucket| bucket.1);
        assert_eq!(counts, [2, 1, 0, 0, 1, 0, 0, 0, 0, 1]);
    }
}
