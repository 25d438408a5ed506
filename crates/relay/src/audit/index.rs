//! The audit by target and by text, for people who look something up.
//!
//! The segments are the audit; this is made from them, and made anew when it does not fit them. It is a file of SQLite
//! beside them. Who records never waits for it: new rows are gathered, and stored before the next question is answered.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, named_params};
use supervisor_api::wire::{AuditEntry, AuditPage, AuditQuery, AuditRecord, AuditRow, UnixNanos, Word};
use supervisor_ledger::{Reader, Record};
use tokio::task::spawn_blocking;

use crate::rights::Principal;

const FILE: &str = "index.sqlite";
/// The version of the tables. Another one is made anew.
const VERSION: i64 = 1;
/// So many rows are stored without a question.
const PORTION: usize = 512;
/// When so many wait, the disk does not take them.
const MOST: usize = 32 * PORTION;
/// Records come here in about their order: so many before the last that is stored are looked at again at the start.
const SLACK: u64 = 4_096;
/// How many rows are stored in one transaction while the audit is read.
const BATCH: usize = 4_096;

const TABLES: &str = "
    CREATE TABLE rows (
        sequence INTEGER PRIMARY KEY, target TEXT NOT NULL, settled INTEGER NOT NULL, words TEXT NOT NULL,
        row TEXT NOT NULL
    );
    CREATE INDEX by_target ON rows (target, sequence);
    CREATE TABLE mark (sequence INTEGER NOT NULL, recorded_at INTEGER NOT NULL);
    INSERT INTO mark VALUES (0, 0);";

/// A row, and which one it takes the place of.
#[derive(Debug, Clone)]
struct Seen {
    sequence: u64,
    recorded_at: u64,
    intent: Option<u64>,
    /// `None`: a record that is nobody's to look up.
    row: Option<AuditRow>,
}

/// The index of an audit. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Index(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Mutex<Connection>,
    /// `None`: more came than could be stored, so something is missing until the next start.
    waiting: Mutex<Option<Vec<Seen>>>,
}

/// The index while the audit is read at the start.
#[derive(Debug)]
pub(super) struct Making {
    store: Connection,
    /// How far it was when the relay ended, and whether that record was found as it was.
    mark: (u64, u64),
    fits: bool,
    first: Option<u64>,
    batch: Vec<Seen>,
    error: Option<rusqlite::Error>,
}

impl Making {
    /// Begins with what is in the directory; `None`: in memory.
    pub(super) fn begin(directory: Option<&Path>) -> rusqlite::Result<Self> {
        let store = match directory.map(|directory| directory.join(FILE)) {
            None => fresh()?,
            Some(path) => opened(&path).or_else(|error| {
                tracing::warn!("the index of the audit cannot be used and is made anew: {error}");
                remove(&path);
                opened(&path).or_else(|_| fresh())
            })?,
        };
        let mark = store.query_row("SELECT sequence, recorded_at FROM mark", [], |row| {
            Ok((number(row.get(0)?), number(row.get(1)?)))
        })?;
        Ok(Self { store, mark, fits: mark.0 == 0, first: None, batch: Vec::new(), error: None })
    }

    /// The records in their order.
    pub(super) fn see(&mut self, line: &Record) {
        self.first.get_or_insert(line.sequence);
        self.fits |= (line.sequence, line.recorded_at_unix_nanos) == self.mark;
        if line.sequence.saturating_add(SLACK) <= self.mark.0 {
            return;
        }
        let record = line.body::<AuditRecord>().ok();
        self.batch.push(seen(line.sequence, line.recorded_at_unix_nanos, record.as_ref()));
        if self.batch.len() >= BATCH {
            self.store_batch();
        }
    }

    fn store_batch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if let Err(error) = put(&mut self.store, &batch) {
            self.error.get_or_insert(error);
        }
    }

    /// All was read. If it does not fit, it is read once more.
    pub(super) fn finish(mut self, directory: Option<&Path>) -> rusqlite::Result<Index> {
        self.store_batch();
        if let (Some(directory), true) = (directory, self.error.is_some() || !self.fits) {
            tracing::info!("the index of the audit does not fit it and is made anew");
            drop(self);
            remove(&directory.join(FILE));
            let mut again = Self::begin(Some(directory))?;
            for line in Reader::open(directory).into_iter().flatten().flatten() {
                again.see(&line);
            }
            again.store_batch();
            return again.done();
        }
        self.done()
    }

    fn done(self) -> rusqlite::Result<Index> {
        if let Some(error) = self.error {
            return Err(error);
        }
        // What was dropped of the audit is dropped here.
        self.store.execute("DELETE FROM rows WHERE sequence < ?1", [signed(self.first.unwrap_or(0))])?;
        Ok(Index(Arc::new(Inner { store: Mutex::new(self.store), waiting: Mutex::new(Some(Vec::new())) })))
    }
}

impl Index {
    /// One more record is on the disk. Never waits.
    pub(super) fn add(&self, sequence: u64, recorded_at: u64, record: &AuditRecord) {
        let mut waiting = self.waiting();
        let Some(rows) = &mut *waiting else { return };
        rows.push(seen(sequence, recorded_at, Some(record)));
        if rows.len() >= MOST {
            tracing::warn!("the index of the audit cannot be written, and is made anew at the next start");
            *waiting = None;
        } else if rows.len() % PORTION == 0 {
            let index = self.clone();
            drop(spawn_blocking(move || index.store().map(drop)));
        }
    }

    /// A page of what this identity may see. It may wait for a disk.
    pub(super) fn page(&self, who: &Principal, query: &AuditQuery) -> rusqlite::Result<AuditPage> {
        let store = self.store()?;
        let targets = match &query.target_id {
            Some(target) => vec![target.to_string()],
            None => all_targets(&store)?,
        };
        let targets: Vec<_> = targets.into_iter().filter(|id| who.role_on(id).is_some()).collect();
        let targets = serde_json::to_string(&targets).unwrap_or_default();
        let before = query.before.as_ref().and_then(|before| before.parse().ok()).unwrap_or(u64::MAX);
        let words = query.text.as_deref().unwrap_or_default().to_lowercase();
        let mut found = store.prepare(
            "SELECT row FROM rows WHERE sequence < :before AND settled = 0
             AND target IN (SELECT value FROM json_each(:targets)) AND (:words = '' OR instr(words, :words) > 0)
             AND (:identity IS NULL OR row ->> 'identity' = :identity)
             AND (:command IS NULL OR row ->> 'command' = :command)
             AND (:result IS NULL OR row ->> 'result' = :result)
             AND row ->> 'occurred_at_unix_nanos' >= :since AND row ->> 'occurred_at_unix_nanos' < :until
             ORDER BY sequence DESC LIMIT :limit",
        )?;
        let asked = named_params! {
            ":before": signed(before), ":targets": targets, ":words": words, ":limit": query.limit + 1,
            ":identity": query.identity, ":command": query.command,
            ":result": query.result.as_ref().map(Word::as_str),
            ":since": signed(query.since_unix_nanos.unwrap_or_default().0),
            ":until": signed(query.until_unix_nanos.unwrap_or(UnixNanos(u64::MAX)).0),
        };
        let texts = found.query_map(asked, |row| row.get::<_, String>(0))?;
        let mut records = Vec::new();
        for text in texts {
            let text: String = text?;
            // It is ours, so it reads back.
            records.extend(serde_json::from_str::<AuditRow>(&text).ok());
        }
        let more = records.len() > query.limit as usize;
        records.truncate(query.limit as usize);
        Ok(AuditPage { query_id: query.query_id.clone(), records, more })
    }

    /// Stores what waits.
    fn store(&self) -> rusqlite::Result<MutexGuard<'_, Connection>> {
        let mut store = self.0.store.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = match &mut *self.waiting() {
            Some(rows) => std::mem::take(rows),
            None => return Err(rusqlite::Error::InvalidQuery),
        };
        if let Err(error) = put(&mut store, &batch) {
            // A full disk now is not one for ever.
            if let Some(rows) = &mut *self.waiting() {
                rows.splice(0..0, batch);
            }
            return Err(error);
        }
        Ok(store)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Seen>>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn opened(path: &PathBuf) -> rusqlite::Result<Connection> {
    let store = Connection::open(path)?;
    // A torn write of it must not be read as the audit; it is not synced with each row.
    store.pragma_update(None, "journal_mode", "WAL")?;
    store.pragma_update(None, "synchronous", "NORMAL")?;
    let version: i64 = store.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        VERSION => {
            let _: Option<i64> =
                store.query_row("SELECT sequence FROM rows LIMIT 1", [], |row| row.get(0)).optional()?;
            Ok(store)
        }
        0 => with_tables(store),
        _ => Err(rusqlite::Error::InvalidQuery),
    }
}

fn fresh() -> rusqlite::Result<Connection> {
    with_tables(Connection::open_in_memory()?)
}

fn with_tables(store: Connection) -> rusqlite::Result<Connection> {
    store.execute_batch(&format!("BEGIN;{TABLES}PRAGMA user_version = {VERSION};COMMIT;"))?;
    Ok(store)
}

fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        // What is not there need not go; what cannot go shows when it is opened.
        let _ = std::fs::remove_file(name);
    }
}

fn put(store: &mut Connection, batch: &[Seen]) -> rusqlite::Result<()> {
    let Some(last) = batch.last() else { return Ok(()) };
    let transaction = store.transaction()?;
    {
        let mut insert = transaction.prepare("INSERT OR REPLACE INTO rows VALUES (?1, ?2, 0, ?3, ?4)")?;
        let mut settle = transaction.prepare("UPDATE rows SET settled = 1 WHERE sequence = ?1")?;
        for Seen { sequence, intent, row, .. } in batch {
            if let Some(intent) = intent {
                settle.execute([signed(*intent)])?;
            }
            if let Some(row) = row {
                let text = serde_json::to_string(row).unwrap_or_default();
                insert.execute((signed(*sequence), &*row.target_id, words(row), text))?;
            }
        }
        let mark = (signed(last.sequence), signed(last.recorded_at));
        transaction.execute("UPDATE mark SET sequence = ?1, recorded_at = ?2 WHERE sequence < ?1", mark)?;
    }
    transaction.commit()
}

fn all_targets(store: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut all = store.prepare("SELECT DISTINCT target FROM rows")?;
    all.query_map([], |row| row.get(0))?.collect()
}

/// What is looked through for a text.
fn words(row: &AuditRow) -> String {
    let error = row.error.as_ref();
    let parts = [
        Some(row.identity.as_str()),
        Some(&*row.target_id),
        Some(&row.command),
        row.command_id.as_deref(),
        row.target.as_deref(),
        row.reason.as_deref(),
        error.map(|error| error.code.as_str()),
        error.map(|error| error.message.as_str()),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    // A text that is looked for does not reach from one into the next.
    parts.join("\n").to_lowercase()
}

fn seen(sequence: u64, recorded_at: u64, record: Option<&AuditRecord>) -> Seen {
    let intent = record.and_then(|record| record.intent);
    let row = record.and_then(|record| row(sequence, recorded_at, record));
    Seen { sequence, recorded_at, intent, row }
}

/// A record as it is told; `None`: it is about no target, or of a later version.
fn row(sequence: u64, recorded_at: u64, record: &AuditRecord) -> Option<AuditRow> {
    record.entry.known().filter(|entry| *entry != AuditEntry::Denials)?;
    let outcome = record.outcome.as_ref();
    Some(AuditRow {
        audit_id: sequence.to_string(),
        entry: record.entry.clone(),
        identity: record.actor.proved.clone(),
        role: record.actor.role.clone(),
        target_id: Arc::clone(&record.target_id),
        command_id: record.command_id.clone(),
        command: record.command().unwrap_or(&record.action).to_owned(),
        target: record.target.clone(),
        reason: record.reason.clone(),
        result: record.result(),
        error: outcome.and_then(|outcome| outcome.error.clone()),
        occurred_at_unix_nanos: UnixNanos(recorded_at),
    })
}

/// SQLite counts with a sign; ours do not come near it.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(signed: i64) -> u64 {
    u64::try_from(signed).unwrap_or(0)
}
