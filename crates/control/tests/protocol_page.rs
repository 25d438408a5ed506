//! What the page of the protocol says is what the dispatcher does.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{Scene, command_request, config, owner};
use serde_json::{Value, json};
use supervisor_api::wire::{MAX_DEPTH, Method, RECENT};
use supervisor_socket::{LARGEST_FRAME, ORDINARY_FRAME};

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
            "length of a request `command.add_child`",
            format!("{} MiB, by configuration up to {} MiB", mib(config.add_child_bytes), mib(LARGEST_FRAME)),
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
    for (what, limit) in rows {
        let row = PAGE
            .lines()
            .find(|line| line.starts_with(&format!("| {what}")))
            .unwrap_or_else(|| panic!("{what}"));
        let told = row.split('|').nth(2).unwrap().trim();
        assert_eq!(told, limit, "{what}");
    }
}
