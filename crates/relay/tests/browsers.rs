//! Browsers over real WebSockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod place;

use std::time::Duration;

use futures_util::SinkExt as _;
use place::{Browser, LONG, Place, TOKEN};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

#[tokio::test]
async fn a_browser_sees_the_target_live_and_a_command_has_one_answer() {
    let place = Place::new().await;
    let mut browser = place.browser().await;
    assert_eq!(browser.next().await["type"], "target_list");
    let target = place.target().await;
    let state = browser.of("state").await;
    assert_eq!(state["state"]["runtime_state"].as_array().unwrap().len(), 6);
    let since = Instant::now();
    target.world(|world| world.fails("/api", "boom"));
    assert_eq!(browser.of("event").await["event"]["payload"]["state"], "backoff");
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());

    browser
        .says(json!({
            "type": "command", "command_id": "c-1", "target_id": "shop", "command": "restart_child",
            "target": {"child_path": "/api"}, "reason": "stuck", "confirmed": false,
        }))
        .await;
    // The answer may overtake what the audit tells.
    let mut audits = Vec::new();
    let mut answer = Value::Null;
    while audits.len() < 2 || answer.is_null() {
        let mut frame =
            browser.until(|frame| frame["type"] == "audit_event" || frame["type"] == "command_result").await;
        match frame["type"] == "command_result" {
            true => answer = frame["result"].take(),
            false => audits.push(frame["audit"].take()),
        }
    }
    let told = |audit: &Value| format!("{} {}", audit["identity"], audit["result"]);
    assert_eq!([told(&audits[0]), told(&audits[1])], ["\"ann\" \"accepted\"", "\"ann\" \"completed\""]);
    assert_eq!((&answer["command_id"], &answer["status"]), (&json!("c-1"), &json!("completed")));
    assert_eq!(answer["requested_by"], "ann");
    assert!(answer["completed_at"].as_str().unwrap().starts_with("2025-11-21T18:33:2"), "{answer}");
    target.world(|world| assert_eq!(world.commands[0].requested_by, "ann"));
}

#[tokio::test]
async fn s20_a_token_comes_in_a_header_or_beside_the_protocol_and_is_never_sent_back() {
    let place = Place::new().await;
    let address = place.address();
    let offered = format!("tokio-supervisor.v1, {TOKEN}");
    let (mut browser, response) =
        Browser::open(address, &[("sec-websocket-protocol", &offered)]).await.unwrap();
    assert_eq!(browser.next().await["client_identity"], "ann");
    assert_eq!(response.headers()["sec-websocket-protocol"], "tokio-supervisor.v1");
    assert!(!format!("{response:?}").contains(TOKEN));
}

#[tokio::test]
async fn s20_who_proves_nothing_is_closed_with_4401_before_anything_is_said() {
    let place = Place::new().await;
    let address = place.address();
    for headers in [
        &[][..],
        &[("authorization", "Bearer wrong")],
        &[("authorization", TOKEN)],
        &[("sec-websocket-protocol", "tokio-supervisor.v1")],
        &[("cookie", "token=0123456789abcdef")],
    ] {
        let opened = Browser::open(address, headers).await;
        let (mut browser, _) = opened.unwrap();
        let Message::Close(Some(frame)) = browser.message().await else { panic!("{headers:?}") };
        assert_eq!(u16::from(frame.code), 4401, "{headers:?}");
    }
}

#[tokio::test]
async fn s19_a_foreign_page_or_name_gets_no_session_whatever_it_can_prove() {
    let place = Place::new().await;
    let address = place.address();
    let token = place::bearer(TOKEN);
    let own = format!("http://{address}");
    for (name, value, status) in [
        ("origin", "http://evil.example", 403),
        ("origin", "null", 403),
        ("host", "evil.example", 421),
        ("host", "evil.example:80", 421),
        ("origin", own.as_str(), 101),
    ] {
        let opened = Browser::open(address, &[("authorization", &token), (name, value)]).await;
        match opened {
            Ok((_, response)) => {
                assert_eq!((response.status().as_u16(), status), (101, 101), "{name}: {value}")
            }
            Err(Error::Http(response)) => {
                assert_eq!(response.status(), status, "{name}: {value}");
                let policy = response.headers()["content-security-policy"].to_str().unwrap();
                let rules: Vec<_> = policy.split("; ").collect();
                assert_eq!(rules[0], "default-src 'none'");
                for rule in ["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"]
                {
                    assert!(rules.contains(&rule), "{policy}");
                }
                assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
                assert!(!response.headers().contains_key("access-control-allow-origin"));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn what_is_no_text_or_too_long_closes_with_4400() {
    let place = Place::new().await;
    let mut browser = place.browser().await;
    browser.0.send(Message::Binary(vec![1, 2, 3].into())).await.unwrap();
    assert_eq!(browser.closed().await, 4400);
    let mut browser = place.browser().await;
    browser.0.send(Message::Text("x".repeat((1 << 20) + 1).into())).await.unwrap();
    assert_eq!(browser.closed().await, 4400);
}

#[tokio::test]
async fn a_port_that_is_closed_says_so_to_its_browsers() {
    let place = Place::new().await;
    let mut browser = place.browser().await;
    browser.of("target_list").await;
    drop(place.web);
    assert_eq!(browser.closed().await, 1001);
}

#[tokio::test]
async fn s23_a_head_that_is_too_long_or_no_http_is_answered_with_nothing_good() {
    let place = Place::new().await;
    for bytes in [
        format!("GET /ws HTTP/1.1\r\nHost: {}\r\nX: {}\r\n\r\n", place.address(), "x".repeat(40_000))
            .into_bytes(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"hello\n\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"GET / HTTP/1.0\r\n\r\n".to_vec(),
    ] {
        let mut stream = TcpStream::connect(place.address()).await.unwrap();
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"),
            "{answer}"
        );
    }
    place.browser().await.of("target_list").await;
}

#[tokio::test(start_paused = true)]
async fn s23_who_connects_and_says_nothing_or_half_a_head_is_cut_after_ten_seconds() {
    let place = Place::new().await;
    for bytes in ["", "GET /ws HTTP/1.1\r\nHost:"] {
        let mut stream = TcpStream::connect(place.address()).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let began = Instant::now();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(began.elapsed().as_secs(), 10, "{bytes:?}");
    }
}
