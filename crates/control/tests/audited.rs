//! The way of a command through the whole: what is recorded, and what happens when it cannot be.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::path::Path;

use common::{Scene, command_request, config, other, owner, service, shop};
use serde_json::{Value, json};
use supervisor_control::{AuditConfig, AuditOptions, Config, Role};
use supervisor_ledger::Reader;
use tokio_supervisor::SupervisorSpec;

fn audited(directory: &Path) -> Config {
    let mut config = config();
    config.audit = AuditConfig::Directory(AuditOptions::new(directory));
    config
}

/// What is recorded, as kind of entry, command id and code.
fn records(directory: &Path) -> Vec<(String, String, String)> {
    let records = Reader::open(directory).unwrap().map(|record| {
        let body: Value = serde_json::from_str(record.unwrap().body_text()).unwrap();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (word(&body["entry"]), word(&body["command_id"]), word(&body["outcome"]["error"]["code"]))
    });
    records.collect()
}

fn entry(kind: &str, id: &str, code: &str) -> (String, String, String) {
    (kind.into(), id.into(), code.into())
}

#[tokio::test]
async fn s12_intents_outcomes_and_denials_are_recorded_and_reads_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let audit = directory.path().join("audit");
    let scene = Scene::new(shop(), audited(&audit)).await;
    scene.command("done", "restart_child", "/db").await;
    scene.command("unknown child", "restart_child", "/nobody").await;
    scene.state(json!({})).await;
    let unconfirmed = {
        let mut request = command_request("unconfirmed", "shutdown_tree", Value::Null);
        request["params"]["confirmed"] = json!(false);
        request
    };
    let program = json!({"name": "a", "kind": "process", "command": ["/usr/bin/id"]});
    for (caller, request) in [
        (owner(), unconfirmed),
        (owner(), command_request("fixed", "restart_child", "/fixed")),
        (other(Role::Viewer), command_request("viewer", "restart_child", "/db")),
        (other(Role::Admin), command_request("program", "add_child", program)),
        (owner(), command_request("done", "restart_child", "/web")),
    ] {
        scene.ask(&caller, request).await;
    }
    scene.dispatcher.close().await;
    let mut records = records(&audit);
    let denials = records.split_off(4);
    assert_eq!(
        records,
        [
            entry("intent", "done", ""),
            entry("outcome", "done", ""),
            entry("intent", "unknown child", ""),
            entry("outcome", "unknown child", "validation_failed"),
        ]
    );
    assert_eq!(
        denials,
        [
            entry("denial", "unconfirmed", "validation_failed"),
            entry("denial", "fixed", "authz_denied"),
            entry("denial", "viewer", "authz_denied"),
            entry("denial", "program", "authz_denied"),
            entry("denial", "done", "command_id_conflict"),
        ]
    );
    supervisor_ledger::verify(&audit).unwrap();
}

#[tokio::test]
async fn s12_without_an_audit_there_is_no_command_and_everything_else_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let audit = directory.path().join("audit");
    std::fs::write(&audit, "a file in the place of the directory").unwrap();
    let scene = Scene::new(shop(), audited(&audit)).await;
    let result = scene.command("c", "restart_child", "/db").await;
    assert_eq!(
        (&result["status"], &result["error"]["code"]),
        (&json!("rejected"), &json!("audit_write_failed"))
    );
    assert_eq!(scene.handle.child("/db").unwrap().state.generation, 1, "nothing was done");
    let health = scene.dispatcher.audit();
    assert!(health.refuses_commands && health.problem.is_some(), "{health:?}");
    // The tree, and those who look at it, do not notice.
    scene.handle.restart_child("/db", "test", "from within").await.unwrap();
    assert_eq!(scene.lifecycle("/db").await.as_deref(), Some("running"));
}

#[tokio::test]
async fn s11_s16_an_id_is_carried_out_once_also_after_the_target_was_started_again() {
    let directory = tempfile::tempdir().unwrap();
    let audit = directory.path().join("audit");
    let tree = || SupervisorSpec::root([service("db")]);
    let scene = Scene::new(tree(), audited(&audit)).await;
    let first = scene.command("c", "restart_child", "/db").await;
    scene.dispatcher.close().await;
    let scene = Scene::new(tree(), audited(&audit)).await;
    let again = scene.command("c", "restart_child", "/db").await;
    assert_eq!((&again["status"], &again["outcome"]), (&json!("completed"), &first["outcome"]));
    assert_eq!(scene.handle.child("/db").unwrap().state.generation, 1, "another tree, and not restarted");
}

/// A secret that a manifest brings is in no answer, no event, no record.
#[tokio::test]
async fn s17_a_canary_in_a_manifest_comes_out_nowhere() {
    const CANARY: &str = "canary-7c1d";
    let directory = tempfile::tempdir().unwrap();
    let audit = directory.path().join("audit");
    let scene = Scene::new(shop(), audited(&audit)).await;
    let environment = json!([{"name": "TOKEN", "value": CANARY}]);
    let mut told = String::new();
    for (id, kind) in [("added", "async_worker"), ("refused", "process")] {
        let manifest = json!({"name": id, "kind": kind, "factory": "worker", "environment": environment});
        let answer = scene.ask(&owner(), command_request(id, "add_child", manifest)).await;
        told += &answer.to_string();
    }
    assert!(told.contains("completed") && told.contains("rejected"), "{told}");
    told += &serde_json::to_string(&scene.state(json!({})).await).unwrap();
    scene.dispatcher.close().await;
    for file in std::fs::read_dir(&audit).unwrap() {
        told += &String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap());
    }
    assert!(told.contains("TOKEN") || told.contains("added"), "{told}");
    assert!(!told.contains(CANARY), "{told}");
}
