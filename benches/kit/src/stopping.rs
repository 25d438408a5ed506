//! W4, whoever stops the children.

use crate::Figures;
use crate::gauge::Mark;
use crate::program::Outcome;

/// The time before the children are stopped.
#[derive(Debug)]
pub struct Stopping(Mark);

impl Stopping {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self(Mark::now())
    }

    /// All have ended, and this many have an outcome.
    ///
    /// # Errors
    ///
    /// When a child has none.
    pub fn figures(self, children: usize, outcomes: usize) -> Outcome {
        let after = Mark::now();
        if outcomes < children {
            return Err(format!("{children} children were stopped, and {outcomes} have an outcome"));
        }
        let each = |nanos: f64| nanos / children as f64;
        Ok(Figures::default()
            .with("wall_ns_per_child", each(self.0.wall_until(after)))
            .with("cpu_ns_per_child", each(self.0.cpu_until(after))))
    }
}
