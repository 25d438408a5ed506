//! A policy value by value, in words, with who said each: what an operator is shown. It is made when it is asked for.

use std::time::Duration;

use supervisor_api::manifest::StopSignal;
use supervisor_api::policy::{
    AutoShutdown, Backoff, Budget, Condition, Criticality, Grace, Heartbeat, Permissions, Profile, Signals,
};
use supervisor_api::{Rule, RuleSource, SupervisorPath};

use super::{ChildPolicy, Context, Inherited, Key};
use crate::spec::ChildSettings;

/// Who said a value, and which one that is.
type Said = (RuleSource, Option<String>);

impl ChildPolicy {
    /// What is waited for of the sibling with this name.
    pub fn condition(&self, sibling: &str) -> Condition {
        let said = self.conditions.iter().find(|(id, _)| id.as_str() == sibling);
        said.map_or(Condition::Ready, |(_, until)| *until)
    }

    /// The policy of a child of the supervisor at `above`, which has this context.
    pub(crate) fn rules(&self, above: &SupervisorPath, context: &Context) -> Vec<Rule> {
        let of = Sources { policy: self, above, context };
        let budget = match self.budget {
            Some(own) if self.told.own.has(Key::Budget) => figures(&own),
            Some(own) => format!("{}, for it alone", figures(&own)),
            None => format!("{}, shared with its siblings", figures(&context.policy.budget)),
        };
        let mut rules = vec![
            of.rule("role", self.role.as_str(), Key::Role),
            of.rule("restart_policy", self.restart.as_str(), Key::Restart),
            of.rule("backoff", backoff(&self.backoff), Key::Backoff),
            of.rule("budget", budget, Key::Budget),
        ];
        for limit in self.streak_limit.into_iter().chain(self.own_streak_limit).take(1) {
            let value = format!("{limit} failures in a row: its back-off outlasts the window");
            rules.push(Rule::new("budget.max_restarts", value, RuleSource::Backoff, None));
        }
        rules.extend([
            of.rule("budget.on_exhausted", self.on_exhausted.as_str(), Key::OnExhausted),
            of.rule("criticality", self.criticality.as_str(), Key::Criticality),
        ]);
        // When a supervisor, or a program without a probe, is started is no word of a policy.
        if !self.is_supervisor && of.source(Key::Readiness).0 != RuleSource::Kind {
            rules.push(of.rule("readiness", self.readiness.as_str(), Key::Readiness));
        }
        let ready_within = self.ready_within.map_or("no limit".to_owned(), nanos);
        rules.extend([
            of.rule("ready_within_secs", ready_within, Key::ReadyWithin),
            of.rule("shutdown.graceful_timeout_ms", grace(self.grace), Key::Grace),
            of.rule("shutdown.abort_wait_ms", nanos(self.abort_wait), Key::AbortWait),
        ]);
        if !self.is_supervisor {
            let promise = self.heartbeat.as_ref().map_or("none".to_owned(), heartbeat);
            rules.push(of.rule("health_check", promise, Key::Heartbeat));
        }
        for (on, until) in &self.conditions {
            rules.push(Rule::new(
                "dependencies.condition",
                format!("{on}: {until}"),
                RuleSource::Child,
                None,
            ));
        }
        rules.extend([
            of.rule("restart_dependants", yes(self.restart_dependants), Key::RestartDependants),
            of.rule("significant", yes(self.significant), Key::Significant),
            of.rule("command_permissions", permissions(&self.permissions), Key::Permissions),
        ]);
        rules
    }
}

/// Where the values of a child come from.
struct Sources<'a> {
    policy: &'a ChildPolicy,
    above: &'a SupervisorPath,
    context: &'a Context,
}

impl Sources<'_> {
    fn rule(&self, name: &'static str, value: impl Into<String>, key: Key) -> Rule {
        let (source, from) = self.source(key);
        Rule::new(name, value, source, from)
    }

    fn source(&self, key: Key) -> Said {
        let told = self.policy.told;
        // A nested supervisor has no other role, whoever says it.
        if key == Key::Role && self.policy.is_supervisor {
            return (RuleSource::Kind, None);
        }
        match (told.own.has(key), told.filled.has(key)) {
            (true, false) => (RuleSource::Child, None),
            (true, true) => (RuleSource::Child, self.whose_defaults(key)),
            // No manifest has defaults for these: they are filled in because of what runs.
            (false, true) if key == Key::Readiness && self.whose_defaults(key).is_none() => {
                (RuleSource::Kind, None)
            }
            (false, true) if key != Key::Role => (RuleSource::Defaults, self.whose_defaults(key)),
            (false, _) => self.follows(key),
        }
    }

    /// The nearest supervisor whose defaults say this; `None` when a new spec has taken its words back since.
    fn whose_defaults(&self, key: Key) -> Option<String> {
        let says = |above: &&Inherited| says(&above.said, key);
        self.context.defaults.iter().find(says).map(|above| above.from.to_string())
    }

    /// What an unsaid value follows from.
    fn follows(&self, key: Key) -> Said {
        let policy = self.policy;
        let is_otp = self.context.profile == Profile::Otp;
        match key {
            Key::Grace | Key::ReadyWithin if policy.is_supervisor => (RuleSource::Kind, None),
            Key::Restart if !is_otp => (RuleSource::Role, Some(policy.role.to_string())),
            Key::OnExhausted if policy.criticality == Criticality::Optional && !is_otp => {
                (RuleSource::Criticality, Some(policy.criticality.to_string()))
            }
            Key::Budget => (RuleSource::Supervisor, Some(self.above.to_string())),
            Key::OnExhausted if self.context.policy.told.own.has(key) => {
                (RuleSource::Supervisor, Some(self.above.to_string()))
            }
            _ => (RuleSource::Profile, Some(self.context.profile.to_string())),
        }
    }
}

fn says(said: &ChildSettings, key: Key) -> bool {
    match key {
        Key::Restart => said.restart.is_some(),
        Key::Criticality => said.criticality.is_some(),
        Key::Readiness => said.readiness.is_some(),
        Key::ReadyWithin => said.ready_within.is_some(),
        Key::Backoff => said.backoff.is_some(),
        Key::Budget => said.budget.is_some(),
        Key::OnExhausted => said.on_exhausted.is_some(),
        Key::Grace => said.grace.is_some(),
        Key::AbortWait => said.abort_wait.is_some(),
        Key::Heartbeat => said.heartbeat.is_some(),
        Key::Permissions => said.permissions.is_some(),
        Key::RestartDependants => said.restart_dependants.is_some(),
        _ => false,
    }
}

impl Context {
    /// How the supervisor looks after its children.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        let policy = &self.policy;
        let said = |name, value: String, key| {
            let (source, from) = match key {
                key if policy.told.own.has(key) => (RuleSource::Child, None),
                Key::Order | Key::OnStartFailure if policy.in_file => (RuleSource::StackFile, None),
                Key::AutoShutdown if policy.auto_shutdown == AutoShutdown::AllDone => {
                    (RuleSource::StackFile, None)
                }
                _ => (RuleSource::Profile, Some(self.profile.to_string())),
            };
            Rule::new(name, value, source, from)
        };
        let mut rules = vec![
            said("strategy", policy.strategy.to_string(), Key::Strategy),
            said("budget", figures(&policy.budget), Key::Budget),
            said("budget.on_exhausted", policy.on_exhausted.to_string(), Key::OnExhausted),
            said("order", policy.order.to_string(), Key::Order),
            said("stop", policy.stop.to_string(), Key::Stop),
            said("on_start_failure", policy.on_start_failure.to_string(), Key::OnStartFailure),
            said("auto_shutdown", policy.auto_shutdown.to_string(), Key::AutoShutdown),
        ];
        if let Some(most) = policy.dynamic {
            rules.push(said("dynamic", format!("at most {most} children"), Key::Dynamic));
        }
        rules
    }
}

/// A time in words, such as `1.5 s`.
fn span(time: Duration) -> String {
    let text = format!("{time:?}");
    let unit = text.find(char::is_alphabetic).unwrap_or(text.len());
    format!("{} {}", &text[..unit], &text[unit..])
}

fn nanos(time: u64) -> String {
    span(Duration::from_nanos(time))
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

fn figures(budget: &Budget) -> String {
    match budget.max_restarts {
        Some(1) => format!("1 restart in {}", span(budget.window)),
        Some(max) => format!("{max} restarts in {}", span(budget.window)),
        None => "unlimited".to_owned(),
    }
}

fn backoff(backoff: &Backoff) -> String {
    if backoff.initial.is_zero() {
        return "none".to_owned();
    }
    let Backoff { initial, max, jitter_ratio, reset_after } = *backoff;
    let jitter = f64::from(jitter_ratio) * 100.0;
    format!(
        "{} to {}, ±{jitter:.0} %, forgotten after {} of running",
        span(initial),
        span(max),
        span(reset_after)
    )
}

fn grace(grace: Grace) -> String {
    match grace {
        Grace::Brutal => "brutal".to_owned(),
        Grace::Timeout(time) => span(time),
        Grace::Infinity => "no limit".to_owned(),
    }
}

fn heartbeat(promise: &Heartbeat) -> String {
    let Heartbeat { interval, timeout, max_retries } = *promise;
    format!("every {}, late after {}, unhealthy at miss {max_retries}", span(interval), span(timeout))
}

fn permissions(allowed: &Permissions) -> String {
    if *allowed == Permissions::default() {
        return "every command".to_owned();
    }
    let mut words = Vec::new();
    if allowed.allow_restart {
        words.push("restart".to_owned());
    }
    if allowed.allow_shutdown {
        words.push("pause, quarantine, remove".to_owned());
    }
    match allowed.signals {
        Signals::ALL => words.push("every signal".to_owned()),
        signals => {
            let named = StopSignal::ALL.iter().filter(|signal| signals.has(**signal));
            words.extend(named.map(ToString::to_string));
        }
    }
    if words.is_empty() { "no command".to_owned() } else { words.join(", ") }
}
