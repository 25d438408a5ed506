//! Many clients at once, and those who do not read: the tree does not notice.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::time::Duration;

use common::live::{Client, Live};
use common::{command_request, config, shop};
use serde_json::json;

/// 64 that subscribe to everything and read nothing, while children are restarted. Who does not read may do so for
/// this long.
async fn with_slow_readers(patience: Duration) -> (Live, Vec<Client>) {
    let mut config = config();
    config.deadlines.write = patience;
    let live = Live::new(shop(), config).await;
    restarts(&live, 500).await;
    let mut readers = Vec::new();
    for _ in 0..64 {
        let mut reader = live.client().await;
        // In one piece: it may be cut right after it.
        let params = json!({"session_established": true, "from_sequence": 1});
        let subscribes = json!({"request_id": "e", "method": "events.subscribe", "params": params});
        reader.send(format!("{subscribes}\n{}\n", json!({"request_id": "s", "method": "state"}))).await;
        readers.push(reader);
    }
    restarts(&live, 500).await;
    (live, readers)
}

/// A restart that waited for a reader would wait for an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_do_not_delay_restarts() {
    let (live, readers) = with_slow_readers(Duration::from_secs(3_600)).await;
    while live.control.counts().served < readers.len() as u64 {
        tokio::task::yield_now().await;
    }
    restarts(&live, 500).await;
    assert_eq!(live.control.counts().open, readers.len(), "every one of them is still there");
    assert_eq!(live.client().await.hello().await["ok"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_are_cut_and_nobody_else() {
    let (live, _readers) = with_slow_readers(Duration::from_millis(500)).await;
    // Each buffer is full some time, and its reader is cut.
    while live.control.counts().open > 0 {
        restarts(&live, 100).await;
    }
    assert_eq!(live.client().await.hello().await["ok"], true);
    assert_eq!(live.control.counts().panicked, 0);
}

async fn restarts(live: &Live, count: u32) {
    for n in 0..count {
        live.handle.restart_child("/db", "test", format!("{n}")).await.unwrap();
    }
}

/// Everybody acts and watches at once; all see the same events in the same order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_acts_and_watches_sees_one_order() {
    let live = std::sync::Arc::new(Live::shop().await);
    let watchers = (0..8).map(|n| {
        let live = live.clone();
        tokio::spawn(async move {
            let mut client = live.client().await;
            client.subscribe("events.subscribe", Some(1)).await;
            client.send_json(&command_request(&format!("c{n}"), "restart_child", "/db")).await;
            let mut seen = Vec::new();
            while seen.iter().filter(|(_, kind)| kind == "CommandCompleted").count() < 8 {
                let event = client.push("event").await["event"].clone();
                seen.push((
                    event["sequence"].as_u64().unwrap(),
                    event["event_type"].as_str().unwrap().to_owned(),
                ));
            }
            seen
        })
    });
    let mut all = Vec::new();
    for watcher in watchers.collect::<Vec<_>>() {
        all.push(watcher.await.unwrap());
    }
    assert!(all.iter().all(|seen| *seen == all[0]));
    let sequences: Vec<_> = all[0].iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn s08_one_user_has_so_many_connections_and_no_more() {
    let mut config = config();
    config.caps.per_uid = 4;
    let live = Live::new(shop(), config).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut client = live.client().await;
        client.hello().await;
        held.push(client);
    }
    let refused = live.client().await.line().await.unwrap();
    assert_eq!((&refused["ok"], &refused["error"]["code"]), (&json!(false), &json!("rate_limit_exceeded")));
    assert_eq!(refused["request_id"], "invalid-request");
    held.pop();
    while live.control.counts().open > 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(live.client().await.hello().await["ok"], true);
}
