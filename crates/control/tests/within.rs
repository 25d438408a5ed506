//! A tree that is served within its process: no file, the local owner, and what is recorded told as it is.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::live::{Client, LONG};
use common::{config, service};
use serde_json::{Value, json};
use supervisor_api::wire::{AuditEntry, AuditRecord};
use supervisor_control::{AuditConfig, AuditOptions, Control, RegistrationConfig};
use supervisor_ledger::Reader;
use tokio::io::BufReader;
use tokio::time::timeout;
use tokio_supervisor::{Supervisor, SupervisorSpec};

fn restart(id: &str, by: &str) -> Value {
    json!({"request_id": id, "method": "command.restart_child", "params": {
        "command_id": id, "target_id": "shop", "command": "restart_child",
        "target": {"child_path": "/db", "child_manifest": null}, "reason": "a test", "requested_by": by,
        "confirmed": false, "requested_at_unix_nanos": 1,
    }})
}

#[tokio::test]
async fn s05_who_connects_from_within_is_the_owner_and_the_audit_has_whom_it_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let handle = Supervisor::start(SupervisorSpec::root([service("db")])).await.unwrap();
    let mut config = config();
    config.bind = None;
    config.audit = AuditConfig::Directory(AuditOptions::new(folder.path().join("audit")));
    let control = Control::serve(handle.clone(), config).await.unwrap();
    assert_eq!(control.path(), None);
    let mut audited = control.dispatcher().audited();

    let connector = control.connector();
    let mut client = Client(BufReader::new(connector.connect().unwrap()));
    let hello = client.ask(json!({"request_id": "h", "method": "hello"})).await;
    assert_eq!(hello["result"]["role"], "admin");
    let done = client.ask(restart("c-1", "ann (dashboard)")).await;
    assert_eq!(done["result"]["result"]["status"], "completed", "{done}");
    for result in ["accepted", "completed"] {
        let told = timeout(LONG, audited.next()).await.unwrap();
        assert_eq!((&*told.identity, told.result.as_str()), ("ann (dashboard)", result));
        assert_eq!(told.command_id, "c-1");
    }

    // What somebody refused who asks on behalf of others becomes this target's.
    let records = |folder: &std::path::Path| -> Vec<AuditRecord> {
        Reader::open(folder).unwrap().map(|record| record.unwrap().body().unwrap()).collect()
    };
    let intent = records(&folder.path().join("audit")).remove(0);
    let denial = AuditRecord {
        entry: AuditEntry::Denial.into(),
        target_id: "other".into(),
        command_id: Some("c-2".to_owned()),
        ..intent
    };
    control.dispatcher().deny(denial);
    let told = timeout(LONG, audited.next()).await.unwrap();
    assert_eq!((&*told.command_id, &*told.target_id), ("c-2", "shop"));

    control.close().await;
    assert!(connector.connect().is_err());
    let last = records(&folder.path().join("audit")).pop().unwrap();
    assert_eq!((last.command_id.as_deref(), &*last.target_id), (Some("c-2"), "shop"));
    handle.shutdown("test", "over").await.unwrap();
}

#[tokio::test]
async fn a_target_without_a_socket_cannot_register() {
    let handle = Supervisor::start(SupervisorSpec::root([service("db")])).await.unwrap();
    let mut config = config();
    config.bind = None;
    config.registration = Some(RegistrationConfig::new("/run/relay.sock"));
    let refused = Control::serve(handle.clone(), config).await.unwrap_err().to_string();
    assert!(refused.contains("by its socket"), "{refused}");
    handle.shutdown("test", "over").await.unwrap();
}
