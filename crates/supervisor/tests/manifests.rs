//! Children from manifests, and the registry.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{Counter, Notes, event, idle, lifecycle, secs, settle, start, state};
use tokio_supervisor::api::manifest::DefaultsManifest;
use tokio_supervisor::{
    ChildManifest, ChildSpec, CommandResult, Criticality, EventKind, Kind, Lifecycle, Registry, Supervisor,
    SupervisorError, SupervisorHandle, SupervisorManifest, SupervisorSpec,
};

fn manifest(json: &str) -> ChildManifest {
    serde_json::from_str(json).unwrap()
}

async fn empty(registry: Registry) -> SupervisorHandle {
    let handle = Supervisor::launch_with(SupervisorSpec::root([]), registry).unwrap();
    handle.started().await.unwrap();
    handle
}

async fn add(handle: &SupervisorHandle, json: &str) -> Result<CommandResult, SupervisorError> {
    handle.add_child("/", manifest(json), "ops", "more").await
}

#[tokio::test(start_paused = true)]
async fn the_smallest_example_of_the_contract() {
    let handle = start(SupervisorSpec::root([])).await;
    let added = add(&handle, r#"{"name": "worker", "kind": "async_worker"}"#).await.unwrap();
    let CommandResult::ChildAdded { path, state, generation } = added else { panic!("{added:?}") };
    assert_eq!((path.as_str(), state, generation), ("/worker", Lifecycle::Declared, 0));
    let child = handle.child("worker").unwrap();
    assert_eq!(child.diagnostics["unbound"], "no factory named worker");
    event(&mut handle.events_after(0), "/worker", EventKind::ChildUnbound).await;
}

#[tokio::test(start_paused = true)]
async fn a_view_says_what_a_child_is_and_whom_it_depends_on() {
    let handle = empty(Registry::new().factory("db", idle).factory("web", idle).blocking("io", |_| {})).await;
    add(&handle, r#"{"name": "db", "kind": "async_worker"}"#).await.unwrap();
    add(&handle, r#"{"name": "web", "kind": "async_worker", "dependencies": ["db"]}"#).await.unwrap();
    add(&handle, r#"{"name": "io", "kind": "blocking_worker"}"#).await.unwrap();
    let view = |child: &str| handle.child(child).unwrap();
    assert_eq!(view("web").depends_on, [view("db").state.child_path]);
    assert_eq!(view("db").depends_on, []);
    assert_eq!(
        ["/", "/db", "/io"].map(|child| view(child).kind),
        [Some(Kind::Supervisor), None, Some(Kind::BlockingWorker)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_child_starts_when_its_factory_is_registered() {
    let handle = empty(Registry::new()).await;
    add(&handle, r#"{"name": "w", "kind": "async_worker", "factory": "x"}"#).await.unwrap();
    add(&handle, r#"{"name": "b", "kind": "blocking_worker", "factory": "x"}"#).await.unwrap();
    handle.register_factory("y", idle).await.unwrap();
    settle().await;
    assert_eq!(lifecycle(&handle, "/w"), Lifecycle::Declared);
    handle.register_factory("x", idle).await.unwrap();
    state(&handle, "/w", Lifecycle::Running).await;
    assert!(handle.child("w").unwrap().diagnostics.is_empty());
    assert_eq!(lifecycle(&handle, "/b"), Lifecycle::Declared, "a factory of the other kind");
    let added = add(&handle, r#"{"name": "v", "kind": "async_worker", "factory": "x"}"#).await.unwrap();
    assert!(matches!(added, CommandResult::ChildAdded { state: Lifecycle::Running, .. }), "{added:?}");
}

#[tokio::test(start_paused = true)]
async fn a_child_bound_late_is_started_again_with_its_supervisor() {
    let handle = empty(Registry::new()).await;
    let json = r#"{"name": "s", "kind": "supervisor", "children": [{"name": "w", "kind": "async_worker"}]}"#;
    add(&handle, json).await.unwrap();
    assert_eq!(lifecycle(&handle, "/s/w"), Lifecycle::Declared);
    handle.register_factory("w", idle).await.unwrap();
    state(&handle, "/s/w", Lifecycle::Running).await;
    handle.remove_child("/s/w", "ops", "x").await.unwrap();
    handle.restart_child("/s", "ops", "x").await.unwrap();
    state(&handle, "/s/w", Lifecycle::Running).await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_the_factory_makes_a_child_ready() {
    let registry = Registry::new().factory("db", idle).probe("db", |ctx| async move {
        let up = ctx.handle().events_after(0);
        drop(up);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        Ok::<(), String>(())
    });
    let handle = empty(registry).await;
    let before = tokio::time::Instant::now();
    add(&handle, r#"{"name": "db", "kind": "async_worker", "readiness": {"check_interval_secs": 1}}"#)
        .await
        .unwrap();
    assert_eq!(before.elapsed(), std::time::Duration::from_millis(300));
    assert_eq!(lifecycle(&handle, "/db"), Lifecycle::Running);
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_the_factory_has_to_be_good_as_often_in_a_row_as_is_said() {
    let calls = Counter::default();
    let counted = calls.clone();
    let registry = Registry::new().factory("db", idle).probe("db", move |_| {
        let call = counted.add();
        async move { if call == 2 { Err("not yet") } else { Ok(()) } }
    });
    let handle = empty(registry).await;
    let readiness = r#"{"check_interval_secs": 1, "success_threshold": 3}"#;
    let json = format!(r#"{{"name": "db", "kind": "async_worker", "readiness": {readiness}}}"#);
    add(&handle, &json).await.unwrap();
    assert_eq!(calls.get(), 5, "one good, one bad, three good");
}

#[tokio::test(start_paused = true)]
async fn a_task_has_a_start_period_for_its_first_heartbeat() {
    let handle = empty(Registry::new().factory("w", idle)).await;
    let check = r#"{"check_interval_secs": 1, "timeout_secs": 1, "max_retries": 2, "start_period_secs": 10}"#;
    add(&handle, &format!(r#"{{"name": "w", "kind": "async_worker", "health_check": {check}}}"#))
        .await
        .unwrap();
    let mut events = handle.events_after(0);
    let running = event(&mut events, "/w", EventKind::ChildRunning).await.at;
    let missed = event(&mut events, "/w", EventKind::ChildHeartbeatMissed).await.at;
    assert_eq!(missed - running, 12_000_000_000);
    let ended = event(&mut events, "/w", EventKind::ChildFailed).await.to_string();
    assert!(ended.contains("unhealthy: no heartbeat for 2s; 2 misses in a row"), "{ended}");
}

#[tokio::test(start_paused = true)]
async fn readiness_without_a_probe_is_accepted_with_a_warning() {
    let handle = empty(Registry::new().factory("db", idle)).await;
    let json = r#"{"name": "db", "kind": "async_worker", "readiness": {"check_interval_secs": 1}, "ready_within_secs": 1}"#;
    let added = add(&handle, json).await;
    assert!(matches!(added, Err(SupervisorError::StartFailed { .. })), "it says ready itself: {added:?}");
    let adding = tokio::spawn({
        let handle = handle.clone();
        async move { add(&handle, json).await }
    });
    state(&handle, "/db", Lifecycle::Starting).await;
    assert!(handle.child("db").unwrap().diagnostics["readiness"].contains("no probe"));
    adding.abort();
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_built_by_whoever_registered_it() {
    let registry = Registry::new().kind(Kind::Process, |manifest, path| {
        assert_eq!(path.as_str(), "/prog");
        let command = manifest.command.clone().unwrap_or_default();
        Ok(ChildSpec::managed("ignored", move |ctx| {
            let command = command.clone();
            async move {
                ctx.phase(command.join(" "));
                idle(ctx).await;
            }
        }))
    });
    let handle = empty(registry).await;
    let json = r#"{"name": "prog", "kind": "process", "command": ["sleep", "9"], "criticality": "critical", "tags": ["t"]}"#;
    add(&handle, json).await.unwrap();
    settle().await;
    let child = handle.child("prog").unwrap();
    assert_eq!((child.phase.as_deref(), child.criticality), (Some("sleep 9"), Criticality::Critical));
    assert_eq!(child.tags.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_mistake_of_a_manifest_is_found() {
    let handle = empty(Registry::new()).await;
    let json = r#"{"name": "a", "kind": "async_worker", "command": ["x"], "strategy": "one_for_all", "stop_signal": "SIGTERM"}"#;
    let SupervisorError::InvalidSpec(findings) = add(&handle, json).await.unwrap_err() else { panic!() };
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert!(findings.iter().all(|finding| finding.path == "/a"));
    assert!(handle.child("a").is_err());
}

#[tokio::test(start_paused = true)]
async fn children_added_later_take_the_defaults_of_their_supervisors() {
    let registry = Registry::new().factory("w", idle);
    let defaults: DefaultsManifest = serde_json::from_str(
        r#"{"criticality": "critical", "environment": [{"name": "A", "value": "above"}, {"name": "B", "value": "above"}]}"#,
    )
    .unwrap();
    let root = SupervisorManifest { defaults: Some(defaults), ..SupervisorManifest::default() };
    let handle = Supervisor::launch_with(SupervisorSpec::from_manifest(&root), registry).unwrap();
    let nested = r#"{"name": "n", "kind": "supervisor", "defaults": {"environment": [{"name": "B", "value": "below"}]}}"#;
    add(&handle, nested).await.unwrap();
    let notes = Notes::default();
    let noted = notes.clone();
    let reads = move |ctx: tokio_supervisor::ChildContext| {
        for (name, value) in ctx.env() {
            noted.add(format!("{} {name}={}", ctx.path(), value.expose()));
        }
        idle(ctx)
    };
    handle.register_factory("r", reads).await.unwrap();
    let child =
        manifest(r#"{"name": "r", "kind": "async_worker", "environment": [{"name": "C", "value": "own"}]}"#);
    handle.add_child("/n", &child, "ops", "x").await.unwrap();
    handle.add_child("/", &child, "ops", "x").await.unwrap();
    settle().await;
    let mut seen = notes.all();
    seen.sort();
    let expected = ["/n/r A=above", "/n/r B=below", "/n/r C=own", "/r A=above", "/r B=above", "/r C=own"];
    assert_eq!(seen, expected);
    assert_eq!(handle.child("/n/r").unwrap().criticality, Criticality::Critical);
    tokio::time::sleep(secs(1)).await;
}

#[cfg(feature = "manifest")]
#[tokio::test(start_paused = true)]
async fn a_manifest_may_be_yaml_text() {
    let handle = empty(Registry::new().factory("w", idle)).await;
    handle.add_child("/", "name: w\nkind: async_worker\n", "ops", "x").await.unwrap();
    assert_eq!(lifecycle(&handle, "/w"), Lifecycle::Running);
    let error = handle.add_child("/", "name: w\nkid: async_worker\n", "ops", "x").await.unwrap_err();
    assert!(error.to_string().contains("line 2") && error.to_string().contains("`kind`"), "{error}");
}
