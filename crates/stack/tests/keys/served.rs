//! A stack that is served, and those who ask it.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use supervisor_stack::{
    DashboardAt, Doors, Instance, InstanceError, PrepareError, Serving, SocketAt, Stack, Surroundings,
};
use tokio_supervisor::{ChildContext, Registry, SupervisorHandle};

use crate::stranger::as_stranger;

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

/// A stack of one task, with these lines at its top.
pub(crate) fn stack_text(top: &str) -> String {
    format!("version: 1\nname: keys\n{top}\nchildren:\n  - {{name: a, kind: async_worker}}\n")
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

    /// Claims the name of a stack, of which only one runs.
    pub(crate) fn claim(&self, stack: &Stack) -> Result<Instance, InstanceError> {
        let surroundings = Surroundings { state_home: Some(self.path("state")), ..Surroundings::default() };
        Instance::claim(&stack.manifest.name, &surroundings)
    }

    pub(crate) async fn serve_at(&self, top: &str, at: &SocketAt) -> Result<Served, PrepareError> {
        let idle = |ctx: ChildContext| async move {
            ctx.stopping().await;
        };
        let registry = Registry::new().factory("a", idle);
        let stack =
            Stack::parse_with("f.yaml", stack_text(top), registry).unwrap_or_else(|error| panic!("{error}"));
        let instance = self.claim(&stack).unwrap();
        // Its usual port is one for all tests.
        let dashboard = if top.contains("dashboard") { DashboardAt::Default } else { DashboardAt::Off };
        let doors = Doors::default().socket(Some(at.clone())).dashboard(dashboard);
        let prepared = stack.prepare(Some(&instance), &doors).await?;
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
        serving.close().await;
        handle.shutdown("test", "over").await.unwrap();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.serving.control.as_ref().unwrap().path().unwrap().to_owned()
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
        as_stranger(&self.socket(), requests).await
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
