//! What is wrong or doubtful about a spec.

use supervisor_api::Finding;
use tokio_supervisor::{Supervisor, SupervisorSpec};

/// Everything that is wrong with a spec, or else everything that works and is rarely meant, each with what to do
/// about it. The same as [`Supervisor::check`], for tests that want neither.
///
/// ```
/// use supervisor_testkit::{Run, lint};
/// use tokio_supervisor::{ChildSpec, SupervisorSpec};
///
/// let web = ChildSpec::service("web", Run::healthy().play());
/// assert_eq!(lint(&SupervisorSpec::root([web])), []);
/// ```
pub fn lint(spec: &SupervisorSpec) -> Vec<Finding> {
    let (Ok(findings) | Err(findings)) = Supervisor::check(spec.clone());
    findings
}
