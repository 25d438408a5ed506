//! What can be read: `hello`, `state`, and what is not there.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::time::Duration;

use common::{SOCKET, Scene, TARGET, config, other, owner, secs, service, shop};
use serde_json::{Value, json};
use supervisor_api::wire::{DashboardState, RECENT, RowMore, RuntimeRow, UnixNanos};
use supervisor_control::Role;
use tokio_supervisor::{Backoff, ChildContext, ChildSpec, ReadinessMode, Severity, Strategy, SupervisorSpec};

fn request(method: &str) -> Value {
    json!({"request_id": "1", "method": method, "params": {}})
}

fn row<'a>(state: &'a DashboardState, path: &str) -> &'a RuntimeRow {
    state.runtime_state.iter().find(|row| row.child_path.as_str() == path).unwrap()
}

fn paths(state: &DashboardState) -> Vec<&str> {
    state.runtime_state.iter().map(|row| row.child_path.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn hello_tells_who_is_there_and_what_the_caller_may_do() {
    let scene = Scene::shop().await;
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let answer = scene.ask(&other(role), request("hello")).await;
        let commands = &answer["result"]["registration"]["supported_commands"];
        assert_eq!(commands.as_array().unwrap().len(), 7);
        assert_eq!(commands[0], json!({"name": "restart_child", "idempotent": true, "timeout_seconds": 30}));
        let mut rest = answer.clone();
        rest["result"]["registration"]["supported_commands"] = Value::Null;
        let expected = json!({"request_id": "1", "ok": true, "result": {
            "type": "hello",
            "protocol_version": "dashboard-ipc.v1",
            "registration": {"target_id": TARGET, "display_name": TARGET, "ipc_path": SOCKET, "lease_seconds": 30,
                "supported_commands": null},
            "capabilities": ["why", "what_if", "command.signal_child"],
            "role": role.as_str(),
        }});
        assert_eq!(rest, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_is_the_whole_tree_as_it_is_now() {
    let scene = Scene::new(shop(), {
        let mut config = config();
        config.display_name = "The shop".into();
        config
    })
    .await;
    let state = scene.state(json!({})).await;
    let target = serde_json::to_value(&state.target).unwrap();
    assert_eq!(
        target,
        json!({"target_id": TARGET, "display_name": "The shop",
        "registration_state": "active", "connection_state": "registered"})
    );
    assert_eq!(paths(&state), ["/", "/db", "/web", "/pool", "/pool/one", "/fixed"]);
    let nodes: Vec<_> = state.topology.nodes.iter().map(|node| node.path.as_str()).collect();
    assert_eq!(nodes, paths(&state), "a node for each row");
    let node = serde_json::to_value(&state.topology.nodes[1]).unwrap();
    assert_eq!(
        node,
        json!({"node_id": "/db", "child_id": "db", "path": "/db", "name": "db", "kind": "child_task",
        "tags": ["data"], "criticality": "standard", "state_summary": "running", "diagnostics": {}})
    );
    let edges: Vec<_> = state.topology.edges.iter().map(|edge| (edge.edge_id.as_str(), edge.order)).collect();
    assert_eq!(
        edges,
        [
            ("parent:/->/db", 0),
            ("parent:/->/web", 1),
            ("parent:/->/pool", 2),
            ("parent:/pool->/pool/one", 0),
            ("parent:/->/fixed", 3),
            ("dependency:/web->/db", 0),
        ]
    );
    assert_eq!(state.topology.declaration_order, ["/db", "/web", "/pool", "/pool/one", "/fixed"]);
    assert_eq!(&*state.config_version, "0123456789abcdef");
    assert!(state.generated_at_unix_nanos.0 > 1_700_000_000_000_000_000);
    assert_eq!(state.recent_events.last().unwrap().sequence, state.state_generation);
    assert_eq!(&*state.recent_events[0].config_version, "0123456789abcdef");
}

#[tokio::test(start_paused = true)]
async fn the_generation_grows_with_every_change_and_never_without_one() {
    let scene = Scene::shop().await;
    let strip = |mut state: DashboardState| {
        state.generated_at_unix_nanos.0 = 0;
        if let Some(health) = &mut state.health {
            health.last_observed_at_unix_nanos = 0;
        }
        state
    };
    let first = scene.state(json!({})).await;
    tokio::time::advance(secs(100)).await;
    assert_eq!(strip(scene.state(json!({})).await), strip(first.clone()), "nothing happened");
    scene.command("c", "pause_child", "/db").await;
    let second = scene.state(json!({})).await;
    assert!(second.state_generation > first.state_generation);
    assert_eq!(row(&second, "/db").lifecycle_state.as_str(), "paused");
    assert_eq!(second.topology.nodes[1].state_summary.as_str(), "paused");
    scene.command("again", "pause_child", "/db").await;
    let third = scene.state(json!({})).await;
    assert!(third.state_generation > second.state_generation, "the command is an event, too");
    assert_eq!(row(&third, "/db").generation, row(&second, "/db").generation);
}

#[tokio::test(start_paused = true)]
async fn pages_are_parts_of_the_whole() {
    let children = (0..25).map(|n| service(&format!("w{n}")));
    let scene = Scene::new(SupervisorSpec::root(children), config()).await;
    let whole = scene.state(json!({})).await;
    let (mut rows, mut nodes, mut edges) = (Vec::new(), Vec::new(), Vec::new());
    let mut after = Value::Null;
    loop {
        let page = scene.state(json!({"limit": 7, "after": after})).await;
        assert!(page.runtime_state.len() <= 7);
        rows.extend(page.runtime_state);
        nodes.extend(page.topology.nodes);
        edges.extend(page.topology.edges);
        let Some(next) = page.next_after else { break };
        after = json!(next);
    }
    assert_eq!(rows, whole.runtime_state);
    assert_eq!(nodes, whole.topology.nodes);
    assert_eq!(edges, whole.topology.edges);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_the_tree_can_be_asked_for() {
    let scene = Scene::shop().await;
    let state = scene.state(json!({"under": "/pool"})).await;
    assert_eq!(paths(&state), ["/pool", "/pool/one"]);
    let edges: Vec<_> = state.topology.edges.iter().map(|edge| edge.edge_id.as_str()).collect();
    assert_eq!(edges, ["parent:/pool->/pool/one"], "no edge to what is not there");
    for (params, word) in
        [(json!({"under": "/pol"}), "nearest: /pool"), (json!({"after": "/gone"}), "first page")]
    {
        let answer =
            scene.ask(&owner(), json!({"request_id": "1", "method": "state", "params": params})).await;
        assert_eq!(answer["error"]["code"], "invalid_command_params", "{answer}");
        assert_eq!(answer["error"]["target_id"], TARGET);
        assert!(answer["error"]["message"].as_str().unwrap().contains(word), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_holds_the_newest_128_events_and_lines_and_counts_what_is_gone() {
    let child = ChildSpec::service("db", |ctx| async move {
        for n in 0..2_000 {
            ctx.log(Severity::Info, format!("line {n} {}", "x".repeat(500)), [("n", n.to_string())]);
        }
        ctx.stopping().await;
    });
    let scene = Scene::new(SupervisorSpec::root([child, service("web")]), config()).await;
    tokio::task::yield_now().await;
    let few = scene.state(json!({})).await;
    assert_eq!(few.dropped_event_count, 0);
    for n in 0..2_500 {
        scene.handle.restart_child("web", "test", format!("{n}")).await.unwrap();
    }
    let state = scene.state(json!({})).await;
    let head = state.state_generation;
    let sequences: Vec<_> = state.recent_events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (head - RECENT as u64 + 1..=head).collect::<Vec<_>>());
    assert_eq!(state.dropped_event_count, head - 4096, "the journal keeps 4 096");
    assert_eq!(scene.handle.missed_events(), 0, "a look at the state is no slow reader");
    let sequences: Vec<_> = state.recent_logs.iter().map(|line| line.sequence.unwrap()).collect();
    assert_eq!(sequences, (2_000 - RECENT as u64 + 1..=2_000).collect::<Vec<_>>());
    let last = state.recent_logs.last().unwrap();
    assert_eq!((last.child_path.as_ref().unwrap().as_str(), last.generation), ("/db", Some(1)));
    assert_eq!(last.fields["n"], "1999");
    assert_eq!(state.dropped_log_count, scene.handle.dropped_logs());
    assert!(state.dropped_log_count > 0);
}

#[tokio::test(start_paused = true)]
async fn why_answers_for_one_child() {
    let scene = Scene::shop().await;
    let why = |child: &str| json!({"request_id": "1", "method": "why", "params": {"child_path": child}});
    for child in ["/pool/one", "one"] {
        let answer = scene.ask(&other(Role::Viewer), why(child)).await;
        assert_eq!(
            (&answer["result"]["type"], &answer["result"]["target_id"]),
            (&json!("why"), &json!(TARGET))
        );
        let why = &answer["result"]["why"];
        assert_eq!((&why["child_path"], &why["next"]), (&json!("/pool/one"), &json!("nothing")));
        assert!(why["sentence"].as_str().unwrap().starts_with("/pool/one is running"), "{why}");
    }
    for (child, word) in [("/pool/two", "there is no child"), ("", "say which child"), ("a//b", "")] {
        let answer = scene.ask(&owner(), why(child)).await;
        assert_eq!(
            (&answer["ok"], &answer["error"]["code"]),
            (&json!(false), &json!("invalid_command_params"))
        );
        assert!(answer["error"]["message"].as_str().unwrap().contains(word), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_refused_and_not_promised() {
    let scene = Scene::shop().await;
    let command = |command: &str, more: (&str, &str)| {
        let mut request = common::command_request("c", command, Value::Null);
        request["params"][more.0] = json!(more.1);
        request
    };
    for request in [
        json!({"request_id": "1", "method": "plan", "params": {"stack": ""}}),
        command("apply", ("stack", "version: 1")),
        command("reload", ("reason", "edited")),
    ] {
        let answer = scene.ask(&owner(), request.clone()).await;
        assert_eq!(
            (&answer["ok"], &answer["error"]["code"]),
            (&json!(false), &json!("unsupported_method")),
            "{request}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn reads_go_on_after_the_end_of_the_tree() {
    let scene = Scene::shop().await;
    scene.handle.shutdown("test", "over").await.unwrap();
    let state = scene.state(json!({})).await;
    assert_eq!(row(&state, "/db").lifecycle_state.as_str(), "stopped");
    assert_eq!(state.recent_events.last().unwrap().event_type.as_str(), "ShutdownCompleted");
    assert_eq!(scene.ask(&owner(), request("hello")).await["ok"], true);
}

/// What a row tells of times, of its process and of its budget.
fn more<'a>(state: &'a DashboardState, path: &str) -> &'a RowMore {
    &row(state, path).more
}

/// Until `/bad`, which runs for a second each time, is in back-off. Its first restart has no delay.
async fn until_backoff(scene: &Scene) {
    for _ in 0..10 {
        if scene.lifecycle("/bad").await.unwrap() == "backoff" {
            return;
        }
        tokio::time::advance(secs(1)).await;
        tokio::task::yield_now().await;
    }
    panic!("it does not fail");
}

#[tokio::test(start_paused = true)]
async fn a_row_says_since_when_and_when_it_is_started_next() {
    let delay = Duration::from_secs(3_600);
    let backoff = Backoff { jitter_ratio: 0.0, ..Backoff::exponential(delay, delay) };
    let failing = ChildSpec::service("bad", |_| async {
        tokio::time::sleep(secs(1)).await;
        Err::<(), _>("the disk is full")
    });
    let spec = SupervisorSpec::root([failing.backoff(backoff), service("db")]).budget(5, secs(7_200));
    let scene = Scene::new(spec, config()).await;
    until_backoff(&scene).await;
    let state = scene.state(json!({})).await;
    let event = state.recent_events.iter().rfind(|event| event.target_path.as_str() == "/bad").unwrap();
    let (bad, since) = (more(&state, "/bad"), event.occurred_at_unix_nanos);
    assert_eq!(bad.since_unix_nanos, Some(since));
    assert_eq!(bad.next_start_at_unix_nanos, Some(UnixNanos(since.0 + 3_600_000_000_000)));
    assert_eq!((bad.started_at_unix_nanos, bad.pid, bad.budget), (None, None, None));
    let root = more(&state, "/").budget.unwrap();
    assert_eq!((root.used, root.max, root.window_nanos), (2, 5, 7_200_000_000_000));
    let clear = root.clear_at_unix_nanos.unwrap().abs_diff(since.0 + 7_200_000_000_000);
    assert!(clear < 60_000_000_000, "as long after the charge as the window is: {clear} ns off");

    let up = more(&state, "/db").clone();
    assert!(up.since_unix_nanos.is_some() && up.started_at_unix_nanos <= up.since_unix_nanos);
    scene.command("c", "pause_child", "/db").await;
    let held = scene.state(json!({})).await;
    let paused = held.recent_events.iter().find(|event| event.event_type.as_str() == "Paused").unwrap();
    let db = more(&held, "/db");
    assert_eq!(db.since_unix_nanos, Some(paused.occurred_at_unix_nanos));
    assert!(db.since_unix_nanos > up.since_unix_nanos);
    assert_eq!(db.started_at_unix_nanos, None, "nothing runs");
    assert_eq!(more(&held, "/bad").since_unix_nanos, Some(since), "of others nothing changed");

    // The budget ages, and that is no change: the generation stands. Past the next start it is another one.
    let before = scene.state(json!({})).await;
    tokio::time::advance(secs(1_800)).await;
    let after = scene.state(json!({})).await;
    assert_eq!(before.state_generation, after.state_generation);
    assert_eq!(more(&after, "/bad"), more(&before, "/bad"));
    tokio::time::advance(secs(1_801)).await;
    while scene.lifecycle("/bad").await.unwrap() == "backoff" {
        tokio::task::yield_now().await;
    }
    until_backoff(&scene).await;
    let again = scene.state(json!({})).await;
    assert_eq!(more(&again, "/").budget.unwrap().used, 3);
    tokio::time::advance(secs(3_599)).await;
    assert_eq!(
        more(&scene.state(json!({})).await, "/").budget.unwrap().used,
        1,
        "the others are too old by now"
    );
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_says_its_strategy_and_whether_it_is_dynamic() {
    let pool = SupervisorSpec::new("pool").dynamic(10);
    let group = SupervisorSpec::new("group").child(service("one")).strategy(Strategy::OneForAll).unlimited();
    let children = [service("db"), ChildSpec::supervisor(pool), ChildSpec::supervisor(group)];
    let state = Scene::new(SupervisorSpec::root(children), config()).await.state(json!({})).await;
    let said = state
        .topology
        .nodes
        .iter()
        .map(|node| (node.path.as_str(), node.strategy.as_ref().map(ToString::to_string), node.dynamic));
    let alone = Some("one_for_one".to_owned());
    assert_eq!(
        said.collect::<Vec<_>>(),
        [
            ("/", alone.clone(), Some(false)),
            ("/db", None, None),
            ("/pool", alone, Some(true)),
            ("/group", Some("one_for_all".to_owned()), Some(false)),
            ("/group/one", None, None),
        ]
    );
    assert_eq!(more(&state, "/group").budget, None, "it has no limit");
}

#[tokio::test(start_paused = true)]
async fn a_row_says_what_its_live_run_is_doing() {
    let busy = ChildSpec::service("db", |ctx: ChildContext| async move {
        ctx.phase("loading 3 of 9");
        ctx.ready();
        ctx.stopping().await;
    });
    let silent = ChildSpec::service("web", |ctx: ChildContext| async move {
        ctx.phase("");
        ctx.ready();
        ctx.stopping().await;
    });
    let spec = SupervisorSpec::root([busy, silent].map(|child| child.readiness(ReadinessMode::Explicit)));
    let scene = Scene::new(spec, config()).await;
    while row(&scene.state(json!({})).await, "/web").lifecycle_state.as_str() != "running" {
        tokio::task::yield_now().await;
    }
    let state = scene.state(json!({})).await;
    assert_eq!(more(&state, "/db").phase.as_deref(), Some("loading 3 of 9"));
    assert_eq!(more(&state, "/web").phase, None);
    scene.handle.pause_child("/db", "test", "look").await.unwrap();
    assert_eq!(more(&scene.state(json!({})).await, "/db").phase, None, "it is no run's any more");
}

#[tokio::test(start_paused = true)]
async fn a_row_says_when_its_last_heartbeat_came() {
    let beats = ChildSpec::service("db", |ctx: ChildContext| async move {
        ctx.heartbeat();
        ctx.stopping().await;
    });
    let beats = beats.heartbeat(secs(60), secs(60), 3);
    let scene = Scene::new(SupervisorSpec::root([beats, service("web")]), config()).await;
    while more(&scene.state(json!({})).await, "/db").last_heartbeat_unix_nanos.is_none() {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(secs(30)).await;
    let state = scene.state(json!({})).await;
    let age = state.generated_at_unix_nanos.0 - more(&state, "/db").last_heartbeat_unix_nanos.unwrap().0;
    assert!((30_000_000_000..31_000_000_000).contains(&age), "{age}");
    assert_eq!(more(&state, "/web").last_heartbeat_unix_nanos, None);
    tokio::time::advance(secs(91)).await;
    while row(&scene.state(json!({})).await, "/db").health.as_str() != "stale" {
        tokio::task::yield_now().await;
    }
    assert_eq!(more(&scene.state(json!({})).await, "/db").last_heartbeat_unix_nanos, None, "it is late");
}

/// What is written from parts that are lent is what the types that are read write.
#[tokio::test(start_paused = true)]
async fn a_state_is_written_as_its_types_write_it() {
    let failing = ChildSpec::service("bad", |_: ChildContext| async move { Err::<(), _>("say \"why\"\n") });
    let failing = failing.backoff(Backoff::exponential(secs(3600), secs(3600)));
    let scene = Scene::new(shop(), config()).await;
    scene.handle.add_child_spec("/pool", failing, "test", "x").await.unwrap();
    while scene.lifecycle("/pool/bad").await.as_deref() != Some("backoff") {
        tokio::task::yield_now().await;
    }
    for (params, rows) in
        [(json!({}), 7), (json!({"under": "/pool"}), 3), (json!({"after": "/db", "limit": 2}), 2)]
    {
        let request = json!({"request_id": "1", "method": "state", "params": params}).to_string();
        let request = supervisor_api::wire::Request::read(request.as_bytes()).unwrap();
        let line = scene.dispatcher.answer(&owner(), request).await.into_line();
        let line = String::from_utf8(line).unwrap();
        let read: supervisor_api::wire::Response = serde_json::from_str(&line).unwrap();
        assert_eq!(
            serde_json::to_value(&read).unwrap(),
            serde_json::from_str::<Value>(&line).unwrap(),
            "{params}"
        );
        let Some(supervisor_api::wire::ResultBody::State { state, .. }) = read.result else {
            panic!("{line}")
        };
        let topology = serde_json::to_string(&state.topology).unwrap();
        assert!(line.contains(&format!(r#""topology":{topology},"runtime_state":["#)), "{line}");
        assert_eq!(state.runtime_state.len(), rows, "{params}");
    }
}
