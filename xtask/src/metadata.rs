//! What cargo knows about the workspace: packages, their declared dependencies, and the resolved graph.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::shell;

/// The answer of `cargo metadata`, as far as the checks need it.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

/// One package of the graph.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// Absent for a package of the workspace.
    pub(crate) source: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) rust_version: Option<String>,
    pub(crate) manifest_path: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) targets: Vec<Target>,
}

/// A dependency as declared in a manifest.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Absent for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

/// Something a package builds.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Debug, Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl Metadata {
    /// Asks cargo about this workspace, for this platform.
    pub(crate) fn load() -> Result<Self, String> {
        let platform = host()?;
        Self::parse(&shell::output(shell::cargo([
            "metadata",
            "--format-version",
            "1",
            "--filter-platform",
            &platform,
        ]))?)
    }

    fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text)
            .map_err(|error| format!("the answer of `cargo metadata` cannot be read: {error}"))
    }

    /// The packages of the workspace, in the order of their names.
    pub(crate) fn members(&self) -> Vec<&Package> {
        let mut members: Vec<_> =
            self.packages.iter().filter(|package| self.workspace_members.contains(&package.id)).collect();
        members.sort_by_key(|package| &package.name);
        members
    }

    /// The packages that are built into something a user gets: everything that the members named by `shipped` reach
    /// by normal and build dependencies, themselves included.
    pub(crate) fn reached_from(&self, shipped: impl Fn(&Package) -> bool) -> Vec<&Package> {
        let edges: BTreeMap<&str, &Node> =
            self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut open: Vec<&str> = self
            .members()
            .into_iter()
            .filter(|member| shipped(member))
            .map(|member| member.id.as_str())
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                let used =
                    edges.get(id).into_iter().flat_map(|node| &node.deps).filter(|edge| edge.is_built_in());
                open.extend(used.map(|edge| edge.pkg.as_str()));
            }
        }
        self.packages.iter().filter(|package| seen.contains(package.id.as_str())).collect()
    }
}

impl Edge {
    fn is_built_in(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
    }
}

impl Package {
    /// Whether a target of this kind (`lib`, `bin`, `example`, …) is among what the package builds.
    pub(crate) fn targets_of(&self, kind: &str) -> Vec<&str> {
        let of_kind = self.targets.iter().filter(|target| target.kind.iter().any(|own| own == kind));
        of_kind.map(|target| target.name.as_str()).collect()
    }
}

/// The platform we run on, in cargo's words.
pub(crate) fn host() -> Result<String, String> {
    let mut rustc = shell::program("rustc");
    rustc.arg("-vV");
    let about = shell::output(rustc)?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "`rustc -vV` names no host".into())
}

/// The packages that a user of `package` alone compiles with its default features, itself included: normal
/// dependencies, this platform. `cargo metadata` cannot tell this, for it unites the features of the whole workspace.
pub(crate) fn closure(package: &str, platform: &str) -> Result<BTreeSet<String>, String> {
    let tree = ["tree", "--package", package, "--edges", "normal", "--target", platform, "--prefix", "none"];
    Ok(parse_tree(&shell::output(shell::cargo(tree.into_iter().chain(["--format", "{p}"])))?))
}

/// Reads lines such as `syn v2.0.1 (proc-macro) (*)` into `syn v2.0.1`; a package seen twice is one.
fn parse_tree(tree: &str) -> BTreeSet<String> {
    let words = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    tree.lines().map(words).filter(|package| !package.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_as_a_set_of_packages() {
        let tree = "a v0.1.0 (/somewhere/a)\nb v1.0.0\nc v2.0.0 (proc-macro)\nb v1.0.0 (*)\n\nb v2.0.0\n";
        let expected = ["a v0.1.0", "b v1.0.0", "b v2.0.0", "c v2.0.0"];
        assert_eq!(parse_tree(tree).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_shipped_is_reached_by_normal_and_build_edges_but_not_by_dev_edges() {
        let package = |id: &str| {
            format!(
                r#"{{"id":"{id}","name":"{id}","version":"1.0.0","source":null,"license":null,"rust_version":null,
                "manifest_path":"","dependencies":[],"features":{{}},"targets":[]}}"#
            )
        };
        let edge = |to: &str, kind: &str| format!(r#"{{"pkg":"{to}","dep_kinds":[{{"kind":{kind}}}]}}"#);
        let text = format!(
            r#"{{"packages":[{}],"workspace_members":["app","tool"],"resolve":{{"nodes":[
                {{"id":"app","deps":[{},{},{}]}},{{"id":"norm","deps":[{}]}}]}}}}"#,
            ["app", "tool", "norm", "build", "dev", "deep"].map(package).join(","),
            edge("norm", "null"),
            edge("build", r#""build""#),
            edge("dev", r#""dev""#),
            edge("deep", "null"),
        );
        let metadata = Metadata::parse(&text).unwrap();
        let reached = metadata.reached_from(|member| member.name == "app");
        let names: Vec<_> = reached.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["app", "norm", "build", "deep"]);
    }

    #[test]
    fn this_workspace_can_be_read() {
        let metadata = Metadata::load().unwrap();
        assert!(metadata.members().iter().any(|member| member.name == "xtask"));
        assert!(metadata.packages.iter().any(|package| package.source.is_some()));
    }
}
