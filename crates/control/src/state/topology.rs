//! Who is in the tree, who is above whom, and who needs whom.

use std::collections::HashMap;
use std::ops::Range;

use supervisor_api::command::{ChildState, TreeState};
use supervisor_api::wire::{Edge, Node, NodeCriticality, NodeKind, Topology};
use supervisor_api::{ChildId, SupervisorPath};
use tokio_supervisor::ChildView;

use crate::target::Target;

/// The topology of a run of rows, of which `views` tell more: their nodes, and the edges that end at one of them. `top`
/// is the highest node that the reader ever sees; no edge leads to it.
pub(super) fn of(
    target: &Target,
    tree: &TreeState,
    range: &Range<usize>,
    views: &[Option<ChildView>],
    top: &SupervisorPath,
) -> Topology {
    let orders = orders(tree, range.end);
    let rows = &tree.children[range.clone()];
    let below = |path: &SupervisorPath| path != top;
    let parents = range.clone().zip(rows).filter(|(_, row)| below(&row.child_path));
    let parents = parents
        .filter_map(|(at, row)| Some(Edge::parent(&row.child_path.parent()?, &row.child_path, orders[at])));
    let needs = rows.iter().zip(views).filter(|(row, _)| below(&row.child_path)).flat_map(|(row, view)| {
        let on = view.iter().flat_map(|view| &view.depends_on).enumerate();
        on.map(|(order, on)| Edge::dependency(&row.child_path, on, order as u64)).collect::<Vec<_>>()
    });
    Topology {
        root: SupervisorPath::root(),
        edges: parents.chain(needs).collect(),
        nodes: rows.iter().zip(views).map(|(row, view)| node(target, row, view.as_ref())).collect(),
        declaration_order: rows
            .iter()
            .filter(|row| !row.child_path.is_root())
            .map(|row| row.child_path.to_string())
            .collect(),
    }
}

/// The place of each row among its siblings, for the first rows of the tree.
fn orders(tree: &TreeState, first: usize) -> Vec<u64> {
    let mut counts: HashMap<SupervisorPath, u64> = HashMap::new();
    let place = |row: &ChildState| {
        row.child_path.parent().map_or(0, |parent| {
            let count = counts.entry(parent).or_default();
            *count += 1;
            *count - 1
        })
    };
    tree.children[..first].iter().map(place).collect()
}

fn node(target: &Target, row: &ChildState, view: Option<&ChildView>) -> Node {
    let path = &row.child_path;
    let child_id = path.id().as_ref().map(ChildId::to_string);
    Node {
        node_id: path.to_string(),
        name: child_id.clone().unwrap_or_else(|| target.id.to_string()),
        child_id,
        path: path.clone(),
        kind: if path.is_root() { NodeKind::RootSupervisor } else { NodeKind::ChildTask }.into(),
        node_type: view.and_then(|view| view.kind).map(Into::into),
        strategy: view.and_then(|view| view.strategy).map(Into::into),
        dynamic: view.filter(|view| view.is_supervisor).map(|view| view.is_dynamic),
        tags: view.iter().flat_map(|view| &view.tags).map(|tag| tag.to_string()).collect(),
        criticality: view.map_or(NodeCriticality::Standard, |view| view.criticality.into()).into(),
        state_summary: row.lifecycle_state.into(),
        diagnostics: view
            .iter()
            .flat_map(|view| &view.diagnostics)
            .map(|(name, sentence)| ((*name).to_owned(), sentence.clone()))
            .collect(),
    }
}
