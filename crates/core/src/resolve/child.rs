//! Defaults and checks of one child.

use std::sync::Arc;
use std::time::Duration;

use supervisor_api::policy::{
    AutoShutdown, Backoff, Budget, Condition, Criticality, Grace, OnExhausted, Profile, ReadinessMode,
    RestartType, Role,
};
use supervisor_api::{ChildId, Finding, SupervisorPath};

use super::supervisor::{check_condition, check_named_once, resolve_supervisor, unknown_sibling};
use super::{ChildPolicy, Context, Findings, ResolvedChild, Told, nanos};
use crate::spec::{Body, ChildDecl, ChildSettings, Limit, SupervisorDecl};

/// The last policy made, given again while the same is said: a million like children share one.
#[derive(Default)]
pub(super) struct PolicyCache {
    last: Option<(Arc<ChildSettings>, bool, Arc<ChildPolicy>)>,
}

impl PolicyCache {
    pub(super) fn get(
        &mut self,
        child: &ChildDecl,
        findings: &mut Findings,
        make: impl FnOnce(&ChildSettings, &mut Findings) -> ChildPolicy,
    ) -> Arc<ChildPolicy> {
        let is_supervisor = matches!(child.body, Body::Supervisor(_));
        if let Some((settings, supervisor, policy)) = &self.last
            && *supervisor == is_supervisor
            && (Arc::ptr_eq(settings, &child.settings) || settings == &child.settings)
        {
            return Arc::clone(policy);
        }
        let before = findings.list.len();
        let policy = Arc::new(make(&child.settings, findings));
        // What is wrong with a child is said of each child it is wrong with.
        self.last = (findings.list.len() == before)
            .then(|| (Arc::clone(&child.settings), is_supervisor, Arc::clone(&policy)));
        policy
    }
}

/// The first value said: by the child itself, else by the nearest supervisor that has defaults.
macro_rules! said {
    ($own:expr, $context:expr, $field:ident) => {
        $own.$field.or_else(|| $context.defaults.iter().find_map(|defaults| defaults.said.$field))
    };
}

pub(super) fn resolve_policy(
    own: &ChildSettings,
    body: &Body,
    context: &Context,
    path: &str,
    findings: &mut Findings,
) -> ChildPolicy {
    let otp = context.profile == Profile::Otp;
    let is_supervisor = matches!(body, Body::Supervisor(_));
    let role = resolve_role(own, is_supervisor, path, findings);
    // OTP has no roles: there a role is a label (D1).
    let job = role == Role::Job && !otp;
    let retry = own.retry.unwrap_or(false);
    let restart = said!(own, context, restart).unwrap_or(if otp {
        RestartType::Permanent
    } else {
        default_restart(role, retry)
    });
    let criticality = said!(own, context, criticality).unwrap_or(Criticality::Standard);
    let supervisors_word = context.policy.on_exhausted;
    let on_exhausted = said!(own, context, on_exhausted).unwrap_or(match criticality {
        Criticality::Optional if !otp => OnExhausted::Quarantine,
        _ => supervisors_word,
    });
    let own_budget = if is_supervisor { None } else { said!(own, context, budget) };
    let budget = match on_exhausted {
        OnExhausted::Quarantine => Some(own_budget.unwrap_or(context.policy.budget)),
        _ => own_budget,
    };
    let infinite_start = otp || is_supervisor;
    let ready_within =
        said!(own, context, ready_within).filter(|_| !is_supervisor || own.ready_within.is_some());
    let ready_within = match ready_within {
        Some(Limit::After(limit)) => Some(nanos(limit)),
        Some(Limit::Infinity) => None,
        None => (!infinite_start).then(|| nanos(Duration::from_secs(60))),
    };
    let default_grace = if is_supervisor && !fault!(supervisors_have_a_grace) {
        Grace::Infinity
    } else {
        Grace::Timeout(Duration::from_secs(5))
    };
    let grace = if is_supervisor { own.grace } else { said!(own, context, grace) }.unwrap_or(default_grace);
    let grace = match grace {
        Grace::Timeout(time) => Grace::Timeout(time.saturating_add(own.grace_beyond)),
        Grace::Brutal | Grace::Infinity => grace,
    };
    let default_backoff = if otp { Backoff::none() } else { Backoff::default() };
    let backoff = said!(own, context, backoff).unwrap_or(default_backoff);
    let policy = ChildPolicy {
        role,
        restart,
        keeps_row: job,
        criticality,
        readiness: said!(own, context, readiness).unwrap_or(ReadinessMode::Immediate),
        ready_within,
        backoff,
        budget,
        on_exhausted,
        streak_limit: unreachable_limit(&context.policy.budget, &backoff)
            .filter(|_| on_exhausted != OnExhausted::Quarantine && restart != RestartType::Temporary),
        own_streak_limit: budget
            .and_then(|budget| unreachable_limit(&budget, &backoff))
            .filter(|_| restart != RestartType::Temporary),
        grace,
        abort_wait: nanos(said!(own, context, abort_wait).unwrap_or(Duration::from_secs(1))),
        heartbeat: if is_supervisor { None } else { said!(own, context, heartbeat) },
        start_period: nanos(said!(own, context, start_period).unwrap_or_default()),
        significant: own.significant.unwrap_or(false),
        permissions: said!(own, context, permissions).unwrap_or_default(),
        restart_dependants: said!(own, context, restart_dependants).unwrap_or(false),
        conditions: own.conditions.iter().filter(|(_, until)| *until != Condition::Ready).cloned().collect(),
        scheduled: own.scheduled,
        label: own.label,
        is_supervisor,
        told: Told::of_child(own, context, is_supervisor),
    };
    check(own, &policy, context, path, findings);
    policy
}

/// The policy of a body about which nothing was said.
pub(crate) fn bare_policy(body: &Body) -> ChildPolicy {
    let mut findings = Findings::default();
    let path = SupervisorPath::root();
    let context = resolve_supervisor(&SupervisorDecl::default(), None, &path, &mut findings).context;
    resolve_policy(&ChildSettings::default(), body, &context, path.as_str(), &mut findings)
}

impl Context {
    /// The policy of a child below this supervisor that says nothing for itself.
    pub(crate) fn unsaid_policy(&self) -> ChildPolicy {
        let path = SupervisorPath::root();
        let body = Body::Run(0);
        resolve_policy(&ChildSettings::default(), &body, self, path.as_str(), &mut Findings::default())
    }
}

fn resolve_role(own: &ChildSettings, is_supervisor: bool, path: &str, findings: &mut Findings) -> Role {
    match (own.role, is_supervisor) {
        (None, true) => Role::Supervisor,
        (None, false) => Role::Service,
        (Some(Role::Supervisor), false) => {
            findings.mistake(
                path,
                "role",
                "'supervisor' is the role of a nested supervisor only; use 'service'",
            );
            Role::Service
        }
        (Some(Role::Job | Role::Sidecar), true) => {
            findings.mistake(path, "role", "a nested supervisor has the role 'supervisor'; remove this key");
            Role::Supervisor
        }
        (Some(role), _) => role,
    }
}

/// D15: what a role says about restarts.
fn default_restart(role: Role, retry: bool) -> RestartType {
    match role {
        Role::Service | Role::Sidecar | Role::Supervisor => RestartType::Permanent,
        Role::Worker => RestartType::Transient,
        Role::Job if retry => RestartType::Transient,
        Role::Job => RestartType::Temporary,
    }
}

fn check(own: &ChildSettings, policy: &ChildPolicy, context: &Context, path: &str, findings: &mut Findings) {
    if policy.keeps_row && policy.restart == RestartType::Permanent {
        findings.mistake(
            path,
            "restart_policy",
            "a job ends, so it cannot be permanent; use 'retry: true' or role 'service'",
        );
    }
    if policy.scheduled && !policy.keeps_row {
        findings.mistake(
            path,
            "schedule",
            "is for jobs only: what has a time to start ends; use 'role: job'",
        );
    }
    if own.retry.is_some() && policy.role != Role::Job {
        findings.mistake(path, "retry", "is for jobs only; use 'restart_policy: transient'");
    }
    if own.retry == Some(true) && policy.restart == RestartType::Temporary {
        findings.mistake(path, "retry", "contradicts 'restart_policy: temporary'; remove one of them");
    }
    if policy.is_supervisor && own.budget.is_some() {
        findings.mistake(
            path,
            "budget",
            "as a child a supervisor has no budget of its own; set the budget of the supervisor it is in",
        );
    }
    if let Some(budget) = own.budget
        && budget.window.is_zero()
    {
        findings.mistake(path, "budget.window_secs", "must be longer than 0");
    }
    if let Some(Limit::After(limit)) = own.ready_within
        && limit.is_zero()
    {
        findings.mistake(path, "ready_within_secs", "must be longer than 0");
    }
    check_significant(policy, context, path, findings);
    check_heartbeat(policy, path, findings);
    check_backoff(&policy.backoff, path, findings);
    if policy.is_supervisor && policy.grace != Grace::Infinity {
        findings.warning(
            path,
            "shutdown.graceful_timeout_ms",
            "a finite grace can kill a supervisor while it stops its children (R62); leave it out",
        );
    }
    warn_unreachable(policy, context, path, findings);
}

/// R77 and R89.
fn check_significant(policy: &ChildPolicy, context: &Context, path: &str, findings: &mut Findings) {
    if !policy.significant {
        return;
    }
    if fault!(dynamic_takes_significant) && context.policy.dynamic.is_some() {
        return;
    }
    if policy.restart == RestartType::Permanent && !fault!(permanent_may_be_significant) {
        findings.mistake(
            path,
            "significant",
            "a permanent child never ends for good; make it transient or temporary",
        );
    }
    if context.policy.dynamic.is_some() {
        findings.mistake(path, "significant", "a dynamic supervisor has no significant children");
    } else if !matches!(
        context.policy.auto_shutdown,
        AutoShutdown::AnySignificant | AutoShutdown::AllSignificant
    ) {
        findings.mistake(
            path,
            "significant",
            "has no effect here; set 'auto_shutdown: any_significant' or 'all_significant' on its supervisor",
        );
    }
}

fn check_heartbeat(policy: &ChildPolicy, path: &str, findings: &mut Findings) {
    let Some(heartbeat) = policy.heartbeat else { return };
    if heartbeat.interval.is_zero() {
        findings.mistake(path, "health_check.check_interval_secs", "must be longer than 0");
    }
    if heartbeat.max_retries == 0 {
        findings.mistake(path, "health_check.max_retries", "must be at least 1");
    }
}

fn check_backoff(backoff: &Backoff, path: &str, findings: &mut Findings) {
    if backoff.max < backoff.initial {
        findings.mistake(path, "backoff.max_ms", "must not be shorter than initial_ms");
    }
    if !(0.0..=1.0).contains(&backoff.jitter_ratio) {
        findings.mistake(path, "backoff.jitter_ratio", "must be between 0 and 1");
    }
    if backoff.reset_after.is_zero() {
        findings.mistake(path, "backoff.reset_after_secs", "must be longer than 0");
    }
}

fn warn_unreachable(policy: &ChildPolicy, context: &Context, path: &str, findings: &mut Findings) {
    let shared = policy.streak_limit.map(|limit| (limit, context.policy.budget));
    let own = policy.own_streak_limit.zip(policy.budget);
    for (limit, budget) in shared.into_iter().chain(own) {
        findings.warning(
            path,
            "budget",
            format!(
                "with this back-off {limit} restarts take longer than the window of {:?}, so the budget can never be \
                 exhausted; {limit} failures in a row count instead. Shorten the back-off or widen the window",
                budget.window
            ),
        );
    }
}

/// D15: a sidecar has a primary, and nobody else has.
pub(super) fn check_sidecar(child: &ChildDecl, policy: &ChildPolicy, path: &str, findings: &mut Findings) {
    match (policy.role == Role::Sidecar, &child.primary) {
        (true, None) => findings.mistake(
            path,
            "primary",
            "a sidecar needs the sibling it belongs to; add 'primary: NAME'",
        ),
        (false, Some(_)) => findings.mistake(path, "primary", "is for sidecars only; add 'role: sidecar'"),
        _ => {}
    }
}

/// D4: the limit that failures in a row are counted against, when the smallest possible delays of the
/// first `max_restarts` restarts already fill the window.
fn unreachable_limit(budget: &Budget, backoff: &Backoff) -> Option<u32> {
    let max = budget.max_restarts?;
    let window = budget.window.as_secs_f64();
    let least = |delay: Duration| delay.as_secs_f64() * (1.0 - f64::from(backoff.jitter_ratio)).max(0.0);
    let (mut sum, mut delay, mut left) = (0.0, backoff.initial, max.saturating_sub(1));
    while left > 0 && sum < window {
        if delay >= backoff.max {
            sum += least(backoff.max) * f64::from(left);
            break;
        }
        sum += least(delay);
        delay = delay.saturating_mul(2);
        // A back-off of zero never grows.
        if delay.is_zero() {
            break;
        }
        left -= 1;
    }
    (max > 0 && sum >= window && !fault!(unreachable_budget_is_not_noticed)).then_some(max)
}

/// A sibling as an added child sees it.
pub(crate) struct Sibling {
    pub(crate) index: u32,
    pub(crate) dependable: bool,
    pub(crate) policy: Arc<ChildPolicy>,
}

/// Checks a child that is added to a running supervisor, and fills in its defaults.
pub(crate) fn resolve_added<'a>(
    child: &ChildDecl,
    context: &Arc<Context>,
    path: &SupervisorPath,
    find: impl Fn(&ChildId) -> Option<Sibling>,
    siblings: impl Iterator<Item = &'a str> + Clone,
) -> Result<(ResolvedChild, Vec<Finding>), Vec<Finding>> {
    let mut findings = Findings::default();
    let text = path.as_str();
    if path.depth() > SupervisorPath::MAX_DEPTH {
        findings.mistake(text, "", "lies deeper than 16 levels; add it higher up");
    }
    let policy = Arc::new(resolve_policy(&child.settings, &child.body, context, text, &mut findings));
    check_sidecar(child, &policy, text, &mut findings);
    if context.policy.dynamic.is_some() && !(child.depends_on.is_empty() && child.primary.is_none()) {
        findings.mistake(
            text,
            "dependencies",
            "children of a dynamic supervisor have no order and no dependencies",
        );
    }
    let mut depends_on = Vec::new();
    for name in &child.depends_on {
        match find(name) {
            Some(sibling) if sibling.dependable => {
                check_condition(&policy, name, &sibling.policy, text, &mut findings);
                depends_on.push(sibling.index);
            }
            Some(_) => findings.mistake(
                text,
                "dependencies",
                format!("'{name}' is temporary and leaves no trace when it ends; it cannot be depended on"),
            ),
            None => findings.mistake(text, "dependencies", unknown_sibling(name.as_str(), siblings.clone())),
        }
    }
    depends_on.sort_unstable();
    depends_on.dedup();
    check_named_once(child, text, &mut findings);
    let primary = child.primary.as_ref().and_then(|name| {
        let found = find(name);
        if found.is_none() {
            findings.mistake(text, "primary", unknown_sibling(name.as_str(), siblings.clone()));
        }
        found.map(|sibling| sibling.index)
    });
    if primary.is_some_and(|primary| depends_on.contains(&primary)) {
        findings.mistake(
            text,
            "dependencies",
            "a sidecar starts before its primary, so it cannot depend on it",
        );
    }
    let (body, supervisor) = match &child.body {
        Body::Run(body) => (Some((*body, true)), None),
        Body::Unbound(body) => (Some((*body, false)), None),
        Body::Supervisor(below) => {
            (None, Some(Box::new(resolve_supervisor(below, Some(context), path, &mut findings))))
        }
    };
    let warnings = findings.into_result()?;
    Ok((ResolvedChild { id: child.id.clone(), policy, depends_on, primary, body, supervisor }, warnings))
}
