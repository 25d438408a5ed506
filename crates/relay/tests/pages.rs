//! The pages over a real connection, with what holds for every answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use supervisor_relay::{Config, Door, Identities, Names, Relay, Web};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

struct House {
    _relay: Relay,
    web: Web,
    _folder: tempfile::TempDir,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new(folder.path().join("relay.sock"), folder.path().join("audit"));
    let relay = Relay::start(config).await.unwrap();
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let names = Names::of(port.local_addr().unwrap());
    // Who is nobody may read the pages, for by them one signs in, and nothing else.
    let web = relay.serve(port, Door::new(names, Identities::new())).unwrap();
    House { _relay: relay, web, _folder: folder }
}

/// The head of the answer, in small letters, and its body.
async fn ask(address: SocketAddr, request: &str, host: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap().to_lowercase(), body)
}

#[tokio::test]
async fn the_dashboard_is_served_from_within_the_program() {
    let house = house().await;
    let address = house.web.address();
    let (head, body) = ask(address, "GET /", &address.to_string()).await;
    assert!(head.starts_with("http/1.1 200 ") && head.contains("content-type: text/html"), "{head}");
    assert!(
        String::from_utf8(body).unwrap().contains("<script type=\"module\" crossorigin src=\"./app.js\">")
    );
    let (head, script) = ask(address, "GET /app.js", &address.to_string()).await;
    assert!(head.contains(&format!("content-length: {}\r\n", script.len())), "{head}");
    assert_eq!(script, std::fs::read("../../ui/dist/app.js").unwrap());
}

#[tokio::test]
async fn a_page_can_be_looked_at_and_nothing_else() {
    let house = house().await;
    let address = house.web.address();
    let (got, body) = ask(address, "GET /app.css", &address.to_string()).await;
    let (looked, none) = ask(address, "HEAD /app.css", &address.to_string()).await;
    let line = |head: &str, name: &str| head.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    for name in ["http/1.1 200", "etag: ", "content-type: ", "content-length: "] {
        assert_eq!(line(&looked, name), line(&got, name), "{name}");
        assert!(line(&got, name).is_some(), "{name} in {got}");
    }
    assert!(none.is_empty() && !body.is_empty());
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let (head, _) = ask(address, &format!("{method} /app.css"), &address.to_string()).await;
        assert!(head.starts_with("http/1.1 405 ") && head.contains("allow: get,head"), "{method}: {head}");
    }
}

#[tokio::test]
async fn s19_the_policy_holds_for_every_answer_and_a_foreign_name_gets_no_page() {
    let house = house().await;
    let address = house.web.address();
    let own = address.to_string();
    for (request, host, status, cache) in [
        ("GET /", own.as_str(), "200", "no-cache"),
        ("GET /app.js", &own, "200", "no-cache"),
        ("GET /other.js", &own, "404", "no-store"),
        ("POST /", &own, "405", "no-store"),
        ("GET /", "evil.example", "421", "no-store"),
        ("GET /app.js", "evil.example", "421", "no-store"),
    ] {
        let (head, _) = ask(address, request, host).await;
        let of = format!("{request} as {host}: {head}");
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{of}");
        let policy = head.lines().find(|line| line.starts_with("content-security-policy: ")).expect(&of);
        assert!(policy.contains("default-src 'none'; script-src 'self'; style-src 'self'"), "{of}");
        assert!(!policy.contains("unsafe"), "{of}");
        assert!(head.contains("x-content-type-options: nosniff"), "{of}");
        assert!(head.contains("referrer-policy: no-referrer"), "{of}");
        assert!(head.contains(&format!("cache-control: {cache}")), "{of}");
        assert!(!head.contains("access-control-allow") && !head.contains("set-cookie"), "{of}");
    }
}
