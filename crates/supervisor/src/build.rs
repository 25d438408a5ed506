//! From a manifest to a spec.

use std::sync::Arc;
use std::time::Duration;

use supervisor_api::manifest::{
    ChildManifest, DefaultsManifest, EnvironmentEntry, Kind, ReadinessManifest, ReadyWithin, ResourceLimits,
    SecretEntry, ShutdownManifest, SupervisorManifest, secret_reference,
};
use supervisor_api::policy::{Backoff, Budget, Condition, ReadinessMode};
use supervisor_api::{Finding, SupervisorPath};
use supervisor_core::{ChildSettings, Filled, Key, Limit};

use crate::registry::{Registry, UnknownFactory};
use crate::spec::{
    ChildSpec, Extras, Name, ProbeTimes, ProbeUse, SecretSource, SupervisorSpec, Tries, Variable, Wanted,
    What, probed,
};

/// The figures that a budget takes for what it does not say.
const BUDGET: Budget = Budget::new(5, Duration::from_secs(60));

impl Registry {
    /// The spec of a child below `parent`, or everything that is wrong with its manifest.
    ///
    /// `defaults` are those of the supervisors above, merged. `unknown` says what becomes of a factory that
    /// nobody has registered.
    pub fn build(
        &self,
        manifest: &ChildManifest,
        parent: &SupervisorPath,
        defaults: Option<&DefaultsManifest>,
        unknown: UnknownFactory,
    ) -> Result<ChildSpec, Vec<Finding>> {
        let mut building = Building { registry: self, unknown, findings: Vec::new() };
        let spec = building.child(manifest, parent, defaults);
        match spec {
            Some(spec) if building.findings.is_empty() => Ok(spec),
            _ => Err(building.findings),
        }
    }
}

impl SupervisorSpec {
    /// A root as a file describes it, without its children. `shutdown` is not part of it: how long the
    /// whole stop may take is the business of whoever stops it.
    pub fn from_manifest(manifest: &SupervisorManifest) -> Self {
        let mut spec = Self::default();
        supervisor_settings(&mut spec, manifest, manifest.defaults.as_ref());
        spec
    }
}

struct Building<'a> {
    registry: &'a Registry,
    unknown: UnknownFactory,
    findings: Vec<Finding>,
}

impl Building<'_> {
    fn child(
        &mut self,
        manifest: &ChildManifest,
        parent: &SupervisorPath,
        defaults: Option<&DefaultsManifest>,
    ) -> Option<ChildSpec> {
        let own = manifest;
        let mut manifest = manifest.clone();
        if let Some(defaults) = defaults {
            manifest.apply_defaults(defaults);
        }
        let path = parent.child(&manifest.name);
        if path.depth() > SupervisorPath::MAX_DEPTH {
            self.mistake(&path, "", "lies deeper than 16 levels; flatten the tree".into());
            return None;
        }
        self.findings.extend(manifest.problems(&path).into_iter().filter(|finding| {
            // Intervals without a probe of their own are for the factory's probe; see `promises`.
            !(finding.key == "readiness" && has_intervals_only(&manifest))
        }));
        let mut spec = match manifest.kind {
            Kind::AsyncWorker => self.task(&manifest, &path, false)?,
            Kind::BlockingWorker => self.task(&manifest, &path, true)?,
            Kind::Supervisor => self.supervisor(&manifest, &path, defaults),
            Kind::Process => self.foreign(&manifest, &path)?,
        };
        common(&mut spec, &manifest);
        let to = settings(&mut spec);
        to.filled = filled(own, &manifest, to);
        Some(spec)
    }

    fn mistake(&mut self, path: &SupervisorPath, key: &'static str, message: String) {
        self.findings.push(Finding { path: path.to_string(), key, message, warning: false });
    }

    fn task(&mut self, manifest: &ChildManifest, path: &SupervisorPath, blocking: bool) -> Option<ChildSpec> {
        let name = manifest.factory_name();
        let what = match self.registry.task(name, blocking) {
            Ok(Some(run)) => What::Run(run),
            Ok(None) if self.unknown == UnknownFactory::Wait => {
                What::Unbound(Wanted { factory: name.into(), blocking })
            }
            Ok(None) => {
                self.mistake(path, "factory", self.registry.unknown(name));
                return None;
            }
            Err(sentence) => {
                self.mistake(path, "kind", sentence);
                return None;
            }
        };
        let waits = matches!(what, What::Unbound(_));
        let mut spec = ChildSpec::of(Name::from(manifest.name.clone()), what);
        self.promises(&mut spec, manifest, path, waits);
        Some(limited(spec, manifest, blocking))
    }

    /// What a task promises: readiness and signs of life, with a probe where its factory has one.
    fn promises(
        &mut self,
        spec: &mut ChildSpec,
        manifest: &ChildManifest,
        path: &SupervisorPath,
        waits: bool,
    ) {
        let probe = self.registry.probe_of(manifest.factory_name()).cloned();
        let mut times = ProbeTimes::default();
        match &manifest.readiness {
            Some(ReadinessManifest::Mode(mode)) => settings(spec).readiness = Some(*mode),
            Some(ReadinessManifest::Probe(said)) => {
                settings(spec).readiness = Some(ReadinessMode::Explicit);
                let successes = said.successes();
                times.readiness =
                    Some(Tries { interval: said.interval(), timeout: said.timeout(), successes });
                if probe.is_none() && !waits {
                    let sentence = format!(
                        "the factory '{}' has no probe that could be called; register one, or use `readiness: explicit`",
                        manifest.factory_name()
                    );
                    match self.unknown {
                        UnknownFactory::Refuse => self.mistake(path, "readiness", sentence),
                        UnknownFactory::Wait => spec.more().extras.notes.push(("readiness", sentence)),
                    }
                }
            }
            None => {}
        }
        if let Some(said) = &manifest.health_check {
            let promise = said.heartbeat();
            times.health = Some((promise.interval, promise.timeout));
            settings(spec).heartbeat = Some(if probe.is_some() { probed(promise) } else { promise });
            settings(spec).start_period = said.start_period();
        }
        if times == ProbeTimes::default() {
            return;
        }
        match probe {
            Some(probe) => spec.more().extras.probe = Some(ProbeUse { probe, times, tells: true }),
            None if waits => spec.more().extras.wanted = Some(times),
            None => {}
        }
    }

    /// A child of a kind that somebody else builds.
    fn foreign(&mut self, manifest: &ChildManifest, path: &SupervisorPath) -> Option<ChildSpec> {
        let Some(builder) = self.registry.builder(manifest.kind) else {
            let message = format!(
                "nothing is registered that builds the kind `{}`; register it with `Registry::kind`",
                manifest.kind
            );
            self.mistake(path, "kind", message);
            return None;
        };
        match builder(manifest, path) {
            Ok(mut spec) => {
                spec.name = Name::from(manifest.name.clone());
                spec.more().extras.made_of = Some(Arc::new(what_a_builder_reads(manifest)));
                Some(spec)
            }
            Err(findings) => {
                // What the manifest says of itself is found already.
                let new = findings.into_iter().filter(|finding| !self.findings.contains(finding));
                let new: Vec<_> = new.collect();
                self.findings.extend(new);
                None
            }
        }
    }

    fn supervisor(
        &mut self,
        manifest: &ChildManifest,
        path: &SupervisorPath,
        above: Option<&DefaultsManifest>,
    ) -> ChildSpec {
        let mut below = SupervisorSpec::new(&manifest.name);
        let said = manifest.as_supervisor();
        let merged = match (&manifest.defaults, above) {
            (Some(own), Some(above)) => Some(own.over(above)),
            (own, above) => own.as_ref().or(above).cloned(),
        };
        supervisor_settings(&mut below, &said, merged.as_ref());
        for child in manifest.children.iter().flatten() {
            below.children.extend(self.child(child, path, merged.as_ref()));
        }
        ChildSpec::supervisor(below)
    }
}

/// A task with the limit that it can be held to, and a note of those that nothing holds it to.
fn limited(mut spec: ChildSpec, manifest: &ChildManifest, blocking: bool) -> ChildSpec {
    let limits = manifest.resource_limits.unwrap_or_default();
    let cpu = limits.max_cpu_percent.filter(|_| !blocking);
    if let Some(percent) = cpu {
        spec = spec.max_cpu(percent);
    }
    let unenforced: Vec<_> =
        limits.said().filter(|key| cpu.is_none() || *key != ResourceLimits::CPU).collect();
    if !unenforced.is_empty() {
        spec.more().extras.unenforced = unenforced;
    }
    spec
}

/// The manifest without the keys that every kind has: those change what the tree does with a child, not what it runs.
fn what_a_builder_reads(manifest: &ChildManifest) -> ChildManifest {
    ChildManifest {
        role: None,
        retry: None,
        primary: None,
        sidecar_config: None,
        criticality: None,
        restart_policy: None,
        backoff: None,
        budget: None,
        dependencies: Vec::new(),
        restart_dependants: None,
        ready_within_secs: None,
        shutdown: None,
        command_permissions: None,
        environment: Vec::new(),
        secrets: Vec::new(),
        significant: None,
        tags: Vec::new(),
        reload_signal: None,
        schedule: None,
        ..manifest.clone()
    }
}

/// Whether a task says how often its readiness is looked for, and leaves how to its factory.
fn has_intervals_only(manifest: &ChildManifest) -> bool {
    let task = matches!(manifest.kind, Kind::AsyncWorker | Kind::BlockingWorker);
    task && matches!(&manifest.readiness, Some(ReadinessManifest::Probe(said)) if said.given().is_empty())
}

fn settings(spec: &mut ChildSpec) -> &mut ChildSettings {
    Arc::make_mut(&mut spec.settings)
}

fn supervisor_settings(
    spec: &mut SupervisorSpec,
    said: &SupervisorManifest,
    defaults: Option<&DefaultsManifest>,
) {
    let budget = said.budget.as_ref();
    let to = &mut spec.settings;
    to.profile = said.profile;
    to.strategy = said.strategy;
    to.budget = budget.filter(|budget| budget.has_figures()).map(|budget| budget.over(BUDGET));
    to.on_exhausted = budget.and_then(|budget| budget.on_exhausted());
    to.order = said.order;
    to.stop = said.stop;
    to.on_start_failure = said.on_start_failure;
    to.auto_shutdown = said.auto_shutdown;
    to.dynamic = said.dynamic.map(|dynamic| dynamic.max_children);
    to.in_file = said.in_file;
    to.defaults = said.defaults.as_ref().map(|defaults| Arc::new(default_settings(defaults)));
    spec.manifest_defaults = defaults.cloned().map(Arc::new);
}

/// Defaults as the machine reads them, for children that no manifest describes.
fn default_settings(said: &DefaultsManifest) -> ChildSettings {
    let mut settings = ChildSettings {
        backoff: said.backoff.map(|backoff| backoff.over(Backoff::default())),
        criticality: said.criticality,
        ready_within: said.ready_within_secs.map(limit),
        permissions: said.command_permissions.clone().map(Into::into),
        ..ChildSettings::default()
    };
    stopping(&mut settings, said.shutdown);
    settings
}

fn limit(said: ReadyWithin) -> Limit {
    said.duration().map_or(Limit::Infinity, Limit::After)
}

fn stopping(settings: &mut ChildSettings, said: Option<ShutdownManifest>) {
    if let Some(said) = said {
        settings.grace = said.graceful_timeout_ms.map(Into::into).or(settings.grace);
        settings.abort_wait = said.abort_wait_ms.map(|wait| wait.duration()).or(settings.abort_wait);
    }
}

/// The keys that every kind has.
fn common(spec: &mut ChildSpec, said: &ChildManifest) {
    let to = settings(spec);
    to.role = said.role.or(to.role);
    to.retry = said.retry.or(to.retry);
    to.criticality = said.criticality.or(to.criticality);
    to.restart = said.restart_policy.or(to.restart);
    to.backoff = said.backoff.map(|backoff| backoff.over(Backoff::default())).or(to.backoff);
    if said.kind != Kind::Supervisor
        && let Some(budget) = &said.budget
    {
        to.budget = budget.has_figures().then(|| budget.over(BUDGET)).or(to.budget);
        to.on_exhausted = budget.on_exhausted().or(to.on_exhausted);
    }
    to.ready_within = said.ready_within_secs.map(limit).or(to.ready_within);
    stopping(to, said.shutdown);
    to.permissions = said.command_permissions.clone().map(Into::into).or(to.permissions);
    to.significant = said.significant.or(to.significant);
    to.restart_dependants = said.restart_dependants.or(to.restart_dependants);
    let until = said.dependencies.iter().map(|on| (on.name().clone(), on.condition()));
    to.conditions.extend(until.filter(|(_, until)| *until != Condition::Ready));
    let primary = said.primary().cloned();
    if heavy(said.kind).is_none()
        && said.dependencies.is_empty()
        && primary.is_none()
        && said.tags.is_empty()
        && said.environment.is_empty()
        && said.secrets.is_empty()
    {
        return;
    }
    let more = spec.more();
    more.depends_on.extend(said.dependencies.iter().map(|on| Name::from(on.name().clone())));
    more.primary = primary.map(Name::from).or(more.primary.take());
    given(&mut more.extras, said);
}

/// What of the settings the manifest itself does not say, or only in part; `merged` is the manifest with the defaults of
/// the supervisors above.
fn filled(own: &ChildManifest, merged: &ChildManifest, to: &ChildSettings) -> Filled {
    let mut filled = Filled::default();
    let (grace, abort_wait) = (
        |said: &ChildManifest| said.shutdown.is_some_and(|shutdown| shutdown.graceful_timeout_ms.is_some()),
        |said: &ChildManifest| said.shutdown.is_some_and(|shutdown| shutdown.abort_wait_ms.is_some()),
    );
    for (key, said, stands) in [
        (Key::Role, own.role.is_some(), to.role.is_some()),
        (Key::Criticality, own.criticality.is_some(), merged.criticality.is_some()),
        (Key::Readiness, own.readiness.is_some(), to.readiness.is_some()),
        (Key::ReadyWithin, own.ready_within_secs.is_some(), merged.ready_within_secs.is_some()),
        (Key::Backoff, own.backoff.is_some(), merged.backoff.is_some()),
        (Key::Grace, grace(own), grace(merged)),
        (Key::AbortWait, abort_wait(own), abort_wait(merged)),
        (Key::Permissions, own.command_permissions.is_some(), merged.command_permissions.is_some()),
    ] {
        filled.wholly.put(key, stands && !said);
    }
    filled.partly.put(Key::Backoff, own.backoff.is_some() && own.backoff != merged.backoff);
    let (own, merged) = (&own.command_permissions, &merged.command_permissions);
    filled.partly.put(Key::Permissions, own.is_some() && own != merged);
    filled
}

/// A kind that costs a thread or a process, where remembering it costs little. Tasks come by the million.
fn heavy(kind: Kind) -> Option<Kind> {
    matches!(kind, Kind::Process | Kind::BlockingWorker).then_some(kind)
}

fn given(extras: &mut Extras, said: &ChildManifest) {
    extras.kind = heavy(said.kind);
    extras.reload_signal = said.reload_signal.or(extras.reload_signal);
    extras.tags.extend(said.tags.iter().map(|tag| Arc::from(tag.as_str())));
    extras.env.extend(said.environment.iter().filter_map(variable));
    extras.secrets.extend(said.secrets.iter().map(secret));
}

/// A variable. One with neither a value nor a good reference is found to be a mistake elsewhere.
fn variable(entry: &EnvironmentEntry) -> Option<(Arc<str>, Variable)> {
    let value = entry.value.as_deref().map(|value| Variable::Value(value.into()));
    let reference = || Some(Variable::Secret(secret_reference(entry.secret_ref.as_deref()?)?.into()));
    Some((entry.name.as_str().into(), value.or_else(reference)?))
}

fn secret(entry: &SecretEntry) -> (Arc<str>, SecretSource) {
    let source = SecretSource { key: entry.key.as_str().into(), required: entry.required.unwrap_or(true) };
    (entry.name.as_str().into(), source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use supervisor_api::policy::{Grace, OnExhausted, Role};

    fn registry() -> Registry {
        Registry::new()
            .factory("fetch", |_| async {})
            .blocking("index", |_| {})
            .factory("probed", |_| async {})
            .probe("probed", |_| async { Ok::<(), String>(()) })
    }

    fn build(json: &str, unknown: UnknownFactory) -> Result<ChildSpec, Vec<String>> {
        let manifest: ChildManifest = serde_json::from_str(json).unwrap();
        let built = registry().build(&manifest, &SupervisorPath::root(), None, unknown);
        built.map_err(|findings| findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_file_that_names_an_unknown_factory_is_refused_with_the_known_ones() {
        let found =
            build(r#"{"name": "fetsh", "kind": "async_worker"}"#, UnknownFactory::Refuse).unwrap_err();
        assert!(found[0].contains("did you mean fetch") && found[0].contains("index, probed"), "{found:?}");
        let waits = build(r#"{"name": "fetsh", "kind": "async_worker"}"#, UnknownFactory::Wait).unwrap();
        assert!(matches!(waits.what, What::Unbound(Wanted { ref factory, .. }) if &**factory == "fetsh"));
    }

    #[test]
    fn a_factory_of_the_other_kind_is_refused() {
        let found = build(r#"{"name": "index", "kind": "async_worker"}"#, UnknownFactory::Wait).unwrap_err();
        assert!(found[0].contains("blocking_worker"), "{found:?}");
        let found =
            build(r#"{"name": "a", "factory": "fetch", "kind": "blocking_worker"}"#, UnknownFactory::Refuse);
        assert!(found.unwrap_err()[0].contains("async_worker"));
    }

    #[test]
    fn a_kind_that_nobody_builds_is_refused() {
        let json = r#"{"name": "a", "kind": "process", "command": ["x"]}"#;
        let found = build(json, UnknownFactory::Wait).unwrap_err();
        assert!(found[0].contains("`process`"), "{found:?}");
    }

    #[test]
    fn the_common_keys_have_their_effect() {
        let spec = build(
            r#"{"name": "fetch", "kind": "async_worker", "role": "job", "retry": true, "significant": true,
                "criticality": "critical", "backoff": {"initial_ms": 5}, "tags": ["t"],
                "budget": {"max_restarts": 2, "on_exhausted": "quarantine"}, "dependencies": ["x"],
                "shutdown": {"graceful_timeout_ms": "brutal", "abort_wait_ms": 7}, "ready_within_secs": 3,
                "environment": [{"name": "A", "value": "1"}, {"name": "B", "secret_ref": "${S}"}],
                "secrets": [{"name": "S", "key": "K", "required": false}]}"#,
            UnknownFactory::Refuse,
        )
        .unwrap();
        let said = &spec.settings;
        assert_eq!((said.role, said.retry, said.significant), (Some(Role::Job), Some(true), Some(true)));
        assert_eq!(said.backoff.unwrap().initial, Duration::from_millis(5));
        assert_eq!(said.budget, Some(Budget::new(2, Duration::from_secs(60))));
        assert_eq!(said.on_exhausted, Some(OnExhausted::Quarantine));
        assert_eq!((said.grace, said.abort_wait), (Some(Grace::Brutal), Some(Duration::from_millis(7))));
        assert_eq!(said.ready_within, Some(Limit::After(Duration::from_secs(3))));
        assert_eq!(said.readiness, None, "a limit alone does not say that readiness is reported");
        let more = spec.more.unwrap();
        assert_eq!((more.depends_on[0].text(), &*more.extras.tags[0]), ("x", "t"));
        assert_eq!(more.extras.env[1].1, Variable::Secret("S".into()));
        assert!(!more.extras.secrets[0].1.required);
    }

    #[test]
    fn readiness_by_intervals_needs_a_probe() {
        let json = |name: &str| {
            format!(
                r#"{{"name": "{name}", "kind": "async_worker", "readiness": {{"check_interval_secs": 1}}}}"#
            )
        };
        assert!(build(&json("fetch"), UnknownFactory::Refuse).unwrap_err()[0].contains("no probe"));
        let noted = build(&json("fetch"), UnknownFactory::Wait).unwrap();
        assert_eq!(noted.more.unwrap().extras.notes.len(), 1);
        let probed = build(&json("probed"), UnknownFactory::Refuse).unwrap();
        assert!(probed.more.unwrap().extras.probe.unwrap().times.readiness.is_some());
    }

    #[test]
    fn a_supervisor_hands_its_defaults_down_and_keeps_them_for_later() {
        let spec = build(
            r#"{"name": "s", "kind": "supervisor", "strategy": "one_for_all", "defaults": {"criticality": "critical"},
                "children": [{"name": "fetch", "kind": "async_worker"}]}"#,
            UnknownFactory::Refuse,
        )
        .unwrap();
        let What::Supervisor(below) = &spec.what else { panic!() };
        assert_eq!(
            below.children[0].settings.criticality,
            Some(supervisor_api::policy::Criticality::Critical)
        );
        assert!(below.manifest_defaults.is_some() && below.settings.defaults.is_some());
        assert_eq!(spec.settings.criticality, None, "a supervisor's defaults are for its children");
    }
}
