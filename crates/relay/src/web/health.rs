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

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use supervisor_api::wire::ConnectionState;

use crate::hub::Hub;
use crate::orders::Orders;

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

/// Answers probes of this relay.
pub(crate) fn router(source: Source) -> Router {
    Router::new()
        .route("/healthz", get(async |State(source): State<Arc<Source>>| healthy(&source)))
        .route("/readyz", get(async |State(source): State<Arc<Source>>| ready(&source)))
        .route("/metrics", get(async |State(source): State<Arc<Source>>| metrics(&source)))
        .fallback(async || {
            (StatusCode::NOT_FOUND, "there is nothing here; ask for /healthz, /readyz or /metrics\n")
        })
        .with_state(Arc::new(source))
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
