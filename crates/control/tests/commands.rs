//! The seven commands, what becomes of them, and how they are refused.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::{Scene, TARGET, command_request, config, other, owner, secs, service, shop};
use serde_json::{Value, json};
use supervisor_api::manifest::StopSignal;
use supervisor_api::policy::Signals;
use supervisor_control::{AllowedPrograms, Caller, Role};
use tokio_supervisor::{ChildContext, ChildSpec, EventItem, EventKind, Permissions, SupervisorSpec};

/// Code, status and `ok` of an answer to a command.
fn verdict(answer: &Value) -> (String, String, bool) {
    let result = &answer["result"]["result"];
    let error = if answer["ok"] == true { &result["error"] } else { &answer["error"] };
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (word(&error["code"]), word(&result["status"]), answer["ok"] == true)
}

#[tokio::test(start_paused = true)]
async fn each_command_is_completed_and_the_next_read_shows_its_effect() {
    let scene = Scene::shop().await;
    let worker = json!({"name": "worker", "kind": "async_worker"});
    for (id, command, child, path, after) in [
        ("1", "pause_child", json!("/db"), "/db", Some("paused")),
        ("2", "resume_child", json!("db"), "/db", Some("running")),
        ("3", "quarantine_child", json!("/pool/one"), "/pool/one", Some("quarantined")),
        ("4", "restart_child", json!("/pool/one"), "/pool/one", Some("running")),
        ("5", "remove_child", json!("/pool/one"), "/pool/one", None),
        ("6", "add_child", worker, "/worker", Some("running")),
        (
            "7",
            "add_child",
            json!("name: late\nkind: async_worker\nfactory: worker\n"),
            "/late",
            Some("running"),
        ),
        ("8", "shutdown_tree", Value::Null, "/db", Some("stopped")),
    ] {
        let result = scene.command(id, command, child).await;
        assert_eq!(result["status"], "completed", "{command}: {result}");
        assert_eq!((&result["command_id"], &result["target_id"]), (&json!(id), &json!(TARGET)));
        assert_eq!((&result["accepted"], &result["error"]), (&json!(true), &Value::Null));
        assert!(result["completed_at_unix_nanos"].as_u64().unwrap() > 1_700_000_000_000_000_000);
        assert_eq!(scene.lifecycle(path).await.as_deref(), after, "after {command}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_says_what_the_tree_answered_and_what_changed() {
    let scene = Scene::shop().await;
    let result = scene.command("c", "restart_child", "/db").await;
    assert_eq!(result["outcome"]["type"], "child_control");
    let outcome = &result["outcome"]["outcome"];
    assert_eq!(
        (&outcome["path"], &outcome["generation"], &outcome["state_after"]),
        (&json!("/db"), &json!(2), &json!("running"))
    );
    let delta = &result["state_delta"];
    assert_eq!(
        (&delta["runtime_state"][0]["child_path"], &delta["runtime_state"][0]["generation"]),
        (&json!("/db"), &json!(2))
    );
    assert_eq!(delta["state_generation"], scene.state(json!({})).await.state_generation);
    let result = scene.command("d", "add_child", json!({"name": "worker", "kind": "async_worker"})).await;
    assert_eq!(
        result["outcome"],
        json!({"type": "child_added", "path": "/worker", "state": "running", "generation": 1})
    );
}

#[tokio::test(start_paused = true)]
async fn add_child_names_the_supervisor_and_root_is_the_default() {
    let scene = Scene::shop().await;
    let add = |id: &str, under: Value, name: &str| {
        let mut request = command_request(
            id,
            "add_child",
            json!({"name": name, "kind": "async_worker", "factory": "worker"}),
        );
        request["params"]["target"]["child_path"] = under;
        request
    };
    for (id, under, name, path) in [
        ("1", Value::Null, "a", "/a"),
        ("2", json!("/"), "b", "/b"),
        ("3", json!("/pool"), "c", "/pool/c"),
        ("4", json!("pool"), "d", "/pool/d"),
    ] {
        assert_eq!(verdict(&scene.ask(&owner(), add(id, under, name)).await).1, "completed");
        assert_eq!(scene.lifecycle(path).await.as_deref(), Some("running"), "{path}");
    }
    let answer = scene.ask(&owner(), add("5", json!("/db"), "e")).await;
    assert_eq!(verdict(&answer).0, "validation_failed", "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_signal_reaches_the_run_that_takes_it_and_nobody_else() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = heard.clone();
    let program = ChildSpec::service("program", move |ctx| {
        let notes = notes.clone();
        async move {
            let again = notes.clone();
            ctx.on_signal(move |signal| {
                notes.lock().unwrap().push(signal.to_string());
                Ok(())
            });
            ctx.on_reload(move |signal| {
                again.lock().unwrap().push(format!("reload by {signal}"));
                Ok(())
            });
            ctx.stopping().await;
        }
    });
    let program = program.reload_signal(StopSignal::Hup);
    let scene = Scene::new(SupervisorSpec::root([program, service("task")]), config()).await;
    let signal = |id: &str, child: &str, signal: &str| {
        let mut request = command_request(id, "signal_child", child);
        request["params"]["signal"] = json!(signal);
        request
    };
    for (id, word) in [("1", "HUP"), ("2", "SIGUSR1"), ("7", "reload")] {
        let answer = scene.ask(&other(Role::Operator), signal(id, "/program", word)).await;
        assert_eq!(verdict(&answer).1, "completed", "{answer}");
    }
    assert_eq!(*heard.lock().unwrap(), ["SIGHUP", "SIGUSR1", "reload by SIGHUP"]);
    for (id, child, word, code, part) in [
        ("3", "/task", "HUP", "validation_failed", "takes no signals"),
        ("8", "/task", "RELOAD", "validation_failed", "/task has no `reload_signal`"),
        ("4", "/program", "SEGV", "validation_failed", "there is no signal 'SEGV'; there are SIGTERM"),
        ("5", "/nobody", "HUP", "validation_failed", "there is no child"),
    ] {
        let answer = scene.ask(&owner(), signal(id, child, word)).await;
        assert_eq!(verdict(&answer), (code.into(), "rejected".into(), true), "{answer}");
        let message = answer["result"]["result"]["error"]["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(
        verdict(&scene.ask(&other(Role::Viewer), signal("6", "/program", "HUP")).await).0,
        "authz_denied"
    );
    assert_eq!(heard.lock().unwrap().len(), 3);
}

/// The events of a command carry its id, and an unbound child is declared: the smallest example of the contract.
#[tokio::test(start_paused = true)]
async fn events_carry_the_id_of_the_command_behind_them() {
    let scene = Scene::shop().await;
    let mut events = scene.handle.subscribe_events();
    let result =
        scene.command("my command", "add_child", json!({"name": "nobody", "kind": "async_worker"})).await;
    assert_eq!(result["outcome"]["state"], "declared");
    let mut kinds = Vec::new();
    while let Some(EventItem::Event(event)) = events.try_next() {
        assert_eq!(event.correlation_id(), Some("my command"), "{event}");
        kinds.push(event.event.kind);
    }
    assert!(
        kinds.contains(&EventKind::ChildDeclarationAccepted) && kinds.contains(&EventKind::CommandCompleted),
        "{kinds:?}"
    );
    let state = scene.state(json!({})).await;
    assert_eq!(state.recent_events.last().unwrap().correlation_id.as_deref(), Some("my command"));
    let node = state.topology.nodes.last().unwrap();
    assert_eq!(node.diagnostics["unbound"], "no factory named nobody");
}

#[tokio::test(start_paused = true)]
async fn refusals_of_the_values_of_a_command() {
    let scene = Scene::shop().await;
    let change = |command: &str, child: Value, keys: &[&str], value: Value| {
        let mut request = command_request("c", command, child);
        let place = keys.iter().fold(&mut request["params"], |place, key| &mut place[*key]);
        *place = value;
        request
    };
    let long = "x".repeat(5_000);
    for (request, word) in [
        (change("restart_child", json!("/db"), &["target_id"], json!("other")), "this target is 'shop'"),
        (change("restart_child", json!("/db"), &["reason"], json!(" ")), "reason is blank"),
        (change("restart_child", json!("/db"), &["requested_by"], json!("")), "requested_by is blank"),
        (change("restart_child", json!("/db"), &["reason"], json!(long)), "reason has 5000 bytes"),
        (
            change("restart_child", json!("/db"), &["requested_by"], json!(long)),
            "requested_by has 5000 bytes",
        ),
        (command_request("c", "restart_child", Value::Null), "needs target.child_path"),
        (command_request("c", "restart_child", "a//b"), "target.child_path"),
        (command_request("c", "restart_child", "/../x"), "target.child_path"),
        (command_request("c", "restart_child", "/bd"), "nearest: /db"),
        (command_request("c", "restart_child", "/"), ""),
        (command_request("c", "shutdown_tree", "/db"), "about the whole tree"),
        (command_request("c", "remove_child", "/db"), "/web depends on it"),
        (command_request("c", "add_child", json!({"name": "db", "kind": "async_worker"})), "already"),
        (
            command_request(
                "c",
                "add_child",
                json!({"name": "x", "kind": "async_worker", "restart_polcy": "permanent"}),
            ),
            "did you mean `restart_policy`",
        ),
        (
            command_request("c", "add_child", json!("name: x\nkind: async_worker\nkind: process\n")),
            "duplicate",
        ),
        (command_request("c", "add_child", json!({"name": "..", "kind": "async_worker"})), "the id '..'"),
        (command_request("c", "add_child", json!([1])), "invalid"),
        (
            change("restart_child", json!("/db"), &["expect_state_generation"], json!(1)),
            "the state has moved on",
        ),
        (change("restart_child", json!("/db"), &["signal"], json!("HUP")), "takes no signal"),
    ] {
        let mut request = request;
        // Each with an id of its own: a command that began keeps its id.
        request["params"]["command_id"] = json!(format!("c-{word}"));
        let before = scene.state(json!({})).await.runtime_state;
        let answer = scene.ask(&owner(), request.clone()).await;
        assert_eq!(
            verdict(&answer),
            ("validation_failed".into(), "rejected".into(), true),
            "{request}: {answer}"
        );
        let error = &answer["result"]["result"]["error"];
        assert!(error["message"].as_str().unwrap().contains(word), "{word}: {error}");
        assert_eq!(error["target_id"], TARGET);
        assert_eq!(scene.state(json!({})).await.runtime_state, before, "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_at_the_expected_generation_is_carried_out() {
    let scene = Scene::shop().await;
    let mut request = command_request("c", "restart_child", "/db");
    request["params"]["expect_state_generation"] = json!(scene.state(json!({})).await.state_generation);
    assert_eq!(verdict(&scene.ask(&owner(), request).await).1, "completed");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_began_and_ended_otherwise_than_wished_failed() {
    let fails_again = ChildSpec::service("db", |ctx| async move {
        if ctx.generation() > 1 {
            return Err("no disk");
        }
        ctx.ready();
        ctx.stopping().await;
        Ok(())
    });
    let scene = Scene::new(SupervisorSpec::root([fails_again.ready_within(secs(5))]), config()).await;
    let result = scene.command("c", "restart_child", "/db").await;
    assert_eq!((&result["status"], &result["accepted"]), (&json!("failed"), &json!(false)), "{result}");
    let error = &result["error"];
    assert_eq!((&error["code"], &error["stage"]), (&json!("command_failed"), &json!("command_dispatch")));
    assert_eq!(error["retryable"], true);
    assert!(error["message"].as_str().unwrap().contains("did not start"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn after_30_seconds_a_command_goes_on_and_its_outcome_follows() {
    let slow = ChildSpec::service("slow", |ctx| async move {
        ctx.stopping().await;
        tokio::time::sleep(secs(45)).await;
    });
    let scene = Scene::new(SupervisorSpec::root([slow.grace_infinity()]), config()).await;
    let mut events = scene.handle.subscribe_events();
    let began = tokio::time::Instant::now();
    let result = scene.command("c", "pause_child", "/slow").await;
    assert_eq!(began.elapsed(), secs(30));
    assert_eq!(
        result,
        json!({"command_id": "c", "target_id": TARGET, "accepted": true, "status": "accepted",
        "error": null, "state_delta": null, "completed_at_unix_nanos": null})
    );
    // Sent again it is the same command, and has its outcome when the first has.
    let again = scene.command("c", "pause_child", "/slow").await;
    assert_eq!((began.elapsed(), &again["status"]), (secs(45), &json!("completed")));
    let mut outcome = None;
    while let Some(EventItem::Event(event)) = events.try_next() {
        if event.event.kind == EventKind::CommandCompleted {
            outcome = event.correlation_id().map(str::to_owned);
        }
    }
    assert_eq!(outcome.as_deref(), Some("c"));
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_takes_nothing_back() {
    let scene = Scene::shop().await;
    let dispatcher = scene.dispatcher.clone();
    let line = command_request("c", "pause_child", "/db").to_string();
    let request = supervisor_api::wire::Request::read(line.as_bytes()).unwrap();
    let caller = owner();
    let mut asked = Box::pin(async move { dispatcher.answer(&caller, request).await });
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(asked.as_mut().poll(cx))).await.is_pending());
    drop(asked);
    let result = scene.command("c", "pause_child", "/db").await;
    assert_eq!(result["status"], "completed");
    assert_eq!(result["outcome"]["outcome"]["idempotent"], false, "it was the first that did it");
}

#[tokio::test(start_paused = true)]
async fn after_the_end_a_command_is_rejected() {
    let scene = Scene::shop().await;
    scene.handle.shutdown("test", "over").await.unwrap();
    for (id, command, child) in [
        ("1", "restart_child", json!("/db")),
        ("2", "add_child", json!({"name": "worker", "kind": "async_worker"})),
    ] {
        let answer = scene.ask(&owner(), command_request(id, command, child)).await;
        assert_eq!(verdict(&answer), ("target_unavailable".into(), "rejected".into(), true), "{answer}");
    }
    let result = scene.command("3", "shutdown_tree", Value::Null).await;
    assert_eq!(result["status"], "completed", "it is down: {result}");
}

#[tokio::test(start_paused = true)]
async fn s05_who_acted_is_what_the_transport_proved() {
    let scene = Scene::shop().await;
    let by = async |caller: Caller, id: &str| {
        scene.ask(&caller, command_request(id, "restart_child", "/db")).await;
        let state = scene.state(json!({})).await;
        let told =
            state.recent_events.iter().rev().find_map(|event| event.payload.get("requested_by").cloned());
        told.unwrap()
    };
    assert_eq!(by(owner(), "1").await, "ann", "the owner could be anybody here");
    assert_eq!(by(other(Role::Operator), "2").await, "uid 4242 (says 'ann')");
    let mut request = command_request("4", "restart_child", "/db");
    request["params"]["requested_by"] = json!("\u{202e}nna\n");
    scene.ask(&owner(), request).await;
    let told = scene.state(json!({})).await.recent_events.pop().unwrap().payload["requested_by"].clone();
    assert_eq!(told, "\\u{202e}nna", "what would change how others are read is escaped");
    // Rights do not come from it either.
    let mut request = command_request("3", "shutdown_tree", Value::Null);
    request["params"]["requested_by"] = json!("root");
    assert_eq!(verdict(&scene.ask(&other(Role::Operator), request).await).0, "authz_denied");
}

#[tokio::test(start_paused = true)]
async fn s06_only_add_child_may_be_long() {
    let scene = Scene::shop().await;
    let mut request = command_request("1", "restart_child", "/db");
    request["padding"] = json!("x".repeat(70_000));
    let answer = scene.ask(&owner(), request).await;
    assert_eq!((&answer["ok"], &answer["error"]["code"]), (&json!(false), &json!("request_too_large")));
    assert_eq!((&answer["error"]["stage"], &answer["request_id"]), (&json!("size_limit"), &json!("r-1")));
    let tags: Vec<_> = (0..10_000).map(|n| format!("tag-{n}")).collect();
    let manifest = json!({"name": "worker", "kind": "async_worker", "tags": tags});
    assert_eq!(scene.command("2", "add_child", manifest).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn s09_commands_are_limited_per_user_and_reads_are_not() {
    let scene = Scene::shop().await;
    let operator = other(Role::Operator);
    for n in 0..200 {
        let answer = scene.ask(&operator, command_request(&n.to_string(), "pause_child", "/db")).await;
        assert_eq!(verdict(&answer).1, "completed", "{n}: {answer}");
    }
    let answer = scene.ask(&operator, command_request("200", "pause_child", "/db")).await;
    assert_eq!((&answer["ok"], &answer["error"]["code"]), (&json!(false), &json!("rate_limit_exceeded")));
    assert_eq!(
        (&answer["error"]["stage"], &answer["error"]["retryable"]),
        (&json!("rate_limit"), &json!(true))
    );
    assert_eq!(answer["error"]["retry_after_ms"], 20);
    let state = json!({"request_id": "s", "method": "state"});
    assert_eq!(scene.ask(&operator, state).await["ok"], true);
    assert_eq!(scene.command("owner", "pause_child", "/db").await["status"], "completed", "another user");
    tokio::time::advance(secs(1)).await;
    let answer = scene.ask(&operator, command_request("200", "pause_child", "/db")).await;
    assert_eq!(verdict(&answer).1, "completed", "what was refused can be sent again with its id");
}

#[tokio::test(start_paused = true)]
async fn s11_a_command_id_is_carried_out_once() {
    let scene = Scene::shop().await;
    let first = scene.command("c", "restart_child", "/db").await;
    let mut again = command_request("c", "restart_child", "/db");
    again["params"]["requested_at_unix_nanos"] = json!(5);
    let answer = scene.ask(&owner(), again).await;
    assert_eq!(answer["result"]["result"]["outcome"], first["outcome"], "the stored outcome");
    assert_eq!(scene.handle.child("/db").unwrap().state.generation, 2, "and not another restart");
    let answer = scene.ask(&owner(), command_request("c", "restart_child", "/web")).await;
    assert_eq!(verdict(&answer), ("command_id_conflict".into(), "rejected".into(), true));
    let answer = scene.ask(&other(Role::Admin), command_request("c", "restart_child", "/web")).await;
    assert_eq!(verdict(&answer).1, "completed", "ids of another user are others");
}

#[tokio::test(start_paused = true)]
async fn s11_twenty_connections_that_send_one_command_at_once_get_one_outcome() {
    let scene = Arc::new(Scene::shop().await);
    let asked = (0..20).map(|_| {
        let scene = scene.clone();
        tokio::spawn(async move { scene.command("c", "restart_child", "/db").await })
    });
    let mut outcomes = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        outcomes.push(asked.await.unwrap()["outcome"].clone());
    }
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    assert_eq!(scene.handle.child("/db").unwrap().state.generation, 2);
}

/// What comes first in the order of rule 12 is what is told.
#[tokio::test(start_paused = true)]
async fn s12_the_order_of_the_refusals() {
    let scene = Scene::shop().await;
    let viewer = other(Role::Viewer);
    for n in 0..200 {
        scene.ask(&other(Role::Operator), command_request(&format!("{n}"), "pause_child", "/db")).await;
    }
    // The rate of this user is used up; roles are the caller's, so the same user asks with each.
    let mut request = command_request("x", "remove_child", "/db");
    request["params"]["target_id"] = json!("other");
    request["params"]["confirmed"] = json!(false);
    let mut steps = Vec::new();
    for (key, value, caller) in [
        ("reason", json!("a test"), viewer),
        ("target_id", json!(TARGET), viewer),
        ("reason", json!("a test"), other(Role::Admin)),
        ("confirmed", json!(true), other(Role::Admin)),
    ] {
        request["params"][key] = value;
        steps.push(verdict(&scene.ask(&caller, request.clone()).await).0);
    }
    assert_eq!(steps, ["validation_failed", "authz_denied", "validation_failed", "rate_limit_exceeded"]);
}

#[tokio::test(start_paused = true)]
async fn s13_method_and_body_must_agree_and_the_child_that_is_found_is_the_one() {
    let line = {
        let mut request = command_request("c", "restart_child", "/db");
        request["method"] = json!("command.remove_child");
        request.to_string()
    };
    let refused = supervisor_api::wire::Request::read(line.as_bytes()).unwrap_err();
    assert!(refused.error.to_string().contains("invalid_command_params"), "{}", refused.error);

    // An id that two children have is no child.
    let scene = Scene::shop().await;
    let mut request = command_request(
        "add",
        "add_child",
        json!({"name": "db", "kind": "async_worker", "factory": "worker"}),
    );
    request["params"]["target"]["child_path"] = json!("/pool");
    scene.ask(&owner(), request).await;
    let answer = scene.ask(&owner(), command_request("c", "restart_child", "db")).await;
    assert_eq!(verdict(&answer).0, "validation_failed");
    let message = answer["result"]["result"]["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("/db, /pool/db"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn s14_child_role_and_confirmation_each_refuse() {
    let scene = Scene::shop().await;
    let worker = json!({"name": "worker", "kind": "async_worker"});
    let unconfirmed = |mut request: Value| {
        request["params"]["confirmed"] = json!(false);
        request
    };
    let fixed = |command: &str| command_request(command, command, "/fixed");
    for (request, role, code) in [
        (fixed("restart_child"), Role::Admin, "authz_denied"),
        (fixed("pause_child"), Role::Admin, "authz_denied"),
        (fixed("quarantine_child"), Role::Admin, "authz_denied"),
        (fixed("remove_child"), Role::Admin, "authz_denied"),
        (command_request("1", "restart_child", "/db"), Role::Viewer, "authz_denied"),
        (command_request("2", "resume_child", "/db"), Role::Viewer, "authz_denied"),
        (command_request("3", "remove_child", "/web"), Role::Operator, "authz_denied"),
        (command_request("4", "add_child", worker.clone()), Role::Operator, "authz_denied"),
        (command_request("5", "shutdown_tree", Value::Null), Role::Operator, "authz_denied"),
        (unconfirmed(command_request("6", "remove_child", "/web")), Role::Admin, "validation_failed"),
        (unconfirmed(command_request("7", "add_child", worker)), Role::Admin, "validation_failed"),
        (unconfirmed(command_request("8", "shutdown_tree", Value::Null)), Role::Admin, "validation_failed"),
    ] {
        let generation = scene.state(json!({})).await.state_generation;
        let answer = scene.ask(&other(role), request.clone()).await;
        assert_eq!(verdict(&answer), (code.into(), "rejected".into(), true), "{role}: {request}");
        assert_eq!(scene.state(json!({})).await.state_generation, generation, "{request}");
    }
    let answer =
        scene.ask(&other(Role::Operator), unconfirmed(command_request("9", "restart_child", "/db"))).await;
    assert_eq!(verdict(&answer).1, "completed", "what is not dangerous needs no confirmation");
}

/// What a child allows nobody is told first, with what would allow it, and takes nothing of the caller's rate.
#[tokio::test(start_paused = true)]
async fn s14_the_permissions_of_the_child_come_before_the_role_and_the_rate() {
    let scene = Scene::new(only_hup(), config()).await;
    let signal = |word: &str| {
        let mut request = command_request(word, "signal_child", "/program");
        request["params"]["signal"] = json!(word);
        request
    };
    let told = async |caller: Caller, request: Value| {
        let answer = scene.ask(&caller, request).await;
        let error = &answer["result"]["result"]["error"];
        assert_eq!(error["code"], "authz_denied", "{answer}");
        error["message"].as_str().unwrap().to_owned()
    };
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let message = told(other(role), signal("usr1")).await;
        let begins = "/program does not allow SIGUSR1, but SIGHUP; to allow it, add it to `allowed_signals`";
        assert!(message.starts_with(begins), "{role}: {message}");
        let message = told(other(role), signal("reload")).await;
        assert!(message.contains("does not allow SIGUSR2, but SIGHUP"), "{role}: {message}");
        let message = told(other(role), command_request("1", "restart_child", "/program")).await;
        assert!(message.contains("set `allow_restart: true` in its `command_permissions`"), "{message}");
        let message = told(other(role), command_request("2", "remove_child", "program")).await;
        assert!(message.contains("set `allow_shutdown: true`"), "by an id too: {message}");
    }
    assert!(told(other(Role::Viewer), signal("HUP")).await.contains("needs the role operator"));
    for n in 0..300 {
        let answer = scene.ask(&other(Role::Operator), signal("KILL")).await;
        assert_eq!(verdict(&answer).0, "authz_denied", "{n}: {answer}");
    }
    let answer = scene.ask(&other(Role::Operator), signal("SIGHUP")).await;
    assert_eq!(verdict(&answer).1, "completed", "the rate is not used up: {answer}");
}

/// A program that takes SIGHUP, and otherwise lets nobody touch it.
fn only_hup() -> SupervisorSpec {
    let permissions =
        Permissions { allow_shutdown: false, allow_restart: false, signals: Signals::of([StopSignal::Hup]) };
    let program = ChildSpec::service("program", |ctx: ChildContext| async move {
        ctx.on_signal(|_| Ok(()));
        ctx.stopping().await;
    });
    SupervisorSpec::root([program.permissions(permissions).reload_signal(StopSignal::Usr2)])
}

#[tokio::test(start_paused = true)]
async fn s15_others_than_the_owner_may_not_name_programs() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().canonicalize().unwrap().join("indexer");
    std::fs::write(&program, "").unwrap();
    let mut config = config();
    config.allow_programs = AllowedPrograms::new([program.clone()]).unwrap();
    let scene = Scene::new(shop(), config).await;
    let started = Arc::new(AtomicU64::new(0));
    let counted = started.clone();
    let kind = tokio_supervisor::Registry::new().kind(tokio_supervisor::Kind::Process, move |manifest, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(service(manifest.name.as_str()))
    });
    scene.handle.register(kind).await.unwrap();
    let add = |id: &str, program: &str| {
        command_request(
            id,
            "add_child",
            json!({"name": id, "kind": "process", "command": [program, "--all"]}),
        )
    };
    let program = program.to_str().unwrap();
    let answer = scene.ask(&other(Role::Admin), add("a", "/usr/bin/id")).await;
    assert_eq!(verdict(&answer), ("authz_denied".into(), "rejected".into(), true), "{answer}");
    assert_eq!(started.load(Ordering::Relaxed), 0);
    let answer = scene.ask(&other(Role::Admin), add("b", program)).await;
    assert_eq!(verdict(&answer).1, "completed", "{answer}");
    let answer = scene.ask(&owner(), add("c", "/usr/bin/id")).await;
    assert_eq!(verdict(&answer).1, "completed", "the owner could start it anyway");
    assert_eq!(started.load(Ordering::Relaxed), 2);
}
