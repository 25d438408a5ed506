//! Trees in few words.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::policy::{
    AutoShutdown, Backoff, Budget, Condition, Criticality, Grace, Heartbeat, OnExhausted, OnStartFailure,
    Permissions, Profile, ReadinessMode, RestartType, Role, StartOrder, StopOrder, Strategy,
};
use supervisor_api::{ChildId, Finding, SupervisorPath};
use supervisor_core::{
    Body, ChildDecl, ChildSettings, Limit, Resolved, SupervisorDecl, SupervisorSettings, resolve,
};

use crate::script::{Run, Script};

/// A child and its script.
#[derive(Debug, Clone)]
pub struct Child {
    name: String,
    settings: ChildSettings,
    after: Vec<String>,
    primary: Option<String>,
    script: Script,
    version: u32,
    body: What,
}

#[derive(Debug, Clone)]
enum What {
    Runs,
    Unbound,
    Supervisor(Box<Tree>),
}

/// A supervisor and what is below it.
#[derive(Debug, Clone)]
pub struct Tree {
    settings: SupervisorSettings,
    children: Vec<Child>,
}

/// A child about which nothing is said but its name.
pub fn child(name: &str) -> Child {
    Child {
        name: name.to_owned(),
        settings: ChildSettings::default(),
        after: Vec::new(),
        primary: None,
        script: Script::default(),
        version: 0,
        body: What::Runs,
    }
}

/// A permanent child.
pub fn perm(name: &str) -> Child {
    child(name).restart(RestartType::Permanent)
}

/// A transient child.
pub fn tran(name: &str) -> Child {
    child(name).restart(RestartType::Transient)
}

/// A temporary child.
pub fn temp(name: &str) -> Child {
    child(name).restart(RestartType::Temporary)
}

/// A child of role service.
pub fn service(name: &str) -> Child {
    child(name).role(Role::Service)
}

/// A child of role worker.
pub fn worker(name: &str) -> Child {
    child(name).role(Role::Worker)
}

/// A child of role job.
pub fn job(name: &str) -> Child {
    child(name).role(Role::Job)
}

/// A child of role sidecar.
pub fn sidecar(name: &str, primary: &str) -> Child {
    let mut child = child(name).role(Role::Sidecar);
    child.primary = Some(primary.to_owned());
    child
}

/// A nested supervisor.
pub fn sup(name: &str, below: Tree) -> Child {
    Child { body: What::Supervisor(Box::new(below)), ..child(name) }
}

/// A supervisor that restarts the failed child only.
pub fn one_for_one(children: impl IntoIterator<Item = Child>) -> Tree {
    tree(Strategy::OneForOne, children)
}

/// A supervisor that restarts all its children.
pub fn one_for_all(children: impl IntoIterator<Item = Child>) -> Tree {
    tree(Strategy::OneForAll, children)
}

/// A supervisor that restarts the failed child and those after it.
pub fn rest_for_one(children: impl IntoIterator<Item = Child>) -> Tree {
    tree(Strategy::RestForOne, children)
}

/// A supervisor whose children are added while it runs, at most this many.
pub fn dynamic(max_children: u32) -> Tree {
    let mut tree = one_for_one([]);
    tree.settings.dynamic = Some(max_children);
    tree
}

/// The tree under OTP's defaults (D1).
pub fn otp(mut tree: Tree) -> Tree {
    tree.settings.profile = Some(Profile::Otp);
    tree
}

fn tree(strategy: Strategy, children: impl IntoIterator<Item = Child>) -> Tree {
    let settings = SupervisorSettings { strategy: Some(strategy), ..SupervisorSettings::default() };
    Tree { settings, children: children.into_iter().collect() }
}

/// Methods that say one thing.
macro_rules! says {
    ($($(#[$meta:meta])* $name:ident($($arg:ident: $type:ty),*) => $field:ident = $value:expr;)+) => {
        $($(#[$meta])* #[must_use] pub fn $name(mut self $(, $arg: $type)*) -> Self {
            self.settings.$field = Some($value);
            self
        })+
    };
}

impl Child {
    says! {
        /// When its end leads to a new start.
        restart(restart: RestartType) => restart = restart;
        /// What it is for.
        role(role: Role) => role = role;
        /// A job that is tried again after a bad end.
        retry() => retry = true;
        /// The whole can do without it.
        optional() => criticality = Criticality::Optional;
        /// The whole cannot do without it.
        critical() => criticality = Criticality::Critical;
        /// It reports ready itself.
        explicit() => readiness = ReadinessMode::Explicit;
        /// How long its start may take.
        within(limit: Duration) => ready_within = Limit::After(limit);
        /// The delay before restarts.
        backoff(backoff: Backoff) => backoff = backoff;
        /// A budget of its own.
        budget(max_restarts: u32, window: Duration) => budget = Budget::new(max_restarts, window);
        /// A budget of its own that is never exhausted.
        unlimited() => budget = Budget::unlimited();
        /// What an exhausted budget leads to.
        on_exhausted(action: OnExhausted) => on_exhausted = action;
        /// How long it is waited for when it is stopped.
        grace(grace: Duration) => grace = Grace::Timeout(grace);
        /// It is killed without being asked.
        brutal() => grace = Grace::Brutal;
        /// It is waited for for ever.
        infinite() => grace = Grace::Infinity;
        /// How long it is waited for after it was killed.
        abort_wait(wait: Duration) => abort_wait = wait;
        /// A promise to report life.
        heartbeat(heartbeat: Heartbeat) => heartbeat = heartbeat;
        /// For how long a beat may be missing, until the first one came.
        start_period(period: Duration) => start_period = period;
        /// Its end can end its supervisor.
        significant() => significant = true;
        /// What commands it allows.
        permissions(permissions: Permissions) => permissions = permissions;
        /// Those who depend on it are stopped when it goes down.
        restart_dependants() => restart_dependants = true;
    }

    /// A back-off from `initial` to `max` without jitter.
    #[must_use]
    pub fn steps(self, initial: Duration, max: Duration) -> Self {
        self.backoff(Backoff { jitter_ratio: 0.0, ..Backoff::exponential(initial, max) })
    }

    /// The siblings it waits for.
    #[must_use]
    pub fn after<'a>(mut self, siblings: impl IntoIterator<Item = &'a str>) -> Self {
        self.after = siblings.into_iter().map(str::to_owned).collect();
        self
    }

    /// The siblings it waits for, each until this is so.
    #[must_use]
    pub fn after_when<'a>(mut self, siblings: impl IntoIterator<Item = (&'a str, Condition)>) -> Self {
        for (name, until) in siblings {
            self.after.push(name.to_owned());
            self.settings.conditions.push((id(name), until));
        }
        self
    }

    /// The sibling it belongs to, whatever its role.
    #[must_use]
    pub fn primary(mut self, sibling: &str) -> Self {
        self.primary = Some(sibling.to_owned());
        self
    }

    /// What every run does.
    #[must_use]
    pub fn always(mut self, run: Run) -> Self {
        self.script = self.script.otherwise(run);
        self
    }

    /// What one run does instead, counted by generation from 1.
    #[must_use]
    pub fn run(self, generation: u64, run: Run) -> Self {
        self.runs(generation..=generation, run)
    }

    /// What some runs do instead.
    #[must_use]
    pub fn runs(mut self, generations: RangeInclusive<u64>, run: Run) -> Self {
        self.script = self.script.runs(generations, run);
        self
    }

    /// Runs something else than the child of the same path in another version.
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Cannot be spawned until the bench says that it is bound.
    #[must_use]
    pub fn unbound(mut self) -> Self {
        self.body = What::Unbound;
        self
    }

    /// Starts each time that the bench says that its time has come.
    #[must_use]
    pub fn scheduled(mut self) -> Self {
        self.settings.scheduled = true;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn declare(&self, under: &SupervisorPath, bodies: &mut Bodies) -> ChildDecl {
        let id = id(&self.name);
        let path = under.child(&id);
        let body = match &self.body {
            What::Runs => Body::Run(bodies.number(&path, self)),
            What::Unbound => Body::Unbound(bodies.number(&path, self)),
            What::Supervisor(tree) => Body::Supervisor(Box::new(tree.declare(&path, bodies))),
        };
        ChildDecl {
            id,
            settings: Arc::new(self.settings.clone()),
            depends_on: self.after.iter().map(|name| self::id(name)).collect(),
            primary: self.primary.as_deref().map(self::id),
            body,
        }
    }
}

impl Tree {
    says! {
        /// The set of defaults.
        profile(profile: Profile) => profile = profile;
        /// At most this many restarts in this time.
        budget(max_restarts: u32, window: Duration) => budget = Budget::new(max_restarts, window);
        /// It never gives up.
        unlimited() => budget = Budget::unlimited();
        /// What an exhausted budget leads to.
        on_exhausted(action: OnExhausted) => on_exhausted = action;
        /// Starts everything whose dependencies are satisfied at once.
        by_dependencies() => order = StartOrder::Dependencies;
        /// Stops at once whatever nobody still running depends on.
        concurrent() => stop = StopOrder::Concurrent;
        /// A failed initial start is tried again.
        retries_start() => on_start_failure = OnStartFailure::Retry;
        /// When it ends by itself.
        auto_shutdown(mode: AutoShutdown) => auto_shutdown = mode;
    }

    /// What is said about all its children.
    #[must_use]
    pub fn defaults(mut self, settings: ChildSettings) -> Self {
        self.settings.defaults = Some(Arc::new(settings));
        self
    }

    /// One child more, at the end.
    #[must_use]
    pub fn with(mut self, child: Child) -> Self {
        self.children.push(child);
        self
    }

    /// The tree as the machine's border takes it.
    pub fn decl(&self) -> SupervisorDecl {
        self.declare(&SupervisorPath::root(), &mut Bodies::default())
    }

    /// The tree with its defaults filled in, or what is wrong with it.
    pub fn resolve(&self) -> Result<Resolved, Vec<Finding>> {
        resolve(&self.decl())
    }

    pub(crate) fn declare(&self, path: &SupervisorPath, bodies: &mut Bodies) -> SupervisorDecl {
        let children = self.children.iter().map(|child| child.declare(path, bodies)).collect();
        SupervisorDecl { settings: self.settings.clone(), children }
    }
}

fn id(name: &str) -> ChildId {
    ChildId::new(name).unwrap_or_else(|error| panic!("a test names a child badly: {error}"))
}

/// The numbers of bodies: the same path in the same version has the same number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bodies {
    numbers: HashMap<(SupervisorPath, u32), u32>,
    scripts: Vec<Script>,
}

impl Bodies {
    fn number(&mut self, path: &SupervisorPath, child: &Child) -> u32 {
        let next = self.scripts.len() as u32;
        let number = *self.numbers.entry((path.clone(), child.version)).or_insert(next);
        if number == next {
            self.scripts.push(child.script.clone());
        } else {
            self.scripts[number as usize] = child.script.clone();
        }
        number
    }

    pub(crate) fn script(&self, number: u32) -> &Script {
        &self.scripts[number as usize]
    }
}
