//! Sockets that are bound for a program: what is replaced, what is refused, and what is left when nobody holds them.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::fs;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use common::{Bench, end, failure_of};
use supervisor_api::{Exit, SupervisorPath};
use supervisor_process::ProgramSpec;

/// A program with these sockets.
fn with(script: &str, sockets: serde_json::Value) -> ProgramSpec {
    let manifest = serde_json::json!({"name": "web", "kind": "process", "command": ["sh", "-c", script], "sockets": sockets});
    let path = SupervisorPath::parse("/web").unwrap();
    ProgramSpec::from_manifest(&serde_json::from_value(manifest).unwrap(), &path).unwrap()
}

fn at(path: &Path) -> serde_json::Value {
    serde_json::json!([{"listen": format!("unix:{}", path.display())}])
}

/// A port that nobody has.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

const SAYS: &str = "echo is=$LISTEN_PID pid=$$ $LISTEN_FDS $LISTEN_FDNAMES; exec sleep 60";

/// Runs it until it has said what it was given, and kills it.
async fn said(bench: &Bench, spec: ProgramSpec) -> String {
    let before = bench.seen().lines.len();
    let run = bench.start(spec);
    let seen = bench.until("a line", |seen| seen.lines.len() > before).await;
    bench.kill();
    end(run).await;
    seen.lines[before].text.clone()
}

#[tokio::test]
async fn sockets_are_bound_with_the_first_run_and_stay_until_nobody_holds_them() {
    let dir = tempfile::tempdir().unwrap();
    let (path, port) = (dir.path().join("a.sock"), free());
    let sockets = serde_json::json!([{"listen": port.to_string(), "name": "http"},
        {"listen": format!("unix:{}", path.display()), "mode": "0666"}]);
    let spec = with(SAYS, sockets);
    assert!(!path.exists(), "a spec binds nothing");
    drop(TcpListener::bind(port).expect("a spec binds nothing"));
    let bench = Bench::new();
    let line = said(&bench, spec.clone()).await;
    let (own, rest) = line.strip_prefix("is=").unwrap().split_once(" pid=").unwrap();
    assert_eq!(rest, format!("{own} 2 http:web"));
    let stat = fs::symlink_metadata(&path).unwrap();
    assert!(stat.file_type().is_socket());
    assert_eq!(stat.permissions().mode() & 0o777, 0o666);
    // No run is there: who connects waits.
    let (mut waits, local) = (TcpStream::connect(port).unwrap(), UnixStream::connect(&path).unwrap());
    waits.set_nonblocking(true).unwrap();
    assert_eq!(waits.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    // The same bench: it is the next run of the same child.
    let again = said(&bench.again(), spec).await;
    assert!(again.ends_with("2 http:web"), "{again}");
    assert!(TcpStream::connect(port).is_ok() && UnixStream::connect(&path).is_ok());
    // One that has only the first one lets the other one go, and one without any lets go of both.
    let one = with(SAYS, serde_json::json!([{"listen": port.to_string()}]));
    assert!(said(&bench.again(), one).await.ends_with("1 web"));
    assert!(TcpStream::connect(port).is_ok() && !path.exists());
    assert!(said(&bench.again(), with(SAYS, serde_json::json!([]))).await.starts_with("is= pid="));
    TcpStream::connect(port).unwrap_err();
    drop((waits, local));
}

#[tokio::test]
async fn sockets_are_closed_and_their_files_removed_with_the_last_one_who_holds_them() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("a.sock"), dir.path().join("b.sock"));
    let bench = Bench::new();
    said(&bench, with(SAYS, at(&path))).await;
    assert!(path.exists());
    drop(bench);
    assert!(!path.exists());
    // A file of somebody else that has come into its place stays.
    let bench = Bench::new();
    said(&bench, with(SAYS, at(&other))).await;
    fs::remove_file(&other).unwrap();
    fs::write(&other, "mine").unwrap();
    drop(bench);
    assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
}

#[tokio::test]
async fn a_socket_whose_file_was_removed_is_bound_anew_and_its_mode_is_set_at_each_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.sock");
    let mode = || fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777;
    let bench = Bench::new();
    said(&bench, with(SAYS, at(&path))).await;
    assert_eq!(mode(), 0o600);
    fs::remove_file(&path).unwrap();
    said(&bench.again(), with(SAYS, at(&path))).await;
    UnixStream::connect(&path).unwrap();
    let wider = serde_json::json!([{"listen": format!("unix:{}", path.display()), "mode": "0660"}]);
    said(&bench.again(), with(SAYS, wider)).await;
    assert_eq!(mode(), 0o660);
}

#[tokio::test]
async fn what_a_run_made_of_a_socket_is_not_handed_on() {
    if !skip::has("python3", "what_a_run_made_of_a_socket_is_not_handed_on") {
        return;
    }
    let bench = Bench::new();
    let sockets = serde_json::json!([{"listen": free().to_string()}]);
    let flags = "grep flags: /proc/self/fdinfo/3; exec sleep 60";
    let first = said(&bench, with(flags, sockets.clone())).await;
    let changes = "import fcntl, os, time; fcntl.fcntl(3, fcntl.F_SETFL, os.O_NONBLOCK); print('set', flush=True); time.sleep(60)";
    let script = format!("exec python3 -c \"{changes}\"");
    assert_eq!(said(&bench.again(), with(&script, sockets.clone())).await, "set");
    assert_eq!(said(&bench.again(), with(flags, sockets)).await, first);
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.sock");
    let dead = UnixListener::bind(&path).unwrap();
    let said_of = async |path: &Path| failure_of(with("exec sleep 60", at(path))).await;
    let living = said_of(&path).await;
    assert!(
        living.starts_with("cannot start `sh`: sockets: unix:/")
            && living.contains("another process listens"),
        "{living}"
    );
    UnixStream::connect(&path).expect("it was left alone");
    drop(dead);
    let bench = Bench::new();
    said(&bench, with(SAYS, at(&path))).await;
    UnixStream::connect(&path).expect("the new one");
    drop(bench);
    fs::write(&path, "a file").unwrap();
    assert!(said_of(&path).await.contains("is there and is no socket"));
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(said_of(&link).await.contains("is there and is no socket"));
    let nowhere = said_of(&dir.path().join("none/a.sock")).await;
    assert!(nowhere.contains("no such file or directory; make the directory"), "{nowhere}");
    let folder = fs::File::open(dir.path()).unwrap();
    folder.lock().unwrap();
    assert!(said_of(&dir.path().join("b.sock")).await.contains("is locked by another process"));
}

#[tokio::test]
async fn a_port_that_cannot_be_had_is_a_failed_start_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let on = |address: &str| with("exec sleep 60", serde_json::json!([{"listen": address}]));
    let said = failure_of(on(&address.to_string())).await;
    assert!(
        said.starts_with(&format!("cannot start `sh`: sockets: {address}: address already in use;"))
            && said.contains("`ss -ltnp` names it"),
        "{said}"
    );
    // An address for documentation, which no machine has.
    let said = failure_of(on("192.0.2.1:8080")).await;
    assert!(said.contains("this machine has no such address"), "{said}");
    // Of two, the one that could be bound is not left behind.
    let first = free();
    let both = serde_json::json!([{"listen": first.to_string()}, {"listen": address.to_string()}]);
    let bench = Bench::new();
    assert!(matches!(end(bench.start(with("exec sleep 60", both))).await, Exit::Failed { .. }));
    TcpStream::connect(first).unwrap_err();
    drop(taken);
}
