//! What the page of the protocol says is what the dispatcher does.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::live::Live;
use common::specs::{Texts, stack};
use common::{Scene, command_request, config, owner, secs};
use serde_json::{Value, json};
use supervisor_api::wire::{MAX_DEPTH, Method, RECENT};
use supervisor_control::Config;
use supervisor_socket::{LARGEST_FRAME, ORDINARY_FRAME};
use tokio_supervisor::{ChildSpec, SupervisorSpec};

const PAGE: &str = include_str!("../../../docs/protocol.md");

/// A request that can be read, for each method.
fn request(method: Method) -> Value {
    let params = match method {
        Method::Hello | Method::State => json!({}),
        Method::Subscribe(_) => json!({"session_established": true}),
        Method::Why => json!({"child_path": "/db"}),
        Method::WhatIf => json!({"command": "restart_child", "target": {"child_path": "/db"}}),
        Method::Plan => json!({"stack": "name: shop"}),
        // It is refused for its generation, so nothing is done.
        Method::Command(command) => {
            let mut request = command_request(&format!("c-{command}"), command.as_str(), "/db");
            request["params"]["expect_state_generation"] = json!(0);
            return request;
        }
    };
    json!({"request_id": "1", "method": method.to_string(), "params": params})
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_is_the_contract_and_the_capabilities_and_all_of_it_is_on_the_page() {
    let scene = Scene::shop().await;
    let hello = scene.ask(&owner(), request(Method::Hello)).await;
    let capabilities: Vec<_> = hello["result"]["capabilities"].as_array().unwrap().clone();
    for spec in Method::TABLE {
        let answer = scene.ask(&owner(), request(spec.method)).await;
        let is_known = answer["error"]["code"] != "unsupported_method";
        let is_told = capabilities.contains(&json!(spec.name));
        assert_eq!(is_known, spec.contract || is_told, "{}: {answer}", spec.name);
        assert!(!(spec.contract && is_told), "{} is of the contract, and no capability", spec.name);
        if answer["ok"] == true {
            assert_eq!(answer["result"]["type"], spec.result, "{}", spec.name);
        }
        assert!(PAGE.contains(&format!("| `{}`", spec.name)), "{}", spec.name);
    }
    for name in &capabilities {
        assert!(
            Method::from_name(name.as_str().unwrap()).is_some_and(|method| method.spec().is_some()),
            "{name}"
        );
    }
}

#[test]
fn the_limits_on_the_page_are_those_in_force() {
    let config = config();
    let (caps, deadlines) = (config.caps, config.deadlines);
    let per_second = 1_000 / config.mutations.every.as_millis();
    let per_minute = 60 / config.failed_authentications.every.as_secs();
    let mib = |bytes: usize| bytes / 1024 / 1024;
    let rows = [
        ("length of a line", format!("{} KiB", ORDINARY_FRAME / 1024)),
        (
            "length of a request `command.add_child`, `command.apply`, `plan` or `what_if`",
            format!("{} MiB, by configuration up to {} MiB", mib(config.manifest_bytes), mib(LARGEST_FRAME)),
        ),
        ("levels of arrays", MAX_DEPTH.to_string()),
        ("time from the first byte", format!("{} seconds", deadlines.frame.as_secs())),
        ("silence of a client", format!("{} minutes", deadlines.idle.unwrap().as_secs() / 60)),
        ("time to take 64 KiB", format!("{} seconds", deadlines.write.as_secs())),
        (
            "connections |",
            format!(
                "{} in all, {} of one user; {} of them are for admins",
                caps.total, caps.per_uid, caps.reserved
            ),
        ),
        ("commands of one user", format!("{per_second} in a second, {} at once", config.mutations.burst)),
        ("connections of a user that may not", format!("{per_minute} in a minute are told why")),
        ("newest events", format!("{RECENT} of each")),
    ];
    for (what, limit) in &rows {
        assert_eq!(limit_of(what), limit, "{what}");
    }
    // Each of the others is a test of its own.
    let begins = PAGE.find("| what | limit | beyond it |").unwrap();
    let table = PAGE[begins..].split("\n\n").next().unwrap();
    assert_eq!(table.lines().count() - 2, rows.len() + OTHERS.len());
    OTHERS.iter().for_each(|what| assert!(!limit_of(what).is_empty()));
}

const IDS: &str = "`request_id`, `command_id`";
const AT_ONCE: &str = "requests at once";
const ANSWERED: &str = "time until a command is answered";
const KEPT: &str = "how long a command id is kept";
const MESSAGE: &str = "message of an error";
const OTHERS: [&str; 5] = [IDS, AT_ONCE, ANSWERED, KEPT, MESSAGE];

/// What the page has as the limit of this.
fn limit_of(what: &str) -> &'static str {
    let row = PAGE.lines().find(|line| line.starts_with(&format!("| {what}")));
    row.unwrap_or_else(|| panic!("{what}")).split('|').nth(2).unwrap().trim()
}

/// The numbers in it.
fn numbers_of(what: &str) -> Vec<usize> {
    let words = limit_of(what).split_whitespace().map(|word| word.trim_end_matches([';', ',']));
    words.filter_map(|word| word.parse().ok()).collect()
}

#[tokio::test(start_paused = true)]
async fn ids_are_as_long_as_the_page_says() {
    let &[least, most] = &numbers_of(IDS)[..] else { panic!("{}", limit_of(IDS)) };
    let live = Live::shop().await;
    let mut client = live.client().await;
    let long = "~".repeat(most);
    let ids = [
        ("!".repeat(least), true),
        (long.clone(), true),
        ("~".repeat(least - 1), false),
        (long + "~", false),
        (" ".into(), false),
        ("\u{7f}".into(), false),
        ("\u{1f}".into(), false),
        ("ä".into(), false),
    ];
    for (id, good) in ids {
        let answer = client.ask(json!({"request_id": id, "method": "hello"})).await;
        assert_eq!(
            (&answer["ok"], answer["request_id"] == json!(id)),
            (&json!(good), good),
            "{id:?}: {answer}"
        );
        assert!(good || answer["error"]["code"] == "invalid_json", "{id:?}: {answer}");
        let mut request = command_request(&id, "restart_child", "/db");
        request["request_id"] = json!("r");
        let answer = client.ask(request).await;
        assert_eq!(answer["ok"], good, "{id:?}: {answer}");
        assert!(good || answer["error"]["code"] == "invalid_command_params", "{id:?}: {answer}");
    }
}

/// A tree whose only child takes this long to stop.
async fn slow(seconds: u64) -> (SupervisorSpec, Config) {
    let slow = ChildSpec::service("slow", move |ctx| async move {
        ctx.stopping().await;
        tokio::time::sleep(secs(seconds)).await;
    });
    (SupervisorSpec::root([slow.grace_infinity()]), config())
}

#[tokio::test(start_paused = true)]
async fn the_next_request_of_a_connection_waits_for_the_answer_before_it() {
    assert_eq!(numbers_of(AT_ONCE), [1]);
    let (spec, config) = slow(20).await;
    let live = Live::new(spec, config).await;
    let mut client = live.client().await;
    let began = tokio::time::Instant::now();
    client.send_json(&command_request("1", "pause_child", "/slow")).await;
    client.send_json(&json!({"request_id": "2", "method": "hello"})).await;
    // Nobody else waits for it.
    assert_eq!(live.client().await.hello().await["ok"], true);
    assert_eq!(began.elapsed(), secs(0));
    assert_eq!(client.answer().await["request_id"], "r-1");
    assert_eq!(began.elapsed(), secs(20));
    assert_eq!(client.answer().await["request_id"], "2");
}

#[tokio::test(start_paused = true)]
async fn a_command_is_answered_within_the_time_on_the_page() {
    let &[limit] = &numbers_of(ANSWERED)[..] else { panic!("{}", limit_of(ANSWERED)) };
    let limit = limit as u64;
    for (takes, status) in [(limit - 1, "completed"), (limit + 1, "accepted")] {
        let (spec, config) = slow(takes).await;
        let scene = Scene::new(spec, config).await;
        let began = tokio::time::Instant::now();
        let result = scene.command("c", "pause_child", "/slow").await;
        assert_eq!((&result["status"], began.elapsed()), (&json!(status), secs(takes.min(limit))));
    }
    let scene = Scene::shop().await;
    let hello = scene.ask(&owner(), request(Method::Hello)).await;
    for command in hello["result"]["registration"]["supported_commands"].as_array().unwrap() {
        assert_eq!(command["timeout_seconds"], limit, "{command}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_id_is_kept_as_long_as_the_page_says() {
    let &[hours, ids] = &numbers_of(KEPT)[..] else { panic!("{}", limit_of(KEPT)) };
    let scene = Scene::shop().await;
    let generation = || scene.handle.child("/db").unwrap().state.generation;
    let ask = async |id: &str| scene.command(id, "restart_child", "/db").await["status"] == "completed";
    assert!(ask("first").await);
    tokio::time::advance(secs(hours as u64 * 60 * 60 - 1)).await;
    assert!(ask("first").await);
    assert_eq!(generation(), 2, "it is the same command still");
    tokio::time::advance(secs(1)).await;
    assert!(ask("first").await);
    assert_eq!(generation(), 3, "it can be used again");

    // As many more as are kept: the first of all is pushed out, the second is not.
    for n in 1..=ids {
        // Not too many at once.
        tokio::time::advance(secs(1) / 10).await;
        assert!(scene.command(&n.to_string(), "resume_child", "/web").await["status"] == "completed");
    }
    assert!(!ask("2").await);
    assert_eq!(generation(), 3, "it was another command, and is kept");
    tokio::time::advance(secs(1)).await;
    assert!(ask("first").await);
    assert_eq!(generation(), 4, "it can be used again");
}

#[tokio::test(start_paused = true)]
async fn the_message_of_an_error_is_as_long_as_the_page_says() {
    let &[limit] = &numbers_of(MESSAGE)[..] else { panic!("{}", limit_of(MESSAGE)) };
    let (config, spec) = Texts::new(None).config(&stack("a"));
    let scene = Scene::new(spec, config).await;
    // The whole text stands in it, and what is not to be seen is written with more characters.
    for (at, piece) in ["x", "ä", "\u{202e}", "\n"].iter().enumerate() {
        let mut request = command_request(&at.to_string(), "apply", Value::Null);
        request["params"]["stack"] = json!(piece.repeat(5_000));
        let answer = scene.ask(&owner(), request).await;
        let message = answer["result"]["result"]["error"]["message"].as_str().unwrap();
        assert_eq!(message.chars().count(), limit, "{message}");
        assert!(message.ends_with('…'), "{message}");
    }
}
