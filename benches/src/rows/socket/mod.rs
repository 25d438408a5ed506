//! W9: the control socket of a tree of 1 000 children, against a bare server that writes the same bytes.
//!
//! Timed: many requests and their answers over N connections, one request at a time on each: `hello`, and `state` of
//! the whole tree. And a subscriber that is given all 4 096 events that are kept, again and again. The client counts
//! bytes up to the end of each line, and does not read them: it is the same for both sides, in the same process.
//!
//! The bare server (`by_hand`) reads a request as JSON and writes its answer as JSON, from values as the library's
//! own. It has no roles, no limits, no deadlines, and no tree to look at.

mod by_hand;

use std::path::{Path, PathBuf};

use supervisor_control::{Bind, Config, Control};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio_supervisor::{StampedEvent, SupervisorHandle};

use super::{launched, storm};
use crate::gauge::Mark;
use crate::program::Outcome;
use crate::{Figures, Storm};

const CHILDREN: usize = 1_000;
/// How often each has failed before, so that every event that can be kept is.
const FAILURES: usize = 10;
/// How many events are kept.
const EVENTS: usize = 4_096;

/// What the tree is called, and which spec it has.
const TARGET: &str = "bench";
const VERSION: &str = "0123456789abcdef";
/// How the line of an event begins.
const EVENT: &[u8] = br#"{"type":"event""#;

const HELLO: &str = r#"{"request_id":"1","method":"hello","params":{}}"#;
const STATE: &str = r#"{"request_id":"1","method":"state","params":{}}"#;
const SUBSCRIBE: &str = r#"{"request_id":"1","method":"events.subscribe","params":{"session_established":true,"from_sequence":1}}"#;

/// How often all connections ask together.
const HELLOS: usize = 20_000;
const STATES: usize = 160;
/// How often a subscriber begins anew.
const SUBSCRIPTIONS: usize = 20;

/// By hand: `hello`.
pub async fn raw_hello(connections: usize) -> Outcome {
    let (_home, path) = by_hand::serve().await?;
    asked(&path, HELLO, connections, HELLOS).await
}

/// With the library: `hello`.
pub async fn ours_hello(connections: usize) -> Outcome {
    let served = Served::new().await?;
    asked(&served.path, HELLO, connections, HELLOS).await
}

/// By hand: `state`.
pub async fn raw_state(connections: usize) -> Outcome {
    let (_home, path) = by_hand::serve().await?;
    asked(&path, STATE, connections, STATES).await
}

/// With the library: `state`.
pub async fn ours_state(connections: usize) -> Outcome {
    let served = Served::new().await?;
    asked(&served.path, STATE, connections, STATES).await
}

/// By hand: events, to so many subscribers.
pub async fn raw_events(connections: usize) -> Outcome {
    let (_home, path) = by_hand::serve().await?;
    subscribed(&path, connections).await
}

/// With the library: events, to so many subscribers.
pub async fn ours_events(connections: usize) -> Outcome {
    let served = Served::new().await?;
    subscribed(&served.path, connections).await
}

/// A tree at rest behind its socket.
struct Served {
    path: PathBuf,
    // In this order they end.
    _control: Control,
    tree: SupervisorHandle,
    _home: TempDir,
}

impl Served {
    async fn new() -> Result<Self, String> {
        let storm = Storm::of(CHILDREN, FAILURES);
        let tree = launched(storm::tree(storm))?;
        storm.figures().await;
        tree.started().await.map_err(said)?;
        let home = tempfile::tempdir().map_err(said)?;
        let path = home.path().join("bench.sock");
        let config = Config::new(TARGET, VERSION, Bind::at(&path));
        let control = Control::serve(tree.clone(), config).await.map_err(said)?;
        Ok(Self { path, _control: control, tree, _home: home })
    }

    /// The events that are kept, in their order.
    fn events(&self) -> Vec<StampedEvent> {
        let mut stream = self.tree.events_after(self.tree.snapshot().sequence() - EVENTS as u64);
        let items = std::iter::from_fn(|| stream.try_next());
        items.filter_map(|item| item.event().cloned()).collect()
    }
}

/// All connections ask, each as often as the others.
async fn asked(path: &Path, request: &'static str, connections: usize, times: usize) -> Outcome {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(Client::connect(path).await?);
    }
    let before = Mark::now();
    let mut tasks = JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move {
            let mut bytes = 0;
            for _ in 0..times / connections {
                client.ask(request).await?;
                bytes += client.line().await?.len();
            }
            Ok::<_, String>(bytes)
        });
    }
    let bytes = sum(tasks).await?;
    let answers = (times / connections * connections) as f64;
    Ok(Figures::default()
        .with("answers_per_s", answers / before.wall_until(Mark::now()) * 1e9)
        .with("bytes_per_answer", bytes as f64 / answers))
}

/// Each connection reads all events that are kept, and then again on a new connection.
async fn subscribed(path: &Path, connections: usize) -> Outcome {
    let before = Mark::now();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let path = path.to_owned();
        tasks.spawn(async move {
            let mut bytes = 0;
            for _ in 0..SUBSCRIPTIONS {
                let mut client = Client::connect(&path).await?;
                client.ask(SUBSCRIBE).await?;
                bytes += client.events().await?;
            }
            Ok::<_, String>(bytes)
        });
    }
    let bytes = sum(tasks).await?;
    let events = (connections * SUBSCRIPTIONS * EVENTS) as f64;
    Ok(Figures::default()
        .with("given_per_s", events / before.wall_until(Mark::now()) * 1e9)
        .with("bytes_per_event", bytes as f64 / events))
}

async fn sum(mut tasks: JoinSet<Result<usize, String>>) -> Result<usize, String> {
    let mut bytes = 0;
    while let Some(task) = tasks.join_next().await {
        bytes += task.map_err(said)??;
    }
    Ok(bytes)
}

/// Who asks, and takes lines as they are.
struct Client {
    stream: BufReader<UnixStream>,
    line: Vec<u8>,
}

impl Client {
    async fn connect(path: &Path) -> Result<Self, String> {
        let stream = UnixStream::connect(path).await.map_err(said)?;
        Ok(Self { stream: BufReader::with_capacity(64 * 1024, stream), line: Vec::new() })
    }

    async fn ask(&mut self, request: &str) -> Result<(), String> {
        self.line.clear();
        self.line.extend_from_slice(request.as_bytes());
        self.line.push(b'\n');
        self.stream.get_mut().write_all(&self.line).await.map_err(said)
    }

    /// The next line.
    async fn line(&mut self) -> Result<&[u8], String> {
        self.line.clear();
        match self.stream.read_until(b'\n', &mut self.line).await.map_err(said)? {
            0 => Err("the server has hung up".into()),
            _ => Ok(&self.line),
        }
    }

    /// Reads until all events were there; gives the bytes of their lines.
    async fn events(&mut self) -> Result<usize, String> {
        let (mut events, mut bytes) = (0, 0);
        while events < EVENTS {
            let line = self.line().await?;
            if line.starts_with(EVENT) {
                events += 1;
                bytes += line.len();
            }
        }
        Ok(bytes)
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
