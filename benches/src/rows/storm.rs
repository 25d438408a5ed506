//! W3: N children fail again and again, a million times all together.
//!
//! Timed: from the sign at which all of them fail for the first time until each has been restarted after its last
//! failure. 1 000 children fail 1 000 times each, 10 fail 100 000 times, 100 000 fail 10 times. Every failure has a
//! text of its own. `ours` has a budget that is kept, and higher than the storm; there is no delay; events are kept,
//! as always.

use tokio_supervisor::{Backoff, ChildSpec, SupervisorSpec};
use tokio_util::sync::CancellationToken;

use super::{HIGH, WINDOW, launched};
use crate::program::Outcome;
use crate::team::Team;
use crate::{End, Storm, name};

/// By hand.
pub async fn raw(children: usize) -> Outcome {
    let storm = Storm::of_a_million(children);
    let team = Team::start(children, |place, stop| run_by_hand(storm, place, stop));
    let stop = team.stopper();
    let kept = tokio::spawn(team.keep(|_, _| {}));
    let figures = storm.figures().await;
    stop.cancel();
    kept.await.map_err(|error| error.to_string())?;
    Ok(figures)
}

/// With the library.
pub async fn ours(children: usize) -> Outcome {
    let storm = Storm::of_a_million(children);
    let tree = launched(tree(storm))?;
    let figures = storm.figures().await;
    drop(tree);
    Ok(figures)
}

/// A run by hand.
pub(super) async fn run_by_hand(storm: &'static Storm, place: usize, stop: CancellationToken) -> End {
    storm.run(place).await?;
    stop.cancelled().await;
    Ok(())
}

/// The tree of the same runs.
pub(super) fn tree(storm: &'static Storm) -> SupervisorSpec {
    let specs = (0..storm.children()).map(|place| {
        ChildSpec::service(name(place), move |ctx| async move {
            storm.run(place).await?;
            ctx.stopping().await;
            Ok::<_, String>(())
        })
        .backoff(Backoff::none())
    });
    SupervisorSpec::root(specs).budget(HIGH, WINDOW)
}
