//! A stack file from its bytes to a [`Stack`], or to everything that is wrong with it.

use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use supervisor_api::manifest::{
    ChildManifest, DashboardManifest, HealthManifest, Kind, SecretsManifest, StackManifest, health_address,
};
use supervisor_api::{Finding, SupervisorPath};
use supervisor_yaml::{
    Broken, Entry, FileFinding, Findings, Node, Place, Shapes, Source, UnreadableFile, Value, Walked,
};
use tokio_supervisor::{Registry, SupervisorSpec};

use crate::cgroup::{self, Controller};
use crate::control::{self, Settled};
use crate::dashboard::DashboardAt;
use crate::expand::{self, Choices, Expanded, Origin};
use crate::launch::Live;
use crate::tree;
use crate::{dialect, schema};

/// A stack file that can be run.
#[derive(Debug, Clone)]
pub struct Stack {
    /// What the file says.
    pub manifest: StackManifest,
    /// What is doubtful in it.
    pub warnings: Findings,
    pub(crate) spec: SupervisorSpec,
    pub(crate) registry: Registry,
    /// Where secrets are looked for.
    pub(crate) secrets: Vec<SecretsManifest>,
    /// Where it was read from, if it was a file.
    pub(crate) path: Option<PathBuf>,
    /// What was chosen when it was read, and is again when it is read again.
    pub(crate) choices: Choices,
    /// What a run of it goes by beside the tree.
    pub(crate) live: Arc<Live>,
    pub(crate) control: Settled,
    pub(crate) health: Option<SocketAddr>,
    pub(crate) dashboard: DashboardAt,
}

/// Why there is no stack.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// The file could not be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableFile),
    /// The file is not a valid stack. `Display` shows every finding with its line.
    #[error("{0}")]
    Invalid(Findings),
}

impl Stack {
    /// Reads and checks the file at `path`. Reports every mistake, not only the first. Its children are
    /// programs; for tasks see [`Self::read_with`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, StackError> {
        Self::read_with(path, Registry::new())
    }

    /// [`Self::read`] with the factories of tasks that the file can name. One that nobody registered is a
    /// mistake of the file.
    pub fn read_with(path: impl AsRef<Path>, registry: Registry) -> Result<Self, StackError> {
        Self::read_as(path, registry, Choices::default())
    }

    /// [`Self::read_with`] with values for the variables of the file. A run that reads it again takes the same.
    pub fn read_as(path: impl AsRef<Path>, registry: Registry, choices: Choices) -> Result<Self, StackError> {
        let path = path.as_ref();
        let bytes = supervisor_yaml::read(path)?;
        // A run can be told to read it again, wherever it is by then.
        let place = std::path::absolute(path)
            .map_err(|error| UnreadableFile::Refused { path: path.to_owned(), error })?;
        let origin = Origin::File(&place);
        let stack = Self::parse_at(&path.display().to_string(), bytes, registry, origin, &choices)?;
        Ok(Self { path: Some(place), choices, ..stack })
    }

    /// Reads a file with what was chosen for this one: the same file, as it is now.
    pub fn again(&self, path: impl AsRef<Path>) -> Result<Self, StackError> {
        Self::read_as(path, self.registry.clone(), self.choices.clone())
    }

    /// Checks the text of a file that messages call `name`.
    pub fn parse(name: &str, bytes: impl Into<Vec<u8>>) -> Result<Self, StackError> {
        Self::parse_with(name, bytes, Registry::new())
    }

    /// [`Self::parse`] with the factories of tasks that the file can name.
    ///
    /// Relative paths of log files are taken from the working directory; in a file they are from where that is.
    pub fn parse_with(name: &str, bytes: impl Into<Vec<u8>>, registry: Registry) -> Result<Self, StackError> {
        Self::parse_at(name, bytes, registry, Origin::Text(None), &Choices::default())
    }

    /// [`Self::parse`] of a text that was read from `file`, if it was one, with values for its variables.
    pub fn parse_as(
        name: &str,
        bytes: impl Into<Vec<u8>>,
        file: Option<&Path>,
        choices: &Choices,
    ) -> Result<Self, StackError> {
        Self::parse_at(name, bytes, Registry::new(), Origin::of(file), choices)
    }

    /// The text of a stack with everything in it that it takes from elsewhere, for a run that reads it with nothing chosen:
    /// the same text, if it takes nothing. `file` is where it was read from, if it was a file.
    ///
    /// # Errors
    ///
    /// What is wrong with what it takes. What else is wrong with the text is for who reads it.
    pub fn expand(
        name: &str,
        text: impl Into<Vec<u8>>,
        file: Option<&Path>,
        choices: &Choices,
    ) -> Result<String, StackError> {
        let source = sound(name, text.into())?;
        expand::expand(source, Origin::of(file), choices).text()
    }

    /// Checks a text from somewhere.
    pub(crate) fn parse_at(
        name: &str,
        bytes: impl Into<Vec<u8>>,
        registry: Registry,
        origin: Origin<'_>,
        choices: &Choices,
    ) -> Result<Self, StackError> {
        let mut expanded = expand::expand(sound(name, bytes.into())?, origin, choices);
        let registry = registry.kind(Kind::Process, supervisor_process::kind);
        let (read, findings) = read_tree(&mut expanded, &registry, origin.folder());
        let findings = Findings::of(&expanded.sources, findings);
        match read {
            Some(Read { manifest, spec, secrets, control, health, dashboard }) if findings.errors() == 0 => {
                let (live, warnings) = (Arc::new(Live::of(&manifest)), findings);
                let choices = Choices::default();
                Ok(Self {
                    manifest,
                    warnings,
                    spec,
                    registry,
                    secrets,
                    path: None,
                    choices,
                    live,
                    control,
                    health,
                    dashboard,
                })
            }
            _ => Err(StackError::Invalid(findings)),
        }
    }

    /// How many programs the file names, at any depth.
    pub fn programs(&self) -> usize {
        programs(&self.manifest.children)
    }

    /// The limits that programs of the file say, at any depth, and that are watched in this process: they have no cgroup
    /// ([`cgroup::start`](crate::cgroup::start)), or one in which the kernel cannot be asked for them.
    pub fn watched_limits(&self) -> BTreeSet<&'static str> {
        let held = cgroup::status().map(|status| status.controllers).unwrap_or_default();
        let mut limits = BTreeSet::new();
        said_limits(&self.manifest.children, &mut limits);
        limits.retain(|limit| controller(limit).is_some_and(|controller| !held.contains(&controller)));
        limits
    }
}

fn said_limits(children: &[ChildManifest], said: &mut BTreeSet<&'static str>) {
    for child in children {
        let limits = child.resource_limits.filter(|_| child.kind == Kind::Process);
        said.extend(limits.iter().flat_map(|limits| limits.said()));
        said_limits(child.children.as_deref().unwrap_or_default(), said);
    }
}

/// What of a cgroup a limit takes, of those that can be watched instead.
fn controller(limit: &str) -> Option<Controller> {
    match limit.strip_prefix("resource_limits.")? {
        "max_memory_mb" => Some(Controller::Memory),
        "max_cpu_percent" => Some(Controller::Cpu),
        "max_processes" => Some(Controller::Pids),
        _ => None,
    }
}

fn programs(children: &[ChildManifest]) -> usize {
    let below = |child: &ChildManifest| child.children.as_deref().map_or(0, programs);
    children.iter().map(|child| usize::from(child.kind == Kind::Process) + below(child)).sum()
}

/// The text of a file that can be text.
fn sound(name: &str, bytes: Vec<u8>) -> Result<Source, StackError> {
    Source::new(name.to_owned(), bytes).map_err(|(source, place, message)| {
        let finding = FileFinding { place, path: None, message, warning: false };
        StackError::Invalid(Findings::new(&source, vec![finding]))
    })
}

/// The shapes of a stack file. They follow from the types, so they are made once.
fn shapes() -> Result<&'static Shapes, String> {
    static SHAPES: OnceLock<Result<Shapes, String>> = OnceLock::new();
    SHAPES.get_or_init(|| Shapes::of(&schema::of_types())).as_ref().map_err(Clone::clone)
}

/// What a file says, as far as it could be used.
struct Read {
    manifest: StackManifest,
    spec: SupervisorSpec,
    secrets: Vec<SecretsManifest>,
    control: Settled,
    health: Option<SocketAddr>,
    dashboard: DashboardAt,
}

fn read_tree(
    expanded: &mut Expanded,
    registry: &Registry,
    folder: Option<&Path>,
) -> (Option<Read>, Vec<FileFinding>) {
    let plain = |(place, message)| FileFinding { place, path: None, message, warning: false };
    let mut findings = std::mem::take(&mut expanded.mistakes);
    findings.append(&mut expanded.findings);
    let Some(root) = &expanded.root else { return (None, findings) };
    let shapes = match shapes() {
        Ok(shapes) => shapes,
        Err(error) => {
            findings
                .push(plain((Place::START, format!("the schema of a stack file cannot be used: {error}"))));
            return (None, findings);
        }
    };
    let mut walked = supervisor_yaml::walk(&dialect::STACK, shapes, root);
    findings.append(&mut walked.findings);
    match serde_json::from_value::<StackManifest>(std::mem::take(&mut walked.json)) {
        Ok(manifest) => {
            let (spec, secrets, mut about) = tree::build(&manifest, registry, folder);
            let (control, about_control) = manifest.control.as_ref().map(control::settle).unwrap_or_default();
            about.extend(about_control);
            let health = manifest.health.as_ref().and_then(|health| address(health, &mut about));
            let dashboard = manifest.dashboard.as_ref().map(|said| at(said, &mut about)).unwrap_or_default();
            let about = about.into_iter().filter(|finding| !is_known(&walked, finding));
            findings.extend(about.map(|finding| placed(&walked, finding)));
            once(&mut findings);
            (Some(Read { manifest, spec, secrets, control, health, dashboard }), findings)
        }
        Err(error) => {
            // The walk lets through only what the types take, so this says that the two differ.
            findings.push(plain((Place::START, format!("the file cannot be used: {error}"))));
            (None, findings)
        }
    }
}

fn address(health: &HealthManifest, findings: &mut Vec<Finding>) -> Option<SocketAddr> {
    let refused = |message| Finding { path: "/".to_owned(), key: "health.listen", message, warning: false };
    health_address(&health.listen).map_err(|message| findings.push(refused(message))).ok()
}

fn at(said: &DashboardManifest, findings: &mut Vec<Finding>) -> DashboardAt {
    let refused =
        |message| Finding { path: "/".to_owned(), key: "dashboard.listen", message, warning: false };
    DashboardAt::of(said).map_err(|message| findings.push(refused(message))).unwrap_or_default()
}

/// Leaves one of findings that differ only in the child: they are about replicas, which stand in one place.
fn once(findings: &mut Vec<FileFinding>) {
    let mut seen = HashSet::new();
    findings.retain(|finding| seen.insert((finding.place, finding.message.clone())));
}

/// A finding about the tree as one about the file.
fn placed(walked: &Walked<'_>, finding: Finding) -> FileFinding {
    let message = sentence(&finding);
    let (path, place) = match inherited_from(walked, &finding) {
        Some((path, place)) => (path, place),
        None => (finding.path.clone(), place_of(walked, &finding)),
    };
    let path = (path != "/").then(|| Arc::from(path.as_str()));
    FileFinding { place, path, message, warning: finding.warning }
}

/// The message as a sentence: one that begins with its verb gets its key as the subject.
fn sentence(finding: &Finding) -> String {
    let Finding { key, message, .. } = finding;
    let first = message.split(' ').next().unwrap_or_default();
    match first {
        "is" | "has" | "must" | "contradicts" | "cannot" => format!("`{key}` {message}"),
        _ => message.clone(),
    }
}

/// The `defaults` a child has the key from that a finding is about, when it does not say it itself.
fn inherited_from(walked: &Walked<'_>, finding: &Finding) -> Option<(String, Place)> {
    let first = finding.key.split('.').next().filter(|key| !key.is_empty())?;
    if walked.nodes.get(finding.path.as_str())?.get(first).is_some() {
        return None;
    }
    let mut above = SupervisorPath::parse(&finding.path).ok()?.parent();
    while let Some(path) = above {
        let node = walked.nodes.get(path.as_str())?;
        let way = if path.is_root() { "supervisor.defaults" } else { "defaults" };
        let entry = find(node, way).and_then(|defaults| find(&defaults.node, finding.key));
        if let Some(entry) = entry {
            return Some((path.to_string(), place_of_entry(entry, &finding.message)));
        }
        above = path.parent();
    }
    None
}

/// Whether a finding may only follow from a mistake that was already reported.
fn is_known(walked: &Walked<'_>, finding: &Finding) -> bool {
    let about_siblings = matches!(finding.key, "dependencies" | "primary" | "sidecar_config");
    let of = |path: &str| walked.broken.get(path);
    let own = of(&finding.path).is_some_and(|Broken { keys, kind, .. }| {
        let key = finding.key;
        keys.iter().any(|broken| key.is_empty() || within(broken, key) || within(key, broken))
            || (*kind && !about_siblings)
    });
    let names_missing = || {
        let parent = SupervisorPath::parse(&finding.path).ok().and_then(|path| path.parent());
        parent.and_then(|parent| of(parent.as_str())).is_some_and(|broken| broken.children)
    };
    own || (about_siblings && names_missing())
}

/// Whether the key `inner` is `outer` or lies under it.
fn within(outer: &str, inner: &str) -> bool {
    inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'))
}

/// The place of what a finding is about: the item of a list that its message quotes, else the key,
/// else the child.
fn place_of(walked: &Walked<'_>, finding: &Finding) -> Place {
    let Some(node) = walked.nodes.get(finding.path.as_str()) else { return Place::START };
    // The keys of the root supervisor stand under `supervisor`.
    let root = node.get("supervisor").map(|entry| &entry.node).filter(|_| finding.path == "/");
    let entry = root.and_then(|node| find(node, finding.key)).or_else(|| find(node, finding.key));
    match entry {
        Some(entry) => place_of_entry(entry, &finding.message),
        None => node.get("name").map_or(node.place, |entry| entry.node.place),
    }
}

fn place_of_entry(entry: &Entry, message: &str) -> Place {
    quoted_item(&entry.node, message).unwrap_or(match &entry.node.value {
        Value::Scalar { .. } if !entry.node.is_null() => entry.node.place,
        _ => entry.place,
    })
}

/// The entry under `a.b.c`, or as much of that way as is there.
fn find<'n>(node: &'n Node, key: &str) -> Option<&'n Entry> {
    let mut steps = key.split('.');
    let mut entry = node.get(steps.next()?)?;
    for step in steps {
        match entry.node.get(step) {
            Some(inner) => entry = inner,
            None => break,
        }
    }
    Some(entry)
}

/// The last item of a list that is, or has the name, that a message quotes first.
fn quoted_item(node: &Node, message: &str) -> Option<Place> {
    let Value::List(items) = &node.value else { return None };
    let quoted = message.split('\'').nth(1)?;
    // What follows a `=` may be secret and is not quoted.
    let is_quoted = |text: &str| text == quoted || quoted.ends_with('=') && text.starts_with(quoted);
    let named = |item: &&Node| {
        let text_of = |key| item.get(key).and_then(|entry| entry.node.text());
        let quotable = ["name", "key", "uid", "gid", "listen"].map(text_of);
        [item.text()].into_iter().chain(quotable).flatten().any(is_quoted)
    };
    items.iter().rev().find(named).map(|item| {
        let listens = item.get("listen").filter(|entry| entry.node.text().is_some_and(is_quoted));
        listens.or(item.get("name")).map_or(item.place, |entry| entry.node.place)
    })
}
