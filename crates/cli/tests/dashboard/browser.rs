//! A browser without a screen: it trades the code of a link, and speaks over a WebSocket.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use supervisor_api::wire::ServerMessage;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// Longer than anything here takes. Reaching it is a failure.
const LONG: Duration = Duration::from_secs(60);

/// Trades the code of a link: the status, and the token if there is one.
pub(crate) async fn trade(link: &str) -> (u16, String) {
    let (origin, code) = link.split_once("/#code=").unwrap();
    let host = origin.strip_prefix("http://").unwrap();
    let body = json!({"code": code}).to_string();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let token = serde_json::from_str::<Value>(body).ok();
    (status, token.map(|body| body["token"].as_str().unwrap().to_owned()).unwrap_or_default())
}

pub(crate) struct Browser {
    socket: WebSocketStream<TcpStream>,
    /// What the server said first.
    pub(crate) hello: Value,
}

impl Browser {
    /// Follows a link.
    pub(crate) async fn follow(link: &str) -> Self {
        let (status, token) = trade(link).await;
        assert_eq!(status, 200);
        let host = link.split('/').nth(2).unwrap();
        let mut request = format!("ws://{host}/ws").into_client_request().unwrap();
        let offered = HeaderValue::from_str(&format!("tokio-supervisor.v1, {token}")).unwrap();
        request.headers_mut().insert("sec-websocket-protocol", offered);
        let origin = HeaderValue::from_str(&format!("http://{host}")).unwrap();
        request.headers_mut().insert("origin", origin);
        let stream = TcpStream::connect(host).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        let mut browser = Self { socket, hello: Value::Null };
        browser.hello = browser.next().await;
        assert_eq!(browser.hello["type"], "server_hello");
        browser.says(json!({"type": "client_hello", "client_store_id": token, "resume_cursor": {}})).await;
        browser
    }

    async fn message(&mut self) -> Message {
        timeout(LONG, self.socket.next()).await.expect("nothing came").unwrap().unwrap()
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

    pub(crate) async fn event(&mut self, kind: &str, path: &str) -> Value {
        self.until(|frame| frame["event"]["event_type"] == kind && frame["event"]["target_path"] == path)
            .await
    }

    /// The target is there, with its state.
    pub(crate) async fn state(&mut self) -> Value {
        self.until(|frame| frame["type"] == "state").await
    }

    pub(crate) async fn says(&mut self, message: Value) {
        self.socket.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    pub(crate) async fn asks(&mut self, id: &str, command: &str, target: Value, confirmed: bool) {
        self.says(json!({
            "type": "command", "command_id": id, "target_id": "shop", "command": command, "target": target,
            "reason": "a test", "confirmed": confirmed,
        }))
        .await;
    }

    /// Asks for a command: what its answer says, and what the audit tells of it.
    pub(crate) async fn does(&mut self, id: &str, command: &str, target: Value) -> (Value, Vec<Value>) {
        self.asks(id, command, target, true).await;
        let (mut result, mut audits) = (Value::Null, Vec::new());
        // The answer may overtake what the audit tells.
        while result.is_null() || audits.len() < 2 {
            let frame = self.next().await;
            if frame["type"] == "command_result" && frame["result"]["command_id"] == id {
                assert!(result.is_null(), "two answers: {frame}");
                result = frame["result"].clone();
            } else if frame["type"] == "audit_event" && frame["audit"]["command_id"] == id {
                audits.push(frame["audit"].clone());
            }
        }
        (result, audits)
    }

    /// Everything up to the end, and the code with which it is closed.
    pub(crate) async fn rest(&mut self) -> (Vec<Value>, u16) {
        let mut frames = Vec::new();
        loop {
            match self.message().await {
                Message::Text(text) => frames.push(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => return (frames, frame.unwrap().code.into()),
                _ => {}
            }
        }
    }
}
