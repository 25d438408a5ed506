//! What is answered (`semantics.md` D21).
//!
//! | path | 200 | 503 |
//! |---|---|---|
//! | `/livez` | it supervises | the loop is stuck, a critical child is stale, unhealthy or unresponsive, or it has ended |
//! | `/readyz` | the tree can be used | it still starts, is being stopped, or a critical child is not as it should be |
//! | `/metrics` | OpenMetrics | |

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tokio_supervisor::{Metrics, RuntimeHealthReport, SupervisorHandle};

use super::{alive, ready};
use crate::launch::Live;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What answers are made from.
struct Source {
    handle: SupervisorHandle,
    registry: Registry,
    counts: Metrics,
    /// Which version of its spec the tree has.
    now: Arc<Live>,
    /// One scrape at a time: each writes some lines for every child.
    turn: Arc<Semaphore>,
}

/// An answer of a sentence.
type Said = (StatusCode, &'static str);

const ALIVE: Said = (StatusCode::OK, "alive\n");
const READY: Said = (StatusCode::OK, "ready\n");
const BUSY: Said = (StatusCode::SERVICE_UNAVAILABLE, "metrics cannot be read now; try again\n");
const NOWHERE: Said = (StatusCode::NOT_FOUND, "there is nothing here; ask for /livez, /readyz or /metrics\n");

pub(super) fn router(handle: &SupervisorHandle, now: Arc<Live>) -> Router {
    let mut registry = Registry::default();
    let counts = handle.register_metrics(&mut registry);
    let source = Source { handle: handle.clone(), registry, counts, now, turn: Arc::new(Semaphore::new(1)) };
    Router::new()
        .route("/livez", get(async |State(source): State<Arc<Source>>| live(&source.handle.health())))
        .route("/readyz", get(async |State(source): State<Arc<Source>>| can_be_used(&source.handle)))
        .route("/metrics", get(metrics))
        .fallback(async || NOWHERE)
        .with_state(Arc::new(source))
}

fn live(health: &RuntimeHealthReport) -> Said {
    match alive(health) {
        Ok(()) => ALIVE,
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

fn can_be_used(handle: &SupervisorHandle) -> Said {
    match ready(handle) {
        Ok(()) => READY,
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

/// A thread of its own writes them, so that no child waits for a long text.
async fn metrics(State(source): State<Arc<Source>>) -> Response {
    let Ok(turn) = Arc::clone(&source.turn).acquire_owned().await else { return BUSY.into_response() };
    let written = tokio::task::spawn_blocking(move || {
        source.counts.config_version(source.now.config_version());
        let mut text = String::new();
        let written = prometheus_client::encoding::text::encode(&mut text, &source.registry);
        drop(turn);
        written.map(|()| text)
    });
    match written.await {
        Ok(Ok(text)) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        _ => BUSY.into_response(),
    }
}
