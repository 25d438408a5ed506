//! W7: N children that run and have nothing to do.
//!
//! Measured: for how long processors work for the process in ten seconds, once it has come to rest.

use tokio_supervisor::{ChildSpec, SupervisorSpec};

use super::launched;
use crate::program::Outcome;
use crate::team::Team;
use crate::{Latch, name, watched};

/// By hand.
pub async fn raw(children: usize) -> Outcome {
    let here = Latch::leaked(children);
    let team = Team::start(children, move |_, stop| async move {
        here.arrive();
        stop.cancelled().await;
        Ok(())
    });
    let kept = tokio::spawn(team.keep(|_, _| {}));
    here.wait().await;
    let figures = watched().await;
    kept.abort();
    Ok(figures)
}

/// With the library.
pub async fn ours(children: usize) -> Outcome {
    let here = Latch::leaked(children);
    let specs = (0..children).map(|place| {
        ChildSpec::service(name(place), move |ctx| async move {
            here.arrive();
            ctx.stopping().await;
        })
    });
    let tree = launched(SupervisorSpec::root(specs))?;
    here.wait().await;
    tree.started().await.map_err(|error| error.to_string())?;
    Ok(watched().await)
}
