//! From the words of a file to a tree that can be launched, and what is wrong only with the whole.

use std::path::Path;

use supervisor_api::manifest::{ChildManifest, DefaultsManifest, Kind, SecretsManifest, StackManifest};
use supervisor_api::policy::Role;
use supervisor_api::{ChildId, Finding, SupervisorPath};
use tokio_supervisor::{ChildSpec, Registry, Supervisor, SupervisorSpec, UnknownFactory};

use crate::{logs, places, secrets, sockets};

/// A tree, as far as it could be made, where its secrets are looked for, and everything that is wrong or doubtful about it.
///
/// A child that contradicts itself is looked at once more by its bare policy, so that a cycle or a misspelt
/// sibling is found in the same pass (R6). `folder` is where the file is.
pub(crate) fn build(
    manifest: &StackManifest,
    registry: &Registry,
    folder: Option<&Path>,
) -> (SupervisorSpec, Vec<SecretsManifest>, Vec<Finding>) {
    let mut manifest = manifest.clone();
    let mut findings = contradictions(&manifest);
    findings.extend(secrets::problems(&manifest));
    places::place(&mut manifest, folder);
    findings.extend(logs::shared(&manifest));
    findings.extend(sockets::shared(&manifest));
    if !findings.is_empty() {
        forget_bad_defaults(&mut manifest);
    }
    place_in_file(&mut manifest);
    let root = manifest.supervisor.unwrap_or_default();
    let mut children = Vec::with_capacity(manifest.children.len());
    let mut whole = true;
    for child in &manifest.children {
        match below_root(registry, child, root.defaults.as_ref(), UnknownFactory::Refuse) {
            Ok(spec) => children.push(spec),
            Err(found) => {
                findings.extend(found.into_iter().map(|finding| without_factories(registry, finding)));
                let bones = below_root(registry, &bones(child), root.defaults.as_ref(), UnknownFactory::Wait);
                whole &= bones.map(|spec| children.push(spec)).is_ok();
            }
        }
    }
    let spec = SupervisorSpec::from_manifest(&root).children(children);
    // With a child missing, what is said about its siblings might only follow from that.
    if whole {
        let (Ok(found) | Err(found)) = Supervisor::check(spec.clone());
        findings.extend(found);
    }
    (spec, manifest.secrets_from.unwrap_or_default(), findings)
}

/// Where no factory can be named at all, the sentence says what can be done instead.
fn without_factories(registry: &Registry, mut finding: Finding) -> Finding {
    if finding.key == "factory" && registry.factories().is_empty() && !finding.message.contains("is for") {
        finding.message.push_str("; here only `kind: process` can be run");
    }
    finding
}

fn below_root(
    registry: &Registry,
    child: &ChildManifest,
    defaults: Option<&DefaultsManifest>,
    unknown: UnknownFactory,
) -> Result<ChildSpec, Vec<Finding>> {
    registry.build(child, &SupervisorPath::root(), defaults, unknown)
}

/// Where each manifest contradicts itself, the root included.
fn contradictions(manifest: &StackManifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    let root = SupervisorPath::root();
    let defaults = manifest.supervisor.as_ref().and_then(|supervisor| supervisor.defaults.as_ref());
    if let Some(defaults) = defaults {
        findings.extend(problems_of(defaults, &root));
    }
    let mut due: Vec<(SupervisorPath, &[ChildManifest])> = vec![(root, &manifest.children)];
    while let Some((above, children)) = due.pop() {
        for child in children {
            let path = above.child(&child.name);
            findings.extend(child.problems(&path));
            due.push((path, child.children.as_deref().unwrap_or_default()));
        }
    }
    findings
}

/// What a child with these defaults and nothing else would be told.
fn problems_of(defaults: &DefaultsManifest, path: &SupervisorPath) -> Vec<Finding> {
    let Ok(name) = ChildId::new("defaults") else { return Vec::new() };
    let blank = ChildManifest::new(name, Kind::Supervisor);
    ChildManifest { defaults: Some(defaults.clone()), ..blank }.problems(path)
}

/// Removes variables and files with them that are refused where they stand, so that they are not refused again for every child
/// that would inherit them.
fn forget_bad_defaults(manifest: &mut StackManifest) {
    let mend = |defaults: Option<&mut DefaultsManifest>| {
        if let Some(defaults) = defaults
            && !problems_of(defaults, &SupervisorPath::root()).is_empty()
        {
            defaults.environment.clear();
            defaults.env_file = None;
        }
    };
    mend(manifest.supervisor.as_mut().and_then(|supervisor| supervisor.defaults.as_mut()));
    let mut due: Vec<&mut ChildManifest> = manifest.children.iter_mut().collect();
    while let Some(child) = due.pop() {
        mend(child.defaults.as_mut());
        due.extend(child.children.iter_mut().flatten());
    }
}

/// Says of every supervisor that it stands in a file: the library's defaults differ from a file's (D1, D19, D20).
fn place_in_file(manifest: &mut StackManifest) {
    manifest.supervisor.get_or_insert_default().in_file = true;
    let mut due: Vec<&mut ChildManifest> = manifest.children.iter_mut().collect();
    while let Some(child) = due.pop() {
        child.in_file = child.kind == Kind::Supervisor;
        due.extend(child.children.iter_mut().flatten());
    }
}

/// The policy of a child without what it runs. It cannot contradict itself, and says the same to its
/// siblings.
fn bones(child: &ChildManifest) -> ChildManifest {
    let supervisor = child.kind == Kind::Supervisor;
    let kind = if supervisor { Kind::Supervisor } else { Kind::AsyncWorker };
    let mut bones = ChildManifest {
        role: child.role.or((!supervisor).then_some(Role::Service)),
        retry: child.retry,
        primary: child.primary().cloned(),
        criticality: child.criticality,
        restart_policy: child.restart_policy,
        restart_dependants: child.restart_dependants,
        backoff: child.backoff,
        budget: child.budget.clone(),
        dependencies: child.dependencies.clone(),
        shutdown: child.shutdown,
        significant: child.significant,
        ..ChildManifest::new(child.name.clone(), kind)
    };
    if supervisor {
        bones.profile = child.profile;
        bones.strategy = child.strategy;
        bones.order = child.order;
        bones.auto_shutdown = child.auto_shutdown;
        bones.dynamic = child.dynamic;
        bones.defaults = child.defaults.clone();
        bones.in_file = child.in_file;
        bones.children = child.children.as_ref().map(|children| children.iter().map(self::bones).collect());
    }
    bones
}

#[cfg(test)]
mod tests {
    use supervisor_api::RuleSource::{Child, Kind as WhatRuns, Profile, Role as ItsRole, StackFile};
    use supervisor_api::{Rule, RuleSource};

    use crate::Stack;

    fn said(rules: &[Rule], key: &str) -> (String, RuleSource) {
        let rule = rules.iter().find(|rule| rule.key == key).unwrap();
        (rule.value.clone(), rule.source)
    }

    #[tokio::test]
    async fn who_said_what_is_known_of_a_tree_from_a_file() {
        let text = "version: 1
name: demo
supervisor: {auto_shutdown: never}
children:
  - {name: a, kind: process, command: [sleep, '60']}
  - {name: b, kind: process, command: [sleep, '60'], role: job, readiness: {delay_ms: 1}}
  - {name: c, kind: supervisor, order: declared}
  - {name: d, kind: supervisor, profile: otp}
";
        let stack = Stack::parse("demo.yaml", text).unwrap();
        let handle = stack.launch().unwrap();
        let (child, below) = (
            |path: &str, key: &str| said(&handle.rules(path).unwrap().child, key),
            |path: &str, key: &str| said(&handle.rules(path).unwrap().supervisor, key),
        );
        for (found, value, source) in [
            (below("/", "order"), "dependencies", StackFile),
            (below("/", "on_start_failure"), "retry", StackFile),
            (below("/", "auto_shutdown"), "never", Child),
            (below("/", "strategy"), "one_for_one", Profile),
            (below("/c", "order"), "declared", Child),
            (below("/c", "on_start_failure"), "retry", StackFile),
            (below("/c", "auto_shutdown"), "never", Profile),
            (below("/d", "on_start_failure"), "unwind", Profile),
            (child("/a", "role"), "service", Profile),
            (child("/a", "restart_policy"), "permanent", ItsRole),
            (child("/b", "restart_policy"), "temporary", ItsRole),
            (child("/b", "role"), "job", Child),
            (child("/b", "readiness"), "explicit", Child),
            (child("/c", "shutdown.graceful_timeout_ms"), "no limit", WhatRuns),
        ] {
            assert_eq!(found, (value.to_owned(), source));
        }
        let readiness = |rule: &Rule| rule.key == "readiness";
        assert!(
            !handle.rules("/a").unwrap().child.iter().any(readiness),
            "it is started when it is executed"
        );
        handle.shutdown_tree("test", "it is over").await.unwrap();
    }
}
