//! A server that says what it is told to, whatever the protocol is.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// What happens on a connection, one after the other. After the last it is closed.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Reads one line.
    Hear,
    /// Writes a line.
    Say(String),
    /// Writes bytes.
    Raw(Vec<u8>),
    /// Keeps the connection and says nothing.
    Hang,
}

use Step::*;

/// The line of a fixture, from 0.
pub(crate) fn fixture(name: &str, at: usize) -> String {
    fixtures(name)[at].clone()
}

pub(crate) fn fixtures(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../api/fixtures/{name}.jsonl"));
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// Hears `hello` as the first request and answers it, and then this.
pub(crate) fn after_hello(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    [Hear, Say(fixture("responses", 0))].into_iter().chain(steps).collect()
}

/// The answer with this line of `responses`, to this request.
pub(crate) fn answer(at: usize, id: u64) -> Step {
    let mut answer: serde_json::Value = serde_json::from_str(&fixture("responses", at)).unwrap();
    answer["request_id"] = id.to_string().into();
    Say(answer.to_string())
}

/// Plays one script for each connection, in order. Nobody is accepted after the last.
pub(crate) fn play(path: &Path, scripts: Vec<Vec<Step>>) -> JoinHandle<()> {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        for script in scripts {
            let (stream, _) = listener.accept().await.unwrap();
            follow(stream, script).await;
        }
    })
}

async fn follow(stream: UnixStream, script: Vec<Step>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    for step in script {
        match step {
            Hear => drop(lines.next_line().await),
            // Who is gone hears no more; the next connection has its own script.
            Say(line) => drop(write.write_all(format!("{line}\n").as_bytes()).await),
            Raw(bytes) => drop(write.write_all(&bytes).await),
            Hang => std::future::pending().await,
        }
    }
}
