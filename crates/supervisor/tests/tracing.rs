//! Events go to `tracing` too, with their severity.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use common::{service, start};
use tokio_supervisor::SupervisorSpec;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "supervisor"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    write!(self.0, "{value:?}").unwrap();
                }
            }
        }
        let mut text = Text(format!("{} ", event.metadata().level()));
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_told_to_whoever_listens() {
    let lines = Lines::default();
    let _listening = tracing::subscriber::set_default(lines.clone());
    let handle = start(SupervisorSpec::root([service("a")])).await;
    handle.quarantine_child("a", "ops", "smells").await.unwrap();
    handle.shutdown("test", "done").await.unwrap();
    let seen = lines.0.lock().unwrap().clone();
    assert!(seen.iter().any(|line| line == "INFO /a running"), "{seen:#?}");
    assert!(seen.iter().any(|line| line.starts_with("ERROR /a quarantined by ops (smells)")), "{seen:#?}");
}
