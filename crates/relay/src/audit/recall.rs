//! The ids of commands, from what the audit remembers.

use std::collections::BTreeMap;
use std::time::Duration;

use supervisor_api::wire::{AuditEntry, AuditRecord};
use supervisor_ledger::Record;

use super::record;
use crate::orders::{Done, Ids};

/// Reads records, the oldest first, and tells the ids what became of each command.
pub(super) struct Recall<'a> {
    ids: &'a Ids,
    /// Intents without an outcome so far, by their sequence.
    open: BTreeMap<u64, (AuditRecord, Duration)>,
    /// Records that are none of ours.
    strange: u64,
}

impl<'a> Recall<'a> {
    pub(super) fn new(ids: &'a Ids) -> Self {
        Self { ids, open: BTreeMap::new(), strange: 0 }
    }

    pub(super) fn see(&mut self, line: &Record) {
        let Ok(record) = line.body::<AuditRecord>() else {
            self.strange += 1;
            return;
        };
        match record.entry.known() {
            Some(AuditEntry::Intent) => {
                let record = AuditRecord { details: None, ..record };
                self.open.insert(line.sequence, (record, line.age()));
            }
            Some(AuditEntry::Outcome) => self.outcome(&record, line.age()),
            _ => {}
        }
    }

    fn outcome(&mut self, record: &AuditRecord, age: Duration) {
        // In a directory that was begun anew a number may be another's.
        let is_its = |(intent, _): &(AuditRecord, Duration)| whose(intent) == whose(record);
        let sequence = record.intent.filter(|sequence| self.open.get(sequence).is_some_and(is_its));
        let Some((intent, _)) = sequence.and_then(|sequence| self.open.remove(&sequence)) else { return };
        if !record.outcome.as_ref().is_some_and(record::frees) {
            self.tell(&intent, age, record::done(record));
        }
    }

    fn tell(&self, intent: &AuditRecord, age: Duration, done: Option<Done>) {
        let AuditRecord { command_id: Some(id), body_sha256: Some(digest), .. } = intent else { return };
        self.ids.recall(age, &intent.actor.proved, (&intent.target_id, id), digest, done);
    }

    /// All was read. Returns records which say that nobody knows what came of the intents that have no outcome.
    pub(super) fn finish(self) -> Vec<AuditRecord> {
        if self.strange > 0 {
            tracing::warn!(
                "{} records of the audit are of a kind that this version does not know",
                self.strange
            );
        }
        for (intent, age) in self.open.values() {
            self.tell(intent, *age, None);
        }
        self.open.into_iter().map(|(sequence, (intent, _))| record::unknown(intent, sequence)).collect()
    }
}

/// Of what command a record is.
fn whose(record: &AuditRecord) -> (&str, &str, Option<&str>) {
    (&record.actor.proved, &record.target_id, record.command_id.as_deref())
}
