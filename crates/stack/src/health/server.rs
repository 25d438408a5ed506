//! The accept loop.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
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

/// Accepts until it is aborted; then every connection is closed.
pub(super) async fn accept(io: TcpListener, router: Router) {
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
        oldest_first.push_back(connections.spawn(serve(stream, router.clone())));
    }
}

/// One connection, one request: a peer that comes again need not be waited for.
async fn serve(stream: TcpStream, router: Router) {
    let mut http = http1::Builder::new();
    http.keep_alive(false).half_close(true).max_buf_size(HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // A peer that is gone, slow, or speaks no HTTP is told of by nobody.
    let _ = tokio::time::timeout(PATIENCE, connection).await;
}
