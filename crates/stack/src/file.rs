//! A stack file from its bytes to a [`Stack`], or to everything that is wrong with it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use supervisor_api::manifest::{ChildManifest, StackManifest};
use supervisor_api::{Finding, SupervisorPath};

use crate::finding::{FileFinding, Findings};
use crate::schema;
use crate::shape::Shapes;
use crate::source::{self, Place, Source, UnreadableFile};
use crate::walk::{Broken, Walked, walk};
use crate::yaml::{self, Entry, Node, Value};

/// A stack file that can be used.
#[derive(Debug, Clone)]
pub struct Stack {
    /// What the file says.
    pub manifest: StackManifest,
    /// What is doubtful in it.
    pub warnings: Findings,
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
    /// Reads and checks the file at `path`. Reports every mistake, not only the first.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, StackError> {
        let path = path.as_ref();
        let bytes = source::read(path)?;
        Self::parse(&path.display().to_string(), bytes)
    }

    /// Checks the text of a file that messages call `name`.
    pub fn parse(name: &str, bytes: impl Into<Vec<u8>>) -> Result<Self, StackError> {
        let source = match Source::new(name.to_owned(), bytes.into()) {
            Ok(source) => source,
            Err((source, place, message)) => {
                let finding = FileFinding { place, path: None, message, warning: false };
                return Err(StackError::Invalid(Findings::new(&source, vec![finding])));
            }
        };
        let (manifest, findings) = read_manifest(&source.text);
        let findings = Findings::new(&source, findings);
        match manifest {
            Some(manifest) if findings.errors() == 0 => Ok(Self { manifest, warnings: findings }),
            _ => Err(StackError::Invalid(findings)),
        }
    }
}

/// The shapes of a stack file. They follow from the types, so they are made once.
fn shapes() -> Result<&'static Shapes, String> {
    static SHAPES: OnceLock<Result<Shapes, String>> = OnceLock::new();
    SHAPES.get_or_init(|| Shapes::of(&schema::of_types())).as_ref().map_err(Clone::clone)
}

fn read_manifest(text: &str) -> (Option<StackManifest>, Vec<FileFinding>) {
    let (root, mistakes) = yaml::parse(text);
    let plain = |(place, message)| FileFinding { place, path: None, message, warning: false };
    let mut findings: Vec<FileFinding> = mistakes.into_iter().map(plain).collect();
    let Some(root) = root else { return (None, findings) };
    let shapes = match shapes() {
        Ok(shapes) => shapes,
        Err(error) => {
            findings
                .push(plain((Place::START, format!("the schema of a stack file cannot be used: {error}"))));
            return (None, findings);
        }
    };
    let mut walked = walk(shapes, &root);
    findings.append(&mut walked.findings);
    match serde_json::from_value::<StackManifest>(std::mem::take(&mut walked.json)) {
        Ok(manifest) => {
            let about = problems(&manifest);
            findings.extend(about.into_iter().filter(|finding| !is_known(&walked, finding)).map(|finding| {
                let place = place_of(&walked, &finding);
                let path = (finding.path != "/").then(|| Arc::from(finding.path.as_str()));
                FileFinding { place, path, message: finding.message, warning: finding.warning }
            }));
            (Some(manifest), findings)
        }
        Err(error) => {
            // The walk lets through only what the types take, so this says that the two differ.
            findings.push(plain((Place::START, format!("the file cannot be used: {error}"))));
            (None, findings)
        }
    }
}

/// Where each manifest contradicts itself.
fn problems(manifest: &StackManifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut due: Vec<(SupervisorPath, &[ChildManifest])> = vec![(SupervisorPath::root(), &manifest.children)];
    while let Some((above, children)) = due.pop() {
        for child in children {
            let path = above.child(&child.name);
            findings.extend(child.problems(&path));
            due.push((path, child.children.as_deref().unwrap_or_default()));
        }
    }
    findings
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
        Some(entry) => quoted_item(&entry.node, &finding.message).unwrap_or(match &entry.node.value {
            Value::Scalar { .. } if !entry.node.is_null() => entry.node.place,
            _ => entry.place,
        }),
        None => node.get("name").map_or(node.place, |entry| entry.node.place),
    }
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
    let named = |item: &&Node| {
        let text_of = |key| item.get(key).and_then(|entry| entry.node.text());
        [item.text(), text_of("name"), text_of("key")].contains(&Some(quoted))
    };
    items.iter().rev().find(named).map(|item| match item.get("name") {
        Some(entry) => entry.node.place,
        None => item.place,
    })
}
