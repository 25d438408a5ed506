//! Disks that fail, callers and commands.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use supervisor_api::wire::{
    AuditRecord, Command, CommandTarget, ControlCommandRequest, ControlCommandResult, UnixNanos,
};
use supervisor_ledger::{Access, Disk, DiskFile, Folder, Reader};
use supervisor_socket::Peer;

use crate::audit::book::Book;
use crate::audit::desk::Desk;
use crate::audit::{Audit, AuditConfig, AuditOptions};
use crate::caller::{Caller, Role};
use crate::ids::{Ids, Limits, Once};

pub(crate) const TARGET: &str = "shop";

/// A directory for an audit. It goes with the value.
pub(crate) struct Home {
    _temporary: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn home() -> Home {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("audit");
    Home { _temporary: temporary, path }
}

pub(crate) fn caller(uid: u32) -> Caller {
    Caller {
        peer: Peer { uid, gid: 100, pid: Some(4711) },
        role: Role::Admin,
        connection: 3,
        frame_bytes: 212,
    }
}

pub(crate) fn asked(id: &str, command: Command) -> ControlCommandRequest {
    ControlCommandRequest {
        command_id: id.into(),
        target_id: TARGET.into(),
        expect_state_generation: None,
        command,
        target: CommandTarget { child_path: Some("/web".into()), child_manifest: None },
        signal: None,
        stack: None,
        rollback: false,
        reason: "it is stuck".into(),
        requested_by: "ann".into(),
        confirmed: false,
        requested_at_unix_nanos: None,
    }
}

pub(crate) fn restart(id: &str) -> ControlCommandRequest {
    asked(id, Command::RestartChild)
}

pub(crate) fn completed(asked: &ControlCommandRequest) -> ControlCommandResult {
    ControlCommandResult::completed(asked, UnixNanos(5))
}

/// Carries a restart out, as what a completed one looks like, and says whether it was done.
pub(crate) async fn carry_out(
    once: &Once,
    uid: u32,
    id: &str,
) -> (Result<ControlCommandResult, supervisor_api::wire::WireError>, bool) {
    let asked = restart(id);
    let done = Arc::new(AtomicBool::new(false));
    let act = {
        let (done, result) = (Arc::clone(&done), completed(&asked));
        async move {
            assert!(!done.swap(true, Ordering::SeqCst));
            result
        }
    };
    let result = soon(once.run(&caller(uid), &asked, None, act)).await;
    (result, done.load(Ordering::SeqCst))
}

pub(crate) fn in_directory(path: &Path) -> AuditConfig {
    AuditConfig::Directory(AuditOptions::new(path))
}

pub(crate) async fn open(path: &Path) -> Once {
    Once::open(&in_directory(path), TARGET.into()).await
}

/// Everything that was recorded, with its sequence. Each line must be good, and each body a record.
pub(crate) fn records(path: &Path) -> Vec<(u64, AuditRecord)> {
    let mut reader = Reader::open(path).unwrap();
    reader.entries().map(|entry| entry.map(|entry| (entry.record.sequence, entry.body)).unwrap()).collect()
}

/// The words of the entries, in order.
pub(crate) fn entries(path: &Path) -> Vec<String> {
    records(path).iter().map(|(_, record)| record.entry.to_string()).collect()
}

/// What the disk does from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Every write and sync fails with this error.
    Fails(i32),
    /// Writes go where nothing fits, and the kernel says so.
    Full,
    /// Syncs do not return.
    Hangs,
}

pub(crate) const EIO: i32 = 5;
pub(crate) const EROFS: i32 = 30;

/// A directory on a disk with moods.
#[derive(Clone)]
pub(crate) struct MoodyDisk(Arc<Moody>);

struct Moody {
    folder: Folder,
    mood: Arc<Shared>,
}

pub(crate) struct Shared {
    mood: Mutex<(Mood, usize)>,
    changed: Condvar,
}

/// The hand that changes the mood.
#[derive(Clone)]
pub(crate) struct Hand(Arc<Owner>);

struct Owner(Arc<Shared>);

/// A test that fails ends, also while the disk hangs.
impl Drop for Owner {
    fn drop(&mut self) {
        self.0.set(Mood::Well);
    }
}

impl Hand {
    pub(crate) fn new() -> Self {
        let shared = Shared { mood: Mutex::new((Mood::Well, 0)), changed: Condvar::new() };
        Self(Arc::new(Owner(Arc::new(shared))))
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.0.0.set(mood);
    }

    /// How many syncs hang.
    pub(crate) fn hanging(&self) -> usize {
        self.0.0.mood.lock().unwrap().1
    }
}

impl Shared {
    fn set(&self, mood: Mood) {
        self.mood.lock().unwrap().0 = mood;
        self.changed.notify_all();
    }

    fn check(&self) -> io::Result<()> {
        match self.mood.lock().unwrap().0 {
            Mood::Fails(errno) => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(()),
        }
    }

    fn hang(&self) {
        let mut mood = self.mood.lock().unwrap();
        mood.1 += 1;
        while mood.0 == Mood::Hangs {
            mood = self.changed.wait(mood).unwrap();
        }
        mood.1 -= 1;
    }

    fn is_full(&self) -> bool {
        self.mood.lock().unwrap().0 == Mood::Full
    }
}

impl Disk for MoodyDisk {
    fn place(&self) -> String {
        self.0.folder.place()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.folder.list()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.0.mood.check()?;
        Ok(Box::new(MoodyFile { file: self.0.folder.create(name)?, mood: Arc::clone(&self.0.mood) }))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>> {
        if access == Access::Write {
            self.0.mood.check()?;
        }
        Ok(Box::new(MoodyFile { file: self.0.folder.open(name, access)?, mood: Arc::clone(&self.0.mood) }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.mood.check()?;
        self.0.folder.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.mood.check()?;
        self.0.folder.sync()
    }
}

struct MoodyFile {
    file: Box<dyn DiskFile>,
    mood: Arc<Shared>,
}

impl DiskFile for MoodyFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.mood.check()?;
        if self.mood.is_full() {
            let full: &dyn DiskFile = &File::options().write(true).open("/dev/full")?;
            return full.write_at(offset, bytes);
        }
        self.file.write_at(offset, bytes)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.mood.check()?;
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.mood.hang();
        self.mood.check()?;
        self.file.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}

/// An audit on a disk with moods.
pub(crate) async fn moody(path: &Path, hand: &Hand, fail_open: bool) -> Once {
    let options = AuditOptions { fail_open, ..AuditOptions::new(path) };
    let (path, mood) = (path.to_owned(), Arc::clone(&hand.0.0));
    let place = move || {
        let moody = Moody { folder: Folder::for_writing(&path)?, mood: Arc::clone(&mood) };
        Ok(Arc::new(MoodyDisk(Arc::new(moody))) as Arc<dyn Disk>)
    };
    let ids = Ids::new(Limits::DEFAULT);
    let book = Book::on(Box::new(place), &options, ids.clone());
    let audit = Audit::on(Desk::new(TARGET.into(), &options, book)).await;
    Once::with(ids, audit, TARGET.into())
}

/// Waits in the time of the test, at most a quarter of an hour of it.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..9_000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it does not come to it: {what}");
}

/// What comes within an hour of the test's time. A test that waits for ever says nothing.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(3_600), what).await.expect("it takes more than an hour")
}
