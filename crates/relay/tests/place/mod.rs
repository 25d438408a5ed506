//! A relay with a port for browsers, a browser, and a client of plain HTTP.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../client/tests/target/mod.rs"]
pub(crate) mod target;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use supervisor_api::wire::{ServerMessage, SupportedCommand};
use supervisor_relay::{Config, Door, Identities, Mapping, Names, Relay, Role, Secret, Web};
use target::{Target, World, folder};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Ann's.
pub(crate) const TOKEN: &str = "0123456789abcdef";
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) struct Place {
    pub(crate) relay: Relay,
    pub(crate) web: Web,
    pub(crate) identities: Identities,
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::with(|address, identities| Door::new(Names::of(address), identities)).await
    }

    pub(crate) async fn with(door: impl FnOnce(SocketAddr, Identities) -> Door) -> Self {
        let folder = folder();
        let mut config = Config::new(folder.path().join("relay.sock"), folder.path().join("audit"));
        config.socket_directories = vec![folder.path().to_owned()];
        let relay = Relay::start(config).await.unwrap();
        let port = supervisor_relay::listen(([127, 0, 0, 1], 0).into()).unwrap();
        let identities = Identities::new();
        identities.replace(mapping());
        let door = door(port.local_addr().unwrap(), identities.clone());
        let web = relay.serve(port, door).unwrap();
        Self { relay, web, identities, folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.web.address()
    }

    pub(crate) async fn target(&self) -> Target {
        self.target_called("shop", World::shop()).await
    }

    pub(crate) async fn target_called(&self, id: &str, world: World) -> Target {
        let path = self.folder.path().join(format!("{id}.sock"));
        let target = Target::start(&path, world).await;
        let answer = self.register(id, &path).await;
        assert_eq!(answer["status"], "registered", "{answer}");
        target
    }

    /// What the relay answers to a registration.
    pub(crate) async fn register(&self, id: &str, path: &Path) -> Value {
        let line = json!({
            "target_id": id, "display_name": "The shop", "ipc_path": path, "lease_seconds": 30,
            "supported_commands": SupportedCommand::contract(),
        });
        let mut stream = UnixStream::connect(self.relay.registration_socket()).await.unwrap();
        stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Ann's browser, which has said hello.
    pub(crate) async fn browser(&self) -> Browser {
        self.browser_called("b", TOKEN).await
    }

    pub(crate) async fn browser_called(&self, store: &str, token: &str) -> Browser {
        let (mut browser, _) =
            Browser::open(self.address(), &[("authorization", &bearer(token))]).await.unwrap();
        assert_eq!(browser.next().await["type"], "server_hello");
        browser.hello(store).await;
        browser
    }

    /// What is answered to a request, byte for byte.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Asked {
        let stream = TcpStream::connect(self.address()).await.unwrap();
        ask(stream, self.address(), method, path, headers, body).await
    }
}

/// Ann has the token, and is an operator of everything.
pub(crate) fn mapping() -> Mapping {
    Mapping::new().with_token(&digest(TOKEN), "ann", None).unwrap().with_role("ann", "*", Role::Operator)
}

pub(crate) fn digest(token: &str) -> String {
    Secret::from(token.to_owned()).sha256()
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// Asks over a connection that was made, from wherever.
pub(crate) async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Asked {
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        request += &format!("Host: {host}\r\n");
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    // Who is sent away has the status 0.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut answer)).await.expect("no answer");
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Asked { status: status.unwrap_or(0), head: head.to_owned(), body: body.to_owned() }
}

pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

pub(crate) struct Browser(pub(crate) WebSocketStream<Box<dyn Wire>>);

type Opened = Result<(Browser, Response<Option<Vec<u8>>>), Error>;

impl Browser {
    pub(crate) async fn open(address: SocketAddr, headers: &[(&'static str, &str)]) -> Opened {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(Box::new(stream), &format!("ws://{address}/ws"), headers).await
    }

    /// Over a connection that was made, from wherever.
    pub(crate) async fn over(stream: Box<dyn Wire>, url: &str, headers: &[(&'static str, &str)]) -> Opened {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let (stream, response) =
            timeout(LONG, tokio_tungstenite::client_async(request, stream)).await.unwrap()?;
        Ok((Self(stream), response))
    }

    pub(crate) async fn hello(&mut self, store: &str) {
        self.says(json!({"type": "client_hello", "client_store_id": store, "resume_cursor": {}})).await;
    }

    pub(crate) async fn message(&mut self) -> Message {
        timeout(LONG, self.message_at_any_time()).await.expect("nothing came")
    }

    async fn message_at_any_time(&mut self) -> Message {
        self.0.next().await.unwrap().unwrap()
    }

    /// Reads on while something else goes on, as a page does: who answers no ping is taken for gone.
    pub(crate) async fn reads_during<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = std::pin::pin!(other);
        loop {
            tokio::select! {
                done = &mut other => return done,
                message = self.message_at_any_time() => drop(message),
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.message().await {
                Message::Text(text) => {
                    serde_json::from_str::<ServerMessage>(&text).unwrap();
                    return serde_json::from_str(&text).unwrap();
                }
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn of(&mut self, kind: &str) -> Value {
        self.until(|frame| frame["type"] == kind).await
    }

    /// The next frame for which this holds.
    pub(crate) async fn until(&mut self, is: impl Fn(&Value) -> bool) -> Value {
        let find = async {
            loop {
                let frame = self.next().await;
                if is(&frame) {
                    return frame;
                }
            }
        };
        timeout(LONG, find).await.expect("what was waited for never came")
    }

    pub(crate) async fn says(&mut self, message: Value) {
        self.0.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    /// The code with which it is closed.
    pub(crate) async fn closed(&mut self) -> u16 {
        let close = async {
            loop {
                match self.message().await {
                    Message::Close(frame) => return frame.unwrap().code.into(),
                    Message::Text(_) | Message::Ping(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        timeout(LONG, close).await.expect("it was not closed")
    }
}
