//! One child.

use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use supervisor_api::ChildId;
use supervisor_api::manifest::StopSignal;
use supervisor_api::policy::{
    Backoff, Budget, Condition, Criticality, Grace, Heartbeat, OnExhausted, Permissions, ReadinessMode,
    RestartType, Role,
};
use supervisor_core::{ChildSettings, Limit};

use super::extras::{Extras, Probe, ProbeTimes, ProbeUse, SecretSource, Variable};
use super::{Name, SupervisorSpec, Wanted};
use crate::context::ChildContext;
use crate::exit::IntoExit;
use crate::run::{self, Metering, Run};
use crate::schedule::{Missed, Schedule, Times};

/// What a child runs, and how it is looked after.
///
/// A *factory* is called for every run and makes the run's future. What is not said keeps the default of
/// the role, or of the tree's profile (D1, D15). Mistakes are found when the tree is launched, all at once.
///
/// ```
/// use std::time::Duration;
/// use tokio_supervisor::{Backoff, ChildSpec};
///
/// let fetch = ChildSpec::worker("fetch", |ctx| async move {
///     ctx.run_until_stopped(std::future::pending::<()>()).await;
/// })
/// .backoff(Backoff::exponential(Duration::from_millis(50), Duration::from_secs(5)));
/// # drop(fetch);
/// ```
#[derive(Clone)]
#[must_use = "a spec does nothing until a tree is launched with it"]
pub struct ChildSpec {
    pub(crate) name: Name,
    pub(crate) settings: Arc<ChildSettings>,
    pub(crate) what: What,
    pub(crate) more: Option<Box<More>>,
}

/// What a child runs.
#[derive(Clone)]
pub(crate) enum What {
    Run(Arc<dyn Run>),
    /// A factory that nobody has registered yet.
    Unbound(Wanted),
    Supervisor(Box<SupervisorSpec>),
}

/// What few children have.
#[derive(Clone, Default)]
pub(crate) struct More {
    pub(crate) depends_on: Vec<Name>,
    pub(crate) primary: Option<Name>,
    pub(crate) extras: Extras,
}

/// The settings of children about which only their role is said.
fn role_settings(role: Role) -> Arc<ChildSettings> {
    static SHARED: OnceLock<Vec<Arc<ChildSettings>>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let of = |&role| Arc::new(ChildSettings { role: Some(role), ..ChildSettings::default() });
        Role::ALL.iter().map(of).collect()
    });
    Arc::clone(&shared[role as usize])
}

impl ChildSpec {
    fn new(name: impl AsRef<str>, role: Role, what: What) -> Self {
        Self { name: Name::new(name), settings: role_settings(role), what, more: None }
    }

    fn task<F, Fut>(name: impl AsRef<str>, role: Role, factory: F) -> Self
    where
        F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoExit> + Send + 'static,
    {
        Self::new(name, role, What::Run(run::task(factory)))
    }

    /// A child that runs for ever: permanent.
    pub fn service<F, Fut>(name: impl AsRef<str>, factory: F) -> Self
    where
        F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoExit> + Send + 'static,
    {
        Self::task(name, Role::Service, factory)
    }

    /// A child that works until it is done: transient.
    pub fn worker<F, Fut>(name: impl AsRef<str>, factory: F) -> Self
    where
        F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoExit> + Send + 'static,
    {
        Self::task(name, Role::Worker, factory)
    }

    /// A child that runs once and keeps its row: `completed` or `failed` (D18).
    pub fn job<F, Fut>(name: impl AsRef<str>, factory: F) -> Self
    where
        F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoExit> + Send + 'static,
    {
        Self::task(name, Role::Job, factory)
    }

    /// A child that lives and ends with its sibling `primary`, and is started before it (D15).
    pub fn sidecar<F, Fut>(name: impl AsRef<str>, primary: impl AsRef<str>, factory: F) -> Self
    where
        F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoExit> + Send + 'static,
    {
        let mut spec = Self::task(name, Role::Sidecar, factory);
        spec.more().primary = Some(Name::new(primary));
        spec
    }

    /// A child that blocks. Every run has a thread of its own, named after the path.
    ///
    /// The function looks at [`ChildContext::is_stopping`] or waits in [`ChildContext::wait_stopping`].
    /// A thread cannot be killed: one that does not return within grace and `abort_wait` is
    /// `unresponsive`, and nothing starts in its place until it is gone (D8).
    pub fn blocking<F, R>(name: impl AsRef<str>, work: F) -> Self
    where
        F: Fn(ChildContext) -> R + Send + Sync + 'static,
        R: IntoExit + 'static,
    {
        Self::new(name, Role::Service, What::Run(run::blocking(work)))
    }

    /// A child that owns something outside its task: a program, a thread, a foreign runtime.
    ///
    /// Its future is never dropped when a grace ends; instead [`ChildContext::killed`] resolves. Then the
    /// run must destroy what it owns and return. If it has not within `abort_wait` it is `unresponsive`.
    /// The future is dropped only with the runtime.
    pub fn managed<F, Fut>(name: impl AsRef<str>, factory: F) -> Self
    where
        F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoExit> + Send + 'static,
    {
        Self::new(name, Role::Service, What::Run(run::managed(factory)))
    }

    /// A nested supervisor. Its name is that of the spec ([`SupervisorSpec::new`]).
    pub fn supervisor(spec: SupervisorSpec) -> Self {
        let name = spec.name.clone().unwrap_or_else(|| Name::new(""));
        Self {
            name,
            settings: role_settings(Role::Supervisor),
            what: What::Supervisor(Box::new(spec)),
            more: None,
        }
    }

    /// A child that runs what is known only by name, or already made.
    pub(crate) fn of(name: Name, what: What) -> Self {
        Self { name, settings: role_settings(Role::Service), what, more: None }
    }

    pub(crate) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Keeps what is said of it once, where the same is said of the child before it: many like children take little room.
    pub(crate) fn share_settings(&mut self, before: &Self) {
        if !Arc::ptr_eq(&self.settings, &before.settings) && self.settings == before.settings {
            self.settings = Arc::clone(&before.settings);
        }
    }

    pub(crate) fn set(mut self, change: impl FnOnce(&mut ChildSettings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Another name.
    pub fn named(mut self, name: impl AsRef<str>) -> Self {
        self.name = Name::new(name);
        self
    }

    /// What it is for; gives defaults and overrides nothing (D15).
    pub fn role(self, role: Role) -> Self {
        self.set(|s| s.role = Some(role))
    }

    /// When its end leads to a new start (`semantics.md` 1.2).
    pub fn restart(self, restart: RestartType) -> Self {
        self.set(|s| s.restart = Some(restart))
    }

    /// For a job: start it again when it fails (D15).
    pub fn retry(self, retry: bool) -> Self {
        self.set(|s| s.retry = Some(retry))
    }

    /// How much the whole suffers when it does (D4, D21).
    pub fn criticality(self, criticality: Criticality) -> Self {
        self.set(|s| s.criticality = Some(criticality))
    }

    /// What counts as started: being spawned, or calling [`ChildContext::ready`] (D19).
    pub fn readiness(self, mode: ReadinessMode) -> Self {
        self.set(|s| s.readiness = Some(mode))
    }

    /// It calls [`ChildContext::ready`], at most this long after it was spawned; else the start has failed
    /// (D19). Says [`ReadinessMode::Explicit`] too, unless the readiness was said before.
    pub fn ready_within(self, limit: Duration) -> Self {
        self.set(|s| {
            s.ready_within = Some(Limit::After(limit));
            s.readiness.get_or_insert(ReadinessMode::Explicit);
        })
    }

    /// It calls [`ChildContext::ready`] and may take for ever to do so.
    pub fn ready_eventually(self) -> Self {
        self.set(|s| {
            s.ready_within = Some(Limit::Infinity);
            s.readiness.get_or_insert(ReadinessMode::Explicit);
        })
    }

    /// The delay before restarts (D3).
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.set(|s| s.backoff = Some(backoff))
    }

    /// A budget of its own: at most `max_restarts` in any `window` (D4).
    pub fn budget(self, max_restarts: u32, window: Duration) -> Self {
        self.set(|s| s.budget = Some(Budget::new(max_restarts, window)))
    }

    /// A budget of its own that is never exhausted.
    pub fn unlimited(self) -> Self {
        self.set(|s| s.budget = Some(Budget::unlimited()))
    }

    /// What an exhausted budget leads to (D4).
    pub fn on_exhausted(self, action: OnExhausted) -> Self {
        self.set(|s| s.on_exhausted = Some(action))
    }

    /// How long it is waited for after it was asked to stop; 0 asks and kills (R55, R56).
    pub fn grace(self, grace: Duration) -> Self {
        self.set(|s| s.grace = Some(Grace::Timeout(grace)))
    }

    /// So much more grace than is said, for what a run does after the one that it was for has ended. Nothing is
    /// added to a grace that is infinite or brutal. Default: none.
    pub fn grace_beyond(self, more: Duration) -> Self {
        if more.is_zero() { self } else { self.set(|s| s.grace_beyond = more) }
    }

    /// It is waited for, for ever, after it was asked to stop.
    pub fn grace_infinity(self) -> Self {
        self.set(|s| s.grace = Some(Grace::Infinity))
    }

    /// It is not asked to stop but killed at once.
    pub fn brutal(self) -> Self {
        self.set(|s| s.grace = Some(Grace::Brutal))
    }

    /// How long it is waited for after it was killed, before it is `unresponsive` (D8).
    pub fn abort_wait(self, wait: Duration) -> Self {
        self.set(|s| s.abort_wait = Some(wait))
    }

    /// It promises a [`ChildContext::heartbeat`] every `interval`, at most `timeout` late; `max_retries`
    /// misses in a row make it unhealthy, and it is stopped for it (D13).
    ///
    /// See [`Self::watched`] for a child that promises nothing.
    pub fn heartbeat(self, interval: Duration, timeout: Duration, max_retries: u32) -> Self {
        self.set(|s| s.heartbeat = Some(Heartbeat { interval, timeout, max_retries }))
    }

    /// For so long after started no miss counts, until the first heartbeat came or the first probe succeeded (D13).
    pub fn start_period(self, period: Duration) -> Self {
        self.set(|s| s.start_period = Some(period))
    }

    /// It promises no heartbeat, but is watched from outside: with [`ChildContext::unwell`] its run is unhealthy at
    /// once, and is stopped for it.
    pub fn watched(self) -> Self {
        self.set(|s| s.heartbeat = Some(Heartbeat::WATCHED))
    }

    /// Limits that nothing holds it to, by their keys in a file. For builders of kinds: they are in its diagnostics as
    /// `unenforced`, and the event `LimitUnenforced` tells of them.
    pub fn unenforced(mut self, limits: impl IntoIterator<Item = &'static str>) -> Self {
        let mut limits = limits.into_iter().peekable();
        if limits.peek().is_some() {
            self.more().extras.unenforced.extend(limits);
        }
        self
    }

    /// The polls of its runs are timed: the share of a worker's time that they take and the longest one are in its row
    /// ([`PollTimes`](supervisor_api::PollTimes)). Only of tasks; not of the tasks that a run spawns. It costs two looks at
    /// the clock for each poll.
    pub fn poll_times(mut self) -> Self {
        self.more().extras.metering.get_or_insert(Metering { limit: None });
        self
    }

    /// Its polls are timed, and a run is unhealthy whose polls take more than so many percent of a worker's time for about
    /// ten seconds, as with [`ChildContext::unwell`]. 100 is never exceeded.
    pub fn max_cpu(mut self, percent: NonZeroU32) -> Self {
        self.more().extras.metering = Some(Metering { limit: Some(percent) });
        self.set(|s| {
            s.heartbeat.get_or_insert(Heartbeat::WATCHED);
        })
    }

    /// Every `interval` from started, `check` is called and may take `timeout`. `Ok` is a sign of life;
    /// `Err`, a panic and a check that takes too long are misses; `max_retries` misses in a row make the
    /// child unhealthy, and it is stopped for it (D13).
    pub fn probe<F, Fut, E>(
        mut self,
        interval: Duration,
        timeout: Duration,
        max_retries: u32,
        check: F,
    ) -> Self
    where
        F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let probe = Probe::new(check);
        let times = ProbeTimes { readiness: None, health: Some((interval, timeout)) };
        self.more().extras.probe = Some(ProbeUse { probe, times, tells: true });
        let promise = probed(Heartbeat { interval, timeout, max_retries });
        self.set(|s| s.heartbeat = Some(promise))
    }

    /// Whether its end can end its supervisor (R77-R84).
    pub fn significant(self, significant: bool) -> Self {
        self.set(|s| s.significant = Some(significant))
    }

    /// Which commands of an operator it allows.
    pub fn permissions(self, permissions: Permissions) -> Self {
        self.set(|s| s.permissions = Some(permissions))
    }

    /// Whether those who depend on it are stopped when it goes down (D11).
    pub fn restart_dependants(self, restart: bool) -> Self {
        self.set(|s| s.restart_dependants = Some(restart))
    }

    /// The siblings that must be ready, or done, before it starts (D11). Adds to those said before.
    pub fn depends_on<N: AsRef<str>>(mut self, siblings: impl IntoIterator<Item = N>) -> Self {
        self.more().depends_on.extend(siblings.into_iter().map(Name::new));
        self
    }

    /// A sibling of which this must be so before it starts (D11). Adds to those said before.
    ///
    /// The end of a sibling that is started again whenever it ends cannot be waited for: that is a mistake of the spec.
    pub fn depends_on_when(mut self, sibling: impl AsRef<str>, until: Condition) -> Self {
        if let Ok(id) = ChildId::new(sibling.as_ref()) {
            self = self.set(|s| s.conditions.push((id, until)));
        }
        self.more().depends_on.push(Name::new(sibling));
        self
    }

    /// Labels, for people and filters. Adds to those said before.
    pub fn tags<T: AsRef<str>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.more().extras.tags.extend(tags.into_iter().map(|tag| Arc::from(tag.as_ref())));
        self
    }

    /// The signal at which what it owns reads its configuration again, for
    /// [`SupervisorHandle::reload_child`](crate::SupervisorHandle::reload_child).
    pub fn reload_signal(mut self, signal: StopSignal) -> Self {
        self.more().extras.reload_signal = Some(signal);
        self
    }

    /// A variable that [`ChildContext::env`] gives, and that a program gets in its environment.
    pub fn env(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let variable = Variable::Value(value.as_ref().into());
        self.more().extras.env.push((name.as_ref().into(), variable));
        self
    }

    /// A variable whose value is a secret: the child's with this name, else the one with this key, which is a variable of the
    /// supervisor's own environment unless the registry says another place. If there is none, a run is refused and says so.
    pub fn env_secret(mut self, name: impl AsRef<str>, secret: impl AsRef<str>) -> Self {
        let variable = Variable::Secret(secret.as_ref().into());
        self.more().extras.env.push((name.as_ref().into(), variable));
        self
    }

    /// A secret that [`ChildContext::secret`] gives, found by its `key`: in the variable of this name of the supervisor's own
    /// environment, or where [`Registry::secrets_from`](crate::Registry::secrets_from) says. A required one that is absent
    /// refuses every run and is named.
    pub fn secret(mut self, name: impl AsRef<str>, key: impl AsRef<str>, required: bool) -> Self {
        let source = SecretSource { key: key.as_ref().into(), required };
        self.more().extras.secrets.push((name.as_ref().into(), source));
        self
    }

    /// For a job: starts it each time that `wait` resolves, and not with its supervisor (D20). `wait` is called anew
    /// after each time. Until its first run the child is `declared`; between runs it shows how the last one ended. An
    /// operator's restart runs it now, and one that is held is not started. `says` is what tells two schedules apart when a
    /// new spec is applied: where it is the same, waiting goes on.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokio_supervisor::ChildSpec;
    ///
    /// let report = ChildSpec::job("report", |_| async { /* write it */ })
    ///     .scheduled("every hour", |_| tokio::time::sleep(Duration::from_secs(3600)));
    /// # drop(report);
    /// ```
    pub fn scheduled<F, Fut>(self, says: impl Into<Arc<str>>, wait: F) -> Self
    where
        F: Fn(Times) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let mut spec = self.set(|s| s.scheduled = true);
        spec.more().extras.schedule = Some(Schedule::new(says, wait));
        spec
    }

    /// What becomes of a time that comes while the run before is not over. Without a schedule nothing changes.
    pub fn missed(mut self, missed: Missed) -> Self {
        if let Some(schedule) = &mut self.more().extras.schedule {
            schedule.missed = missed;
        }
        self
    }

    /// Other names that it asks [`ChildContext::secret_reference`] for, so that they are looked for when it starts.
    pub fn refers_to<N: AsRef<str>>(mut self, secrets: impl IntoIterator<Item = N>) -> Self {
        let mut names = secrets.into_iter().peekable();
        if names.peek().is_some() {
            self.more().extras.refers_to.extend(names.map(|name| Arc::from(name.as_ref())));
        }
        self
    }
}

/// What a probed child promises the machine. The probe itself tells of every miss; the machine's own
/// deadline is for a probe that is not called at all, and must not count the same miss twice.
pub(crate) fn probed(said: Heartbeat) -> Heartbeat {
    if said.interval.is_zero() {
        return said;
    }
    let slack = said.timeout.max(Duration::from_millis(1));
    Heartbeat { interval: said.interval + 2 * slack, ..said }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.what {
            What::Run(_) => "run",
            What::Unbound(_) => "unbound",
            What::Supervisor(_) => "supervisor",
        };
        f.debug_struct("ChildSpec")
            .field("name", &self.name.text())
            .field("what", &what)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_about_which_little_is_said_is_small_and_shares_the_rest() {
        let a = ChildSpec::service("a", |_| async {});
        let b = ChildSpec::service("b", |_| async {});
        assert!(Arc::ptr_eq(&a.settings, &b.settings));
        let c = b.clone().significant(true);
        assert!(!Arc::ptr_eq(&b.settings, &c.settings));
        assert_eq!(b.settings.significant, None);
        assert!(size_of::<ChildSpec>() <= 64, "{}", size_of::<ChildSpec>());
    }

    #[test]
    fn children_in_a_row_about_which_the_same_is_said_share_it() {
        let child = |name, seconds| {
            ChildSpec::service(name, |_| async {}).grace(std::time::Duration::from_secs(seconds))
        };
        let spec = SupervisorSpec::root([child("a", 1), child("b", 1), child("c", 2)]).child(child("d", 2));
        let said: Vec<_> = spec.children.iter().map(|child| &child.settings).collect();
        assert!(Arc::ptr_eq(said[0], said[1]) && Arc::ptr_eq(said[2], said[3]));
        assert_ne!(said[1], said[2]);
    }

    #[test]
    fn every_role_has_its_own_settings() {
        for &role in Role::ALL {
            assert_eq!(role_settings(role).role, Some(role));
        }
    }

    #[test]
    fn d19_ready_within_says_that_readiness_is_reported() {
        let spec = ChildSpec::service("a", |_| async {}).ready_within(Duration::from_secs(1));
        assert_eq!(spec.settings.readiness, Some(ReadinessMode::Explicit));
        let immediate = ChildSpec::service("a", |_| async {})
            .readiness(ReadinessMode::Immediate)
            .ready_within(Duration::from_secs(1));
        assert_eq!(immediate.settings.readiness, Some(ReadinessMode::Immediate));
    }
}
