//! W1, whoever starts the children.

use crate::gauge::{self, Mark};
use crate::program::Outcome;
use crate::{Figures, Latch};

/// The time and the memory before the first child is declared.
#[derive(Debug)]
pub struct Starting {
    resident: f64,
    mark: Mark,
}

impl Starting {
    /// Now.
    ///
    /// # Errors
    ///
    /// When the memory of this process cannot be read.
    pub fn now() -> Result<Self, String> {
        Ok(Self { resident: gauge::resident()?, mark: Mark::now() })
    }

    /// Waits until all of them are here.
    ///
    /// # Errors
    ///
    /// When the memory of this process cannot be read.
    pub async fn figures(self, here: &Latch, children: usize) -> Outcome {
        here.wait().await;
        let after = Mark::now();
        let resident = gauge::resident()? - self.resident;
        Ok(Figures::default()
            .with("wall_ns_per_child", self.mark.wall_until(after) / children as f64)
            .with("cpu_ns_per_child", self.mark.cpu_until(after) / children as f64)
            .with("resident_bytes_per_child", resident / children as f64))
    }
}
