//! Defaults and checks of a supervisor and of its children as a group.

use std::sync::Arc;
use std::time::Duration;

use supervisor_api::policy::{
    AutoShutdown, Budget, Condition, OnExhausted, OnStartFailure, Profile, RestartType, StartOrder,
    StopOrder, Strategy,
};
use supervisor_api::{ChildId, SupervisorPath, nearest};

use super::child::{PolicyCache, resolve_policy};
use super::{
    ChildPolicy, Context, Findings, Inherited, ResolvedChild, ResolvedSupervisor, SupervisorPolicy, Told,
    order,
};
use crate::names::Names;
use crate::spec::{Body, ChildDecl, SupervisorDecl, SupervisorSettings};

pub(super) fn resolve_supervisor(
    decl: &SupervisorDecl,
    above: Option<&Context>,
    path: &SupervisorPath,
    findings: &mut Findings,
) -> ResolvedSupervisor {
    let context = Arc::new(resolve_context(&decl.settings, above, path, findings));
    if context.policy.dynamic.is_some() && !decl.children.is_empty() {
        findings.mistake(
            path.as_str(),
            "children",
            "a dynamic supervisor starts empty; remove its children here and add them when it runs",
        );
    }
    let siblings = Siblings::of(&decl.children, path, findings);
    let mut cache = PolicyCache::default();
    let mut children = Vec::with_capacity(decl.children.len());
    for child in &decl.children {
        let child_path = path.child(&child.id);
        if child_path.depth() > SupervisorPath::MAX_DEPTH {
            findings.mistake(child_path.as_str(), "", "lies deeper than 16 levels; flatten the tree");
            continue;
        }
        let policy = cache.get(child, findings, |settings, findings| {
            resolve_policy(settings, &child.body, &context, child_path.as_str(), findings)
        });
        let (body, supervisor) = match &child.body {
            Body::Run(body) => (Some((*body, true)), None),
            Body::Unbound(body) => (Some((*body, false)), None),
            Body::Supervisor(below) => {
                (None, Some(Box::new(resolve_supervisor(below, Some(&context), &child_path, findings))))
            }
        };
        let depends_on = child
            .depends_on
            .iter()
            .filter_map(|name| siblings.find(name, &child_path, "dependencies", findings));
        let mut depends_on: Vec<u32> = depends_on.collect();
        depends_on.sort_unstable();
        depends_on.dedup();
        check_named_once(child, child_path.as_str(), findings);
        let primary =
            child.primary.as_ref().and_then(|name| siblings.find(name, &child_path, "primary", findings));
        super::child::check_sidecar(child, &policy, child_path.as_str(), findings);
        children.push(ResolvedChild { id: child.id.clone(), policy, depends_on, primary, body, supervisor });
    }
    check_dependencies(&children, path, findings);
    let children = order::effective_order(children, path, findings);
    ResolvedSupervisor { context, children }
}

/// The children of a supervisor, found by name.
struct Siblings<'a> {
    children: &'a [ChildDecl],
    names: Names,
}

impl<'a> Siblings<'a> {
    /// A name that stands twice is a mistake (R6).
    fn of(children: &'a [ChildDecl], path: &SupervisorPath, findings: &mut Findings) -> Self {
        let name_of = |at: u32| children[at as usize].id.as_str();
        let mut names = Names::default();
        names.reserve(children.len(), name_of);
        for (at, child) in (0..).zip(children) {
            let is_new = names.insert_new(at, name_of);
            if !is_new && !fault!(names_may_repeat) {
                findings.mistake(
                    path.child(&child.id).as_str(),
                    "name",
                    format!("the name '{}' is used twice here; names of siblings differ", child.id),
                );
            }
        }
        Self { children, names }
    }

    /// Where the sibling stands that `child` names.
    fn find(
        &self,
        name: &ChildId,
        child: &SupervisorPath,
        key: &'static str,
        findings: &mut Findings,
    ) -> Option<u32> {
        let own = child.last_segment().unwrap_or_default();
        if name.as_str() == own {
            findings.mistake(child.as_str(), key, format!("'{own}' names itself; name a sibling"));
            return None;
        }
        let found = self.names.find(name.as_str(), |at| self.children[at as usize].id.as_str());
        if found.is_none() && !fault!(unknown_names_are_ignored) {
            let siblings = self.children.iter().map(|child| child.id.as_str());
            findings.mistake(child.as_str(), key, unknown_sibling(name.as_str(), siblings));
        }
        found
    }
}

/// The sentence for a name no sibling has, with those most like it.
pub(super) fn unknown_sibling<'a>(name: &str, siblings: impl Iterator<Item = &'a str>) -> String {
    let mut siblings: Vec<&str> = siblings.collect();
    siblings.sort_unstable();
    siblings.dedup();
    match nearest(name, siblings.iter().copied()).as_slice() {
        [] => format!("there is no sibling '{name}'; only siblings can be named"),
        near => format!("there is no sibling '{name}'; did you mean {}?", near.join(" or ")),
    }
}

fn check_dependencies(children: &[ResolvedChild], path: &SupervisorPath, findings: &mut Findings) {
    for child in children {
        for &dependency in &child.depends_on {
            let Some(on) = children.get(dependency as usize) else { continue };
            check_condition(&child.policy, &on.id, &on.policy, path.child(&child.id).as_str(), findings);
            if on.policy.restart == RestartType::Temporary && !on.policy.keeps_row {
                findings.mistake(
                    path.child(&child.id).as_str(),
                    "dependencies",
                    format!(
                        "'{}' is temporary and leaves no trace when it ends; make it a job or transient",
                        on.id
                    ),
                );
            }
        }
    }
}

/// A sibling that is named twice would be waited for until one thing or the other.
pub(super) fn check_named_once(child: &ChildDecl, path: &str, findings: &mut Findings) {
    for (on, _) in &child.settings.conditions {
        if child.depends_on.iter().filter(|name| *name == on).count() > 1 {
            findings.mistake(
                path,
                "dependencies",
                format!("names '{on}' twice; say once what of it is waited for"),
            );
            return;
        }
    }
}

/// Nobody waits for the end of what is started again whenever it ends.
pub(super) fn check_condition(
    policy: &ChildPolicy,
    on: &ChildId,
    its: &ChildPolicy,
    path: &str,
    findings: &mut Findings,
) {
    let until = policy.condition(on.as_str());
    if matches!(until, Condition::Completed | Condition::CompletedOk) && its.restart == RestartType::Permanent
    {
        findings.mistake(
            path,
            "dependencies",
            format!(
                "waits until '{on}' is {until}, but that is started again whenever it ends (restart_policy `permanent`); \
                 make it a job, or wait until it is ready"
            ),
        );
    }
}

fn resolve_context(
    said: &SupervisorSettings,
    above: Option<&Context>,
    path: &SupervisorPath,
    findings: &mut Findings,
) -> Context {
    let profile = said.profile.or(above.map(|context| context.profile)).unwrap_or(Profile::Default);
    let own = said.defaults.iter().map(|said| Inherited { from: path.clone(), said: Arc::clone(said) });
    let mut defaults: Vec<_> = own.collect();
    defaults.extend(above.into_iter().flat_map(|context| context.defaults.iter().cloned()));
    // D1: what only a stack file defaults to.
    let in_file = said.in_file && profile == Profile::Default;
    let order = if in_file { StartOrder::Dependencies } else { StartOrder::Declared };
    let on_start_failure = if in_file { OnStartFailure::Retry } else { OnStartFailure::Unwind };
    // A dynamic supervisor never ends by itself: somebody may add a child at any time.
    let ends = in_file && path.is_root() && said.dynamic.is_none();
    let auto_shutdown = if ends { AutoShutdown::AllDone } else { AutoShutdown::Never };
    let policy = SupervisorPolicy {
        strategy: said.strategy.unwrap_or(Strategy::OneForOne),
        budget: said.budget.unwrap_or(default_budget(profile)),
        on_exhausted: said.on_exhausted.unwrap_or(OnExhausted::Escalate),
        order: said.order.unwrap_or(order),
        stop: said.stop.unwrap_or(StopOrder::Sequential),
        on_start_failure: said.on_start_failure.unwrap_or(on_start_failure),
        auto_shutdown: said.auto_shutdown.unwrap_or(auto_shutdown),
        dynamic: said.dynamic,
        told: Told::of_supervisor(said),
        in_file,
    };
    check_supervisor(&policy, path, findings);
    Context { profile, defaults, policy }
}

/// R7 for OTP, D1 for the product.
fn default_budget(profile: Profile) -> Budget {
    match profile {
        Profile::Otp => {
            Budget::new(if fault!(otp_profile_is_elixirs) { 3 } else { 1 }, Duration::from_secs(5))
        }
        Profile::Default => Budget::new(5, Duration::from_secs(60)),
    }
}

fn check_supervisor(policy: &SupervisorPolicy, path: &SupervisorPath, findings: &mut Findings) {
    let path_text = path.as_str();
    if policy.budget.window.is_zero() {
        findings.mistake(path_text, "budget.window_secs", "must be longer than 0");
    }
    if policy.auto_shutdown == AutoShutdown::AllDone && !path.is_root() {
        findings.mistake(
            path_text,
            "auto_shutdown",
            "'all_done' is for the root only; use 'all_significant' here",
        );
    }
    if policy.dynamic.is_none() {
        return;
    }
    if policy.strategy != Strategy::OneForOne {
        findings.mistake(path_text, "strategy", "a dynamic supervisor restarts one_for_one only");
    }
    if policy.auto_shutdown != AutoShutdown::Never {
        findings.mistake(
            path_text,
            "auto_shutdown",
            "a dynamic supervisor never ends by itself; use 'never'",
        );
    }
}
