//! A stack that is served, and those who ask it.

use std::fs::{OpenOptions, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use supervisor_stack::{Instance, PrepareError, Serving, SocketAt, Stack, Surroundings};
use tokio_supervisor::{ChildContext, Registry, SupervisorHandle};

/// Another user.
pub(crate) const STRANGER: u32 = 54_321;
const ARGUMENTS: &str = "STACK_TEST_ARGUMENTS";

/// A folder for sockets that others may enter, and one for state.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// A stack with everything it shows.
pub(crate) struct Served {
    pub(crate) handle: SupervisorHandle,
    pub(crate) serving: Serving,
    _instance: Instance,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("keys-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Serves a stack with these keys under `control`, and a socket in this place.
    pub(crate) async fn control(&self, keys: &str) -> Served {
        self.serve(&format!("control: {{path: {}, {keys}}}", self.text("s.sock"))).await.unwrap()
    }

    /// Serves a stack with these lines at its top.
    pub(crate) async fn serve(&self, top: &str) -> Result<Served, PrepareError> {
        self.serve_at(top, &SocketAt::Default).await
    }

    pub(crate) async fn serve_at(&self, top: &str, at: &SocketAt) -> Result<Served, PrepareError> {
        let idle = |ctx: ChildContext| async move {
            ctx.stopping().await;
        };
        let registry = Registry::new().factory("a", idle);
        let text = format!("version: 1\nname: keys\n{top}\nchildren:\n  - {{name: a, kind: async_worker}}\n");
        let stack = Stack::parse_with("f.yaml", text, registry).unwrap_or_else(|error| panic!("{error}"));
        let surroundings = Surroundings { state_home: Some(self.path("state")), ..Surroundings::default() };
        let instance = Instance::claim(&stack.manifest.name, &surroundings).unwrap();
        let prepared = stack.prepare(Some((&instance, at))).await?;
        let handle = stack.launch().unwrap();
        let serving = prepared.serve(&handle);
        handle.started().await.unwrap();
        Ok(Served { handle, serving, _instance: instance })
    }
}

impl Served {
    /// Ends all of it, so that the next one finds the place free.
    pub(crate) async fn close(self) {
        let Self { handle, serving, _instance } = self;
        serving.control.unwrap().close().await;
        handle.shutdown("test", "over").await.unwrap();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.serving.control.as_ref().unwrap().path().to_owned()
    }

    /// Asks on one connection, as the user of this process.
    pub(crate) async fn ask(&self, requests: Vec<Value>) -> Vec<Value> {
        let socket = self.socket();
        tokio::task::spawn_blocking(move || {
            let stream = connect(&socket);
            requests.iter().filter_map(|request| exchange(&stream, &request.to_string())).collect()
        })
        .await
        .unwrap()
    }

    /// Asks each on a connection of its own, as somebody else.
    pub(crate) async fn ask_as_stranger(&self, requests: Vec<Value>) -> Vec<Value> {
        // Through /proc, so that it is found also by a user who may not enter the directory in which it lies.
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["--ignored", "--exact", "--nocapture", "--test-threads=1", "served::ask_each"])
            .env(ARGUMENTS, json!([self.socket(), requests]).to_string())
            .env_remove("RUST_BACKTRACE")
            .current_dir("/")
            .stdout(Stdio::piped())
            .uid(STRANGER)
            .gid(STRANGER);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let answers = text.lines().filter_map(|line| line.split_once("ANSWER ").map(|(_, answer)| answer));
        answers.map(|answer| serde_json::from_str(answer).unwrap_or_else(|_| panic!("{text}"))).collect()
    }
}

pub(crate) fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Says a line and reads one; `None` when there is none.
pub(crate) fn exchange(stream: &UnixStream, line: &str) -> Option<Value> {
    // Who is turned away may find the other end closed.
    let _ = writeln!(&mut &*stream, "{line}");
    answer(stream)
}

pub(crate) fn answer(stream: &UnixStream) -> Option<Value> {
    let mut answer = String::new();
    if let Err(error) = BufReader::new(stream).read_line(&mut answer) {
        // A connection that is cut is an answer; one that is not is none.
        assert!(error.kind() != std::io::ErrorKind::WouldBlock, "neither a line nor the end came");
    }
    serde_json::from_str(&answer).ok()
}

#[test]
#[ignore = "the client under another uid of the tests beside"]
fn ask_each() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let (path, requests): (String, Vec<Value>) = serde_json::from_str(&arguments).unwrap();
    for request in requests {
        let answer = exchange(&connect(path.as_ref()), &request.to_string());
        println!("ANSWER {}", answer.unwrap_or_default());
    }
}

/// Whether the tests run as root; else `test` is reported as skipped.
#[expect(clippy::print_stdout, reason = "who runs the test alone sees why it does nothing")]
pub(crate) fn is_root(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let line = format!("{test}: needs root; install with `sudo` before the command that runs the tests");
    match std::env::var_os("TEST_SKIP_REPORT") {
        Some(path) => writeln!(OpenOptions::new().append(true).open(path).unwrap(), "{line}").unwrap(),
        None => println!("SKIP {line}"),
    }
    false
}

pub(crate) fn hello() -> Value {
    json!({"request_id": "h", "method": "hello"})
}

/// A command about `/a`; for `add_child`, `manifest` is the child.
pub(crate) fn command(id: &str, command: &str, manifest: Value) -> Value {
    let path = if manifest.is_null() && command != "shutdown_tree" { json!("/a") } else { Value::Null };
    json!({"request_id": id, "method": format!("command.{command}"), "params": {
        "command_id": id, "target_id": "keys", "command": command,
        "target": {"child_path": path, "child_manifest": manifest}, "reason": "a test", "requested_by": "ann",
        "confirmed": true, "requested_at_unix_nanos": 0,
    }})
}

/// What a command came to: `completed`, or the code of its error.
pub(crate) fn result(answer: &Value) -> &str {
    let result = &answer["result"]["result"];
    let code = result["error"]["code"].as_str().or(answer["error"]["code"].as_str());
    code.or(result["status"].as_str()).unwrap_or("nothing")
}
