//! Browsers without a screen: sessions that count every byte and every event, and one who only wants the list.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::account::Account;
use crate::clock;
use crate::delays::Delays;
use crate::fleet;

/// How long a session may take to tell what there is when nothing more happens.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the relay is, and what lets one in.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

/// What all sessions count together while they run.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) bytes: AtomicU64,
    pub(crate) events: AtomicU64,
    /// How many pairs of a session and a target have begun.
    pub(crate) begun: AtomicU64,
    /// The sum of the sequences up to which each session knows each target.
    pub(crate) known: AtomicU64,
    /// Whether it is noted how long events were under way.
    pub(crate) measures: AtomicBool,
}

/// What a session has counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) accounts: Vec<Account>,
    pub(crate) delays: Delays,
    /// How often a target was said to be no longer connected.
    pub(crate) breaks: u64,
    /// How often a target was said to be another than before.
    pub(crate) lives: u64,
}

/// The newest sequences of the targets, once nothing more happens.
pub(crate) type Ends = watch::Receiver<Option<Arc<[u64]>>>;

type Socket = WebSocketStream<TcpStream>;

/// What of a message is looked at.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    target_id: Option<Cow<'a, str>>,
    event: Option<Event>,
    /// An object in one kind of message, a word in another.
    #[serde(borrow)]
    state: Option<&'a RawValue>,
    stream: Option<Cow<'a, str>>,
    from: Option<u64>,
    to: Option<u64>,
    dropped_event_count: Option<u64>,
}

#[derive(Deserialize)]
struct Event {
    sequence: u64,
    occurred_at_unix_nanos: u64,
}

#[derive(Deserialize)]
struct State {
    recent_events: Vec<Event>,
}

#[derive(Deserialize)]
struct List {
    targets: Vec<serde::de::IgnoredAny>,
}

/// Connects and says hello.
async fn connect(door: &Door, name: &str) -> Result<Socket, String> {
    let told = |error: &dyn std::fmt::Display| format!("the relay let {name} not in: {error}");
    let mut request =
        format!("ws://{}/ws", door.address).into_client_request().map_err(|error| told(&error))?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", door.token)).map_err(|error| told(&error))?;
    request.headers_mut().insert("authorization", bearer);
    let stream = TcpStream::connect(door.address).await.map_err(|error| told(&error))?;
    // A small message does not wait for the answer to the one before.
    stream.set_nodelay(true).map_err(|error| told(&error))?;
    let (mut socket, _) =
        tokio_tungstenite::client_async(request, stream).await.map_err(|error| told(&error))?;
    let hello = json!({"type": "client_hello", "client_store_id": name, "resume_cursor": {}});
    socket.send(Message::Text(hello.to_string().into())).await.map_err(|error| told(&error))?;
    Ok(socket)
}

/// How long it takes from the first byte to the list of all targets, which are to be so many.
pub(crate) async fn list(door: &Door, targets: usize) -> Result<Duration, String> {
    let began = Instant::now();
    let mut socket = connect(door, "the one who wants the list").await?;
    let listed = async {
        loop {
            let Some(text) = next(&mut socket).await? else { continue };
            if kind(&text)? == "target_list" {
                let list: List = serde_json::from_str(&text).map_err(|error| error.to_string())?;
                return Ok::<_, String>(list.targets.len());
            }
        }
    };
    let count = timeout(PATIENCE, listed).await.map_err(|_| format!("no list within {PATIENCE:?}"))??;
    let took = began.elapsed();
    if count == targets { Ok(took) } else { Err(format!("the list has {count} targets of {targets}")) }
}

/// The next text; `None` for what is none.
async fn next(socket: &mut Socket) -> Result<Option<String>, String> {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => Ok(Some(text.as_str().to_owned())),
        Some(Ok(Message::Close(Some(frame)))) => {
            Err(format!("the relay closed it: {} {}", frame.code, frame.reason))
        }
        Some(Ok(Message::Close(None))) | None => Err("the relay closed it".to_owned()),
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(error.to_string()),
    }
}

fn kind(text: &str) -> Result<String, String> {
    let frame: Frame<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(frame.kind.into_owned())
}

/// One session, until it has been told all that happened in the targets, or that does not come.
pub(crate) async fn sit(
    door: Door,
    number: usize,
    targets: usize,
    board: Arc<Board>,
    mut ends: Ends,
) -> Result<Tally, String> {
    let name = format!("session {number}");
    let mut socket = connect(&door, &name).await?;
    let mut tally = Tally { accounts: vec![Account::default(); targets], ..Tally::default() };
    let mut end: Option<(Arc<[u64]>, Instant)> = None;
    loop {
        let until = end.as_ref().map(|(_, until)| *until);
        tokio::select! {
            text = next(&mut socket) => {
                if let Some(text) = text.map_err(|problem| format!("{name}: {problem}"))? {
                    tally.take(&text, &board).map_err(|problem| format!("{name}: {problem}"))?;
                }
            }
            changed = ends.changed(), if end.is_none() => {
                changed.map_err(|_| "the load has ended".to_owned())?;
                end = ends.borrow().clone().map(|heads| (heads, Instant::now() + PATIENCE));
            }
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => break,
        }
        if end.as_ref().is_some_and(|(heads, _)| tally.reaches(heads)) {
            break;
        }
    }
    if let Some((heads, _)) = end {
        tally.accounts.iter_mut().zip(heads.iter()).for_each(|(account, head)| account.close(*head));
    }
    Ok(tally)
}

impl Tally {
    fn reaches(&self, heads: &[u64]) -> bool {
        self.accounts.iter().zip(heads).all(|(account, head)| account.reaches(*head))
    }

    fn take(&mut self, text: &str, board: &Board) -> Result<(), String> {
        board.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
        let frame: Frame<'_> =
            serde_json::from_str(text).map_err(|error| format!("{error} in {text:.200}"))?;
        let number = frame.target_id.as_deref().and_then(fleet::number);
        let Some(account) = number.and_then(|number| self.accounts.get_mut(number)) else { return Ok(()) };
        let before = account.known();
        match (&*frame.kind, frame.event, frame.from.zip(frame.to)) {
            ("event", Some(event), _) => {
                account.event(event.sequence);
                board.events.fetch_add(1, Ordering::Relaxed);
                if board.measures.load(Ordering::Relaxed) {
                    self.delays.add(clock::now().saturating_sub(event.occurred_at_unix_nanos));
                }
            }
            ("state", ..) => {
                let state = frame.state.map_or("null", RawValue::get);
                let state: State = serde_json::from_str(state).map_err(|error| error.to_string())?;
                if !account.has_begun() {
                    board.begun.fetch_add(1, Ordering::Relaxed);
                }
                account.state(state.recent_events.last().map_or(0, |event| event.sequence));
            }
            ("gap", _, Some((from, to))) if frame.stream.as_deref() == Some("events") => {
                account.gap(from, to)
            }
            ("dropped_count", ..) => account.dropped(frame.dropped_event_count.unwrap_or(0)),
            ("stream_began", ..) => self.lives += 1,
            ("connection_state", ..) => {
                let word = frame.state.map_or("", RawValue::get);
                self.breaks += u64::from(word != "\"connected\"");
            }
            _ => {}
        }
        if let Some(account) = number.and_then(|number| self.accounts.get(number)) {
            board.known.fetch_add(account.known() - before, Ordering::Relaxed);
        }
        Ok(())
    }
}
