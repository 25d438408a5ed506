//! What is pushed after a subscription, over a live socket.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::live::{Client, Live};
use common::{TARGET, command_request, config, service};
use serde_json::{Value, json};
use supervisor_api::SupervisorPath;
use supervisor_api::wire::{Change, Push, TargetLine, TreeView};
use tokio_supervisor::{ChildSpec, Severity, SupervisorSpec};

const EVENTS: &str = "events.subscribe";
const LOGS: &str = "logs.tail";

async fn view(client: &mut Client) -> TreeView {
    let answer = client.ask(json!({"request_id": "s", "method": "state"})).await;
    TreeView::new(serde_json::from_value(answer["result"]["state"].clone()).unwrap())
}

fn fold(view: &mut TreeView, line: &Value) -> Change {
    let TargetLine::Push(push) = TargetLine::read(line.to_string().as_bytes()).unwrap() else {
        panic!("{line}")
    };
    view.apply(*push)
}

#[tokio::test]
async fn an_event_comes_at_once_and_then_what_it_changed() {
    let live = Live::shop().await;
    let mut watcher = live.client().await;
    let first = watcher.subscribe(EVENTS, None).await;
    assert_eq!(first, live.handle.subscribe_events().position() + 1);
    live.ask_once(command_request("c", "restart_child", "/db")).await;
    let mut sequences = Vec::new();
    loop {
        let line = watcher.push("event").await;
        assert_eq!((&line["target_id"], &line["event"]["target_id"]), (&json!(TARGET), &json!(TARGET)));
        assert_eq!(
            (&line["event"]["correlation_id"], &line["event"]["target_path"]),
            (&json!("c"), &json!("/db"))
        );
        sequences.push(line["event"]["sequence"].as_u64().unwrap());
        if line["event"]["event_type"] == "CommandCompleted" {
            break;
        }
    }
    assert_eq!(sequences, (first..first + sequences.len() as u64).collect::<Vec<_>>());
    let delta = watcher.push("state_delta").await["delta"].clone();
    assert_eq!(delta.get("topology"), None);
    let row = &delta["runtime_state"][0];
    assert_eq!((&row["child_path"], &row["generation"]), (&json!("/db"), &json!(2)), "{delta}");
    assert!(delta["state_generation"].as_u64().unwrap() >= *sequences.last().unwrap());
}

#[tokio::test]
async fn subscribing_needs_a_session() {
    let live = Live::shop().await;
    for method in [EVENTS, LOGS] {
        for params in [json!({}), json!({"session_established": false}), Value::Null] {
            let answer = live.ask_once(json!({"request_id": "1", "method": method, "params": params})).await;
            assert_eq!(
                (&answer["ok"], &answer["error"]["code"], &answer["error"]["stage"]),
                (&json!(false), &json!("session_required"), &json!("subscription"))
            );
        }
    }
}

/// Whatever happens, a reader that folds what it is pushed ends with the state of the tree.
#[tokio::test]
async fn a_reader_that_folds_has_the_state_of_the_tree() {
    let live = Live::shop().await;
    let mut watcher = live.client().await;
    watcher.subscribe(EVENTS, None).await;
    let mut seen = view(&mut watcher).await;
    let mut actor = live.client().await;
    for n in 0..20 {
        let (command, child) = match n % 5 {
            0 => ("add_child", json!({"name": format!("w{n}"), "kind": "async_worker", "factory": "worker"})),
            1 => ("pause_child", json!("/db")),
            2 => ("resume_child", json!("/db")),
            3 => ("remove_child", json!(format!("/w{}", n - 3))),
            _ => ("restart_child", json!("/pool")),
        };
        let answer = actor.ask(command_request(&n.to_string(), command, child)).await;
        assert_eq!(answer["result"]["result"]["status"], "completed", "{answer}");
    }
    let truth = view(&mut actor).await;
    let head = truth.state().state_generation;
    while seen.state().state_generation < head {
        let line = watcher.line().await.unwrap();
        fold(&mut seen, &line);
    }
    assert_eq!(seen.state().runtime_state, truth.state().runtime_state);
    assert_eq!(seen.state().topology, truth.state().topology);
    assert_eq!(seen.state().recent_events, truth.state().recent_events);
}

#[tokio::test]
async fn topologies_are_pushed_when_children_come_and_when_they_go() {
    let live = Live::shop().await;
    let mut watcher = live.client().await;
    watcher.subscribe(EVENTS, None).await;
    let paths = |delta: &Value| -> Vec<String> {
        let nodes = delta["topology"]["nodes"].as_array().unwrap();
        nodes.iter().map(|node| node["path"].as_str().unwrap().to_owned()).collect()
    };
    let topology = async |watcher: &mut Client| loop {
        let delta = watcher.push("state_delta").await["delta"].clone();
        if delta.get("topology").is_some() {
            let rows = delta["runtime_state"].as_array().unwrap().len();
            assert_eq!(rows, paths(&delta).len(), "with a topology come all rows");
            return paths(&delta);
        }
    };
    live.ask_once(command_request("1", "add_child", json!({"name": "worker", "kind": "async_worker"}))).await;
    assert_eq!(topology(&mut watcher).await, ["/", "/db", "/web", "/pool", "/pool/one", "/fixed", "/worker"]);
    live.ask_once(command_request("2", "remove_child", "/pool")).await;
    while topology(&mut watcher).await != ["/", "/db", "/web", "/fixed", "/worker"] {}
}

#[tokio::test]
async fn a_stream_is_resumed_where_it_was_left() {
    let live = Live::shop().await;
    let mut seen = Vec::new();
    let mut next = 1;
    for n in 0..5 {
        live.handle.restart_child("/db", "test", format!("{n}")).await.unwrap();
        let head = live.handle.subscribe_events().position();
        let mut watcher = live.client().await;
        assert_eq!(watcher.subscribe(EVENTS, Some(next)).await, next);
        while next <= head {
            let sequence = watcher.push("event").await["event"]["sequence"].as_u64().unwrap();
            seen.push(sequence);
            next = sequence + 1;
        }
    }
    assert_eq!(seen, (1..next).collect::<Vec<_>>(), "each once, without holes");
}

#[tokio::test]
async fn what_is_no_longer_kept_is_told_as_a_gap_and_the_state_comes_afresh() {
    let live = Live::new(SupervisorSpec::root([service("db")]), config()).await;
    for n in 0..2_500 {
        live.handle.restart_child("db", "test", format!("{n}")).await.unwrap();
    }
    let head = live.handle.subscribe_events().position();
    let mut watcher = live.client().await;
    watcher.subscribe(EVENTS, Some(1)).await;
    let gap = watcher.line().await.unwrap();
    assert_eq!(
        gap,
        json!({"type": "gap", "target_id": TARGET, "stream": "events", "from": 1, "to": head - 4096})
    );
    let event = watcher.push("event").await;
    assert_eq!(event["event"]["sequence"], head - 4096 + 1);
    let delta = watcher.push("state_delta").await;
    assert!(delta["delta"].get("topology").is_some());
    assert_eq!(delta["delta"]["dropped_event_count"], head - 4096);
}

/// A target that was started again counts from 1: a reader that asks for more than there is knows another run.
#[tokio::test]
async fn a_sequence_of_another_run_begins_now_and_afresh() {
    let live = Live::shop().await;
    let head = live.handle.subscribe_events().position();
    let mut watcher = live.client().await;
    assert_eq!(watcher.subscribe(EVENTS, Some(1_000_000)).await, head + 1);
    let delta = watcher.push("state_delta").await["delta"].clone();
    assert_eq!(delta["topology"]["nodes"].as_array().unwrap().len(), 6);
    assert_eq!(delta["state_generation"], head);
    assert_eq!(watcher.subscribe(LOGS, Some(u64::MAX)).await, 1);
}

#[tokio::test]
async fn a_part_of_the_tree_can_be_followed() {
    let live = Live::shop().await;
    let mut watcher = live.client().await;
    let params = json!({"session_established": true, "under": "/pool"});
    watcher.ask(json!({"request_id": "1", "method": EVENTS, "params": params})).await;
    live.handle.restart_child("/db", "test", "not seen").await.unwrap();
    live.handle.restart_child("/pool/one", "test", "seen").await.unwrap();
    assert_eq!(watcher.push("event").await["event"]["target_path"], "/pool/one");
    let delta = watcher.push("state_delta").await;
    let rows = delta["delta"]["runtime_state"].as_array().unwrap().clone();
    assert!(rows.iter().all(|row| row["child_path"] == "/pool/one"), "{rows:?}");
}

/// What a restart costs is the supervisor's, who has no event of his own for it.
#[tokio::test]
async fn a_failure_brings_the_row_of_the_supervisor_with_its_budget() {
    let fail = std::sync::Arc::new(tokio::sync::Notify::new());
    let told = std::sync::Arc::clone(&fail);
    let bad = ChildSpec::service("bad", move |_| {
        let told = std::sync::Arc::clone(&told);
        async move {
            told.notified().await;
            Err::<(), _>("the disk is full")
        }
    });
    let pool = SupervisorSpec::new("pool").child(bad).budget(5, common::secs(600));
    let live = Live::new(SupervisorSpec::root([ChildSpec::supervisor(pool)]), config()).await;
    let mut watcher = live.client().await;
    watcher.subscribe(EVENTS, None).await;
    let mut seen = view(&mut watcher).await;
    let mut below = live.client().await;
    let params = json!({"session_established": true, "under": "/pool/bad"});
    below.ask(json!({"request_id": "1", "method": EVENTS, "params": params})).await;
    fail.notify_one();
    let path = SupervisorPath::parse("/pool").unwrap();
    let used = |seen: &TreeView| seen.row(&path).unwrap().more.budget.unwrap().used;
    assert_eq!(used(&seen), 0);
    while used(&seen) == 0 {
        let line = watcher.line().await.unwrap();
        fold(&mut seen, &line);
    }
    assert_eq!(used(&seen), 1);
    let delta = below.push("state_delta").await;
    let rows = delta["delta"]["runtime_state"].as_array().unwrap().clone();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["child_path"] == "/pool/bad"), "{rows:?}");
}

#[tokio::test]
async fn lines_of_logs_are_pushed_with_the_child_they_come_from() {
    let child = ChildSpec::service("db", |ctx| async move {
        loop {
            ctx.log(Severity::Warning, format!("run {}\nsecond line", ctx.generation()), [("ms", "7")]);
            if ctx.run_until_stopped(std::future::pending::<()>()).await.is_none() {
                return;
            }
        }
    });
    let live = Live::new(SupervisorSpec::root([child]), config()).await;
    let mut watcher = live.client().await;
    assert_eq!(watcher.subscribe(LOGS, Some(1)).await, 1);
    for run in 1..4 {
        let line = watcher.push("log").await;
        let log = &line["log"];
        assert_eq!(
            (&log["message"], &log["sequence"]),
            (&json!(format!("run {run}\nsecond line")), &json!(run))
        );
        assert_eq!((&log["child_path"], &log["generation"]), (&json!("/db"), &json!(run)));
        assert_eq!((&log["severity"], &log["fields"]), (&json!("warning"), &json!({"ms": "7"})));
        live.handle.restart_child("db", "test", "again").await.unwrap();
    }
}

/// The lines that a reader is pushed who asks for those that are kept, and how it was answered.
async fn kept(live: &Live, under: &str, which: &str) -> (Value, Vec<Value>) {
    let mut client = live.client().await;
    let params = json!({"session_established": true, "under": under, "kept": which});
    let answer = client.ask(json!({"request_id": "1", "method": LOGS, "params": params})).await;
    let last = answer["result"]["to_sequence"].as_u64().unwrap();
    let (mut lines, mut seen) = (Vec::new(), 0);
    while seen < last {
        let line = client.line().await.unwrap();
        seen = line["log"]["sequence"].as_u64().or(line["to"].as_u64()).unwrap();
        lines.push(line);
    }
    // Nothing comes after them, whatever is logged.
    client.ask(json!({"request_id": "2", "method": "hello"})).await;
    (answer["result"].clone(), lines)
}

fn told(lines: &[Value]) -> Vec<String> {
    let text = |line: &Value| line["log"]["message"].as_str().unwrap_or("gap").to_owned();
    lines.iter().map(|line| text(line).trim_end_matches('x').trim().to_owned()).collect()
}

#[tokio::test]
async fn what_the_run_before_the_newest_one_logged_is_told_over_restarts() {
    let says = |name: &str, lines: usize| {
        ChildSpec::service(name, move |ctx| async move {
            for line in 0..lines {
                let text = format!("run {} line {line} {}", ctx.generation(), "x".repeat(lines));
                ctx.log(Severity::Info, text, [("k", "v")]);
            }
            ctx.stopping().await;
        })
    };
    let live =
        Live::new(SupervisorSpec::root([says("a", 2), says("b", 1), says("loud", 1000)]), config()).await;
    assert_eq!(
        kept(&live, "/", "previous_run").await,
        (
            json!({"type": "subscription", "target_id": TARGET,
        "subscription": "logs", "from_sequence": 1, "to_sequence": 0}),
            Vec::new()
        ),
        "there was none before"
    );
    for child in ["a", "a", "b", "loud"] {
        live.handle.restart_child(child, "test", "again").await.unwrap();
    }
    assert_eq!(told(&kept(&live, "/a", "previous_run").await.1), ["run 2 line 0", "run 2 line 1"]);
    assert_eq!(told(&kept(&live, "/b", "previous_run").await.1), ["run 1 line 0"]);
    // Of one that has said more than is kept, it is said that there was more.
    let (_, lines) = kept(&live, "/loud", "previous_run").await;
    assert_eq!((&lines[0]["type"], &lines[0]["from"]), (&json!("gap"), &json!(1)), "{:?}", lines[0]);
    assert!(lines[1..].iter().all(|line| line["log"]["generation"] == 1), "{:?}", told(&lines));
}

/// The ring of the whole tree has 4 096 lines, and of each child 256 KiB are kept.
#[tokio::test]
async fn what_a_child_logged_is_told_however_much_the_others_log() {
    let says = |name: &'static str, lines: usize, bytes: usize| {
        ChildSpec::service(name, move |ctx| async move {
            for line in 0..lines {
                let text = format!("{name} {} {}", line, "x".repeat(bytes));
                ctx.log(Severity::Info, text, [("k", "v")]);
            }
            ctx.stopping().await;
            ctx.log(Severity::Info, format!("{name} ends"), [("k", "v")]);
        })
    };
    // They start in this order, and each logs when it is first polled.
    let spec = [says("quiet", 2, 0), says("gone", 1, 0), says("long", 2_000, 500), says("loud", 4_000, 0)];
    let live = Live::new(SupervisorSpec::root(spec), config()).await;
    live.handle.remove_child("gone", "test", "out").await.unwrap();

    assert_eq!(told(&kept(&live, "/quiet", "all").await.1), ["quiet 0", "quiet 1"]);
    let (answer, lines) = kept(&live, "/loud", "all").await;
    assert_eq!((lines.len(), told(&lines)[3_999].as_str()), (4_000, "loud 3999"));
    assert_eq!(answer["to_sequence"], lines[3_999]["log"]["sequence"]);

    // Of this one the first are gone, after those of others that are not.
    let (_, lines) = kept(&live, "/long", "all").await;
    let oldest = lines[1]["log"]["sequence"].as_u64().unwrap();
    assert_eq!((&lines[0]["type"], lines[0]["to"].as_u64()), (&json!("gap"), Some(oldest - 1)));
    assert!(lines.len() > 100, "{}", lines.len());
    assert!(lines[1..].iter().all(|line| line["type"] == "log"), "{:?}", told(&lines));

    // All of them in their order, and what the ring has of who is gone.
    let (_, lines) = kept(&live, "/", "all").await;
    let sequences = lines.iter().filter_map(|line| line["log"]["sequence"].as_u64());
    assert!(sequences.is_sorted_by(|one, next| one < next));
    let texts = told(&lines);
    assert_eq!(texts[..3], ["quiet 0", "quiet 1", "gap"], "{:?}", &texts[..5]);
    assert_eq!(texts.last().unwrap(), "gone ends");
    assert_eq!(texts.iter().filter(|text| *text == "gap").count(), 1);

    // From a sequence on.
    let mut client = live.client().await;
    let params = json!({"session_established": true, "under": "/quiet", "kept": "all", "from_sequence": 2});
    client.ask(json!({"request_id": "1", "method": LOGS, "params": params})).await;
    assert_eq!(client.line().await.unwrap()["log"]["message"].as_str().unwrap().trim(), "quiet 1");
}

/// The children are read one after the other, while they go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_kept_has_no_holes_however_much_is_logged_meanwhile() {
    let says = |name: &'static str| {
        ChildSpec::service(name, |ctx| async move {
            for _ in 0..1_500 {
                ctx.log(Severity::Info, "line", [("k", "v")]);
                tokio::task::yield_now().await;
            }
            ctx.stopping().await;
        })
    };
    let live = Live::new(SupervisorSpec::root([says("a"), says("b")]), config()).await;
    loop {
        let (_, lines) = kept(&live, "/", "all").await;
        let sequences: Vec<u64> = lines.iter().filter_map(|line| line["log"]["sequence"].as_u64()).collect();
        assert!(sequences.iter().copied().eq(1..=sequences.len() as u64), "{sequences:?}");
        if sequences.len() == 3_000 {
            break;
        }
    }
}

#[tokio::test]
async fn of_events_nothing_but_what_comes_is_told() {
    let live = Live::shop().await;
    let params = json!({"session_established": true, "kept": "all"});
    let answer = live.ask_once(json!({"request_id": "1", "method": EVENTS, "params": params})).await;
    assert_eq!(answer["error"]["code"], "invalid_command_params", "{answer}");
}

#[tokio::test]
async fn pushes_and_answers_share_a_connection() {
    let live = Live::shop().await;
    let mut client = live.client().await;
    client.subscribe(EVENTS, None).await;
    client.subscribe(LOGS, None).await;
    let mut seen = view(&mut client).await;
    client.send_json(&command_request("c", "restart_child", "/db")).await;
    let (mut answered, mut pushed) = (false, false);
    while !(answered && pushed) {
        let line = client.line().await.unwrap();
        match TargetLine::read(line.to_string().as_bytes()).unwrap() {
            TargetLine::Response(response) => answered = response.ok,
            TargetLine::Push(push) => {
                pushed |= matches!(&*push, Push::Event { event, .. } if event.correlation_id.as_deref() == Some("c"));
                seen.apply(*push);
            }
        }
    }
}

#[tokio::test]
async fn the_end_of_the_tree_is_pushed_and_reads_go_on() {
    let live = Live::shop().await;
    let mut client = live.client().await;
    client.subscribe(EVENTS, None).await;
    live.handle.shutdown("test", "over").await.unwrap();
    while client.push("event").await["event"]["event_type"] != "ShutdownCompleted" {}
    let delta = client.push("state_delta").await["delta"].clone();
    assert!(delta["state_generation"].as_u64().unwrap() > 0);
    assert_eq!(client.hello().await["ok"], true);
}
