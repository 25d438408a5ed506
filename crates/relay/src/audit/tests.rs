//! The audit on a disk that fails.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use supervisor_api::wire::{BrowserCommand, BrowserTarget, Command, ControlCommandResult, UnixNanos};
use supervisor_ledger::{Access, DiskFile, Reader};

use super::*;
use crate::orders::{Claimed, Went};
use crate::session::Order;

/// A directory whose files take nothing as long as they are full.
struct Flaky {
    folder: Folder,
    is_full: Arc<AtomicBool>,
}

struct FlakyFile {
    file: Box<dyn DiskFile>,
    is_full: Arc<AtomicBool>,
}

impl Flaky {
    fn wrap(&self, file: io::Result<Box<dyn DiskFile>>) -> io::Result<Box<dyn DiskFile>> {
        let is_full = Arc::clone(&self.is_full);
        file.map(|file| Box::new(FlakyFile { file, is_full }) as Box<dyn DiskFile>)
    }
}

impl Disk for Flaky {
    fn place(&self) -> String {
        self.folder.place()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.folder.list()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.wrap(self.folder.create(name))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>> {
        self.wrap(self.folder.open(name, access))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.folder.sync()
    }
}

impl DiskFile for FlakyFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        if self.is_full.load(Ordering::Acquire) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_at(offset, bytes)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}

pub(crate) struct Place {
    pub(crate) audit: Audit,
    is_full: Arc<AtomicBool>,
    directory: PathBuf,
    _folder: tempfile::TempDir,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let folder = crate::played::folder();
        let directory = folder.path().join("audit");
        let is_full = Arc::<AtomicBool>::default();
        let (path, full) = (directory.clone(), Arc::clone(&is_full));
        let disk = move || {
            let disk = Flaky { folder: Folder::for_writing(path)?, is_full: full };
            Ok(Arc::new(disk) as Arc<dyn Disk>)
        };
        let audit = Audit::open_on(disk, None, Arc::default(), &Arc::default()).await.unwrap();
        Self { audit, is_full, directory, _folder: folder }
    }

    pub(crate) fn full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Release);
    }

    fn entries(&self) -> Vec<String> {
        let mut reader = Reader::open(&self.directory).unwrap();
        reader.entries::<AuditRecord>().map(|entry| entry.unwrap().body.entry.to_string()).collect()
    }
}

fn order(id: &str) -> Order {
    let command = BrowserCommand {
        command_id: id.into(),
        correlation_id: None,
        target_id: "shop".into(),
        command: Command::RestartChild,
        target: BrowserTarget { child_path: Some("/db".to_owned()), child_manifest: None },
        reason: "stuck".to_owned(),
        confirmed: false,
    };
    Order { identity: "ann".to_owned(), role: None, session: 1, frame_bytes: 1, command }
}

fn intent(id: &str) -> Intent {
    Intent::new(&order(id), "0".repeat(64))
}

fn went() -> Went {
    Went::Done(Box::new(ControlCommandResult {
        command_id: "c-1".into(),
        target_id: "shop".into(),
        accepted: true,
        status: supervisor_api::wire::CommandStatus::Completed.into(),
        error: None,
        state_delta: None,
        completed_at_unix_nanos: Some(UnixNanos(5)),
        outcome: None,
    }))
}

#[tokio::test]
async fn s12_what_cannot_be_recorded_must_not_be_done() {
    let place = Place::new().await;
    place.full(true);
    let refused = place.audit.intend(&intent("c-1")).await.unwrap_err();
    assert!(refused.code.is(ErrorCode::AuditWriteFailed), "{refused}");
    place.full(false);
    place.audit.intend(&intent("c-1")).await.unwrap();
    assert_eq!(place.entries(), ["intent"]);
}

#[tokio::test]
async fn s12_an_outcome_waits_for_the_disk_and_nothing_is_begun_before_it() {
    let place = Place::new().await;
    let first = intent("c-1");
    let sequence = place.audit.intend(&first).await.unwrap();
    place.full(true);
    place.audit.tell(first.outcome(sequence, &went())).await;
    assert!(place.audit.intend(&intent("c-2")).await.is_err());
    assert_eq!(place.entries(), ["intent"]);
    place.full(false);
    place.audit.intend(&intent("c-3")).await.unwrap();
    assert_eq!(place.entries(), ["intent", "outcome", "intent"]);
}

#[tokio::test(start_paused = true)]
async fn denials_beyond_the_rate_are_counted_and_the_sum_is_told() {
    let denials = Denials::default();
    let error = WireError::new(ErrorCode::AuthzDenied, "no");
    (0..150).for_each(|n| denials.add(denial(&order(&format!("c-{n}")), &error)));
    let records = denials.next().await;
    assert_eq!(records.len(), 101);
    assert_eq!(records[100].count, Some(50));
}

/// A directory that lost its beginning counts from 1 again, and an outcome that came late names a number of before.
#[test]
fn an_outcome_is_that_of_its_own_command_and_of_no_other_with_its_number() {
    let folder = crate::played::folder();
    let place = folder.path().join("audit");
    let (mine, other) = (intent("c-1"), intent("c-2"));
    let ledger = Ledger::open(&place, &Options::default()).unwrap();
    let sequence = ledger.commit(&mine.record).unwrap();
    ledger.commit(&other.outcome(sequence, &went())).unwrap();
    let ids = Arc::<Ids>::default();
    let mut recall = Recall::new(&ids);
    Reader::open(&place).unwrap().for_each(|record| recall.see(&record.unwrap()));
    let unknown = recall.finish();
    assert_eq!(unknown.iter().map(|record| record.command_id.as_deref()).collect::<Vec<_>>(), [Some("c-1")]);
    let again = |id: &str| ids.claim("ann", (&"shop".into(), &id.into()), &"0".repeat(64));
    let lost = again("c-1").unwrap_err();
    assert!(lost.code.is(ErrorCode::ReplayDetected), "{lost}");
    assert!(matches!(again("c-2"), Ok(Claimed::New(_))));
}
