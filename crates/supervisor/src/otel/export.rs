//! The way of spans to a collector.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use tokio::sync::oneshot;

use super::counts::{Counted, Counts};

/// The name of the tracer, as a collector shows it.
const TRACER: &str = "tokio-supervisor";
/// Where a collector takes spans.
const PATH: &str = "/v1/traces";
/// How long one request to the collector may take.
const REQUEST: Duration = Duration::from_secs(10);
/// How long the end of the export has, once the last spans are sent.
const END: Duration = Duration::from_secs(5);

/// Why spans cannot be exported, or were not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OtlpError {
    /// The address of the collector is no address.
    #[error(
        "the collector's address '{address}' does not begin with http://; give one such as http://127.0.0.1:4318"
    )]
    Address {
        /// As given.
        address: String,
    },
    /// The exporter cannot be made.
    #[error("spans cannot be exported to {endpoint}: {source}")]
    Build {
        /// Where to.
        endpoint: String,
        /// Why not.
        source: ExporterBuildError,
    },
    /// The queue was full, or the collector did not take them in time or refused them.
    #[error("{lost} of {ended} spans did not reach the collector")]
    Lost {
        /// Spans that are lost.
        lost: u64,
        /// All spans that ended.
        ended: u64,
    },
    /// The thread that sends the last spans could not be started, or ended without a word.
    #[error("the thread that sends the last spans could not be run")]
    Thread,
}

/// Sends spans to a collector by OTLP over HTTP, in protobuf, from a thread of its own.
///
/// ```no_run
/// use tokio_supervisor::{OtlpExport, otel_layer};
/// use tracing_subscriber::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let export = OtlpExport::new("http://127.0.0.1:4318", "shop")?;
/// tracing_subscriber::registry().with(otel_layer(export.tracer())).init();
/// // … start the tree, and wait for its end …
/// export.close().await?;
/// # Ok(())
/// # }
/// ```
///
/// The connection is not encrypted: the collector is on this machine or in a network that is trusted. For another one
/// make an exporter with crate `opentelemetry-otlp` and give its tracer to [`otel_layer`](crate::otel_layer). The variables
/// `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_BSP_*`, `OTEL_TRACES_SAMPLER` and `http_proxy` are heeded.
///
/// Dropping it sends what is in the queue too, on another thread, and waits for nothing; a program that ends meanwhile
/// loses it. [`close`](Self::close) waits.
#[derive(Debug)]
pub struct OtlpExport {
    provider: SdkTracerProvider,
    counts: Arc<Counts>,
    closed: bool,
}

impl OtlpExport {
    /// An export to the collector at `address`, such as `http://127.0.0.1:4318`; `/v1/traces` is put behind it. `service`
    /// is what the collector shows as `service.name`. Nothing is sent yet, so a collector that is not there is no error.
    ///
    /// # Errors
    ///
    /// When the address is none, or no thread can be started.
    pub fn new(address: &str, service: &str) -> Result<Self, OtlpError> {
        let host = address.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        if host.is_none_or(str::is_empty) {
            return Err(OtlpError::Address { address: address.to_owned() });
        }
        let endpoint = format!("{}{PATH}", address.trim_end_matches('/'));
        let exporter =
            SpanExporter::builder().with_http().with_endpoint(&endpoint).with_timeout(REQUEST).build();
        let exporter = exporter.map_err(|source| OtlpError::Build { endpoint, source })?;
        let counts = Arc::new(Counts::default());
        let queue = BatchSpanProcessor::builder(Counted::new(exporter, &counts)).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Counted::new(queue, &counts))
            .with_resource(Resource::builder().with_service_name(service.to_owned()).build())
            .build();
        Ok(Self { provider, counts, closed: false })
    }

    /// What [`otel_layer`](crate::otel_layer) takes.
    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer(TRACER)
    }

    /// How many spans ended and were not taken by the collector: those in the queue, and those that are lost.
    pub fn unsent(&self) -> u64 {
        self.counts.unsent()
    }

    /// Sends what is in the queue and ends the export; a span that ends later is lost. Takes at most 10 seconds, and never
    /// holds up a worker of the runtime. Dropping the future takes nothing back.
    ///
    /// # Errors
    ///
    /// When the collector did not take every span since the beginning.
    pub async fn close(mut self) -> Result<(), OtlpError> {
        self.closed = true;
        let (tell, told) = oneshot::channel();
        let provider = self.provider.clone();
        in_background(move || {
            finish(&provider);
            // Nobody is told when the future was dropped.
            let _ = tell.send(());
        })?;
        told.await.map_err(|_| OtlpError::Thread)?;
        match (self.counts.unsent(), self.counts.ended()) {
            (0, _) => Ok(()),
            (lost, ended) => Err(OtlpError::Lost { lost, ended }),
        }
    }
}

impl Drop for OtlpExport {
    fn drop(&mut self) {
        if !self.closed {
            let provider = self.provider.clone();
            // When there can be no thread, the spans are lost and the program goes on.
            let _ = in_background(move || finish(&provider));
        }
    }
}

/// Sends what is in the queue and ends the thread of the export. What became of the spans is counted, so the results say
/// nothing more.
fn finish(provider: &SdkTracerProvider) {
    let sent = provider.force_flush();
    // A thread that is still busy with the collector after that time is not waited for once more.
    let _ = provider.shutdown_with_timeout(if sent.is_ok() { END } else { Duration::ZERO });
}

/// The end of an export blocks: it has a thread of its own.
fn in_background(work: impl FnOnce() + Send + 'static) -> Result<(), OtlpError> {
    let thread = std::thread::Builder::new().name("otlp-close".to_owned());
    thread.spawn(work).map(drop).map_err(|_| OtlpError::Thread)
}
