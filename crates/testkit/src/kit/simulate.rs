//! The simulator on a spec of the library.

use std::fmt;

use tokio_supervisor::SupervisorSpec;

use crate::sim::{Options, Report, check_tree};

/// Runs this tree through so many random lives: its children do what they like, operators ask for what they
/// like, and what must hold in every tree is checked: after every step whatever that step touched, every 64 steps
/// and at the end the whole tree. Seeds count from 0.
///
/// What children run is not called: the simulator plays them. It reads the policy of the spec only.
///
/// ```
/// use supervisor_testkit::{Run, simulate};
/// use tokio_supervisor::{ChildSpec, SupervisorSpec};
///
/// let web = ChildSpec::service("web", Run::healthy().play());
/// simulate(&SupervisorSpec::root([web]), 50).expect_sound();
/// ```
///
/// # Panics
/// When the spec has mistakes.
#[track_caller]
pub fn simulate(spec: &SupervisorSpec, seeds: u64) -> Report {
    simulate_with(spec, Options { seeds, ..Options::default() })
}

/// [`simulate`] from another seed, or past the first finding.
///
/// # Panics
/// When the spec has mistakes.
#[track_caller]
pub fn simulate_with(spec: &SupervisorSpec, options: Options) -> Report {
    let report = spec.declaration().and_then(|tree| check_tree(&tree, options));
    report.unwrap_or_else(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        panic!("the spec has mistakes:\n  {}", lines.join("\n  "))
    })
}

impl Report {
    /// Nothing went wrong.
    ///
    /// # Panics
    /// When something did, with the seed and the smallest trace of each finding.
    #[track_caller]
    pub fn expect_sound(&self) {
        if !self.findings.is_empty() {
            panic!("{self}");
        }
    }
}

impl fmt::Display for Report {
    /// The figures, then each finding with its seed and its trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} seeds, {} steps, {} findings", self.seeds, self.steps, self.findings.len())?;
        for finding in &self.findings {
            write!(f, "\nseed {}: {}", finding.seed, finding.fault)?;
            finding.trace.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
        }
        Ok(())
    }
}
