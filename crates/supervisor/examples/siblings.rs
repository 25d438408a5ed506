//! Measures what one crash and restart costs beside 10 siblings and beside 100 000, in the same run.
//!
//! Run it with `--release`; it prints both figures and their ratio. A pass over all siblings would show as a
//! ratio of thousands, caches show as one of two or three.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::time::Duration;

use tokio_supervisor::{Backoff, ChildContext, ChildSpec, Supervisor, SupervisorError, SupervisorSpec};

const MANY: usize = 100_000;
const ROUNDS: u64 = 10_000;

async fn idle(ctx: ChildContext) {
    ctx.stopping().await;
}

/// What one restart takes, over `ROUNDS` of them, beside `siblings` others.
async fn one_restart(siblings: usize) -> Result<Duration, SupervisorError> {
    let crashing = ChildSpec::service("crashing", |ctx| async move {
        if ctx.generation() <= ROUNDS {
            return Err("again");
        }
        ctx.stopping().await;
        Ok(())
    });
    let others = (0..siblings).map(|n| ChildSpec::service(format!("c{n}"), idle));
    // Last in the order, so that it begins to crash when the others are there.
    let children = others.chain([crashing.backoff(Backoff::none())]);
    let handle = Supervisor::start(SupervisorSpec::root(children).unlimited()).await?;
    let generation = || handle.child("/crashing").map_or(u64::MAX, |child| child.state.generation);
    let (first, begun) = (generation(), tokio::time::Instant::now());
    while generation() <= ROUNDS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = begun.elapsed() / u32::try_from((ROUNDS + 1).saturating_sub(first).max(1)).unwrap_or(u32::MAX);
    handle.shutdown("siblings", "measured").await?;
    Ok(took)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), SupervisorError> {
    let best = [one_restart(10).await?, one_restart(MANY).await?];
    let ratio = best[1].as_secs_f64() / best[0].as_secs_f64();
    println!("one restart beside 10: {:?}, beside {MANY}: {:?}, ratio {ratio:.2}", best[0], best[1]);
    Ok(())
}
