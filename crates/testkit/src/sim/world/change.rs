//! A tree at rest gets a new spec, and then its old one again (31): what a plan said comes true, the tree is as the spec
//! says, and the way back leads to where it came from.

use std::collections::BTreeMap;
use std::sync::Arc;

use supervisor_api::command::Plan;
use supervisor_api::policy::Role;
use supervisor_api::{ChildKey, Lifecycle, SupervisorPath};
use supervisor_core::{ChildPolicy, ResolvedSupervisor, SupervisorDecl, SupervisorPolicy, resolve};

use super::calls::Call;
use super::{Step, World};
use crate::Invariant;
use crate::sim::schedule::Deed;

/// What can be seen of a child at rest.
#[derive(Debug, Clone, PartialEq)]
struct Portrait {
    life: Lifecycle,
    body: Option<u32>,
    policy: Arc<ChildPolicy>,
    supervises: Option<SupervisorPolicy>,
    depends_on: Vec<SupervisorPath>,
    /// Those below it, in their order.
    children: Vec<SupervisorPath>,
}

/// A tree at rest: each child by its path, with its key and its generation.
type Picture = BTreeMap<SupervisorPath, (ChildKey, u64, Portrait)>;

impl World<'_> {
    /// Launches the tree, and applies each spec of the schedule when it has come to rest after the one before.
    pub(super) fn change_and_change_back(&mut self) -> Step {
        self.call(Call::Launch)?;
        let first = self.picture_at_rest()?;
        let mut before = first.clone();
        let mut is_back = false;
        let schedule = self.schedule;
        for act in &schedule.acts {
            let Deed::Apply(spec) = &act.deed else { continue };
            // A tree that ends when all is done may have ended by itself.
            let Some(known) = before else { return self.afterlife() };
            let plan = self.machine.plan(spec);
            is_back = plan.is_ok() && **spec == schedule.tree;
            let Ok(plan) = plan else {
                before = Some(known);
                continue;
            };
            self.perform(&act.deed, false)?;
            let after = self.picture_at_rest()?;
            if let Some(after) = &after {
                self.plan_came_true(&plan, &known, after)?;
                self.is_what_the_spec_says(spec, after)?;
                self.changes += u64::from(!plan.is_empty());
            }
            before = after;
        }
        if let (Some(first), Some(last)) = (&first, &before)
            && is_back
        {
            self.is_as_it_was(first, last)?;
        }
        self.shut_down()?;
        self.afterlife()
    }

    /// Every child, when nothing happens any more; nothing when the tree has ended, or cannot come to rest.
    fn picture_at_rest(&mut self) -> Step<Option<Picture>> {
        self.come_to_rest()?;
        let root = self.room.kids.first().and_then(|root| root.life);
        if self.ended || root != Some(Lifecycle::Running) {
            return Ok(None);
        }
        self.room.checker.calm(self.now, &self.machine)?;
        // A supervisor that waits for a child which nothing starts goes on starting, as its spec says.
        if self.room.kids.iter().any(|kid| kid.life == Some(Lifecycle::Starting)) {
            return Ok(None);
        }
        let mut picture = Picture::new();
        if let Some(root) = self.machine.find("/") {
            self.picture_below(root, &mut picture);
        }
        Ok(Some(picture))
    }

    fn picture_below(&self, key: ChildKey, picture: &mut Picture) {
        let machine = &self.machine;
        let (Some(row), Some(path), Some(policy)) =
            (machine.row(key), machine.path(key), machine.policy(key))
        else {
            return;
        };
        let kid = &self.room.kids[key.index as usize];
        let children: Vec<_> = machine.children(key).collect();
        let mut depends_on: Vec<_> = machine.depends_on(key).cloned().collect();
        depends_on.sort();
        let portrait = Portrait {
            // Who has nothing to run rests, whether it has run before or not.
            life: if row.lifecycle == Lifecycle::Stopped { Lifecycle::Declared } else { row.lifecycle },
            body: kid.body,
            policy: Arc::clone(policy),
            supervises: machine.supervisor_policy(key).cloned(),
            depends_on,
            children: children.iter().filter_map(|child| machine.path(*child).cloned()).collect(),
        };
        picture.insert(path.clone(), (key, row.generation, portrait));
        for child in children {
            self.picture_below(child, picture);
        }
    }

    /// Who was added is there, who was removed is gone, and of those who stay only who was to be restarted has lost its
    /// run. A plan names a supervisor for all below it.
    fn plan_came_true(&self, plan: &Plan, before: &Picture, after: &Picture) -> Step {
        let other = |one: &Picture, path: &SupervisorPath, other: &Picture| {
            let key = |picture: &Picture| picture.get(path).map(|(key, ..)| *key);
            key(one) != key(other)
        };
        let missing = |one: &Picture, from: &Picture| -> Vec<SupervisorPath> {
            let gone = one.keys().filter(|path| other(one, path, from));
            gone.filter(|path| path.parent().is_none_or(|above| !other(one, &above, from))).cloned().collect()
        };
        let ran =
            |life: Lifecycle| matches!(life, Lifecycle::Starting | Lifecycle::Running | Lifecycle::Backoff);
        let again = |(path, (key, run, now)): (&SupervisorPath, &(ChildKey, u64, Portrait))| {
            let (then, before, portrait) = before.get(path)?;
            let lost = before != run || !ran(now.life);
            (then == key && lost && ran(portrait.life)).then(|| path.clone())
        };
        self.is_as_planned("removes", &plan.removed, &missing(before, after))?;
        self.is_as_planned("adds", &plan.added, &missing(after, before))?;
        self.is_as_planned("restarts", &plan.restarted, &after.iter().filter_map(again).collect::<Vec<_>>())
    }

    fn is_as_planned(&self, does: &str, planned: &[SupervisorPath], done: &[SupervisorPath]) -> Step {
        let mut planned = planned.to_vec();
        planned.sort();
        if planned == done {
            return Ok(());
        }
        let list =
            |paths: &[SupervisorPath]| paths.iter().map(SupervisorPath::as_str).collect::<Vec<_>>().join(" ");
        let text = format!("the plan {does} [{}], and the apply {does} [{}]", list(&planned), list(done));
        Err(self.wrong(Invariant::Apply, &text))
    }

    /// Policies, order and dependencies are those of the spec.
    fn is_what_the_spec_says(&self, spec: &SupervisorDecl, after: &Picture) -> Step {
        match resolve(spec) {
            Ok(resolved) => self.is_as_resolved(&SupervisorPath::root(), &resolved.root, after),
            Err(_) => Err(self.wrong(Invariant::Apply, "a spec with mistakes was applied")),
        }
    }

    fn is_as_resolved(&self, at: &SupervisorPath, wanted: &ResolvedSupervisor, after: &Picture) -> Step {
        let wrong = |what: &str, path: &SupervisorPath| {
            Err(self.wrong(Invariant::Apply, &format!("{what} of {path} is not what the applied spec says")))
        };
        let Some((_, _, sup)) = after.get(at) else { return wrong("the place", at) };
        if sup.supervises.as_ref() != Some(&wanted.context.policy) {
            return wrong("the policy as a supervisor", at);
        }
        let paths: Vec<_> = wanted.children.iter().map(|child| at.child(&child.id)).collect();
        if sup.children != paths {
            return wrong("the order of the children", at);
        }
        for (path, child) in paths.iter().zip(&wanted.children) {
            let Some((_, _, is)) = after.get(path) else { return wrong("the place", path) };
            if is.policy != child.policy {
                return wrong("the policy", path);
            }
            if is.body != child.body.map(|(body, _)| body) {
                return wrong("the body", path);
            }
            let mut depends_on: Vec<_> =
                child.depends_on.iter().map(|&other| paths[other as usize].clone()).collect();
            depends_on.sort();
            if is.depends_on != depends_on {
                return wrong("what is waited for", path);
            }
            if let Some(below) = &child.supervisor {
                self.is_as_resolved(path, below, after)?;
            }
        }
        Ok(())
    }

    /// The same children, decided by the same, in the same states. But a job that has run once does not run again unless
    /// somebody asks for that (D18), and who runs is not stopped because somebody comes whom it would wait for (D11), and neither is a
    /// supervisor that is up, below which children have their turn.
    fn is_as_it_was(&self, first: &Picture, last: &Picture) -> Step {
        let same = |then: &Portrait, now: &Portrait| {
            let rests = now.life == Lifecycle::Declared && now.policy.role == Role::Job;
            let waited = matches!(then.life, Lifecycle::Waiting | Lifecycle::Declared);
            let runs_on = matches!(now.life, Lifecycle::Running | Lifecycle::Waiting) && waited;
            let life = if rests || runs_on { now.life } else { then.life };
            *now == Portrait { life, ..then.clone() }
        };
        let other = first
            .iter()
            .find(|(path, (_, _, then))| last.get(*path).is_none_or(|(_, _, now)| !same(then, now)));
        if let Some((path, (_, _, then))) = other {
            let now = last.get(path).map(|(_, _, now)| now);
            let text = format!("after a change and its way back {path} is not as it was:\n{then:?}\n{now:?}");
            return Err(self.wrong(Invariant::Apply, &text));
        }
        match last.keys().find(|path| !first.contains_key(*path)) {
            Some(path) => Err(self
                .wrong(Invariant::Apply, &format!("after a change and its way back {path} is there, too"))),
            None => Ok(()),
        }
    }
}
