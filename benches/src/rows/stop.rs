//! W4: N children that run are stopped.
//!
//! Timed: from the call that stops them until all of them have ended and the outcome of each is known. In order: one
//! after the other, each when the one after it has ended. At once: all of them are asked together; `ours` has them in
//! a dynamic supervisor, which is what stops so.

use tokio_supervisor::{ChildSpec, CommandResult, SupervisorHandle, SupervisorSpec};

use super::launched;
use crate::program::Outcome;
use crate::team::Team;
use crate::{Latch, Stopping, name};

/// By hand, one after the other.
pub async fn raw_in_order(children: usize) -> Outcome {
    let here = Latch::leaked(children);
    let team = Team::start(children, move |_, stop| async move {
        here.arrive();
        stop.cancelled().await;
        Ok(())
    });
    here.wait().await;
    let before = Stopping::now();
    let outcomes = team.stop_in_reverse().await;
    before.figures(children, outcomes.len())
}

/// By hand, all at once.
pub async fn raw_at_once(children: usize) -> Outcome {
    let here = Latch::leaked(children);
    let team = Team::start(children, move |_, stop| async move {
        here.arrive();
        stop.cancelled().await;
        Ok(())
    });
    here.wait().await;
    let before = Stopping::now();
    let outcomes = team.stop_at_once().await;
    before.figures(children, outcomes.len())
}

/// With the library, one after the other.
pub async fn ours_in_order(children: usize) -> Outcome {
    let here = Latch::leaked(children);
    let tree = launched(SupervisorSpec::root((0..children).map(|place| child(place, here))))?;
    here.wait().await;
    stop(&tree, children).await
}

/// With the library, all at once.
pub async fn ours_at_once(children: usize) -> Outcome {
    let here = Latch::leaked(children);
    let room = u32::try_from(children).unwrap_or(u32::MAX);
    let pool = ChildSpec::supervisor(SupervisorSpec::new("pool").dynamic(room));
    let tree = launched(SupervisorSpec::root([pool]))?;
    tree.started().await.map_err(|error| error.to_string())?;
    for place in 0..children {
        tree.start_child("/pool", child(place, here)).await.map_err(|error| error.to_string())?;
    }
    here.wait().await;
    stop(&tree, children).await
}

fn child(place: usize, here: &'static Latch) -> ChildSpec {
    ChildSpec::service(name(place), move |ctx| async move {
        here.arrive();
        ctx.stopping().await;
    })
}

async fn stop(tree: &SupervisorHandle, children: usize) -> Outcome {
    tree.started().await.map_err(|error| error.to_string())?;
    let before = Stopping::now();
    let result = tree.shutdown_tree("bench", "the row is over").await.map_err(|error| error.to_string())?;
    let CommandResult::Shutdown { result } = result else {
        return Err(format!("a shutdown was answered with {result:?}"));
    };
    before.figures(children, result.outcomes.len())
}
