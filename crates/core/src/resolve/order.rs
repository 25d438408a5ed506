//! Effective order: dependencies first, ties as declared (D11).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use supervisor_api::SupervisorPath;

use super::{Findings, ResolvedChild};

/// Sorts children so that each stands after what it depends on, and renumbers their references.
///
/// A primary depends on its sidecars (D15). A cycle is a mistake; the children then stay as they were.
pub(super) fn effective_order(
    mut children: Vec<ResolvedChild>,
    path: &SupervisorPath,
    findings: &mut Findings,
) -> Vec<ResolvedChild> {
    add_sidecars(&mut children);
    if children.iter().all(|child| child.depends_on.is_empty()) || fault!(order_is_as_declared) {
        return children;
    }
    let count = children.len();
    let mut dependants: Vec<Vec<u32>> = vec![Vec::new(); count];
    let mut unmet: Vec<usize> = Vec::with_capacity(count);
    for (at, child) in children.iter().enumerate() {
        unmet.push(child.depends_on.len());
        for &on in &child.depends_on {
            dependants[on as usize].push(at as u32);
        }
    }
    let mut free: BinaryHeap<Reverse<u32>> =
        (0..count as u32).filter(|&at| unmet[at as usize] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse(at)) = free.pop() {
        order.push(at);
        for &dependant in &dependants[at as usize] {
            unmet[dependant as usize] -= 1;
            if unmet[dependant as usize] == 0 {
                free.push(Reverse(dependant));
            }
        }
    }
    if order.len() < count {
        report_cycle(&children, &unmet, path, findings);
        return children;
    }
    renumber(children, &order)
}

fn add_sidecars(children: &mut [ResolvedChild]) {
    for at in 0..children.len() {
        if let Some(primary) = children[at].primary {
            let depends_on = &mut children[primary as usize].depends_on;
            if let Err(place) = depends_on.binary_search(&(at as u32)) {
                depends_on.insert(place, at as u32);
            }
        }
    }
}

/// Names the cycle by walking along unmet dependencies until a child comes again.
fn report_cycle(children: &[ResolvedChild], unmet: &[usize], path: &SupervisorPath, findings: &mut Findings) {
    let Some(mut at) = unmet.iter().position(|&left| left > 0) else { return };
    let mut seen = vec![usize::MAX; children.len()];
    let mut walk = Vec::new();
    while seen[at] == usize::MAX {
        seen[at] = walk.len();
        walk.push(at);
        let next = children[at].depends_on.iter().find(|&&on| unmet[on as usize] > 0);
        let Some(&next) = next else { return };
        at = next as usize;
    }
    let mut names: Vec<&str> = walk[seen[at]..].iter().map(|&at| children[at].id.as_str()).collect();
    names.push(children[at].id.as_str());
    findings.mistake(path.child(&children[at].id).as_str(), "dependencies", cycle(&names));
}

/// Says that children depend on each other in a circle; the last name is the first again.
pub(crate) fn cycle(names: &[&str]) -> String {
    format!("the dependencies form a cycle: {}; remove one of them", names.join(" -> "))
}

fn renumber(children: Vec<ResolvedChild>, order: &[u32]) -> Vec<ResolvedChild> {
    let mut place = vec![0; order.len()];
    for (new, &old) in order.iter().enumerate() {
        place[old as usize] = new as u32;
    }
    let mut slots: Vec<Option<ResolvedChild>> = children.into_iter().map(Some).collect();
    let mut sorted = Vec::with_capacity(slots.len());
    for &old in order {
        let Some(mut child) = slots[old as usize].take() else { continue };
        for on in &mut child.depends_on {
            *on = place[*on as usize];
        }
        child.depends_on.sort_unstable();
        child.primary = child.primary.map(|primary| place[primary as usize]);
        sorted.push(child);
    }
    sorted
}
