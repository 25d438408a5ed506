//! Spans reach a collector by OTLP over HTTP, and a collector that does not answer is felt by nobody.
#![cfg(feature = "otel")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod collector;
mod common;

use std::time::Duration;

use collector::{Collector, Spans};
use common::{idle, service, start};
use opentelemetry::trace::{Span as _, Tracer as _};
use tokio_supervisor::{
    Backoff, ChildSpec, EventItem, Exit, OtlpError, OtlpExport, SupervisorHandle, SupervisorSpec, otel_layer,
};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::prelude::*;

/// Longer than anything here takes, shorter than a deadline of the export that would have to be waited for.
const SOON: Duration = Duration::from_secs(60);

fn listen(export: &OtlpExport) -> DefaultGuard {
    tracing::subscriber::set_default(tracing_subscriber::registry().with(otel_layer(export.tracer())))
}

/// Waits for a run of a child.
async fn run_of(handle: &SupervisorHandle, path: &str, generation: u64) {
    let mut events = handle.events_after(0);
    while let Some(item) = events.next().await {
        if let EventItem::Event(event) = item
            && event.path.as_str() == path
            && event.event.row.generation == generation
        {
            return;
        }
    }
    panic!("{path} never got to run {generation}");
}

/// Fails twice, then runs.
fn shaky() -> ChildSpec {
    ChildSpec::service("shaky", |ctx| async move {
        tracing::info_span!("work", step = 1).in_scope(|| {});
        if ctx.generation() < 3 {
            return Exit::failed("no luck");
        }
        idle(ctx).await;
        Exit::Stopped
    })
}

/// A life with two failed runs, a command, a refused command and a shutdown.
async fn a_short_life() {
    let handle = start(SupervisorSpec::root([shaky(), service("calm")])).await;
    run_of(&handle, "/shaky", 3).await;
    handle.restart_child("/calm", "ann", "a look").await.unwrap();
    handle.restart_child("/clam", "ann", "a slip").await.unwrap_err();
    handle.shutdown("ann", "enough").await.unwrap();
}

#[tokio::test]
async fn runs_commands_and_the_shutdown_arrive_at_the_collector() {
    let collector = Collector::start();
    let export = OtlpExport::new(&collector.address(), "shop").unwrap();
    let listening = listen(&export);
    a_short_life().await;
    drop(listening);
    export.close().await.unwrap();
    let spans = collector.spans();

    let runs: Vec<_> = spans.named("supervisor.child_run").collect();
    let of = |path: &str| runs.iter().filter(|run| run.text("path") == Some(path)).collect::<Vec<_>>();
    let generations: Vec<_> = of("/shaky").iter().map(|run| run.number("generation").unwrap()).collect();
    assert_eq!(generations, [1, 2, 3]);
    assert_eq!(of("/calm").len(), 2);
    for run in of("/shaky").iter().take(2) {
        assert_eq!(run.error.as_deref(), Some("failed: no luck"));
        assert_eq!(run.text("exit"), Some("failed: no luck"));
        assert!(run.number("event").unwrap() > 0);
    }
    assert_eq!(of("/shaky")[2].error, None);
    assert!(runs.iter().all(|run| run.parent.is_empty() && run.service == "shop" && run.start <= run.end));

    let outcomes: Vec<_> = spans
        .named("supervisor.command")
        .map(|span| (span.text("command").unwrap(), span.text("outcome").unwrap(), span.error.as_deref()))
        .collect();
    assert_eq!(outcomes[0], ("restart_child", "completed", None));
    assert_eq!(outcomes[1].0, "restart_child");
    assert!(outcomes[1].2.unwrap().contains("there is no child '/clam'"), "{outcomes:?}");
    assert_eq!(outcomes[2], ("shutdown_tree", "completed", None));

    let shutdown: Vec<_> = spans.named("supervisor.shutdown").collect();
    assert_eq!(shutdown.len(), 1);
    assert_eq!((shutdown[0].text("requested_by"), shutdown[0].text("reason")), (Some("ann"), Some("enough")));

    let work: Vec<_> = spans.named("work").collect();
    assert_eq!(work.len(), 3, "the program's own spans too");
    assert!(
        work.iter().zip(of("/shaky")).all(|(work, run)| work.parent == run.id && work.trace == run.trace)
    );
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_neither_the_tree_nor_its_end() {
    const RUNS: u64 = 6_000;
    let collector = Collector::silent();
    let export = OtlpExport::new(&collector.address(), "shop").unwrap();
    let listening = listen(&export);
    // More spans than the queue takes, while the one request that was made hangs.
    let busy = ChildSpec::service("busy", move |ctx| async move {
        if ctx.generation() >= RUNS {
            idle(ctx).await;
        }
    });
    let tree = SupervisorSpec::root([busy.backoff(Backoff::none())]).unlimited();
    let life = async {
        let handle = start(tree).await;
        run_of(&handle, "/busy", RUNS).await;
        handle.shutdown("ann", "enough").await.unwrap();
    };
    tokio::time::timeout(SOON, life).await.expect("the tree waits for the collector");
    let closing = tokio::time::timeout(SOON, export.close()).await.expect("the end waits for the collector");
    let OtlpError::Lost { lost, ended } = closing.unwrap_err() else { panic!("of another kind") };
    assert_eq!((lost, ended), (RUNS + 2, RUNS + 2), "each run, the command and the shutdown");
    drop(listening);
    assert!(collector.asked(), "the collector was not even asked");
}

#[tokio::test]
async fn dropping_the_export_waits_for_nobody() {
    let collector = Collector::silent();
    let export = OtlpExport::new(&collector.address(), "shop").unwrap();
    let listening = listen(&export);
    a_short_life().await;
    let began = tokio::time::Instant::now();
    drop(export);
    drop(listening);
    assert!(began.elapsed() < Duration::from_secs(4), "it waited for the 5 seconds of the last spans");
}

#[tokio::test]
async fn a_collector_that_is_not_there_is_no_error_until_the_end() {
    let nobody = Collector::absent();
    let export = OtlpExport::new(&nobody, "shop").unwrap();
    let listening = listen(&export);
    tokio::time::timeout(SOON, a_short_life()).await.expect("the tree waits for the collector");
    drop(listening);
    let closing = tokio::time::timeout(SOON, export.close()).await.expect("the end waits for the collector");
    assert!(matches!(closing, Err(OtlpError::Lost { lost, ended }) if lost == ended && ended > 0));
}

#[tokio::test]
async fn nothing_becomes_global() {
    let collector = Collector::start();
    let export = OtlpExport::new(&collector.address(), "shop").unwrap();
    let _listening = listen(&export);
    let span = opentelemetry::global::tracer("somebody else").start("x");
    assert!(!span.span_context().is_valid(), "a tracer that nobody gave away is in force");
}

#[test]
fn an_address_that_is_none_is_refused_with_what_to_write() {
    for address in ["", "http://", "http:///", "https://h:4318", "127.0.0.1:4318"] {
        let problem = OtlpExport::new(address, "shop").unwrap_err().to_string();
        assert!(problem.contains("http://127.0.0.1:4318"), "{problem}");
    }
}

#[test]
fn a_body_that_is_cut_is_no_span() {
    assert!(std::panic::catch_unwind(|| Spans::read(&[0x0a, 0x05, 0x12])).is_err());
}
