//! What probes and scrapers read, over real connections (D21).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use supervisor_stack::{Doors, Serving, Stack};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_supervisor::{ChildContext, Registry, SupervisorHandle};

struct Served {
    handle: SupervisorHandle,
    serving: Serving,
}

/// Serves the health of a stack with these lines, and does not wait until it has started.
async fn serve(lines: &str) -> Served {
    let registry = Registry::new()
        .factory("idle", |ctx: ChildContext| async move {
            ctx.stopping().await;
        })
        .factory("never", |ctx: ChildContext| async move {
            ctx.stopping().await;
        })
        .factory("stubborn", |ctx: ChildContext| async move {
            ctx.ready();
            ctx.killed().await;
        });
    let text = format!("version: 1\nname: h\nhealth: {{listen: \"127.0.0.1:0\"}}\n{lines}\n");
    let stack = Stack::parse_with("f", text, registry).unwrap_or_else(|error| panic!("{error}"));
    let prepared = stack.prepare(None, &Doors::default()).await.unwrap();
    let handle = stack.launch().unwrap();
    Served { serving: prepared.serve(&handle), handle }
}

impl Served {
    fn address(&self) -> SocketAddr {
        self.serving.health.as_ref().unwrap().address()
    }

    async fn get(&self, path: &str) -> (u16, String) {
        ask(self.address(), &format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address())).await
    }

    async fn until(&self, path: &str, status: u16) -> String {
        loop {
            let (now, body) = self.get(path).await;
            if now == status {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Says this and reads to the end: the status, and everything after it.
async fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status in {answer:?}")), answer)
}

fn in_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("in time") })
}

const CRITICAL: &str = "children:
  - {name: a, kind: async_worker, factory: idle, criticality: critical}
  - {name: b, kind: async_worker, factory: idle}
  - {name: c, kind: async_worker, factory: idle, criticality: optional}";

#[test]
fn d21_only_a_critical_child_makes_a_started_tree_unready() {
    in_time(async {
        let served = serve(CRITICAL).await;
        served.handle.started().await.unwrap();
        assert_eq!(served.get("/readyz").await.0, 200);
        for (child, status) in [("/c", 200), ("/b", 200), ("/a", 503)] {
            served.handle.pause_child(child, "test", "look").await.unwrap();
            let (now, said) = served.get("/readyz").await;
            assert_eq!(now, status, "{child}: {said}");
        }
        assert!(served.get("/readyz").await.1.contains("a critical child"));
        assert_eq!(served.get("/livez").await.0, 200, "a parked child is no reason to start all anew");
        served.handle.resume_child("/a", "test", "look").await.unwrap();
        served.until("/readyz", 200).await;
    });
}

#[test]
fn d7_it_answers_while_the_stack_still_starts_and_is_ready_when_that_is_over() {
    in_time(async {
        let never = "name: slow, kind: async_worker, factory: never, readiness: explicit";
        let served = serve(&format!("children: [{{{never}}}]")).await;
        let (status, said) = served.get("/readyz").await;
        assert_eq!(status, 503, "{said}");
        assert!(said.contains("it starts"), "{said}");
        assert_eq!(served.get("/livez").await.0, 200);
        served.handle.pause_child("/slow", "test", "parked is as far as it gets").await.unwrap();
        served.until("/readyz", 200).await;
        // Nobody waits for an optional one.
        let served = serve(&format!("children: [{{{never}, criticality: optional}}]")).await;
        served.until("/readyz", 200).await;
    });
}

#[test]
fn d21_a_tree_that_is_being_stopped_is_alive_and_not_ready() {
    in_time(async {
        let served = serve("children: [{name: a, kind: async_worker, factory: stubborn}]").await;
        served.handle.started().await.unwrap();
        let handle = served.handle.clone();
        let stop = tokio::spawn(async move { handle.shutdown("test", "over").await });
        assert!(served.until("/readyz", 503).await.contains("being stopped"));
        assert_eq!(served.get("/livez").await.0, 200);
        served.handle.skip_graces("test", "now").await.unwrap();
        stop.await.unwrap().unwrap();
        assert!(served.get("/readyz").await.1.contains("has ended"));
        assert_eq!(served.get("/livez").await.0, 503);
    });
}

#[test]
fn d21_a_critical_child_that_shows_no_life_makes_the_tree_not_alive() {
    in_time(async {
        let beat = "health_check: {check_interval_secs: 0.05, timeout_secs: 0.05, max_retries: 4294967295}";
        let child = format!("{{name: a, kind: async_worker, factory: idle, criticality: critical, {beat}}}");
        let served = serve(&format!("children: [{child}]")).await;
        assert!(served.until("/livez", 503).await.contains("a critical child is stale"));
        assert_eq!(served.get("/readyz").await.0, 503);
    });
}

#[test]
fn metrics_are_open_metrics_of_this_tree() {
    in_time(async {
        let served = serve(CRITICAL).await;
        served.handle.started().await.unwrap();
        let (status, said) = served.get("/metrics").await;
        assert_eq!(status, 200);
        assert!(
            said.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
            "{said}"
        );
        assert!(said.ends_with("# EOF\n"), "{said}");
        assert!(said.contains("supervisor_runtime_control_plane_alive 1"), "{said}");
        let running = r#"supervisor_child_state{supervisor_path="/",child_path="/a",state="running"}"#;
        assert!(said.contains(&format!("{running} 1")), "{said}");
        served.handle.pause_child("/a", "test", "look").await.unwrap();
        let paused = running.replace("running", "paused");
        assert!(served.get("/metrics").await.1.contains(&format!("{paused} 1")));
        let version = said.lines().find(|line| line.starts_with("supervisor_config_version "));
        assert!(version.is_some_and(|line| !line.ends_with(" 0")), "{version:?}");
    });
}

#[test]
fn a_dynamic_supervisor_with_many_children_does_not_make_many_series() {
    in_time(async {
        let served =
            serve("children: [{name: pool, kind: supervisor, dynamic: {max_children: 100000}}]").await;
        served.handle.started().await.unwrap();
        let lines = async || served.get("/metrics").await.1.lines().count();
        let one = |number: usize| {
            let text = format!(r#"{{"name": "c{number}", "kind": "async_worker", "factory": "idle"}}"#);
            serde_json::from_str::<tokio_supervisor::ChildManifest>(&text).unwrap()
        };
        served.handle.add_child("/pool", one(0), "test", "one").await.unwrap();
        let with_one = lines().await;
        for number in 1..2_000 {
            served.handle.add_child("/pool", one(number), "test", "many").await.unwrap();
        }
        let text = served.get("/metrics").await.1;
        assert_eq!(text.lines().count(), with_one, "as many lines as with one child");
        assert!(text.contains("2000"), "and they are counted: {text}");
    });
}

#[test]
fn only_get_and_head_and_only_three_paths_are_answered() {
    in_time(async {
        let served = serve(CRITICAL).await;
        served.until("/readyz", 200).await;
        let address = served.address();
        let method = async |method: &str, path: &str| {
            ask(address, &format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n"))
                .await
        };
        let (status, head) = method("HEAD", "/readyz").await;
        assert_eq!(status, 200);
        assert!(head.ends_with("\r\n\r\n"), "a HEAD has no body: {head}");
        for refused in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let (status, said) = method(refused, "/livez").await;
            assert_eq!(status, 405, "{refused}");
            assert!(said.contains("allow: GET,HEAD"), "{said}");
        }
        for path in ["/", "/metrics/", "/livez/x", "/.."] {
            assert_eq!(method("GET", path).await.0, 404, "{path}");
        }
        let foreign = ask(address, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n").await;
        assert_eq!(foreign.0, 421, "a page in a browser reads nothing");
        assert_eq!(ask(address, "GET /livez HTTP/1.0\r\n\r\n").await.0, 200, "an old client names no host");
    });
}

#[test]
fn a_port_in_use_is_told_with_its_address_before_anything_is_started() {
    in_time(async {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let text = format!("version: 1\nname: h\nhealth: {{listen: \"{address}\"}}\nchildren: []\n");
        let refused =
            Stack::parse("f", text).unwrap().prepare(None, &Doors::default()).await.unwrap_err().to_string();
        assert!(refused.contains(&format!("cannot listen on {address}")), "{refused}");
        assert!(refused.contains("stop it, or write another port"), "{refused}");
    });
}

#[test]
fn silent_and_slow_clients_keep_no_probe_out_and_do_not_delay_the_tree() {
    in_time(async {
        let served = serve(CRITICAL).await;
        served.until("/readyz", 200).await;
        let mut silent = Vec::new();
        for number in 0..300 {
            let mut stream = TcpStream::connect(served.address()).await.unwrap();
            // Some say nothing, some begin and stop, some ask and never read.
            let said = ["", "GET /met", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"][number % 3];
            stream.write_all(said.as_bytes()).await.unwrap();
            silent.push(stream);
        }
        assert_eq!(served.get("/livez").await.0, 200, "the oldest has made room");
        for _ in 0..20 {
            served.handle.restart_child("/b", "test", "as ever").await.unwrap();
        }
        // Of those who still wait there are at most as many as there is room for.
        let mut closed = 0;
        for stream in silent.iter_mut().take(200) {
            let mut rest = Vec::new();
            let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
            closed += usize::from(read.is_ok());
        }
        assert_eq!(closed, 200);
    });
}

#[test]
fn a_head_without_an_end_is_cut() {
    in_time(async {
        let served = serve(CRITICAL).await;
        let mut stream = TcpStream::connect(served.address()).await.unwrap();
        let mut long = String::from("GET /livez HTTP/1.1\r\n");
        (0..4000).for_each(|number| write!(long, "X-{number}: 0123456789\r\n").unwrap());
        // It may be cut before all of it is said.
        let _ = stream.write_all(long.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
        assert_eq!(served.get("/livez").await.0, 200);
    });
}

#[test]
fn the_port_is_closed_with_the_endpoint() {
    in_time(async {
        let Served { handle, serving } = serve(CRITICAL).await;
        let address = serving.health.as_ref().unwrap().address();
        drop(serving);
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(handle.is_alive(), "the tree is not concerned");
    });
}
