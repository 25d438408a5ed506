//! What a stack file takes from elsewhere, put into it: before it is held against its schema, and with every place kept.
//!
//! ```text
//!   the text ──► variables ──► included files ──► profiles ──► replicas ──► a file that needs nothing else
//! ```
//!
//! What comes out has none of the keys by which that is asked for, so it is also what is sent to a stack that runs. A key
//! that is not of its shape stays where it is, and is told of as any other.

mod choices;
mod include;
mod profiles;
mod replicas;
mod variables;

use std::path::Path;

use supervisor_yaml::{FileFinding, Findings, Node, Place, Source};

use crate::dialect;
use crate::file::StackError;

pub use choices::Choices;
pub use include::Sight;

/// A file with everything in it.
#[derive(Debug)]
pub(crate) struct Expanded {
    /// The texts it was made of, by the number in their places.
    pub(crate) sources: Vec<Source>,
    /// What they say together; `None`: it is no YAML.
    pub(crate) root: Option<Node>,
    /// What is wrong with the YAML.
    pub(crate) mistakes: Vec<FileFinding>,
    /// What is wrong with what is asked for.
    pub(crate) findings: Vec<FileFinding>,
    /// Whether anything was asked for.
    changed: bool,
}

/// Where a text is from, for what it names beside itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// It was read from this file.
    File(&'a Path),
    /// Somebody gave it; paths in it begin in this directory, if that is known.
    Text(Option<&'a Path>),
    /// Somebody sent it to a run, who has put everything into it; paths in it begin in this directory, if that is known.
    Sent(Option<&'a Path>),
}

impl<'a> Origin<'a> {
    /// That of a text that was read from this file, if it was one.
    pub(crate) fn of(file: Option<&'a Path>) -> Self {
        file.map_or(Self::Text(None), Self::File)
    }

    /// Where relative paths begin.
    pub(crate) fn folder(self) -> Option<&'a Path> {
        match self {
            Self::File(file) => file.parent(),
            Self::Text(folder) | Self::Sent(folder) => folder,
        }
    }
}

/// Puts into a text what it takes from elsewhere.
pub(crate) fn expand(source: Source, origin: Origin<'_>, choices: &Choices) -> Expanded {
    let (root, mistakes) = supervisor_yaml::parse(&source.text, &dialect::STACK);
    let mistakes = mistakes.into_iter().map(|(place, message)| error(place, message)).collect();
    let mut expanded = Expanded { mistakes, ..Expanded::of(source) };
    if let Some(mut root) = root {
        if matches!(origin, Origin::Sent(_)) {
            expanded.refuse(&root);
        } else {
            let mut variables = expanded.variables(&mut root, choices);
            variables.fill(&mut root, &mut expanded.findings);
            expanded.include(&mut root, origin, &mut variables);
            expanded.choose(&mut root, choices);
            expanded.replicate(&mut root, "");
        }
        expanded.root = Some(root);
    }
    expanded
}

impl Expanded {
    /// A text of which nothing is known.
    fn of(source: Source) -> Self {
        let (mistakes, findings) = (Vec::new(), Vec::new());
        Self { sources: vec![source], root: None, mistakes, findings, changed: false }
    }

    /// Nobody who may only ask makes much of little, or reads files, in the run that is asked; and what is chosen was chosen
    /// where the file was read.
    fn refuse(&mut self, node: &Node) {
        for key in ["variables", "include", "replicas", "profiles"] {
            if let Some(entry) = node.get(key) {
                let message = format!(
                    "`{key}` is for a file: a text that is sent has everything in it, as the one has that \
                     `supervisor plan` and `supervisor apply` send"
                );
                self.findings.push(error(entry.place, message));
            }
        }
        node.get("children")
            .into_iter()
            .flat_map(|entry| entry.node.items())
            .for_each(|child| self.refuse(child));
    }

    /// The text that says the same and needs nothing else: the one that was read, if it asked for nothing.
    pub(crate) fn text(self) -> Result<String, StackError> {
        if self.findings.iter().any(|finding| !finding.warning) {
            return Err(StackError::Invalid(Findings::of(&self.sources, self.findings)));
        }
        match self.root {
            Some(root) if self.changed && self.mistakes.is_empty() => Ok(supervisor_yaml::write(&root)),
            // Whoever reads it finds the mistakes again.
            _ => Ok(self.sources.into_iter().next().map(|source| source.text).unwrap_or_default()),
        }
    }
}

/// The name that stands for the number of a replica.
const REPLICA: &str = "replica";

/// Something that is wrong with the file as a whole.
fn error(place: Place, message: impl Into<String>) -> FileFinding {
    FileFinding { place, path: None, message: message.into(), warning: false }
}

/// The sibling that a dependency names: a text, or a mapping with a condition.
fn sibling(dependency: &Node) -> Option<&str> {
    dependency.text().or_else(|| dependency.get("name")?.node.text())
}

/// The path of a child of the supervisor at `path`, which is empty for the root.
fn below(path: &str, child: &Node) -> String {
    let name = child.get("name").and_then(|entry| entry.node.text()).unwrap_or("?");
    format!("{path}/{name}")
}
