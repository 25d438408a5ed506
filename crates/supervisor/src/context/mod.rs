//! What a run is given.

mod stopping;

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use supervisor_api::manifest::StopSignal;
use supervisor_api::policy::{Heartbeat, ReadinessMode};
use supervisor_api::{ProgramUsage, Severity, SupervisorPath};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::clock::unix_nanos;
use crate::handle::SupervisorHandle;
use crate::kept;
use crate::queue::{BEAT, MISSED, READY};
use crate::run::{Crew, Place};
use crate::secrets::{Given, Secret};
use crate::slot::{Aids, Deliver, ENDING, KILL, Missed, OVER, Order, STOP, Slot};
use crate::spans;
use crate::spec::Extras;
use crate::sync::atomic::Ordering;
use crate::sync::{Condvar, Mutex};

pub use stopping::{Killed, StopRequest, Stopping};

/// What a run knows of itself, and how it talks to its supervisor.
///
/// Cheap to clone, and valid for the one run it was made for: a clone that outlives the run is told to
/// stop, and what it reports changes nothing (D5).
#[derive(Clone)]
pub struct ChildContext {
    place: Arc<Place>,
    generation: u64,
    attempt: u32,
}

impl ChildContext {
    pub(crate) fn new(place: Arc<Place>, generation: u64, attempt: u32) -> Self {
        Self { place, generation, attempt }
    }

    /// Which tree and which child of it.
    #[cfg(feature = "tracing")]
    pub(crate) fn whose(&self) -> (&Arc<crate::tree::Tree>, supervisor_api::ChildKey) {
        (&self.place.tree, self.place.key)
    }

    /// The sequence of the event that told of the run.
    pub(crate) fn told_by(&self) -> u64 {
        self.slot().told_by()
    }

    /// What is recorded of the run; a disabled span where nobody listens.
    pub(crate) fn span(&self) -> Span {
        let cell = self.slot().cell();
        let aids = cell.aids.as_ref().filter(|aids| aids.generation == self.generation);
        aids.and_then(|aids| aids.span.clone()).unwrap_or_else(Span::none)
    }

    /// Opens the span of the run, where somebody listens.
    pub(crate) fn open_span(&self) -> Option<Span> {
        let span = spans::run(self)?;
        self.slot().cell().aids(self.generation).span = Some(span.clone());
        Some(span)
    }

    fn slot(&self) -> &Slot {
        self.place.tree.table.slot(self.place.key.index)
    }

    /// The order for this run; one that is over reads as over.
    fn order(&self) -> Order {
        let order = self.slot().order();
        if order.generation() == self.generation && self.slot().is(self.place.key) {
            order
        } else {
            Order(OVER)
        }
    }

    fn is_current(&self) -> bool {
        !self.order().has(OVER)
    }

    /// The path of the child.
    pub fn path(&self) -> SupervisorPath {
        self.slot().path().unwrap_or_else(SupervisorPath::root)
    }

    /// The number of the run, from 1, never used again for this child (D5).
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Which restart of the streak of failures the run is; 0 for a first run (D3).
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The handle of the tree. A child may ask its own supervisor for anything without a deadlock (D7);
    /// what stops the child itself is answered after the child is gone, so it must not be waited for.
    pub fn handle(&self) -> SupervisorHandle {
        SupervisorHandle::new(Arc::clone(&self.place.tree))
    }

    pub(crate) fn runtime(&self) -> tokio::runtime::Handle {
        self.place.tree.runtime.clone()
    }

    // Being stopped.

    /// Resolves when the run is asked to stop, with the reason and the grace left. Cancel safe; can be
    /// asked for any number of times.
    pub fn stopping(&self) -> Stopping<'_> {
        Stopping::new(self)
    }

    /// Whether the run was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.order().has(STOP | KILL | ENDING | OVER)
    }

    /// Waits on this thread until the run is asked to stop, at most `timeout` of real time; says whether
    /// it was. For blocking children: in an async task it would hold up the worker.
    pub fn wait_stopping(&self, timeout: Duration) -> bool {
        let parker = Arc::new(Parker::default());
        let waker = Waker::from(Arc::clone(&parker));
        let mut cx = Context::from_waker(&waker);
        let mut stopping = pin!(self.stopping());
        if stopping.as_mut().poll(&mut cx).is_ready() {
            return true;
        }
        let woken = parker.woken.lock().unwrap_or_else(PoisonError::into_inner);
        drop(parker.bell.wait_timeout_while(woken, timeout, |woken| !*woken));
        stopping.as_mut().poll(&mut cx).is_ready()
    }

    /// Polls `future` until it is done or the run is asked to stop; then it is dropped and `None` returned.
    pub async fn run_until_stopped<Fut: Future>(&self, future: Fut) -> Option<Fut::Output> {
        let mut stopping = pin!(self.stopping());
        let mut future = pin!(future);
        poll_fn(|cx| {
            if stopping.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// A token that is cancelled when the run is asked to stop, for libraries that want one. It is made
    /// when it is first asked for. Cancelling it stops nothing here.
    pub fn token(&self) -> CancellationToken {
        self.own_token(STOP | KILL | ENDING | OVER, |aids| &mut aids.stop).child_token()
    }

    /// For managed runs: resolves when the grace is over. The run must destroy what it owns and return.
    pub fn killed(&self) -> Killed<'_> {
        Killed::new(self)
    }

    /// The token of this run that is cancelled once one of `flags` is up.
    fn own_token(
        &self,
        flags: u64,
        place: impl FnOnce(&mut Aids) -> &mut Option<CancellationToken>,
    ) -> CancellationToken {
        let token = {
            let mut cell = self.slot().cell();
            if self.order().has(OVER) {
                CancellationToken::new()
            } else {
                place(cell.aids(self.generation)).get_or_insert_default().clone()
            }
        };
        // Looked at after the token can be found by whoever raises a flag.
        if self.order().has(flags) {
            token.cancel();
        }
        token
    }

    // Reports.

    /// The run can do its work (D19). Only the first call of a run counts.
    pub fn ready(&self) {
        self.report(READY, |cell| cell.ready = cell.ready.max(self.generation));
    }

    /// Keeps the promise to report life (D13).
    pub fn heartbeat(&self) {
        self.report(BEAT, |cell| cell.beat = cell.beat.max(self.generation));
    }

    /// The promise to report life that this run has to keep with [`Self::heartbeat`]; `None` when there is none,
    /// or when a probe keeps it.
    pub fn promised(&self) -> Option<Heartbeat> {
        let probed = self.extras().is_some_and(|extras| extras.probe.is_some());
        self.slot()
            .policy()
            .and_then(|policy| policy.heartbeat)
            .filter(|_| !probed && self.slot().is(self.place.key))
    }

    /// A check of the run from outside has failed, and why: counts as a missed heartbeat, at once (D13).
    /// For runs that check what they own, such as programs.
    pub fn missed(&self, why: impl Into<Arc<str>>) {
        self.tell_missed(why.into(), false);
    }

    /// The run has failed, and why: it is unhealthy at once, whatever misses are allowed (D13). Without a promise to
    /// report life nothing comes of it; such a run ends with an error.
    pub fn unwell(&self, why: impl Into<Arc<str>>) {
        self.tell_missed(why.into(), true);
    }

    fn tell_missed(&self, why: Arc<str>, at_once: bool) {
        let generation = self.generation;
        self.report(MISSED, |cell| match &cell.missed {
            // Not yet taken, it stands: a miss beside it says less.
            Some(said) if said.generation == generation && said.at_once => {}
            _ => cell.missed = Some(Box::new(Missed { generation, why, at_once })),
        });
    }

    /// The run has begun to end by itself: its probe is called no more. It still has to keep its promise to report
    /// life, or to be gone before that is broken (D13).
    pub fn winds_down(&self) {
        let mut cell = self.slot().cell();
        if self.is_current() {
            cell.aids(self.generation).winds_down = true;
        }
    }

    /// Whether the run has said that it ends by itself.
    pub(crate) fn is_winding_down(&self) -> bool {
        let cell = self.slot().cell();
        cell.aids.as_ref().is_some_and(|aids| aids.generation == self.generation && aids.winds_down)
    }

    /// The tree's time.
    #[cfg(feature = "metrics")]
    pub(crate) fn now(&self) -> Duration {
        Duration::from_nanos(self.place.tree.clock.now())
    }

    /// A check of the run took so long, whatever it found. Counts where somebody has asked for metrics.
    #[cfg(feature = "metrics")]
    pub(crate) fn probe_took(&self, took: Duration) {
        if let Some(counts) = self.place.tree.counts.get() {
            counts.probe_took(&self.path(), took);
        }
    }

    fn report(&self, bit: u32, note: impl FnOnce(&mut crate::slot::Cell)) {
        let current = {
            let mut cell = self.slot().cell();
            let current = self.is_current();
            if current {
                note(&mut cell);
            }
            current
        };
        if current {
            self.place.tree.report(self.place.key.index, bit);
        } else {
            self.place.tree.stale.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says that this run will not start, and why; the run then returns well. The child is `stopped`, not
    /// failed, and whoever depends on it waits (R4, R38).
    ///
    /// For children that report ready, before they do. Said by any other, or followed by a bad end, it
    /// changes nothing.
    pub fn decline(&self, reason: impl Into<Arc<str>>) {
        let reason = reason.into();
        let mut cell = self.slot().cell();
        if self.is_current() {
            cell.aids(self.generation).declined = Some(reason);
        }
    }

    /// Whether the run is started (D19).
    pub(crate) fn is_started(&self) -> bool {
        let explicit = self.slot().policy().is_some_and(|policy| policy.readiness == ReadinessMode::Explicit);
        !explicit || self.slot().cell().ready == self.generation
    }

    /// For runs that own a program: what an operator's signal does
    /// ([`SupervisorHandle::signal_child`]). `deliver` sends it, or says why it cannot; it is called on the task of
    /// whoever asks and must not block. A run that never calls this takes no signals.
    pub fn on_signal(&self, deliver: impl Fn(StopSignal) -> Result<(), String> + Send + Sync + 'static) {
        self.takes(Arc::new(deliver), |aids| &mut aids.signals);
    }

    /// For runs that own a program: what [`SupervisorHandle::reload_child`] does. `deliver` sends the child's
    /// `reload_signal` to the process that reads the configuration; all else is as for [`Self::on_signal`].
    pub fn on_reload(&self, deliver: impl Fn(StopSignal) -> Result<(), String> + Send + Sync + 'static) {
        self.takes(Arc::new(deliver), |aids| &mut aids.reload);
    }

    fn takes(&self, deliver: Deliver, place: impl FnOnce(&mut Aids) -> &mut Option<Deliver>) {
        let before = {
            let mut cell = self.slot().cell();
            if !self.is_current() {
                return;
            }
            place(cell.aids(self.generation)).replace(deliver)
        };
        // It is a user's, and its drop is not for the time of a lock.
        drop(before);
    }

    /// For runs that own a program: its process id, which the operator sees while the run lasts; `None` when the program
    /// is gone, and the run is not over.
    pub fn runs_as(&self, pid: impl Into<Option<u32>>) {
        let pid = pid.into();
        let mut cell = self.slot().cell();
        if self.is_current() {
            cell.aids(self.generation).pid = pid;
        }
    }

    /// For probes of programs: the process id that the run has said last.
    pub fn process(&self) -> Option<u32> {
        let cell = self.slot().cell();
        cell.aids.as_ref().filter(|aids| aids.generation == self.generation)?.pid
    }

    /// For runs that own a program: what it uses now, which the operator sees while the run lasts. The time of the
    /// measurement is that of the call.
    pub fn uses(&self, usage: ProgramUsage) {
        let usage = usage.at(unix_nanos());
        let first = {
            let mut cell = self.slot().cell();
            if !self.is_current() {
                return;
            }
            match &mut cell.aids(self.generation).usage {
                Some(place) => {
                    **place = usage;
                    false
                }
                place => place.replace(Box::new(usage)).is_none(),
            }
        };
        if first {
            self.place.tree.programs.began(self.place.key, self.generation);
        }
        #[cfg(feature = "metrics")]
        if let Some(counts) = self.place.tree.counts.get() {
            counts.uses(self.place.key, &self.path(), self.generation, &usage);
        }
    }

    /// What was last said of this run with [`Self::uses`].
    pub fn usage(&self) -> Option<ProgramUsage> {
        let cell = self.slot().cell();
        let aids = cell.aids.as_ref().filter(|aids| aids.generation == self.generation)?;
        aids.usage.as_deref().copied()
    }

    // What is kept to be seen.

    /// A label that the operator sees, at most 256 bytes: what the run is doing.
    pub fn phase(&self, label: impl AsRef<str>) {
        let label: Arc<str> = kept::label(label.as_ref()).into();
        self.keep(|kept| kept.phase = Some(label));
    }

    /// A text that says how far the run is, at most 256 bytes.
    pub fn progress(&self, text: impl AsRef<str>) {
        let text: Arc<str> = kept::label(text.as_ref()).into();
        self.keep(|kept| kept.progress = Some(text));
    }

    /// A number with a name. At most 64 names per child are kept.
    pub fn gauge(&self, name: impl AsRef<str>, value: f64) {
        let name = name.as_ref();
        self.keep(|kept| kept.gauge(name, value));
    }

    fn keep(&self, change: impl FnOnce(&mut kept::Kept)) {
        let mut cell = self.slot().cell();
        if self.is_current() {
            change(cell.kept.get_or_insert_default());
        }
    }

    /// Keeps a line of log. At most 16 KiB of the message and 32 fields; the newest 256 KiB per child and
    /// 64 MiB per tree are kept, what is dropped is counted.
    pub fn log<K, V>(
        &self,
        severity: Severity,
        message: impl Into<String>,
        fields: impl IntoIterator<Item = (K, V)>,
    ) where
        K: Into<String>,
        V: Into<String>,
    {
        let message = message.into();
        let fields = fields.into_iter().take(32).map(|(name, value)| (name.into(), value.into())).collect();
        if self.is_current() {
            kept::log(&self.place.tree, self.place.key, self.generation, severity, message, fields);
        }
    }

    // What it leaves for the next run.

    /// Holds a value for the later runs of this child, which find it with [`Self::held`]: a listening socket, a
    /// connection, a warm cache. A child holds one value; the one before it is let go.
    ///
    /// It is let go when the child is removed from the tree and when the tree has ended, and not when it is restarted,
    /// paused, quarantined or made anew by [`SupervisorHandle::apply`]. Called by a run that is over, it does nothing.
    pub fn hold<T: Any + Send + Sync>(&self, value: Arc<T>) {
        let before = {
            let mut cell = self.slot().cell();
            if !self.is_current() {
                return;
            }
            cell.kept.get_or_insert_default().held.replace(value)
        };
        // It is a user's, and its drop is not for the time of a lock.
        drop(before);
    }

    /// What this child holds, if that is a `T`: left by an earlier run, or by this one.
    pub fn held<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let cell = self.slot().cell();
        let held = cell.kept.as_ref().filter(|_| self.slot().is(self.place.key))?.held.clone()?;
        drop(cell);
        held.downcast().ok()
    }

    // What it was given.

    /// The variables of the child's spec with their values, in order. Values may be secrets.
    pub fn env(&self) -> Vec<(Arc<str>, Secret)> {
        self.extras().map(|extras| extras.environment(self.given().as_deref())).unwrap_or_default()
    }

    /// The secret with this name: what the run was given of [`Registry::secrets_from`](crate::Registry::secrets_from);
    /// out of the supervisor's own environment, where nothing else was said, it is read anew at every call. Never printed
    /// by the library.
    pub fn secret(&self, name: impl AsRef<str>) -> Option<Secret> {
        self.extras()?.secret(name.as_ref(), self.given().as_deref())
    }

    /// What `${name}` stands for in the child's spec: its secret with this name; if it has none, the one with this key,
    /// which is a variable of the supervisor's own environment where nothing else was said.
    pub fn secret_reference(&self, name: impl AsRef<str>) -> Option<Secret> {
        self.extras()?.referred(name.as_ref(), self.given().as_deref())
    }

    /// The secrets the run was given, where somebody had to be asked for them.
    fn given(&self) -> Option<Arc<Given>> {
        if !self.place.tree.secrets.have_to_be_asked() {
            return None;
        }
        let cell = self.slot().cell();
        let aids = cell.aids.as_ref().filter(|aids| aids.generation == self.generation)?;
        aids.given.clone()
    }

    fn extras(&self) -> Option<Arc<Extras>> {
        self.slot().extras().filter(|_| self.slot().is(self.place.key))
    }

    /// Spawns a task that is part of this run.
    ///
    /// When the run's own future is over, the task is told to stop ([`Self::stopping`]) and has the
    /// child's grace; then it is dropped. The exit is reported after every such task is gone (D6). A panic
    /// in one ends the run as [`Exit::Panicked`](crate::Exit::Panicked). In a run that is over, the future
    /// is dropped at once.
    pub fn spawn<Fut>(&self, future: Fut)
    where
        Fut: Future<Output: Send> + Send + 'static,
    {
        let crew = {
            let mut cell = self.slot().cell();
            if !self.is_current() {
                drop(cell);
                return;
            }
            let aids = cell.aids(self.generation);
            let span = aids.span.as_ref();
            let crew = aids
                .crew
                .get_or_insert_with(|| Arc::new(Crew::new(span.cloned().unwrap_or_else(Span::none))));
            Arc::clone(crew)
        };
        crew.spawn(&self.place.tree, self.place.key, self.generation, future);
    }
}

impl fmt::Debug for ChildContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildContext")
            .field("path", &self.path())
            .field("generation", &self.generation)
            .field("stopping", &self.is_stopping())
            .finish_non_exhaustive()
    }
}

/// Lets a thread sleep until a waker is called.
#[derive(Default)]
struct Parker {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }
}
