//! Who comes in: tokens, links, roles, and what ends a session (`security.md` 19 to 21).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod place;

use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex};

use place::{Asked, Browser, LONG, Place, TOKEN, ask, bearer, digest, mapping};
use serde_json::{Value, json};
use supervisor_relay::{LoginCode, Mapping, Principal, Role, Secret, listen};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// The status that a page gets that trades a code.
async fn trade(place: &Place, code: &str) -> Asked {
    let own = format!("http://{}", place.address());
    let headers = [("Origin", own.as_str()), ("Content-Type", "application/json")];
    place.ask("POST", "/login", &headers, &json!({"code": code}).to_string()).await
}

fn code(place: &Place) -> String {
    let code = place.identities.login_code(Principal::new("owner").with("*", Role::Admin)).unwrap();
    code_in(&code)
}

fn code_in(code: &LoginCode) -> String {
    code.link("http://x").strip_prefix("http://x/#code=").unwrap().to_owned()
}

#[tokio::test]
async fn s20_a_link_is_traded_once_for_a_token_that_opens_a_session() {
    let place = Place::new().await;
    let code = code(&place);
    let mut used = place.identities.login_codes_used();
    let answer = trade(&place, &code).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("set-cookie"), None);
    timeout(LONG, used.changed()).await.unwrap().unwrap();
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let token = answer["token"].as_str().unwrap();
    let hours = answer["expires_at_unix_nanos"].as_u64().unwrap() / 3_600_000_000_000;
    assert!(hours > 1_763_750_000 / 3_600, "{answer}");

    let offered = format!("tokio-supervisor.v1, {token}");
    let opened = Browser::open(place.address(), &[("sec-websocket-protocol", &offered)]).await;
    let (mut browser, response) = opened.unwrap();
    let hello = browser.next().await;
    assert_eq!((&hello["client_identity"], &hello["role"]), (&json!("owner"), &json!("admin")));
    assert!(!format!("{response:?} {hello}").contains(token));
    assert_eq!(trade(&place, &code).await.status, 401, "the second time");
}

#[tokio::test]
async fn s20_a_link_is_traded_only_as_our_page_does_it() {
    let place = Place::new().await;
    let code = code(&place);
    let own = format!("http://{}", place.address());
    let own = ("Origin", own.as_str());
    let json = ("Content-Type", "application/json");
    let body = json!({"code": code}).to_string();
    let long = json!({"code": "x".repeat(5_000)}).to_string();
    for (method, path, headers, body, status) in [
        ("POST", "/login", &[json][..], body.as_str(), 403),
        ("POST", "/login", &[("Origin", "http://evil.example"), json], &body, 403),
        ("POST", "/login", &[own, json, ("Host", "evil.example")], &body, 421),
        ("POST", "/login", &[own], &body, 415),
        ("POST", "/login", &[own, ("Content-Type", "text/plain")], &body, 415),
        ("POST", "/login", &[own, json], "", 400),
        ("POST", "/login", &[own, json], "[[[[", 400),
        ("POST", "/login", &[own, json], "{\"code\": 7}", 400),
        ("POST", "/login", &[own, json], &long, 413),
        ("GET", "/login", &[own], "", 405),
        ("GET", &format!("/login?code={code}"), &[own], "", 405),
    ] {
        let answer = place.ask(method, path, headers, body).await;
        assert_eq!(answer.status, status, "{method} {headers:?} {body}: {answer:?}");
        assert!(!format!("{answer:?}").contains(&code));
    }
    assert_eq!(trade(&place, &code).await.status, 200, "nothing of that has used it up");
}

#[tokio::test]
async fn s20_ten_wrong_codes_or_tokens_in_a_minute_are_one_addresss_and_lock_nobody_out() {
    let place = Place::new().await;
    for _ in 0..5 {
        assert_eq!(trade(&place, "wrong").await.status, 401);
    }
    for _ in 0..5 {
        let (mut browser, _) =
            Browser::open(place.address(), &[("authorization", "Bearer wrong")]).await.unwrap();
        assert_eq!(browser.closed().await, 4401);
    }
    let refused = trade(&place, "wrong").await;
    assert_eq!(refused.status, 429);
    assert!((1..=6).contains(&refused.header("retry-after").unwrap().parse::<u64>().unwrap()));
    let opened = Browser::open(place.address(), &[("authorization", "Bearer wrong")]).await;
    let Err(tokio_tungstenite::tungstenite::Error::Http(response)) = opened else { panic!() };
    assert_eq!(response.status(), 429);

    place.browser().await.of("target_list").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = socket.connect(place.address()).await.unwrap();
    let url = format!("ws://{}/ws", place.address());
    let (mut other, _) =
        Browser::over(Box::new(stream), &url, &[("authorization", "Bearer wrong")]).await.unwrap();
    assert_eq!(other.closed().await, 4401, "another address");

    let health = place.relay.serve_health(listen(([127, 0, 0, 1], 0).into()).unwrap()).unwrap();
    let stream = TcpStream::connect(health.address()).await.unwrap();
    let metrics = ask(stream, health.address(), "GET", "/metrics", &[], "").await;
    assert!(metrics.body.contains("\nsupervisor_relay_failed_sign_ins_total 13\n"), "{}", metrics.body);
}

#[tokio::test]
async fn s20_who_may_see_nothing_is_closed_with_4403_and_who_is_not_mapped_looks() {
    let place = Place::new().await;
    place.identities.replace(
        Mapping::new()
            .with_token(&digest("a"), "ann", None)
            .and_then(|mapping| mapping.with_token(&digest("b"), "bob", None))
            .unwrap()
            .with_role("ann", "*", Role::Admin),
    );
    let open = async |token: &str| {
        let opened = Browser::open(place.address(), &[("authorization", &bearer(token))]).await;
        opened.unwrap().0
    };
    assert_eq!(open("a").await.next().await["role"], "admin");
    assert_eq!(open("b").await.next().await["role"], "viewer");
    place.identities.replace(Mapping::new().with_token(&digest("b"), "bob", None).unwrap().unmapped(None));
    assert_eq!(open("b").await.closed().await, 4403);
}

#[tokio::test]
async fn s20_a_token_is_compared_with_its_digest_and_the_digest_opens_nothing() {
    let place = Place::new().await;
    let digest = digest(TOKEN);
    for wrong in [digest.as_str(), "", " ", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdef0"] {
        let opened = Browser::open(place.address(), &[("authorization", &bearer(wrong))]).await;
        assert_eq!(opened.unwrap().0.closed().await, 4401, "{wrong:?}");
    }
}

#[tokio::test]
async fn s21_a_session_ends_when_its_token_does_and_when_it_may_do_something_else() {
    let place = Place::new().await;
    let live = async || {
        let mut browser = place.browser().await;
        browser.of("target_list").await;
        browser
    };
    let mut ann = live().await;
    place.identities.replace(mapping().with_role("bob", "*", Role::Admin));
    ann.says(json!({"type": "log_event_filter_conditions"})).await;
    ann.of("filter_applied").await;
    place.identities.replace(mapping().with_role("ann", "shop", Role::Admin));
    assert_eq!(ann.closed().await, 4403, "other roles");

    let mut ann = live().await;
    place.identities.replace(Mapping::new());
    assert_eq!(ann.closed().await, 4401, "no token");

    place.identities.replace(mapping());
    let mut ann = live().await;
    place.identities.replace(Mapping::new().with_token(&digest(TOKEN), "ann", Some(1_000)).unwrap());
    assert_eq!(ann.closed().await, 4401, "a token that has expired");

    let code = code(&place);
    let answer: Value = serde_json::from_str(&trade(&place, &code).await.body).unwrap();
    let mut owner = place.browser_called("b", answer["token"].as_str().unwrap()).await;
    place.identities.replace(Mapping::new().unmapped(None));
    owner.says(json!({"type": "log_event_filter_conditions"})).await;
    owner.of("filter_applied").await;
}

#[tokio::test]
async fn a_page_that_connects_again_takes_the_place_of_its_session_with_4409() {
    let place = Place::new().await;
    place.identities.replace(mapping().with_token(&digest("b"), "bob", None).unwrap());
    let mut others = [
        place.browser_called("other", TOKEN).await,
        place.browser_called("page", "b").await,
        place.browser_called("", TOKEN).await,
        place.browser_called("", TOKEN).await,
    ];
    let mut before = place.browser_called("page", TOKEN).await;
    before.of("target_list").await;
    let mut after = place.browser_called("page", TOKEN).await;
    after.of("target_list").await;
    assert_eq!(before.closed().await, 4409);
    for other in &mut others {
        other.says(json!({"type": "log_event_filter_conditions"})).await;
        other.of("filter_applied").await;
    }
    after.says(json!({"type": "log_event_filter_conditions"})).await;
    after.of("filter_applied").await;
}

/// All that is logged, by everybody in this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        *self.0.lock().unwrap() += &format!("{field}={value:?} ");
    }
}

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        event.record(&mut self.clone());
    }

    fn on_new_span(&self, span: &tracing::span::Attributes<'_>, _: &tracing::span::Id, _: Context<'_, S>) {
        span.record(&mut self.clone());
    }
}

fn files_below(directory: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => text += &files_below(&entry.path()),
            kind if kind.is_file() => text += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()),
            _ => {}
        }
    }
    text
}

#[tokio::test]
async fn s20_tokens_and_codes_are_in_no_log_no_audit_and_nothing_that_is_told() {
    let log = Log::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log.clone())).unwrap();
    tracing::info!("the canary sings");

    let place = Place::new().await;
    let _target = place.target().await;
    let bearer_token = Secret::fresh().unwrap();
    place.identities.replace(mapping().with_token(&bearer_token.sha256(), "ann", None).unwrap());
    let (good, wrong) = (code(&place), Secret::fresh().unwrap());
    assert_eq!(trade(&place, wrong.reveal()).await.status, 401);
    let answer: Value = serde_json::from_str(&trade(&place, &good).await.body).unwrap();
    let page_token = answer["token"].as_str().unwrap();
    let opened = Browser::open(place.address(), &[("authorization", &bearer(wrong.reveal()))]).await;
    assert_eq!(opened.unwrap().0.closed().await, 4401);

    let mut told = String::new();
    for (number, token) in [bearer_token.reveal(), page_token].into_iter().enumerate() {
        let mut browser = place.browser_called("page", token).await;
        told += &browser.of("state").await.to_string();
        for (kind, command) in [("command_result", "restart_child"), ("error", "remove_child")] {
            browser
                .says(json!({
                    "type": "command", "command_id": format!("{command}-{number}"), "target_id": "shop",
                    "command": command, "target": {"child_path": "/api"}, "reason": "stuck", "confirmed": false,
                }))
                .await;
            told += &browser.of(kind).await.to_string();
        }
    }
    let (logged, audited) = (log.0.lock().unwrap().clone(), files_below(place.folder.path()));
    assert!(
        logged.contains("the canary sings") && audited.contains("restart_child") && told.contains("\"ann\"")
    );
    let shown = format!("{:?} {:?}", place.identities, place.web);
    for secret in [bearer_token.reveal(), page_token, &good, wrong.reveal()] {
        for text in [&logged, &audited, &told, &shown] {
            assert!(!text.contains(&secret[..16]), "{text}");
        }
    }
}
