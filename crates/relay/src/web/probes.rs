//! A port for what asks on the same machine, again and again: probes and scrapers.
//!
//! ```text
//!  loopback ──► accept: at most 64 at a time, 10 seconds for each ──► Host ──► one answer
//! ```
//!
//! Whoever reaches it is answered, so nothing secret is. Who is slow, silent or too many is cut.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// Connections at a time. One more ends the oldest: who asks is answered in milliseconds, so the oldest is one that
/// does not ask, or does not read, and it must not keep a probe out.
const AT_A_TIME: usize = 64;
/// From the connection to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes of a request's head.
const HEAD: usize = 16 * 1024;
/// After an accept that failed: the first wait, and the longest.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

const TEXT: &str = "text/plain; charset=utf-8";
const MISLED: (StatusCode, &str) = (
    StatusCode::MISDIRECTED_REQUEST,
    "this answers to 127.0.0.1, [::1] and localhost only; send one of them as the Host\n",
);

/// A port for probes and scrapers of the same machine. Dropping it closes the port and every connection.
///
/// At most 64 connections at a time, each for one request and at most 10 seconds; one more ends the oldest. A `Host` that
/// is neither an address nor `localhost` is refused with 421: a page in a browser can make a name of its own mean 127.0.0.1.
/// What is answered is not kept (`no-store`), and is text unless the answer says otherwise.
#[derive(Debug)]
pub struct ProbePort {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl ProbePort {
    /// Answers there with this.
    ///
    /// # Errors
    ///
    /// When the port is gone.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub fn serve(io: TcpListener, router: Router) -> io::Result<Self> {
        let address = io.local_addr()?;
        let accepting = tokio::spawn(accept(io, router.layer(middleware::from_fn(around)))).abort_handle();
        Ok(Self { address, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ProbePort {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts until it is aborted; then every connection is closed.
async fn accept(io: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    let mut wait = SHORTEST_WAIT;
    loop {
        let stream = match io.accept().await {
            Ok((stream, _)) => stream,
            // Mostly no descriptor is free. The connection stays in the queue, so without a wait this would spin.
            Err(_) => {
                tokio::time::sleep(wait).await;
                wait = LONGEST_WAIT.min(wait * 2);
                continue;
            }
        };
        wait = SHORTEST_WAIT;
        while connections.try_join_next().is_some() {}
        oldest_first.retain(|connection| !connection.is_finished());
        if oldest_first.len() >= AT_A_TIME
            && let Some(oldest) = oldest_first.pop_front()
        {
            oldest.abort();
        }
        oldest_first.push_back(connections.spawn(answer(stream, router.clone())));
    }
}

/// One connection, one request: a peer that comes again need not be waited for.
async fn answer(stream: TcpStream, router: Router) {
    let mut http = http1::Builder::new();
    http.keep_alive(false).half_close(true).max_buf_size(HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // A peer that is gone, slow, or speaks no HTTP is told of by nobody.
    let _ = tokio::time::timeout(PATIENCE, connection).await;
}

async fn around(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let mut response =
        if host.is_none_or(is_local) { next.run(request).await } else { MISLED.into_response() };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(TEXT));
    response
}

/// Whether a `Host` is an address, or `localhost`.
fn is_local(host: &[u8]) -> bool {
    let Ok(uri) = Uri::try_from(host) else { return false };
    uri.host().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok() || bare.eq_ignore_ascii_case("localhost")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_localhost() {
        for good in ["127.0.0.1", "127.0.0.1:9464", "[::1]:9464", "localhost", "LocalHost:80", "10.0.0.7:80"]
        {
            assert!(is_local(good.as_bytes()), "{good}");
        }
        for bad in
            ["evil.example", "evil.example:9464", "localhost.evil.example", "127.0.0.1.evil.example", ""]
        {
            assert!(!is_local(bad.as_bytes()), "{bad}");
        }
    }
}
