//! From `tracing` to the log of the child that a record comes from.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Weak};

use supervisor_api::{ChildKey, Severity};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::context::ChildContext;
use crate::kept;
use crate::spans::{RUN, TARGET};
use crate::tree::Tree;

/// A layer of `tracing` that keeps what is recorded inside a run in the log of that child.
///
/// Every run of a child is a span (`supervisor.child_run`). A record belongs to the innermost run around it: the run's
/// own future, tasks of [`ChildContext::spawn`](crate::ChildContext::spawn), probes, blocking threads, and whatever
/// else is instrumented with a span inside one. It is kept beside what the child said with
/// [`ChildContext::log`](crate::ChildContext::log), within the same bounds, with the fields of the record and its
/// `target`. Records outside any run, and the library's own (target `supervisor`), are not kept.
///
/// The layer serves all trees of the process, whenever they are launched. Nothing is installed by the library:
///
/// ```
/// use tracing_subscriber::prelude::*;
///
/// tracing_subscriber::registry().with(tokio_supervisor::ChildLogs::new()).init();
/// ```
///
/// A filter that lets nothing of the target `supervisor` through takes the spans away too, and with them the
/// attribution; `error` is enough.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ChildLogs;

impl ChildLogs {
    /// The layer.
    pub fn new() -> Self {
        Self
    }
}

/// The run that a span belongs to. Weak, because a subscriber may outlive the trees.
#[derive(Clone)]
struct Origin {
    tree: Weak<Tree>,
    key: ChildKey,
    generation: u64,
}

thread_local! {
    /// The run whose span is being made on this thread: a span itself can carry only words.
    static OPENING: RefCell<Option<Origin>> = const { RefCell::new(None) };
}

/// Makes the span of a run so that layers learn whose it is.
pub(crate) fn opening(ctx: &ChildContext, open: impl FnOnce() -> Span) -> Span {
    let (tree, key) = ctx.whose();
    let origin = Origin { tree: Arc::downgrade(tree), key, generation: ctx.generation() };
    OPENING.with(|opening| drop(opening.replace(Some(origin))));
    let span = open();
    OPENING.with(|opening| drop(opening.take()));
    span
}

impl<S> Layer<S> for ChildLogs
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        if attrs.metadata().name() != RUN || attrs.metadata().target() != TARGET {
            return;
        }
        let origin = OPENING.with(|opening| opening.borrow().clone());
        if let (Some(origin), Some(span)) = (origin, cx.span(id)) {
            span.extensions_mut().replace(origin);
        }
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target() == TARGET {
            return;
        }
        let Some(mut scope) = cx.event_scope(event) else { return };
        let Some(origin) = scope.find_map(|span| span.extensions().get::<Origin>().cloned()) else { return };
        let Some(tree) = origin.tree.upgrade() else { return };
        let mut said =
            Said { message: String::new(), fields: vec![("target".into(), metadata.target().into())] };
        event.record(&mut said);
        let severity = severity(*metadata.level());
        kept::log(&tree, origin.key, origin.generation, severity, said.message, said.fields);
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warning,
        Level::INFO => Severity::Info,
        Level::DEBUG => Severity::Debug,
        Level::TRACE => Severity::Trace,
    }
}

/// What a record says.
struct Said {
    message: String,
    fields: Vec<(String, String)>,
}

impl Said {
    fn say(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else if self.fields.len() < kept::FIELDS {
            self.fields.push((field.name().to_owned(), value));
        }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.say(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.say(field, format!("{value:?}"));
    }
}
