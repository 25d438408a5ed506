//! The example of a server whose socket is the supervisor's, as its users meet it: they are never refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../socket/tests/common/ports.rs"]
mod ports;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use common::{Run, supervisor};
use ports::free;

const CLIENTS: usize = 8;
const REQUESTS: usize = 10_000;
const RESTARTS: usize = 20;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The text of `examples/activated.yaml` at this address, with more keys for its program.
fn activated(address: SocketAddr, more: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let text = std::fs::read_to_string(root.join("examples/activated.yaml")).unwrap();
    let program = root.join("examples/activated.py");
    let changes = [
        ("127.0.0.1:18081", address.to_string()),
        ("examples/activated.py", program.to_str().unwrap().to_owned()),
        ("    readiness:", format!("{more}    readiness:")),
    ];
    let commands = text.find("version: 1").unwrap();
    changes.into_iter().fold(text[commands..].to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, &to)
    })
}

/// Asks once: says who answered, or how the answer failed. Nobody may be refused.
fn ask(address: SocketAddr) -> io::Result<u32> {
    let mut stream = TcpStream::connect(address).expect("nobody is refused");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let whole = answer
        .starts_with("HTTP/1.1 200 OK\r\n")
        .then(|| answer.trim_end().rsplit('\n').next()?.parse().ok());
    whole
        .flatten()
        .ok_or_else(|| io::Error::new(ErrorKind::UnexpectedEof, format!("half an answer: {answer:?}")))
}

/// Clients that ask until they are told that it is over, and have asked often enough.
struct Clients {
    over: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    answers: Receiver<io::Result<u32>>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(address: SocketAddr, least: usize) -> Self {
        let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (send, answers) = channel();
        let client = |_| {
            let (over, asked, send) = (Arc::clone(&over), Arc::clone(&asked), send.clone());
            std::thread::spawn(move || {
                while asked.fetch_add(1, Ordering::Relaxed) < least || !over.load(Ordering::Relaxed) {
                    // Nobody hears it when the test has failed.
                    let _ = send.send(ask(address));
                }
            })
        };
        let threads = (0..CLIENTS).map(client).collect();
        Self { over, asked, answers, threads }
    }

    /// Waits until somebody who is not known has answered. Says how the answers failed that came before.
    fn until_another(&self, known: &mut BTreeSet<u32>) -> Vec<io::Error> {
        let mut failed = Vec::new();
        loop {
            match self.answers.recv_timeout(PATIENCE).expect("somebody answers") {
                Ok(server) if known.insert(server) => return failed,
                Ok(_) => {}
                Err(error) => failed.push(error),
            }
        }
    }

    /// Waits for the last answers.
    fn end(self) -> (usize, Vec<io::Result<u32>>) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("no client was refused");
        }
        (self.asked.load(Ordering::Relaxed), self.answers.try_iter().collect())
    }
}

/// Has the run do something, which works.
#[track_caller]
fn has(run: &Run, args: &[&str]) {
    let mut command = supervisor(run.home.path());
    let said = command.args(args).env_remove("SUPERVISOR_SOCKET").output().unwrap();
    assert!(said.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn ten_thousand_requests_are_answered_over_twenty_restarts_and_a_new_spec() {
    let test = "ten_thousand_requests_are_answered_over_twenty_restarts_and_a_new_spec";
    if !skip::has("python3", test) {
        return;
    }
    let address = free();
    let mut run = Run::json(&activated(address, ""));
    run.event("ChildRunning", "/web");
    let mut servers = BTreeSet::new();
    let clients = Clients::start(address, REQUESTS);
    let mut failed = clients.until_another(&mut servers);
    for _ in 0..RESTARTS {
        has(&run, &["restart", "/web", "--reason", "a new version"]);
        failed.extend(clients.until_another(&mut servers));
    }
    let new = run.home.path().join("new.yaml");
    std::fs::write(&new, activated(address, "    environment: [{name: VERSION, value: two}]\n")).unwrap();
    has(&run, &["apply", new.to_str().unwrap(), "--reason", "a new version", "--yes"]);
    failed.extend(clients.until_another(&mut servers));
    let (asked, rest) = clients.end();
    failed.extend(rest.into_iter().filter_map(Result::err));
    assert!(failed.is_empty(), "{failed:?}");
    assert!(asked >= REQUESTS, "{asked}");
    assert_eq!(servers.len(), RESTARTS + 2);
    // Who waits when the program goes for good is cut off, and nobody comes after.
    has(&run, &["pause", "/web", "--reason", "a rest"]);
    let mut waits = TcpStream::connect(address).expect("it waits");
    has(&run, &["remove", "/web", "--reason", "away", "--yes"]);
    assert!(waits.read(&mut [0]).map_or(true, |read| read == 0), "cut off");
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_server_that_is_killed_cuts_off_whom_it_was_answering_and_nobody_else() {
    let test = "a_server_that_is_killed_cuts_off_whom_it_was_answering_and_nobody_else";
    if !skip::has("python3", test) {
        return;
    }
    const KILLS: usize = 10;
    let address = free();
    let more = "    budget: unlimited\n    criticality: optional\n    backoff: {initial_ms: 0}\n";
    let folder = tempfile::tempdir().unwrap();
    let second = folder.path().join("web.sock");
    let both = format!("name: http}}, {{listen: \"unix:{}\"}}]", second.display());
    let mut run = Run::json(&activated(address, more).replace("name: http}]", &both));
    run.event("ChildRunning", "/web");
    assert!(second.exists());
    let mut servers = BTreeSet::new();
    let clients = Clients::start(address, 0);
    let mut failed = clients.until_another(&mut servers);
    assert!(failed.is_empty(), "{failed:?}");
    for kill in 1..=KILLS {
        let server = run.program("activated.py");
        rustix::process::kill_process(server, rustix::process::Signal::KILL).unwrap();
        failed.extend(clients.until_another(&mut servers));
        // It answers one at a time.
        assert!(failed.len() <= kill, "{failed:?}");
    }
    let (_, rest) = clients.end();
    assert!(rest.iter().all(Result::is_ok), "{rest:?}");
    assert_eq!(servers.len(), KILLS + 1);
    assert_eq!(run.stop().code, Some(0));
    assert!(!second.exists(), "it goes with the stack");
}
