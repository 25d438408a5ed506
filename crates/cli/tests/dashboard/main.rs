//! The dashboard of a run, from its link to its end: the real binary, real programs, and a browser without a screen.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
#[path = "../common/mod.rs"]
mod common;
mod links;
mod ports;

use std::time::Duration;

use browser::Browser;
use common::{Run, home, supervisor};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use supervisor_api::wire::{AuditEntry, AuditRecord, AuditResult};
use supervisor_ledger::Reader;
use tokio::time::Instant;

const SHOP: &str = r#"
version: 1
name: shop
supervisor: {budget: unlimited}
children:
  - name: web
    kind: process
    command: [sh, -c, "echo up; exec sleep 1000"]
    backoff: {initial_ms: 1, max_ms: 1}
  - {name: db, kind: process, command: [sleep, "2000"]}
"#;

/// A run with a dashboard on any free port, with these arguments.
fn run_with(args: &[&str]) -> Run {
    let all = [&["--output", "json", "--dashboard", "127.0.0.1:0"][..], args].concat();
    let mut run = Run::start(home(), SHOP, &all);
    run.output("/web", "up");
    run
}

/// What `supervisor dashboard` prints: the exit code, and both streams.
fn dashboard(run: &Run, args: &[&str]) -> (Option<i32>, String, String) {
    let output = supervisor(run.home.path()).arg("dashboard").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A link to its dashboard.
fn link(run: &Run) -> String {
    let (code, link, said) = dashboard(run, &[]);
    assert_eq!(code, Some(0), "{said}");
    link.trim_end().to_owned()
}

/// Everything that was recorded.
fn audit(run: &Run) -> Vec<AuditRecord> {
    let place = run.home.path().join(".local/state/tokio-supervisor/shop/audit");
    Reader::open(&place).unwrap().map(|record| record.unwrap().body().unwrap()).collect()
}

fn child(path: &str) -> Value {
    json!({"child_path": path})
}

#[tokio::test]
async fn who_follows_the_link_sees_the_stack_live_and_is_its_admin() {
    let run = run_with(&[]);
    let mut browser = Browser::follow(&link(&run)).await;
    assert!(browser.hello["client_identity"].as_str().unwrap().ends_with(" (dashboard)"));
    assert_eq!(browser.hello["role"], "admin");
    let list = browser.until(|frame| frame["type"] == "target_list").await;
    let target = &list["targets"][0];
    assert_eq!((&target["target_id"], &target["role"]), (&json!("shop"), &json!("admin")));
    assert_eq!(target["registration_state"], "active");
    let state = browser.state().await;
    let rows = state["state"]["runtime_state"].as_array().unwrap();
    let web = rows.iter().find(|row| row["child_path"] == "/web").unwrap();
    assert_eq!(web["lifecycle_state"], "running");
    assert_eq!(run.stop().code, Some(0));
}

/// The bound is for one crash; on a machine that is busy with something else one in ten has to keep it.
#[tokio::test]
async fn a_crash_is_seen_within_250_milliseconds() {
    let run = run_with(&[]);
    let mut browser = Browser::follow(&link(&run)).await;
    browser.state().await;
    let mut quickest = Duration::MAX;
    for _ in 0..10 {
        let program = run.program("sleep 1000");
        let since = Instant::now();
        kill_process(program, Signal::KILL).unwrap();
        browser.event("ChildFailed", "/web").await;
        quickest = quickest.min(since.elapsed());
        browser.event("ChildRestarted", "/web").await;
    }
    assert!(quickest < Duration::from_millis(250), "{quickest:?}");
    assert_eq!(run.stop().code, Some(0));
}

#[tokio::test]
async fn each_command_has_one_answer_and_the_audit_says_who_asked_for_it() {
    let run = run_with(&[]);
    let mut browser = Browser::follow(&link(&run)).await;
    let identity = browser.hello["client_identity"].clone();
    browser.state().await;
    let cat = json!({"child_path": "/", "child_manifest": {"name": "cat", "kind": "process", "command": ["sleep", "9"]}});
    let commands = [
        ("restart_child", child("/web")),
        ("pause_child", child("/web")),
        ("resume_child", child("/web")),
        ("quarantine_child", child("/web")),
        ("remove_child", child("/web")),
        ("add_child", cat),
        ("shutdown_tree", json!({})),
    ];
    for (command, target) in &commands {
        let (result, audits) = browser.does(&format!("id-{command}"), command, target.clone()).await;
        assert_eq!(result["status"], "completed", "{command}: {result}");
        assert_eq!(result["requested_by"], identity);
        let told: Vec<_> = audits.iter().map(|audit| (&audit["identity"], audit["result"].clone())).collect();
        assert_eq!(told, [(&identity, json!("accepted")), (&identity, json!("completed"))], "{command}");
    }
    let pid = run.pid().as_raw_nonzero().get();
    let records = audit(&run);
    for (command, _) in commands {
        let id = format!("id-{command}");
        let of: Vec<_> = records.iter().filter(|record| record.command_id.as_ref() == Some(&id)).collect();
        let entries: Vec<_> = of.iter().map(|record| record.entry.known()).collect();
        assert_eq!(entries, [Some(AuditEntry::Intent), Some(AuditEntry::Outcome)], "{command}");
        let uid = rustix::process::geteuid().as_raw();
        assert_eq!(of[0].actor.proved, format!("uid:{uid}"));
        assert_eq!(json!(of[0].actor.claimed), identity, "{command}");
        assert_eq!(of[0].peer.unwrap().pid, u32::try_from(pid).ok(), "it came through the run itself");
    }
    assert_eq!(run.end().code, Some(0));
}

#[tokio::test]
async fn what_may_not_be_done_is_refused_with_a_reason_and_recorded_once() {
    let run = run_with(&[]);
    let mut browser = Browser::follow(&link(&run)).await;
    browser.state().await;
    browser.asks("r-1", "remove_child", child("/web"), false).await;
    let refused = browser.until(|frame| frame["type"] == "command_result" || frame["type"] == "error").await;
    assert!(refused.to_string().contains("confirm"), "{refused}");
    browser.asks("r-2", "restart_child", child("/nobody"), false).await;
    let refused = browser.until(|frame| frame["result"]["command_id"] == "r-2").await;
    assert_eq!(refused["result"]["status"], "rejected");
    assert!(refused["result"]["error"]["message"].as_str().unwrap().contains("nobody"), "{refused}");
    // A target that is not there is refused by the relay itself.
    browser
        .says(json!({
            "type": "command", "command_id": "r-3", "target_id": "bank", "command": "restart_child",
            "target": {"child_path": "/web"}, "reason": "a test", "confirmed": false,
        }))
        .await;
    let refused = browser.until(|frame| frame["type"] == "error" && frame["command_id"] == "r-3").await;
    assert_eq!(refused["error"]["code"], "target_not_registered");
    let told = |id: &str| -> Vec<_> {
        let records = audit(&run).into_iter().filter(|record| record.command_id.as_deref() == Some(id));
        records.filter_map(|record| Some((record.entry.known()?, record.outcome?.result.known()?))).collect()
    };
    let denied = [(AuditEntry::Denial, AuditResult::Rejected)];
    common::soon("the refusal of the relay in the target's audit", || (told("r-3") == denied).then_some(()));
    assert_eq!(told("r-2"), [(AuditEntry::Outcome, AuditResult::Rejected)]);
    assert_eq!(run.stop().code, Some(0));
}

/// One audit: what is asked on the socket is seen in the browser, too.
#[tokio::test]
async fn a_command_from_a_terminal_is_seen_in_the_browser_with_its_author() {
    let run = run_with(&[]);
    let mut browser = Browser::follow(&link(&run)).await;
    browser.state().await;
    let output = supervisor(run.home.path())
        .args(["restart", "/db", "--reason", "a test", "--by", "ann"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = browser.until(|frame| frame["type"] == "audit_event").await;
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(told["audit"]["identity"], format!("uid:{uid} (says 'ann')"));
    assert_eq!(told["audit"]["target"], "/db");
    assert_eq!(run.stop().code, Some(0));
}

#[tokio::test]
async fn without_a_socket_there_is_the_dashboard_all_the_same() {
    let run = run_with(&["--no-socket"]);
    assert!(!run.home.path().join("run/tokio-supervisor").exists());
    let mut browser = Browser::follow(&link(&run)).await;
    browser.state().await;
    let (result, _) = browser.does("n-1", "restart_child", child("/web")).await;
    assert_eq!(result["status"], "completed", "{result}");
    assert_eq!(run.stop().code, Some(0));
}

#[tokio::test]
async fn the_end_of_the_stack_is_told_whole_and_then_the_session_is_closed_with_1001() {
    let run = run_with(&[]);
    let mut browser = Browser::follow(&link(&run)).await;
    browser.state().await;
    run.signal(Signal::TERM);
    let (frames, code) = browser.rest().await;
    assert_eq!(code, 1001);
    let events: Vec<_> = frames.iter().filter(|frame| frame["type"] == "event").collect();
    let last = events.last().unwrap();
    assert_eq!(last["event"]["event_type"], "ShutdownCompleted", "{last}");
    assert!(events.iter().any(|frame| frame["event"]["target_path"] == "/web"), "{events:?}");
    assert_eq!(run.end().code, Some(0));
}
