//! What the shell alone needs to know of a child: labels, variables, secrets, a probe.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::manifest::{ChildManifest, DefaultsManifest, Kind, StopSignal};

use crate::context::ChildContext;
use crate::run::Metering;

/// A value that is never printed. `Debug` shows that there is one. What [`expose`](Self::expose) gives is a text like any
/// other: a log line, an error or a panic message that it is put into is told as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// A secret with this value.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where the value of a variable comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Variable {
    /// It is given.
    Value(Arc<str>),
    /// A secret of the child with this name, else a variable of the supervisor's own environment.
    Secret(Arc<str>),
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretSource {
    /// The variable of the supervisor's own environment.
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
    pub(crate) probe: Option<ProbeUse>,
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
    /// What keeps a run from starting, as a sentence.
    pub(crate) fn missing(&self) -> Option<String> {
        let absent = |(name, source): &(Arc<str>, SecretSource)| {
            (source.required && own_variable(&source.key).is_none()).then(|| {
                format!(
                    "the secret '{name}' is required and the variable {} of the supervisor's environment is not set",
                    source.key
                )
            })
        };
        let unset = |(name, variable): &(Arc<str>, Variable)| match variable {
            Variable::Value(_) => None,
            Variable::Secret(secret) => self
                .referred(secret)
                .is_none()
                .then(|| format!("the variable '{name}' refers to the secret '{secret}', which is not set")),
        };
        self.secrets.iter().find_map(absent).or_else(|| self.env.iter().find_map(unset))
    }

    /// The secret with this name.
    pub(crate) fn secret(&self, name: &str) -> Option<Secret> {
        let (_, source) = self.secrets.iter().find(|(known, _)| &**known == name)?;
        own_variable(&source.key)
    }

    /// What `${name}` stands for.
    pub(crate) fn referred(&self, name: &str) -> Option<Secret> {
        if self.secrets.iter().any(|(known, _)| &**known == name) {
            return self.secret(name);
        }
        own_variable(name)
    }

    /// The variables with their values, in the order they were given.
    pub(crate) fn environment(&self) -> Vec<(Arc<str>, Secret)> {
        let value = |variable: &Variable| match variable {
            Variable::Value(value) => Some(Secret(Arc::clone(value))),
            Variable::Secret(secret) => self.referred(secret),
        };
        self.env.iter().filter_map(|(name, variable)| Some((Arc::clone(name), value(variable)?))).collect()
    }
}

/// A variable of the supervisor's own environment; one that is not UTF-8 counts as not set.
fn own_variable(key: &str) -> Option<Secret> {
    if key.is_empty() || key.contains(['=', '\0']) {
        return None;
    }
    std::env::var(key).ok().map(|value| Secret(value.into()))
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
        let sentence = extras.missing().unwrap();
        assert!(sentence.contains("'token'") && sentence.contains("NO_SUCH_VARIABLE_1"), "{sentence}");
        extras.secrets[0].1.required = false;
        assert_eq!(extras.missing(), None);
        assert_eq!(extras.secret("token"), None);
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
            extras.environment().iter().map(|(_, value)| value.expose().to_owned()).collect();
        assert_eq!(values, [path.clone(), path, "c".to_owned()]);
        assert_eq!(extras.missing(), None);
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }
}
