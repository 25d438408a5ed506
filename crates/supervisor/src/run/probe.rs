//! Probes of a task: called beside the run, as part of it.

use std::sync::Arc;
use std::time::Duration;

use crate::contain::contain;
use crate::context::ChildContext;
use crate::spec::{Probe, ProbeUse, Tries};

/// Starts what the child's probe is used for. It ends when the run is asked to stop.
pub(super) fn start(ctx: ChildContext, uses: ProbeUse) {
    let inner = ctx.clone();
    ctx.spawn(async move {
        let watch = watch(&inner, &uses);
        inner.run_until_stopped(watch).await;
    });
}

async fn watch(ctx: &ChildContext, uses: &ProbeUse) {
    if let Some(Tries { interval, timeout, successes }) = uses.times.readiness {
        let mut ticks = every(interval);
        let mut good = 0;
        while good < successes {
            ticks.tick().await;
            good = if check(ctx, &uses.probe, timeout).await.is_ok() { good + 1 } else { 0 };
        }
        ctx.ready();
    }
    let Some((interval, timeout)) = uses.times.health else { return };
    let mut ticks = every(interval);
    loop {
        ticks.tick().await;
        // Counted from started (D13): before that there is nothing to be alive.
        if ctx.is_started() && !ctx.is_winding_down() {
            match check(ctx, &uses.probe, timeout).await {
                Ok(()) => ctx.heartbeat(),
                Err(why) if uses.tells => ctx.missed(why),
                Err(_) => {}
            }
        }
    }
}

fn every(interval: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}

/// One call of the probe, contained and limited in time.
async fn check(ctx: &ChildContext, probe: &Probe, timeout: Duration) -> Result<(), Arc<str>> {
    let made = contain(|| probe.check(ctx.clone()));
    let mut check = made.map_err(|panic| Arc::from(format!("the probe {panic}")))?;
    let contained = std::future::poll_fn(|cx| match contain(|| check.as_mut().poll(cx)) {
        Ok(polled) => polled.map_err(|why| Arc::from(format!("the probe says: {why}"))),
        Err(panic) => std::task::Poll::Ready(Err(Arc::from(format!("the probe {panic}")))),
    });
    #[cfg(feature = "metrics")]
    let began = ctx.now();
    let checked = tokio::time::timeout(timeout, contained).await;
    #[cfg(feature = "metrics")]
    ctx.probe_took(ctx.now().saturating_sub(began));
    match checked {
        Ok(result) => result,
        Err(_) => Err(Arc::from(format!("the probe took longer than {timeout:?}"))),
    }
}
