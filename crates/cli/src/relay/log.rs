//! What a relay tells while it runs: a line on standard error for each.

use std::fmt::{self, Write as _};

use supervisor_api::wire::plain;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry;

use crate::print;

/// The longest line. What is told may repeat what somebody sent.
const LONGEST: usize = 2_000;

/// From now on what our crates tell is printed, but for what is of use only in a debugger.
pub(crate) fn begin() {
    // A second subscriber of this process would be a mistake of ours; then nothing is lost but these lines.
    let _ = tracing::subscriber::set_global_default(registry().with(Lines));
}

struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, about: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *about.level() <= Level::INFO && about.target().starts_with("supervisor_")
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let word = match *event.metadata().level() {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            _ => "",
        };
        print::err(&format!("supervisor: {word}{}\n", plain(&line.0, LONGEST)));
    }
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A String takes everything.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
