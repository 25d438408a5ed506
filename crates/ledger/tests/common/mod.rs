//! A disk in memory that can fail and lose its power, and small helpers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use supervisor_ledger::{Access, Disk, DiskFile, Ledger, Options, Reader, Record};

/// Numbers of the system's errors.
pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;
pub(crate) const EROFS: i32 = 30;

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Nothing is done, and an error comes back.
    Before(i32),
    /// It is done, or some of it, and an error comes back.
    After(i32),
    /// A write takes only so many bytes, and says so.
    Short(usize),
}

/// A disk as Linux shows it: what is written is seen at once and lasts only when it is synced. A failed sync leaves
/// everything readable and forgets that it was to be written.
#[derive(Clone, Default)]
pub(crate) struct Model(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Default)]
struct State {
    files: Vec<Content>,
    /// The directory as it is seen.
    names: BTreeMap<String, usize>,
    /// The directory as it is after a crash.
    lasting: BTreeMap<String, usize>,
    changes: Vec<Change>,
    /// Changing calls so far.
    calls: usize,
    /// Syncs of files so far.
    syncs: usize,
    faults: BTreeMap<usize, Fault>,
    /// From this call on every one fails.
    failing: Option<(usize, i32)>,
    /// Room for so many more bytes.
    room: Option<usize>,
    /// Whether syncs wait.
    held: bool,
    waiting: usize,
    random: u64,
}

#[derive(Default)]
struct Content {
    seen: Vec<u8>,
    lasting: Vec<u8>,
    edits: Vec<Edit>,
}

enum Edit {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

enum Change {
    Made(String, usize),
    Gone(String),
}

impl State {
    fn random(&mut self, below: usize) -> usize {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % below
    }

    fn fault(&mut self) -> Option<Fault> {
        let call = self.calls;
        self.calls += 1;
        match self.failing {
            Some((from, errno)) if call >= from => Some(Fault::Before(errno)),
            _ => self.faults.remove(&call),
        }
    }

    /// Some of what was not synced lasts all the same: a beginning, down to the byte.
    fn lose(&mut self, file: usize) {
        let edits = std::mem::take(&mut self.files[file].edits);
        let kept = self.random(edits.len() + 1);
        for (index, edit) in edits.into_iter().enumerate() {
            match edit {
                Edit::Write(offset, bytes) if index <= kept => {
                    let part = if index == kept { self.random(bytes.len() + 1) } else { bytes.len() };
                    put(&mut self.files[file].lasting, offset, &bytes[..part]);
                }
                Edit::Truncate(length) if index < kept => {
                    self.files[file].lasting.resize(length as usize, 0);
                }
                _ => {}
            }
        }
    }
}

fn put(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let end = offset as usize + bytes.len();
    if !bytes.is_empty() && content.len() < end {
        content.resize(end, 0);
    }
    content[offset as usize..end.max(offset as usize)].copy_from_slice(bytes);
}

fn error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

impl Model {
    pub(crate) fn new(seed: u64) -> Self {
        let model = Self::default();
        model.state().random = seed;
        model
    }

    /// A disk on which these files have always been.
    pub(crate) fn with(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let model = Self::new(0);
        let mut state = model.state();
        for (name, content) in files {
            let file = state.files.len();
            state.files.push(Content { seen: content.clone(), lasting: content.clone(), edits: Vec::new() });
            state.names.insert(name.clone(), file);
            state.lasting.insert(name.clone(), file);
        }
        drop(state);
        model
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    pub(crate) fn calls(&self) -> usize {
        self.state().calls
    }

    pub(crate) fn syncs(&self) -> usize {
        self.state().syncs
    }

    /// The call that is so many from now fails.
    pub(crate) fn fault(&self, from_now: usize, fault: Fault) {
        let mut state = self.state();
        let call = state.calls + from_now;
        state.faults.insert(call, fault);
    }

    /// Every changing call fails from now on.
    pub(crate) fn fail(&self, errno: i32) {
        let mut state = self.state();
        state.failing = Some((state.calls, errno));
    }

    /// So many more bytes fit.
    pub(crate) fn room(&self, bytes: usize) {
        self.state().room = Some(bytes);
    }

    /// Nothing fails any more.
    pub(crate) fn mend(&self) {
        let mut state = self.state();
        (state.failing, state.room) = (None, None);
        state.faults.clear();
    }

    /// Syncs of files wait from now on.
    pub(crate) fn hold(&self) {
        self.state().held = true;
    }

    /// Waits until a sync waits.
    pub(crate) fn until_a_sync_waits(&self) {
        let mut state = self.state();
        while state.waiting == 0 {
            state = self.0.released.wait(state).unwrap();
        }
    }

    pub(crate) fn release(&self) {
        self.state().held = false;
        self.0.released.notify_all();
    }

    /// The power fails: what is left is what was synced, and some of the rest.
    pub(crate) fn crash(&self) {
        let mut state = self.state();
        (state.failing, state.room) = (None, None);
        state.faults.clear();
        for file in 0..state.files.len() {
            state.lose(file);
            state.files[file].seen = state.files[file].lasting.clone();
        }
        let changes = std::mem::take(&mut state.changes);
        let kept = state.random(changes.len() + 1);
        apply(&mut state.lasting, changes.into_iter().take(kept));
        state.names = state.lasting.clone();
    }

    /// The files as they are seen.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        state.names.iter().map(|(name, file)| (name.clone(), state.files[*file].seen.clone())).collect()
    }

    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }
}

fn apply(names: &mut BTreeMap<String, usize>, changes: impl Iterator<Item = Change>) {
    for change in changes {
        match change {
            Change::Made(name, file) => names.insert(name, file),
            Change::Gone(name) => names.remove(&name),
        };
    }
}

impl Disk for Model {
    fn place(&self) -> String {
        "/model".into()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let fault = state.fault();
        if let Some(Fault::Before(errno)) = fault {
            return Err(error(errno));
        }
        assert!(!state.names.contains_key(name), "{name} is made twice");
        let file = state.files.len();
        state.files.push(Content::default());
        state.names.insert(name.into(), file);
        state.changes.push(Change::Made(name.into(), file));
        match fault {
            Some(Fault::After(errno)) => Err(error(errno)),
            _ => Ok(Box::new(ModelFile { model: self.clone(), file })),
        }
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        if access == Access::Write
            && let Some(Fault::Before(errno) | Fault::After(errno)) = state.fault()
        {
            return Err(error(errno));
        }
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(ModelFile { model: self.clone(), file }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let fault = state.fault();
        if let Some(Fault::Before(errno)) = fault {
            return Err(error(errno));
        }
        state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.changes.push(Change::Gone(name.into()));
        if let Some(Fault::After(errno)) = fault { Err(error(errno)) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        if let Some(Fault::Before(errno) | Fault::After(errno)) = state.fault() {
            return Err(error(errno));
        }
        let changes = std::mem::take(&mut state.changes);
        apply(&mut state.lasting, changes.into_iter());
        Ok(())
    }
}

struct ModelFile {
    model: Model,
    file: usize,
}

impl DiskFile for ModelFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let state = self.model.state();
        let content = &state.files[self.file].seen;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(into.len());
        into[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.model.state();
        let fault = state.fault();
        let length = state.files[self.file].seen.len();
        assert!(offset as usize <= length, "a write leaves a hole");
        let mut count = match fault {
            Some(Fault::Before(errno)) => return Err(error(errno)),
            Some(Fault::After(_)) => state.random(bytes.len() + 1),
            Some(Fault::Short(count)) => count.clamp(1, bytes.len()),
            None => bytes.len(),
        };
        let growth = (offset as usize + count).saturating_sub(length);
        if let Some(room) = &mut state.room {
            let fits = growth.min(*room);
            *room -= fits;
            count -= growth - fits;
            if count == 0 {
                return Err(error(ENOSPC));
            }
        }
        let content = &mut state.files[self.file];
        put(&mut content.seen, offset, &bytes[..count]);
        content.edits.push(Edit::Write(offset, bytes[..count].to_vec()));
        if let Some(Fault::After(errno)) = fault { Err(error(errno)) } else { Ok(count) }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.model.state();
        let fault = state.fault();
        if let Some(Fault::Before(errno)) = fault {
            return Err(error(errno));
        }
        let content = &mut state.files[self.file];
        content.seen.resize(length as usize, 0);
        content.edits.push(Edit::Truncate(length));
        if let Some(Fault::After(errno)) = fault { Err(error(errno)) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.model.state();
        state.waiting += 1;
        self.model.0.released.notify_all();
        while state.held {
            state = self.model.0.released.wait(state).unwrap();
        }
        state.waiting -= 1;
        state.syncs += 1;
        if let Some(Fault::Before(errno) | Fault::After(errno)) = state.fault() {
            state.lose(self.file);
            return Err(error(errno));
        }
        let content = &mut state.files[self.file];
        for edit in std::mem::take(&mut content.edits) {
            match edit {
                Edit::Write(offset, bytes) => put(&mut content.lasting, offset, &bytes),
                Edit::Truncate(length) => content.lasting.resize(length as usize, 0),
            }
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.model.state().files[self.file].seen.len() as u64)
    }
}

/// Small segments, so that little makes many.
pub(crate) fn small() -> Options {
    Options::default().segment_bytes(2_000)
}

/// Opens a ledger on the model, which must be possible.
pub(crate) fn open(model: &Model, options: &Options) -> Ledger {
    Ledger::open_on(model.disk(), options, drop).unwrap()
}

/// The bodies of all records, each of which must be good.
pub(crate) fn bodies(disk: Arc<dyn Disk>) -> Vec<String> {
    let bad = |flaw: supervisor_ledger::Flaw| -> Record { panic!("{flaw}") };
    Reader::open_on(disk).unwrap().map(|item| item.unwrap_or_else(bad).body().unwrap()).collect()
}

/// A directory for a ledger.
pub(crate) struct Home {
    _temporary: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn home() -> Home {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("audit");
    Home { _temporary: temporary, path }
}

/// Writes the files of a ledger into a new directory.
pub(crate) fn lay_out(files: &BTreeMap<String, Vec<u8>>) -> Home {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let home = home();
    std::fs::DirBuilder::new().mode(0o700).create(&home.path).unwrap();
    for (name, content) in files {
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(home.path.join(name)).unwrap();
        io::Write::write_all(&mut file, content).unwrap();
    }
    home
}

/// The names of the segments in a directory, in order.
pub(crate) fn segments(path: &Path) -> Vec<String> {
    let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
    let names: BTreeSet<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.into_iter().filter(|name| name.starts_with("segment-")).collect()
}
