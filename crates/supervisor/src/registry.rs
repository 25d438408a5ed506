//! What manifests name: factories of tasks, their probes, and builders of kinds.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use supervisor_api::manifest::{ChildManifest, Kind};
use supervisor_api::{Finding, SupervisorPath, nearest};

use crate::context::ChildContext;
use crate::exit::IntoExit;
use crate::run::{self, Run};
use crate::secrets::{Secret, Source, Sources};
use crate::spec::{ChildSpec, Probe, Wanted};

/// Makes a child of a kind from its manifest. The common keys (role, back-off, dependencies, …) are applied
/// afterwards; `readiness` is the builder's own business.
type Builder = Arc<dyn Fn(&ChildManifest, &SupervisorPath) -> Result<ChildSpec, Vec<Finding>> + Send + Sync>;

/// What manifests can name.
///
/// ```
/// use tokio_supervisor::{ChildContext, Registry};
///
/// let registry = Registry::new()
///     .factory("mailer", |ctx: ChildContext| async move { ctx.stopping().await; })
///     .blocking("indexer", |ctx| while !ctx.is_stopping() { std::thread::yield_now() });
/// # drop(registry);
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    factories: HashMap<String, Factory>,
    probes: HashMap<String, Probe>,
    kinds: HashMap<Kind, Builder>,
    sources: Sources,
}

#[derive(Clone)]
struct Factory {
    run: Arc<dyn Run>,
    blocking: bool,
}

/// What a factory that nobody has registered means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownFactory {
    /// A mistake, with the registered ones named: for files.
    Refuse,
    /// The child is declared and waits until the factory is registered: for running trees.
    Wait,
}

impl Registry {
    /// Nothing is registered.
    pub fn new() -> Self {
        Self::default()
    }

    /// A factory of asynchronous tasks, for `kind: async_worker`. Replaces one of the same name.
    pub fn factory<F, Fut>(mut self, name: impl AsRef<str>, factory: F) -> Self
    where
        F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoExit> + Send + 'static,
    {
        let factory = Factory { run: run::task(factory), blocking: false };
        self.factories.insert(name.as_ref().to_owned(), factory);
        self
    }

    /// A function that blocks, for `kind: blocking_worker`. Replaces a factory of the same name.
    pub fn blocking<F, R>(mut self, name: impl AsRef<str>, work: F) -> Self
    where
        F: Fn(ChildContext) -> R + Send + Sync + 'static,
        R: IntoExit + 'static,
    {
        let factory = Factory { run: run::blocking(work), blocking: true };
        self.factories.insert(name.as_ref().to_owned(), factory);
        self
    }

    /// The probe of the tasks of the factory `name`: `health_check` and a `readiness` with intervals call
    /// it.
    pub fn probe<F, Fut, E>(mut self, name: impl AsRef<str>, check: F) -> Self
    where
        F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.probes.insert(name.as_ref().to_owned(), Probe::new(check));
        self
    }

    /// A builder of the children of a kind.
    pub fn kind<B>(mut self, kind: Kind, builder: B) -> Self
    where
        B: Fn(&ChildManifest, &SupervisorPath) -> Result<ChildSpec, Vec<Finding>> + Send + Sync + 'static,
    {
        self.kinds.insert(kind, Arc::new(builder));
        self
    }

    /// Looks for secrets in `place`, by their keys, each time that a child that may read some is started. Said again,
    /// it is the place that is asked when those before have nothing. Default: the supervisor's own environment, which
    /// then is one of the places only with [`Self::secrets_from_environment`].
    ///
    /// `find` gives the secret, or `None`, or a sentence that says why it cannot be known; then those that are asked after it may still
    /// have it. The sentence is shown: it must have nothing of a secret. `place` is a part of a sentence, such as `the
    /// vault`. A child waits for the answers, and is not kept from being stopped by them. What counts is what the tree was launched
    /// with; registered later it changes nothing.
    ///
    /// ```
    /// use tokio_supervisor::{Registry, Secret};
    ///
    /// let registry = Registry::new()
    ///     .secrets_from("the vault", |key| async move {
    ///         match key.as_str() {
    ///             "DB_PASSWORD" => Ok(Some(Secret::new("hunter2"))),
    ///             _ => Ok(None),
    ///         }
    ///     })
    ///     .secrets_from_environment();
    /// # drop(registry);
    /// ```
    pub fn secrets_from<F, Fut>(mut self, place: impl Into<Arc<str>>, find: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Secret>, String>> + Send + 'static,
    {
        self.sources.push(Source::asked(place, find));
        self
    }

    /// Looks for secrets in the supervisor's own environment too; see [`Self::secrets_from`].
    pub fn secrets_from_environment(mut self) -> Self {
        self.sources.push(Source::Environment);
        self
    }

    pub(crate) const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The names of the registered factories, sorted.
    pub fn factories(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.factories.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Everything of `more` too; what it replaces is handed back, to be dropped outside of locks.
    pub(crate) fn merge(&mut self, more: Self) -> Self {
        let mut replaced = Self::default();
        for (name, factory) in more.factories {
            replaced.factories.extend(self.factories.insert(name.clone(), factory).map(|old| (name, old)));
        }
        for (name, probe) in more.probes {
            replaced.probes.extend(self.probes.insert(name.clone(), probe).map(|old| (name, old)));
        }
        for (kind, builder) in more.kinds {
            replaced.kinds.extend(self.kinds.insert(kind, builder).map(|old| (kind, old)));
        }
        replaced
    }

    /// The factories, as children wait for them.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (Wanted, Arc<dyn Run>, Option<Probe>)> + '_ {
        self.factories.iter().map(|(name, factory)| {
            let wanted = Wanted { factory: name.as_str().into(), blocking: factory.blocking };
            (wanted, Arc::clone(&factory.run), self.probes.get(name).cloned())
        })
    }

    pub(crate) fn probe_of(&self, factory: &str) -> Option<&Probe> {
        self.probes.get(factory)
    }

    pub(crate) fn builder(&self, kind: Kind) -> Option<&Builder> {
        self.kinds.get(&kind)
    }

    /// The factory with this name, for this kind; `Ok(None)` when nobody has registered it.
    pub(crate) fn task(&self, name: &str, blocking: bool) -> Result<Option<Arc<dyn Run>>, String> {
        match self.factories.get(name) {
            None => Ok(None),
            Some(factory) if factory.blocking == blocking => Ok(Some(Arc::clone(&factory.run))),
            Some(_) if blocking => {
                Err(format!("the factory '{name}' makes asynchronous tasks; use `kind: async_worker`"))
            }
            Some(_) => Err(format!("the factory '{name}' blocks; use `kind: blocking_worker`")),
        }
    }

    /// The sentence for a factory that nobody has registered.
    pub(crate) fn unknown(&self, name: &str) -> String {
        let known = self.factories();
        let near = nearest(name, known.iter().copied());
        let registered = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        match near.as_slice() {
            [] => format!("no factory named '{name}' is registered; registered are: {registered}"),
            near => format!(
                "no factory named '{name}' is registered; did you mean {}? Registered are: {registered}",
                near.join(" or ")
            ),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("factories", &self.factories()).finish_non_exhaustive()
    }
}
