//! A bare server of JSON lines: what one writes by hand to tell what one knows.
//!
//! What it tells it has been told by the library before: the values of the answers, read from its lines, and not the
//! lines. It makes the lines of them anew for each request, and they come out as the library's, byte for byte; else
//! the row fails.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use supervisor_api::StampedEvent;
use supervisor_api::wire::{EventOnWire, Response, ResultBody};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::{Client, EVENT, HELLO, STATE, SUBSCRIBE, Served, TARGET, VERSION, said};

/// How many bytes are gathered before they are written.
const GATHERED: usize = 64 * 1024;

/// What there is to tell.
struct Known {
    hello: ResultBody,
    state: ResultBody,
    subscribed: ResultBody,
    events: Vec<StampedEvent>,
}

#[derive(Deserialize)]
struct Request<'a> {
    request_id: &'a str,
    method: &'a str,
}

#[derive(Serialize)]
struct Answer<'a> {
    request_id: &'a str,
    ok: bool,
    result: &'a ResultBody,
}

/// An event that is pushed.
#[derive(Serialize)]
struct Pushed<'a> {
    r#type: &'a str,
    target_id: &'a str,
    event: EventOnWire<'a>,
}

impl<'a> Pushed<'a> {
    fn of(event: &'a StampedEvent) -> Self {
        let event = EventOnWire { target_id: TARGET, config_version: VERSION, event };
        Self { r#type: "event", target_id: TARGET, event }
    }
}

/// Listens in a directory of its own.
pub(super) async fn serve() -> Result<(TempDir, PathBuf), String> {
    let known = Arc::new(Known::from_the_library().await?);
    let home = tempfile::tempdir().map_err(said)?;
    let path = home.path().join("bench.sock");
    let listener = UnixListener::bind(&path).map_err(said)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&known)));
        }
    });
    Ok((home, path))
}

/// Answers the requests of one connection until it ends. Who asks for what there is not is hung up on.
async fn answer(stream: UnixStream, known: Arc<Known>) -> Result<(), String> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut out) = (Vec::new(), Vec::new());
    while stream.read_until(b'\n', &mut line).await.map_err(said)? > 0 {
        let request: Request<'_> = serde_json::from_slice(&line).map_err(said)?;
        let result = match request.method {
            "hello" => &known.hello,
            "state" => &known.state,
            "events.subscribe" => &known.subscribed,
            unknown => return Err(format!("there is no {unknown}")),
        };
        put(&mut out, &Answer { request_id: request.request_id, ok: true, result })?;
        if request.method == "events.subscribe" {
            for event in &known.events {
                put(&mut out, &Pushed::of(event))?;
                if out.len() >= GATHERED {
                    stream.get_mut().write_all(&out).await.map_err(said)?;
                    out.clear();
                }
            }
        }
        stream.get_mut().write_all(&out).await.map_err(said)?;
        out.clear();
        line.clear();
    }
    Ok(())
}

fn put(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), String> {
    serde_json::to_writer(&mut *out, value).map_err(said)?;
    out.push(b'\n');
    Ok(())
}

impl Known {
    async fn from_the_library() -> Result<Self, String> {
        let served = Served::new().await?;
        let mut client = Client::connect(&served.path).await?;
        let hello = answered(&mut client, HELLO).await?;
        let state = answered(&mut client, STATE).await?;
        let subscribed = answered(&mut client, SUBSCRIBE).await?;
        let events = served.events();
        for event in &events {
            let mut line = client.line().await?;
            while !line.starts_with(EVENT) {
                line = client.line().await?;
            }
            same(line, &Pushed::of(event))?;
        }
        Ok(Self { hello, state, subscribed, events })
    }
}

/// What the library answers.
async fn answered(client: &mut Client, request: &str) -> Result<ResultBody, String> {
    client.ask(request).await?;
    let line = client.line().await?;
    let response: Response = serde_json::from_slice(line).map_err(said)?;
    let result = response.result.ok_or("the library has refused it")?;
    same(line, &Answer { request_id: &response.request_id, ok: true, result: &result })?;
    Ok(result)
}

/// Whether a value comes out as a line of the library: with as many bytes, and the same to whoever reads it.
fn same(line: &[u8], value: &impl Serialize) -> Result<(), String> {
    let mut out = Vec::with_capacity(line.len());
    put(&mut out, value)?;
    let read = |line: &[u8]| serde_json::from_slice::<Value>(line).map_err(said);
    if out.len() == line.len() && read(&out)? == read(line)? {
        return Ok(());
    }
    let text = |line: &[u8]| String::from_utf8_lossy(&line[..line.len().min(400)]).into_owned();
    Err(format!("by hand it is {}, and of the library {}", text(&out), text(line)))
}
