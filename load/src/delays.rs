//! How long events were under way, in steps of a tenth of a millisecond.

/// Nanoseconds of a step.
const STEP: u64 = 100_000;
/// What takes longer counts as this: ten seconds.
const STEPS: usize = 100_000;

/// A count for each step.
#[derive(Debug, Clone)]
pub(crate) struct Delays(Vec<u64>);

impl Default for Delays {
    fn default() -> Self {
        Self(vec![0; STEPS])
    }
}

impl Delays {
    pub(crate) fn add(&mut self, nanos: u64) {
        let step = usize::try_from(nanos / STEP).unwrap_or(STEPS);
        self.0[step.min(STEPS - 1)] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(all, some)| *all += some);
    }

    /// In how many milliseconds this share of them was there; 0 when there are none.
    pub(crate) fn within(&self, share: f64) -> f64 {
        let all: u64 = self.0.iter().sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut had = 0;
        let step = self.0.iter().position(|count| {
            had += count;
            had >= wanted
        });
        if all == 0 { 0.0 } else { (step.unwrap_or(STEPS - 1) + 1) as f64 * STEP as f64 / 1e6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_found_to_a_tenth_of_a_millisecond() {
        let mut delays = Delays::default();
        assert!(delays.within(0.5).abs() < 1e-9);
        let mut more = Delays::default();
        (0..99).for_each(|_| delays.add(1_000_000));
        more.add(60_000_000_000);
        delays.merge(&more);
        assert!((delays.within(0.5) - 1.1).abs() < 1e-9, "{}", delays.within(0.5));
        assert!((delays.within(0.99) - 1.1).abs() < 1e-9);
        assert!((delays.within(1.0) - 10_000.0).abs() < 1e-6);
    }
}
