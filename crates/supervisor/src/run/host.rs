//! The task of a child: it hosts one run after the other, in place.
//!
//! ```text
//!            order: run              returned, panicked, killed
//!    idle ──┬────────────► running ─────────────────────────────► dropped
//!     ▲     ▼ secrets         ▲                                     │
//!     │   asking ─────────────┘                                     │
//!     │        report            every spawned task joined          ▼
//!     └──────────────────────────────────────────────────────── draining
//! ```
//!
//! Every call into the child's code is contained. The exit is reported only after the future is dropped
//! and what it spawned is joined (D6). The task decides nothing: what follows comes as the next order.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use supervisor_api::policy::{Grace, ReadinessMode};
use supervisor_api::{Cause, ChildKey, Exit, Severity};
use tokio::time::Sleep;
use tracing::Span;

use super::{Crew, Meter, Place, Seat, Task, probe};
use crate::clock::nanos;
use crate::contain::contain;
use crate::context::ChildContext;
use crate::driver::Following;
use crate::exit::IntoExit;
use crate::secrets::Given;
use crate::slot::{CREW_FAILED, ENDING, FORGET, How, KILL, OVER, Order, RUN, RunEnd, STOP, Slot, StopOrder};
use crate::spans;
use crate::tree::Tree;
use crate::watchdog::marked;

/// How many runs a task begins in one poll before it lets others go first (D14).
const RUNS_PER_POLL: u32 = 256;
/// How many runs in one poll are a storm.
const STORM: u32 = 4;

/// What the task does next.
enum Step {
    Wait,
    End,
    Build,
    Poll,
    /// Drop the future; the run ends like this.
    Drop(Exit),
}

/// Where the task is between two polls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    /// A run is wanted, and its secrets are being looked for.
    Asking,
    Running,
    Draining,
}

/// What only some runs have; in one box, because the task of a child is small.
#[derive(Default)]
struct Beside {
    /// In the stage of asking.
    asking: Option<Pin<Box<dyn Future<Output = Given> + Send>>>,
    /// In the stage of draining.
    drain: Option<Drain>,
    /// What is recorded of the run, where somebody listens.
    span: Option<Span>,
    /// Times its polls, where that is asked for.
    meter: Option<Arc<Meter>>,
}

/// A run whose own future is gone, and which waits for the tasks it spawned.
struct Drain {
    exit: Exit,
    crew: Arc<Crew>,
    /// When the spawned tasks are aborted; `None` while they may take for ever.
    patience: Option<Pin<Box<Sleep>>>,
}

struct Host {
    place: Arc<Place>,
    number: u32,
    managed: bool,
    runs: u32,
    /// The run that is on, or was last.
    generation: u64,
    /// Whether the task's waker is in the slot. It stays the same: the task was spawned as a whole.
    known: bool,
    /// Whether its next order comes with a wake: others have their turn before it.
    waits_to_be_woken: bool,
    /// Whether it may have a stint.
    storms: bool,
    stage: Stage,
    beside: Option<Box<Beside>>,
}

/// The future of the task. It owns what hosts the runs in place, so nothing of it is there twice.
pub(super) fn host<F, Fut>(seat: Seat, task: Arc<Task<F>>) -> impl Future<Output = ()> + Send
where
    F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoExit> + Send + 'static,
{
    let mut both = (Host::new(seat, task.managed), task);
    async move {
        let mut run = pin!(None::<Fut>);
        poll_fn(|cx| {
            // One reference to both is half of what two would take.
            let (host, task) = &mut both;
            host.begin(cx);
            let mut step = host.next(cx);
            loop {
                step = match step {
                    Step::Wait => return host.rests(Poll::Pending),
                    Step::End => return host.rests(Poll::Ready(())),
                    Step::Build => match contain(|| {
                        let ctx = host.context();
                        host.open(&ctx);
                        host.inside(|| run.set(Some((task.factory)(ctx))));
                    }) {
                        Ok(()) => {
                            host.built();
                            host.next(cx)
                        }
                        Err(panic) => host.dropped(panic, None, cx),
                    },
                    Step::Poll => match poll_run(host, run.as_mut(), cx) {
                        // An order that came meanwhile has woken the task again.
                        Poll::Pending => return host.rests(Poll::Pending),
                        Poll::Ready(exit) => Step::Drop(host.returned(exit)),
                    },
                    Step::Drop(exit) => {
                        let panic = contain(|| host.inside(|| run.set(None))).err();
                        host.dropped(exit, panic, cx)
                    }
                };
            }
        })
        .await;
    }
}

/// One poll of the run, with its end as an exit.
fn poll_run<Fut>(host: &Host, run: Pin<&mut Option<Fut>>, cx: &mut Context<'_>) -> Poll<Exit>
where
    Fut: Future<Output: IntoExit>,
{
    // The end is written where it is wanted, instead of being handed up through each of those who look on.
    let mut end = Poll::Pending;
    let poll = || {
        end = match run.as_pin_mut() {
            Some(run) => run.poll(cx).map(IntoExit::into_exit),
            None => Poll::Ready(Exit::Aborted),
        };
    };
    let meter = host.meter();
    if let Some(meter) = meter {
        meter.begins();
    }
    let polled = marked(&host.place.tree, host.place.key.index, || contain(|| host.inside(poll)));
    if let Some(meter) = meter {
        host.polled(meter);
    }
    polled.map_or_else(Poll::Ready, |()| end)
}

/// One poll of those who are asked for secrets: a user's code, as that of a run is.
fn poll_asking(
    tree: &Arc<Tree>,
    key: ChildKey,
    asking: Pin<&mut (dyn Future<Output = Given> + Send)>,
    cx: &mut Context<'_>,
) -> Result<Poll<Given>, Exit> {
    marked(tree, key.index, || contain(|| asking.poll(cx)))
}

/// How a run ends that is stopped before it did anything.
fn stopped_early(order: Order) -> Option<Exit> {
    if order.has(KILL) {
        Some(Exit::Aborted)
    } else if order.has(STOP) {
        Some(Exit::Stopped)
    } else {
        None
    }
}

impl Host {
    fn new(seat: Seat, managed: bool) -> Self {
        let Seat { tree, key, number } = seat;
        Self {
            place: Arc::new(Place { tree, key }),
            number,
            managed,
            runs: 0,
            generation: 0,
            known: false,
            waits_to_be_woken: false,
            storms: false,
            stage: Stage::Idle,
            beside: None,
        }
    }

    fn slot(&self) -> &Slot {
        self.place.tree.table.slot(self.place.key.index)
    }

    /// Opens the span of the run that begins, where somebody listens.
    fn open(&mut self, ctx: &ChildContext) {
        if let Some(span) = ctx.open_span() {
            self.beside.get_or_insert_default().span = Some(span);
        }
    }

    /// Calls what belongs to the run, inside its span.
    fn inside<T>(&self, code: impl FnOnce() -> T) -> T {
        match self.beside.as_ref().and_then(|beside| beside.span.as_ref()) {
            Some(span) => span.in_scope(code),
            None => code(),
        }
    }

    /// A poll begins: leaves the waker before any order is read.
    fn begin(&mut self, cx: &Context<'_>) {
        (self.runs, self.waits_to_be_woken) = (0, false);
        if !self.known {
            self.known = true;
            let before = self.slot().cell().waker.replace(cx.waker().clone());
            drop(before);
        }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Step {
        loop {
            match self.stage {
                Stage::Idle => {
                    if let Some(step) = self.idle(cx) {
                        return step;
                    }
                }
                Stage::Asking => {
                    if let Some(step) = self.asking(cx) {
                        return step;
                    }
                }
                Stage::Running => return self.running().unwrap_or(Step::Poll),
                Stage::Draining => {
                    if self.draining(cx).is_pending() {
                        return Step::Wait;
                    }
                }
            }
        }
    }

    /// Between runs. `None`: a run was wanted and is over already.
    fn idle(&mut self, cx: &Context<'_>) -> Option<Step> {
        let slot = self.place.tree.table.slot(self.place.key.index);
        if slot.host() != self.number || !slot.is(self.place.key) {
            return Some(Step::End);
        }
        let order = slot.order();
        if !order.has(RUN) || order.generation() <= self.generation {
            return Some(if order.has(FORGET) { Step::End } else { Step::Wait });
        }
        if self.waits_to_be_woken {
            return Some(Step::Wait);
        }
        if self.runs == RUNS_PER_POLL {
            cx.waker().wake_by_ref();
            return Some(Step::Wait);
        }
        self.runs += 1;
        self.generation = order.generation();
        slot.begin(self.generation);
        match stopped_early(order) {
            Some(exit) => self.over(exit, cx),
            None => match self.to_be_asked() {
                Some(asking) => {
                    self.stage = Stage::Asking;
                    self.beside.get_or_insert_default().asking = Some(asking);
                }
                None => return self.begins(None, cx),
            },
        }
        None
    }

    /// What the run has to wait for before it can begin.
    fn to_be_asked(&self) -> Option<Pin<Box<dyn Future<Output = Given> + Send>>> {
        if !self.place.tree.secrets.have_to_be_asked() {
            return None;
        }
        let keys = self.slot().extras()?.keys();
        if keys.is_empty() {
            return None;
        }
        let (ctx, told) = (self.context(), self.context());
        let asking = self.place.tree.secrets.clone().ask(keys, move |what| told.phase(what));
        // The run has not begun, so it keeps no promise yet; nor does it break it.
        let policy = self.slot().policy();
        let promised = policy.and_then(|policy| policy.heartbeat).map(|promise| promise.interval);
        Some(Box::pin(async move {
            let mut asking = pin!(asking);
            loop {
                let beat = async {
                    match promised {
                        Some(interval) => tokio::time::sleep(interval).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    given = &mut asking => return given,
                    () = beat => ctx.heartbeat(),
                }
            }
        }))
    }

    /// Waits for the secrets of a run that has not begun. `None`: it is over already.
    fn asking(&mut self, cx: &mut Context<'_>) -> Option<Step> {
        let early = stopped_early(self.slot().order());
        if early.is_some() {
            self.tell_what_it_waited_for();
        }
        let asking = self.beside.as_mut().and_then(|beside| beside.asking.as_mut());
        let (exit, given) = match (early, asking) {
            (Some(exit), _) => (Some(exit), None),
            (None, None) => (Some(Exit::Aborted), None),
            // What is asked is a user's.
            (None, Some(asking)) => {
                match poll_asking(&self.place.tree, self.place.key, asking.as_mut(), cx) {
                    Ok(Poll::Pending) => return Some(Step::Wait),
                    Ok(Poll::Ready(given)) => (None, Some(Arc::new(given))),
                    Err(panic) => (Some(panic), None),
                }
            }
        };
        let asking = self.beside.as_mut().and_then(|beside| beside.asking.take());
        let panic = contain(|| drop(asking)).err();
        if let Some(exit) = exit.or(panic) {
            self.over(exit, cx);
            return None;
        }
        let ctx = self.context();
        ctx.phase("");
        for (key, why) in given.iter().flat_map(|given| given.troubles()) {
            let text = format!("the secret {key} could not be looked for everywhere: {why}");
            ctx.log(Severity::Warning, text, [("secret", key.to_owned())]);
        }
        self.slot().cell().aids(self.generation).given.clone_from(&given);
        self.begins(given.as_deref(), cx)
    }

    /// It is stopped before it had its secrets; that may be why.
    fn tell_what_it_waited_for(&self) {
        let phase = self.slot().cell().kept.as_ref().and_then(|kept| kept.phase.clone());
        if let Some(phase) = phase {
            let text = format!("it is stopped before it began, and {phase}");
            self.context().log(Severity::Warning, text, [("waits_for", "secrets")]);
        }
    }

    /// The run begins, unless something of it is missing. `None`: it is over already.
    fn begins(&mut self, given: Option<&Given>, cx: &Context<'_>) -> Option<Step> {
        let missing = self.slot().extras().and_then(|extras| extras.missing(given));
        if let Some(missing) = missing {
            self.over(Exit::failed(missing), cx);
            return None;
        }
        self.stage = Stage::Running;
        Some(Step::Build)
    }

    /// What keeps the run from being polled again.
    fn running(&self) -> Option<Step> {
        let order = self.slot().order();
        if self.managed {
            return None;
        }
        if order.has(KILL) {
            return Some(Step::Drop(Exit::Aborted));
        }
        if order.has(CREW_FAILED) {
            return Some(Step::Drop(self.crew_failure().unwrap_or(Exit::Aborted)));
        }
        None
    }

    /// The factory has made the run's future.
    fn built(&mut self) {
        let Some(extras) = self.slot().extras() else { return };
        if let Some(metering) = extras.metering {
            let meter = Arc::new(Meter::new(metering));
            self.slot().cell().aids(self.generation).meter = Some(Arc::clone(&meter));
            self.place.tree.metered.began(self.place.key, self.generation);
            self.beside.get_or_insert_default().meter = Some(meter);
        }
        if let Some(uses) = extras.probe.clone() {
            probe::start(self.context(), uses);
        }
    }

    fn context(&self) -> ChildContext {
        let attempt = self.slot().attempt();
        ChildContext::new(Arc::clone(&self.place), self.generation, attempt)
    }

    fn meter(&self) -> Option<&Meter> {
        self.beside.as_ref()?.meter.as_deref()
    }

    /// A poll that was timed is over.
    fn polled(&self, meter: &Meter) {
        if let Some(why) = meter.ends() {
            self.context().unwell(why);
        }
    }

    /// What the return of the run's future means (D22).
    fn returned(&self, exit: Exit) -> Exit {
        if self.managed
            && self.slot().order().has(CREW_FAILED)
            && let Some(failure) = self.crew_failure()
        {
            return failure;
        }
        match exit {
            Exit::Completed if self.slot().order().has(STOP | KILL) => Exit::Stopped,
            exit => exit,
        }
    }

    fn crew_failure(&self) -> Option<Exit> {
        let cell = self.slot().cell();
        let aids = cell.aids.as_ref().filter(|aids| aids.generation == self.generation)?;
        aids.crew.as_ref()?.failure()
    }

    /// The run's future is gone, or never was.
    fn dropped(&mut self, exit: Exit, panic_in_drop: Option<Exit>, cx: &mut Context<'_>) -> Step {
        let exit = match panic_in_drop {
            Some(panic) if exit.is_clean() || exit == Exit::Aborted => panic,
            _ => exit,
        };
        self.over(exit, cx);
        self.next(cx)
    }

    /// Reports the end of the run, or begins to wait for the tasks it spawned.
    fn over(&mut self, exit: Exit, cx: &Context<'_>) {
        let slot = self.place.tree.table.slot(self.place.key.index);
        let mut cell = slot.cell();
        let aids = cell.aids.take_if(|aids| aids.generation == self.generation);
        if let Some(crew) = aids.as_ref().and_then(|aids| aids.crew.clone())
            && !crew.close_if_empty()
        {
            cell.aids = aids;
            let patience = if slot.order().has(STOP | KILL) {
                cell.stop.as_ref().map(|stop| stop.deadline)
            } else {
                None
            };
            let deadline =
                patience.unwrap_or_else(|| self.place.tree.clock.now().saturating_add(self.grace()));
            cell.stop.get_or_insert(StopOrder { deadline, cause: Cause::Exit, detail: None });
            drop(cell);
            slot.raise(ENDING);
            slot.ring();
            let patience = (deadline != u64::MAX)
                .then(|| Box::pin(tokio::time::sleep_until(self.place.tree.clock.instant(deadline))));
            self.stage = Stage::Draining;
            self.beside.get_or_insert_default().drain = Some(Drain { exit, patience, crew });
            // The timer is not polled yet.
            cx.waker().wake_by_ref();
            return;
        }
        slot.raise(OVER);
        let span = self.beside.take().and_then(|beside| beside.span).map(|span| (span, exit.clone()));
        let how = match aids.as_ref().and_then(|aids| aids.declined.clone()) {
            Some(reason) if exit.is_clean() && cell.ready != self.generation && self.is_explicit() => {
                How::Declined(reason)
            }
            _ => How::Exited(exit),
        };
        let was_asked = cell.stop.is_some();
        drop(cell);
        let end = RunEnd { epoch: self.place.key.epoch, generation: self.generation, was_asked, how };
        self.stage = Stage::Idle;
        if let Some((span, exit)) = span {
            // Somebody else's code; a panic in it changes nothing.
            drop(contain(|| {
                spans::run_is_over(&span, &exit);
                drop(span);
            }));
        }
        self.storms = self.runs >= STORM;
        let following = self.place.tree.report_end(self.place.key.index, end, self.storms);
        self.waits_to_be_woken = following == Following::Later;
        // Whoever still waits for something of this run can go on.
        for token in aids.into_iter().flat_map(|aids| [aids.stop, aids.kill]).flatten() {
            token.cancel();
        }
    }

    /// A poll is over.
    fn rests(&mut self, poll: Poll<()>) -> Poll<()> {
        if std::mem::take(&mut self.storms) {
            self.place.tree.end_stint(self.place.key.index);
        }
        poll
    }

    fn is_explicit(&self) -> bool {
        self.slot().policy().is_some_and(|policy| policy.readiness == ReadinessMode::Explicit)
    }

    /// The child's grace in nanoseconds, which is what spawned tasks have; `u64::MAX` is for ever.
    fn grace(&self) -> u64 {
        match self.slot().policy().map(|policy| policy.grace) {
            Some(Grace::Infinity) => u64::MAX,
            Some(Grace::Timeout(span)) => nanos(span),
            Some(Grace::Brutal) | None => 0,
        }
    }

    /// Waits for the spawned tasks; they are aborted when the grace is over or the run is killed.
    fn draining(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let killed = self.slot().order().has(KILL);
        let Some(drain) = self.beside.as_mut().and_then(|beside| beside.drain.as_mut()) else {
            self.stage = Stage::Idle;
            return Poll::Ready(());
        };
        let impatient = drain.patience.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
        if killed || impatient {
            drain.patience = None;
            drain.crew.abort();
        }
        if !drain.crew.is_empty() {
            return Poll::Pending;
        }
        // A task that panicked while it was asked to stop spoils a good end.
        let failure = drain.crew.failure().filter(|_| drain.exit.is_clean());
        let exit = failure.unwrap_or_else(|| drain.exit.clone());
        if let Some(beside) = &mut self.beside {
            beside.drain = None;
        }
        self.over(exit, cx);
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokio puts a task with a future of at most 152 bytes in an allocation of 256.
    #[test]
    fn the_task_of_a_small_child_fits_a_small_allocation() {
        fn hosted<F, Fut>(_: &F) -> usize
        where
            F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
            Fut: Future<Output: IntoExit> + Send + 'static,
        {
            fn size<A, B, Fut>(_: fn(A, B) -> Fut) -> usize {
                size_of::<Fut>()
            }
            size(host::<F, Fut>)
        }
        let size = hosted(&|ctx: ChildContext| async move {
            ctx.stopping().await;
        });
        assert!(size <= 152, "{size}");
    }
}
