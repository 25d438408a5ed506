//! Where secrets come from, and what a run was given of them.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

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

/// What a place says of a key: its secret, that it has none, or why it could not look.
pub(crate) type Said = Result<Option<Secret>, String>;

type Find = dyn Fn(String) -> Pin<Box<dyn Future<Output = Said> + Send>> + Send + Sync;

/// One place where secrets are looked for.
#[derive(Clone)]
pub(crate) enum Source {
    /// The supervisor's own environment, which answers at once.
    Environment,
    /// Somewhere that has to be asked. `place` is the end of a sentence.
    Asked { place: Arc<str>, find: Arc<Find> },
}

impl Source {
    pub(crate) fn asked<F, Fut>(place: impl Into<Arc<str>>, find: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Said> + Send + 'static,
    {
        Self::Asked { place: place.into(), find: Arc::new(move |key| Box::pin(find(key))) }
    }

    /// As a part of a sentence.
    fn place(&self) -> &str {
        match self {
            Self::Environment => "the supervisor's environment",
            Self::Asked { place, .. } => place,
        }
    }

    /// What it has for `key`; else why not, as a part of a sentence.
    async fn ask(&self, key: &str) -> Result<Secret, Absent> {
        let said = match self {
            Self::Environment => Ok(own_variable(key)),
            Self::Asked { find, .. } => find(key.to_owned()).await,
        };
        let place = self.place();
        match said {
            Ok(Some(secret)) => Ok(secret),
            Ok(None) => Err(Absent { why: format!("{place} has none"), trouble: false }),
            Err(why) => Err(Absent { why: format!("{place}: {why}"), trouble: true }),
        }
    }
}

/// Where secrets are looked for, in order; the first place that has one counts. None said: the supervisor's environment.
#[derive(Clone, Default)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    pub(crate) fn push(&mut self, source: Source) {
        self.0.push(source);
    }

    /// Whether a run has to wait for what it gets.
    pub(crate) fn have_to_be_asked(&self) -> bool {
        self.0.iter().any(|source| matches!(source, Source::Asked { .. }))
    }

    /// Looks for each of `keys`, and says before each place is asked what is waited for.
    pub(crate) async fn ask(self, keys: Vec<Arc<str>>, say: impl Fn(&str)) -> Given {
        let mut given = HashMap::with_capacity(keys.len());
        for key in keys {
            let found = self.find(&key, &say).await;
            given.insert(key, found);
        }
        Given(given)
    }

    async fn find(&self, key: &str, say: &impl Fn(&str)) -> Found {
        let mut found = Found::default();
        for source in &self.0 {
            say(&format!("waits for the secret {key} of {}", source.place()));
            match source.ask(key).await {
                Ok(secret) => {
                    found.secret = Some(secret);
                    break;
                }
                Err(Absent { why, trouble }) => {
                    let comma = if found.why_not.is_empty() { "" } else { "; " };
                    found.why_not = format!("{}{comma}{why}", found.why_not);
                    found.trouble |= trouble;
                }
            }
        }
        found
    }
}

/// Why a secret is not in a place.
struct Absent {
    why: String,
    /// The place could not look, and may have it.
    trouble: bool,
}

/// What was found for a key.
#[derive(Debug, Default)]
struct Found {
    secret: Option<Secret>,
    /// What each place said that did not have it.
    why_not: String,
    /// One of them could not look, and may have it.
    trouble: bool,
}

/// The secrets that a run was given, by their keys.
#[derive(Debug)]
pub(crate) struct Given(HashMap<Arc<str>, Found>);

/// What `key` stands for: out of what a run was `given`, or, if nobody had to be asked, of the supervisor's environment.
pub(crate) fn of(key: &str, given: Option<&Given>) -> Option<Secret> {
    match given {
        Some(given) => given.0.get(key)?.secret.clone(),
        None => own_variable(key),
    }
}

/// Why there is nothing for `key`, as a sentence's end.
pub(crate) fn why_not(key: &str, given: Option<&Given>) -> String {
    match given.map(|given| given.0.get(key)) {
        Some(Some(found)) => format!("there is no {key}: {}", found.why_not),
        Some(None) => format!("nobody was asked for {key}"),
        None => format!("the variable {key} of the supervisor's environment is not set"),
    }
}

impl Given {
    /// What could not be looked for: the key, and what each place said.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = (&str, &str)> {
        let troubled = self.0.iter().filter(|(_, found)| found.trouble);
        troubled.map(|(key, found)| (&**key, found.why_not.as_str()))
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

    fn place(name: &'static str, has: &'static [(&str, &str)]) -> Source {
        Source::asked(name, move |key| async move {
            let found = has.iter().find(|(known, _)| *known == key);
            Ok(found.map(|(_, value)| Secret::new(*value)))
        })
    }

    #[tokio::test]
    async fn the_first_place_that_has_it_counts_and_the_others_say_why_not() {
        let mut sources = Sources::default();
        assert!(!sources.have_to_be_asked());
        sources.push(place("the shelf", &[("A", "1")]));
        sources.push(Source::asked("the vault", |_| async { Err("it is sealed".to_owned()) }));
        sources.push(place("the drawer", &[("A", "2"), ("B", "3")]));
        sources.push(Source::Environment);
        assert!(sources.have_to_be_asked());
        let keys = ["A", "B", "NO_SUCH_VARIABLE", "PATH"];
        let asked = std::sync::Mutex::new(Vec::new());
        let say = |what: &str| asked.lock().unwrap().push(what.to_owned());
        let given = sources.ask(keys.map(Arc::from).to_vec(), say).await;
        assert_eq!(
            asked.lock().unwrap()[..2],
            ["waits for the secret A of the shelf", "waits for the secret B of the shelf"]
        );
        let value = |key| of(key, Some(&given)).map(|secret| secret.expose().to_owned());
        assert_eq!(value("A").as_deref(), Some("1"));
        assert_eq!(value("B").as_deref(), Some("3"));
        assert_eq!(value("PATH"), std::env::var("PATH").ok());
        assert_eq!(
            why_not("NO_SUCH_VARIABLE", Some(&given)),
            "there is no NO_SUCH_VARIABLE: the shelf has none; the vault: it is sealed; the drawer has none; \
             the supervisor's environment has none"
        );
        // Also where another one had it: that may be an old value.
        let mut troubled: Vec<_> = given.troubles().map(|(key, _)| key).collect();
        troubled.sort_unstable();
        assert_eq!(troubled, ["B", "NO_SUCH_VARIABLE", "PATH"]);
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }
}
