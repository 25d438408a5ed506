//! Helpers of the tests: a tree, a dispatcher for it, and requests as they travel.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

pub mod bad_lines;
pub mod live;
pub mod specs;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use supervisor_api::wire::{DashboardState, Request};
use supervisor_control::{Caller, Config, Dispatcher, Role};
use supervisor_socket::{Bind, Peer};
use tokio_supervisor::{
    ChildContext, ChildSpec, Permissions, Registry, Supervisor, SupervisorHandle, SupervisorSpec,
};

pub const TARGET: &str = "shop";
pub const SOCKET: &str = "/run/shop.sock";

pub const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A run that waits until it is asked to stop.
pub async fn idle(ctx: ChildContext) {
    ctx.stopping().await;
}

pub fn service(name: &str) -> ChildSpec {
    ChildSpec::service(name, idle)
}

/// A database, what needs it, a pool to add to, and one who lets nobody stop it.
pub fn shop() -> SupervisorSpec {
    let fixed = Permissions { allow_shutdown: false, allow_restart: false, ..Permissions::default() };
    SupervisorSpec::root([
        service("db").tags(["data"]),
        service("web").depends_on(["db"]),
        ChildSpec::supervisor(SupervisorSpec::new("pool").child(service("one"))),
        service("fixed").permissions(fixed),
    ])
}

pub fn config() -> Config {
    Config::new(TARGET, "0123456789abcdef", Bind::at(SOCKET))
}

/// A running tree and who answers for it.
pub struct Scene {
    pub handle: SupervisorHandle,
    pub dispatcher: Dispatcher,
}

impl Scene {
    pub async fn shop() -> Self {
        Self::new(shop(), config()).await
    }

    pub async fn new(spec: SupervisorSpec, config: Config) -> Self {
        let registry = Registry::new().factory("worker", idle);
        let handle = Supervisor::launch_with(spec, registry).unwrap();
        handle.started().await.unwrap();
        let dispatcher = Dispatcher::open(handle.clone(), &config, Path::new(SOCKET)).await.unwrap();
        Self { handle, dispatcher }
    }

    /// The answer as it travels. A request that is none is a mistake of the test.
    pub async fn ask(&self, caller: &Caller, request: Value) -> Value {
        let line = request.to_string();
        let caller = Caller { frame_bytes: line.len(), ..*caller };
        let request = Request::read(line.as_bytes()).unwrap();
        let answer = self.dispatcher.answer(&caller, request).await;
        serde_json::from_slice(&answer.into_line()).unwrap()
    }

    /// The result of a command of the owner.
    pub async fn command(&self, id: &str, command: &str, child: impl Into<Value>) -> Value {
        let answer = self.ask(&owner(), command_request(id, command, child)).await;
        assert_eq!(answer["ok"], true, "{answer}");
        answer["result"]["result"].clone()
    }

    pub async fn state(&self, params: Value) -> DashboardState {
        let answer =
            self.ask(&owner(), json!({"request_id": "s", "method": "state", "params": params})).await;
        assert_eq!(answer["result"]["type"], "state", "{answer}");
        serde_json::from_value(answer["result"]["state"].clone()).unwrap()
    }

    /// The state that a row says.
    pub async fn lifecycle(&self, path: &str) -> Option<String> {
        let state = self.state(json!({})).await;
        let row = state.runtime_state.iter().find(|row| row.child_path.as_str() == path)?;
        Some(row.lifecycle_state.to_string())
    }
}

/// The memory that this process has for itself, in KiB. Its program is left out: the system takes pages of that away and
/// brings them back as it likes.
pub fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = |key| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    size("RssAnon:") + size("VmSwap:")
}

/// The user that runs the tests.
pub fn owner() -> Caller {
    let uid = rustix::process::geteuid().as_raw();
    Caller { peer: Peer { uid, gid: 0, pid: Some(1) }, role: Role::Admin, connection: 1, frame_bytes: 0 }
}

/// Somebody else, with this role.
pub fn other(role: Role) -> Caller {
    Caller { peer: Peer { uid: 4242, gid: 4242, pid: Some(2) }, role, connection: 2, frame_bytes: 0 }
}

/// A command with everything it needs. `child` is the path, or for `add_child` the manifest.
pub fn command_request(id: &str, command: &str, child: impl Into<Value>) -> Value {
    let child = child.into();
    let (path, manifest) = if command == "add_child" { (Value::Null, child) } else { (child, Value::Null) };
    json!({
        "request_id": format!("r-{id}"),
        "method": format!("command.{command}"),
        "params": {
            "command_id": id,
            "target_id": TARGET,
            "command": command,
            "target": {"child_path": path, "child_manifest": manifest},
            "reason": "a test",
            "requested_by": "ann",
            "confirmed": true,
            "requested_at_unix_nanos": "1763750000000000000",
            "correlation_id": null,
        },
    })
}
