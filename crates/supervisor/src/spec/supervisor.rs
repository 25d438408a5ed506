//! A supervisor: the root, or one nested in another.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::Finding;
use supervisor_api::manifest::DefaultsManifest;
use supervisor_api::policy::{
    AutoShutdown, Budget, OnExhausted, OnStartFailure, Profile, StartOrder, StopOrder, Strategy,
};
use supervisor_api::report::Stuck;
use supervisor_core::{StopBound, SupervisorDecl, SupervisorSettings, resolve, stop_bound};

use super::lower::{OnStuck, Options, lower_root};
use super::{ChildSpec, Name, Wanted, What};
use crate::sync::atomic::AtomicU32;

/// A supervisor and its children.
///
/// What is not said keeps the default of the tree's profile (D1): one_for_one, 5 restarts in 60 seconds,
/// then the supervisor gives up and its parent decides.
///
/// ```
/// use std::time::Duration;
/// use tokio_supervisor::{ChildSpec, Strategy, SupervisorSpec};
///
/// let tree = SupervisorSpec::root([
///     ChildSpec::service("clock", |ctx| async move { ctx.stopping().await; }),
///     ChildSpec::supervisor(SupervisorSpec::new("sessions").dynamic(10_000)),
/// ])
/// .strategy(Strategy::RestForOne)
/// .budget(5, Duration::from_secs(60));
/// # drop(tree);
/// ```
#[derive(Clone, Default)]
#[must_use = "a spec does nothing until a tree is launched with it"]
pub struct SupervisorSpec {
    pub(crate) name: Option<Name>,
    pub(crate) settings: SupervisorSettings,
    pub(crate) children: Vec<ChildSpec>,
    pub(crate) options: Options,
    pub(crate) manifest_defaults: Option<Arc<DefaultsManifest>>,
}

impl SupervisorSpec {
    /// The root of a tree.
    pub fn root(children: impl IntoIterator<Item = ChildSpec>) -> Self {
        Self::default().children(children)
    }

    /// A supervisor to be nested with [`ChildSpec::supervisor`].
    pub fn new(name: impl AsRef<str>) -> Self {
        Self { name: Some(Name::new(name)), ..Self::default() }
    }

    /// One more child, after those it has.
    pub fn child(self, child: ChildSpec) -> Self {
        self.children([child])
    }

    /// More children, after those it has.
    pub fn children(mut self, children: impl IntoIterator<Item = ChildSpec>) -> Self {
        let children = children.into_iter();
        self.children.reserve(children.size_hint().0);
        for mut child in children {
            if let Some(before) = self.children.last() {
                child.share_settings(before);
            }
            self.children.push(child);
        }
        self
    }

    /// The set of defaults; nested supervisors inherit it (D1).
    pub fn profile(mut self, profile: Profile) -> Self {
        self.settings.profile = Some(profile);
        self
    }

    /// Who is restarted with a failed child (R22-R24).
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.settings.strategy = Some(strategy);
        self
    }

    /// At most `max_restarts` restarts of its children in any `window` (R40-R50).
    pub fn budget(mut self, max_restarts: u32, window: Duration) -> Self {
        self.settings.budget = Some(Budget::new(max_restarts, window));
        self
    }

    /// Never give up.
    pub fn unlimited(mut self) -> Self {
        self.settings.budget = Some(Budget::unlimited());
        self
    }

    /// What an exhausted budget leads to (D4).
    pub fn on_exhausted(mut self, action: OnExhausted) -> Self {
        self.settings.on_exhausted = Some(action);
        self
    }

    /// In which order children start (D19).
    pub fn order(mut self, order: StartOrder) -> Self {
        self.settings.order = Some(order);
        self
    }

    /// How children are stopped.
    pub fn stop(mut self, stop: StopOrder) -> Self {
        self.settings.stop = Some(stop);
        self
    }

    /// What a failed initial start leads to (D19).
    pub fn on_start_failure(mut self, action: OnStartFailure) -> Self {
        self.settings.on_start_failure = Some(action);
        self
    }

    /// When it ends by itself (R77, D20).
    pub fn auto_shutdown(mut self, when: AutoShutdown) -> Self {
        self.settings.auto_shutdown = Some(when);
        self
    }

    /// It starts empty, takes at most `max_children` at a time while it runs, and stops them all at once
    /// (R85-R89).
    pub fn dynamic(mut self, max_children: u32) -> Self {
        self.settings.dynamic = Some(max_children);
        self
    }

    /// What all its children take, and those of nested supervisors, that do not say otherwise. Made with
    /// the setters of a child: `.defaults(|child| child.grace(Duration::from_secs(1)))`.
    pub fn defaults(mut self, say: impl FnOnce(ChildSpec) -> ChildSpec) -> Self {
        let nothing = What::Unbound(Wanted { factory: "".into(), blocking: false });
        let blank = ChildSpec::of(Name::new("defaults"), nothing).set(|s| s.role = None);
        let said = say(blank).settings;
        self.settings.defaults = Some(said);
        self
    }

    /// For the root: whether the panic hook that finds source locations is installed (D14). On by default.
    pub fn panic_hook(mut self, install: bool) -> Self {
        self.options.panic_hook = Some(install);
        self
    }

    /// For the root: how long the loop, or one poll, may take before it counts as stuck (D13). `None` turns
    /// the watchdog off. Default: 5 seconds. It is noticed half of that later at the latest, but at least 5 ms. It is off
    /// by itself while Tokio's time is paused.
    pub fn stuck_after(mut self, limit: Option<Duration>) -> Self {
        self.options.stuck_after = Some(limit);
        self
    }

    /// For the root: called by the watchdog's thread with who has not moved for too long, once when that
    /// begins (D13). A panic in it is contained.
    pub fn on_stuck(mut self, call: impl Fn(&Stuck) + Send + Sync + 'static) -> Self {
        self.options.on_stuck = Some(OnStuck(Arc::new(call)));
        self
    }

    /// For the root: the seed of the jitter of back-offs, to have the same delays again (D3).
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = Some(seed);
        self
    }

    /// What the machine reads of this spec: every setting and name, and a number in the place of what a child
    /// runs. For tools that look at a spec or simulate it. Or every name that is no name, and every setting
    /// that is for the root only.
    pub fn declaration(&self) -> Result<SupervisorDecl, Vec<Finding>> {
        lower_root(self.clone(), &AtomicU32::new(0)).map(|lowered| lowered.decl)
    }

    /// How long a shutdown of this tree can take at most, whatever its children do; or all mistakes.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokio_supervisor::{ChildSpec, SupervisorSpec};
    ///
    /// let web = ChildSpec::service("web", |ctx| async move { ctx.stopping().await; });
    /// let tree = SupervisorSpec::root([web.grace(Duration::from_secs(5))]);
    /// // The grace, and the second in which a task that was aborted has to be gone (D8).
    /// assert_eq!(tree.stop_bound().unwrap().at_most, Duration::from_secs(6));
    /// ```
    pub fn stop_bound(&self) -> Result<StopBound, Vec<Finding>> {
        self.declaration().and_then(|decl| resolve(&decl)).map(|tree| stop_bound(&tree))
    }
}

impl fmt::Debug for SupervisorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisorSpec")
            .field("name", &self.name.as_ref().map(Name::text))
            .field("settings", &self.settings)
            .field("children", &self.children)
            .finish_non_exhaustive()
    }
}
