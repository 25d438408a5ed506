//! A WebSocket as a carrier of messages.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt;

use super::drive::{Carrier, Gone, Heard};
use crate::session::Close;

/// The most bytes of a message of a browser: a manifest has at most so many.
pub(super) const LARGEST: usize = 1 << 20;
/// Up to here a message is read and refused; one that is larger yet ends the connection.
pub(super) const LARGEST_READ: usize = 2 * LARGEST;

impl Carrier for WebSocket {
    async fn hear(&mut self) -> Heard {
        match self.recv().await {
            Some(Ok(Message::Text(text))) if text.len() <= LARGEST => Heard::Text(text.as_str().to_owned()),
            Some(Ok(Message::Text(_) | Message::Binary(_))) => Heard::Bad,
            // A ping is answered by the library below.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Heard::Pong,
            Some(Ok(Message::Close(_)) | Err(_)) | None => Heard::Gone,
        }
    }

    async fn say(&mut self, frame: Arc<str>) -> Result<(), Gone> {
        self.feed(Message::Text((&*frame).into())).await.map_err(|_| Gone)
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        SinkExt::flush(self).await.map_err(|_| Gone)
    }

    async fn ping(&mut self) -> Result<(), Gone> {
        WebSocket::send(self, Message::Ping(Vec::new().into())).await.map_err(|_| Gone)
    }

    async fn close(&mut self, why: Close) {
        let frame = CloseFrame { code: why.code(), reason: why.to_string().into() };
        // Who has gone knows.
        let _ = WebSocket::send(self, Message::Close(Some(frame))).await;
    }
}
