//! Spans for whoever listens through `tracing`: one per run of a child, one per command, one per shutdown.
//!
//! | span | level | lives | fields |
//! |---|---|---|---|
//! | `supervisor.child_run` | error | as long as the run, what it spawned included | `path`, `generation`, `attempt`, `event`, `exit` |
//! | `supervisor.command` | info | as long as somebody waits for the answer | `command`, `child`, `requested_by`, `command_id`, `outcome` |
//! | `supervisor.shutdown` | info | from the first event of the end to the last | `event`, `requested_by`, `reason`, `phase` |
//!
//! A run is polled inside its span, and so is everything it spawned with [`ChildContext::spawn`], its probes and the
//! thread of a blocking run. `event` is the sequence of the event that tells why. The span of a run has the level of an
//! error so that a filter for errors alone still knows whose errors they are. Where nobody listens a span is one look
//! at a flag.

use supervisor_api::{Detail, Exit, SupervisorError};
use supervisor_core::{Address, Command, Reply, Requester};
use tracing::{Level, Span, field};

use crate::context::ChildContext;

/// The target of everything that the library itself tells through `tracing`.
pub(crate) const TARGET: &str = "supervisor";
/// The name of the span of a run.
pub(crate) const RUN: &str = "supervisor.child_run";

/// The span of a run; `None` where nobody listens.
pub(crate) fn run(ctx: &ChildContext) -> Option<Span> {
    if !tracing::span_enabled!(target: TARGET, Level::ERROR) {
        return None;
    }
    let open = || {
        let path = ctx.path();
        tracing::error_span!(
            target: TARGET,
            parent: None,
            RUN,
            path = path.as_str(),
            generation = signed(ctx.generation()),
            attempt = signed(ctx.attempt()),
            event = signed(ctx.told_by()),
            exit = field::Empty,
        )
    };
    #[cfg(feature = "tracing")]
    let span = crate::child_logs::opening(ctx, open);
    #[cfg(not(feature = "tracing"))]
    let span = open();
    (!span.is_disabled()).then_some(span)
}

/// A number as OpenTelemetry has them; it makes a text of one without a sign.
fn signed(number: impl Into<u64>) -> i64 {
    i64::try_from(number.into()).unwrap_or(i64::MAX)
}

/// A run is over.
pub(crate) fn run_is_over(span: &Span, exit: &Exit) {
    span.record("exit", field::display(exit));
    #[cfg(feature = "otel")]
    crate::otel::ended(span, || (!exit.is_clean()).then(|| exit.to_string()));
}

/// The span of a command.
pub(crate) fn command(
    word: &'static str,
    child: impl FnOnce() -> Option<String>,
    requester: &Requester,
) -> Span {
    if !tracing::span_enabled!(target: TARGET, Level::INFO) {
        return Span::none();
    }
    tracing::info_span!(
        target: TARGET,
        "supervisor.command",
        command = word,
        child = child(),
        requested_by = requester.by.as_deref(),
        command_id = requester.command_id.as_deref(),
        outcome = field::Empty,
    )
}

/// A command has its answer.
pub(crate) fn command_is_answered(span: &Span, result: &Result<Reply, SupervisorError>) {
    match result {
        Ok(Reply::Control(outcome)) if outcome.failure.is_some() => span.record("outcome", "failed"),
        Ok(_) => span.record("outcome", "completed"),
        Err(error) => span.record("outcome", error.code()),
    };
    #[cfg(feature = "otel")]
    crate::otel::ended(span, || match result {
        Ok(Reply::Control(outcome)) => outcome.failure.clone(),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    });
}

/// What a command is called.
pub(crate) fn word(command: &Command) -> &'static str {
    match command {
        Command::Control(verb, _) => verb.as_str(),
        Command::Otp(verb, _) => verb.as_str(),
        Command::Add { .. } => "add_child",
        Command::StartChild { .. } => "start_child",
        Command::Apply(_) => "apply",
        Command::Shutdown => "shutdown_tree",
        Command::SkipGraces => "skip_graces",
    }
}

/// Whom a command is about.
pub(crate) fn whom(command: &Command) -> Option<String> {
    match command {
        Command::Control(_, child) | Command::Otp(_, child) => Some(text(child)),
        Command::Add { under, child } | Command::StartChild { under, child } => {
            Some(format!("{} in {}", child.id, text(under)))
        }
        Command::Apply(_) | Command::Shutdown | Command::SkipGraces => None,
    }
}

/// An address as text.
pub(crate) fn text(address: &Address) -> String {
    match address {
        Address::Text(text) => text.to_string(),
        Address::Key(key) => format!("{}.{}", key.index, key.epoch),
    }
}

/// The span of the end of a tree.
pub(crate) fn shutdown(event: u64, detail: Option<&Detail>) -> Span {
    tracing::info_span!(
        target: TARGET,
        parent: None,
        "supervisor.shutdown",
        event = signed(event),
        requested_by = detail.and_then(|detail| detail.requested_by.as_deref()),
        reason = detail.and_then(|detail| detail.reason.as_deref().or(detail.text.as_deref())),
        phase = field::Empty,
    )
}
