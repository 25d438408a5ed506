//! Cycles of dependencies that only the running tree shows (D11): a sidecar that was added makes a child that is
//! there depend on it (D15). Those within a spec are found when it is resolved.

use std::hash::Hash;

use hashbrown::HashMap;
use supervisor_api::{Finding, SupervisorPath};

use super::Machine;
use crate::resolve::{FixedState, ResolvedSupervisor, cycle};

/// Who depends on whom, by name.
type Graph<'a> = HashMap<&'a str, Vec<&'a str>, FixedState>;

impl Machine {
    /// A sidecar that is added must not depend on its primary by way of others.
    pub(super) fn check_added_sidecar(
        &self,
        path: &SupervisorPath,
        depends_on: &[u32],
        primary: Option<u32>,
    ) -> Result<(), Finding> {
        let next = |at: u32| self.node(at).depends_on().to_vec();
        match primary.and_then(|primary| way(depends_on, primary, next)) {
            Some(way) => Err(finding(path, way.into_iter().map(|at| self.name_of(at)))),
            None => Ok(()),
        }
    }

    /// A new spec must not make the primary of an added sidecar something that this depends on.
    pub(super) fn check_added_sidecars(
        &self,
        sup: u32,
        resolved: &ResolvedSupervisor,
        findings: &mut Vec<Finding>,
    ) {
        let added = |&index: &u32| !self.node(index).flags.declared;
        let sidecars: Vec<_> = self.indices(sup).filter(added).collect();
        let pairs = sidecars.into_iter().filter_map(|index| Some((index, self.node(index).primary()?)));
        let pairs: Vec<_> = pairs.collect();
        if pairs.is_empty() {
            return;
        }
        let graph = self.graph_with_additions(sup, resolved);
        let next = |name: &str| graph.get(name).cloned().unwrap_or_default();
        for (sidecar, primary) in pairs {
            if let Some(way) = way(&next(self.name_of(sidecar)), self.name_of(primary), next) {
                findings.push(finding(&self.node(sidecar).path, way.into_iter()));
            }
        }
    }

    /// Who will depend on whom under a new spec, with what was added.
    fn graph_with_additions<'a>(&'a self, sup: u32, resolved: &'a ResolvedSupervisor) -> Graph<'a> {
        let children = &resolved.children;
        let names = |on: &[u32]| on.iter().map(|&at| children[at as usize].id.as_str()).collect();
        let mut graph: Graph<'a> =
            children.iter().map(|child| (child.id.as_str(), names(&child.depends_on))).collect();
        for index in self.indices(sup).filter(|&index| !self.node(index).flags.declared) {
            let (node, name) = (self.node(index), self.name_of(index));
            graph.entry(name).or_default().extend(node.depends_on().iter().map(|&on| self.name_of(on)));
            if let Some(primary) = node.primary() {
                graph.entry(self.name_of(primary)).or_default().push(name);
            }
        }
        graph
    }

    fn name_of(&self, index: u32) -> &str {
        self.node(index).path.last_segment().unwrap_or("/")
    }
}

fn finding<'a>(sidecar: &'a SupervisorPath, way: impl Iterator<Item = &'a str>) -> Finding {
    let name = sidecar.last_segment().unwrap_or("/");
    let names: Vec<_> = std::iter::once(name).chain(way).chain([name]).collect();
    let path = sidecar.as_str().to_owned();
    Finding { path, key: "dependencies", message: cycle(&names), warning: false }
}

/// A way along dependencies from one of `from` to `to`, with both.
fn way<V: Copy + Eq + Hash>(from: &[V], to: V, next: impl Fn(V) -> Vec<V>) -> Option<Vec<V>> {
    let mut before: HashMap<V, Option<V>, FixedState> = from.iter().map(|&at| (at, None)).collect();
    let mut open = from.to_vec();
    while let Some(at) = open.pop() {
        if at == to {
            let mut way: Vec<V> = std::iter::successors(Some(to), |at| before[at]).collect();
            way.reverse();
            return Some(way);
        }
        for on in next(at) {
            before.entry(on).or_insert_with(|| {
                open.push(on);
                Some(at)
            });
        }
    }
    None
}
