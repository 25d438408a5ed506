//! One connection to a small tree: bytes as they come, cut into frames, read, and answered by the dispatcher.

use std::path::Path;

use serde_json::{Value, json};
use supervisor_api::wire::{Request, Response, TargetLine};
use supervisor_control::{Bind, Caller, Config, Deadlines, Dispatcher, Peer, Role};
use supervisor_socket::{FrameLimits, FrameReader};
use tokio_supervisor::{ChildContext, ChildSpec, Permissions, Supervisor, SupervisorHandle, SupervisorSpec};

use crate::bytes::Bytes;

const TARGET: &str = "shop";

/// Makes the bytes a connection, and plays it. The first byte says how: as they are, or as requests that mostly make
/// sense.
///
/// # Panics
/// When a request has no answer, or an answer does not read, or the tree does not go on.
pub fn session(bytes: &[u8]) {
    let Some((how, rest)) = bytes.split_first() else { return };
    let stream = if how % 4 == 0 { rest.to_vec() } else { requests(&mut Bytes::new(rest)) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    // Without a runtime there is nothing to fuzz.
    if let Ok(runtime) = runtime {
        runtime.block_on(play(&stream));
    }
}

async fn play(stream: &[u8]) {
    let (handle, dispatcher) = serve().await;
    let mut reader = FrameReader::new(stream, FrameLimits::requests(), Deadlines::default());
    while let Ok(Some(frame)) = reader.next().await {
        let line = match Request::read(frame.as_bytes()) {
            Ok(request) => ask(&dispatcher, &frame, request).await,
            Err(refusal) => serde_json::to_vec(&refusal.response()).unwrap_or_default(),
        };
        let response = read(&frame, &line);
        assert!(!line.contains(&b'\n') && response.ok == response.result.is_some(), "{frame}: {response:?}");
        let again = serde_json::to_vec(&response).unwrap_or_default();
        assert_eq!(read(&frame, &again), response, "{frame}");
    }
    let still = handle.child("/db").map(|child| child.state.child_path.to_string());
    assert!(still.is_ok() || handle.is_alive(), "{still:?}");
}

async fn ask(dispatcher: &Dispatcher, frame: &str, request: Request) -> Vec<u8> {
    let peer = Peer { uid: 0, gid: 0, pid: None };
    let caller = Caller { peer, role: Role::Admin, connection: 1, frame_bytes: frame.len() };
    let id = request.request_id.clone();
    let line = dispatcher.answer(&caller, request).await.into_line();
    assert_eq!(read(frame, &line).request_id, id, "{frame}");
    line
}

/// The answer that a line is.
fn read(frame: &str, line: &[u8]) -> Response {
    match TargetLine::read(line) {
        Ok(TargetLine::Response(response)) => *response,
        other => panic!("{frame}: {other:?}"),
    }
}

async fn idle(ctx: ChildContext) {
    ctx.stopping().await;
}

async fn serve() -> (SupervisorHandle, Dispatcher) {
    let fixed = Permissions { allow_shutdown: false, allow_restart: false, ..Permissions::default() };
    let tree = SupervisorSpec::root([
        ChildSpec::service("db", idle),
        ChildSpec::service("web", idle).depends_on(["db"]),
        ChildSpec::supervisor(SupervisorSpec::new("pool").child(ChildSpec::worker("one", idle))),
        ChildSpec::service("fixed", idle).permissions(fixed),
    ]);
    let Ok(handle) = Supervisor::start(tree).await else { panic!("the tree starts") };
    let config = Config::new(TARGET, "0123456789abcdef", Bind::at("/run/shop.sock"));
    let dispatcher = Dispatcher::open(handle.clone(), &config, Path::new("/run/shop.sock")).await;
    let Ok(dispatcher) = dispatcher else { panic!("the configuration is good") };
    (handle, dispatcher)
}

const CHILDREN: &[&str] =
    &["/db", "/web", "/pool", "/pool/one", "/fixed", "one", "/", "", "/nobody", "/a//b", "/added"];
const COMMANDS: &[&str] = &[
    "restart_child",
    "pause_child",
    "resume_child",
    "quarantine_child",
    "remove_child",
    "add_child",
    "shutdown_tree",
    "signal_child",
];
const MANIFESTS: &[&str] = &[
    "name: added\nkind: async_worker\n",
    "name: added\nkind: supervisor\nchildren: [{name: a, kind: async_worker}]\n",
    "name: db\nkind: async_worker\n",
    "name: added\nkind: process\ncommand: [x]\n",
    "[",
];

/// Requests, each on a line, some of them with a byte of another.
fn requests(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !bytes.is_empty() {
        let mut line = request(bytes).to_string().into_bytes();
        if bytes.often(32) {
            let at = (usize::from(bytes.byte()) * 256 + usize::from(bytes.byte())) % line.len();
            line[at] = bytes.byte();
        }
        stream.extend(line);
        stream.push(b'\n');
    }
    stream
}

fn request(bytes: &mut Bytes<'_>) -> Value {
    let from = |bytes: &mut Bytes<'_>| bytes.pick(&[0, 1, 7, u64::MAX]);
    let (method, params) = match bytes.below(8) {
        0 => ("hello", Value::Null),
        1 => ("state", json!({"limit": from(bytes), "under": bytes.pick(CHILDREN)})),
        2 => ("state", json!({"after": bytes.pick(CHILDREN)})),
        3 => ("events.subscribe", json!({"session_established": true, "from_sequence": from(bytes)})),
        4 => ("why", json!({"child_path": bytes.pick(CHILDREN)})),
        _ => return command(bytes),
    };
    json!({"request_id": "1", "method": method, "params": params})
}

fn command(bytes: &mut Bytes<'_>) -> Value {
    let command = bytes.pick(COMMANDS);
    let adds = command == "add_child";
    let path = if adds || command == "shutdown_tree" { Value::Null } else { json!(bytes.pick(CHILDREN)) };
    json!({"request_id": "1", "method": format!("command.{command}"), "params": {
        // Few ids, so that some are used twice.
        "command_id": bytes.below(6).to_string(),
        "target_id": TARGET,
        "command": command,
        "target": {"child_path": path, "child_manifest": adds.then(|| bytes.pick(MANIFESTS))},
        "reason": "fuzz",
        "requested_by": "fuzz",
        "confirmed": bytes.below(4) != 0,
    }})
}
