//! Sockets that are bound for a program: what is replaced, what is refused, and what is left when nobody holds them.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
#[path = "../../socket/tests/common/ports.rs"]
mod ports;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::fs;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use common::{Bench, end, failure_of};
use ports::free;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
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

const SAYS: &str = "echo is=$LISTEN_PID pid=$$ $LISTEN_FDS $LISTEN_FDNAMES; exec sleep 60";

/// A script that does something to its sockets, says so, and stays.
fn python(code: &str) -> String {
    let all = format!("import fcntl, os, socket, time; {code}; print('done', flush=True); time.sleep(60)");
    format!("exec python3 -c \"{all}\"")
}

/// Nobody listens there, but for copies that programs of tests beside this one have between fork and exec.
async fn closed(address: SocketAddr) {
    while TcpStream::connect(address).is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

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
    closed(port).await;
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
    let changes = python("fcntl.fcntl(3, fcntl.F_SETFL, os.O_NONBLOCK)");
    assert_eq!(said(&bench.again(), with(&changes, sockets.clone())).await, "done");
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
}

#[tokio::test]
async fn a_directory_that_is_locked_for_a_while_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let folder = fs::File::open(dir.path()).unwrap();
    folder.lock().unwrap();
    let bench = Bench::new();
    let run = bench.start(with(SAYS, at(&dir.path().join("a.sock"))));
    bench.until("it waits", |seen| seen.phases.iter().any(|phase| phase.contains("is locked"))).await;
    folder.unlock().unwrap();
    bench.until("a line", |seen| !seen.lines.is_empty()).await;
    assert_eq!(bench.seen().phases.last().map(String::as_str), Some(""), "it waits no more");
    bench.kill();
    end(run).await;
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_stays_locked_is_a_failed_start() {
    let dir = tempfile::tempdir().unwrap();
    let folder = fs::File::open(dir.path()).unwrap();
    folder.lock().unwrap();
    let run = Bench::new().start(with("exec sleep 60", at(&dir.path().join("a.sock"))));
    // Without a time limit of its own, which would be the next moment that the paused clock jumps to.
    let Exit::Failed { error } = run.await.unwrap() else { panic!("it is locked") };
    assert!(error.to_string().contains("has been locked for 5 seconds"), "{error}");
    assert!(error.to_string().contains("chmod go-r"), "{error}");
}

#[tokio::test]
async fn a_dead_socket_of_another_user_stays() {
    if !skip::is_root("a_dead_socket_of_another_user_stays") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.sock");
    drop(UnixListener::bind(&path).unwrap());
    std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
    let said = failure_of(with("exec sleep 60", at(&path))).await;
    assert!(said.contains("belongs to uid 65534") && path.exists(), "{said}");
}

#[tokio::test]
async fn all_addresses_of_both_families_are_two_sockets_with_one_port() {
    let port = free().port();
    if TcpListener::bind(("::", port)).is_err() {
        return skip::skip("all_addresses_of_both_families_are_two_sockets_with_one_port: needs IPv6");
    }
    let both = ["0.0.0.0", "[::]"].map(|ip| serde_json::json!({"listen": format!("{ip}:{port}")}));
    let bench = Bench::new();
    assert!(said(&bench, with(SAYS, serde_json::json!(both))).await.ends_with("2 web:web"));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok() && TcpStream::connect(("::1", port)).is_ok());
}

#[tokio::test]
async fn an_address_is_free_for_one_that_overlaps_it() {
    let own = free();
    let on = |address: String| with(SAYS, serde_json::json!([{"listen": address}]));
    let bench = Bench::new();
    said(&bench, on(own.to_string())).await;
    for ip in ["0.0.0.0", "127.0.0.1"] {
        assert!(said(&bench.again(), on(format!("{ip}:{}", own.port()))).await.ends_with("1 web"), "{ip}");
    }
    TcpStream::connect(own).unwrap();
}

#[tokio::test]
async fn as_many_connections_wait_for_the_next_run_as_for_the_first() {
    let test = "as_many_connections_wait_for_the_next_run_as_for_the_first";
    if !skip::has("python3", test) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.sock");
    let bench = Bench::new();
    let none = python("socket.socket(fileno=3).listen(0)");
    assert_eq!(said(&bench, with(&none, at(&path))).await, "done");
    said(&bench.again(), with(SAYS, at(&path))).await;
    // Nobody accepts: one that finds no place is told so at once.
    let connect = || {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let client = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        rustix::net::connect(&client, &SocketAddrUnix::new(&path).unwrap()).map(|()| client)
    };
    let waiting: Vec<_> = (0..10).map(|_| connect().expect("it waits")).collect();
    drop(waiting);
}

#[tokio::test]
async fn a_socket_that_a_run_has_shut_down_is_bound_anew() {
    if !skip::has("python3", "a_socket_that_a_run_has_shut_down_is_bound_anew") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (path, port) = (dir.path().join("a.sock"), free());
    let sockets = serde_json::json!([{"listen": port.to_string()},
        {"listen": format!("unix:{}", path.display())}]);
    let bench = Bench::new();
    let shut = python("[socket.socket(fileno=fd).shutdown(socket.SHUT_RDWR) for fd in (3, 4)]");
    assert_eq!(said(&bench, with(&shut, sockets.clone())).await, "done");
    closed(port).await;
    UnixStream::connect(&path).unwrap_err();
    said(&bench.again(), with(SAYS, sockets)).await;
    TcpStream::connect(port).unwrap();
    UnixStream::connect(&path).unwrap();
}

/// The permissions of a socket are set through `/proc`: without it, the sentence says so. The test runs itself again in a
/// mount namespace of its own.
#[tokio::test]
async fn without_proc_a_unix_socket_is_a_failed_start_that_says_so() {
    let test = "without_proc_a_unix_socket_is_a_failed_start_that_says_so";
    if Path::new("/proc/self").exists() {
        if !skip::is_root(test) || !skip::has("unshare", test) {
            return;
        }
        let without = "umount -l /proc && exec \"$@\"";
        let own = std::env::current_exe().unwrap();
        let ended = std::process::Command::new("unshare")
            .args(["-m", "--propagation", "private", "sh", "-c", without, "sh"])
            .arg(own)
            .args(["--exact", test])
            .output()
            .unwrap();
        assert!(ended.status.success(), "{ended:?}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.sock");
    let said = failure_of(with("exec sleep 60", at(&path))).await;
    assert!(said.contains("/proc is not mounted; mount it"), "{said}");
    assert!(!path.exists());
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
    closed(first).await;
    drop(taken);
}
