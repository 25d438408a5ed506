//! Descriptors that a program is given.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

use common::{Bench, LONG, end, exit_of, failure_of, sh, until};
use supervisor_api::Exit;
use supervisor_process::{Limit, ProgramSpec, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

/// Answers each line with its process id. Asked to stop, it answers whom it has accepted, and accepts nobody more.
const SERVER: &str = r#"
import os, select, signal, socket, sys
assert os.environ["LISTEN_PID"] == str(os.getpid()), os.environ["LISTEN_PID"]
assert (os.environ["LISTEN_FDS"], os.environ["LISTEN_FDNAMES"]) == ("1", "web")
listener = socket.socket(fileno=3)
waits, going = False, True
def stop(*_):
    global going
    going = False
    if waits:
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
while going:
    waits = True
    if going:
        select.select([listener], [], [])
    waits = False
    connection, _ = listener.accept()
    connection.makefile("rb").readline()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"#;

/// Asks once, and says who answered.
async fn ask(address: SocketAddr) -> u32 {
    let mut stream = TcpStream::connect(address).await.expect("nobody is refused");
    stream.write_all(b"who\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("nobody is cut off");
    answer.parse().expect("an answer")
}

#[tokio::test]
async fn no_request_is_lost_while_a_program_with_a_passed_socket_is_restarted_again_and_again() {
    let test = "no_request_is_lost_while_a_program_with_a_passed_socket_is_restarted_again_and_again";
    if !skip::has("python3", test) {
        return;
    }
    const RESTARTS: usize = 20;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let spec = ProgramSpec::new("python3").args(["-c", SERVER]).pass("web", listener);
    let (over, ends) = watch::channel(false);
    let (answered, mut answers) = mpsc::unbounded_channel();
    // They begin before anybody serves.
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (answered, ends) = (answered.clone(), ends.clone());
            tokio::spawn(async move {
                while !*ends.borrow() {
                    answered.send(ask(address).await).unwrap();
                }
            })
        })
        .collect();
    let mut servers = BTreeSet::new();
    for run in 0..=RESTARTS {
        let bench = Bench::new();
        let running = bench.start(spec.clone());
        let own = bench.until("executed", |seen| seen.pid.is_some()).await.pid.unwrap();
        let serves = async { while answers.recv().await != Some(own) {} };
        tokio::time::timeout(LONG, serves).await.expect("each run serves");
        servers.insert(own);
        if run == RESTARTS {
            over.send_replace(true);
            until("all clients done", || clients.iter().all(|client| client.is_finished())).await;
        }
        bench.stop();
        assert_eq!(end(running).await, Exit::Stopped, "{}", bench.text());
    }
    for client in clients {
        client.await.expect("no client was refused");
    }
    assert_eq!(servers.len(), RESTARTS + 1);
}

#[tokio::test]
async fn exactly_what_is_passed_is_open_and_its_variables_are_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let file = |name: &str| fs::File::create(path(name)).unwrap();
    let spec = sh("echo pid=$$ is=$LISTEN_PID $LISTEN_FDS $LISTEN_FDNAMES; exec sleep 60");
    let spec = spec.pass("a", file("a")).pass("b", file("b")).pass("a", file("c"));
    // A limit just above what it has.
    for spec in [spec.clone(), spec.limit(Limit::FileDescriptors, 7)] {
        let bench = Bench::new();
        let run = bench.start(spec);
        let line = bench.word("pid=").await;
        let (pid, rest) = line.split_once(' ').unwrap();
        assert_eq!(rest, format!("is={pid} 3 a:b:a"));
        common::until_named(pid.parse().unwrap(), "sleep").await;
        let open = || -> BTreeSet<String> {
            let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        until("only these", || open() == BTreeSet::from(["0", "1", "2", "3", "4", "5"].map(String::from)))
            .await;
        for (number, name) in [(3, "a"), (4, "b"), (5, "c")] {
            assert_eq!(fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap(), path(name));
        }
        bench.kill();
        end(run).await;
    }
}

#[tokio::test]
async fn a_failed_start_says_so_whatever_descriptors_come_and_go_meanwhile() {
    let null = || fs::File::open("/dev/null").unwrap();
    // Descriptors with low numbers are closed and opened while children are forked.
    let (over, ends) = watch::channel(false);
    let churn = std::thread::spawn(move || {
        while !*ends.borrow() {
            drop([null(), null(), null(), null()]);
        }
    });
    let many = (0..20).fold(ProgramSpec::new("/etc/passwd"), |spec, _| spec.pass("x", null()));
    let runs = (0..40).map(|_| {
        let many = many.clone();
        tokio::spawn(async move { failure_of(many).await })
    });
    for run in runs.collect::<Vec<_>>() {
        let said = run.await.unwrap();
        assert_eq!(said, "cannot start `/etc/passwd`: not executable; allow it with `chmod +x`");
    }
    let script = "for n in 3 4 5 6; do test -e /proc/self/fd/$n || exit $n; done; test ! -e /proc/self/fd/7";
    let four = (0..4).fold(sh(script), |spec, _| spec.pass("x", null()));
    for _ in 0..20 {
        assert_eq!(exit_of(four.clone()).await, Exit::Completed);
    }
    over.send_replace(true);
    churn.join().unwrap();
}

#[test]
fn a_name_that_could_not_be_told_is_found() {
    let null = || fs::File::open("/dev/null").unwrap();
    for bad in ["", "a:b", "a\n", "\u{e9}"] {
        let findings = ProgramSpec::new("x").stop_signal(Signal::INT).pass(bad, null()).findings();
        assert!(findings.len() == 1 && findings[0].contains("cannot name a descriptor"), "{findings:?}");
    }
    assert_eq!(ProgramSpec::new("x").pass("web server", null()).findings(), [""; 0]);
}
