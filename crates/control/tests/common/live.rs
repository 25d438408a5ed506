//! A tree behind a live socket, and a client with nothing but lines.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use supervisor_control::{Config, Control};
use supervisor_socket::Bind;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio_supervisor::{Registry, Supervisor, SupervisorHandle, SupervisorSpec};

use super::{config, idle, shop};

/// Longer than anything here takes on a busy machine. Reaching it is a failure.
pub const LONG: Duration = Duration::from_secs(60);

/// A served tree in a directory of its own.
pub struct Live {
    pub handle: SupervisorHandle,
    pub control: Control,
    pub path: PathBuf,
    pub _directory: tempfile::TempDir,
}

impl Live {
    pub async fn shop() -> Self {
        Self::new(shop(), config()).await
    }

    pub async fn new(spec: SupervisorSpec, config: Config) -> Self {
        let live = Self::launch(spec, config).await;
        live.handle.started().await.unwrap();
        live
    }

    /// A tree that may still start.
    pub async fn launch(spec: SupervisorSpec, config: Config) -> Self {
        let registry = Registry::new().factory("worker", idle);
        let handle = Supervisor::launch_with(spec, registry).unwrap();
        let directory = tempfile::Builder::new().prefix("control-").tempdir().unwrap();
        let mut config = config;
        config.bind = Some(Bind::at(directory.path().canonicalize().unwrap().join("shop.sock")));
        let control = Control::serve(handle.clone(), config).await.unwrap();
        let path = control.path().unwrap().to_owned();
        Self { handle, control, path, _directory: directory }
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.path).await
    }

    /// One request on a connection of its own, which is closed right after the reply.
    pub async fn ask_once(&self, request: Value) -> Value {
        self.client().await.ask(request).await
    }
}

/// A connection that reads and writes lines.
pub struct Client(pub BufReader<UnixStream>);

impl Client {
    pub async fn connect(path: &Path) -> Self {
        Self(BufReader::new(UnixStream::connect(path).await.unwrap()))
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    pub async fn send_json(&mut self, request: &Value) {
        self.send(format!("{request}\n")).await;
    }

    /// The next line; `None` when the other end has closed.
    pub async fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = tokio::time::timeout(LONG, self.0.read_line(&mut line)).await;
        let read = read.unwrap_or_else(|_| panic!("nothing came in {LONG:?}"));
        // Unread bytes make the system report a reset after the last line.
        let read = read.unwrap_or(0);
        (read > 0).then(|| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// The next answer. What is pushed before it is dropped.
    pub async fn ask(&mut self, request: Value) -> Value {
        self.send_json(&request).await;
        self.answer().await
    }

    pub async fn answer(&mut self) -> Value {
        loop {
            let line = self.line().await.unwrap_or_else(|| panic!("closed before the answer"));
            if line.get("request_id").is_some() {
                return line;
            }
        }
    }

    pub async fn hello(&mut self) -> Value {
        self.ask(json!({"request_id": "hello", "method": "hello", "params": {}})).await
    }

    pub async fn subscribe(&mut self, method: &str, from: Option<u64>) -> u64 {
        let mut params = json!({"session_established": true});
        if let Some(from) = from {
            params["from_sequence"] = json!(from);
        }
        let answer = self.ask(json!({"request_id": "sub", "method": method, "params": params})).await;
        assert_eq!(answer["result"]["type"], "subscription", "{answer}");
        answer["result"]["from_sequence"].as_u64().unwrap()
    }

    /// The next push of this type.
    pub async fn push(&mut self, kind: &str) -> Value {
        loop {
            let line = self.line().await.unwrap_or_else(|| panic!("closed before {kind}"));
            if line["type"] == kind {
                return line;
            }
        }
    }
}
