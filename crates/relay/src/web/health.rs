//! What probes and scrapers of the same machine read: `/healthz`, `/readyz`, `/metrics`.
//!
//! | path | 200 | 503 |
//! |---|---|---|
//! | `/healthz` | every part of the relay runs | one has ended |
//! | `/readyz` | commands and registrations are taken | the audit cannot be written, or the relay ends |
//! | `/metrics` | OpenMetrics | |
//!
//! A target that is down makes the relay neither dead nor unready; how many are, `/metrics` tells. The port is its own,
//! on loopback: everybody who can reach it is answered, so no name of a target is.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use supervisor_api::wire::ConnectionState;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::accept;
use crate::hub::Hub;
use crate::orders::Orders;

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// An answer of a sentence.
type Said = (StatusCode, String);

/// What answers are made from.
pub(crate) struct Source {
    pub(crate) hub: Arc<Hub>,
    pub(crate) orders: Arc<Orders>,
    /// Whether each part of the relay runs.
    pub(crate) is_whole: Box<dyn Fn() -> bool + Send + Sync>,
}

/// A port for probes and scrapers. Dropping it closes it.
#[derive(Debug)]
pub struct HealthPort {
    address: SocketAddr,
    closing: watch::Sender<bool>,
}

impl HealthPort {
    pub(crate) fn open(io: TcpListener, source: Source) -> io::Result<Self> {
        let address = io.local_addr()?;
        let (closing, closed) = watch::channel(false);
        tokio::spawn(accept::accept(io, router(source), None, closed));
        Ok(Self { address, closing })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HealthPort {
    fn drop(&mut self) {
        self.closing.send_replace(true);
    }
}

fn router(source: Source) -> Router {
    Router::new()
        .route("/healthz", get(async |State(source): State<Arc<Source>>| healthy(&source)))
        .route("/readyz", get(async |State(source): State<Arc<Source>>| ready(&source)))
        .route("/metrics", get(async |State(source): State<Arc<Source>>| metrics(&source)))
        .fallback(async || {
            (StatusCode::NOT_FOUND, "there is nothing here; ask for /healthz, /readyz or /metrics\n")
        })
        .layer(middleware::from_fn(around))
        .with_state(Arc::new(source))
}

/// Refuses who was led here by a foreign name: a page in a browser can make a name of its own mean 127.0.0.1.
async fn around(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let mut response = match host.is_none_or(is_local) {
        true => next.run(request).await,
        false => (StatusCode::MISDIRECTED_REQUEST, "send 127.0.0.1, [::1] or localhost as the Host\n")
            .into_response(),
    };
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
        bare.parse::<std::net::IpAddr>().is_ok() || bare.eq_ignore_ascii_case("localhost")
    })
}

/// Whether starting the relay anew would help.
fn healthy(source: &Source) -> Said {
    match (source.is_whole)() {
        true => (StatusCode::OK, "alive\n".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not alive: a part of the relay has ended\n".to_owned()),
    }
}

/// Whether the relay does what it is for.
fn ready(source: &Source) -> Said {
    let unready = |why: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n"));
    if !(source.is_whole)() {
        return unready("a part of the relay has ended");
    }
    if source.orders.is_closing() {
        return unready("it ends");
    }
    match source.orders.records.problem() {
        Some(_) => unready("the audit cannot be written, so commands are refused; the log says why"),
        None => (StatusCode::OK, "ready\n".to_owned()),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connection {
    connection: &'static str,
}

/// What is counted is there always; what is now is looked at now.
fn metrics(source: &Source) -> Response {
    let mut registry = Registry::with_prefix("supervisor");
    source.hub.counts().register(&mut registry);
    let targets = Family::<Connection, Gauge>::default();
    for state in ConnectionState::ALL {
        drop(targets.get_or_create(&Connection { connection: state.as_str() }));
    }
    for target in source.hub.all() {
        let connection = target.seen().connection().as_str();
        targets.get_or_create(&Connection { connection }).inc();
    }
    registry.register("relay_targets", "Targets by how the connection to them is", targets);
    let audit = Gauge::<i64>::default();
    audit.set(source.orders.records.problem().is_none().into());
    registry.register("relay_audit_writable", "1: commands can be recorded and are taken", audit);
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "metrics cannot be written\n").into_response(),
    }
}
