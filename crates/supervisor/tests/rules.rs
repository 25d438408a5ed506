//! What a child is looked after by in effect, and who said each value.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{idle, secs, start};
use tokio_supervisor::{
    Backoff, ChildManifest, ChildSpec, Criticality, OnExhausted, Profile, Registry, RestartType, Rule,
    RuleSource, Supervisor, SupervisorHandle, SupervisorManifest, SupervisorSpec,
};

fn said(rules: &[Rule], key: &str) -> String {
    let Some(rule) = rules.iter().find(|rule| rule.key == key) else { return "nothing".to_owned() };
    let from = rule.from.as_ref().map(|from| format!(" {from}")).unwrap_or_default();
    format!("{}: {}{from}", rule.value, rule.source)
}

fn of(handle: &SupervisorHandle, child: &str, key: &str) -> String {
    said(&handle.rules(child).unwrap().child, key)
}

fn below(handle: &SupervisorHandle, supervisor: &str, key: &str) -> String {
    said(&handle.rules(supervisor).unwrap().supervisor, key)
}

fn service(name: &str) -> ChildSpec {
    ChildSpec::service(name, idle)
}

#[tokio::test(start_paused = true)]
async fn each_value_says_whether_the_child_its_role_or_its_criticality_said_it() {
    let tree = SupervisorSpec::root([
        service("own").restart(RestartType::Transient).grace(secs(2)).budget(1, secs(9)),
        ChildSpec::worker("role", idle),
        service("optional").criticality(Criticality::Optional),
    ]);
    let handle = start(tree).await;
    assert_eq!(of(&handle, "own", "restart_policy"), "transient: child");
    assert_eq!(of(&handle, "own", "shutdown.graceful_timeout_ms"), "2 s: child");
    assert_eq!(of(&handle, "own", "budget"), "1 restart in 9 s: child");
    assert_eq!(of(&handle, "own", "role"), "service: child");
    assert_eq!(of(&handle, "role", "restart_policy"), "transient: role worker");
    assert_eq!(of(&handle, "role", "shutdown.graceful_timeout_ms"), "5 s: profile default");
    assert_eq!(of(&handle, "role", "ready_within_secs"), "60 s: profile default");
    assert_eq!(of(&handle, "role", "budget"), "5 restarts in 60 s, shared with its siblings: supervisor /");
    assert_eq!(of(&handle, "role", "budget.on_exhausted"), "escalate: profile default");
    assert_eq!(of(&handle, "optional", "budget.on_exhausted"), "quarantine: criticality optional");
    assert_eq!(of(&handle, "optional", "budget"), "5 restarts in 60 s, for it alone: supervisor /");
    assert_eq!(of(&handle, "optional", "criticality"), "optional: child");
    assert_eq!(of(&handle, "optional", "command_permissions"), "every command: profile default");
    assert_eq!(of(&handle, "/", "restart_policy"), "nothing", "nobody looks after the root");
    assert_eq!(below(&handle, "own", "strategy"), "nothing", "it is no supervisor");
}

#[tokio::test(start_paused = true)]
async fn what_supervisors_say_for_their_children_names_the_supervisor() {
    let inner = SupervisorSpec::new("inner")
        .on_exhausted(OnExhausted::ShutdownTree)
        .child(service("a"))
        .child(service("b").backoff(Backoff::none()));
    let outer = SupervisorSpec::new("outer")
        .defaults(|child| child.backoff(Backoff::exponential(secs(1), secs(4))).grace(secs(3)))
        .child(ChildSpec::supervisor(inner));
    let otp = SupervisorSpec::new("otp").profile(Profile::Otp).child(ChildSpec::worker("w", idle));
    let tree = SupervisorSpec::root([ChildSpec::supervisor(outer), ChildSpec::supervisor(otp)]);
    let handle = start(tree).await;
    let a = "/outer/inner/a";
    assert_eq!(
        of(&handle, a, "backoff"),
        "1 s to 4 s, ±20 %, forgotten after 60 s of running: defaults /outer"
    );
    assert_eq!(of(&handle, a, "shutdown.graceful_timeout_ms"), "3 s: defaults /outer");
    assert_eq!(of(&handle, a, "budget.on_exhausted"), "shutdown_tree: supervisor /outer/inner");
    assert_eq!(of(&handle, "/outer/inner/b", "backoff"), "none: child");
    assert_eq!(below(&handle, "/outer/inner", "budget.on_exhausted"), "shutdown_tree: child");
    assert_eq!(below(&handle, "/outer/inner", "order"), "declared: profile default");
    assert_eq!(of(&handle, "/outer/inner", "role"), "supervisor: kind");
    assert_eq!(of(&handle, "/outer/inner", "shutdown.graceful_timeout_ms"), "no limit: kind");
    assert_eq!(of(&handle, "/otp/w", "restart_policy"), "permanent: profile otp");
    assert_eq!(below(&handle, "/otp", "budget"), "1 restart in 5 s: profile otp");
}

#[tokio::test(start_paused = true)]
async fn a_back_off_that_outlasts_the_window_is_told_as_what_counts_instead() {
    let slow = service("slow").backoff(Backoff::exponential(secs(40), secs(40)));
    let handle = start(SupervisorSpec::root([slow])).await;
    assert_eq!(
        of(&handle, "slow", "budget.max_restarts"),
        "5 failures in a row: its back-off outlasts the window: backoff"
    );
}

async fn with_defaults(defaults: &str, child: &str) -> SupervisorHandle {
    let root: SupervisorManifest = serde_json::from_str(&format!(r#"{{"defaults": {defaults}}}"#)).unwrap();
    let registry = Registry::new().factory("w", idle);
    let handle = Supervisor::launch_with(SupervisorSpec::from_manifest(&root), registry).unwrap();
    let child: ChildManifest = serde_json::from_str(child).unwrap();
    handle.add_child("/", child, "ops", "more").await.unwrap();
    handle
}

#[tokio::test(start_paused = true)]
async fn defaults_of_a_manifest_are_told_apart_from_what_the_child_says() {
    let handle = with_defaults(
        r#"{"backoff": {"max_ms": 9000}, "criticality": "critical", "ready_within_secs": 7,
            "shutdown": {"graceful_timeout_ms": 100}, "command_permissions": {"allow_restart": false}}"#,
        r#"{"name": "w", "kind": "async_worker", "backoff": {"initial_ms": 50}, "shutdown": {"abort_wait_ms": 80}}"#,
    )
    .await;
    assert_eq!(of(&handle, "w", "criticality"), "critical: defaults /");
    assert_eq!(of(&handle, "w", "ready_within_secs"), "7 s: defaults /");
    assert_eq!(of(&handle, "w", "shutdown.graceful_timeout_ms"), "100 ms: defaults /");
    assert_eq!(of(&handle, "w", "shutdown.abort_wait_ms"), "80 ms: child");
    assert!(of(&handle, "w", "backoff").starts_with("50 ms to 9 s"));
    assert!(of(&handle, "w", "backoff").ends_with(": child /"), "the rest of it is said above");
    assert_eq!(
        of(&handle, "w", "command_permissions"),
        "pause, quarantine, remove, every signal: defaults /"
    );
    assert_eq!(of(&handle, "w", "restart_policy"), "permanent: role service");
}

#[tokio::test(start_paused = true)]
async fn what_was_a_default_and_is_said_now_changes_nothing_but_who_says_it() {
    let a = service("a");
    let handle = start(SupervisorSpec::root([a.clone()])).await;
    let spec = SupervisorSpec::root([a.grace(secs(5))]);
    assert_eq!(handle.plan(spec.clone()).unwrap().unchanged, 1);
    assert_eq!(of(&handle, "a", "shutdown.graceful_timeout_ms"), "5 s: profile default");
    handle.apply(spec, "ops", "clearer").await.unwrap();
    assert_eq!(of(&handle, "a", "shutdown.graceful_timeout_ms"), "5 s: child");
    assert_eq!(handle.rules("a").unwrap().child[0].source, RuleSource::Child);
}
