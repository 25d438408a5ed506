//! When a program counts as started, and what is said while it does not.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
#[path = "common/server.rs"]
mod server;

use std::time::Duration;

use common::{Bench, LONG, Mark, end, sh};
use supervisor_api::Exit;
use supervisor_process::{Probe, ProgramSpec, Readiness};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::Instant;

const OFTEN: Duration = Duration::from_millis(10);

/// Tried often, and given up by nobody because the machine is busy.
fn patient(probe: Probe) -> Readiness {
    Readiness::probe(probe).every(OFTEN).within(LONG)
}

fn sleeper(probe: Probe) -> ProgramSpec {
    sh("exec sleep 60").readiness(patient(probe))
}

/// A directory in which a script waits for the file `go`.
struct Gate(tempfile::TempDir);

impl Gate {
    const WAIT: &str = "until test -e go; do sleep 0.01; done";

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) {
        std::fs::write(self.0.path().join("go"), "").unwrap();
    }
}

/// A port that is taken, and refuses connections until it listens.
fn closed_port() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

async fn stop(bench: &Bench, run: tokio::task::JoinHandle<Exit>) {
    bench.stop();
    assert_eq!(end(run).await, Exit::Stopped);
}

#[tokio::test]
async fn d19_immediate_is_ready_when_executed_and_never_when_it_cannot_be() {
    let bench = Bench::new();
    let run = bench.start(sh("exec sleep 60"));
    bench.until("ready", |seen| seen.ready).await;
    stop(&bench, run).await;
    let bench = Bench::new();
    assert!(matches!(end(bench.start(ProgramSpec::new("/no/such"))).await, Exit::Failed { .. }));
    assert!(!bench.seen().ready);
    // Executed is started, however soon it is over.
    for _ in 0..50 {
        let bench = Bench::new();
        end(bench.start(ProgramSpec::new("true"))).await;
        assert!(bench.seen().ready);
    }
}

#[tokio::test]
async fn d19_tcp_is_ready_when_the_port_is_open() {
    let (socket, address) = closed_port();
    let bench = Bench::new();
    let run = bench.start(sleeper(Probe::tcp(&address)));
    let refused = format!("not ready: tcp {address}: connection refused");
    bench.until("refused", |seen| seen.phases == [refused.clone()]).await;
    assert!(!bench.seen().ready);
    let _listener = socket.listen(8).unwrap();
    let seen = bench.until("ready", |seen| seen.ready).await;
    assert_eq!(seen.phases, [refused, String::new()], "said once, then taken back");
    stop(&bench, run).await;
}

#[tokio::test]
async fn d19_http_is_ready_at_a_good_status() {
    let answers =
        ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "hello\r\n", "", "HTTP/1.1 204 No Content\r\n\r\n"];
    let (url, mut questions) = server::serve(answers.map(str::to_owned).to_vec()).await;
    let url = format!("{url}?x");
    let bench = Bench::new();
    let run = bench.start(sleeper(Probe::http(&url)));
    let seen = bench.until("ready", |seen| seen.ready).await;
    let heard = [
        format!("not ready: http {url}: expected 200-399, got 503 Service Unavailable"),
        format!("not ready: http {url}: the answer is not HTTP/1"),
        format!("not ready: http {url}: the connection was closed without an answer"),
        String::new(),
    ];
    assert_eq!(seen.phases, heard);
    let asked = questions.recv().await.unwrap();
    assert!(asked.starts_with("GET /up?x HTTP/1.1\r\nHost: 127.0.0.1:"), "{asked}");
    stop(&bench, run).await;
}

#[tokio::test]
async fn d19_http_that_never_answers_is_given_up_in_time_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let bench = Bench::new();
    let readiness = Readiness::probe(Probe::http(&url)).every(OFTEN).within(Duration::from_millis(50));
    let run = bench.start(sh("exec sleep 60").readiness(readiness));
    // One that is held up is given up before it has asked; the next one has its time again.
    let asked_and_closed = async {
        let mut request = Vec::new();
        while !request.starts_with(b"GET / ") {
            request.clear();
            listener.accept().await.unwrap().0.read_to_end(&mut request).await.unwrap();
        }
    };
    tokio::time::timeout(LONG, asked_and_closed).await.expect("a request whose connection is closed");
    let error = format!("not ready: http {url}: no answer within 50ms");
    bench.until("given up", |seen| seen.phases == [error.clone()]).await;
    listener.accept().await.unwrap();
    stop(&bench, run).await;
}

#[tokio::test]
async fn d19_http_with_an_endless_answer_is_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap().0;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
    });
    let bench = Bench::new();
    let run = bench.start(sleeper(Probe::http(&url)));
    bench
        .until("an answer", |seen| seen.phases.iter().any(|phase| phase.contains("the answer is not HTTP/1")))
        .await;
    stop(&bench, run).await;
}

#[tokio::test]
async fn d19_exec_is_ready_when_the_command_ends_with_zero() {
    let gate = Gate::new();
    // In the program's surroundings: its directory and its environment.
    let probe = Probe::exec(["sh", "-c", "echo looking for $FLAG; test -e $FLAG"]);
    let bench = Bench::new();
    let spec = sh("exec sleep 60").working_dir(gate.0.path()).env("FLAG", "go");
    let run = bench.start(spec.readiness(patient(probe)));
    let error = "not ready: exec sh -c echo looking for $FLAG; test -e $FLAG: exit code 1: looking for go";
    bench.until("tried", |seen| seen.phases == [error]).await;
    gate.open();
    let seen = bench.until("ready", |seen| seen.ready).await;
    assert_eq!(seen.phases, [error, ""]);
    stop(&bench, run).await;
}

#[tokio::test]
async fn d19_an_exec_probe_that_hangs_is_killed_with_its_group() {
    let (bench, mark) = (Bench::new(), Mark::new());
    let probe = Probe::exec(["sh", "-c", "trap '' TERM; sleep 60 & wait"]);
    let readiness =
        Readiness::probe(probe).every(Duration::from_secs(3600)).within(Duration::from_millis(50));
    let run = bench.start(mark.on(sh("exec sleep 61")).readiness(readiness));
    bench.until("given up", |seen| seen.phases.len() == 1).await;
    assert!(bench.seen().phases[0].ends_with("not done within 50ms, killed"), "{:?}", bench.seen().phases);
    mark.until_commands(&["sleep 61 "]).await;
    stop(&bench, run).await;
}

#[tokio::test]
async fn d19_an_exec_probe_that_cannot_start_says_why() {
    let bench = Bench::new();
    let run = bench.start(sleeper(Probe::exec(["/no/such/probe"])));
    let error = "not ready: exec /no/such/probe: cannot start `/no/such/probe`: no such file";
    bench.until("failed", |seen| seen.phases == [error]).await;
    stop(&bench, run).await;
}

#[tokio::test]
async fn a_probe_that_runs_when_the_stop_is_asked_does_not_outlive_the_run() {
    let (bench, mark) = (Bench::new(), Mark::new());
    let readiness = Readiness::probe(Probe::exec(["sleep", "60"])).within(Duration::from_secs(3600));
    let run = bench.start(mark.on(sh("exec sleep 61")).readiness(readiness));
    mark.until(2).await;
    stop(&bench, run).await;
    mark.until(0).await;
}

#[tokio::test]
async fn d19_log_line_is_ready_when_a_line_contains_the_text() {
    for stream in ["", ">&2"] {
        let (bench, gate) = (Bench::new(), Gate::new());
        let wait = Gate::WAIT;
        let script =
            format!("echo not yet {stream}; {wait}; echo 'now READY to serve' {stream}; exec sleep 60");
        let spec = sh(&script).working_dir(gate.0.path());
        let run = bench.start(spec.readiness(Readiness::probe(Probe::log_line("READY"))));
        bench.until("the first line", |seen| seen.lines.len() == 1).await;
        assert!(!bench.seen().ready);
        gate.open();
        let seen = bench.until("ready", |seen| seen.ready).await;
        assert_eq!(seen.lines.len(), 2);
        stop(&bench, run).await;
    }
}

#[tokio::test]
async fn d19_log_line_works_also_when_the_output_goes_elsewhere() {
    let bench = Bench::new();
    let readiness = Readiness::probe(Probe::log_line("READY"));
    let run = bench.start(sh("echo READY; exec sleep 60").readiness(readiness).on_output(|_| {}));
    assert_eq!(bench.until("ready", |seen| seen.ready).await.lines, []);
    stop(&bench, run).await;
}

#[tokio::test]
async fn d19_delay_is_ready_after_its_time_and_not_before() {
    let bench = Bench::new();
    let begun = Instant::now();
    let run = bench.start(sleeper(Probe::delay(Duration::from_millis(300))));
    bench.until("ready", |seen| seen.ready).await;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    stop(&bench, run).await;
}

#[tokio::test]
async fn d19_an_end_before_ready_says_what_was_waited_for() {
    let (_socket, address) = closed_port();
    let readiness = patient(Probe::tcp(&address));
    let (bench, gate) = (Bench::new(), Gate::new());
    let script = format!("{}; exit 3", Gate::WAIT);
    let run = bench.start(sh(&script).working_dir(gate.0.path()).readiness(readiness));
    bench.until("tried", |seen| seen.phases.len() == 1).await;
    gate.open();
    let error = format!("exit code 3 before it was ready (last probe: tcp {address}: connection refused)");
    assert_eq!(end(run).await, Exit::failed(error));
    assert!(!bench.seen().ready);

    let readiness = Readiness::probe(Probe::log_line("READY"));
    let run = Bench::new().start(sh("exit 3").readiness(readiness));
    let error = "exit code 3 before it was ready (waiting for log_line \"READY\")";
    assert_eq!(end(run).await, Exit::failed(error));
}
