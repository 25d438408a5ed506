//! Spans for OpenTelemetry, and their export by OTLP over HTTP (feature `otel`).
//!
//! ```text
//!  run, command, shutdown ──► tracing ──► otel_layer(tracer) ──► provider ──► queue ──► thread ──► collector
//! ```
//!
//! Nothing here is global. The program makes a provider, its own or that of [`OtlpExport`], and puts the layer into its
//! subscriber. Only the queue stands between the tree and the collector: it takes 2 048 ended spans, loses what comes
//! beyond, and nobody waits for it. The thread sends, tries again, gives up after its deadline, and the tree does not
//! notice. What is lost is counted.

mod counts;
mod export;

use opentelemetry::trace::{Status, Tracer};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

pub use export::{OtlpError, OtlpExport};

/// A layer that makes spans of `tracing` spans of OpenTelemetry: those of the library, and those of the program, which
/// are children of the run that they are in. A record inside a span becomes an event of it.
///
/// `tracer` is the program's, made with the version of `opentelemetry` that this crate uses, or
/// [`OtlpExport::tracer`]. A run or a command that ended badly has the status `Error` with the reason. A span is exported
/// when it ends: the run that is on is not seen before.
///
/// The layer does not measure how long a span is entered, does not look up threads and does not tell places in the
/// source. A filter beside it says what is wanted: `tracing_subscriber::filter::Targets` with the target `supervisor` lets
/// the spans of this library through and no others.
pub fn otel_layer<S, T>(tracer: T) -> impl Layer<S> + use<S, T>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    T: Tracer + Send + Sync + 'static,
    T::Span: Send + Sync,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
}

/// What a span is about has ended, badly if there is a reason.
pub(crate) fn ended(span: &Span, failure: impl FnOnce() -> Option<String>) {
    if !span.is_disabled()
        && let Some(reason) = failure()
    {
        span.set_status(Status::error(reason));
    }
}
