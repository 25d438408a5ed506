//! `why`: the sentence and the chain, worked out from events or asked of the target.

use serde_json::json;
use supervisor_api::EventKind::*;
use supervisor_api::Lifecycle::{self, Failed, Quarantined, Running, Starting, Stopped, Stopping};
use supervisor_api::wire::{EventRecord, WhyAnswer};

use crate::shop::Shop;
use crate::target::World;

/// The sentence, and the sequences of the chain.
fn why(shop: &Shop, path: &str) -> (String, Vec<u64>) {
    let said = shop.json(&["why", path]).json();
    let chain = said["why"]["chain"].as_array().unwrap();
    let chain = chain.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    (said["why"]["sentence"].as_str().unwrap().to_owned(), chain)
}

#[test]
fn a_child_that_backs_off_ended_and_starts_again() {
    let shop = Shop::after(|world| {
        world.fails("/api", "exit code 1");
        world.now += 1_500_000_000;
    });
    shop.say(&["why", "/api"]).is("
/api is backoff: ended: failed: exit code 1 [ran 1.5 s, budget 1 of 5]; starts again in 2.5 s (attempt 1).

     1 2025-11-21T18:33:21.000+00:00 /api                 ended: failed: exit code 1 [ran 1.5 s, budget 1 of 5]; starts again in 4.0 s (attempt 1)");
    let said = shop.json(&["why", "api"]).json();
    assert_eq!((&said["why"]["next"], &said["why"]["next_in_ms"]), (&json!("start_at"), &json!(2_500)));
}

/// `/db` fails, with it `/api` is restarted, and the run of `/api` is ready again.
fn group(world: &mut World) {
    world.fails("/jobs/mail", "something else");
    world.fails("/db", "disk full");
    let of_group = json!({"cause": "group_restart", "cause_path": "/db"});
    world.event(ChildStopping, "/api", Stopping, of_group.clone());
    world.event(ChildStopped, "/api", Stopped, of_group.clone());
    world.event(ChildRestarting, "/api", Starting, of_group);
    world.event(ChildReady, "/api", Running, json!({"cause": "report", "took_ms": 5}));
}

#[test]
fn the_chain_leads_over_others_to_the_first_cause() {
    let shop = Shop::after(group);
    let (sentence, chain) = why(&shop, "/api");
    assert_eq!(
        sentence,
        "/api is running: ready [took 5 ms], because /db ended: failed: disk full [ran 1.5 s, budget 1 of 5]."
    );
    assert_eq!(chain, [2, 5, 6]);
}

#[test]
fn an_operators_word_is_a_first_cause() {
    let shop = Shop::after(|world| {
        let asked = json!({"cause": "operator", "requested_by": "ann", "reason": "too loud"});
        world.fails("/jobs/mail", "before");
        world.event(Paused, "/jobs/mail", Lifecycle::Paused, asked);
    });
    let (sentence, chain) = why(&shop, "mail");
    assert_eq!(sentence, "/jobs/mail is paused: paused by ann (too loud); nothing starts it by itself.");
    assert_eq!(chain, [2]);
}

#[test]
fn a_shutdown_and_a_budget_have_their_own_events() {
    let shop = Shop::after(|world| {
        world.fails("/api", "again");
        world.event(BudgetExhausted, "/api", Failed, json!({"cause": "budget", "budget_used": 5}));
        world.event(
            ChildQuarantined,
            "/api",
            Quarantined,
            json!({"cause": "budget", "next": "until_operator"}),
        );
        world.event(ShutdownRequested, "/", Running, json!({"requested_by": "ann", "reason": "over"}));
        world.event(
            ChildStopping,
            "/db",
            Stopping,
            json!({"cause": "shutdown", "next": "kill_at", "next_in_ms": 5_000}),
        );
    });
    assert_eq!(why(&shop, "/api").1, [1, 2, 3]);
    let (sentence, chain) = why(&shop, "/db");
    assert_eq!(chain, [4, 5]);
    assert!(sentence.contains("because / shutting down by ann (over)"), "{sentence}");
    assert!(sentence.ends_with("; is killed in 5.0 s unless it ends before."), "{sentence}");
}

#[test]
fn events_that_are_gone_are_said_to_be_gone() {
    let shop = Shop::after(|world| {
        group(world);
        world.kept.0 = 6;
    });
    assert_eq!(why(&shop, "/api").1, [6]);
    let (sentence, chain) = why(&shop, "/jobs/nightly");
    assert_eq!(
        sentence,
        "/jobs/nightly is completed; the target no longer has an event that says why; nothing starts it by itself."
    );
    assert!(chain.is_empty());
}

#[test]
fn of_a_job_with_a_schedule_it_says_when_the_next_run_is() {
    let shop = Shop::after(|world| {
        group(world);
        world.edit(|state| {
            let mut nodes = state.topology.nodes.iter_mut();
            let job = nodes.find(|node| node.path.as_str() == "/jobs/nightly").unwrap();
            job.diagnostics.insert("schedule".to_owned(), "next run Tue 2026-11-24 02:30:00 UTC".to_owned());
        });
    });
    let (sentence, _) = why(&shop, "/jobs/nightly");
    assert!(sentence.ends_with("; next run Tue 2026-11-24 02:30:00 UTC."), "{sentence}");
}

#[test]
fn a_target_that_can_say_why_is_asked() {
    let shop = Shop::after(|world| {
        group(world);
        let chain: Vec<EventRecord> = world.events[..1].to_vec();
        world.capabilities = vec!["why".to_owned()];
        world.why = Some(WhyAnswer {
            child_path: crate::target::path("/api"),
            sentence: "because of the moon".to_owned(),
            chain,
            next: "nothing".to_owned(),
            next_in_ms: None,
            policy: None,
        });
    });
    assert_eq!(why(&shop, "/api"), ("because of the moon".to_owned(), vec![1]));
}
