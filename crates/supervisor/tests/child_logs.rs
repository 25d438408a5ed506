//! What is recorded through `tracing` inside a run is in the log of that child, and what the library does has spans.
#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use common::{event, idle, secs, service, settle, start, state};
use tokio_supervisor::{
    ChildLogs, ChildSpec, EventKind, Lifecycle, LogItem, LogRecord, Severity, SupervisorHandle,
    SupervisorSpec,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Instrument, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

fn listen() -> tracing::subscriber::DefaultGuard {
    tracing::subscriber::set_default(tracing_subscriber::registry().with(ChildLogs::new()))
}

fn messages(handle: &SupervisorHandle, child: &str) -> Vec<String> {
    handle.logs(child).unwrap().iter().map(|line| line.message.clone()).collect()
}

fn only(handle: &SupervisorHandle, child: &str) -> Arc<LogRecord> {
    let lines = handle.logs(child).unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
    Arc::clone(&lines[0])
}

#[tokio::test(start_paused = true)]
async fn a_record_is_kept_with_the_child_its_severity_and_its_fields() {
    let _listening = listen();
    let child = ChildSpec::service("a", |ctx| async move {
        tracing::warn!(target: "db", rows = 7, table = "orders", "slow {}", "query");
        idle(ctx).await;
    });
    let handle = start(SupervisorSpec::root([child, service("b")])).await;
    settle().await;
    let line = only(&handle, "a");
    assert_eq!((line.message.as_str(), line.severity, line.generation), ("slow query", Severity::Warning, 1));
    let fields = [("target", "db"), ("rows", "7"), ("table", "orders")];
    assert_eq!(line.fields, fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(handle.logs("b").unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_run_is_told_apart_and_so_are_factory_drop_and_both_kinds_of_log() {
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            tracing::info!("dropped");
        }
    }
    let _listening = listen();
    let child = ChildSpec::service("a", |ctx| {
        tracing::info!("made");
        let last = Last;
        async move {
            let _last = last;
            ctx.log(Severity::Info, "said", [("k", "v")]);
            idle(ctx).await;
        }
    });
    let handle = start(SupervisorSpec::root([child])).await;
    settle().await;
    handle.restart_child("a", "ops", "x").await.unwrap();
    settle().await;
    let lines = handle.logs("a").unwrap();
    let seen: Vec<_> = lines.iter().map(|line| (line.generation, line.message.as_str())).collect();
    assert_eq!(seen, [(1, "made"), (1, "said"), (1, "dropped"), (2, "made"), (2, "said")]);
}

#[tokio::test(start_paused = true)]
async fn spawned_tasks_spans_and_instrumented_strangers_belong_to_the_run() {
    let _listening = listen();
    let child = ChildSpec::service("a", |ctx| async move {
        ctx.spawn(async { tracing::info!("a task of the run") });
        let inner = tracing::info_span!("request", id = 7);
        async { tracing::info!("in a span") }.instrument(inner).await;
        let stranger = async { tracing::info!("instrumented") };
        tokio::spawn(stranger.in_current_span()).await.unwrap();
        tokio::spawn(async { tracing::info!("nobody's") }).await.unwrap();
        idle(ctx).await;
    });
    let handle = start(SupervisorSpec::root([child])).await;
    settle().await;
    let mut seen = messages(&handle, "a");
    seen.sort();
    assert_eq!(seen, ["a task of the run", "in a span", "instrumented"]);
}

#[tokio::test]
async fn a_blocking_run_is_inside_its_span_on_its_own_thread() {
    let listening = tracing_subscriber::registry().with(ChildLogs::new());
    let dispatch = tracing::Dispatch::new(listening);
    let _listening = tracing::dispatcher::set_default(&dispatch);
    let child = ChildSpec::blocking("b", move |ctx| {
        // The test's subscriber is this thread's too; one that is installed for the process need not be.
        let _listening = tracing::dispatcher::set_default(&dispatch);
        tracing::error!("on a thread");
        while !ctx.wait_stopping(secs(60)) {}
    });
    let handle = start(SupervisorSpec::root([child])).await;
    let mut lines = handle.logs_after(0);
    let Some(LogItem::Line(line)) = tokio::time::timeout(secs(60), lines.next()).await.unwrap() else {
        panic!()
    };
    assert_eq!((line.path.as_str(), line.message.as_str()), ("/b", "on a thread"));
    assert_eq!((line.severity, line.generation), (Severity::Error, 1));
}

#[tokio::test(start_paused = true)]
async fn a_child_that_starts_another_tree_keeps_the_logs_apart() {
    let _listening = listen();
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = Arc::new(Mutex::new(Some(tell)));
    let child = ChildSpec::service("outer", move |ctx| {
        let tell = Arc::clone(&tell);
        async move {
            let inner = ChildSpec::service("inner", |ctx| async move {
                tracing::info!("inner says");
                idle(ctx).await;
            });
            let tree = start(SupervisorSpec::root([inner])).await;
            tracing::info!("outer says");
            let tell = tell.lock().unwrap().take().unwrap();
            assert!(tell.send(tree).is_ok());
            idle(ctx).await;
        }
    });
    let handle = start(SupervisorSpec::root([child])).await;
    let inner = told.await.unwrap();
    settle().await;
    assert_eq!(messages(&handle, "outer"), ["outer says"]);
    assert_eq!(messages(&inner, "inner"), ["inner says"]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_records_stays_within_the_bounds_and_what_is_dropped_is_counted() {
    let _listening = listen();
    let child = ChildSpec::job("flood", |_| async {
        for _ in 0..1000 {
            tracing::info!("{}", "x".repeat(1024));
        }
        Ok::<(), &str>(())
    });
    let handle = start(SupervisorSpec::root([child])).await;
    state(&handle, "flood", Lifecycle::Completed).await;
    let kept = handle.logs("flood").unwrap().len() as u64;
    assert!((100..300).contains(&kept), "{kept}");
    assert_eq!(kept + handle.child("flood").unwrap().dropped_logs, 1000);
}

/// Every span with its fields, and whether it is closed.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<BTreeMap<u64, Seen>>>);

#[derive(Debug, Clone, Default)]
struct Seen {
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
    closed: bool,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let mut seen = Seen { name: attrs.metadata().name(), ..Seen::default() };
        attrs.record(&mut seen);
        // An id is used again once its span is closed.
        let mut spans = self.0.lock().unwrap();
        let number = spans.len() as u64 + 1_000;
        if let Some(before) = spans.insert(id.into_u64(), seen) {
            spans.insert(u64::MAX - number, before);
        }
    }
    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(self.0.lock().unwrap().get_mut(&id.into_u64()).unwrap());
    }
    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.0.lock().unwrap().get_mut(&id.into_u64()).unwrap().closed = true;
    }
}

impl Spans {
    fn named(&self, name: &str) -> Vec<Seen> {
        self.0.lock().unwrap().values().filter(|seen| seen.name == name).cloned().collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_a_command_and_a_shutdown_are_a_span_each() {
    let spans = Spans::default();
    let _listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
    let handle = start(SupervisorSpec::root([service("a")])).await;
    settle().await;
    handle.with_command_id("c-1").unwrap().restart_child("a", "ops", "x").await.unwrap();
    assert!(handle.restart_child("nobody", "ops", "x").await.is_err());
    let mut events = handle.events_after(0);
    let restarted = event(&mut events, "/a", EventKind::ChildRunning).await;
    assert_eq!(restarted.event.row.generation, 1);
    let restarted = event(&mut events, "/a", EventKind::ChildRunning).await;
    settle().await;

    let runs = spans.named("supervisor.child_run");
    assert_eq!(runs.len(), 2, "{runs:?}");
    let run = |generation: &str| runs.iter().find(|run| run.fields["generation"] == generation).unwrap();
    let (first, second) = (run("1"), run("2"));
    assert!(first.closed && first.fields["exit"] == "stopped as asked", "{first:?}");
    assert!(!second.closed && !second.fields.contains_key("exit"), "{second:?}");
    assert_eq!((second.fields["path"].as_str(), second.fields["attempt"].as_str()), ("/a", "0"));
    assert_eq!(second.fields["event"], restarted.sequence.to_string(), "the event that tells why");

    let commands = spans.named("supervisor.command");
    let of = |child: &str| commands.iter().find(|command| command.fields["child"] == child).unwrap();
    let (done, refused) = (of("a"), of("nobody"));
    assert!(done.closed && refused.closed);
    let fields = ["command", "requested_by", "command_id", "outcome"].map(|name| done.fields[name].as_str());
    assert_eq!(fields, ["restart_child", "ops", "c-1", "completed"]);
    assert_eq!(refused.fields["outcome"], "validation_failed");
    assert!(!refused.fields.contains_key("command_id"));

    assert!(spans.named("supervisor.shutdown").is_empty());
    handle.shutdown("ops", "enough").await.unwrap();
    settle().await;
    let ends = spans.named("supervisor.shutdown");
    assert_eq!(ends.len(), 1, "{ends:?}");
    let fields = ["requested_by", "reason", "phase"].map(|name| ends[0].fields[name].as_str());
    assert!(ends[0].closed);
    assert_eq!(fields, ["ops", "enough", "shutdown"]);
    assert!(spans.named("supervisor.child_run").iter().all(|run| run.closed), "no span outlives its run");
}
