//! The second walk of the architecture, from the client of a relay to a program and back. A browser's end is not there yet.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::Run;
use serde_json::json;
use supervisor_api::Lifecycle;
use supervisor_api::wire::{
    AuditEntry, AuditRecord, Command, CommandStatus, CommandTarget, ControlCommandRequest, ErrorCode,
    EventRecord, Push, StateParams, Stream,
};
use supervisor_client::{Session, Settings};
use supervisor_ledger::Reader;

const SHOP: &str = r#"
version: 1
name: shop
children:
  - {name: web, kind: process, command: [sh, -c, "echo up; exec sleep 1000"]}
  - {name: locked, kind: process, command: [sleep, "2000"], command_permissions: {allow_restart: false}}
"#;

/// Longer than anything here takes. Reaching it is a failure.
const LONG: Duration = Duration::from_secs(60);

fn restart(id: &str, child: &str) -> ControlCommandRequest {
    ControlCommandRequest {
        command_id: id.into(),
        target_id: "shop".into(),
        expect_state_generation: None,
        command: Command::RestartChild,
        target: CommandTarget { child_path: Some(child.to_owned()), child_manifest: None },
        signal: None,
        stack: None,
        rollback: false,
        reason: "new certificate".to_owned(),
        requested_by: "ann".to_owned(),
        confirmed: false,
        requested_at_unix_nanos: None,
    }
}

/// What a viewer is pushed until the command is done.
async fn watch(viewer: &mut Session, id: &str) -> Vec<EventRecord> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|event: &EventRecord| event.event_type.as_str() != "CommandCompleted") {
        let push = tokio::time::timeout(LONG, viewer.push()).await.unwrap().unwrap();
        if let Push::Event { event, .. } = push
            && event.correlation_id.as_deref() == Some(id)
        {
            seen.push(*event);
        }
    }
    seen
}

/// → client → control session (peer, role, rate, duplicate, audit intent) → handle → inbox → command table → refused at
/// once, or a plan → cancel → exit → walk A → the reply resolves; control writes the outcome to the audit, answers.
#[tokio::test]
async fn walk_b_a_command_goes_to_the_program_and_back_with_one_reply_and_everybody_sees_who_did_it() {
    let mut run = Run::json(SHOP);
    run.output("/web", "up");
    let socket = run.home.path().join("run/tokio-supervisor/shop.sock");
    let settings = Settings::default();
    let mut relay = Session::connect(&socket, &settings).await.unwrap();
    let mut viewer = Session::connect(&socket, &settings).await.unwrap();
    viewer.subscribe(Stream::Events, None).await.unwrap();
    let before = run.program("sleep 1000");

    let result = relay.command(restart("b-1", "/web")).await.unwrap();
    assert!(result.accepted && result.status.is(CommandStatus::Completed), "{result:?}");
    // The effect is there when the reply is: in the world, and in the next read.
    let state = relay.state(StateParams::default()).await.unwrap();
    let row = state.runtime_state.iter().find(|row| row.child_path.as_str() == "/web").unwrap();
    assert!(row.lifecycle_state.is(Lifecycle::Running));
    assert_eq!(row.generation, 2);
    assert!(
        run.processes().iter().all(|process| process.pid != before || !process.command.starts_with("sleep"))
    );

    // Progress is events that carry the command's id, so every viewer sees who did what.
    let seen = watch(&mut viewer, "b-1").await;
    let kinds: Vec<_> = seen.iter().map(|event| event.event_type.as_str().to_owned()).collect();
    let at = |kind: &str| {
        kinds.iter().position(|seen| seen == kind).unwrap_or_else(|| panic!("{kind}: {kinds:?}"))
    };
    assert!(
        at("ChildStopping") < at("ChildStarting") && at("ChildStarting") < at("CommandCompleted"),
        "{kinds:?}"
    );
    let stopping = &seen[at("ChildStopping")].payload;
    assert_eq!((&stopping["requested_by"], &stopping["reason"]), (&json!("ann"), &json!("new certificate")));

    // Refused at once; nothing happens to anybody.
    for (id, child, code) in
        [("b-2", "/nobody", ErrorCode::ValidationFailed), ("b-3", "/locked", ErrorCode::AuthzDenied)]
    {
        let refused = relay.command(restart(id, child)).await.unwrap();
        assert!(!refused.accepted && refused.status.is(CommandStatus::Rejected), "{refused:?}");
        assert!(refused.error.unwrap().code.is(code), "{id}");
    }
    // Sent again it is the same reply, and not another restart.
    let again = relay.command(restart("b-1", "/web")).await.unwrap();
    assert_eq!(again.outcome, result.outcome);
    let state = relay.state(StateParams::default()).await.unwrap();
    assert!(state.runtime_state.iter().all(|row| row.generation <= 2));

    drop((relay, viewer));
    let audit = run.home.path().join(".local/state/tokio-supervisor/shop/audit");
    run.signal(rustix::process::Signal::TERM);
    run.event("ShutdownCompleted", "/");
    let records = common::soon("the audit of all", || {
        let records = records(&audit);
        (records.len() >= 5).then_some(records)
    });
    let told: Vec<_> = records
        .iter()
        .map(|(_, record)| (record.entry.as_str(), &**record.command_id.as_ref().unwrap()))
        .collect();
    let all =
        [("intent", "b-1"), ("outcome", "b-1"), ("intent", "b-2"), ("outcome", "b-2"), ("denial", "b-3")];
    assert_eq!(told, all, "the intent before the outcome; what is denied has none");
    let (intent, outcome) = (&records[0], &records[1].1);
    assert!(intent.1.entry.is(AuditEntry::Intent));
    assert_eq!(outcome.intent, Some(intent.0));
    assert_eq!(outcome.outcome.as_ref().unwrap().result.as_str(), "completed");
    // Who acted is what the system proved, beside what was claimed.
    let actor = serde_json::to_value(&intent.1.actor).unwrap();
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!((&actor["proved"], &actor["claimed"]), (&json!(format!("uid:{uid}")), &json!("ann")));
    assert_eq!(run.end().code, Some(0));
}

fn records(audit: &std::path::Path) -> Vec<(u64, AuditRecord)> {
    let Ok(reader) = Reader::open(audit) else { return Vec::new() };
    let records = reader.map_while(Result::ok);
    records.map(|record| (record.sequence, record.body().unwrap())).collect()
}
