//! Scripts as factories of children.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use supervisor_api::Exit;
use tokio::time::{Instant, sleep_until};
use tokio_supervisor::ChildContext;

use crate::script::{Run, Script, Start};

/// A run of a script, going on.
pub struct Play(Pin<Box<dyn Future<Output = Exit> + Send>>);

impl Future for Play {
    type Output = Exit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Exit> {
        self.0.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for Play {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Play(..)")
    }
}

impl Script {
    /// A factory for `ChildSpec::service`, `worker`, `job`, `sidecar` and `managed`.
    ///
    /// ```
    /// use supervisor_testkit::{Run, Script};
    /// use tokio_supervisor::ChildSpec;
    ///
    /// let web = ChildSpec::service("web", Script::default().run(3, Run::panics("boom")).play());
    /// # drop(web);
    /// ```
    ///
    /// A task that is aborted is dropped, whatever its script says about being killed; what
    /// [`Run::dies_after`] and [`Run::immortal`] say of that is done by managed children.
    pub fn play(self) -> impl Fn(ChildContext) -> Play + Clone + Send + Sync + 'static {
        let script = Arc::new(self);
        move |ctx| {
            let run = script.of(ctx.generation()).clone();
            Play(Box::pin(play(run, ctx)))
        }
    }
}

impl Run {
    /// A factory whose every run is this one; see [`Script::play`].
    pub fn play(self) -> impl Fn(ChildContext) -> Play + Clone + Send + Sync + 'static {
        Script::always(self).play()
    }

    /// Keeps the promise of a heartbeat for this long only, and goes on running. Until then, and in every
    /// other run, a child that promised one reports life as often as it promised (D13).
    #[must_use]
    pub fn silent_after(mut self, delay: Duration) -> Self {
        self.silent_after = Some(delay);
        self
    }
}

async fn play(run: Run, ctx: ChildContext) -> Exit {
    let begun = Instant::now();
    let mut ready_at = match run.start {
        Start::Ready(delay) => Some(begun + delay),
        Start::NeverReady => None,
        Start::Declines => {
            ctx.decline("its script says so");
            return Exit::Completed;
        }
    };
    let mut end = run.end.map(|(delay, exit)| (begun + delay, exit));
    let silent_at = run.silent_after.map(|delay| begun + delay);
    let beats = ctx.promised().map(|promise| promise.interval);
    let mut beat_at = next_beat(begun, beats, silent_at);
    let (mut asked, mut killed) = (false, false);
    let (mut stopping, mut killing) = (pin!(ctx.stopping()), pin!(ctx.killed()));
    loop {
        tokio::select! {
            biased;
            () = at(ready_at) => {
                ready_at = None;
                ctx.ready();
            }
            () = at(beat_at) => {
                ctx.heartbeat();
                beat_at = next_beat(Instant::now(), beats, silent_at);
            }
            () = at(end.as_ref().map(|(at, _)| *at)) => break,
            () = killing.as_mut(), if !killed => {
                killed = true;
                end = run.on_kill.map(|delay| (Instant::now() + delay, Exit::Aborted));
            }
            _ = stopping.as_mut(), if !asked => {
                asked = true;
                let stop = run.on_stop.clone().map(|(delay, exit)| (Instant::now() + delay, exit));
                end = [end, stop].into_iter().flatten().min_by_key(|(at, _)| *at);
            }
        }
    }
    match end {
        Some((_, Exit::Panicked { message, .. })) => panic!("{message}"),
        Some((_, exit)) => exit,
        None => pending().await,
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

fn next_beat(now: Instant, every: Option<Duration>, silent_at: Option<Instant>) -> Option<Instant> {
    every.map(|every| now + every).filter(|next| silent_at.is_none_or(|silent| *next < silent))
}
