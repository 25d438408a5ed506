//! What the shell alone needs to know of a child: labels, variables, secrets, a probe.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::manifest::{ChildManifest, DefaultsManifest, Kind, StopSignal};

use crate::context::ChildContext;
use crate::run::Metering;
use crate::schedule::Schedule;
use crate::secrets::{self, Given, Secret};

/// Where the value of a variable comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Variable {
    /// It is given.
    Value(Arc<str>),
    /// A secret of the child with this name, else the one with this key.
    Secret(Arc<str>),
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretSource {
    /// As what it is asked for; in the supervisor's own environment the name of a variable.
    pub(crate) key: Arc<str>,
    /// Whether the child may not start without it.
    pub(crate) required: bool,
}

type ProbeFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// An asynchronous check of a run.
#[derive(Clone)]
pub(crate) struct Probe(Arc<dyn Fn(ChildContext) -> ProbeFuture + Send + Sync>);

impl Probe {
    pub(crate) fn new<F, Fut, E>(probe: F) -> Self
    where
        F: Fn(ChildContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        Self(Arc::new(move |ctx| {
            let check = probe(ctx);
            Box::pin(async move { check.await.map_err(|error| format!("{error:#}")) })
        }))
    }

    /// Whether it is this very probe.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn check(&self, ctx: ChildContext) -> ProbeFuture {
        (self.0)(ctx)
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe(..)")
    }
}

/// What a probe is called for: every so often, for at most so long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProbeTimes {
    /// Called until it succeeds; then the run is ready.
    pub(crate) readiness: Option<Tries>,
    /// Called for ever; keeps or breaks the promise to report life (D13).
    pub(crate) health: Option<(Duration, Duration)>,
}

/// How a probe is tried until a run is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tries {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    /// How many good ones in a row it takes.
    pub(crate) successes: u32,
}

/// A probe and what it is called for.
#[derive(Debug, Clone)]
pub(crate) struct ProbeUse {
    pub(crate) probe: Probe,
    pub(crate) times: ProbeTimes,
    /// Whether a failed check is told as a miss. Else only good checks are told, and the machine finds the
    /// misses by its own deadlines.
    pub(crate) tells: bool,
}

/// What the shell alone needs to know of a child.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extras {
    /// `process` or `blocking_worker`, if a manifest said so.
    pub(crate) kind: Option<Kind>,
    /// What its builder made it of, for kinds that somebody else builds: two that are made of the same run the same.
    pub(crate) made_of: Option<Arc<ChildManifest>>,
    pub(crate) tags: Vec<Arc<str>>,
    /// The signal at which it reads its configuration again.
    pub(crate) reload_signal: Option<StopSignal>,
    pub(crate) env: Vec<(Arc<str>, Variable)>,
    pub(crate) secrets: Vec<(Arc<str>, SecretSource)>,
    /// What else refers to secrets: the headers of its probes.
    pub(crate) refers_to: Vec<Arc<str>>,
    pub(crate) probe: Option<ProbeUse>,
    /// When it starts, if not with its supervisor.
    pub(crate) schedule: Option<Schedule>,
    /// Of a child whose factory is not registered yet: what a probe of that factory will be called for.
    pub(crate) wanted: Option<ProbeTimes>,
    /// Whether the polls of its runs are timed.
    pub(crate) metering: Option<Metering>,
    /// Limits that nothing holds it to, by key.
    pub(crate) unenforced: Vec<&'static str>,
    /// What is doubtful about it, as sentences by key.
    pub(crate) notes: Vec<(&'static str, String)>,
    /// Of a supervisor: what manifests that are added below it take when they do not say.
    pub(crate) defaults: Option<Arc<DefaultsManifest>>,
}

impl Extras {
    /// The keys of all secrets that it may read, each once.
    pub(crate) fn keys(&self) -> Vec<Arc<str>> {
        let referred = self.env.iter().filter_map(|(_, variable)| match variable {
            Variable::Secret(name) => Some(name),
            Variable::Value(_) => None,
        });
        let referred = referred.chain(&self.refers_to).map(|name| self.key_of(name));
        let own = self.secrets.iter().map(|(_, source)| &*source.key);
        let mut keys: Vec<Arc<str>> = own.chain(referred).map(Arc::from).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// What keeps a run from starting, as a sentence. `given` is what it was given, where that is not the environment.
    pub(crate) fn missing(&self, given: Option<&Given>) -> Option<String> {
        let absent = |(name, source): &(Arc<str>, SecretSource)| {
            (source.required && secrets::of(&source.key, given).is_none()).then(|| {
                format!("the secret '{name}' is required and {}", secrets::why_not(&source.key, given))
            })
        };
        let unset = |(name, variable): &(Arc<str>, Variable)| match variable {
            Variable::Secret(secret) if self.referred(secret, given).is_none() && !self.may_lack(secret) => {
                let why = given.map(|_| format!(": {}", secrets::why_not(self.key_of(secret), given)));
                let why = why.unwrap_or_default();
                Some(format!("the variable '{name}' refers to the secret '{secret}', which is not set{why}"))
            }
            Variable::Secret(_) | Variable::Value(_) => None,
        };
        self.secrets.iter().find_map(absent).or_else(|| self.env.iter().find_map(unset))
    }

    /// The secret with this name.
    pub(crate) fn secret(&self, name: &str, given: Option<&Given>) -> Option<Secret> {
        let (_, source) = self.secrets.iter().find(|(known, _)| &**known == name)?;
        secrets::of(&source.key, given)
    }

    /// What `${name}` stands for.
    pub(crate) fn referred(&self, name: &str, given: Option<&Given>) -> Option<Secret> {
        secrets::of(self.key_of(name), given)
    }

    /// Whether it has said that this secret may be missing. A variable that is made of it is left out then.
    fn may_lack(&self, name: &str) -> bool {
        self.secrets.iter().any(|(known, source)| &**known == name && !source.required)
    }

    /// As what is asked for that which `${name}` stands for.
    fn key_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.secrets.iter().find(|(known, _)| &**known == name).map_or(name, |(_, source)| &source.key)
    }

    /// The variables with their values, in the order they were given.
    pub(crate) fn environment(&self, given: Option<&Given>) -> Vec<(Arc<str>, Secret)> {
        let value = |variable: &Variable| match variable {
            Variable::Value(value) => Some(Secret::new(Arc::clone(value))),
            Variable::Secret(secret) => self.referred(secret, given),
        };
        self.env.iter().filter_map(|(name, variable)| Some((Arc::clone(name), value(variable)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(key: &str, required: bool) -> SecretSource {
        SecretSource { key: key.into(), required }
    }

    #[test]
    fn a_required_secret_that_is_absent_is_named() {
        let mut extras = Extras {
            secrets: vec![("token".into(), source("NO_SUCH_VARIABLE_1", true))],
            ..Extras::default()
        };
        let sentence = extras.missing(None).unwrap();
        assert!(sentence.contains("'token'") && sentence.contains("NO_SUCH_VARIABLE_1"), "{sentence}");
        extras.env = vec![("A".into(), Variable::Secret("token".into()))];
        extras.secrets[0].1.required = false;
        assert_eq!(extras.missing(None), None);
        assert_eq!(extras.environment(None), [], "a variable that is made of it is left out");
        extras.env[0].1 = Variable::Secret("NO_SUCH_VARIABLE_1".into());
        assert!(extras.missing(None).unwrap().contains("'A' refers to the secret 'NO_SUCH_VARIABLE_1'"));
        extras.env.clear();
        assert_eq!(extras.secret("token", None), None);
    }

    #[test]
    fn a_reference_is_to_a_secret_of_the_child_and_else_to_the_environment() {
        let extras = Extras {
            secrets: vec![("path".into(), source("PATH", true))],
            env: vec![
                ("A".into(), Variable::Secret("path".into())),
                ("B".into(), Variable::Secret("PATH".into())),
                ("C".into(), Variable::Value("c".into())),
            ],
            ..Extras::default()
        };
        let path = std::env::var("PATH").unwrap();
        let values: Vec<_> =
            extras.environment(None).iter().map(|(_, value)| value.expose().to_owned()).collect();
        assert_eq!(values, [path.clone(), path, "c".to_owned()]);
        assert_eq!(extras.missing(None), None);
    }
}
