//! The last line of a run, for programs.

use std::fmt;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) seeds: u64,
    pub(crate) steps: u64,
    /// Per core; `None` where seeds are not all that took time.
    pub(crate) schedules_per_s: Option<u64>,
    /// Seeds that broke something while no fault was planted.
    pub(crate) violations: u64,
    pub(crate) markers: Option<Part>,
    pub(crate) planted: Option<Part>,
}

/// So many of so many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part(pub(crate) usize, pub(crate) usize);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

/// A dash stands for what was not measured.
fn or<T: fmt::Display>(measured: Option<T>, unmeasured: &str) -> String {
    measured.map_or_else(|| unmeasured.to_owned(), |measured| measured.to_string())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, steps, schedules_per_s, violations, markers, planted } = self;
        write!(
            f,
            "sim: seeds={seeds} steps={steps} schedules_per_s={} violations={violations} markers_hit={} \
             planted_found={}",
            or(*schedules_per_s, "-"),
            or(*markers, "-/-"),
            or(*planted, "-/-"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Summary};

    #[test]
    fn every_key_is_there_and_what_was_not_measured_is_a_dash() {
        let mut summary = Summary {
            seeds: 7,
            steps: 90,
            schedules_per_s: Some(12_000),
            violations: 1,
            markers: Some(Part(3, 4)),
            planted: None,
        };
        assert_eq!(
            summary.to_string(),
            "sim: seeds=7 steps=90 schedules_per_s=12000 violations=1 markers_hit=3/4 planted_found=-/-"
        );
        (summary.schedules_per_s, summary.markers, summary.planted) = (None, None, Some(Part(5, 6)));
        assert_eq!(
            summary.to_string(),
            "sim: seeds=7 steps=90 schedules_per_s=- violations=1 markers_hit=-/- planted_found=5/6"
        );
    }
}
