//! How texts become specs of the tree that is served, and which one it has.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use supervisor_api::StampedEvent;
use supervisor_api::manifest::StackManifest;
use supervisor_api::wire::{ErrorCode, WireError};
use tokio_supervisor::{EventKind, SupervisorSpec};

/// Makes specs out of the texts of stack files, for `plan`, `command.apply` and `command.reload`.
///
/// The control plane knows trees, not files; whoever serves a tree that comes from a file says how to read one. What
/// is read is trusted to be what the text says. Called on threads where waiting hurts nobody.
pub trait SpecSource: Send + Sync + 'static {
    /// What a text says that somebody has sent.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, as sentences with their places; and what cannot change while a tree runs.
    fn read(&self, text: &str) -> Result<Declared, String>;

    /// Whether there is a file that the tree was made of, so that it can be read again.
    fn has_file(&self) -> bool;

    /// What that file says now.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], and when it cannot be read.
    fn reread(&self) -> Result<Declared, String>;

    /// This is what the tree has been made of from now on. Called in the order in which specs were applied.
    fn applied(&self, declared: &Declared);
}

/// A spec, and the text it was made of.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Declared {
    /// The tree.
    pub spec: SupervisorSpec,
    /// What the text says.
    pub manifest: Arc<StackManifest>,
    /// Its [`config_version`](supervisor_api::wire::config_version).
    pub config_version: Arc<str>,
}

impl Declared {
    /// A spec and what it was made of.
    pub fn new(spec: SupervisorSpec, manifest: StackManifest, config_version: Arc<str>) -> Self {
        Self { spec, manifest: Arc::new(manifest), config_version }
    }
}

/// Where new specs come from, and the spec that the tree was launched with.
#[derive(Clone)]
pub struct Specs {
    pub(crate) source: Arc<dyn SpecSource>,
    pub(crate) launched: Declared,
}

impl Specs {
    /// A tree that was launched with this spec.
    pub fn new(source: impl SpecSource, launched: Declared) -> Self {
        Self { source: Arc::new(source), launched }
    }

    /// Where new specs come from.
    pub fn source(&self) -> &dyn SpecSource {
        &*self.source
    }
}

impl fmt::Debug for Specs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Specs").field("launched", &self.launched.config_version).finish_non_exhaustive()
    }
}

/// The specs of a tree that is served: the one it has, and those that are on their way to be that.
#[derive(Debug)]
pub(crate) struct SpecBook {
    specs: Option<Specs>,
    pages: Mutex<Pages>,
    /// How many pages were turned.
    turns: AtomicU64,
}

/// A version that a reader knows.
#[derive(Debug, Default)]
pub(crate) struct KnownVersion {
    /// How many pages were turned before. `None`: it is not the newest, and holds for one event.
    turns: Option<u64>,
    /// From which event on it holds.
    from: u64,
    version: Arc<str>,
}

#[derive(Debug)]
struct Pages {
    /// From which event on the tree has had which version, the oldest first.
    versions: Vec<(u64, Arc<str>)>,
    /// The versions that commands will bring, by the id of the command.
    coming: Vec<(Arc<str>, Arc<str>)>,
    /// The spec that the tree has, and how many there were before it.
    current: Option<(u64, Declared)>,
}

impl SpecBook {
    pub(crate) fn new(specs: Option<Specs>, config_version: Arc<str>) -> Self {
        let current = specs.as_ref().map(|specs| (0, specs.launched.clone()));
        let pages = Pages { versions: vec![(0, config_version)], coming: Vec::new(), current };
        Self { specs, pages: Mutex::new(pages), turns: AtomicU64::new(0) }
    }

    pub(crate) fn takes_specs(&self) -> bool {
        self.specs.is_some()
    }

    pub(crate) fn has_file(&self) -> bool {
        self.specs.as_ref().is_some_and(|specs| specs.source.has_file())
    }

    /// What a text says.
    pub(crate) async fn read(&self, text: &str) -> Result<Declared, WireError> {
        let text = text.to_owned();
        self.ask(move |source| source.read(&text)).await
    }

    /// What the file says now. What is wrong with it may quote it, and is for its owner alone (`security.md` 17).
    pub(crate) async fn reread(&self, for_the_owner: bool) -> Result<Declared, WireError> {
        let read = self.ask(|source| source.reread()).await;
        read.map_err(|error| match for_the_owner {
            true => error,
            false => {
                let message = "the file cannot be applied; its owner can see why with `supervisor check`";
                WireError { message: message.to_owned(), ..error }
            }
        })
    }

    async fn ask(
        &self,
        ask: impl FnOnce(&dyn SpecSource) -> Result<Declared, String> + Send + 'static,
    ) -> Result<Declared, WireError> {
        let refused = |message: String| WireError::new(ErrorCode::ValidationFailed, message);
        let Some(specs) = &self.specs else {
            return Err(refused("this tree was not made of a stack file, so it takes none".to_owned()));
        };
        let source = Arc::clone(&specs.source);
        let read = tokio::task::spawn_blocking(move || ask(&*source)).await;
        read.unwrap_or_else(|_| Err("reading it has panicked".to_owned())).map_err(refused)
    }

    /// The spec that the tree has, and its number.
    pub(crate) fn current(&self) -> Option<(u64, Declared)> {
        self.pages().current.clone()
    }

    /// The version that the tree has now.
    pub(crate) fn version(&self) -> Arc<str> {
        self.pages().versions.last().map(|(_, version)| Arc::clone(version)).unwrap_or_default()
    }

    /// A command of this id is about to bring a spec.
    pub(crate) fn comes(&self, command_id: &Arc<str>, declared: &Declared) {
        self.pages().coming.push((Arc::clone(command_id), Arc::clone(&declared.config_version)));
    }

    /// The command is over.
    pub(crate) fn is_over(&self, command_id: &str) {
        self.pages().coming.retain(|(id, _)| **id != *command_id);
    }

    /// The version that the tree had when this happened. Whoever sees first that a spec was applied turns the page.
    pub(crate) fn version_of(&self, event: &StampedEvent) -> Arc<str> {
        let mut pages = self.pages();
        if event.event.kind == EventKind::SpecApplied {
            pages.turn(event);
            self.turns.fetch_add(1, Ordering::Release);
        }
        let at = pages.versions.partition_point(|(from, _)| *from <= event.sequence);
        pages.versions[at.saturating_sub(1)].1.clone()
    }

    /// The same for a reader of many events, that keeps what it knows.
    pub(crate) fn version_at<'k>(&self, event: &StampedEvent, known: &'k mut KnownVersion) -> &'k Arc<str> {
        let turns = self.turns.load(Ordering::Acquire);
        let is_known = known.turns == Some(turns) && known.from <= event.sequence;
        if !is_known || event.event.kind == EventKind::SpecApplied {
            let version = self.version_of(event);
            let newest = self.pages().versions.last().map_or(0, |(from, _)| *from);
            *known =
                KnownVersion { turns: (newest <= event.sequence).then_some(turns), from: newest, version };
        }
        &known.version
    }

    /// The tree has this spec now. Gives its number.
    pub(crate) fn applied(&self, event: &StampedEvent, declared: &Declared) -> u64 {
        self.version_of(event);
        let mut pages = self.pages();
        let number = pages.current.as_ref().map_or(0, |(number, _)| *number) + 1;
        pages.current = Some((number, declared.clone()));
        if let Some(specs) = &self.specs {
            // With the page held, so that the order is theirs, too.
            specs.source.applied(declared);
        }
        number
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many versions are kept: more than the events that are kept could name in practice.
const KEPT: usize = 256;

impl Pages {
    fn turn(&mut self, event: &StampedEvent) {
        let Some(id) = event.correlation_id() else { return };
        let Some(at) = self.coming.iter().position(|(coming, _)| **coming == *id) else { return };
        let (_, version) = self.coming.remove(at);
        let place = self.versions.partition_point(|(from, _)| *from <= event.sequence);
        self.versions.insert(place, (event.sequence, version));
        if self.versions.len() > KEPT {
            self.versions.remove(0);
        }
    }
}
