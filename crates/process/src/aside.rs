//! A program that is run aside, to its end: a probe, or a question for a secret.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::time::timeout;

use crate::output::{Stream, Take};
use crate::prepare::new_run;
use crate::running::Running;
use crate::spec::ProgramSpec;
use crate::start_error::reason;

/// Runs `spec` for at most `limit`, then kills its group. Nothing of the group is left when it returns. Dropping the future
/// kills the group too.
///
/// # Errors
///
/// A sentence: it cannot be started, or it was not done in time.
pub(crate) async fn run<T: Take>(
    spec: ProgramSpec,
    limit: Duration,
    take: impl Fn(Stream) -> T,
) -> Result<ExitStatus, String> {
    let running = Running::start(move || spec.program(&new_run(), &[]), take);
    let running = running.await.map_err(|error| error.to_string())?;
    let in_time = timeout(limit, running.exited()).await.is_ok();
    let status = running.finish().await.0.map_err(|error| reason(&error))?;
    if in_time { Ok(status) } else { Err(format!("not done within {limit:?}, killed")) }
}
