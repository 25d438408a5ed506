//! W2: how soon a failed child runs again. W8, second half: the same with few and with many others beside it.
//!
//! Timed, for each of 10 000 failures in a row of one child: from the last instruction of the run that fails to the
//! first of the next. No delay; `ours` has a budget that is kept. The other children are idle. In W2 there are none.

use tokio_supervisor::{Backoff, ChildSpec, SupervisorSpec};

use super::{HIGH, WINDOW, launched};
use crate::program::Outcome;
use crate::team::Team;
use crate::{Pulse, name};

/// By hand: the first of so many children fails.
pub async fn raw(children: usize) -> Outcome {
    let pulse = Pulse::of(children);
    let team = Team::start(children, move |place, stop| async move {
        pulse.run(place).await?;
        stop.cancelled().await;
        Ok(())
    });
    let stop = team.stopper();
    let kept = tokio::spawn(team.keep(|_, _| {}));
    let figures = pulse.figures().await;
    stop.cancel();
    kept.await.map_err(|error| error.to_string())?;
    Ok(figures)
}

/// With the library: the first of so many children fails.
pub async fn ours(children: usize) -> Outcome {
    let pulse = Pulse::of(children);
    let specs = (0..children).map(|place| {
        ChildSpec::service(name(place), move |ctx| async move {
            pulse.run(place).await?;
            ctx.stopping().await;
            Ok::<_, String>(())
        })
        .backoff(Backoff::none())
    });
    let tree = launched(SupervisorSpec::root(specs).budget(HIGH, WINDOW))?;
    let figures = pulse.figures().await;
    drop(tree);
    Ok(figures)
}
