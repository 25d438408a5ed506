//! The bad input that every parser must survive (`security.md`), against a live socket: a clear answer or a clean
//! close, and nobody else is disturbed.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::time::Duration;

use common::bad_lines::Then::{self, Answer, Close};
use common::bad_lines::{request, table};
use common::live::Live;
use common::{config, shop};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

/// The code of an answer, wherever it stands.
fn code(answer: &Value) -> &str {
    let error = if answer["ok"] == true { &answer["result"]["result"]["error"] } else { &answer["error"] };
    error["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

async fn survives(live: &Live, name: &str, bytes: &[u8], then: Then) {
    let mut client = live.client().await;
    // The other end may close in the middle of it.
    let _ = client.0.write_all(bytes).await;
    let answer = client.line().await.unwrap_or_else(|| panic!("{name}: closed without a word"));
    let (Answer(expected) | Close(expected)) = then;
    assert_eq!(code(&answer), expected, "{name}: {answer}");
    let message = answer.to_string();
    assert!(!message.chars().any(|c| c.is_control() || c == '\u{202e}'), "{name}: {message}");
    assert!(message.len() < 4_000, "{name}: an answer of {} bytes", message.len());
    match then {
        Answer(_) => assert_eq!(client.hello().await["ok"], true, "{name}: the connection goes on"),
        Close(_) => assert_eq!(client.line().await, None, "{name}: it is closed"),
    }
}

#[tokio::test]
async fn bad_input_gets_a_clear_answer_or_a_clean_close_and_disturbs_nobody() {
    let live = Live::shop().await;
    let mut watcher = live.client().await;
    watcher.subscribe("events.subscribe", None).await;
    let generation = live.handle.subscribe_events().position();
    for (name, bytes, then) in table() {
        survives(&live, name, &bytes, then).await;
    }
    assert_eq!(live.handle.subscribe_events().position(), generation, "nothing was done");
    assert_eq!(live.control.counts().panicked, 0);
    live.handle.restart_child("/db", "test", "still here").await.unwrap();
    assert_eq!(watcher.push("event").await["event"]["target_path"], "/db");
}

#[tokio::test]
async fn s07_half_a_frame_and_then_silence_is_told_and_closed() {
    let mut config = config();
    config.deadlines.frame = Duration::from_millis(100);
    let live = Live::new(shop(), config).await;
    let mut client = live.client().await;
    client.send(r#"{"request_id":"1","#).await;
    assert_eq!(code(&client.line().await.unwrap()), "incomplete_frame");
    assert_eq!(client.line().await, None);
    // The same when the peer ends in the middle.
    let mut client = live.client().await;
    client.send(r#"{"request_id":"1","#).await;
    client.0.get_mut().shutdown().await.unwrap();
    assert_eq!(code(&client.line().await.unwrap()), "incomplete_frame");
    assert_eq!(client.line().await, None);
}

#[tokio::test]
async fn whoever_closes_in_the_middle_of_a_reply_disturbs_nobody() {
    let live = Live::shop().await;
    for n in 0..200u32 {
        let mut client = live.client().await;
        let all: Vec<u8> = (0..20).flat_map(|_| request("state", "{}")).collect();
        client.send(all).await;
        if n % 2 == 0 {
            client.line().await;
        }
        drop(client);
    }
    assert_eq!(live.client().await.hello().await["ok"], true);
    assert_eq!(live.control.counts().panicked, 0);
}
