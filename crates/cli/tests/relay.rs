//! `supervisor relay`, as it is seen from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use common::{get, home, soon, supervisor};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(60);

/// A `supervisor relay`.
struct Relay {
    child: Child,
    lines: Receiver<String>,
    /// Each line of standard error.
    said: Receiver<String>,
    readers: Vec<JoinHandle<()>>,
    listens: SocketAddr,
    health: SocketAddr,
}

fn reader(stream: impl std::io::Read + Send + 'static) -> (Receiver<String>, JoinHandle<()>) {
    let (send, lines) = channel();
    let thread = std::thread::spawn(move || {
        let _ = BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| send.send(line));
    });
    (lines, thread)
}

#[track_caller]
fn line(lines: &Receiver<String>, words: &str) -> String {
    loop {
        let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line says {words}"));
        if line.contains(words) {
            return line;
        }
    }
}

fn file(home: &Path, text: &str) -> PathBuf {
    let path = home.join("relay.yaml");
    let always = "version: 1\nlisten: 127.0.0.1:0\nhealth: {listen: \"127.0.0.1:0\"}\n";
    std::fs::write(&path, format!("{always}{text}")).unwrap();
    path
}

impl Relay {
    fn start(home: &Path, text: &str) -> Self {
        let path = file(home, text);
        let mut command = supervisor(home);
        command.arg("relay").arg(path).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (lines, out) = reader(child.stdout.take().unwrap());
        let (said, err) = reader(child.stderr.take().unwrap());
        let address = |line: String, before: &str| {
            let rest = line.split(before).nth(1).unwrap().to_owned();
            rest.parse().unwrap()
        };
        let listens = address(line(&lines, "browsers connect to http://"), "http://");
        let health = address(line(&lines, "/metrics at http://"), "http://");
        Self { child, lines, said, readers: vec![out, err], listens, health }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The exit code.
    fn end(mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        code
    }

    fn is_connected(&self) -> Option<()> {
        let metrics = get(self.health, "/metrics");
        metrics.contains("supervisor_relay_targets{connection=\"connected\"} 1\n").then_some(())
    }

    /// What the relay says to who asks for a session with this token, to the end of its first message or its close.
    fn hello(&self, token: &str) -> String {
        let mut stream = TcpStream::connect(self.listens).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let ask = format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: tokio-supervisor.v1, {token}\r\n\r\n",
            self.listens
        );
        stream.write_all(ask.as_bytes()).unwrap();
        let mut said = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut chunk) {
            said.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&said);
            if text.contains("capabilities") || text.contains("prove who you are") {
                return text.into_owned();
            }
        }
        panic!("neither a hello nor a close: {}", String::from_utf8_lossy(&said))
    }

    /// The token for which the page trades the code of a link.
    fn login(&self, link: &str) -> String {
        let code = link.split("#code=").nth(1).unwrap();
        let body = format!("{{\"code\":\"{code}\"}}");
        let mut stream = TcpStream::connect(self.listens).unwrap();
        let host = self.listens;
        write!(
            stream,
            "POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let token = answer.split("\"token\":\"").nth(1).unwrap_or_else(|| panic!("{answer}"));
        token.split('"').next().unwrap().to_owned()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn relay(home: &Path, args: &[&str]) -> Output {
    let mut command: Command = supervisor(home);
    command.arg("relay").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_killed_relay_follows_its_targets_again_long_before_they_renew() {
    let home = home();
    let relay = Relay::start(home.path(), "");
    let socket = home.path().join("run/tokio-supervisor/relay.sock");
    let stack = format!(
        "version: 1\nname: shop\ncontrol:\n  registration: {{relay: {}, lease_secs: 3600, heartbeat_secs: 1800}}\n\
         children:\n  - {{name: web, kind: process, command: [sleep, \"1000\"]}}\n",
        socket.display()
    );
    // The target is of the same user, and listens where this user's targets do.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stack.yaml");
    std::fs::write(&path, stack).unwrap();
    let mut target = supervisor(home.path());
    let mut target = Target(target.arg("run").arg(&path).stdout(Stdio::null()).spawn().unwrap());
    soon("connected", || relay.is_connected());
    let state = home.path().join(".local/state/tokio-supervisor/relay/targets.json");
    soon("kept", || std::fs::read_to_string(&state).ok().filter(|text| text.contains("shop")));
    relay.signal(Signal::KILL);
    assert_eq!(relay.end(), None);
    let relay = Relay::start(home.path(), "");
    soon("connected again", || relay.is_connected());
    relay.signal(Signal::TERM);
    assert_eq!(relay.end(), Some(0));
    target.stop();
}

struct Target(Child);

impl Target {
    fn stop(&mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn s20_the_printed_link_lets_the_person_at_the_terminal_in_once() {
    let home = home();
    let relay = Relay::start(home.path(), "");
    let link = line(&relay.lines, "sign in: http://");
    let token = relay.login(&link);
    let hello = relay.hello(&token);
    assert!(
        hello.contains("\"client_identity\":\"local\"") && hello.contains("\"role\":\"admin\""),
        "{hello}"
    );
    assert!(!hello.contains(&token), "a token is never sent back");
    assert!(relay.hello("x").contains("prove who you are"));
}

/// A page of who followed a link goes on when its relay was killed; the link itself is good for nothing any more.
#[test]
fn s20_who_signed_in_by_a_link_is_known_to_the_next_relay_unless_links_are_off() {
    let home = home();
    let relay = Relay::start(home.path(), "");
    let token = relay.login(&line(&relay.lines, "sign in: http://"));
    let kept = home.path().join(".local/state/tokio-supervisor/relay/logins.json");
    let text = soon("kept", || std::fs::read_to_string(&kept).ok().filter(|text| text.contains("sha256")));
    assert!(!text.contains(&token), "the token itself is kept");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    relay.signal(Signal::KILL);
    assert_eq!(relay.end(), None);

    let again = Relay::start(home.path(), "");
    assert!(again.hello(&token).contains("\"role\":\"admin\""));
    again.signal(Signal::KILL);
    again.end();
    let without = Relay::start(home.path(), "login_link: false\n");
    assert!(without.hello(&token).contains("prove who you are"));
    without.signal(Signal::KILL);
    without.end();
    assert!(!kept.exists());

    std::fs::write(&kept, text.replace("\"version\":1", "\"version\":2")).unwrap();
    let other = Relay::start(home.path(), "");
    assert!(line(&other.said, "logins.json").contains("needs a new link"));
    assert!(other.hello(&token).contains("prove who you are"));
}

#[test]
fn login_link_off_prints_none() {
    let home = home();
    let relay = Relay::start(home.path(), "login_link: false\n");
    relay.signal(Signal::INT);
    let lines: Vec<String> = relay.lines.iter().collect();
    assert!(!lines.iter().any(|line| line.contains("sign in")), "{lines:?}");
    assert_eq!(relay.end(), Some(0));
}

/// A token, and its item for the file.
fn token(home: &Path, name: &str) -> (String, String) {
    let output = relay(home, &["token", name]);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stdout);
    let token = said.lines().find_map(|line| line.strip_prefix("token: ")).unwrap().to_owned();
    let item =
        said.lines().find(|line| line.trim_start().starts_with("- {name: ")).unwrap().trim().to_owned();
    assert!(!item.contains(&token));
    (token, item)
}

#[test]
fn s20_tokens_come_and_go_with_sighup_and_a_file_with_a_mistake_changes_nothing() {
    let home = home();
    let (ann, item) = token(home.path(), "ann");
    let people =
        format!("tokens:\n  {item}\nroles: [{{identity: ann, targets: \"shop*\", role: operator}}]\n");
    let relay = Relay::start(home.path(), &people);
    assert!(relay.hello(&ann).contains("\"client_identity\":\"ann\""));
    assert!(relay.hello(&ann).contains("\"role\":\"operator\""));

    file(home.path(), "tokens: [{name: ann}]\n");
    relay.signal(Signal::HUP);
    line(&relay.said, "needs `sha256`");
    line(&relay.said, "the file was not taken; what held before holds");
    assert!(relay.hello(&ann).contains("\"client_identity\":\"ann\""));

    let (bob, item) = token(home.path(), "bob");
    file(home.path(), &format!("max_targets: 5\ntokens:\n  {item}\n"));
    relay.signal(Signal::HUP);
    let said = line(&relay.said, "the file was read again");
    assert!(said.ends_with("after a restart also: max_targets"), "{said}");
    assert!(relay.hello(&ann).contains("prove who you are"));
    let hello = relay.hello(&bob);
    assert!(
        hello.contains("\"client_identity\":\"bob\"") && hello.contains("\"role\":\"viewer\""),
        "{hello}"
    );
}

#[test]
fn a_good_file_is_said_to_be_good_and_a_bad_one_ends_with_78_and_every_mistake() {
    let home = home();
    let path = file(home.path(), "registration: r.sock\n");
    let output = relay(home.path(), &["--check", path.to_str().unwrap()]);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let socket = home.path().join("r.sock");
    let good = format!(
        "{}: good; browsers connect to 127.0.0.1:0, targets register at {}\n",
        path.display(),
        socket.display()
    );
    assert_eq!(text(&output.stdout), good);
    let path = file(home.path(), "listn: x\nmax_targets: 0\n");
    for args in [&["--check", path.to_str().unwrap()][..], &[path.to_str().unwrap()]] {
        let output = relay(home.path(), args);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(78), ""));
        let said = text(&output.stderr);
        for words in
            [":4:1: error: unknown key `listn`; did you mean `listen`?", ":5:14: error: ", ": 2 errors\n"]
        {
            assert!(said.contains(words), "{said}");
        }
    }
}

#[test]
fn each_way_not_to_start_has_its_exit_code() {
    let home = home();
    let at = |path: &Path| relay(home.path(), &[path.to_str().unwrap()]);
    assert_eq!(at(&home.path().join("absent.yaml")).status.code(), Some(66));
    assert_eq!(relay(home.path(), &[]).status.code(), Some(2));

    let first = Relay::start(home.path(), "");
    let taken = home.path().join("taken.yaml");
    std::fs::write(&taken, format!("version: 1\nlisten: {}\n", first.listens)).unwrap();
    let output = at(&taken);
    assert_eq!(output.status.code(), Some(73));
    assert!(text(&output.stderr).contains("another program has that port"), "{}", text(&output.stderr));

    // The same socket, and with another one the same directories.
    let second = file(home.path(), "");
    assert_eq!(at(&second).status.code(), Some(73));
    let output = at(&file(home.path(), "registration: other.sock\n"));
    assert_eq!(output.status.code(), Some(73), "{}", text(&output.stderr));
}

#[test]
fn a_token_that_cannot_be_named_or_dated_is_none() {
    let home = home();
    for (args, code) in [(["token", " ", "--expires=30d"], 1), (["token", "ann", "--expires=30"], 2)] {
        let output = relay(home.path(), &args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "{args:?}");
    }
}

#[test]
fn the_schema_is_printed_and_the_help_teaches() {
    let home = home();
    let schema: serde_json::Value = serde_json::from_slice(&relay(home.path(), &["schema"]).stdout).unwrap();
    assert!(schema["properties"]["listen"]["description"].is_string());
    let help = text(&relay(home.path(), &["--help"]).stdout);
    for words in ["SIGHUP", "Exit codes:", "supervisor relay token ann", "version: 1"] {
        assert!(help.contains(words), "{words}");
    }
}

#[test]
fn s23_certificates_for_trying_out_are_made_once_and_a_file_that_names_them_is_good() {
    let home = home();
    let cert = || {
        let mut command = supervisor(home.path());
        command.current_dir(home.path()).args(["cert", "certs", "--client", "ann"]).output().unwrap()
    };
    let output = cert();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let tls =
        said.lines().find(|line| line.trim_start().starts_with("tls: {cert: ")).unwrap().trim().to_owned();
    assert!(home.path().join("certs/ann.pem").is_file());
    let output = cert();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is there already and is not overwritten"));

    let check = |said: &str| relay(home.path(), &["--check", file(home.path(), said).to_str().unwrap()]);
    let output = check(&tls);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for (from, to) in [("server.key", "ann.key"), ("server.pem", "absent.pem"), ("ca.pem", "ca.key")] {
        let output = check(&tls.replace(from, to));
        assert_eq!(output.status.code(), Some(78), "{from} {to}");
        assert!(text(&output.stderr).contains("certs/"), "{}", text(&output.stderr));
    }
}
