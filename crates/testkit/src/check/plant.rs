//! How the model of a tree is made, and how it changes: specs are planted, children are linked, told of, bound and
//! forgotten.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

use supervisor_api::{ChildId, ChildKey, SupervisorPath};
use supervisor_core::{
    Body, ChildDecl, ChildPolicy, Context, Resolved, ResolvedChild, ResolvedSupervisor, SupervisorDecl,
    SupervisorSettings, resolve,
};

use super::model::{Life, Model, NONE, Node, Sup};

impl Model {
    /// Forgets everything but its memory, and takes up another tree.
    pub(super) fn reset(&mut self, resolved: &Resolved) {
        self.nodes.clear();
        self.sups.clear();
        self.slots.clear();
        self.by_path.clear();
        self.twins.clear();
        // What the root is decided by is told with its declaration; nothing is decided by it.
        let root = self.new_node(SupervisorPath::root(), NONE, placeholder(), None);
        self.nodes[root as usize].parent = root;
        self.plant_supervisor(root, &resolved.root);
    }

    fn new_node(
        &mut self,
        path: SupervisorPath,
        parent: u32,
        policy: Arc<ChildPolicy>,
        body: Option<(u32, bool)>,
    ) -> u32 {
        let at = self.nodes.len() as u32;
        self.twins.extend(self.by_path.insert(path.clone(), at));
        self.nodes.push(Node {
            path,
            key: ChildKey { index: NONE, epoch: 0 },
            came: !policy.scheduled,
            policy,
            parent,
            sup: NONE,
            rank: 0,
            needs: Vec::new(),
            linked: 0,
            needed_by: Vec::new(),
            primary: NONE,
            in_spec: true,
            bound: body.is_none_or(|(_, bound)| bound),
            bound_late: false,
            concerned: None,
            body: body.map(|(body, _)| body),
            seen: false,
            forgotten: false,
            life: Life::new(),
        });
        at
    }

    pub(super) fn plant_supervisor(&mut self, node: u32, resolved: &ResolvedSupervisor) {
        let sup = self.sups.len() as u32;
        self.nodes[node as usize].sup = sup;
        self.sups.push(Sup {
            node,
            context: Arc::clone(&resolved.context),
            children: Vec::with_capacity(resolved.children.len()),
            charges: VecDeque::new(),
            incarnation: 0,
            unpark: false,
            automatic: false,
            initial: false,
            group: None,
            next_rank: 0,
            touched: 0,
        });
        let first = self.nodes.len() as u32;
        for child in &resolved.children {
            self.plant(node, &child.id, Arc::clone(&child.policy), child.body);
        }
        for (at, child) in (first..).zip(&resolved.children) {
            self.link(at, child, |position| first + position);
            if let Some(below) = &child.supervisor {
                self.plant_supervisor(at, below);
            }
        }
    }

    pub(super) fn plant(
        &mut self,
        parent: u32,
        id: &ChildId,
        policy: Arc<ChildPolicy>,
        body: Option<(u32, bool)>,
    ) -> u32 {
        let path = self.node(parent).path.child(id);
        let at = self.new_node(path, parent, policy, body);
        let sup = self.sup_of_mut(parent);
        sup.children.push(at);
        let rank = sup.next_rank;
        sup.next_rank += 1;
        // Who comes while a group is on its way has its turn with that.
        let member = sup.group.map_or(0, |group| group.number);
        let node = &mut self.nodes[at as usize];
        (node.rank, node.life.member) = (rank, member);
        at
    }

    /// Positions among the siblings of a spec become links.
    pub(super) fn link(&mut self, at: u32, child: &ResolvedChild, sibling: impl Fn(u32) -> u32) {
        for on in &child.depends_on {
            self.depend(at, sibling(*on));
        }
        if let Some(primary) = child.primary {
            self.be_sidecar(at, sibling(primary));
        }
    }

    pub(super) fn depend(&mut self, at: u32, on: u32) {
        if !self.node(at).needs.contains(&on) {
            self.nodes[at as usize].needs.push(on);
            self.nodes[on as usize].needed_by.push(at);
        }
    }

    pub(super) fn be_sidecar(&mut self, at: u32, primary: u32) {
        self.nodes[at as usize].primary = primary;
        self.depend(primary, at);
    }

    pub(super) fn unlink(&mut self, at: u32) {
        let needs = std::mem::take(&mut self.nodes[at as usize].needs);
        for on in needs {
            let on = &mut self.nodes[on as usize];
            on.needed_by.retain(|other| *other != at);
            if on.primary == at {
                on.primary = NONE;
            }
        }
        let needed_by = std::mem::take(&mut self.nodes[at as usize].needed_by);
        for by in needed_by {
            self.nodes[by as usize].needs.retain(|other| *other != at);
        }
        self.nodes[at as usize].primary = NONE;
    }

    /// A child that will come back was removed: its links with children that were added by command are gone.
    pub(super) fn unlink_additions(&mut self, at: u32) {
        let node = self.node(at);
        let others = node.needs.iter().chain(&node.needed_by).copied();
        let added: Vec<u32> = others.filter(|other| !self.node(*other).in_spec).collect();
        for other in added {
            for (one, another) in [(at, other), (other, at)] {
                let node = &mut self.nodes[one as usize];
                node.needs.retain(|on| *on != another);
                node.needed_by.retain(|by| *by != another);
                if node.primary == another {
                    node.primary = NONE;
                }
            }
        }
    }

    /// A child was told of. Says which node it is; `None` when nobody is expected there.
    pub(super) fn declare(&mut self, key: ChildKey, path: &SupervisorPath) -> Option<u32> {
        let place = key.index as usize;
        if place >= self.slots.len() {
            self.slots.resize(place + 1, NONE);
        }
        let again = self.place(key.index).filter(|at| {
            let node = self.node(*at);
            !node.forgotten && node.path == *path
        });
        let at = again.or_else(|| {
            let at = *self.by_path.get(path)?;
            (!self.node(at).seen).then_some(at)
        })?;
        self.slots[place] = at;
        if again.is_some() {
            self.twins.extend(self.by_path.insert(path.clone(), at).filter(|before| *before != at));
            let member = self.above(at).group.map_or(0, |group| group.number);
            self.nodes[at as usize].life = Life { member, ..Life::new() };
        }
        let node = &mut self.nodes[at as usize];
        (node.key, node.seen) = (key, true);
        Some(at)
    }

    /// A child will not come back, and its place is free.
    pub(super) fn forget(&mut self, at: u32) {
        self.unlink(at);
        let node = &mut self.nodes[at as usize];
        node.forgotten = true;
        let (parent, path) = (node.parent, node.path.clone());
        if self.by_path.get(&path) == Some(&at) {
            self.by_path.remove(&path);
        }
        self.sup_of_mut(parent).children.retain(|child| *child != at);
    }

    /// A factory was registered for an unbound child.
    pub(super) fn bind(&mut self, at: u32) {
        let node = &mut self.nodes[at as usize];
        node.bound_late |= !node.bound;
        node.bound = true;
    }

    /// A command adds a child: makes its node, and those below it, before they are told of.
    pub(super) fn add(&mut self, parent: u32, decl: &ChildDecl) {
        let sibling = |model: &Self, id: &ChildId| model.at_path(model.node(parent).path.child(id).as_str());
        let needs: Vec<u32> = decl.depends_on.iter().filter_map(|id| sibling(self, id)).collect();
        let primary = decl.primary.as_ref().and_then(|id| sibling(self, id));
        let body = match &decl.body {
            Body::Run(body) => Some((*body, true)),
            Body::Unbound(body) => Some((*body, false)),
            Body::Supervisor(_) => None,
        };
        // Its policy is told with its declaration.
        let at = self.plant(parent, &decl.id, placeholder(), body);
        self.nodes[at as usize].in_spec = false;
        for on in needs {
            self.depend(at, on);
        }
        if let Some(primary) = primary {
            self.be_sidecar(at, primary);
        }
        if let Body::Supervisor(below) = &decl.body
            && let Some(below) = resolve_below(&self.sup_of(parent).context, &decl.id, below)
        {
            self.plant_supervisor(at, &below);
        }
    }
}

/// Fills in the defaults of a supervisor that is added under one with this context.
fn resolve_below(context: &Context, id: &ChildId, decl: &SupervisorDecl) -> Option<ResolvedSupervisor> {
    let within = |settings, tree: SupervisorDecl| SupervisorDecl {
        settings,
        children: vec![ChildDecl {
            id: id.clone(),
            settings: Arc::default(),
            depends_on: Vec::new(),
            primary: None,
            body: Body::Supervisor(Box::new(tree)),
        }],
    };
    let mut tree = decl.clone();
    // What was said about all children, one supervisor above the other, nearest first.
    for defaults in &context.defaults {
        let defaults = Some(Arc::clone(&defaults.said));
        tree = within(SupervisorSettings { defaults, ..SupervisorSettings::default() }, tree);
    }
    let outermost = SupervisorSettings { profile: Some(context.profile), ..SupervisorSettings::default() };
    let mut below = resolve(&within(outermost, tree)).ok()?.root;
    for _ in 0..=context.defaults.len() {
        below = *below.children.pop()?.supervisor?;
    }
    Some(below)
}

/// Stands for a policy until that is told.
fn placeholder() -> Arc<ChildPolicy> {
    static ANY: LazyLock<Option<Arc<ChildPolicy>>> = LazyLock::new(|| {
        let child = ChildDecl {
            id: ChildId::new("any").ok()?,
            settings: Arc::default(),
            depends_on: Vec::new(),
            primary: None,
            body: Body::Supervisor(Box::default()),
        };
        let tree = SupervisorDecl { settings: SupervisorSettings::default(), children: vec![child] };
        resolve(&tree).ok()?.root.children.pop().map(|child| child.policy)
    });
    ANY.clone().unwrap_or_else(|| unreachable!("a tree of one supervisor has no mistakes"))
}
