//! What probes and scrapers are told of a relay.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../client/tests/target/mod.rs"]
mod target;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use supervisor_relay::{Config, Principal, ProbePort, Relay, Role};
use target::{Target, World, folder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

struct Place {
    relay: Relay,
    health: ProbePort,
    folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = folder();
        let mut config = Config::new(folder.path().join("relay.sock"), folder.path().join("audit"));
        config.socket_directories = vec![folder.path().to_owned()];
        let relay = Relay::start(config).await.unwrap();
        let health = relay.serve_health(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
        Self { relay, health, folder }
    }

    async fn register(&self, line: &str) {
        let mut stream = UnixStream::connect(self.relay.registration_socket()).await.unwrap();
        stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        // Until it has answered.
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
    }

    async fn get(&self, path: &str) -> (u16, String) {
        get(self.health.address(), "127.0.0.1", path).await.unwrap()
    }

    /// Until a line of the metrics is there.
    async fn until(&self, line: &str) {
        let wait = async {
            loop {
                let (status, text) = self.get("/metrics").await;
                assert_eq!(status, 200);
                if text.lines().any(|other| other == line) {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(Duration::from_secs(20), wait).await.is_err() {
            panic!("{line} is not in\n{}", self.get("/metrics").await.1);
        }
    }
}

async fn get(address: SocketAddr, host: &str, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

#[tokio::test]
async fn a_relay_that_runs_is_alive_and_ready_and_measured() {
    let place = Place::new().await;
    assert_eq!(place.get("/healthz").await, (200, "alive\n".to_owned()));
    assert_eq!(place.get("/readyz").await, (200, "ready\n".to_owned()));
    let (status, text) = place.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "supervisor_relay_sessions 0",
        "supervisor_relay_targets{connection=\"connected\"} 0",
        "supervisor_relay_targets{connection=\"expired\"} 0",
        "supervisor_relay_audit_writable 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
    assert_eq!(place.get("/").await.0, 404);
}

#[tokio::test]
async fn s25_a_target_that_cannot_be_reached_is_counted_as_that_and_as_nothing_else() {
    let place = Place::new().await;
    let target = Target::start(&place.folder.path().join("shop.sock"), World::shop()).await;
    let line = json!({
        "target_id": "shop", "display_name": "", "ipc_path": target.path(), "lease_seconds": 30, "supported_commands": [],
    });
    place.register(&line.to_string()).await;
    place.register("{}").await;
    place.until("supervisor_relay_targets{connection=\"connected\"} 1").await;
    place.until("supervisor_relay_registrations_total{result=\"accepted\"} 1").await;
    place.until("supervisor_relay_registrations_total{result=\"rejected\"} 1").await;
    target.die().await;
    place.until("supervisor_relay_targets{connection=\"connected\"} 0").await;
    assert_eq!(place.get("/readyz").await.0, 200, "the relay itself is ready");
    let (_, text) = place.get("/metrics").await;
    assert!(!text.contains("shop"), "no name of a target is told to everybody:\n{text}");
}

#[tokio::test]
async fn what_targets_tell_and_what_is_lost_of_it_is_counted() {
    let place = Place::new().await;
    let mut world = World::shop();
    for error in ["one", "two", "three", "four"] {
        world.fails("/api", error);
    }
    world.log("/api", "said");
    world.kept = (3, 1);
    let target = Target::start(&place.folder.path().join("shop.sock"), world).await;
    let line = json!({
        "target_id": "shop", "display_name": "", "ipc_path": target.path(), "lease_seconds": 30, "supported_commands": [],
    });
    place.register(&line.to_string()).await;
    place.until("supervisor_relay_records_total{stream=\"events\"} 2").await;
    place.until("supervisor_relay_records_total{stream=\"logs\"} 1").await;
    place.until("supervisor_relay_lost_records_total{stream=\"events\"} 2").await;
    let (_, text) = place.get("/metrics").await;
    assert!(!text.contains("lost_records_total{stream=\"logs\"}"), "{text}");
}

#[tokio::test]
async fn browsers_and_refusals_are_counted() {
    let place = Place::new().await;
    let mut session = place.relay.session(Principal::new("ann").with("*", Role::Viewer));
    session.heard(br#"{"type":"client_hello","client_store_id":"b"}"#).unwrap();
    let command = json!({
        "type": "command", "command_id": "c-1", "target_id": "shop", "command": "restart_child", "target": {},
        "reason": "stuck",
    });
    assert_eq!(session.heard(command.to_string().as_bytes()), Ok(None));
    place.until("supervisor_relay_sessions 1").await;
    place.until("supervisor_relay_denials_total 1").await;
    place.until("supervisor_relay_failed_sign_ins_total 0").await;
    drop(session);
    place.until("supervisor_relay_sessions 0").await;
}

#[tokio::test]
async fn s19_who_was_led_here_by_a_foreign_name_is_refused() {
    let place = Place::new().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(place.health.address(), "evil.example", path).await.unwrap().0, 421, "{path}");
    }
}

#[tokio::test]
async fn a_relay_that_has_ended_is_not_said_to_be_well() {
    let Place { relay, health, folder } = Place::new().await;
    relay.close().await;
    let (status, said) = get(health.address(), "localhost", "/readyz").await.unwrap();
    assert_eq!(status, 503, "{said}");
    assert_eq!(get(health.address(), "localhost", "/healthz").await.unwrap().0, 503);
    drop(folder);
}

#[tokio::test]
async fn a_port_that_is_dropped_is_closed() {
    let place = Place::new().await;
    let address = place.health.address();
    drop(place.health);
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), refused).await.unwrap();
}
