//! The leases on disk, so that a relay which was killed follows its targets again at once.
//!
//! The file is one JSON object in the directory of the relay's state. It is not synced: after a power failure its targets are gone, too, and one that cannot be read is
//! told of and passed by. What stands in it proves nothing: each target is looked at as if it registered now.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use supervisor_api::wire::{ErrorCode, Registration, RegistrationRefusal, UnixNanos};
use supervisor_ledger::{Error, Folder};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::{Admitted, PATIENCE, Registry};
use crate::{clock, file};

const FILE: &str = "targets.json";
/// The format of the file.
const VERSION: u32 = 1;
/// More than the file of 10 000 targets has.
const LARGEST: u64 = 64 << 20;
/// How long is gathered before the file is written, and how long no other one is written after that.
const GATHER: Duration = Duration::from_millis(50);
const PACE: Duration = Duration::from_millis(500);
const NANOS: u64 = 1_000_000_000;

/// What stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    version: u32,
    targets: Vec<Kept>,
}

/// A target as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(super) registration: Registration,
    pub(super) uid: u32,
    /// When its lease is over.
    pub(super) until_unix_nanos: UnixNanos,
}

/// The directory in which they are kept. It belongs to this relay alone as long as this is there.
#[derive(Debug)]
pub(crate) struct Shelf {
    directory: PathBuf,
    _ours: Folder,
}

impl Shelf {
    /// Makes the directory if it is missing, proves that it is ours, and locks it. It may wait for a disk.
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let ours = Folder::for_writing(directory)?;
        Ok(Self { directory: directory.to_owned(), _ours: ours })
    }

    /// The targets that were kept. A file that is no good is told of in the log.
    pub(crate) fn load(&self) -> Vec<Kept> {
        let path = self.directory.join(FILE);
        match read(&path) {
            Ok(targets) => targets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!(
                    "{} cannot be used: {error}; targets come back when they renew their registrations",
                    path.display()
                );
                Vec::new()
            }
        }
    }

    fn save(&self, targets: Vec<Kept>) -> io::Result<()> {
        let text = serde_json::to_vec(&Page { version: VERSION, targets })?;
        file::replace(&self.directory.join(FILE), &text)
    }
}

fn read(path: &Path) -> io::Result<Vec<Kept>> {
    let Page { version, targets } = serde_json::from_slice(&file::read(path, LARGEST)?)?;
    if version != VERSION {
        return Err(file::of_another_version(version, VERSION));
    }
    Ok(targets)
}

impl Registry {
    /// Takes in what was kept. A lease that is over, or a target that may not register now, is shown as expired and not
    /// followed. Returns when all were looked at; a disk that does not answer costs ten seconds.
    pub(crate) async fn recall(self: &Arc<Self>, kept: Vec<Kept>, admitted: &Admitted) {
        let mut looks = JoinSet::new();
        // Who is not to register here any more is not shown either.
        for kept in kept.into_iter().filter(|kept| admitted.has(kept.uid)) {
            let registry = Arc::clone(self);
            looks.spawn(async move { registry.recall_one(kept).await });
        }
        while looks.join_next().await.is_some() {}
    }

    async fn recall_one(&self, kept: Kept) {
        let Kept { registration, uid, until_unix_nanos } = kept.clone();
        if let Err(refusal) = registration.check() {
            tracing::warn!("a target that was kept is no good: {refusal}");
            return;
        }
        let now = clock::now().0;
        let left = until_unix_nanos.0.saturating_sub(now).div_ceil(NANOS);
        if left == 0 {
            let ago = Duration::from_nanos(now - until_unix_nanos.0);
            return self.show_expired(kept, ago);
        }
        // A clock that was set back does not make a lease longer than it was.
        let lease_seconds = left.min(registration.lease_seconds);
        let asked = Registration { lease_seconds, ..registration };
        let refusal = match self.look(&asked.ipc_path, uid).await {
            Ok(socket) => match self.register(&asked, &socket, uid) {
                Ok(_) => return,
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        };
        let id = &asked.target_id;
        tracing::info!("the target {id}, which was registered before, is not followed: {refusal}");
        self.show_expired(kept, Duration::ZERO);
    }

    /// Keeps the leases on disk until it is aborted.
    pub(crate) fn keep(self: &Arc<Self>, shelf: Shelf) -> JoinHandle<()> {
        let registry = Arc::clone(self);
        let shelf = Arc::new(shelf);
        tokio::spawn(async move {
            let mut is_told = false;
            loop {
                registry.to_keep.notified().await;
                sleep(GATHER).await;
                let targets = registry.kept();
                let shelf = Arc::clone(&shelf);
                let saved = spawn_blocking(move || shelf.save(targets)).await;
                match saved {
                    Ok(Err(error)) if !is_told => {
                        tracing::warn!(
                            "the registered targets cannot be kept: {error}; after a restart they come back when they \
                             renew their registrations"
                        );
                        is_told = true;
                    }
                    Ok(Ok(())) => is_told = false,
                    _ => {}
                }
                sleep(PACE).await;
            }
        })
    }

    /// The socket of a target that registers. The path may lead to a disk that does not answer.
    pub(super) async fn look(&self, path: &str, uid: u32) -> Result<PathBuf, RegistrationRefusal> {
        let (allowed, path) = (self.allowed.clone(), PathBuf::from(path));
        let look = spawn_blocking(move || allowed.socket(&path, uid));
        match timeout(PATIENCE, look).await {
            Ok(Ok(socket)) => socket,
            _ => {
                let message = "the socket's path could not be looked at in time; is its disk there?";
                Err(RegistrationRefusal::new(ErrorCode::InvalidIpcPath, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::registration;

    fn folder() -> tempfile::TempDir {
        let root = std::fs::canonicalize(std::env::temp_dir()).unwrap();
        tempfile::Builder::new().prefix("relay-").tempdir_in(root).unwrap()
    }

    fn kept(id: &str) -> Kept {
        Kept { registration: registration(id), uid: 7, until_unix_nanos: UnixNanos(5) }
    }

    #[test]
    fn what_was_kept_is_read_again_also_beside_a_file_that_was_not_finished() {
        let folder = folder();
        let at = folder.path().join("state");
        let shelf = Shelf::open(&at).unwrap();
        assert_eq!(shelf.load(), []);
        shelf.save(vec![kept("a")]).unwrap();
        std::fs::write(at.join("targets.json.new"), "{\"vers").unwrap();
        assert_eq!(shelf.load(), [kept("a")]);
        shelf.save(vec![kept("a"), kept("b")]).unwrap();
        assert_eq!(shelf.load(), [kept("a"), kept("b")]);
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(at.join(FILE)).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_damaged_or_none_is_passed_by() {
        let folder = folder();
        let at = folder.path().join("state");
        let shelf = Shelf::open(&at).unwrap();
        shelf.save(vec![kept("a")]).unwrap();
        let good = std::fs::read(at.join(FILE)).unwrap();
        let path = at.join(FILE);
        let other = String::from_utf8(good.clone()).unwrap().replace("\"version\":1", "\"version\":2");
        for bad in [&good[..good.len() - 1], b"", b"\0\0\0\0", b"[]", b"{\"version\":1}", other.as_bytes()] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(shelf.load(), [], "{}", String::from_utf8_lossy(bad));
            assert!(read(&path).is_err());
        }
        std::fs::write(folder.path().join("else"), &good).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(folder.path().join("else"), &path).unwrap();
        assert_eq!(shelf.load(), [], "a link is not followed");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(shelf.load(), []);
    }

    #[test]
    fn a_directory_is_one_relays() {
        let folder = folder();
        let at = folder.path().join("state");
        let _first = Shelf::open(&at).unwrap();
        assert!(matches!(Shelf::open(&at), Err(Error::InUse { .. })));
    }
}
