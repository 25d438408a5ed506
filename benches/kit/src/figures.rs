//! What a row found out.

use std::collections::BTreeMap;

use serde::Serialize;

/// Figures by name. The name says the unit.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Figures(BTreeMap<&'static str, f64>);

impl Figures {
    /// One more figure.
    #[must_use]
    pub fn with(mut self, name: &'static str, figure: f64) -> Self {
        self.0.insert(name, figure);
        self
    }

    #[cfg(test)]
    pub(crate) fn get(&self, name: &str) -> f64 {
        self.0[name]
    }

    /// The median and the 99th percentile of what single times were measured for, in nanoseconds.
    #[must_use]
    pub fn of_times(times: &mut [u64]) -> Self {
        times.sort_unstable();
        Self::default().with("p50_ns", share(times, 0.50)).with("p99_ns", share(times, 0.99))
    }
}

/// The value below which this share of sorted values lies; 0 when there are none.
fn share(sorted: &[u64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(at.saturating_sub(1)).map_or(0.0, |value| *value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_the_value_that_so_many_do_not_exceed() {
        let sorted: Vec<u64> = (1..=100).collect();
        assert_eq!([share(&sorted, 0.5), share(&sorted, 0.99), share(&sorted, 1.0)], [50.0, 99.0, 100.0]);
        assert_eq!([share(&[7], 0.5), share(&[], 0.5)], [7.0, 0.0]);
    }
}
