//! The ids of commands, from what the audit remembers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::wire::{AuditEntry, AuditRecord, ErrorCode};
use supervisor_ledger::Record;

use super::record;
use crate::ids::{BodyDigest, Ids};

/// Reads records oldest first and tells the ids what became of each command.
#[derive(Debug)]
pub(super) struct Recall<'a> {
    ids: &'a Ids,
    /// Intents without an outcome so far, by their sequence.
    open: BTreeMap<u64, Open>,
    /// Records that are none of ours.
    strange: u64,
}

#[derive(Debug)]
struct Open {
    record: AuditRecord,
    age: Duration,
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
                self.open.insert(line.sequence, Open { record, age: line.age() });
            }
            Some(AuditEntry::Outcome) => self.outcome(&record, line.age()),
            Some(AuditEntry::Denial | AuditEntry::Denials) | None => {}
        }
    }

    fn outcome(&mut self, record: &AuditRecord, age: Duration) {
        // In a directory that was begun anew a number may be another's.
        let is_its =
            |open: &Open| (open.record.peer, &open.record.command_id) == (record.peer, &record.command_id);
        let sequence = record.intent.filter(|sequence| self.open.get(sequence).is_some_and(is_its));
        let open = sequence.and_then(|sequence| self.open.remove(&sequence));
        // It was not carried out, because its intent was too late on the disk: its id is as good as new.
        if record.code().is_some_and(|code| code.known() == Some(ErrorCode::AuditWriteFailed)) {
            return;
        }
        // An intent that could not be recorded has left its digest in its outcome, and one that was told to be
        // unknown, and has an outcome after all, is here already.
        self.tell(open.as_ref().map_or(record, |open| &open.record), record, age);
    }

    fn tell(&self, command: &AuditRecord, outcome: &AuditRecord, age: Duration) {
        let Some(peer) = command.peer else { return };
        let Some(id) = command.command_id.as_deref().map(Arc::<str>::from) else { return };
        let Some(digest) = command.body_sha256.as_deref().and_then(BodyDigest::parse) else { return };
        let result = outcome.outcome.as_ref();
        let result = result.and_then(|it| it.result(Arc::clone(&id), Arc::clone(&command.target_id)));
        self.ids.recall(age, peer.uid, &id, digest, result);
    }

    /// All was read. Returns records which say that nobody knows what came of the intents that have no outcome.
    pub(super) fn finish(self) -> Vec<AuditRecord> {
        if self.strange > 0 {
            tracing::warn!(
                "{} records of the audit are of a kind that this version does not know; commands in them are not \
                 known as carried out",
                self.strange
            );
        }
        for open in self.open.values() {
            self.tell(&open.record, &open.record, open.age);
        }
        self.open.into_iter().map(|(sequence, open)| record::unknown(open.record, sequence)).collect()
    }
}
