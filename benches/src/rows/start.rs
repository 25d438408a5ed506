//! W1: N children start.
//!
//! Timed: from before the first spec is built until the last child has said that it runs. The children of `ours` have
//! a name and a policy each, which they say themselves. A child says that it runs in its first instruction, and then
//! waits to be stopped.
//!
//! Memory: bytes resident after that, less those before it, per child.

use std::time::Duration;

use tokio_supervisor::{Backoff, ChildSpec, SupervisorSpec};

use super::launched;
use crate::program::Outcome;
use crate::team::Team;
use crate::{Latch, Starting, name};

/// By hand.
pub async fn raw(children: usize) -> Outcome {
    let here = Latch::leaked(children);
    let before = Starting::now()?;
    let team = Team::start(children, move |_, stop| async move {
        here.arrive();
        stop.cancelled().await;
        Ok(())
    });
    let figures = before.figures(here, children).await;
    drop(team);
    figures
}

/// With the library.
pub async fn ours(children: usize) -> Outcome {
    let here = Latch::leaked(children);
    let before = Starting::now()?;
    let specs = (0..children).map(|place| {
        ChildSpec::service(name(place), move |ctx| async move {
            here.arrive();
            ctx.stopping().await;
        })
        .backoff(Backoff::exponential(Duration::from_millis(50), Duration::from_secs(5)))
        .grace(Duration::from_secs(2))
    });
    let tree = launched(SupervisorSpec::root(specs))?;
    let figures = before.figures(here, children).await;
    drop(tree);
    figures
}
