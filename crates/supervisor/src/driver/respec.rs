//! What the children of a new spec run (D12): which of it the tree has already, and what becomes of the rest.
//!
//! The machine compares numbers. A child that runs what it ran keeps the number of it, so nothing is restarted for it;
//! whatever is said anew gets a number that nobody had. What is needed for that is put into its place before the
//! machine is asked. When the machine refuses, all of it is taken back; when it accepts, what nobody names any more
//! is dropped.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use supervisor_api::SupervisorPath;
use supervisor_core::{Body as Named, ChildDecl, SupervisorDecl};

use super::{After, Brain};
use crate::spec::{Bodies, Body, Bound, Extras};

/// A number that no body and no label ever has: for a plan, that is only compared.
const SOME_OTHER: u32 = u32::MAX - 1;

/// How the bodies of a new spec are called.
#[derive(Default)]
pub(super) struct Naming {
    /// Every number in the spec.
    named: HashSet<u32>,
    /// What the tree does not have yet.
    fresh: Vec<(u32, Body)>,
    /// What the tree runs already, and says something else of.
    said_anew: Vec<(u32, Option<Arc<Extras>>)>,
    /// Every supervisor in the spec.
    supervisors: HashSet<SupervisorPath>,
}

/// How things were before a new spec, for when it is refused; and what it names, for when it is not.
pub(super) struct Respec {
    naming: Naming,
    /// Numbers of bodies that came with it.
    added: Vec<u32>,
    supervisors: HashMap<SupervisorPath, Arc<Extras>>,
}

impl Brain {
    /// The spec in numbers that are only good for a comparison.
    pub(crate) fn named_for_a_plan(&self, mut decl: SupervisorDecl, bodies: &Bodies) -> SupervisorDecl {
        self.name(&mut decl, bodies, || SOME_OTHER);
        decl
    }

    /// Gives the spec its numbers, and has everything in its place.
    pub(super) fn take_in(
        &mut self,
        decl: &mut SupervisorDecl,
        bodies: Bodies,
        fresh: impl FnMut() -> u32,
    ) -> Respec {
        let mut naming = self.name(decl, &bodies, fresh);
        let fresh = std::mem::take(&mut naming.fresh);
        let added = fresh.iter().map(|(number, _)| *number).collect();
        for (number, body) in fresh {
            self.added.put(number, body);
        }
        for (number, extras) in &mut naming.said_anew {
            if let Some(body) = self.body_mut(*number) {
                std::mem::swap(&mut body.extras, extras);
            }
        }
        // Those of operators' additions stay, unless the spec has the same supervisor.
        let mut supervisors: HashMap<_, _> = bodies.supervisors.into_iter().collect();
        let additions =
            self.batches.values().chain(self.waiting.values().filter_map(|waiter| waiter.batch.as_ref()));
        for path in additions.flat_map(|batch| &batch.supervisors) {
            if let Some(extras) = self.supervisors.get(path).filter(|_| !naming.supervisors.contains(path)) {
                supervisors.insert(path.clone(), Arc::clone(extras));
            }
        }
        Respec { naming, added, supervisors: std::mem::replace(&mut self.supervisors, supervisors) }
    }

    /// The machine has refused the spec.
    pub(super) fn give_back(&mut self, respec: Respec) {
        let Respec { naming, added, supervisors } = respec;
        self.supervisors = supervisors;
        for (number, extras) in naming.said_anew {
            if let Some(body) = self.body_mut(number) {
                body.extras = extras;
            }
        }
        self.drop_bodies(added);
    }

    /// The machine has accepted the spec: it is the tree's own from now on.
    pub(super) fn settle_respec(&mut self, respec: Respec) {
        let naming = respec.naming;
        // What an operator added and the spec has too goes with the spec.
        for batch in self.batches.values_mut() {
            batch.numbers.retain(|number| !naming.named.contains(number));
            batch.supervisors.retain(|path| !naming.supervisors.contains(path));
        }
        let mut owned = Vec::new();
        for seat in self.seats.iter_mut().filter(|seat| seat.owns_body) {
            seat.owns_body = !naming.named.contains(&(seat.body - 1));
            owned.extend(seat.owns_body.then_some(seat.body - 1));
        }
        let kept =
            self.batches.values().chain(self.waiting.values().filter_map(|waiter| waiter.batch.as_ref()));
        let mut kept: HashSet<u32> = kept.flat_map(|batch| &batch.numbers).copied().collect();
        kept.extend(naming.named);
        kept.extend(owned);
        let all = (0..).zip(&self.launched).filter(|(_, body)| body.is_some()).map(|(number, _)| number);
        let all = all.chain(self.added.numbers());
        let gone = all.filter(|number| !kept.contains(number)).collect();
        self.drop_bodies(gone);
    }

    fn name(&self, decl: &mut SupervisorDecl, bodies: &Bodies, mut fresh: impl FnMut() -> u32) -> Naming {
        let mut naming = Naming::default();
        let supervisors: HashMap<_, _> =
            bodies.supervisors.iter().map(|(path, extras)| (path, extras)).collect();
        let root = SupervisorPath::root();
        let mut due = vec![(root.clone(), decl)];
        naming.supervisors.insert(root);
        while let Some((above, decl)) = due.pop() {
            for child in &mut decl.children {
                let path = above.child(&child.id);
                let (said_before, said) = match &mut child.body {
                    Named::Run(number) | Named::Unbound(number) => {
                        let Some((_, body)) = bodies.numbered.get(*number as usize) else { continue };
                        self.name_body(&path, number, body, &mut naming, &mut fresh)
                    }
                    Named::Supervisor(_) => {
                        naming.supervisors.insert(path.clone());
                        let before = self.supervisors.get(&path).cloned();
                        (before, supervisors.get(&path).map(|extras| Arc::clone(extras)))
                    }
                };
                let differs = !Extras::say_the_same(said_before.as_deref(), said.as_deref());
                self.label(child, &path, differs, &mut fresh);
                if let Named::Supervisor(below) = &mut child.body {
                    due.push((path, below));
                }
            }
        }
        naming
    }

    /// Gives one child the number of what it runs. Returns what was said of it before and what is said now.
    fn name_body(
        &self,
        path: &SupervisorPath,
        number: &mut u32,
        body: &Body,
        naming: &mut Naming,
        fresh: &mut impl FnMut() -> u32,
    ) -> (Option<Arc<Extras>>, Option<Arc<Extras>>) {
        let key = self.machine.find(path.as_str());
        let before = key.and_then(|key| self.seat(key)).and_then(|seat| seat.body.checked_sub(1));
        let known = before.and_then(|number| Some((number, self.body(number)?)));
        let extras = body.extras.clone();
        match known.filter(|(_, known)| known.runs_the_same(body)) {
            Some((before, known)) => {
                *number = before;
                let said = known.extras.clone();
                if !Extras::say_the_same(said.as_deref(), extras.as_deref()) {
                    naming.said_anew.push((before, extras.clone()));
                }
                naming.named.insert(before);
                (said, extras)
            }
            None => {
                *number = fresh();
                naming.fresh.push((*number, body.clone()));
                naming.named.insert(*number);
                (extras.clone(), extras)
            }
        }
    }

    /// Lets the machine see that something is said anew which it does not decide by.
    fn label(
        &self,
        child: &mut ChildDecl,
        path: &SupervisorPath,
        differs: bool,
        fresh: &mut impl FnMut() -> u32,
    ) {
        let policy = self.machine.find(path.as_str()).and_then(|key| self.machine.policy(key));
        let Some(policy) = policy else { return };
        let label = if differs { Some(fresh()) } else { policy.label };
        if label.is_some() {
            Arc::make_mut(&mut child.settings).label = label;
        }
    }

    fn drop_bodies(&mut self, numbers: Vec<u32>) {
        let mut dropped = Vec::new();
        for number in numbers {
            let place = self.launched.get_mut(number as usize).and_then(Option::take);
            dropped.extend(place.or_else(|| self.added.take(number)));
        }
        if !dropped.is_empty() {
            // They are a user's.
            self.after.push(After::Drop(Box::new(dropped)));
        }
    }
}

impl Body {
    /// Whether a run of the one is as good as a run of the other: the same factory or program, with the same
    /// variables, secrets and probe.
    fn runs_the_same(&self, other: &Self) -> bool {
        let blank = Extras::default();
        let extras = |body: &Self| body.extras.clone();
        let (own, others) = (extras(self), extras(other));
        let (own, others) = (own.as_deref().unwrap_or(&blank), others.as_deref().unwrap_or(&blank));
        let made_alike = own.made_of.is_some() && own.made_of == others.made_of;
        let run = match (&self.run, &other.run) {
            (Bound::No(own), Bound::No(others)) => own == others,
            (Bound::Yes(own) | Bound::Late(own), Bound::Yes(others) | Bound::Late(others)) => {
                made_alike || Arc::ptr_eq(own, others)
            }
            _ => false,
        };
        let probe = match (&own.probe, &others.probe) {
            (None, None) => true,
            (Some(own), Some(others)) => {
                let same = made_alike || own.probe.is(&others.probe);
                same && own.times == others.times && own.tells == others.tells
            }
            _ => false,
        };
        let given =
            own.env == others.env && own.secrets == others.secrets && own.refers_to == others.refers_to;
        run && probe && given && own.wanted == others.wanted && own.metering == others.metering
    }
}

impl Extras {
    /// Whether what is shown of a child, and asked of it by others, is the same.
    fn say_the_same(own: Option<&Self>, others: Option<&Self>) -> bool {
        let blank = Self::default();
        let (own, others) = (own.unwrap_or(&blank), others.unwrap_or(&blank));
        (own.kind, &own.tags, own.reload_signal, &own.schedule, &own.notes, &own.unenforced, &own.defaults)
            == (
                others.kind,
                &others.tags,
                others.reload_signal,
                &others.schedule,
                &others.notes,
                &others.unenforced,
                &others.defaults,
            )
    }
}
