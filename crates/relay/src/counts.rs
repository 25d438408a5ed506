//! What a relay has done so far, for whoever measures it.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use supervisor_api::wire::{AuditOutcome, AuditResult, Stream, Word};

/// A label whose values are a closed list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct How {
    result: &'static str,
}

/// What targets tell, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Of {
    stream: &'static str,
}

impl From<Stream> for Of {
    fn from(stream: Stream) -> Self {
        let stream = match stream {
            Stream::Events => "events",
            Stream::Logs => "logs",
        };
        Self { stream }
    }
}

/// Counters that live as long as the relay. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) sessions: Gauge,
    pub(crate) denials: Counter<u64, AtomicU64>,
    pub(crate) failed_sign_ins: Counter<u64, AtomicU64>,
    commands: Family<How, Counter>,
    registrations: Family<How, Counter>,
    records: Family<Of, Counter>,
    lost: Family<Of, Counter>,
}

impl Counts {
    /// A command has its outcome.
    pub(crate) fn command(&self, outcome: &AuditOutcome) {
        let result = match &outcome.result {
            Word::Known(AuditResult::Accepted) => "accepted",
            Word::Known(AuditResult::Completed) => "completed",
            Word::Known(AuditResult::Rejected) => "rejected",
            Word::Known(AuditResult::Failed) => "failed",
            _ => "unknown",
        };
        self.commands.get_or_create(&How { result }).inc();
    }

    /// A target has asked to be registered.
    pub(crate) fn registration(&self, is_good: bool) {
        let result = if is_good { "accepted" } else { "rejected" };
        self.registrations.get_or_create(&How { result }).inc();
    }

    /// A target has told something.
    pub(crate) fn record(&self, stream: Stream) {
        self.records.get_or_create(&stream.into()).inc();
    }

    /// So much of what a target had to tell did not come.
    pub(crate) fn lost(&self, stream: Stream, count: u64) {
        self.lost.get_or_create(&stream.into()).inc_by(count);
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("relay_sessions", "Browsers that are connected", self.sessions.clone());
        registry.register(
            "relay_denials",
            "Commands that were refused before they began",
            self.denials.clone(),
        );
        registry.register("relay_commands", "Commands by how they went", self.commands.clone());
        registry.register(
            "relay_registrations",
            "Registrations and their renewals",
            self.registrations.clone(),
        );
        registry.register(
            "relay_failed_sign_ins",
            "Tokens, codes and certificates that were worth nothing",
            self.failed_sign_ins.clone(),
        );
        registry.register("relay_records", "Events and logs that targets have told", self.records.clone());
        registry.register(
            "relay_lost_records",
            "Events and logs of targets that did not reach the relay",
            self.lost.clone(),
        );
    }
}
