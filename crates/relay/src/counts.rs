//! What a relay has done so far, for whoever measures it.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use supervisor_api::wire::{AuditOutcome, AuditResult, Word};

/// A label whose values are a closed list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct How {
    result: &'static str,
}

/// Counters that live as long as the relay. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) sessions: Gauge,
    pub(crate) denials: Counter<u64, AtomicU64>,
    commands: Family<How, Counter>,
    registrations: Family<How, Counter>,
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
    }
}
